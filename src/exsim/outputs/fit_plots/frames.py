"""What the figures of a fit share: headings, looks of marks, axes on a scale of estimation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from ...version import __version__
from .. import plot_style as style
from ..plot_sheet import Heading, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from ...fit_problem import FitProblem, FreeNumber
    from ...fit_result import FitResult, Verdict

#: Up to so many simulations have a colour each.
MOST_COLOURS = len(style.COLOURS)
#: Marker of a measurement, and of one that lies below or above a limit.
MARKERS = {MEASURED: "o", BELOW_LIMIT: "v", ABOVE_LIMIT: "^"}
VERDICT_COLOURS: dict[Verdict, str] = {
    "identifiable": "#00795a",
    "practically not": "#b06f00",
    "structurally not": "#c04a00",
    "not profiled": style.GREY,
}
ELLIPSIS = "…"


def heading(
    problem: FitProblem, title: str, what: str, caption: Sequence[str], result: FitResult | None = None
) -> Heading:
    """Return the heading of a figure; what is not converged says so in all of them."""
    source = f"model {problem.model.name}  ·  config {problem.name}  ·  exsim {__version__}"
    warning = [] if result is None or result.converged else ["NOT CONVERGED"]
    return Heading(titled(title or problem.name, what), [*warning, *caption], source)


def observable_names(problem: FitProblem) -> list[str]:
    """Return what figures call each observable: its label, with its name where two share a label."""
    labels = [item.label for item in problem.observables]
    return [
        item.label
        if labels.count(item.label) == 1 or item.name == item.label
        else f"{item.label}, {item.name}"
        for item in problem.observables
    ]


def mark_look(colour: str, censoring: int, size: float = 5.0) -> dict[str, Any]:
    """Return how points are marked: filled dots for what was measured, open triangles at a limit."""
    if censoring == MEASURED:
        return {"marker": "o", "ms": size, "mfc": colour, "mec": "white", "mew": 0.6, "ls": "none"}
    return {
        "marker": MARKERS[censoring],
        "ms": size + 0.5,
        "mfc": "white",
        "mec": colour,
        "mew": 1.1,
        "ls": "none",
    }


def middle_cut(text: str, longest: int) -> str:
    """Return a name of at most `longest` characters, its middle left out: names often differ at their end."""
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return text[:head].rstrip() + ELLIPSIS + text[len(text) - (longest - 1 - head) :].lstrip()


def on_scale(item: FreeNumber, values: np.ndarray | float) -> np.ndarray:
    """Return values of a free number on its scale of estimation (log10 as log); infinite where that ends."""
    x = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        if item.scale == "logit":
            return np.asarray(np.log(x - item.low) - np.log(item.high - x))
        return x if item.scale == "linear" else np.asarray(np.log(x))


def set_scale_ticks(axis: Axis, item: FreeNumber, limits: tuple[float, float], most: int = 4) -> None:
    """Give an axis that shows `on_scale` plain numbers in the unit of the free number.

    `limits` are the ends of the axis as values.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    logarithmic = item.scale in ("log", "log10") and limits[1] > 1.2 * limits[0] > 0
    ticks = style.log_ticks(limits, most) if logarithmic else style.linear_ticks(limits, most)
    axis.set_major_locator(FixedLocator(on_scale(item, np.array(ticks)).tolist()))
    axis.set_major_formatter(FixedFormatter([style.plain_number(tick) for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def set_value_axis(axes: Axes, values: Sequence[np.ndarray], log: bool, most: int = 9) -> None:
    """Give the y axis the limits and ticks that show all values; on a log axis those above zero."""
    if log:
        limits = style.log_limits(values, least_factor=4.0)
        axes.set_yscale("log")
        ticks = style.log_ticks(limits, most)
    else:
        limits = linear_limits(values)
        ticks = style.linear_ticks(limits, min(most, 6))
    axes.set_ylim(*limits)
    style.set_ticks(axes.yaxis, ticks)


def linear_limits(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return limits of a linear axis that hold all finite values, with a margin."""
    shown = np.concatenate([np.asarray(part, dtype=float).ravel() for part in values] or [np.zeros(0)])
    shown = shown[np.isfinite(shown)]
    if not shown.size:
        return 0.0, 1.0
    low, high = float(shown.min()), float(shown.max())
    margin = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
    # A level cannot be below zero: no axis says that it may.
    return (0.0 if 0.0 <= low < margin else low - margin), high + margin


def quantiles(family: str, shares: np.ndarray, degrees: float) -> np.ndarray:
    """Return the quantiles of a family's standardised noise (`exsim.noise`) at shares in (0, 1)."""
    from scipy.special import ndtri, stdtrit

    if family == "laplace":
        return np.where(shares < 0.5, np.log(2 * shares), -np.log(2 - 2 * shares))
    return np.asarray(stdtrit(degrees, shares) if family == "student_t" else ndtri(shares))


def share_beyond(family: str, size: float, degrees: float) -> float:
    """Return the share of a family's standardised noise that lies farther than `size` from zero."""
    from scipy.special import ndtr, stdtr

    if family == "laplace":
        return math.exp(-size)
    return float(2 * (stdtr(degrees, -size) if family == "student_t" else ndtr(-size)))
