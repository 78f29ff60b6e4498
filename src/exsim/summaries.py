"""Baseline, peak, fold, area and return to rest of a time course: one definition for every command.

The functions work on numpy and on jax.numpy arrays alike, inside `jit` too. `time` has shape
(time,) in hours, or the shape of `values`; `values` has shape (time, ...) with lanes behind, and
every result has the shape of the lanes. Bouts are arrays (bout,) or (bout, lanes) in hours.

*Rest* is the value at time 0, before anything starts. The *peak* of an analyte is its highest
value; of one that *falls* (muscle glycogen: the lowest value lies further from rest, as a ratio,
than the highest) it is the lowest, so that its fold is below 1 and its area is negative.
What never leaves rest by more than 0.1 % has no time of a peak. NaN in gives NaN out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .run_labels import bouts, observables

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Numpy or JAX array; a plain number where there are no lanes.
Values = Any

#: A change by less than this share of rest is none: far below any assay, far above the solver's error.
SMALLEST_CHANGE = 1e-3
#: Times that are closer than this are the same: far below any sampling, far above rounding.
SAME_TIME_H = 1e-9
#: Back at rest means: within this share of it.
BACK_WITHIN = 0.10

SUMMARY_COLUMNS = (
    "analyte",
    "unit",
    "baseline",
    "peak",
    "fold",
    "time_of_peak_h",
    "time_of_peak_after_bout_h",
    "auc_above_baseline",
    "time_back_to_baseline_h",
)


def baseline(values: Values) -> Values:
    """Return the level at rest: the value at the first time."""
    return values[0]


def falls(values: Values, rest: Values | None = None) -> Values:
    """Return True where the lowest value lies further from rest, as a ratio, than the highest."""
    xp = values.__array_namespace__()
    rest = values[0] if rest is None else rest
    lowest, highest = xp.min(values, axis=0), xp.max(values, axis=0)
    return (rest > 0) & (lowest * highest < rest * rest) & (lowest < rest)


def peak(values: Values, falling: Values = False) -> Values:
    """Return the highest value, or the lowest of an analyte that is `falling`."""
    xp = values.__array_namespace__()
    return xp.where(falling, xp.min(values, axis=0), xp.max(values, axis=0))


def fold(values: Values, falling: Values = False, rest: Values | None = None) -> Values:
    """Return the peak over rest; NaN where there is nothing at rest."""
    xp = values.__array_namespace__()
    rest = values[0] if rest is None else rest
    there = rest > 0
    return xp.where(there, peak(values, falling) / xp.where(there, rest, 1.0), xp.nan)


def time_of_peak(time: Values, values: Values, falling: Values = False, rest: Values | None = None) -> Values:
    """Return when the peak is reached, hours; NaN for what never leaves rest."""
    xp = values.__array_namespace__()
    rest = values[0] if rest is None else rest
    place = xp.where(falling, xp.argmin(values, axis=0), xp.argmax(values, axis=0))
    change = xp.abs(peak(values, falling) - rest)
    # A NaN anywhere makes the change NaN, and the comparison False.
    moved = change > SMALLEST_CHANGE * xp.abs(rest)
    return xp.where(moved, _at(_like(time, values), place), xp.nan)


def time_of_peak_after_bout(peak_time: Values, starts: Values, ends: Values) -> Values:
    """Return the time of a peak counted from the end of the last bout before it, hours.

    That is the last bout that had begun by then; the result is negative while it still runs, and
    NaN where no bout had begun.
    """
    if starts.shape[0] == 0:
        return peak_time * np.nan
    xp = ends.__array_namespace__()
    begun = starts <= peak_time + SAME_TIME_H
    end = xp.max(xp.where(begun, ends, -xp.inf), axis=0)
    after = peak_time - end
    # 0.1 + 0.2 is 0.3 here: a peak at the end of a bout is 0 h after it.
    after = xp.where(xp.abs(after) < SAME_TIME_H, 0.0, after)
    return xp.where(xp.any(begun, axis=0), after, xp.nan)


def auc_above_baseline(time: Values, values: Values, rest: Values | None = None) -> Values:
    """Return the area between the curve and rest by trapezoids, in the analyte's unit times hours.

    Time spent below rest counts as negative.
    """
    xp = values.__array_namespace__()
    above = values - (values[0] if rest is None else rest)
    steps = _like(time[1:] - time[:-1], above[1:])
    return xp.sum(0.5 * (above[1:] + above[:-1]) * steps, axis=0)


def time_back_to_baseline(
    time: Values, values: Values, last_end: Values, rest: Values | None = None
) -> Values:
    """Return the hours from the end of the last bout until within 10 % of rest for good.

    0 where the analyte is within 10 % from the end of the bout on; NaN where it is still away at
    the last time, or where there is no bout (`last_end` NaN). The crossing is interpolated.
    """
    xp = values.__array_namespace__()
    rest = values[0] if rest is None else rest
    limit = BACK_WITHIN * xp.abs(rest)
    departure = values - rest
    away = xp.abs(departure) > limit
    final = values.shape[0] - 1
    last = final - xp.argmax(xp.flip(away, axis=0), axis=0)
    following = xp.minimum(last + 1, final)
    times = _like(time, values)
    before, after = _at(departure, last), _at(departure, following)
    side = xp.sign(before)
    fell = side * (before - after)
    share = (side * before - limit) / xp.where(fell > 0, fell, 1.0)
    crossing = _at(times, last) + share * (_at(times, following) - _at(times, last))
    waited = xp.where(xp.any(away, axis=0), xp.maximum(crossing - last_end, 0.0), 0.0)
    known = ~away[-1] & ~xp.any(xp.isnan(values), axis=0) & (last_end <= times[-1])
    return xp.where(known, waited, xp.nan)


def time_above(time: Values, values: Values, threshold: float) -> Values:
    """Return for how many hours the curve is above a threshold; crossings are interpolated."""
    xp = values.__array_namespace__()
    above = values - threshold
    low, high = xp.minimum(above[1:], above[:-1]), xp.maximum(above[1:], above[:-1])
    rise = xp.where(high > low, high - low, 1.0)
    share = xp.where(low >= 0, xp.where(high > 0, 1.0, 0.0), xp.where(high > 0, high / rise, 0.0))
    hours = xp.sum(share * _like(time[1:] - time[:-1], above[1:]), axis=0)
    return xp.where(xp.any(xp.isnan(values), axis=0), xp.nan, hours)


def _like(time: Values, values: Values) -> Values:
    # (time,) -> (time, 1, ..., 1), broadcast over the lanes.
    xp = values.__array_namespace__()
    shaped = time.reshape(time.shape + (1,) * (values.ndim - time.ndim))
    return xp.broadcast_to(shaped, values.shape)


def _at(values: Values, place: Values) -> Values:
    xp = values.__array_namespace__()
    return xp.take_along_axis(values, place[None, ...], axis=0)[0]


def summarise(
    time: Values,
    values: Values,
    bout_starts: Values,
    bout_ends: Values,
    falling: Values | None = None,
    rest: Values | None = None,
) -> dict[str, Values]:
    """Return every number of the summary table by column name, for one analyte and all lanes.

    `falling` is found from the values unless it is given (a sweep gives it once for all draws,
    so that one column never mixes peaks and troughs).
    """
    falling = falls(values, rest) if falling is None else falling
    at = time_of_peak(time, values, falling, rest)
    last_end = np.nan if bout_ends.shape[0] == 0 else bout_ends.max(axis=0)
    return {
        "baseline": values[0] if rest is None else rest,
        "peak": peak(values, falling),
        "fold": fold(values, falling, rest),
        "time_of_peak_h": at,
        "time_of_peak_after_bout_h": time_of_peak_after_bout(at, bout_starts, bout_ends),
        "auc_above_baseline": auc_above_baseline(time, values, rest),
        "time_back_to_baseline_h": time_back_to_baseline(time, values, last_end, rest),
    }


def summary_table(ds: xr.Dataset) -> pd.DataFrame:
    """Return the summary of a run: a row per analyte, the columns of `SUMMARY_COLUMNS`.

    A variable's attribute `rest`, where there is one, is its level at rest (a run whose first
    output time is not 0 has it); else rest is the first value.
    """
    import pandas as pd

    time = np.asarray(ds["time"].values, dtype=float)
    windows = bouts(ds)
    starts = np.array([bout.start_h for bout in windows])
    ends = np.array([bout.end_h for bout in windows])
    rows = []
    for item in observables(ds):
        variable = ds[item.variable]
        values = np.asarray(variable.values, dtype=float)
        rest = variable.attrs.get("rest")
        numbers = summarise(time, values, starts, ends, rest=None if rest is None else np.float64(rest))
        rows.append(
            {"analyte": item.analyte, "unit": item.unit} | {name: float(v) for name, v in numbers.items()}
        )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
