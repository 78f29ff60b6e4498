"""Metrics over the one quantity that was varied: a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...sweep_labels import VariedTarget, done_draws, read_draws
from .. import plot_style as style
from ..plot_sheet import PanelSize, cut, note, set_title, with_unit
from .cells import Axis, Gathered, gather, runs, spreads_by_factors, unique_axis
from .frames import FAILED, GAP, UNDEFINED, draws_text, set_varied_axis, sheet, shown_metrics

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A line has at most this many points; beyond, draws are gathered.
_MOST_POINTS = 400


def draw_lines(ds: xr.Dataset, item: VariedTarget, column: np.ndarray, rows: np.ndarray | None) -> Figure:
    """Return a panel per metric over `item`, whose values in the draws `rows` are `column`.

    A line with a point for each value, gaps where draws failed, and a band from 5 to 95 % where the
    draws at one value differ.
    """
    few = len(np.unique(column)) <= _MOST_POINTS
    x = unique_axis(column) if few else _equal_counts(column)
    items, unshown = shown_metrics(ds)
    done = done_draws(ds, rows)
    found = [
        gather(x.place, len(x.centres), read_draws(ds, each.variable, rows), done, (0.05, 0.5, 0.95))
        for each in items
    ]
    banded = any(_has_band(each) for each in found) and few
    caption = [draws_text(ds, "hatched" if any(each.failed.any() for each in found) else ""), unshown]
    caption.append("line: median, band: 5 to 95 % of the draws at a value" if banded else "")
    caption.append("dotted: no such number" if any(each.undefined.any() for each in found) else "")
    inside = item.nominal is not None and x.edges[0] <= item.nominal <= x.edges[-1]
    caption.append("dashed: the nominal value" if inside else "")
    columns = 2 if len(items) < 5 else 3
    figure, frames = sheet(
        ds, f"metrics over {item.label}", caption, len(items), columns, PanelSize(3.7, 2.6, left=0.95)
    )
    for axes, metric, each in zip(frames, items, found, strict=True):
        set_title(axes, metric.label)
        set_varied_axis(axes, "x", item, (float(x.edges[0]), float(x.edges[-1])), x.log)
        log = _draw_line(axes, x, each, banded)
        unit = metric.unit if with_unit("", metric.unit) else ""
        axes.set_ylabel(f"{cut(unit, 24)} {'(log scale)' * log}".strip(), parse_math=False)
        if inside:
            axes.axvline(float(item.nominal), color=style.GREY, lw=1.2, ls=(0, (4, 3)), zorder=2)  # type: ignore[arg-type]
    return figure


def _equal_counts(values: np.ndarray) -> Axis:
    # Steps of equally many draws, so narrow that within one the metric hardly changes.
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _MOST_POINTS + 1)))
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return Axis(edges, 0.5 * (edges[1:] + edges[:-1]), place, spreads_by_factors(values))


def _has_band(found: Gathered) -> bool:
    low, middle, high = found.quantiles
    return bool(np.any(high - low > 1e-6 * np.abs(middle)))


def _draw_line(axes: Axes, x: Axis, found: Gathered, banded: bool) -> bool:
    # Returns whether the y axis is logarithmic.
    low, middle, high = found.quantiles
    for mask, pattern in ((found.failed, FAILED), (found.undefined, UNDEFINED)):
        for a, b in runs(mask):
            axes.axvspan(x.edges[a], x.edges[b], zorder=0.5, hatch=pattern, **GAP)
    known = found.quantiles[np.isfinite(found.quantiles)]
    if not known.size:
        note(axes, "no number at any value")
        style.set_ticks(axes.yaxis, [])
        return False
    axes.grid(axis="y", zorder=0)
    log = bool(known.min() > 0 and known.max() > 10 * known.min())
    if log:
        style.set_log_axis(axes, style.log_limits([known], least_factor=4.0))
    else:
        span = float(np.ptp(known))
        margin = 0.08 * span if span > 1e-9 * np.max(np.abs(known)) else 0.1 * (abs(float(known[0])) or 1.0)
        limits = (float(known.min()) - margin, float(known.max()) + margin)
        axes.set_ylim(*limits)
        style.set_ticks(axes.yaxis, style.linear_ticks(limits))
    if banded:
        axes.fill_between(x.centres, low, high, color=style.COLOURS[0], alpha=0.25, lw=0, zorder=2)
    alone = np.isfinite(middle).sum() <= 40
    axes.plot(x.centres, middle, color=style.COLOURS[0], marker="o" if alone else "", ms=4, zorder=3)
    return log
