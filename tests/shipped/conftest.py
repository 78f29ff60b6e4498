"""Shipped configs, each simulated once for all tests that look at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from exsim.api import simulate
from exsim.workflows import Run


@pytest.fixture(scope="session")
def simulated(root: Path) -> Callable[..., Run]:
    """Return a function that runs a shipped config by name, some of it overridden, once."""

    @cache
    def run(name: str, *overrides: str) -> Run:
        return simulate(root / "configs" / "simulate" / f"{name}.toml", _strings(overrides))

    return run


def _strings(overrides: Sequence[str]) -> list[str]:
    return list(overrides)
