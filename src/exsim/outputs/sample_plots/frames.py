"""What the figures of sampling share: headings, colours of chains, axes of a number on its scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import plot_style as style
from ..fit_plots import frames
from ..plot_sheet import Heading
from ..sample_text import NOT_TRUSTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from ...fit_problem import FitProblem
    from ...sample_result import SampledNumber, SampleResult

WARNING_COLOUR = "#c04a00"
NOTHING = "no draws"
#: A logarithmic axis that spans a smaller factor has the ticks of a linear one.
_LEAST_FACTOR = 1.2


def heading(
    problem: FitProblem, result: SampleResult, title: str, what: str, caption: Sequence[str]
) -> Heading:
    """Return the heading of a figure; draws that may not be trusted say so in all of them."""
    return frames.heading(problem, title, what, [*verdict(result), *caption])


def verdict(result: SampleResult) -> tuple[str, ...]:
    """Return what opens the caption: nothing for draws that may be trusted."""
    return () if result.trusted else (NOT_TRUSTED,)


def drawable(result: SampleResult, order: Iterable[int]) -> list[int]:
    """Return the places in `order` whose numbers have draws, all of them finite."""
    return [n for n in order if result.draws.shape[1] and np.isfinite(result.draws[:, :, n]).all()]


def logarithmic(item: SampledNumber, values: np.ndarray) -> bool:
    """Return whether a number is shown on a logarithm: its scale is one, and all values are above zero."""
    return item.scale in ("log", "log10") and bool((values > 0).all())


def limits_of(values: np.ndarray, log: bool, margin: float = 0.05) -> tuple[float, float]:
    """Return the ends of an axis that shows all of these finite values, with a margin on its scale."""
    x = np.log(values) if log else values
    low, high = float(x.min()), float(x.max())
    wide = margin * (high - low) or (0.1 if log else 0.1 * abs(low) or 0.5)
    ends = low - wide, high + wide
    return (float(np.exp(ends[0])), float(np.exp(ends[1]))) if log else ends


def set_number_axis(axes: Axes, side: str, limits: tuple[float, float], log: bool, most: int) -> None:
    """Give the "x" or "y" axis the limits, scale and about `most` ticks of a number."""
    axis: Axis = getattr(axes, f"{side}axis")
    if log:
        axes.set(**{f"{side}scale": "log"})
    axes.set(**{f"{side}lim": limits})
    wide = log and limits[1] > _LEAST_FACTOR * limits[0]
    ticks = style.log_ticks(limits, most) if wide else style.linear_ticks(limits, most)
    style.set_ticks(axis, ticks)


def bins_between(limits: tuple[float, float], log: bool, count: int) -> np.ndarray:
    """Return the edges of bins that are equally wide on the axis."""
    return np.geomspace(*limits, count + 1) if log else np.linspace(*limits, count + 1)
