"""prior_posterior.png: what was believed of each number before the data, and what is after."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posterior_complaints import LEAST_CONTRACTION
from .. import plot_style as style
from ..fit_plots.frames import middle_cut
from ..plot_sheet import PanelSize, say, sheet, with_unit
from .frames import NOTHING, WARNING_COLOUR, bins_between, heading, limits_of, logarithmic, set_number_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...sample_result import SampleResult

#: Numbers on a sheet, and sheets, at most.
ON_A_SHEET, MOST_SHEETS = 25, 4
_COLUMNS, _BINS = 5, 60
#: What of the prior is in sight: its far tails are not.
_PRIOR_SHOWN = (0.01, 0.99)
_ROLES = ("parameter", "derived", "individual")


def prior_posterior_figures(problem: FitProblem, result: SampleResult, title: str = "") -> list[Figure]:
    """Return sheets with a panel for each number: prior in grey, posterior in blue, and the contraction.

    Parameters come first. A number whose posterior is its prior is orange. What has no prior of its own has
    the posterior alone.
    """
    order = sorted(range(len(result.numbers)), key=lambda n: _ROLES.index(result.numbers[n].role))
    shown = order[: ON_A_SHEET * MOST_SHEETS]
    sheets = [shown[begin : begin + ON_A_SHEET] for begin in range(0, len(shown), ON_A_SHEET)] or [[]]
    return [
        _sheet(problem, result, title, own, number, len(sheets)) for number, own in enumerate(sheets, start=1)
    ]


def _sheet(
    problem: FitProblem, result: SampleResult, title: str, own: Sequence[int], number: int, sheets: int
) -> Figure:
    caption = [
        "grey: prior, blue: posterior, each to its own height",
        "contraction: 1 - var(posterior) / var(prior) on the scale of the axis",
        f"orange: contraction under {LEAST_CONTRACTION:g}",
    ]
    if sheets > 1:
        caption.append(f"sheet {number} of {sheets}")
    left = len(result.numbers) - ON_A_SHEET * MOST_SHEETS
    if left > 0 and number == sheets:
        caption.append(f"{left} more are in posterior.nc")
    size = PanelSize(1.85, 1.05, left=0.2, right=0.2, above=0.5, below=0.68)
    columns = min(_COLUMNS, max(3, math.ceil(math.sqrt(len(own)))))
    with style.drawing():
        headed = heading(problem, result, title, "prior and posterior", caption)
        figure, frames = sheet(headed, len(own), columns, size)
        if not own:
            say(frames[0], NOTHING)
        for axes, n in zip(frames, own, strict=False):
            _draw(axes, result, n)
    return figure


def _draw(axes: Axes, result: SampleResult, n: int) -> None:
    item, contraction = result.numbers[n], float(result.diagnosis.contraction[n])
    prior = result.prior[:, n]
    prior = prior[np.isfinite(prior)]
    missing = "contraction not known" if prior.size else "no prior of its own"
    said = f"contraction {contraction:.2f}" if math.isfinite(contraction) else missing
    untold = contraction < LEAST_CONTRACTION
    _write_title(axes, item.name, said, WARNING_COLOUR if untold else style.GREY)
    posterior = result.draws[:, :, n].ravel()
    posterior = posterior[np.isfinite(posterior)]
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    # A long label is cut; its unit is not.
    lost = f" …{with_unit('', item.unit)}"
    label = textwrap.wrap(with_unit(item.label, item.unit), 34, max_lines=2, placeholder=lost)
    axes.set_xlabel("\n".join(label), fontsize=8, parse_math=False)
    axes.tick_params(labelsize=8, pad=2)
    if not posterior.size and not prior.size:
        axes.set_xticks([])
        axes.text(0.5, 0.4, NOTHING, transform=axes.transAxes, ha="center", color=style.GREY, fontsize=8.5)
        return
    log = logarithmic(item, np.concatenate([prior, posterior]))
    inner = np.quantile(prior, _PRIOR_SHOWN) if prior.size else prior
    limits = limits_of(np.concatenate([inner, posterior]), log)
    set_number_axis(axes, "x", limits, log, 3)
    axes.set_ylim(0, 1.08)
    look: dict[str, Any] = {"color": "#cfcfcf", "alpha": 1.0, "zorder": 2}
    _draw_heights(axes, prior, limits, log, look)
    colour = WARNING_COLOUR if untold else style.COLOURS[0]
    _draw_heights(axes, posterior, limits, log, {"color": colour, "alpha": 0.55, "zorder": 3})


def _draw_heights(
    axes: Axes, values: np.ndarray, limits: tuple[float, float], log: bool, look: dict[str, Any]
) -> None:
    if not values.size:
        return
    # As many bins as the draws fill: a narrow posterior has narrow ones.
    own = limits_of(values, log, 0.0) if np.ptp(values) > 0 else limits
    low, high = max(own[0], limits[0]), min(own[1], limits[1])
    count = int(np.clip(math.sqrt(values.size) / 2, 8, _BINS))
    heights, edges = np.histogram(values, bins=bins_between((low, high), log, count))
    if heights.max():
        axes.stairs(heights / heights.max(), edges, fill=True, lw=0, **look)


def _write_title(axes: Axes, name: str, said: str, colour: str) -> None:
    place: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom", "parse_math": False}
    axes.text(0.0, 1.2, middle_cut(name, 23), fontsize=9.5, weight="bold", **place)
    axes.text(0.0, 1.05, said, fontsize=8.5, color=colour, **place)
