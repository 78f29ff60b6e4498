"""How a config names what is free: a bare id is a parameter of the model, all else as a sweep writes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from .errors import nearest
from .fields import Text
from .sweep_spec import TargetPath, read_target

_TARGET_TABLES = ("parameter", "subject", "protocol")


def target_text(name: str) -> str:
    """Return what may be free as a sweep writes it: a bare id is a parameter of the model."""
    table, dot, _ = name.partition(".")
    if dot and (table in _TARGET_TABLES or nearest(table, _TARGET_TABLES) is not None):
        return name
    return f"parameter.{name}"


def free_path(name: str) -> TargetPath:
    """Return what a name in a config for a fit stands for. Raises a complaint for what cannot be free."""
    return read_target(target_text(name))


def _checked_free(name: str) -> str:
    free_path(name)
    return name


FreeName = Annotated[Text, AfterValidator(_checked_free)]
