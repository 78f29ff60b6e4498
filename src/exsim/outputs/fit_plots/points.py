"""The measurements of a fit as points over its curves, in the unit of the prediction where there is one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...measurements import MEASURED

if TYPE_CHECKING:
    from ...fit_problem import FitProblem, Observable
    from ...fit_result import FitCurves

#: What of a row is a point on a curve; the others are differences between curves, or of a whole one.
OVER_TIME = ("level", "fold", "log2")


@dataclass(frozen=True, eq=False)
class Explained:
    """What is drawn under the data, and what it is called: the best fit, or what a posterior says."""

    #: Ends the title of the figure, and names the line in its caption.
    heading: str
    line: str
    curves: FitCurves | None
    #: Of each row: what is predicted, and how badly it is met, in any measure.
    prediction: np.ndarray
    misfit: np.ndarray
    #: Opens the caption.
    said: tuple[str, ...] = ()
    #: Where rows that are no points are to be seen.
    elsewhere: str = ""


@dataclass(frozen=True)
class Curve:
    """The best fit of one observable in one simulation, with its band, over hours."""

    time_h: np.ndarray
    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def at(self, time_h: float) -> float:
        """Return the value at a time; before the first that at rest, NaN after the last."""
        return float(np.interp(time_h, self.time_h, self.value, right=math.nan))


@dataclass(frozen=True)
class Points:
    """Measurements over a curve: hours, values (or limits), ends of bars (NaN for none), censoring."""

    time_h: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    censoring: np.ndarray
    #: True for what was measured before anything was done.
    at_rest: np.ndarray

    def __len__(self) -> int:
        return len(self.value)


def curve_of(problem: FitProblem, curves: FitCurves | None, simulation: int, observable: int) -> Curve | None:
    """Return the curve of an observable in a simulation (places in the problem), None where there is none."""
    names = problem.simulations[simulation].name, problem.observables[observable].name
    if curves is None or names[0] not in curves.simulations or names[1] not in curves.observables:
        return None
    s, o = curves.simulations.index(names[0]), curves.observables.index(names[1])
    return Curve(curves.time_h[s], curves.value[s, o], curves.lower[s, o], curves.upper[s, o])


def points_over(problem: FitProblem, explained: Explained, simulation: int, observable: int) -> Points:
    """Return the rows of one observable in one simulation that are points on its curve.

    A level in the unit of the model is shown as it is. What is relative to rest, to a batch or to a study
    lies as far from the curve as it does from its prediction: the same factor, or on log2 the same number of
    doublings. Rows of which that is not known are left out.
    """
    rows, item = problem.rows, problem.observables[observable]
    curve = curve_of(problem, explained.curves, simulation, observable)
    chosen = np.flatnonzero((rows.simulation == simulation) & (rows.observable == observable))
    found = []
    for n in chosen.tolist():
        measured = rows.censoring[n] == MEASURED
        y = float(rows.value[n] if measured else rows.limit[n])
        low, high = _bar(item, y, float(rows.scale[n])) if measured else (math.nan, math.nan)
        shown = [_over_curve(problem, explained.prediction[n], n, value, curve) for value in (y, low, high)]
        if math.isfinite(shown[0]):
            found.append((rows.time_h[n], *shown, rows.censoring[n], rows.time_h[n] <= 0))
    columns = list(zip(*found, strict=True)) or [()] * 6
    times, values, lows, highs = (np.array(column, dtype=float) for column in columns[:4])
    return Points(
        times, values, lows, highs, np.array(columns[4], dtype=int), np.array(columns[5], dtype=bool)
    )


def _bar(item: Observable, value: float, scale: float) -> tuple[float, float]:
    """Return the ends of one standard deviation about a value, of a row that brings its own spread."""
    if not scale > 0:
        return math.nan, math.nan
    if item.family == "lognormal":
        return value * math.exp(-scale), value * math.exp(scale)
    factor = 1.0
    if item.family == "laplace":
        factor = math.sqrt(2.0)
    elif item.family == "student_t":
        factor = math.sqrt(item.degrees / (item.degrees - 2)) if item.degrees > 2 else math.nan
    return value - factor * scale, value + factor * scale


def _over_curve(problem: FitProblem, predicted: float, n: int, value: float, curve: Curve | None) -> float:
    rows = problem.rows
    quantity, mode = rows.quantity[n], problem.observables[int(rows.observable[n])].batch
    in_batch = rows.batch[n] >= 0
    if quantity not in OVER_TIME:
        return math.nan
    if quantity == "level" and not in_batch and rows.factor[n] < 0:
        return value
    if curve is None:
        return math.nan
    at = curve.at(float(rows.time_h[n]))
    prediction = float(predicted)
    if quantity == "log2":
        return at * 2.0 ** min(value - prediction, 300.0)
    if in_batch and mode == "factor and offset":
        return math.nan
    if in_batch and mode == "offset":
        return at + value - prediction
    return at * value / prediction if prediction > 0 else math.nan
