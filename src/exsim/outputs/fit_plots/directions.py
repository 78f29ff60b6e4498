"""directions.png: the spectrum of the Fisher information, and what moves along each of its directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plot_style as style
from ..fit_text import flat_texts
from ..plot_sheet import blank_sheet, cut, place, say
from .frames import heading, middle_cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...fit_result import Direction, FitResult

#: At most this many directions; the best told ones are in fit.nc only.
MOST_ROWS = 40
_ROW_IN = 0.235
_FLAT_COLOUR, _TOLD_COLOUR = "#c04a00", style.COLOURS[0]
#: Eigenvalues that lie farther than this below the largest are drawn at the edge.
_DECADES = 14.0
_LONGEST_WORDS = 58


def directions_figure(problem: FitProblem, result: FitResult, title: str = "") -> Figure:
    """Return a row for every direction, what the data tell least at the top: eigenvalue, parts, combination.

    Eigenvalues are those of the Fisher information on the scales of estimation: the data tell the place along
    a direction to about 1 / sqrt(eigenvalue). Flat directions are named in full, in colour.
    """
    ordered = sorted(result.directions, key=lambda direction: direction.eigenvalue)
    shown = ordered[:MOST_ROWS]
    flat = sum(direction.flat for direction in ordered)
    caption = [
        f"{len(ordered) - flat} of {len(ordered)} directions are told by the data" if ordered else "",
        "dots: eigenvalues of the Fisher information on the scales of estimation",
        "squares: the part of a number in a direction, blue up, orange down",
        *flat_texts(problem, result)[:4],
    ]
    if len(ordered) > len(shown):
        caption.append(f"the {len(shown)} least told of {len(ordered)}")
    with style.drawing():
        return _draw(problem, result, title, caption, shown)


def _draw(
    problem: FitProblem, result: FitResult, title: str, caption: list[str], shown: list[Direction]
) -> Figure:
    names = [middle_cut(name, 26) for name in result.names]
    above = 0.15 + 0.066 * max(map(len, names), default=0)
    spectrum, square = 2.5, min(_ROW_IN, 6.0 / max(len(names), 1))
    matrix, height = square * len(names), _ROW_IN * max(len(shown), 2)
    words = 0.25 + 0.071 * min(max((len(item.combination) for item in shown), default=0), _LONGEST_WORDS)
    left, between = 0.75, 0.2
    width = max(left + spectrum + between + matrix + words + 0.1, 8.0)
    figure, top = blank_sheet(
        heading(problem, title, "what the data tell", caption, result), width, above + height + 0.62
    )
    axes = place(figure, left, top + above, spectrum, height)
    if not shown:
        say(axes, "the Fisher information was not worked out")
        return figure
    _draw_spectrum(axes, shown)
    parts = place(figure, left + spectrum + between, top + above, matrix, height)
    _draw_parts(parts, shown, names)
    for number, item in enumerate(shown):
        look: dict[str, Any] = (
            {"color": _FLAT_COLOUR, "weight": "bold"} if item.flat else {"color": style.GREY}
        )
        text = cut(("flat: " if item.flat else "") + item.combination, _LONGEST_WORDS)
        at = 1.0 + 0.1 / matrix
        transform = parts.get_yaxis_transform()
        parts.text(at, number, text, transform=transform, va="center", fontsize=8, parse_math=False, **look)
    return figure


def _draw_spectrum(axes: Axes, shown: list[Direction]) -> None:
    values = np.array([item.eigenvalue for item in shown])
    positive = values[values > 0]
    top = math.log10(float(positive.max())) if positive.size else 0.0
    logs = np.where(values > 0, np.log10(np.where(values > 0, values, 1.0)), -np.inf)
    lowest = min(float(np.maximum(logs, top - _DECADES).min()), top - 1.0)
    edge = lowest - 0.08 * (top - lowest)
    axes.set_xlim(edge, top + 0.05 * (top - lowest))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    ticks = style.log_ticks((10.0**lowest, 10.0**top), 5)
    axes.set_xticks(np.log10(ticks), [style.plain_number(tick) for tick in ticks])
    axes.set_yticks(range(len(shown)), [str(n + 1) for n in range(len(shown))])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.set_xlabel("eigenvalue (log scale)")
    axes.set_ylabel("direction")
    axes.grid(axis="x", zorder=0)
    for number, (item, log) in enumerate(zip(shown, logs, strict=True)):
        colour = _FLAT_COLOUR if item.flat else _TOLD_COLOUR
        end = max(float(log), lowest)
        axes.plot([edge, end], [number, number], color=colour, lw=1.4, zorder=2)
        # What is zero, or so small that it is rounding, lies beyond the axis.
        marker = "<" if log < lowest + 1e-9 and item.flat else "o"
        axes.plot([end], [number], marker=marker, color=colour, ms=5, clip_on=False, zorder=3)


def _draw_parts(axes: Axes, shown: list[Direction], names: list[str]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("parts", ["#D55E00", "white", "#0072B2"])
    parts = np.array([item.vector for item in shown])
    # The sign of an eigenvector is arbitrary: the largest part points up.
    largest = np.abs(parts).argmax(axis=1)
    parts = parts * np.sign(parts[np.arange(len(parts)), largest])[:, None]
    axes.imshow(parts, cmap=colours, vmin=-1.0, vmax=1.0, aspect="auto", interpolation="nearest", zorder=1)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8, parse_math=False)
    axes.tick_params(axis="x", length=0, pad=3)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color("#d0d0d0")
    for edge in range(1, len(names)):
        axes.axvline(edge - 0.5, color="#efefef", lw=0.5, zorder=2)
    for edge in range(1, len(shown)):
        axes.axhline(edge - 0.5, color="#efefef", lw=0.5, zorder=2)
