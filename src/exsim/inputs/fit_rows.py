"""The rows of a table of measurements as a fit takes them, and the simulations that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import Problem
from ..fit_problem import FitRows, FreeNumber, Observable, Simulation
from ..marginals import Marginal
from ..measurements import MEASURED, LabData
from ..spec import OutputSpec, RunSpec
from ..units import Quantity
from .config_checks import ConfigFindings
from .fit_conditions import Condition
from .fit_observables import Observed, row_quantity
from .fit_targets import PRIOR_REACH
from .lab_data_text import listed

#: How far the factor of a batch may be from 1, both ways: units are arbitrary.
_BATCH_REACH = 1e6


@dataclass(frozen=True)
class Wanted:
    """A simulation that the data need: number of its condition, its name, and the subject or ""."""

    condition: int
    name: str
    subject: str = ""

    @property
    def label(self) -> str:
        """The name of the simulation."""
        return f"{self.name}: {self.subject}" if self.subject else self.name


def wanted_simulations(
    table: LabData, conditions: Sequence[Condition], *, per_subject: bool
) -> tuple[list[Wanted], np.ndarray]:
    """Return the simulations, in the order of the conditions, and the number of that of each row."""
    numbers = {item.name: number for number, item in enumerate(conditions)}
    alone = len(conditions) == 1 and not conditions[0].name
    of_rows = [
        Wanted(0 if alone else numbers[name], name, subject if per_subject else "")
        for name, subject in zip(table.condition, table.subject, strict=True)
    ]
    wanted = sorted(dict.fromkeys(of_rows), key=lambda item: item.condition)
    places = {item: place for place, item in enumerate(wanted)}
    return wanted, np.array([places[item] for item in of_rows], dtype=np.int64)


def make_simulations(
    wanted: Sequence[Wanted],
    conditions: Sequence[Condition],
    simulation: np.ndarray,
    time_h: np.ndarray,
) -> tuple[Simulation, ...]:
    """Return the simulations, each to its last datum or to the end of its protocol, whichever is later."""
    made = []
    for place, item in enumerate(wanted):
        spec = conditions[item.condition].spec
        last_h = max([protocol_end_h(spec), *time_h[simulation == place].tolist()])
        until = OutputSpec(until=Quantity(last_h if last_h > 0 else 1.0, "h"))
        made.append(Simulation(item.label, spec.model_copy(update={"output": until})))
    return tuple(made)


def protocol_end_h(spec: RunSpec) -> float:
    """Return when the last thing that is done to the subject ends, hours (0 where nothing is)."""
    protocol, end_h = spec.protocol, spec.protocol.end_h
    ends = [end_h, *(item.start.hours(end_h) + item.duration.to("h") for item in protocol.intake)]
    ends += [item.start.hours(end_h) + item.duration.to("h") for item in protocol.infusion]
    return max([*ends, *(item.time.hours(end_h) for item in protocol.bolus)])


def make_rows(
    table: LabData,
    conditions: Sequence[Condition],
    observed: Mapping[str, Observed],
    observables: Sequence[Observable],
    simulation: np.ndarray,
    scales: np.ndarray,
) -> FitRows:
    """Return the rows of a table, in its order; `simulation` and `scales` hold one entry a row."""
    places = {item.name: place for place, item in enumerate(observables)}
    observable = np.array([places[name] for name in table.analyte], dtype=np.int64)
    nothing = np.full(len(table), -1, dtype=np.int64)
    return FitRows(
        simulation=simulation,
        observable=observable,
        quantity=tuple(
            row_quantity(kind, observed[name]) for kind, name in zip(table.kind, table.analyte, strict=True)
        ),
        time_h=table.hours(ends_of(table, conditions)),
        compared=nothing,
        compared_time_h=np.full(len(table), np.nan),
        value=table.value,
        limit=table.limit,
        censoring=table.censoring,
        scale=scales,
        batch=_batches(table, observable, observables),
        factor=nothing,
        subject=table.subject,
        condition=table.condition,
        group=table.batch,
        line=table.line,
    )


def ends_of(table: LabData, conditions: Sequence[Condition]) -> dict[str, float]:
    """Return the end of the last bout by the condition's name in the data, hours."""
    if len(conditions) == 1 and not conditions[0].name:
        return dict.fromkeys(table.condition, conditions[0].spec.protocol.end_h)
    return {item.name: item.spec.protocol.end_h for item in conditions}


def _batches(table: LabData, observable: np.ndarray, observables: Sequence[Observable]) -> np.ndarray:
    # Numbers from 0 within each observable that has batches, in the order of the table.
    numbers: dict[int, dict[str, int]] = {}
    batch = []
    for place, name in zip(observable.tolist(), table.batch, strict=True):
        known = numbers.setdefault(place, {})
        batch.append(-1 if observables[place].batch is None else known.setdefault(name, len(known)))
    return np.array(batch, dtype=np.int64)


def check_batches(
    found: ConfigFindings, table: LabData, rows: FitRows, observables: Sequence[Observable]
) -> None:
    """Note batches that hold values of two kinds, and warn of those that tell nothing."""
    members: dict[tuple[int, int], list[int]] = {}
    for row, (place, batch) in enumerate(zip(rows.observable.tolist(), rows.batch.tolist(), strict=True)):
        if batch >= 0:
            members.setdefault((place, batch), []).append(row)
    for (place, _), inside in members.items():
        name, batch_name = observables[place].name, table.batch[inside[0]]
        shown = f'batch "{batch_name}"' if batch_name else "the rows without a batch"
        kinds = list(dict.fromkeys(table.kind[row] for row in inside))
        if len(kinds) > 1:
            other = next(row for row in inside if table.kind[row] == kinds[1])
            message = (
                f"{shown} of {name} holds both {kinds[0]} and {kinds[1]}: one factor does not serve both"
            )
            problem = Problem(
                message, str(table.path), int(table.line[other]), "batch", "give them batches of their own"
            )
            found.problems.append(problem)
        needed = 2 if observables[place].batch == "factor and offset" else 1
        measured = sum(mark == MEASURED for mark in table.censoring[inside].tolist())
        if measured <= needed:
            lines = listed([int(table.line[row]) for row in inside])
            found.warnings.append(
                f"{table.path}: {shown} of {name} has {measured} measured value{'s' * (measured != 1)}"
                f" ({lines}): its own {observables[place].batch} explains all of it"
            )


def with_batch_numbers(
    rows: FitRows, numbers: list[FreeNumber], observables: Sequence[Observable]
) -> tuple[FitRows, list[Observable]]:
    """Return rows and observables with a free factor for each batch; the factors go to the end of `numbers`.

    A factor is flat on its logarithm, and adds log2 of itself to NPX. Batches with a blank stay as they are.
    """
    places: dict[tuple[int, int], int] = {}
    factor, batch = rows.factor.copy(), rows.batch.copy()
    for row, (place, own) in enumerate(zip(rows.observable.tolist(), rows.batch.tolist(), strict=True)):
        observable = observables[place]
        if own < 0 or observable.batch == "factor and offset":
            continue
        if (place, own) not in places:
            places[place, own] = len(numbers)
            name = f"{observable.name}, {rows.group[row]}" if rows.group[row] else observable.name
            numbers.append(_factor(name, _BATCH_REACH))
        factor[row], batch[row] = places[place, own], -1
    left = [replace(item, batch=None) if item.batch != "factor and offset" else item for item in observables]
    return replace(rows, factor=factor, batch=batch), left


def with_study_factors(
    rows: FitRows, numbers: list[FreeNumber], studies: Mapping[str, str], sd: float
) -> FitRows:
    """Return the rows with a free factor for each study; the factors go to the end of `numbers`.

    `studies` names the group of a row -> how tables call it. The factor acts on levels and folds alone.
    """
    reach = float(np.exp(PRIOR_REACH * sd))
    places: dict[str, int] = {}
    factor = rows.factor.copy()
    for row, (group, quantity) in enumerate(zip(rows.group, rows.quantity, strict=True)):
        if group not in studies or quantity not in ("level", "fold", "peak_fold"):
            continue
        if group not in places:
            places[group] = len(numbers)
            prior = Marginal("lognormal", 1 / reach, reach, 0.0, sd)
            numbers.append(_factor(studies[group], reach, prior))
        factor[row] = places[group]
    return replace(rows, factor=factor)


def _factor(name: str, reach: float, prior: Marginal | None = None) -> FreeNumber:
    # Of a batch or a study, at most so far from 1.
    return FreeNumber(
        name=f"scale[{name}]",
        unit="dimensionless",
        label=f"factor of {name}",
        kind="scale",
        scale="log",
        low=1 / reach,
        high=reach,
        nominal=1.0,
        prior=prior,
    )
