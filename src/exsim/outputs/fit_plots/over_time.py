"""fit.png and bands.png: what was measured over what the best fit, or a posterior, says, with its band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from .. import plot_style as style
from ..plot_sheet import Heading, blank_sheet, cut, place, say, set_title, size_in, write
from .frames import heading, mark_look, middle_cut, observable_names, set_value_axis
from .points import Curve, Explained, Points, curve_of, points_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...fit_result import FitCurves, FitResult

#: Up to so many simulations are drawn over each other; more get a panel each.
MOST_OVERLAID = 4
#: A figure of small panels has at most about so many.
MOST_PANELS = 96
_FEWEST_COLUMNS, _MOST_COLUMNS = 5, 7
#: Share of the time axis at its right edge that is empty, so that the last points are whole.
_MARGIN = 0.025
#: Share of the time axis at its left edge that shows what was measured at rest.
_REST_SHARE = 0.07


@dataclass(frozen=True)
class _Panel:
    """One observable in one simulation (places in the problem): its curve and the points over it."""

    simulation: int
    observable: int
    #: Of the simulation.
    name: str
    bouts_h: tuple[tuple[float, float], ...]
    curve: Curve | None
    points: Points
    #: Mean over its rows.
    misfit: float


def fit_figure(problem: FitProblem, result: FitResult, title: str = "") -> Figure:
    """Return the measurements over the curves of the best fit, as `over_time_figure` draws them."""
    return over_time_figure(problem, best_fit(result), title)


def best_fit(result: FitResult) -> Explained:
    """Return what the best fit says of the data."""
    return Explained(
        heading="data and best fit",
        line="best fit",
        curves=result.curves,
        prediction=result.prediction,
        misfit=result.residual**2,
        said=() if result.converged else ("NOT CONVERGED",),
        elsewhere=": see residuals.png",
    )


def over_time_figure(problem: FitProblem, explained: Explained, title: str = "") -> Figure:
    """Return the measurements over curves, an observable a panel or a block of panels.

    Few simulations share a panel in colours of their own, many have small panels of their own. What was
    measured at rest, at or before time 0, stands at the left edge. Rows that are no points on a curve (a peak
    fold, a ratio) are counted in the caption.
    """
    panels = _panels(problem, explained)
    overlaid = len({panel.simulation for panel in panels}) <= MOST_OVERLAID
    shown = panels if overlaid else _spread_over_misfit(panels)
    caption = _caption(problem, explained, panels, shown)
    headed = heading(problem, title, explained.heading, caption)
    with style.drawing():
        if not shown:
            figure, top = blank_sheet(headed, 7.4, 2.0)
            say(
                place(figure, 0.8, top, 4.8, 1.6),
                f"no measurement is a point on a curve{explained.elsewhere}",
            )
            return figure
        return (_draw_overlaid if overlaid else _draw_small)(problem, headed, shown)


def _panels(problem: FitProblem, explained: Explained) -> list[_Panel]:
    rows, panels = problem.rows, []
    for o in range(len(problem.observables)):
        for s in range(len(problem.simulations)):
            points = points_over(problem, explained, s, o)
            if len(points):
                own = explained.misfit[(rows.simulation == s) & (rows.observable == o)]
                finite = own[np.isfinite(own)]
                misfit = float(finite.mean()) if finite.size else 0.0
                name, curve = problem.simulations[s].name, curve_of(problem, explained.curves, s, o)
                panels.append(_Panel(s, o, name, _bouts(name, explained.curves), curve, points, misfit))
    return panels


def _bouts(name: str, curves: FitCurves | None) -> tuple[tuple[float, float], ...]:
    if curves is None or name not in curves.simulations:
        return ()
    return tuple(curves.bouts_h[curves.simulations.index(name)])


def _spread_over_misfit(panels: Sequence[_Panel]) -> list[_Panel]:
    # Too many to draw: of each observable from the best fitted to the worst, at equal distances.
    kinds = sorted({panel.observable for panel in panels})
    most = max(MOST_PANELS // len(kinds), _MOST_COLUMNS)
    kept = []
    for observable in kinds:
        own = [panel for panel in panels if panel.observable == observable]
        ranked = sorted(own, key=lambda panel: panel.misfit)
        places = np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int))
        kept += sorted((ranked[n] for n in places), key=lambda panel: panel.simulation)
    return kept


def _caption(
    problem: FitProblem, explained: Explained, panels: Sequence[_Panel], shown: Sequence[_Panel]
) -> list[str]:
    censored = {int(mark) for panel in shown for mark in panel.points.censoring}
    bars = any(np.isfinite(panel.points.low).any() for panel in shown)
    banded = [panel.curve for panel in shown if panel.curve is not None]
    band = any(np.isfinite(curve.lower).any() for curve in banded)
    parts = [
        *explained.said,
        "dots: measured" + (", bars: ± 1 sd (of a mean, standard error) as the data give it" if bars else ""),
    ]
    if {BELOW_LIMIT, ABOVE_LIMIT} & censored:
        parts.append("open triangles: beyond a limit, at the limit")
    if banded:
        parts.append(f"line: {explained.line}" + (", band: central 95 %" if band else ", without a band"))
    if any(panel.points.at_rest.any() for panel in shown):
        parts.append("at the left edge: at rest")
    if any(panel.bouts_h for panel in shown):
        few = len({panel.simulation for panel in shown}) <= MOST_OVERLAID
        parts.append("bars at the foot: bouts" if few and _differ(shown) else "shaded: bouts")
    rows = problem.rows
    if sum(len(panel.points) for panel in panels) and (
        (rows.factor >= 0).any() or (rows.batch >= 0).any() or {"fold", "log2"} & set(rows.quantity)
    ):
        parts.append(
            "relative values in the unit of the model, by what the fit makes of their rest, batch or study"
        )
    left = len(rows) - sum(len(panel.points) for panel in panels)
    if left:
        parts.append(f"{left} row{'s are' if left > 1 else ' is'} no point on a curve{explained.elsewhere}")
    if len(shown) < len(panels):
        parts.append(f"{len(shown)} of {len(panels)} panels, chosen from the best fitted to the worst")
    return parts


# ---- few simulations: an observable a panel --------------------------------------------------------------


def _draw_overlaid(problem: FitProblem, headed: Heading, shown: Sequence[_Panel]) -> Figure:
    kinds = list(dict.fromkeys(panel.observable for panel in shown))
    simulations = sorted({panel.simulation for panel in shown})
    names = [problem.simulations[s].name for s in simulations]
    columns = min(len(kinds), 3)
    width, height, left, above, below = (3.5 if len(kinds) > 1 else 5.6), 2.7, 0.8, 0.46, 0.65
    right = 0.35 + (0.085 * min(max(map(len, names)), 22) if len(simulations) > 1 else 0.0)
    cell, row = left + width + right, above + height + below
    body = math.ceil(len(kinds) / columns) * row
    figure, top = blank_sheet(headed, max(columns * cell, 7.4), body)
    for number, observable in enumerate(kinds):
        at = (number % columns) * cell + left, top + (number // columns) * row + above
        axes = place(figure, *at, width, height)
        own = [panel for panel in shown if panel.observable == observable]
        colours = {s: style.COLOURS[n % len(style.COLOURS)] for n, s in enumerate(simulations)}
        log = problem.observables[observable].family == "lognormal"
        _set_axes(axes, own, log, ticks=9)
        _draw_bouts(axes, own, colours)
        axes.grid(axis="y", zorder=0)
        set_title(axes, observable_names(problem)[observable])
        unit = problem.observables[observable].unit
        axes.set_ylabel(cut(unit + " (log scale)" * log, 34), parse_math=False)
        for panel in own:
            _draw_panel(axes, panel, colours[panel.simulation], style.time_scale(_last_h(own))[0], size=5.5)
        if len(simulations) > 1:
            ends = [
                (
                    panel.name,
                    float(panel.curve.value[-1]),
                    {"color": colours[panel.simulation]},
                )
                for panel in own
                if panel.curve is not None
            ]
            style.label_line_ends(axes, ends, 22)
            _lead_to_edge(axes, own, colours)
    return figure


def _lead_to_edge(axes: Axes, own: Sequence[_Panel], colours: dict[int, str]) -> None:
    # A curve that ends before the others: on to where its name stands.
    hours, edge = style.time_scale(_last_h(own))[0], axes.get_xlim()[1]
    for panel in own:
        if panel.curve is not None and (end := panel.curve.time_h[-1] / hours) < edge:
            height = panel.curve.value[-1]
            look: dict[str, Any] = {"color": colours[panel.simulation], "lw": 0.8, "ls": ":"}
            axes.plot([end, edge], [height, height], zorder=2.5, **look)


def _draw_bouts(axes: Axes, own: Sequence[_Panel], colours: dict[int, str]) -> None:
    hours, _ = style.time_scale(_last_h(own))
    if not _differ(own):
        _shade(axes, own[0].bouts_h, hours)
        return
    # A bar for each simulation, in its colour, at the foot of the panel.
    _make_room_for_bouts(axes, own)
    for number, panel in enumerate(own):
        low = 0.012 + 0.024 * number
        look: dict[str, Any] = {"color": colours[panel.simulation], "lw": 0, "zorder": 1}
        for start, end in panel.bouts_h:
            axes.axvspan(start / hours, end / hours, ymin=low, ymax=low + 0.016, **look)


def _differ(own: Sequence[_Panel]) -> bool:
    return len({panel.bouts_h for panel in own}) > 1


def _shade(axes: Axes, bouts_h: Sequence[tuple[float, float]], hours: float) -> None:
    for start, end in bouts_h:
        axes.axvspan(start / hours, end / hours, color=style.PALE, lw=0, zorder=0)


def _make_room_for_bouts(axes: Axes, own: Sequence[_Panel]) -> None:
    share = 0.02 + 0.026 * len(own)
    low, high = axes.get_ylim()
    low = low / (high / low) ** share if axes.get_yscale() == "log" else low - share * (high - low)
    axes.set_ylim(low, high)


# ---- many simulations: a small panel each ----------------------------------------------------------------


def _draw_small(problem: FitProblem, headed: Heading, shown: Sequence[_Panel]) -> Figure:
    kinds = list(dict.fromkeys(panel.observable for panel in shown))
    width, height, left, between, above, below, block = 1.66, 1.05, 0.62, 0.15, 0.2, 0.26, 0.36
    counts = {o: sum(panel.observable == o for panel in shown) for o in kinds}
    row = above + height + below
    columns = _columns(list(counts.values()))
    body = sum(block + math.ceil(count / columns) * row for count in counts.values()) + 0.25
    whole = left + columns * (width + between) + 0.15
    figure, top = blank_sheet(headed, whole, body)
    units = {style.time_scale(_last_h([panel]))[1] for panel in shown}
    upper = top
    for kind, observable in enumerate(kinds):
        item = problem.observables[observable]
        log = item.family == "lognormal"
        own = [panel for panel in shown if panel.observable == observable]
        colour = style.COLOURS[kind % (len(style.COLOURS) - 1)]
        name = f"{observable_names(problem)[observable]}  ({item.unit}{', log scale' if log else ''})"
        write(figure, 0.12, upper + 0.1, cut(name, int(whole * 9)), fontsize=11, weight="bold", color=colour)
        upper += block
        for number, panel in enumerate(own):
            at = left + (number % columns) * (width + between), upper + (number // columns) * row + above
            axes = place(figure, *at, width, height)
            _set_axes(axes, own, log, ticks=5, time_of=panel)
            axes.tick_params(labelsize=8, pad=2)
            axes.set_xlabel("")
            if number % columns:
                axes.tick_params(axis="y", labelleft=False)
            hours, unit = style.time_scale(_last_h([panel]))
            _shade(axes, panel.bouts_h, hours)
            axes.grid(axis="y", zorder=0)
            label = middle_cut(panel.name, int(12.5 * size_in(axes)[0]))
            if len(units) > 1:
                label = f"{middle_cut(panel.name, 14)} {unit.removeprefix('time ')}"
            axes.set_title(label, loc="left", fontsize=8.5, pad=3, weight="normal", parse_math=False)
            _draw_panel(axes, panel, colour, hours, size=4.2)
        upper += math.ceil(len(own) / columns) * row
    write(figure, left, upper + 0.02, units.pop() if len(units) == 1 else "time", fontsize=9)
    return figure


def _columns(counts: Sequence[int]) -> int:
    # As few rows as may be, then as few columns.
    choices = range(_FEWEST_COLUMNS, _MOST_COLUMNS + 1)
    return min(choices, key=lambda columns: (sum(math.ceil(count / columns) for count in counts), columns))


# ---- one panel ---------------------------------------------------------------------------------------------


def _last_h(panels: Sequence[_Panel]) -> float:
    times = [panel.points.time_h for panel in panels]
    times += [panel.curve.time_h for panel in panels if panel.curve is not None]
    return max(float(np.max(part)) for part in times if part.size)


def _set_axes(
    axes: Axes, panels: Sequence[_Panel], log: bool, ticks: int, time_of: _Panel | None = None
) -> None:
    """Give axes the limits that all of `panels` share; the time is that of `time_of` where it is given."""
    last = max(_last_h(panels if time_of is None else [time_of]), 1e-3)
    style.set_time_axis(axes, 0.0, last, ticks)
    shown = last / style.time_scale(last)[0]
    axes.set_xlim(-_REST_SHARE * shown, (1 + _MARGIN) * shown)
    values = [panel.points.value for panel in panels]
    values += [part for panel in panels for part in (panel.points.low, panel.points.high)]
    curves = [panel.curve for panel in panels if panel.curve is not None]
    values += [curve.value for curve in curves]
    # A band that is wider than all else does not set the axis.
    widest = np.concatenate([np.ravel(part) for part in values])
    widest = widest[np.isfinite(widest)]
    for curve in curves:
        for edge in (curve.lower, curve.upper):
            if widest.size:
                reach = np.ptp(widest) or abs(widest[0])
                low, high = (
                    (widest.min() / 3, widest.max() * 3)
                    if log
                    else (widest.min() - reach, widest.max() + reach)
                )
                values.append(np.clip(edge, low, high))
    set_value_axis(axes, values, log, ticks)


def _draw_panel(axes: Axes, panel: _Panel, colour: str, hours: float, size: float) -> None:
    edge = axes.get_xlim()[0]
    log = axes.get_yscale() == "log"
    if panel.curve is not None:
        curve = panel.curve
        # At rest before time 0: flat from the left edge.
        time = np.concatenate([[edge], curve.time_h / hours])
        low, value, high = (
            np.concatenate([part[:1], part]) for part in (curve.lower, curve.value, curve.upper)
        )
        if log:
            floor = axes.get_ylim()[0]
            low = np.where(np.isfinite(high) & ~(low > 0), floor, low)
            value, high = style.positive(value), style.positive(high)
        axes.fill_between(time, low, high, color=colour, alpha=0.18, lw=0, zorder=2)
        axes.plot(time, value, color=colour, lw=1.8 if size > 5 else 1.4, zorder=3)
    points = panel.points
    time = np.where(points.at_rest, 0.55 * edge, points.time_h / hours)
    barred = np.isfinite(points.low) & np.isfinite(points.high)
    if barred.any():
        lengths = np.abs(np.stack([points.value - points.low, points.high - points.value])[:, barred])
        axes.errorbar(
            time[barred],
            points.value[barred],
            yerr=lengths,
            fmt="none",
            ecolor=colour,
            elinewidth=1.0,
            alpha=0.75,
            zorder=3.5,
        )
    for mark in (MEASURED, BELOW_LIMIT, ABOVE_LIMIT):
        chosen = points.censoring == mark
        if log:
            chosen = chosen & (points.value > 0)
        if chosen.any():
            axes.plot(time[chosen], points.value[chosen], zorder=4, **mark_look(colour, mark, size))
