"""A table of published evidence -> the rows of a fit: what each number is, and how far off it may be.

With a 95 % interval from low to high the sd of the logarithm is log(high / low) / (2 * 1.96), that of a
time or a share (high - low) / (2 * 1.96); where the table has none, the config and the tolerances of
`exsim.evidence` say it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..choices import Family
from ..errors import EvidenceError, UnitError, did_you_mean, nearest
from ..evidence import SHARE_TOLERANCE, TIME_TOLERANCE_H, UNCHANGED_BETWEEN, needs
from ..evidence_case import EvidenceCase, EvidenceTable, short_study
from ..fit_problem import FitRows, Observable, Simulation
from ..fit_problem import Quantity as RowQuantity
from ..formula import Name
from ..measurements import MEASURED
from ..model_spec import ModelSpec
from ..spec import OutputSpec, RunSpec
from ..sweep_targets import Analyte, analytes
from ..units import Quantity, factor
from .config_checks import ConfigFindings
from .evidence_table import read_evidence
from .fit_conditions import Condition, read_runs

if TYPE_CHECKING:
    from .config import LoadedFit

#: Standard deviations from the middle of a normal to an end of its central 95 %.
_REACH_95 = 1.96
_QUANTITIES: dict[str, RowQuantity] = {
    "concentration_after_start": "level",
    "concentration_after_end": "level",
    "fold_after_start": "fold",
    "fold_after_end": "fold",
    "peak_fold": "peak_fold",
    "time_of_peak_after_end": "time_of_peak",
    "ratio": "ratio",
    "unchanged": "unchanged",
    "share_removed": "share_removed",
}
#: Quantities that may be 0 or less: their noise is normal, that of the others log-normal.
_NORMAL: tuple[RowQuantity, ...] = ("time_of_peak", "share_removed")
#: What the table calls a number without a unit.
_PLAIN_UNITS = ("", "fold", "ratio", "share")
_PLACE = ("data", "evidence")


class _CannotUse(Exception):
    """Why a row cannot be used; never leaves this module."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows of a table of evidence that a fit may use, and the runs that they need."""

    table: EvidenceTable
    cases: tuple[EvidenceCase, ...]
    conditions: list[Condition]
    #: Run config -> the number of its condition.
    places: dict[Path, int]

    @property
    def studies(self) -> dict[str, str]:
        """Each study, and author and year for short where these name no other."""
        studies = [name for name in dict.fromkeys(case.study for case in self.cases) if name]
        short = {case.study: short_study(case) for case in self.cases}
        alone = {name: list(short.values()).count(short[name]) == 1 for name in studies}
        return {name: short[name] if alone[name] else name for name in studies}


def read_evidence_of_fit(
    found: ConfigFindings, config: LoadedFit, model: ModelSpec, hashes: dict[str, str]
) -> Evidence | None:
    """Return the table of evidence of a config; None, with all that is wrong noted, where it cannot be read.

    Rows that cannot be used are warnings, each with its reason.
    """
    data = config.spec.data
    assert data.evidence is not None
    path = config.path.parent / data.evidence
    if not path.is_file():
        match = nearest(path.name, sorted(item.name for item in path.parent.glob("*.csv")))
        hint = f'Did you mean "{match}"?' if match else "the path is counted from the folder of the config"
        found.refuse(f'there is no table "{data.evidence}"', _PLACE, hint)
        return None
    try:
        table = read_evidence(path)
    except EvidenceError as error:
        found.problems += error.problems
        return None
    hashes[data.evidence] = table.sha256
    found.warnings += table.warnings
    cases = []
    for case in table.cases:
        if case.use not in data.use:
            continue
        reason = needs(case)
        if reason:
            _leave_out(found, table, case, reason)
        else:
            cases.append(case)
    files: dict[Path, str] = {}
    for case in cases:
        for file, name in ((case.config_path, case.config), (case.compare_path, case.compare_config)):
            if file is not None:
                files.setdefault(file.resolve(), name)
    conditions = read_runs(found, config, model, hashes, files, _PLACE)
    if len(conditions) < len(files):
        return None
    return Evidence(table, tuple(cases), conditions, {file: number for number, file in enumerate(files)})


def _leave_out(found: ConfigFindings, table: EvidenceTable, case: EvidenceCase, reason: str) -> None:
    found.warnings.append(f"{table.path}:{case.line} {case.id} is not used: {reason}")


# ---- rows --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    # One row of the table in the units of the model.
    case: EvidenceCase
    analyte: Analyte
    quantity: RowQuantity
    simulation: int
    time_h: float
    value: float
    scale: float
    compared: int = -1
    compared_time_h: float = math.nan

    @property
    def family(self) -> Family:
        return "normal" if self.quantity in _NORMAL else "lognormal"


def evidence_rows(
    found: ConfigFindings, config: LoadedFit, model: ModelSpec, evidence: Evidence
) -> tuple[tuple[Simulation, ...], list[Observable], FitRows]:
    """Return simulations, observables and rows; a row that the model cannot say is a warning.

    Each analyte is one observable for each family of noise. Notes a problem where no row is left.
    """
    known = analytes(model)
    rows = []
    for case in evidence.cases:
        try:
            rows.append(_row(case, config.spec.data.sd, known, evidence))
        except _CannotUse as reason:
            _leave_out(found, evidence.table, case, str(reason))
    if not rows:
        uses = " or ".join(config.spec.data.use)
        hint = 'see what exsim validate says of it, or write use = ["calibrate", "predict"]'
        found.refuse(f"no row to {uses} on can be used", _PLACE, hint)
    used = sorted({number for row in rows for number in (row.simulation, row.compared) if number >= 0})
    simulations = tuple(_simulation(evidence.conditions[number]) for number in used)
    observables = _observables(rows)
    return simulations, observables, _as_rows(rows, used, observables, evidence)


def _row(case: EvidenceCase, log_sd: float, known: Mapping[str, Analyte], evidence: Evidence) -> _Row:
    if case.analyte not in known:
        hint = did_you_mean(case.analyte, list(known))
        raise _CannotUse(f'the model has no analyte "{case.analyte}". {hint}')
    analyte, quantity = known[case.analyte], _QUANTITIES[case.quantity]
    value, scale = _value_and_scale(case, quantity, _to_model(case, quantity, analyte), log_sd)
    simulation, time_h = _at(case, case.config_path, quantity, evidence)
    compared, compared_h = -1, math.nan
    if quantity in ("ratio", "share_removed"):
        compared, compared_h = _at(case, case.compare_path, quantity, evidence)
    return _Row(case, analyte, quantity, simulation, time_h, value, scale, compared, compared_h)


def _at(
    case: EvidenceCase, path: Path | None, quantity: RowQuantity, evidence: Evidence
) -> tuple[int, float]:
    # The run of a config, and the time in it that the row is of.
    assert path is not None
    number = evidence.places[path.resolve()]
    run = evidence.conditions[number]
    time_h = _time_h(case, quantity, run.spec)
    assert run.until_h is not None
    if not -1e-9 <= time_h <= run.until_h + 1e-9:
        raise _CannotUse(f"{time_h:g} h lies outside the simulation of {run.name} (0 to {run.until_h:g} h)")
    return number, time_h


def _time_h(case: EvidenceCase, quantity: RowQuantity, spec: RunSpec) -> float:
    if quantity in ("peak_fold", "unchanged"):
        return 0.0
    if quantity == "time_of_peak":
        return _end_h(spec)
    if quantity == "share_removed":
        doses = [item.time.hours(spec.protocol.end_h) for item in spec.protocol.bolus]
        if not doses:
            raise _CannotUse("share_removed needs a bolus in both configs")
        return min(doses)
    assert case.time_h is not None
    origin_h = _start_h(spec) if case.quantity.endswith("_after_start") else _end_h(spec)
    return origin_h + case.time_h


def _start_h(spec: RunSpec) -> float:
    # As `exsim.evidence.start_h`: the first bout, else the first bolus, else what is infused.
    protocol = spec.protocol
    bouts_h = [bout.start.to("h") for bout in protocol.bout]
    doses_h = [item.time.hours(protocol.end_h) for item in protocol.bolus]
    held_h = [item.start.hours(protocol.end_h) for item in protocol.infusion]
    held_h += [item.start.hours(protocol.end_h) for item in protocol.intake]
    for found_h in (bouts_h, doses_h, held_h):
        if found_h:
            return min(found_h)
    raise _CannotUse("the config has no bout, bolus or infusion to count time from")


def _end_h(spec: RunSpec) -> float:
    # As `exsim.evidence.end_h`: the end of the last bout, else of what is infused.
    protocol = spec.protocol
    if protocol.bout:
        return protocol.end_h
    held = [(item.start, item.duration) for item in protocol.infusion]
    held += [(item.start, item.duration) for item in protocol.intake]
    if not held:
        raise _CannotUse("the config has no bout or infusion that ends")
    return max(start.hours(protocol.end_h) + duration.to("h") for start, duration in held)


def _to_model(case: EvidenceCase, quantity: RowQuantity, analyte: Analyte) -> float:
    # One unit of the case in that of the model.
    if quantity == "level":
        wanted = analyte.unit or "dimensionless"
    else:
        wanted = "h" if quantity == "time_of_peak" else "dimensionless"
    unit = "dimensionless" if case.unit in _PLAIN_UNITS and quantity != "level" else case.unit
    try:
        return factor(unit or "dimensionless", wanted)
    except UnitError as error:
        raise _CannotUse(f'unit "{case.unit}" does not fit: {error.problems[0].message}') from error


def _value_and_scale(
    case: EvidenceCase, quantity: RowQuantity, per_unit: float, log_sd: float
) -> tuple[float, float]:
    # The datum in the unit of the model, and the scale of its noise.
    known = case.low is not None and case.high is not None and case.low < case.high
    low, high = (case.low or 0.0, case.high or 0.0) if known else (0.0, 0.0)
    if quantity in _NORMAL:
        tolerance = TIME_TOLERANCE_H / per_unit if quantity == "time_of_peak" else SHARE_TOLERANCE
        spread = 0.5 * (high - low) if known else tolerance
        value = 0.5 * (low + high) if case.value is None else case.value
        return value * per_unit, spread * per_unit / _REACH_95
    if quantity == "unchanged":
        low, high = (low, high) if known and low > 0 else UNCHANGED_BETWEEN
        return 1.0, math.log(high / low) / (2 * _REACH_95)
    assert case.value is not None
    spread = math.log(high / low) / (2 * _REACH_95) if known and low > 0 else log_sd
    return case.value * per_unit, spread


def _simulation(condition: Condition) -> Simulation:
    assert condition.until_h is not None
    until = OutputSpec(until=Quantity(condition.until_h, "h"))
    return Simulation(condition.name, condition.spec.model_copy(update={"output": until}))


def _observables(rows: Sequence[_Row]) -> list[Observable]:
    made: dict[tuple[str, Family], Observable] = {}
    for row in rows:
        analyte = row.case.analyte
        made.setdefault(
            (analyte, row.family),
            Observable(
                name=_observable_name(row),
                label=row.analyte.label,
                unit=row.analyte.unit or "dimensionless",
                formula=Name(row.analyte.id),
                family=row.family,
                scale=None,
            ),
        )
    return list(made.values())


def _observable_name(row: _Row) -> str:
    return row.case.analyte if row.family == "lognormal" else f"{row.case.analyte} ({row.family})"


def _as_rows(
    rows: Sequence[_Row], used: Sequence[int], observables: Sequence[Observable], evidence: Evidence
) -> FitRows:
    simulations = {number: place for place, number in enumerate(used)} | {-1: -1}
    names = {item.name: place for place, item in enumerate(observables)}

    def whole(numbers: list[int]) -> np.ndarray:
        return np.array(numbers, dtype=np.int64)

    def real(numbers: list[float]) -> np.ndarray:
        return np.array(numbers, dtype=np.float64)

    count = len(rows)
    return FitRows(
        simulation=whole([simulations[row.simulation] for row in rows]),
        observable=whole([names[_observable_name(row)] for row in rows]),
        quantity=tuple(row.quantity for row in rows),
        time_h=real([row.time_h for row in rows]),
        compared=whole([simulations[row.compared] for row in rows]),
        compared_time_h=real([row.compared_time_h for row in rows]),
        value=real([row.value for row in rows]),
        limit=np.full(count, np.nan),
        censoring=np.full(count, MEASURED, dtype=np.int64),
        scale=real([row.scale for row in rows]),
        batch=np.full(count, -1, dtype=np.int64),
        factor=np.full(count, -1, dtype=np.int64),
        subject=("group",) * count,
        condition=tuple(evidence.conditions[row.simulation].name for row in rows),
        group=tuple(row.case.study for row in rows),
        line=whole([row.case.line for row in rows]),
    )
