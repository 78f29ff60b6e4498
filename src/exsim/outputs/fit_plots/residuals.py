"""residuals.png: how far measurements lie from the fit, over time and size, and whether as the noise says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...fit_datasets import row_units
from ...measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from .. import plot_style as style
from ..plot_sheet import blank_sheet, cut, place, say, with_unit, write
from .frames import (
    MOST_COLOURS,
    heading,
    linear_limits,
    mark_look,
    middle_cut,
    observable_names,
    quantiles,
    share_beyond,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem, Observable
    from ...fit_result import FitResult

#: A figure has at most so many rows of panels.
MOST_GROUPS = 12
#: Residuals farther from zero than this are drawn at the edge.
_FARTHEST = 6.0
#: What has an axis of its own, what shares one, and what a row of data is called where it is not a level.
_APART = ("level", "log2", "time_of_peak")
_RELATIVE = "relative"
_NAMES = {
    "fold": "fold over rest",
    "peak_fold": "peak fold",
    "ratio": "ratio of two conditions",
    "unchanged": "unchanged",
    "share_removed": "share removed",
    "log2": "log₂ units",
    "time_of_peak": "time of peak",
}
_ORDER = ("level", _RELATIVE, "log2", "time_of_peak")


@dataclass(frozen=True)
class _Group:
    """Rows of one observable in one unit: what can be drawn on one axis."""

    item: Observable
    name: str
    unit: str
    rows: np.ndarray


def residuals_figure(problem: FitProblem, result: FitResult, title: str = "") -> Figure:
    """Return four panels for every observable: residuals over time and prediction, observed over predicted,
    and the quantiles of the residuals against those of the noise.

    Levels, folds and other relative rows of one observable have panels of their own. Residuals are in units
    of the noise.
    """
    groups = _groups(problem)
    shown = groups[:MOST_GROUPS]
    colours = _colours(problem, shown)
    width, height, left, right, above, below = 2.25, 1.9, 0.72, 0.16, 0.42, 0.62
    cell, row = left + width + right, above + height + below
    caption = _caption(problem, result, shown, len(groups))
    with style.drawing():
        key = _Key(problem, colours, 4 * cell)
        body = 0.12 + max(len(shown), 1) * row + key.height
        figure, top = blank_sheet(heading(problem, title, "residuals", caption, result), 4 * cell, body)
        top += 0.12
        if not shown:
            say(place(figure, left, top, 3 * width, height), "no measurement is left to compare with")
        for number, group in enumerate(shown):
            upper = top + number * row
            name = middle_cut(group.name, 70)
            write(figure, 0.12, upper + 0.08, name, fontsize=10.5, weight="bold")
            beside = 0.35 + 0.098 * len(name)
            write(
                figure, beside, upper + 0.09, _count(result, problem, group), fontsize=9.5, color=style.GREY
            )
            frames = [place(figure, n * cell + left, upper + above, width, height) for n in range(4)]
            _draw_group(frames, problem, result, group, colours)
        key.draw(figure, top + max(len(shown), 1) * row)
    return figure


def _groups(problem: FitProblem) -> list[_Group]:
    rows, units = problem.rows, row_units(problem)
    found: dict[tuple[int, str], list[int]] = {}
    for n, quantity in enumerate(rows.quantity):
        kind = quantity if quantity in _APART else _RELATIVE
        found.setdefault((int(rows.observable[n]), kind), []).append(n)
    groups = []
    for observable, kind in sorted(found, key=lambda key: (key[0], _ORDER.index(key[1]))):
        members = found[observable, kind]
        item = problem.observables[observable]
        names = [name for quantity, name in _NAMES.items() if quantity in {rows.quantity[n] for n in members}]
        label = observable_names(problem)[observable]
        name = label if kind == "level" else f"{label}: {', '.join(names)}"
        groups.append(_Group(item, name, units[members[0]], np.array(members)))
    return groups


def _colours(problem: FitProblem, groups: Sequence[_Group]) -> dict[int, str]:
    held = sorted({int(s) for group in groups for s in problem.rows.simulation[group.rows]})
    if not 1 < len(held) <= MOST_COLOURS:
        return dict.fromkeys(held, style.COLOURS[0])
    return {s: style.COLOURS[n] for n, s in enumerate(held)}


class _Key:
    """The names of the simulations in their colours, in lines at the foot of the figure."""

    def __init__(self, problem: FitProblem, colours: dict[int, str], width: float) -> None:
        names = [(middle_cut(problem.simulations[s].name, 30), colour) for s, colour in colours.items()]
        self._lines: list[list[tuple[float, str, str]]] = []
        if len({colour for _, colour in names}) < 2:
            self.height = 0.0
            return
        at = width
        for name, colour in names:
            needed = 0.42 + 0.077 * len(name)
            if at + needed > width:
                self._lines.append([])
                at = 0.72
            self._lines[-1].append((at, name, colour))
            at += needed
        self.height = 0.12 + 0.22 * len(self._lines)

    def draw(self, figure: Figure, upper: float) -> None:
        for number, line in enumerate(self._lines):
            for at, name, colour in line:
                write(figure, at, upper + 0.22 * number, f"● {name}", fontsize=9.5, color=colour)


def _caption(problem: FitProblem, result: FitResult, shown: Sequence[_Group], groups: int) -> list[str]:
    marks = {int(mark) for group in shown for mark in problem.rows.censoring[group.rows]}
    parts = ["residuals in units of the noise, dashed: ± 2"]
    if {BELOW_LIMIT, ABOVE_LIMIT} & marks:
        parts.append("open triangles: the limit of a row beyond it")
    parts.append("grey band: where 95 % of such quantiles lie by luck")
    drawn = np.concatenate([np.zeros(0), *(result.residual[group.rows] for group in shown)])
    if (np.abs(drawn) > _FARTHEST).any():
        parts.append(f"residuals beyond ± {_FARTHEST:g} stand at the edge")
    if groups > len(shown):
        parts.append(f"{groups - len(shown)} more kinds of rows are in fit.nc only")
    return parts


def _count(result: FitResult, problem: FitProblem, group: _Group) -> str:
    measured = group.rows[problem.rows.censoring[group.rows] == MEASURED]
    known = result.residual[measured]
    known = known[np.isfinite(known)]
    text = f"{len(measured)} measured"
    if len(group.rows) > len(measured):
        text += f", {len(group.rows) - len(measured)} beyond a limit"
    if known.size:
        expected = known.size * share_beyond(group.item.family, 2.0, group.item.degrees)
        text += f", {np.count_nonzero(np.abs(known) > 2)} beyond ± 2 ({expected:.1f} expected)"
    return text


def _draw_group(
    frames: Sequence[Axes],
    problem: FitProblem,
    result: FitResult,
    group: _Group,
    colours: dict[int, str],
) -> None:
    rows = problem.rows
    observed = np.where(rows.censoring == MEASURED, rows.value, rows.limit)[group.rows]
    predicted, residual = result.prediction[group.rows], result.residual[group.rows]
    log = group.item.family == "lognormal"
    for axes, label in zip(
        frames, ("over time", "over prediction", "observed, predicted", "quantiles"), strict=True
    ):
        axes.set_label(label)
        axes.tick_params(labelsize=8.5)
    _draw_residuals(frames[0], _hours(frames[0], rows.time_h[group.rows]), residual)
    _draw_residuals(frames[1], predicted, residual)
    _set_x(frames[1], [predicted], log)
    frames[1].set_xlabel(cut(with_unit("predicted", group.unit), 34), parse_math=False)
    _draw_identity(frames[2], predicted, observed, log, group.unit)
    columns = (_hours(None, rows.time_h[group.rows]), predicted, predicted)
    heights = (np.clip(residual, -_FARTHEST, _FARTHEST),) * 2 + (observed,)
    for axes, x, y in zip(frames, columns, heights, strict=False):
        _draw_marks(axes, x, y, rows.censoring[group.rows], rows.simulation[group.rows], colours)
    measured = residual[rows.censoring[group.rows] == MEASURED]
    _draw_quantiles(frames[3], measured[np.isfinite(measured)], group.item)


def _draw_marks(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    censoring: np.ndarray,
    simulation: np.ndarray,
    colours: dict[int, str],
) -> None:
    for s, colour in colours.items():
        for mark in (MEASURED, BELOW_LIMIT, ABOVE_LIMIT):
            chosen = (simulation == s) & (censoring == mark) & np.isfinite(x) & np.isfinite(y)
            if axes.get_yscale() == "log":
                chosen &= y > 0
            if axes.get_xscale() == "log":
                chosen &= x > 0
            if chosen.any():
                look: dict[str, Any] = mark_look(colour, mark, 4.2)
                axes.plot(x[chosen], y[chosen], alpha=0.85, clip_on=False, zorder=3, **look)


def _hours(axes: Axes | None, time_h: np.ndarray) -> np.ndarray:
    # Times in the unit of the axis; the axis is set where it is given.
    known = time_h[np.isfinite(time_h)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    hours, label = style.time_scale(high)
    if axes is not None:
        limits = ((low - margin) / hours, (high + margin) / hours)
        axes.set_xlim(*limits)
        style.set_ticks(axes.xaxis, style.linear_ticks(limits))
        axes.set_xlabel(label)
    return time_h / hours


def _draw_residuals(axes: Axes, x: np.ndarray, residual: np.ndarray) -> None:
    known = np.abs(residual[np.isfinite(residual)])
    reach = min(max(3.0, 1.1 * float(known.max(initial=0.0))), _FARTHEST)
    axes.set_ylim(-reach, reach)
    axes.set_yticks(_steps(reach))
    axes.axhline(0.0, color=style.GREY, lw=0.9, zorder=1)
    for level in (-2.0, 2.0):
        axes.axhline(level, color=style.GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    axes.set_ylabel("residual")


def _steps(reach: float) -> list[int]:
    # Ticks of an axis of residuals: whole numbers, 0 and 2 among them.
    step = 1 if reach < 3.5 else 2
    last = int(reach) // step * step
    return list(range(-last, last + 1, step))


def _set_x(axes: Axes, values: Sequence[np.ndarray], log: bool) -> None:
    if log:
        limits = style.log_limits(values, least_factor=2.0)
        axes.set_xscale("log")
    else:
        limits = linear_limits(values)
    axes.set_xlim(*limits)
    style.set_ticks(axes.xaxis, style.log_ticks(limits, 5) if log else style.linear_ticks(limits, 5))


def _draw_identity(axes: Axes, predicted: np.ndarray, observed: np.ndarray, log: bool, unit: str) -> None:
    _set_x(axes, [predicted, observed], log)
    limits = axes.get_xlim()
    axes.set_yscale("log" if log else "linear")
    axes.set_ylim(*limits)
    style.set_ticks(axes.yaxis, style.log_ticks(limits, 5) if log else style.linear_ticks(limits, 5))
    axes.plot(limits, limits, color=style.GREY, lw=0.9, zorder=1)
    axes.set_xlabel(cut(with_unit("predicted", unit), 34), parse_math=False)
    axes.set_ylabel(cut(with_unit("observed", unit), 30), parse_math=False)


def _draw_quantiles(axes: Axes, residual: np.ndarray, item: Observable) -> None:
    """Draw sorted residuals against the quantiles of the noise, with the band that luck makes.

    The n-th of N sorted shares is Beta(n, N - n + 1) distributed, whatever the noise.
    """
    from scipy.special import betaincinv

    count = residual.size
    if count < 3:
        say(axes, "too few measured rows for quantiles")
        return
    rank = np.arange(1, count + 1)
    expected = quantiles(item.family, (rank - 0.5) / count, item.degrees)
    low, high = (
        quantiles(item.family, betaincinv(rank, count - rank + 1.0, share), item.degrees)
        for share in (0.025, 0.975)
    )
    reach = min(max(2.5, 1.05 * float(np.abs(np.concatenate([expected, residual])).max())), _FARTHEST)
    axes.fill_between(expected, low, high, color=style.PALE, lw=0, zorder=0)
    axes.plot([-reach, reach], [-reach, reach], color=style.GREY, lw=0.9, zorder=1)
    look: dict[str, Any] = mark_look(style.INK, MEASURED, 3.2) | {"mew": 0.0}
    shown = np.clip(np.sort(residual), -reach, reach)
    axes.plot(expected, shown, clip_on=False, zorder=3, **look)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xticks(_steps(reach))
    axes.set_yticks(_steps(reach))
    name = {"laplace": "Laplace", "student_t": "t"}.get(item.family, "normal")
    axes.set_xlabel(f"quantile of the noise ({name})")
    axes.set_ylabel("residual")
