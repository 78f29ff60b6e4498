"""A model against published numbers: what the model says, how far off it is, and a verdict in plain words.

Errors are logarithms of model over target where a ratio means something (concentrations, folds,
ratios). Times, `unchanged` and `share_removed` are judged by the measured interval, or by the
stated tolerance where the paper gives none. A row that cannot be scored keeps its reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import summaries
from .errors import UnitError, did_you_mean
from .evidence_case import QUANTITIES, EvidenceCase
from .run_labels import boluses, bouts, infusions, observables
from .units import factor

if TYPE_CHECKING:
    import xarray as xr

#: The verdicts.
INSIDE, WITHIN_2X, OUTSIDE, NOT_SCORED = "inside", "within 2x", "outside", "not scored"

VERDICTS: dict[str, str] = {
    INSIDE: "inside the measured interval, or the tolerance where the paper gives none",
    WITHIN_2X: "within a factor of 2 of the target",
    OUTSIDE: "neither",
    NOT_SCORED: "listed with its reason",
}

#: Where no interval is given: blood is drawn every half hour at best, so a peak is known to that.
TIME_TOLERANCE_H = 0.5
#: Where no interval is given: the bounds within which two levels count as equal.
UNCHANGED_BETWEEN = (0.8, 1.25)
#: Where no interval is given: the share of a rise that is removed, give or take.
SHARE_TOLERANCE = 0.3

#: Quantities whose error is the logarithm of model over target.
LOG_QUANTITIES = (
    "concentration_after_start",
    "concentration_after_end",
    "fold_after_start",
    "fold_after_end",
    "peak_fold",
    "ratio",
)
_COMPARING = ("ratio", "share_removed")
_NEEDS_TIME = (
    "concentration_after_start",
    "concentration_after_end",
    "fold_after_start",
    "fold_after_end",
    "ratio",
)


class _CannotScore(Exception):
    """Why a row has no score; never leaves this module."""


@dataclass(frozen=True)
class Score:
    """What a model says about one case. `model` and the target are in the unit of the case.

    `log_fold_error` is ln(model / target), None where that means nothing; `reason` says why a
    case was not scored, or which tolerance stood in for an interval.
    """

    case: EvidenceCase
    model: float | None
    log_fold_error: float | None
    verdict: str
    reason: str = ""

    @property
    def scored(self) -> bool:
        """True where the verdict is one on the model."""
        return self.verdict != NOT_SCORED


@dataclass(frozen=True)
class Summary:
    """How a model does on the cases of one use."""

    use: str
    cases: int
    scored: int
    #: Cases with a logarithmic error, the median of its size, and the share within a factor of 2.
    log_cases: int
    median_abs_log_error: float | None
    share_within_2x: float | None
    #: Cases judged by an interval, and how many of them are inside.
    interval_cases: int
    share_inside: float | None
    #: Fitted parameters per scored number; None for other uses than calibrate.
    parameters_per_number: float | None = None


def not_scored(case: EvidenceCase, reason: str) -> Score:
    """Return the listing of a case that has no score."""
    return Score(case, None, None, NOT_SCORED, reason)


def needs(case: EvidenceCase) -> str:
    """Return why a case cannot be scored whatever the model says, or "" where it can."""
    if case.use not in ("calibrate", "predict"):
        return f"used as {case.use}, not to score"
    if case.quantity not in QUANTITIES:
        return f'quantity "{case.quantity}" is not known. {did_you_mean(case.quantity, list(QUANTITIES))}'
    if case.config_path is None:
        return f'no config "{case.config}" beside the table or among the shipped ones'
    if case.quantity in _COMPARING and not case.compare_config:
        return f"{case.quantity} needs compare_config"
    if case.quantity in _COMPARING and case.compare_path is None:
        return f'no config "{case.compare_config}" beside the table or among the shipped ones'
    if case.quantity in _NEEDS_TIME and case.time_h is None:
        return f"{case.quantity} needs time_h"
    if case.value is None and (case.quantity in LOG_QUANTITIES or case.low is None):
        return "the table gives no value"
    if case.quantity in LOG_QUANTITIES and case.value is not None and case.value <= 0:
        return f"the target {case.value:g} has no logarithm"
    return ""


def score_case(case: EvidenceCase, run: xr.Dataset, compare_run: xr.Dataset | None = None) -> Score:
    """Score one case on the run of its config (and that of `compare_config`).

    Never raises for what the case asks: a case that these runs cannot answer says why.
    """
    reason = needs(case)
    if reason:
        return not_scored(case, reason)
    try:
        model = _MODEL_SAYS[case.quantity](case, run, compare_run) * _to_unit_of(case, run)
    except _CannotScore as problem:
        return not_scored(case, str(problem))
    if not math.isfinite(model):
        return not_scored(case, "the model's value is not a finite number")
    if case.quantity in LOG_QUANTITIES:
        return _judge_ratio(case, model)
    return _judge_interval(case, model)


def _judge_ratio(case: EvidenceCase, model: float) -> Score:
    assert case.value is not None
    if model <= 0:
        return Score(case, model, None, OUTSIDE, "the model's value is not above zero")
    error = math.log(model / case.value)
    if case.low is not None and case.high is not None and case.low <= model <= case.high:
        verdict = INSIDE
    else:
        verdict = WITHIN_2X if abs(error) <= math.log(2) else OUTSIDE
    return Score(case, model, error, verdict)


def _judge_interval(case: EvidenceCase, model: float) -> Score:
    low, high, reason = interval(case)
    verdict = INSIDE if low <= model <= high else OUTSIDE
    return Score(case, model, None, verdict, reason)


def interval(case: EvidenceCase) -> tuple[float, float, str]:
    """Return (low, high, remark) of a case judged by an interval, in its unit.

    The remark names the tolerance where the table gives no interval. `needs` has been asked.
    """
    if case.low is not None and case.high is not None:
        return case.low, case.high, ""
    assert case.value is not None
    if case.quantity == "unchanged":
        low, high = UNCHANGED_BETWEEN
        return low, high, f"no interval given: {low:g} to {high:g} taken"
    per_unit = factor("h", case.unit) if case.quantity == "time_of_peak_after_end" else 1.0
    width = (TIME_TOLERANCE_H if case.quantity == "time_of_peak_after_end" else SHARE_TOLERANCE) * per_unit
    return case.value - width, case.value + width, f"no interval given: ±{width:g} {case.unit} taken"


def _variable(case: EvidenceCase, run: xr.Dataset) -> str:
    known = {item.analyte: item.variable for item in observables(run)}
    if case.analyte in known:
        return known[case.analyte]
    if case.analyte in run.data_vars:
        return case.analyte
    raise _CannotScore(
        f'the model has no analyte "{case.analyte}". {did_you_mean(case.analyte, list(known))}'
    )


def _curve(case: EvidenceCase, run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    variable = run[_variable(case, run)]
    return np.asarray(run["time"].values, dtype=float), np.asarray(variable.values, dtype=float)


def _rest(case: EvidenceCase, run: xr.Dataset) -> float:
    _, values = _curve(case, run)
    given = run[_variable(case, run)].attrs.get("rest")
    rest = float(summaries.baseline(values) if given is None else given)
    if rest <= 0:
        raise _CannotScore(f'"{case.analyte}" is {rest:g} at rest: there is no fold')
    return rest


def _value_at(case: EvidenceCase, run: xr.Dataset, time_h: float) -> float:
    time, values = _curve(case, run)
    if not time[0] - 1e-9 <= time_h <= time[-1] + 1e-9:
        raise _CannotScore(f"{time_h:g} h lies outside the simulation ({time[0]:g} to {time[-1]:g} h)")
    return float(np.interp(time_h, time, values))


def start_h(run: xr.Dataset) -> float:
    """Return what `after_start` counts from: the first bout, else the first bolus, else infusion, hours."""
    for found in ([b.start_h for b in bouts(run)], [b.time_h for b in boluses(run)]):
        if found:
            return min(found)
    starts = [item.start_h for item in infusions(run)]
    if not starts:
        raise _CannotScore("the config has no bout, bolus or infusion to count time from")
    return min(starts)


def end_h(run: xr.Dataset) -> float:
    """Return what `after_end` counts from: the end of the last bout, else of the last infusion, hours."""
    for found in ([b.end_h for b in bouts(run)], [i.end_h for i in infusions(run)]):
        if found:
            return max(found)
    raise _CannotScore("the config has no bout or infusion that ends")


def _asked_time(case: EvidenceCase, run: xr.Dataset) -> float:
    assert case.time_h is not None
    origin = start_h(run) if case.quantity.endswith("_after_start") else end_h(run)
    return origin + case.time_h


def _concentration(case: EvidenceCase, run: xr.Dataset, _: xr.Dataset | None) -> float:
    return _value_at(case, run, _asked_time(case, run))


def _fold(case: EvidenceCase, run: xr.Dataset, _: xr.Dataset | None) -> float:
    return _value_at(case, run, _asked_time(case, run)) / _rest(case, run)


def _peak_fold(case: EvidenceCase, run: xr.Dataset, _: xr.Dataset | None) -> float:
    return float(summaries.peak(_curve(case, run)[1])) / _rest(case, run)


def _time_of_peak(case: EvidenceCase, run: xr.Dataset, _: xr.Dataset | None) -> float:
    at = float(summaries.time_of_peak(*_curve(case, run)))
    if math.isnan(at):
        raise _CannotScore(f'"{case.analyte}" never rises above rest: it has no peak')
    return at - end_h(run)


def _ratio(case: EvidenceCase, run: xr.Dataset, compare_run: xr.Dataset | None) -> float:
    compared = _value_at(case, _other(compare_run), _asked_time(case, _other(compare_run)))
    if compared <= 0:
        raise _CannotScore(f'"{case.analyte}" is {compared:g} in {case.compare_config}: there is no ratio')
    return _value_at(case, run, _asked_time(case, run)) / compared


def _unchanged(case: EvidenceCase, run: xr.Dataset, _: xr.Dataset | None) -> float:
    # The fold, up or down, that lies furthest from 1.
    folds = _curve(case, run)[1] / _rest(case, run)
    highest, lowest = float(folds.max()), float(folds.min())
    return lowest if lowest <= 0 or 1 / lowest > highest else highest


def _share_removed(case: EvidenceCase, run: xr.Dataset, compare_run: xr.Dataset | None) -> float:
    compared = _rise_after_bolus(case, _other(compare_run))
    if compared <= 0:
        raise _CannotScore(f'"{case.analyte}" does not rise in {case.compare_config}: nothing to remove')
    return 1.0 - _rise_after_bolus(case, run) / compared


def _rise_after_bolus(case: EvidenceCase, run: xr.Dataset) -> float:
    doses = boluses(run)
    if not doses:
        raise _CannotScore("share_removed needs a bolus in both configs")
    at = doses[0].time_h
    time, values = _curve(case, run)
    before = _value_at(case, run, at)
    return max(float(values[time >= at].max(initial=before)) - before, 0.0)


def _other(run: xr.Dataset | None) -> xr.Dataset:
    if run is None:
        raise _CannotScore("the run of compare_config is not there")
    return run


def _to_unit_of(case: EvidenceCase, run: xr.Dataset) -> float:
    # From the model's unit to that of the case: one number of it in the other.
    wanted = case.unit or "dimensionless"
    if case.quantity.startswith("concentration"):
        found = str(run[_variable(case, run)].attrs.get("units", ""))
    elif case.quantity == "time_of_peak_after_end":
        found = "h"
    else:
        found = "dimensionless"
        wanted = "dimensionless" if wanted in ("fold", "ratio", "share") else wanted
    try:
        return factor(found, wanted)
    except UnitError as error:
        raise _CannotScore(f'unit "{case.unit}" does not fit: {error.problems[0].message}') from error


_MODEL_SAYS: dict[str, Callable[[EvidenceCase, xr.Dataset, xr.Dataset | None], float]] = {
    "concentration_after_start": _concentration,
    "concentration_after_end": _concentration,
    "fold_after_start": _fold,
    "fold_after_end": _fold,
    "peak_fold": _peak_fold,
    "time_of_peak_after_end": _time_of_peak,
    "ratio": _ratio,
    "unchanged": _unchanged,
    "share_removed": _share_removed,
}


def summarise(scores: Iterable[Score], fitted_parameters: int | None = None) -> tuple[Summary, ...]:
    """Return how a model does, calibrate and predict apart.

    `fitted_parameters` is the number of parameters graded "fitted" in the model's card.
    """
    listed = list(scores)
    return tuple(
        _summary(use, [score for score in listed if score.case.use == use], fitted_parameters)
        for use in ("calibrate", "predict")
    )


def _summary(use: str, scores: Sequence[Score], fitted_parameters: int | None) -> Summary:
    ratios = [score for score in scores if score.scored and score.case.quantity in LOG_QUANTITIES]
    # A model at zero is infinitely far off: it counts against the model, not for nothing.
    errors = [math.inf if s.log_fold_error is None else abs(s.log_fold_error) for s in ratios]
    judged = [score for score in scores if score.scored and score.case.quantity not in LOG_QUANTITIES]
    scored = len(ratios) + len(judged)
    per_number = None
    if use == "calibrate" and fitted_parameters is not None and scored:
        per_number = fitted_parameters / scored
    return Summary(
        use=use,
        cases=len(scores),
        scored=scored,
        log_cases=len(ratios),
        median_abs_log_error=float(np.median(errors)) if errors else None,
        share_within_2x=sum(e <= math.log(2) for e in errors) / len(errors) if errors else None,
        interval_cases=len(judged),
        share_inside=sum(s.verdict == INSIDE for s in judged) / len(judged) if judged else None,
        parameters_per_number=per_number,
    )
