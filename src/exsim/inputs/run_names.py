"""Names of runs: what a file system can hold, told apart on every one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ..errors import ConfigError, Problem

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Names that Windows keeps for devices, with any ending.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def name_complaint(name: str) -> str | None:
    """Return what is wrong with a run name, or None."""
    if "\x00" in name:
        return "holds a zero byte"
    if _RESERVED.fullmatch(name):
        return f'"{name}" is a name that Windows keeps for a device'
    if name.endswith("."):
        return f'"{name}" ends with a dot'
    if not _NAME.fullmatch(name):
        return f'"{name}" does not match [A-Za-z0-9][A-Za-z0-9._-]{{0,99}}'
    return None


def check_run_name(name: str, file: str | None = None) -> str:
    """Return a run name that is safe as a folder on every system. Raises ConfigError for any other."""
    complaint = name_complaint(name)
    if complaint is not None:
        hint = "rename the config file: letters, digits, dot, dash and underscore, a letter or digit first"
        raise ConfigError(Problem(f"the name of a run: {complaint}", file, hint=hint))
    return name


def run_folder(parent: Path, name: str) -> Path:
    """Return the folder of a run below `parent`. Raises ConfigError for a name that leads elsewhere."""
    folder = parent / check_run_name(name)
    if folder.resolve().parent != parent.resolve():
        raise ConfigError(
            Problem(f'"{folder}" leads outside "{parent}"', hint="remove the link of that name")
        )
    return folder


def colliding_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of names that meet on some file systems: by case or by Unicode normal form."""
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        if plain in seen:
            pairs.append((seen[plain], name))
        else:
            seen[plain] = name
    return pairs
