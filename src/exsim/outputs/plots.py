"""Figures of runs: concentrations and folds over time, the bouts shaded.

Drawn with matplotlib's objects, not pyplot: nothing is shown and no state outside is touched.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from ..errors import UnitError
from ..run_labels import BoutWindow, Observable, boluses, bouts, infusions, observables
from ..units import factor
from . import plot_style as style
from .plot_style import save_figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["overlay_figure", "run_figure", "save_figure"]

#: The unit of the concentration panel, where any analyte has it.
PLASMA_UNIT = "pg/mL"
#: Characters of a name that are written beside its line.
LONGEST_NAME = 26
#: From this many bouts on, lines are thinner.
MANY_BOUTS = 4


@dataclass(frozen=True)
class _Curve:
    name: str
    values: np.ndarray
    look: dict[str, Any]


def run_figure(ds: xr.Dataset) -> Figure:
    """Return the figure of one run: concentration and fold over rest on log axes.

    Analytes in a unit that does not convert to that of the concentration panel (nmol/L beside
    pg/mL) are shown as fold only; what has nothing at rest has no fold.
    """
    shown = [item for item in observables(ds) if item.plotted]
    looks = {item.variable: style.line_look(number) for number, item in enumerate(shown)}
    unit = _panel_unit(shown)
    levels = [
        _Curve(item.label, ds[item.variable].values * scale, looks[item.variable])
        for item in shown
        if (scale := _scale(item.unit, unit)) is not None
    ]
    folds = [
        _Curve(item.label, values, looks[item.variable])
        for item in shown
        if (values := _fold(ds, item)) is not None
    ]
    levels = [curve for curve in levels if np.isfinite(style.positive(curve.values)).any()]
    panels = [("Concentration", f"{unit} (log scale)", levels)] * bool(levels)
    panels += [("Fold over rest", "fold over rest (log scale)", folds)] * bool(folds)
    with style.drawing():
        figure, frames = _frames(ds, panels)
        _write_source(figure, _source(ds), _without_fold(ds, shown))
        for axes, (title, label, curves) in zip(frames, panels, strict=False):
            _draw_panel(axes, ds, curves)
            axes.set_title(title, loc="left", fontsize=10.5)
            axes.set_ylabel(label, parse_math=False)
        if not panels:
            frames[0].set_axis_off()
            frames[0].text(0.5, 0.5, "nothing to plot: no analyte is above zero", ha="center")
    return figure


def _frames(ds: xr.Dataset, panels: Sequence[tuple]) -> tuple[Figure, list[Axes]]:
    # A figure as wide as its panels and the names beside them need (inches).
    panel, left, between = (4.2 if len(panels) > 1 else 6.2), 0.8, 0.85
    longest = max((len(curve.name) for *_, curves in panels for curve in curves), default=0)
    room = 0.45 + 0.075 * min(max(longest, 8), LONGEST_NAME)
    count = max(len(panels), 1)
    width = left + count * (panel + room) + (count - 1) * between
    figure = style.new_figure(width, 5.4)
    top = _write_heading(figure, _title(ds), _caption(ds), int(width * 8))
    grid = {"left": left / width, "right": 1 - room / width, "wspace": (room + between) / panel}
    grid |= {"top": top, "bottom": 0.145}
    return figure, list(figure.subplots(1, count, squeeze=False, gridspec_kw=grid)[0])


def _draw_panel(axes: Axes, ds: xr.Dataset, curves: Sequence[_Curve]) -> None:
    time = ds["time"].values
    hours_per_unit, _ = style.time_scale(float(time[-1]))
    style.set_time_axis(axes, float(time[0]), float(time[-1]))
    style.shade(axes, bouts(ds), infusions(ds), boluses(ds), hours_per_unit)
    axes.grid(axis="y", zorder=0)
    width = 2.0 if len(bouts(ds)) < MANY_BOUTS else 1.3
    for curve in curves:
        axes.plot(time / hours_per_unit, style.positive(curve.values), lw=width, zorder=3, **curve.look)
    values = [curve.values for curve in curves]
    style.set_log_axis(axes, style.log_limits(values, least_factor=4.0))
    ends = [(curve.name, float(curve.values[-1]), curve.look) for curve in curves]
    style.label_line_ends(axes, ends, LONGEST_NAME)


def overlay_figure(datasets: Sequence[xr.Dataset], names: Sequence[str] | None = None) -> Figure:
    """Return one figure of several runs: a panel per analyte, a line per run.

    `names` label the runs; without them the names of their configs do. Raises ValueError for no runs.
    """
    if not datasets:
        raise ValueError("no runs to lay over each other")
    names = list(names) if names is not None else [str(ds.attrs.get("config", "")) for ds in datasets]
    shown = _all_plotted(datasets)
    columns = min(3, max(1, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    with style.drawing():
        height = 1.15 + 2.75 * rows + 0.22 * math.ceil(len(names) / 4)
        figure = style.new_figure(4.0 * columns + 0.4, height)
        title = _title_of_several(names, 32 * columns)
        top = _write_heading(
            figure, title, "bars under the curves: bouts, in the colour of their run", 32 * columns
        )
        legend_rows = math.ceil(len(names) / 4)
        bottom = (0.95 + 0.22 * legend_rows) / height
        spacing = {"left": 0.75 / (4.0 * columns), "right": 0.98, "top": top - 0.1 / height, "bottom": bottom}
        frames = figure.subplots(
            rows, columns, squeeze=False, gridspec_kw=spacing | {"wspace": 0.3, "hspace": 0.5}
        )
        for axes in frames.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, item in zip(frames.flat, shown, strict=False):
            _draw_overlay_panel(axes, datasets, item)
        handles = [mpl.lines.Line2D([], [], label=name, **style.line_look(n)) for n, name in enumerate(names)]
        legend = figure.legend(
            handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.32 / height), ncols=4, frameon=False
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        _write_source(figure, _source(datasets[0], config=False), "")
    return figure


def _draw_overlay_panel(axes: Axes, datasets: Sequence[xr.Dataset], item: Observable) -> None:
    last_h = max(float(ds["time"].values[-1]) for ds in datasets)
    hours_per_unit, _ = style.time_scale(last_h)
    curves = []
    for number, ds in enumerate(datasets):
        if (
            item.variable not in ds
            or (scale := _scale(str(ds[item.variable].attrs.get("units")), item.unit)) is None
        ):
            continue
        curves.append(ds[item.variable].values * scale)
        look = style.line_look(number)
        axes.plot(ds["time"].values / hours_per_unit, style.positive(curves[-1]), zorder=3, **look)
        low = 0.012 + 0.022 * number
        for stretch in (stretch for bout in bouts(ds) for stretch in bout.work):
            start, end = stretch[0] / hours_per_unit, stretch[1] / hours_per_unit
            axes.axvspan(start, end, ymin=low, ymax=low + 0.014, color=look["color"], lw=0, zorder=1)
    style.set_time_axis(axes, min(float(ds["time"].values[0]) for ds in datasets), last_h)
    limits = style.log_limits(curves, least_factor=4.0)
    # Room for the bars of the bouts under the lowest curve.
    share = 0.03 + 0.024 * len(datasets)
    style.set_log_axis(axes, (limits[0] / (limits[1] / limits[0]) ** share, limits[1]))
    axes.grid(axis="y", zorder=0)
    axes.set_title(item.label, loc="left", fontsize=10.5, parse_math=False)
    axes.set_ylabel(item.unit)


def _all_plotted(datasets: Sequence[xr.Dataset]) -> list[Observable]:
    found: dict[str, Observable] = {}
    for ds in datasets:
        for item in observables(ds):
            if item.plotted:
                found.setdefault(item.variable, item)
    return list(found.values())


def _panel_unit(shown: Sequence[Observable]) -> str:
    units = [item.unit for item in shown]
    return PLASMA_UNIT if PLASMA_UNIT in units or not units else units[0]


def _scale(unit: str, wanted: str) -> float | None:
    try:
        return factor(unit, wanted)
    except UnitError:
        return None


def _fold(ds: xr.Dataset, item: Observable) -> np.ndarray | None:
    values = np.asarray(ds[item.variable].values, dtype=float)
    rest = float(ds[item.variable].attrs.get("rest", values[0]))
    return values / rest if rest > 0 else None


def _without_fold(ds: xr.Dataset, shown: Sequence[Observable]) -> str:
    names = [item.label for item in shown if _fold(ds, item) is None]
    return f"no fold for {', '.join(names)}: nothing at rest" if names else ""


def _title(ds: xr.Dataset) -> str:
    return str(ds.attrs.get("title") or ds.attrs.get("config") or "")


def _source(ds: xr.Dataset, config: bool = True) -> str:
    parts = [f"model {ds.attrs.get('model', '?')}"]
    if config and ds.attrs.get("config"):
        parts.append(f"config {ds.attrs['config']}")
    return "  ·  ".join([*parts, f"exsim {ds.attrs.get('exsim_version', '?')}"])


def _caption(ds: xr.Dataset) -> str:
    """Say what is shaded: the bouts, infusions and boluses of a run."""
    parts = []
    if found := bouts(ds):
        parts.append(f"shaded: {_describe_bouts(found)}")
    if targets := list(dict.fromkeys(_infusion_name(ds, item.target) for item in infusions(ds))):
        parts.append(f"blue bar: {', '.join(targets)}")
    if doses := list(dict.fromkeys(_dose_name(ds, item.target) for item in boluses(ds))):
        parts.append(f"dashed: {', '.join(doses)} given at once")
    return "   ".join(parts) or "no bout: at rest throughout"


def _infusion_name(ds: xr.Dataset, target: str) -> str:
    # The input of an infusion is named after what is infused ("il6_infusion"), as far as a lab measures it.
    for item in observables(ds):
        plain = re.sub(r"[^a-z0-9]", "", target.lower()).removesuffix("infusion")
        if plain == re.sub(r"[^a-z0-9]", "", item.analyte.lower()):
            return f"{item.label} infusion"
    return target.replace("_", " ")


def _dose_name(ds: xr.Dataset, target: str) -> str:
    return next((item.label for item in observables(ds) if item.variable == target), target)


def _describe_bouts(found: Sequence[BoutWindow]) -> str:
    kinds = list(dict.fromkeys(bout.modality.replace("_", " ") for bout in found if bout.modality))
    levels = list(dict.fromkeys(bout.intensity for bout in found if bout.intensity is not None))
    what = " and ".join(kinds) or "exercise"
    if len(levels) == 1:
        aerobic = all(kind in ("running", "cycling") for kind in kinds)
        what += f" at {100 * levels[0]:.3g} % of {'VO₂max' if aerobic else 'maximum'}"
    lengths = list(dict.fromkeys(_length(bout) for bout in found))
    if len(lengths) == 1:
        what += f", {lengths[0]}"
    return what if len(found) == 1 else f"{len(found)} bouts of {what}"


def _length(bout: BoutWindow) -> str:
    if bout.intervals == 1 or bout.work_h is None:
        return _duration(bout.end_h - bout.start_h)
    return f"{bout.intervals} × {_duration(bout.work_h)} with {_duration(bout.rest_h)} of rest between"


def _title_of_several(names: Sequence[str], width: int) -> str:
    """Return "Runs compared: a, b and 5 more": as many names as two lines hold."""
    for kept in range(len(names), 0, -1):
        more = len(names) - kept
        title = "Runs compared: " + ", ".join(names[:kept]) + (f" and {more} more" if more else "")
        if len(textwrap.wrap(title, width)) <= 2:
            return title
    return f"{len(names)} runs compared"


def _duration(hours: float) -> str:
    minutes = round(hours * 60)
    if minutes < 2:
        return f"{hours * 3600:.3g} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _write_heading(figure: Figure, title: str, caption: str, width: int) -> float:
    # Title and caption at the top left; returns where the axes may begin, as a share of the height.
    height = figure.get_figheight()
    lines = textwrap.wrap(title, width, max_lines=3, placeholder=" …")
    figure.text(
        0.012, 1 - 0.12 / height, "\n".join(lines), fontsize=13, weight="bold", va="top", parse_math=False
    )
    below = 0.20 + 0.235 * max(len(lines), 1)
    figure.text(
        0.012, 1 - below / height, caption, fontsize=9.5, color=style.GREY, va="top", parse_math=False
    )
    return 1 - (below + 0.55) / height


def _write_source(figure: Figure, source: str, note: str) -> None:
    height = figure.get_figheight()
    for x, side, text in ((0.012, "left", source), (0.988, "right", note)):
        figure.text(x, 0.1 / height, text, fontsize=8, color=style.GREY, ha=side, parse_math=False)
