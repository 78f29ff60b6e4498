"""Where the models and configs that come with exsim lie: in the package, or in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(kind: Literal["models", "configs"]) -> Path:
    """Return the folder of the shipped models or configs."""
    installed = _PACKAGE / "shipped" / kind
    return installed if installed.is_dir() else _PACKAGE.parents[1] / kind


def shipped_models() -> list[str]:
    """Return the names of the shipped models in alphabetical order."""
    folder = shipped_folder("models")
    return sorted(path.parent.name for path in folder.glob("*/model.toml"))


def shipped_config(name: str) -> Path | None:
    """Return the shipped config of that name for `exsim simulate`, or None."""
    path = shipped_folder("configs") / "simulate" / f"{name}.toml"
    return path if path.is_file() else None
