"""One published number that a model is held against: what was measured, when, and how it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Use = Literal["calibrate", "predict", "input", "context"]

#: What can be scored, and what it is.
QUANTITIES: dict[str, str] = {
    "concentration_after_start": "value at time_h after the start of the first bout, or else after the bolus",
    "concentration_after_end": "value at time_h after the end of the last bout, or else of the infusion",
    "fold_after_start": "value over rest, at time_h after the start",
    "fold_after_end": "value over rest, at time_h after the end",
    "peak_fold": "highest value over rest",
    "time_of_peak_after_end": "when the highest value is reached, counted from the end",
    "ratio": "value of config over value of compare_config, at time_h after the end of each",
    "unchanged": "lowest and highest value over rest both between low and high",
    "share_removed": "1 - rise in config / rise in compare_config; rise: highest value after the bolus"
    " minus the value at the bolus",
}

#: What a row may be used for: `calibrate` and `predict` are scored, apart; the others are listed.
USES: tuple[str, ...] = ("calibrate", "predict", "input", "context")


@dataclass(frozen=True)
class EvidenceCase:
    """One row of a table of evidence, as read. `line` is its line in the file."""

    id: str
    config: str
    analyte: str
    quantity: str
    unit: str
    use: str
    line: int
    study: str = ""
    doi: str = ""
    compare_config: str = ""
    time_h: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    tag: str = ""
    note: str = ""
    #: The files that the names stand for; None where there is no such file.
    config_path: Path | None = None
    compare_path: Path | None = None


@dataclass(frozen=True)
class EvidenceTable:
    """A table of evidence: its cases, what was repaired or ignored in reading, and its hash."""

    cases: tuple[EvidenceCase, ...]
    path: Path
    sha256: str
    warnings: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
