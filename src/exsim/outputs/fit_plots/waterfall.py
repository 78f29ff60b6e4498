"""waterfall.png: where the starts of a fit ended, the best at the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plot_style as style
from ..fit_text import agreement_text
from ..plot_sheet import blank_sheet, place, say
from .frames import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...fit_result import FitResult, FitStart

#: Starts that are nearer to the best log density agree with it.
AGREE = 0.1
_FAILED_COLOUR = style.COLOURS[1]


def waterfall_figure(problem: FitProblem, result: FitResult, title: str = "") -> Figure:
    """Return the starts sorted by the log density that they reached, as the distance to the best.

    Failed starts are crosses at the right. A plateau of many starts at the top is what a trustworthy optimum
    looks like; a slope without one says that better values may exist.
    """
    ended = sorted((start for start in result.starts if not start.failed), key=_sorting(result))
    failed = [start for start in result.starts if start.failed]
    caption = [agreement_text(result)]
    if any(start.ended != "converged" for start in ended):
        caption.append("open circles: ended before it converged")
    with style.drawing():
        figure, top = blank_sheet(
            heading(problem, title, "where the starts ended", caption, result), 8.2, 4.4
        )
        axes = place(figure, 0.95, top + 0.25, 6.0, 3.5)
        if not ended:
            say(axes, "no start reached an end")
            return figure
        _set_axes(axes, ended, failed, result)
        _draw(axes, ended, failed, result)
    return figure


def _sorting(result: FitResult) -> Any:
    return lambda start: (
        -start.reached_density if np.isfinite(start.reached_density) else np.inf,
        start.number,
    )


def _distances(ended: list[FitStart], result: FitResult) -> np.ndarray:
    found = result.log_density - np.array([start.reached_density for start in ended])
    return np.maximum(found, 0.0)


def _set_axes(axes: Axes, ended: list[FitStart], failed: list[FitStart], result: FitResult) -> None:
    known = _distances(ended, result)
    farthest = float(known[np.isfinite(known)].max(initial=0.0))
    axes.set_yscale("symlog", linthresh=AGREE, linscale=0.7)
    # Down from the best, which is at the top.
    axes.set_ylim(max(2.0 * farthest, 1.0), -0.02)
    ticks = [0.0, AGREE] + [10.0**k for k in range(0, 12) if 10.0**k <= max(2.0 * farthest, 1.0)]
    style.set_ticks(axes.yaxis, [0.0, AGREE, *ticks[2 :: max(1, len(ticks) // 7)]])
    count = len(ended) + len(failed)
    axes.set_xlim(0.4, count + 0.6)
    ticks_x = [t for t in style.linear_ticks((1.0, float(max(count, 2))), 8) if t == int(t) and t <= count]
    style.set_ticks(axes.xaxis, sorted({1.0, *(t for t in ticks_x if t > 1)}))
    axes.set_xlabel("starts, the best first")
    axes.set_ylabel("below the best log density")
    axes.grid(axis="y", zorder=0)


def _draw(axes: Axes, ended: list[FitStart], failed: list[FitStart], result: FitResult) -> None:
    distance = _distances(ended, result)
    rank = np.arange(1, len(ended) + 1)
    axes.axhspan(0.0, AGREE, color="#eef3f8", lw=0, zorder=0.5)
    axes.axhline(AGREE, color=style.GREY, lw=0.9, ls=(0, (4, 3)), zorder=2)
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 9}
    axes.text(1.015, 0.5 * AGREE, f"{result.agreeing} agree", color=style.COLOURS[0], **beside)
    axes.plot(rank, distance, color="#c4c4c4", lw=1.0, zorder=2)
    for near in (True, False):
        for done in (True, False):
            colour = style.COLOURS[0] if near else style.GREY
            chosen = np.array(
                [
                    bool((away <= AGREE) == near and (start.ended == "converged") == done)
                    for away, start in zip(distance, ended, strict=True)
                ]
            )
            face = colour if done else "white"
            look: dict[str, Any] = {
                "marker": "o",
                "ls": "none",
                "ms": 5.5,
                "mfc": face,
                "mec": colour,
                "mew": 1.1,
            }
            axes.plot(rank[chosen], distance[chosen], clip_on=False, zorder=3, **look)
    if failed:
        places = len(ended) + 1 + np.arange(len(failed))
        at = np.full(len(failed), 0.03)
        axes.plot(
            places,
            at,
            transform=axes.get_xaxis_transform(),
            marker="x",
            ls="none",
            ms=6,
            mew=1.6,
            color=_FAILED_COLOUR,
            clip_on=False,
            zorder=3,
        )
        axes.text(
            1.015,
            0.03,
            f"{len(failed)} failed",
            transform=axes.transAxes,
            color=_FAILED_COLOUR,
            va="center",
            fontsize=9,
        )
