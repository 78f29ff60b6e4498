"""What a reader of a table found out beside its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import Problem


@dataclass
class Said:
    """Notes on what was taken for what, warnings, and the words that the table has for options to name."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    #: Option -> words of the table.
    words: dict[str, Iterable[str]] = field(default_factory=dict)
