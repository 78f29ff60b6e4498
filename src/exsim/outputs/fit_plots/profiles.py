"""profiles.png: how far each free number can move before the fit gets worse."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plot_style as style
from ..fit_text import VERDICTS, interval_text
from ..plot_sheet import PanelSize, say, sheet, with_unit
from .frames import VERDICT_COLOURS, heading, middle_cut, on_scale, set_scale_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...fit_result import FitResult, Profile

#: The 95 % quantile of chi-squared with one degree of freedom.
THRESHOLD = 3.841458820694124
_TOP = 8.0
_COLUMNS = 5


def profiles_figure(problem: FitProblem, result: FitResult, title: str = "") -> Figure:
    """Return a panel for every profile: twice the loss of log density over the value of one free number.

    The other numbers are fitted anew at each point. Where the curve stays below the line at 3.84, the data
    tell no end; the title of a panel says what follows.
    """
    shown = list(result.profiles)
    caption = [
        "up: twice the loss of log density, all other numbers fitted anew",
        "dashed: 3.84, the 95 % limit",
        "shaded: the interval",
        "red dotted: a bound of the fit",
    ]
    if any(np.isnan(profile.density).any() for profile in shown):
        caption.append("grey cross: a point that was lost")
    left = len(problem.free) - len({profile.parameter for profile in shown})
    if left:
        caption.append(f"{left} not profiled")
    size = PanelSize(2.0, 1.35, left=0.42, right=0.2, above=0.55, below=0.72)
    with style.drawing():
        columns = min(_COLUMNS, max(3, math.ceil(math.sqrt(len(shown)))))
        figure, frames = sheet(
            heading(problem, title, "profiles", caption, result), len(shown), columns, size
        )
        if not shown:
            say(frames[0], "no number was profiled")
        for number, (axes, profile) in enumerate(zip(frames, shown, strict=False)):
            _draw(axes, problem, result, profile, first=number % columns == 0)
    return figure


def _draw(axes: Axes, problem: FitProblem, result: FitResult, profile: Profile, first: bool) -> None:
    item, estimate = problem.free[profile.parameter], result.estimates[profile.parameter]
    verdict = estimate.identifiable
    stopped = bool(estimate.at_bound) and verdict == "identifiable"
    colour = VERDICT_COLOURS["practically not" if stopped else verdict]
    x = on_scale(item, profile.values)
    loss = 2.0 * (result.log_density - profile.density)
    known = np.isfinite(x) & np.isfinite(loss)
    _write_title(axes, item.name, VERDICTS[verdict], colour, estimate.at_bound)
    # A long label is cut; its unit is not.
    lost = f" …{with_unit('', item.unit)}"
    label = textwrap.wrap(with_unit(item.label, item.unit), 35, max_lines=2, placeholder=lost)
    axes.set_xlabel("\n".join(label), fontsize=8, parse_math=False)
    axes.set_ylim(-0.25, _TOP)
    axes.set_yticks([0.0, THRESHOLD, _TOP], ["0", "3.84", "8"] if first else ["", "", ""])
    axes.tick_params(labelsize=8, pad=2)
    axes.axhline(THRESHOLD, color=style.GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    if not known.any():
        axes.set_xticks([])
        axes.text(0.5, 0.2, "every point was lost", transform=axes.transAxes, ha="center", color=style.GREY)
        return
    limits, values = _limits(x[known]), profile.values[known]
    axes.set_xlim(*limits)
    set_scale_ticks(axes.xaxis, item, (float(values.min()), float(values.max())))
    _shade(axes, on_scale(item, estimate.lower), on_scale(item, estimate.upper), limits, colour)
    for bound in (item.low, item.high):
        if limits[0] <= (end := float(on_scale(item, bound))) <= limits[1]:
            axes.axvline(end, color="#c04a00", lw=1.0, ls=":", zorder=1.5)
    # A gap where a point was lost, and a cross at its value.
    axes.plot(x, np.where(known, loss, np.nan), color=colour, lw=1.6, marker="o", ms=2.2, zorder=3)
    lost = np.isfinite(x) & ~known
    if lost.any():
        axes.plot(x[lost], np.zeros(lost.sum()), "x", color=style.GREY, ms=5, zorder=3)
    best: dict[str, Any] = {"marker": "o", "ms": 6, "mfc": "white", "mec": colour, "mew": 1.5, "ls": "none"}
    axes.plot([float(on_scale(item, estimate.value))], [0.0], zorder=4, **best)
    text = interval_text(estimate)
    if text != "-":
        place: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "top", "fontsize": 8}
        box: dict[str, Any] = {"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.7}
        axes.text(0.5, 0.98, text, color=colour, zorder=5, bbox=box, **place)


def _write_title(axes: Axes, name: str, verdict: str, colour: str, at_bound: str) -> None:
    if at_bound:
        verdict = f"at its {at_bound} bound" if verdict == "identifiable" else f"{verdict}, at a bound"
    place: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom", "parse_math": False}
    axes.text(0.0, 1.17, middle_cut(name, 27), fontsize=9.5, weight="bold", **place)
    axes.text(0.0, 1.03, verdict, fontsize=8.5, color=colour, **place)


def _limits(x: np.ndarray) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _shade(
    axes: Axes, lower: np.ndarray, upper: np.ndarray, limits: tuple[float, float], colour: str
) -> None:
    # An end that the data do not give lies at the edge of the panel; on a logarithm -inf has no place.
    low = float(lower) if np.isfinite(lower) else limits[0]
    high = float(upper) if np.isfinite(upper) else limits[1]
    low, high = max(low, limits[0]), min(high, limits[1])
    if low < high:
        axes.axvspan(low, high, color=colour, alpha=0.10, lw=0, zorder=0)
