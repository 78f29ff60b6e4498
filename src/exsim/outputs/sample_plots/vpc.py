"""vpc.png: percentiles of the data over time, in the intervals that new people of the population give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from ...visual_check import PERCENTILES, VisualCheck, visual_checks
from .. import plot_style as style
from ..fit_plots.frames import mark_look, observable_names, set_value_axis
from ..plot_sheet import blank_sheet, cut, place, say, set_title
from .frames import WARNING_COLOUR, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...sample_result import SampleResult

#: Panels at most; so many side by side.
MOST_PANELS, _COLUMNS = 24, 3
_LEFT, _WIDTH, _RIGHT = 0.85, 3.3, 0.25
_ABOVE, _HEIGHT, _BELOW = 0.42, 2.3, 0.62
#: The panel of shares below the limit, and the gap over it.
_STRIP, _GAP = 0.62, 0.14
_OUTER, _INNER = style.COLOURS[0], style.COLOURS[3]
_DASHES = ((0, (4, 2)), "-", (0, (4, 2)))
_MARGIN = 0.03


def vpc_figure(problem: FitProblem, result: SampleResult, title: str = "") -> Figure:
    """Return a panel for each condition and observable: data and their 5th, 50th and 95th percentile.

    Bands are the 90 % intervals of the same percentiles of as many new people, with noise, over draws of the
    posterior; below stands the share of data under the limit of quantification where there is one. Bergstrand
    & Karlsson (2009), doi:10.1208/s12248-009-9112-5. The result is that of a population.
    """
    assert result.people is not None
    checks = visual_checks(problem, result.people.new_data)
    shown = checks[:MOST_PANELS]
    conditions = len({item.condition for item in shown})
    columns = max(1, min(_COLUMNS, len(shown), conditions if conditions > 1 else len(shown)))
    lines = [shown[begin : begin + columns] for begin in range(0, len(shown), columns)]
    heights = [
        _ABOVE + _HEIGHT + _BELOW + (_GAP + _STRIP) * any(math.isfinite(item.limit) for item in line)
        for line in lines
    ]
    with style.drawing():
        figure, top = blank_sheet(
            heading(problem, result, title, "visual predictive check", _caption(problem, result, checks)),
            max(columns * (_LEFT + _WIDTH + _RIGHT), 6.4),
            sum(heights) or 1.5,
        )
        if not shown:
            say(place(figure, _LEFT, top + 0.1, 4.0, 1.0), "no data stand at times of their own")
        for number, line in enumerate(lines):
            upper = top + sum(heights[:number]) + _ABOVE
            for column, item in enumerate(line):
                left = _LEFT + column * (_LEFT + _WIDTH + _RIGHT)
                axes = place(figure, left, upper, _WIDTH, _HEIGHT)
                last = not math.isfinite(item.limit)
                _draw(axes, problem, result, item, last)
                if not last:
                    strip = place(figure, left, upper + _HEIGHT + _GAP, _WIDTH, _STRIP)
                    _draw_share(strip, problem, item, axes.get_xlim())
    return figure


def _caption(problem: FitProblem, result: SampleResult, checks: Sequence[VisualCheck]) -> list[str]:
    assert result.people is not None
    sets = int(np.isfinite(result.people.new_data).all(axis=1).sum())
    caption = [
        "black: 5th, 50th and 95th percentile of the data",
        f"bands (the 50th in pink): 90 % interval of each in {sets} sets of as many new people",
    ]
    inside, there = (sum(item.inside[k] for item in checks) for k in (0, 1))
    if there:
        caption.append(
            f"{inside} of {there} percentiles lie in theirs" + ", orange: outside" * (inside < there)
        )
    left = len(problem.rows) - sum(len(item.rows) for item in checks)
    if left:
        caption.append(f"{left} rows that stand at no time are not shown")
    if len(checks) > MOST_PANELS:
        caption.append(f"the first {MOST_PANELS} of {len(checks)} panels")
    return caption


def _draw(axes: Axes, problem: FitProblem, result: SampleResult, item: VisualCheck, last: bool) -> None:
    rows, own = problem.rows, problem.observables[item.observable]
    hours = _set_time(axes, problem, item, last)
    time = item.time_h / hours
    values = np.where(rows.censoring == MEASURED, rows.value, rows.limit)[item.rows]
    log = own.family == "lognormal" and item.quantity != "log2"
    shown = [values, item.predicted.upper, item.predicted.lower, item.observed]
    set_value_axis(axes, [*shown, np.array([item.limit])], log)
    floor = axes.get_ylim()[0]
    for start, end in result.curves.bouts_h[int(rows.simulation[item.rows[0]])]:
        axes.axvspan(start / hours, end / hours, color=style.PALE, lw=0, zorder=0)
    axes.grid(axis="y", zorder=0)
    for mark in (MEASURED, BELOW_LIMIT, ABOVE_LIMIT):
        mine = rows.censoring[item.rows] == mark
        look = mark_look("#9a9a9a", mark, 3.2)
        axes.plot(rows.time_h[item.rows][mine] / hours, values[mine], alpha=0.8, zorder=2.5, **look)
    for n in range(len(PERCENTILES)):
        colour = _INNER if n == 1 else _OUTER
        low, high = item.predicted.lower[n], item.predicted.upper[n]
        if log:
            low = np.where(np.isfinite(high) & ~(low > 0), floor, low)
        _band(axes, time, low, high, colour)
        axes.plot(time, item.predicted.middle[n], color=colour, lw=1.0, zorder=2.2)
        _percentile(axes, time, item, n)
    if math.isfinite(item.limit):
        axes.axhline(item.limit, color=style.GREY, lw=1.0, ls=":", zorder=2)
        place_of: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "center", "va": "bottom"}
        limit = style.plain_number(item.limit)
        axes.text(0.5, item.limit, f"LLOQ {limit}", fontsize=8, color=style.GREY, **place_of)
    name = observable_names(problem)[item.observable]
    several = len(set(rows.condition)) > 1
    set_title(axes, f"{name}, {item.condition}" if several else name)
    unit = (
        own.unit
        if item.quantity == "level"
        else {"fold": "fold over rest", "log2": "log₂ units"}[item.quantity]
    )
    axes.set_ylabel(cut(unit + " (log scale)" * log, 34), parse_math=False)


def _set_time(axes: Axes, problem: FitProblem, item: VisualCheck, last: bool) -> float:
    # Hours per unit of the axis.
    time_h = problem.rows.time_h[item.rows]
    first, end = min(0.0, float(time_h.min())), max(float(time_h.max()), 1e-3)
    style.set_time_axis(axes, first, end, 7)
    hours, _ = style.time_scale(end)
    wide = _MARGIN * (end - first) / hours
    axes.set_xlim(first / hours - wide, end / hours + wide)
    if not last:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    return hours


def _band(axes: Axes, time: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> None:
    axes.fill_between(time, low, high, color=colour, alpha=0.28, lw=0, zorder=2)
    # What has no neighbour has no area.
    there = np.pad(np.isfinite(high), 1)
    alone = there[1:-1] & ~there[:-2] & ~there[2:]
    axes.vlines(time[alone], low[alone], high[alone], color=colour, alpha=0.28, lw=6, zorder=2)


def _percentile(axes: Axes, time: np.ndarray, item: VisualCheck, n: int) -> None:
    line, predicted = item.observed[n], item.predicted
    axes.plot(time, line, color=style.INK, lw=1.4, ls=_DASHES[n], zorder=3)
    with np.errstate(invalid="ignore"):
        outside = (line < predicted.lower[n]) | (line > predicted.upper[n])
    axes.plot(time[~outside], line[~outside], "o", ms=3.2, color=style.INK, mew=0, zorder=3.5)
    look: dict[str, Any] = {"color": WARNING_COLOUR, "mec": "white", "mew": 0.6}
    axes.plot(time[outside], line[outside], "o", ms=6.5, zorder=4, **look)


def _draw_share(axes: Axes, problem: FitProblem, item: VisualCheck, ends: tuple[float, float]) -> None:
    hours = _set_time(axes, problem, item, True)
    axes.set_xlim(*ends)
    time, predicted = item.time_h / hours, item.predicted_below
    low, high = predicted.lower[0], predicted.upper[0]
    _band(axes, time, low, high, _OUTER)
    axes.plot(time, predicted.middle[0], color=_OUTER, lw=1.0, zorder=2.2)
    axes.plot(time, item.below, color=style.INK, lw=1.2, zorder=3)
    with np.errstate(invalid="ignore"):
        outside = (item.below < low) | (item.below > high)
    axes.plot(time[~outside], item.below[~outside], "o", ms=3.2, color=style.INK, mew=0, zorder=3.5)
    axes.plot(time[outside], item.below[outside], "o", ms=6.0, color=WARNING_COLOUR, mec="white", zorder=4)
    axes.set_ylim(-0.06, 1.06)
    style.set_ticks(axes.yaxis, [0.0, 0.5, 1.0])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylabel("share\n< LLOQ", fontsize=8.5)
    axes.grid(axis="y", zorder=0)
