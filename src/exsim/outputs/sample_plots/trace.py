"""trace.png: the chains draw by draw, and their ranks, of the numbers that they know worst."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posterior_complaints import worst_known
from .. import plot_style as style
from ..fit_plots.frames import middle_cut
from ..plot_sheet import blank_sheet, place, say, with_unit, write
from .frames import NOTHING, drawable, heading, limits_of, logarithmic, set_number_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...sample_result import SampleResult

#: So many numbers at most.
MOST_NUMBERS = 8
#: Up to so many chains are named.
_MOST_CHAINS = 8
_BINS = 20
_LEFT, _TRACE, _BETWEEN, _RANKS, _RIGHT = 0.85, 5.4, 0.75, 2.6, 0.25
_ABOVE, _HEIGHT, _BELOW = 0.3, 0.95, 0.22


def trace_figure(problem: FitProblem, result: SampleResult, title: str = "") -> Figure:
    """Return a row for each of the worst known numbers: its value draw by draw, and the ranks by chain.

    Ranks are of a draw among all: chains that agree have as many in each part, within the grey band (95 %).
    Vehtari et al. (2021), doi:10.1214/20-BA1221. A chain that is stuck stands apart in both.
    """
    shown = drawable(result, worst_known(result).tolist())[:MOST_NUMBERS]
    diverged = int(result.diverging.sum())
    caption = [
        "left: value draw by draw" + (f", ticks at the foot: the {diverged} that diverged" * bool(diverged)),
        "right: ranks among all draws, 1 where chains agree, grey: 95 % of chance",
    ]
    if len(shown) < len(result.numbers):
        caption.append(f"the {len(shown)} worst known of {len(result.numbers)} numbers by R-hat and ESS")
    row = _ABOVE + _HEIGHT + _BELOW
    body = 0.3 + row * max(len(shown), 1) + 0.3
    with style.drawing():
        figure, top = blank_sheet(
            heading(problem, result, title, "chains", caption),
            _LEFT + _TRACE + _BETWEEN + _RANKS + _RIGHT,
            body,
        )
        if not shown:
            say(place(figure, _LEFT, top + 0.2, _TRACE, _HEIGHT), NOTHING)
            return figure
        _name_chains(figure, top, result.draws.shape[0])
        for number, n in enumerate(shown):
            upper = top + 0.3 + number * row + _ABOVE
            last = number == len(shown) - 1
            _draw_trace(place(figure, _LEFT, upper, _TRACE, _HEIGHT), result, n, last)
            _draw_ranks(
                place(figure, _LEFT + _TRACE + _BETWEEN, upper, _RANKS, _HEIGHT), result.draws[:, :, n], last
            )
    return figure


def _name_chains(figure: Figure, top: float, chains: int) -> None:
    if chains > _MOST_CHAINS:
        write(figure, _LEFT, top + 0.08, f"{chains} chains", fontsize=9, color=style.GREY)
        return
    for chain in range(chains):
        colour = style.line_look(chain)["color"]
        write(figure, _LEFT + 0.7 * chain, top + 0.08, f"chain {chain + 1}", fontsize=9, color=colour)


def _draw_trace(axes: Axes, result: SampleResult, n: int, last: bool) -> None:
    item, said, values = result.numbers[n], result.diagnosis, result.draws[:, :, n]
    log = logarithmic(item, values)
    set_number_axis(axes, "y", limits_of(values, log, 0.08), log, 4)
    draws = values.shape[1]
    axes.set_xlim(0, max(draws - 1, 1))
    for chain, own in enumerate(values):
        axes.plot(np.arange(draws), own, lw=0.6, alpha=0.75, **style.line_look(chain))
    where = np.flatnonzero(result.diverging.any(axis=0))
    axes.plot(
        where,
        np.full(len(where), 0.03),
        "|",
        ms=7,
        mew=1.2,
        color=style.INK,
        transform=axes.get_xaxis_transform(),
        zorder=4,
    )
    _set_ends(axes, "draw after warm-up", last)
    bulk, tail = _text(said.ess_bulk[n], 0), _text(said.ess_tail[n], 0)
    facts = f"R-hat {_text(said.r_hat[n], 3)}, ESS {bulk}, tail {tail}"
    at: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom", "parse_math": False}
    axes.text(0.0, 1.06, with_unit(middle_cut(item.name, 28), item.unit), weight="bold", fontsize=9.5, **at)
    axes.text(1.0, 1.06, facts, fontsize=8.5, color=style.GREY, ha="right", **at)


def _draw_ranks(axes: Axes, values: np.ndarray, last: bool) -> None:
    from scipy.stats import rankdata

    chains, draws = values.shape
    ranks = (rankdata(values).reshape(values.shape) - 0.5) / values.size
    expected = draws / _BINS
    # Of a chain the draws in one part are about binomial.
    chance = 1.96 * math.sqrt((1 - 1 / _BINS) / expected)
    axes.axhspan(max(1 - chance, 0.0), 1 + chance, color=style.PALE, lw=0, zorder=0)
    highest = 1.0 + chance
    for chain in range(chains):
        counts, edges = np.histogram(ranks[chain], bins=_BINS, range=(0.0, 1.0))
        axes.stairs(counts / expected, edges, lw=1.3, zorder=3, **_outline(chain))
        highest = max(highest, float((counts / expected).max()))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.08 * highest)
    few = [0.0, 1.0, 2.0] if highest < 2.5 else style.linear_ticks((0.0, highest), 3)
    style.set_ticks(axes.yaxis, [tick for tick in few if tick <= 1.08 * highest])
    axes.set_ylabel("of expected", fontsize=8)
    style.set_ticks(axes.xaxis, [0.0, 0.5, 1.0])
    _set_ends(axes, "rank (share of all draws)", last)


def _outline(chain: int) -> dict[str, Any]:
    look = style.line_look(chain)
    return {"edgecolor": look["color"], "linestyle": look["linestyle"], "fill": False, "baseline": None}


def _set_ends(axes: Axes, label: str, last: bool) -> None:
    axes.tick_params(labelsize=8, pad=2, labelbottom=last)
    if last:
        axes.set_xlabel(label, fontsize=8.5)


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
