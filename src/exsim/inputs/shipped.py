"""Where the shipped models and configs lie: inside the installed package, else in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(kind: Literal["models", "configs"]) -> Path:
    """Return the folder of the shipped models or configs."""
    installed = _PACKAGE / "shipped" / kind
    return installed if installed.is_dir() else _PACKAGE.parent.parent / kind


def shipped_models() -> tuple[str, ...]:
    """Return the names of the shipped models, sorted."""
    folder = shipped_folder("models")
    if not folder.is_dir():
        return ()
    return tuple(sorted(item.name for item in folder.iterdir() if (item / "model.xml").is_file()))


def shipped_model(name: str) -> Path | None:
    """Return the folder of a shipped model, or None if there is none of that name."""
    return shipped_folder("models") / name if name in shipped_models() else None


def shipped_configs() -> tuple[str, ...]:
    """Return the shipped configs as paths below their folder, such as "simulate/marathon.toml", sorted."""
    folder = shipped_folder("configs")
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.toml")))
