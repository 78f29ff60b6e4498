"""pairs.png: the numbers of which the data tell least, two by two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...posterior_statistics import on_scale
from .. import plot_style as style
from ..fit_plots.frames import middle_cut
from ..plot_sheet import blank_sheet, place, say, with_unit
from .frames import (
    NOTHING,
    WARNING_COLOUR,
    bins_between,
    drawable,
    heading,
    limits_of,
    logarithmic,
    set_number_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...sample_result import SampleResult

#: So many numbers and so many dots at most.
MOST_NUMBERS, MOST_DOTS = 5, 2000
_CELL, _GAP, _LEFT, _BELOW = 1.5, 0.16, 1.0, 0.62


def pairs_figure(problem: FitProblem, result: SampleResult, title: str = "") -> Figure:
    """Return the draws of the numbers with the lowest contraction, each against each; divergent ones on top.

    Draws that diverged and lie together show where the posterior is too narrow for the steps. Above the
    diagonal stands the correlation on the scales of the numbers.
    """
    shown = _worst_told(result)
    diverged = int(result.diverging.sum())
    caption = ["dots: draws" + (f" ({MOST_DOTS} of them)" if result.diverging.size > MOST_DOTS else "")]
    if diverged:
        caption.append(f"orange crosses: the {diverged} that diverged")
    caption.append("above the diagonal: correlation")
    sampled = sum(item.role == "parameter" for item in result.numbers)
    if len(shown) < sampled:
        caption.append(f"the {len(shown)} of {sampled} numbers with the lowest contraction")
    side = max(len(shown), 1) * (_CELL + _GAP)
    with style.drawing():
        figure, top = blank_sheet(
            heading(problem, result, title, "pairs", caption),
            max(_LEFT + side + 0.2, 7.0),
            0.2 + side + _BELOW,
        )
        if not shown:
            say(place(figure, _LEFT, top + 0.1, 4.0, 1.0), NOTHING)
            return figure
        for row, y in enumerate(shown):
            for column, x in enumerate(shown):
                at = _LEFT + column * (_CELL + _GAP), top + 0.2 + row * (_CELL + _GAP)
                axes = place(figure, *at, _CELL, _CELL)
                if column > row:
                    _say_correlation(axes, result, x, y)
                    continue
                if column == row:
                    _draw_one(axes, result, x)
                else:
                    _draw_two(axes, result, x, y)
                at_foot, at_left = row == len(shown) - 1, column == 0 and row > 0
                axes.tick_params(labelsize=8, pad=2, labelbottom=at_foot, labelleft=at_left)
                if at_foot:
                    axes.set_xlabel(_label(result, x), fontsize=8, parse_math=False)
                if at_left:
                    axes.set_ylabel(_label(result, y), fontsize=8, parse_math=False)
    return figure


def _worst_told(result: SampleResult) -> list[int]:
    # Numbers without a contraction come last, and keep their order.
    order = np.argsort(result.diagnosis.contraction, kind="stable").tolist()
    sampled = [n for n in order if result.numbers[n].role == "parameter"]
    return drawable(result, sampled)[:MOST_NUMBERS]


def _draw_one(axes: Axes, result: SampleResult, n: int) -> None:
    values = result.draws[:, :, n]
    log = logarithmic(result.numbers[n], values)
    limits = limits_of(values, log)
    set_number_axis(axes, "x", limits, log, 3)
    heights, edges = np.histogram(values, bins=bins_between(limits, log, 24))
    axes.stairs(heights, edges, fill=True, lw=0, color=style.COLOURS[0], alpha=0.55)
    axes.set_ylim(0, 1.05 * max(heights.max(), 1))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _draw_two(axes: Axes, result: SampleResult, x: int, y: int) -> None:
    for side, n in (("x", x), ("y", y)):
        values = result.draws[:, :, n]
        log = logarithmic(result.numbers[n], values)
        set_number_axis(axes, side, limits_of(values, log), log, 3)
    across, up = result.draws[:, :, x].ravel(), result.draws[:, :, y].ravel()
    # At equal distances along the chains.
    kept = np.unique(np.linspace(0, across.size - 1, min(across.size, MOST_DOTS)).round().astype(int))
    axes.plot(across[kept], up[kept], ".", ms=2.2, mew=0, alpha=0.35, color=style.COLOURS[0], zorder=2)
    bad = result.diverging.ravel()
    axes.plot(across[bad], up[bad], "x", ms=5, mew=1.3, color=WARNING_COLOUR, zorder=3)


def _say_correlation(axes: Axes, result: SampleResult, x: int, y: int) -> None:
    axes.set_axis_off()
    pair = [on_scale(result.numbers[n].scale, result.draws[:, :, n].ravel()) for n in (x, y)]
    if min(np.ptp(values) for values in pair) > 0:
        # Zero has no sign.
        found = round(float(np.corrcoef(pair)[0, 1]), 2) + 0.0
        at: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, f"{found:.2f}", fontsize=9 + 5 * abs(found), color=style.GREY, **at)


def _label(result: SampleResult, n: int) -> str:
    # The unit has a line of its own.
    item = result.numbers[n]
    return "\n".join(filter(None, [middle_cut(item.name, 20), with_unit("", item.unit).strip()]))
