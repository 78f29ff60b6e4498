"""Visual predictive check: percentiles of the data over time beside those of new people. No JAX.

Bergstrand & Karlsson (2009), doi:10.1208/s12248-009-9112-5: what lies below the limit of quantification is
below every value in data and simulations alike, percentiles are shown above the limit, and the share below it
is a check of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .fit_problem import FitProblem, Quantity
from .measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED

#: Percentiles of the data; the interval of each that is predicted.
PERCENTILES, INTERVAL = (5.0, 50.0, 95.0), (0.05, 0.95)
#: What stands at a time of its own.
_OVER_TIME: tuple[Quantity, ...] = ("level", "fold", "log2")
#: With so many data at each time, a time is a bin; there are so many bins at most.
_FULL_BIN, _MOST_BINS = 5, 15
#: Of more times than this the bins are made of every n-th.
_MOST_TIMES = 1000


@dataclass(frozen=True, eq=False)
class Predicted:
    """Median and 90 % interval over sets of new people."""

    middle: Float[np.ndarray, "*each bin"]
    lower: Float[np.ndarray, "*each bin"]
    upper: Float[np.ndarray, "*each bin"]


@dataclass(frozen=True, eq=False)
class VisualCheck:
    """Data of one observable in one condition, in bins of time, and what new people would give."""

    condition: str
    #: Place in `FitProblem.observables`.
    observable: int
    quantity: Quantity
    #: Places in the rows of the data.
    rows: Int[np.ndarray, "row"]
    #: Median time of the data of each bin.
    time_h: Float[np.ndarray, "bin"]
    #: By percentile, in the unit of the rows; NaN at a limit and beyond.
    observed: Float[np.ndarray, "percentile bin"]
    predicted: Predicted
    #: The highest limit that data of the observable lie below; NaN where none does.
    limit: float
    #: Share below it, in the data and predicted; NaN without a limit.
    below: Float[np.ndarray, "bin"]
    predicted_below: Predicted

    @property
    def inside(self) -> tuple[int, int]:
        """How many observed percentiles lie in the interval predicted, and how many there are."""
        there = np.isfinite(self.observed) & np.isfinite(self.predicted.upper)
        good = (self.predicted.lower <= self.observed) & (self.observed <= self.predicted.upper)
        return int((there & good).sum()), int(there.sum())


def visual_checks(problem: FitProblem, new_data: Float[np.ndarray, "set row"]) -> tuple[VisualCheck, ...]:
    """Return a check for each observable, quantity and condition whose data stand at times.

    `new_data` are the rows of sets of new people, in the units of the rows; sets with a NaN are left out.
    """
    rows = problem.rows
    whole = new_data[np.isfinite(new_data).all(axis=1)]
    quantity = np.array(rows.quantity)
    condition = np.array(rows.condition)
    found = []
    for observable in range(len(problem.observables)):
        for kind in _OVER_TIME:
            same = (rows.observable == observable) & (quantity == kind)
            limit = rows.limit[same & (rows.censoring == BELOW_LIMIT)].max(initial=-math.inf)
            ceiling = _ceiling(problem, same)
            for name in dict.fromkeys(condition[same].tolist()):
                mine = np.flatnonzero(same & (condition == name))
                found.append(_check(problem, whole, name, observable, kind, mine, limit, ceiling))
    return tuple(found)


def _ceiling(problem: FitProblem, same: Bool[np.ndarray, "row"]) -> Float[np.ndarray, "row"]:
    # The upper limit of each row: the lowest one, unless more was measured; then each is of its row alone.
    rows = problem.rows
    above, measured = (same & (rows.censoring == mark) for mark in (ABOVE_LIMIT, MEASURED))
    lowest = rows.limit[above].min(initial=math.inf)
    if (rows.value[measured] > lowest).any():
        return np.where(above, rows.limit, math.inf)
    return np.full(len(rows), lowest)


def _check(
    problem: FitProblem,
    new_data: Float[np.ndarray, "set row"],
    condition: str,
    observable: int,
    quantity: Quantity,
    mine: Int[np.ndarray, "own"],
    limit: float,
    ceiling: Float[np.ndarray, "row"],
) -> VisualCheck:
    rows = problem.rows
    # A value measured under the highest limit is known to be below it: so is what is simulated.
    value = np.where(rows.censoring == MEASURED, rows.value, rows.limit)[mine]
    value, simulated = (np.clip(part, limit, ceiling[mine]) for part in (value, new_data[:, mine]))
    bins = time_bins(rows.time_h[mine], [rows.subject[row] for row in mine.tolist()])
    members = [np.flatnonzero(bins == number) for number in range(int(bins.max()) + 1)]
    observed = np.stack([np.percentile(value[own], PERCENTILES) for own in members], axis=1)
    highest = ceiling.max()
    there = (observed > limit) & (observed < highest)
    percentiles = [np.percentile(simulated[:, own], PERCENTILES, axis=1) for own in members]
    predicted = _over_sets(np.stack(percentiles, axis=2))
    beyond = (predicted.upper <= limit) | (predicted.lower >= highest)
    known = math.isfinite(limit)

    def share(values: np.ndarray) -> np.ndarray:
        return np.stack([(values[..., own] <= limit).mean(axis=-1) for own in members], axis=-1)

    nothing = np.full(len(members), np.nan)
    return VisualCheck(
        condition=condition,
        observable=observable,
        quantity=quantity,
        rows=mine,
        time_h=np.array([np.median(rows.time_h[mine][own]) for own in members]),
        observed=np.where(there, observed, np.nan),
        predicted=Predicted(
            np.where((predicted.middle > limit) & (predicted.middle < highest), predicted.middle, np.nan),
            np.where(beyond, np.nan, predicted.lower),
            np.where(beyond, np.nan, predicted.upper),
        ),
        limit=limit if known else math.nan,
        below=share(value) if known else nothing,
        predicted_below=_over_sets(share(simulated)[None])
        if known
        else Predicted(nothing[None], nothing[None], nothing[None]),
    )


def _over_sets(values: Float[np.ndarray, "each set bin"]) -> Predicted:
    if not values.shape[1]:
        nothing = np.full((values.shape[0], values.shape[2]), np.nan)
        return Predicted(nothing, nothing, nothing)
    lower, middle, upper = np.quantile(values, [INTERVAL[0], 0.5, INTERVAL[1]], axis=1)
    return Predicted(middle, lower, upper)


def time_bins(time_h: Float[np.ndarray, "row"], subject: list[str]) -> Int[np.ndarray, "row"]:
    """Return the bin of each row, from 0 in the order of time: one for each time, or times joined.

    Times are joined (Ward's method) where each has few rows, to as many bins as a person has rows.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    times, place, counts = np.unique(time_h, return_inverse=True, return_counts=True)
    _, each = np.unique(subject, return_counts=True)
    people = len(each)
    if len(times) <= _MOST_BINS and np.median(counts) >= min(_FULL_BIN, people):
        return place
    wanted = int(np.clip(round(float(np.median(each))), 1, _MOST_BINS))
    if len(times) <= wanted:
        return place
    few = times[:: math.ceil(len(times) / _MOST_TIMES)]
    labels = fcluster(linkage(few[:, None], "ward"), wanted, "maxclust")
    ends = np.sort([few[labels == label].max() for label in np.unique(labels)])[:-1]
    starts = few[np.searchsorted(few, ends, side="right")]
    return np.searchsorted(0.5 * (ends + starts), time_h)
