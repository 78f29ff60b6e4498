"""Metrics over what was varied: a surface over two quantities, a line over one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize

from ...sensitivity import importance
from ...sweep_labels import Metric, VariedTarget, done_draws, made_rows, read_draws, varied
from .. import plot_style as style
from ..plot_sheet import PanelSize, cut, note, say, set_title, with_unit
from .cells import LEAST_IN_CELL, Axis, Gathered, binned_axis, bins_for, gather, runs, trimmed, unique_axis
from .frames import (
    FAILED,
    GAP,
    UNDEFINED,
    colour_bar_axes,
    draws_text,
    nothing_to_show,
    set_varied_axis,
    sheet,
    shown_metrics,
)
from .lines import draw_lines

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Pictures are drawn from at most this many draws, evenly taken.
MOST_DRAWN = 1_000_000
#: Draws off a grid are points where there are fewer than this.
_FEWEST_IN_CELLS = 200
#: Contours of draws off a grid need so many cells a side, each smoothed with its neighbours.
_FEWEST_SMOOTHED = 8
_SURFACE = PanelSize(3.35, 2.75, left=1.0, right=1.2)
#: Perceptually uniform, and told apart by the colour-blind.
_COLOURS = mpl.colormaps["viridis"]


def surface_figure(ds: xr.Dataset) -> Figure:
    """Return every metric over the quantities that were varied, a panel each.

    Two of them: colours with labelled contour lines, each cell of a grid in its own colour, other
    designs as the median in cells of enough draws. More than two: over those two that matter most
    (`exsim.sensitivity.importance`), the median over the others. One: a line, with a band from 5 to
    95 % where draws at one value differ. Colours and axes are logarithmic where numbers span more
    than a decade. Cells whose draws failed are hatched, the nominal values marked.
    """
    rows = made_rows(ds, MOST_DRAWN)
    columns = {item: read_draws(ds, item.target, rows).astype(np.float64) for item in varied(ds)}
    moving = [item for item, values in columns.items() if len(values) and np.ptp(values) > 0]
    reason = nothing_to_show(ds) or ("" if moving else "no varied quantity differs between the draws")
    with style.drawing():
        if reason:
            figure, (axes,) = sheet(ds, "metrics", [draws_text(ds)], 1, 1, PanelSize(4.6, 2.0))
            say(axes, reason)
            return figure
        if len(moving) == 1:
            return draw_lines(ds, moving[0], columns[moving[0]], rows)
        others = len(moving) - 2
        if others:
            matters = dict(zip(varied(ds), importance(ds), strict=True))
            ranked = sorted(moving, key=lambda item: -matters[item])[:2]
            moving = [item for item in moving if item in ranked]
        return _surfaces(ds, moving, [columns[item] for item in moving], rows, others)


def _surfaces(
    ds: xr.Dataset,
    pair: Sequence[VariedTarget],
    columns: Sequence[np.ndarray],
    rows: np.ndarray | None,
    others: int,
) -> Figure:
    draws = len(columns[0])
    on_grid = _cells_of(columns) * (1 if rows is None else 8) <= draws
    if not on_grid and draws < _FEWEST_IN_CELLS:
        return _points(ds, pair, columns, rows)
    make = unique_axis if on_grid else (lambda values: binned_axis(values, bins_for(draws)))
    x, y = (make(values) for values in columns)
    place = np.where((x.place < 0) | (y.place < 0), -1, y.place * len(x.centres) + x.place)
    items, unshown = shown_metrics(ds)
    done = done_draws(ds, rows)
    cells = len(x.centres) * len(y.centres)
    least = 1 if on_grid else LEAST_IN_CELL
    found = [gather(place, cells, read_draws(ds, item.variable, rows), done, least=least) for item in items]
    if on_grid:
        x, y = trimmed(x), trimmed(y)
    x_limits, y_limits = _limits(x), _limits(y)
    nominal = _nominal(pair, x_limits, y_limits)
    caption = [
        draws_text(ds, "hatched" if any(each.failed.any() for each in found) else ""),
        *_cell_notes(others, on_grid, rows),
        "dotted: no such number" if any(each.undefined.any() for each in found) else "",
        "circle: the nominal values" if nominal else "",
        unshown,
    ]
    heading = f"metrics over {pair[0].label} and {pair[1].label}"
    figure, frames = sheet(ds, heading, caption, len(items), 2 if len(items) < 5 else 3, _SURFACE)
    for axes, item, each in zip(frames, items, found, strict=True):
        set_title(axes, item.label)
        set_varied_axis(axes, "x", pair[0], x_limits, x.log)
        set_varied_axis(axes, "y", pair[1], y_limits, y.log)
        _draw_surface(figure, axes, item, x, y, each, smooth=not on_grid)
        _mark(axes, nominal)
    return figure


def _points(
    ds: xr.Dataset, pair: Sequence[VariedTarget], columns: Sequence[np.ndarray], rows: np.ndarray | None
) -> Figure:
    # Too few draws for cells: each is a point in the colour of its metric.
    x, y = (binned_axis(values, 1) for values in columns)
    x_limits, y_limits = _limits(x, 0.05), _limits(y, 0.05)
    items, unshown = shown_metrics(ds)
    nominal, done = _nominal(pair, x_limits, y_limits), done_draws(ds, rows)
    caption = [
        draws_text(ds, "crosses"),
        "a point for each draw" + (", all quantities varied at once" if len(varied(ds)) > 2 else ""),
        "circle: the nominal values" if nominal else "",
        unshown,
    ]
    heading = f"metrics over {pair[0].label} and {pair[1].label}"
    figure, frames = sheet(ds, heading, caption, len(items), 2 if len(items) < 5 else 3, _SURFACE)
    for axes, item in zip(frames, items, strict=True):
        set_title(axes, item.label)
        set_varied_axis(axes, "x", pair[0], x_limits, x.log)
        set_varied_axis(axes, "y", pair[1], y_limits, y.log)
        values = read_draws(ds, item.variable, rows).astype(np.float64)
        known = done & np.isfinite(values)
        axes.plot(columns[0][~done], columns[1][~done], "x", color=style.GREY, ms=6, clip_on=False, zorder=3)
        if not known.any():
            note(axes, "no draw has such a number")
        elif _same(values[known]):
            axes.plot(columns[0][known], columns[1][known], "o", color=_COLOURS(0.5), clip_on=False, zorder=3)
            note(axes, _everywhere(values[known], item))
        else:
            norm, log, low_cut = _norm(values[known])
            at = (columns[0][known], columns[1][known])
            look: dict[str, Any] = {"s": 38, "ec": style.INK, "lw": 0.5, "clip_on": False, "zorder": 3}
            drawn = axes.scatter(*at, c=values[known], cmap=_COLOURS, norm=norm, **look)
            _add_colour_bar(figure, axes, drawn, item, log, low_cut)
        _mark(axes, nominal)
    return figure


def _mark(axes: Axes, nominal: tuple[float, float] | None) -> None:
    if nominal:
        axes.plot(*nominal, "o", ms=8, mfc="white", mec=style.INK, mew=1.6, zorder=6)


def _same(known: np.ndarray) -> bool:
    return bool(np.ptp(known) <= 1e-9 * np.max(np.abs(known)))


def _everywhere(known: np.ndarray, item: Metric) -> str:
    unit = item.unit if with_unit("", item.unit) else ""
    return f"{style.plain_number(float(known[0]))} {unit}".strip() + " everywhere"


def _add_colour_bar(
    figure: Figure, axes: Axes, drawn: ScalarMappable, item: Metric, log: bool, low_cut: bool
) -> None:
    limits = (float(drawn.norm.vmin), float(drawn.norm.vmax))  # type: ignore[arg-type]
    bar = figure.colorbar(drawn, cax=colour_bar_axes(figure, axes), extend="min" if low_cut else "neither")
    style.set_ticks(bar.ax.yaxis, style.log_ticks(limits) if log else style.linear_ticks(limits))
    bar.outline.set_visible(False)
    bar.ax.set_ylabel(cut(item.unit if with_unit("", item.unit) else "", 24), parse_math=False)


def _cells_of(columns: Sequence[np.ndarray]) -> int:
    return int(np.prod([len(np.unique(values)) for values in columns], dtype=np.int64))


def _cell_notes(others: int, on_grid: bool, rows: np.ndarray | None) -> list[str]:
    notes = []
    if others:
        notes.append(f"median over {others} other quantit{'y' if others == 1 else 'ies'}")
    elif not on_grid:
        notes.append("median of each cell")
    if not on_grid:
        notes.append(f"blank: fewer than {LEAST_IN_CELL} draws")
    if rows is not None:
        notes.append(f"drawn from {len(rows):,} draws")
    return notes


def _limits(axis: Axis, margin: float = 0.0) -> tuple[float, float]:
    low, high = float(axis.edges[0]), float(axis.edges[-1])
    if axis.log:
        return low * (low / high) ** margin, high * (high / low) ** margin
    return low - margin * (high - low), high + margin * (high - low)


def _nominal(pair: Sequence[VariedTarget], *limits: tuple[float, float]) -> tuple[float, float] | None:
    at = [item.nominal for item in pair if item.nominal is not None]
    inside = [low <= value <= high for value, (low, high) in zip(at, limits, strict=False)]
    return (at[0], at[1]) if len(at) == 2 and all(inside) else None


def _draw_surface(
    figure: Figure, axes: Axes, item: Metric, x: Axis, y: Axis, found: Gathered, smooth: bool
) -> None:
    shape = (len(y.centres), len(x.centres))
    heights = found.quantiles[0].reshape(shape)
    axes.set_facecolor("white")
    _hatch(axes, x, y, found.failed.reshape(shape), FAILED)
    _hatch(axes, x, y, found.undefined.reshape(shape), UNDEFINED)
    known = heights[np.isfinite(heights)]
    if not known.size:
        note(axes, "no number in any cell")
        return
    norm, log, low_cut = _norm(known)
    mesh = axes.pcolormesh(
        x.edges, y.edges, np.ma.masked_invalid(heights), cmap=_COLOURS, norm=norm, zorder=2
    )
    if _same(known):
        note(axes, _everywhere(known, item))
        return
    _add_colour_bar(figure, axes, mesh, item, log, low_cut)
    if not smooth:
        _draw_contours(axes, x, y, heights, norm, log)
    elif min(shape) >= _FEWEST_SMOOTHED:
        _draw_contours(axes, x, y, _smoothed(heights), norm, log)


def _norm(known: np.ndarray) -> tuple[Normalize, bool, bool]:
    low, high = float(known.min()), float(known.max())
    if _same(known):
        return Normalize(low - 1.0, high + 1.0), False, False
    if low >= 0 and high > 10 * low and (positive := known[known > 0]).size:
        bottom = max(float(positive.min()), high / 10**style.DECADES_SHOWN)
        if high > bottom:
            return LogNorm(bottom, high), True, low < bottom
    return Normalize(low, high), False, False


def _draw_contours(axes: Axes, x: Axis, y: Axis, heights: np.ndarray, norm: Normalize, log: bool) -> None:
    if min(heights.shape) < 2:
        return
    limits = (float(np.nanmin(heights)), float(np.nanmax(heights)))
    if log:
        limits = (max(limits[0], float(norm.vmin)), limits[1])  # type: ignore[arg-type]
    if not limits[0] < limits[1]:
        return
    ticks = style.log_ticks(limits, 7) if log else style.linear_ticks(limits)
    # Not at the very ends: a contour round what is flat but for rounding means nothing.
    margin = 1e-6 * (limits[1] - limits[0])
    levels = [level for level in ticks if limits[0] + margin < level < limits[1] - margin]
    if not levels:
        return
    colours = ["white" if norm(level) < 0.62 else style.INK for level in levels]
    lines = axes.contour(
        x.centres, y.centres, np.ma.masked_invalid(heights), levels, colors=colours, linewidths=1.1, zorder=3
    )
    to_axes = axes.transData + axes.transAxes.inverted()
    for text in axes.clabel(lines, fmt=style.plain_number, fontsize=9):
        # A label that the edge of the panel would cut is left out; the colour bar says the level.
        across, up = to_axes.transform(text.get_position())
        text.set_visible(bool(0.03 < across < 0.97 and 0.03 < up < 0.97))


def _smoothed(heights: np.ndarray) -> np.ndarray:
    # Contours of medians of some draws: each the mean with its neighbours, or they are all noise.
    padded = np.pad(heights, 1, constant_values=np.nan)
    rows, columns = heights.shape
    around = np.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    there = np.isfinite(around)
    mean = np.where(there, around, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(np.isfinite(heights), mean, np.nan)


def _hatch(axes: Axes, x: Axis, y: Axis, mask: np.ndarray, pattern: str) -> None:
    boxes = [
        [
            (x.edges[a], y.edges[row]),
            (x.edges[b], y.edges[row]),
            (x.edges[b], y.edges[row + 1]),
            (x.edges[a], y.edges[row + 1]),
        ]
        for row in range(mask.shape[0])
        for a, b in runs(mask[row])
    ]
    if boxes:
        axes.add_collection(PolyCollection(boxes, hatch=pattern, zorder=1.5, **GAP), autolim=False)
