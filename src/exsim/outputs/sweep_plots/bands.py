"""Percentile bands of the analytes over time, over all draws of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...run_labels import boluses, bouts, infusions
from ...sensitivity import pooled_quantiles
from ...sweep_labels import design, draw_count, varied
from .. import plot_style as style
from ..plot_sheet import PanelSize, cut, say, set_title
from .frames import MOST_PANELS, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUFFIX = "_percentiles"
_SHOWN = (0.05, 0.25, 0.50, 0.75, 0.95)
#: From fewer draws than this, a 5th and a 95th percentile are guesses between the two outermost draws.
_LEAST_FOR_BANDS = 20


def bands_figure(ds: xr.Dataset) -> Figure:
    """Return the 5-25-50-75-95 % bands over time of every analyte that has percentiles, a panel each.

    The name of an analyte is the attribute `label` of its percentiles. Percentiles of the batches are
    pooled by `exsim.sensitivity.pooled_quantiles`, which states the error. Concentration is on a log
    axis at the left; at the right the same as fold over the median at rest (the first time). The bouts
    of the config are shaded.
    """
    names = [str(name) for name in ds.data_vars if str(name).endswith(_SUFFIX)]
    shown = names[:MOST_PANELS]
    weights = np.asarray(ds["batch_done"].values, dtype=float) if "batch_done" in ds else np.zeros(0)
    # A batch that is not made yet holds NaN or -1.
    weights = np.where(weights > 0, weights, 0.0)
    done = int(weights.sum())
    caption = [_counts(ds, done), "bands: 5 to 95 % and 25 to 75 % of the draws, line: median", _shaded(ds)]
    if len(names) > len(shown):
        caption.append(f"{len(names) - len(shown)} more analytes are in the store only")
    if 0 < done < _LEAST_FOR_BANDS:
        caption.append(f"{done} draw{'s' * (done != 1)}: too few for a band to mean much")
    size = PanelSize(3.5, 2.7, left=0.8, right=0.8)
    with style.drawing():
        figure, frames = sheet(
            ds, "analytes over time", caption, len(shown), 2 if len(shown) < 5 else 3, size
        )
        if not shown:
            say(frames[0], "the sweep kept no percentiles over time")
        for number, (axes, name) in enumerate(zip(frames, shown, strict=False)):
            levels = np.asarray(ds["percentile"].values, dtype=float) / 100.0
            # A slice, so that the dataset does not keep what was read.
            percentiles = ds[name].isel(batch=slice(None)).values
            curves = pooled_quantiles(percentiles, weights, _SHOWN, levels)
            _draw(axes, ds, name, curves, style.COLOURS[number % (len(style.COLOURS) - 1)])
    return figure


def _draw(axes: Axes, ds: xr.Dataset, name: str, curves: np.ndarray, colour: str) -> None:
    labels = ds[name].attrs
    title = str(labels.get("label") or labels.get("analyte") or name.removesuffix(_SUFFIX))
    curves = style.positive(curves)
    if not np.isfinite(curves).any():
        say(axes, f"{title}: no draw was solved, or none has a value above zero")
        return
    set_title(axes, title)
    time = np.asarray(ds["band_time"].values, dtype=float)
    hours_per_unit, _ = style.time_scale(float(time[-1]))
    style.set_time_axis(axes, float(time[0]), float(time[-1]))
    style.shade(axes, bouts(ds), infusions(ds), boluses(ds), hours_per_unit)
    axes.grid(axis="y", zorder=0)
    shown = time / hours_per_unit
    floor = np.nanmin(curves)
    for (low, high), alpha in (((0, 4), 0.20), ((1, 3), 0.38)):
        # A lower edge at zero is below any log axis, not a hole in the band.
        edge = np.where(np.isfinite(curves[high]) & ~np.isfinite(curves[low]), floor, curves[low])
        axes.fill_between(shown, edge, curves[high], color=colour, alpha=alpha, lw=0, zorder=2)
    axes.plot(shown, curves[2], color=colour, zorder=3)
    limits = style.log_limits([curves], least_factor=4.0)
    style.set_log_axis(axes, limits)
    unit = str(labels.get("units") or "")
    axes.set_ylabel(cut(f"{unit} (log scale)", 30), parse_math=False)
    rest = curves[2, 0]
    if np.isfinite(rest):
        fold = axes.twinx()
        style.set_log_axis(fold, (limits[0] / rest, limits[1] / rest))
        fold.set_ylabel("fold over median rest", color=style.GREY)
        fold.tick_params(axis="y", colors=style.GREY)
        fold.spines["right"].set_visible(True)


def _counts(ds: xr.Dataset, done: int) -> str:
    draws = draw_count(ds)
    how = f" ({design(ds)})" if design(ds) else ""
    left = f"{draws - done:,} left out" if draws > done else "none left out"
    return f"n = {done:,} of {draws:,} draw{'s' * (draws != 1)}{how}, {left}"


def _shaded(ds: xr.Dataset) -> str:
    if not bouts(ds):
        return ""
    moved = any(item.target.startswith("protocol.bout") for item in varied(ds))
    return "shaded: the bout of the config" + (", which draws vary" if moved else "")
