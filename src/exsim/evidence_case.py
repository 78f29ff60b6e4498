"""One published number that a model is held against: what was measured, when, and how it may be used."""

from __future__ import annotations

import re
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


_SHORT = {
    "concentration_after_start": "level {time} after the start",
    "concentration_after_end": "level {time} after the end",
    "fold_after_start": "fold {time} after the start",
    "fold_after_end": "fold {time} after the end",
    "peak_fold": "peak fold",
    "time_of_peak_after_end": "time of peak after the end",
    "ratio": "ratio {time} after the end",
    "unchanged": "unchanged",
    "share_removed": "share of the rise removed",
}


def describe(case: EvidenceCase) -> str:
    """Return what a case measures in few words: "IL6 fold 2 h after the end"."""
    time = "?" if case.time_h is None else f"{case.time_h:g} h"
    words = _SHORT.get(case.quantity, case.quantity.replace("_", " ")).format(time=time)
    return f"{case.analyte} {words.replace('0 h after', 'at') if case.time_h == 0 else words}".strip()


def short_study(case: EvidenceCase) -> str:
    """Return author and year of a study, without the journal."""
    match = re.match(r".*?\b(?:19|20)\d\d\b", case.study)
    return match[0] if match else case.study


def target_text(case: EvidenceCase) -> str:
    """Return the target of a case with its interval: "0.6 (0.5 to 0.71)"."""
    value = "" if case.value is None else f"{case.value:.4g}"
    if case.low is None or case.high is None:
        return value
    return f"{value} ({case.low:.4g} to {case.high:.4g})".strip()
