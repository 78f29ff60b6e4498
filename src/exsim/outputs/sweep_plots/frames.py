"""The sheet of a sweep's figure: heading, panels in rows, the count of draws, the source."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...sweep_labels import (
    DONE,
    NOT_MADE,
    Metric,
    VariedTarget,
    design,
    done_draws,
    draw_count,
    metrics,
    read_draws,
)
from .. import plot_style as style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A figure holds at most this many panels.
MOST_PANELS = 12
#: The hatching of what failed and of what has no number, and its colours.
FAILED, UNDEFINED = "////", "..."
GAP: dict[str, Any] = {"facecolor": "#f4f4f4", "edgecolor": "#8a8a8a", "linewidth": 0.0}
_DIMENSIONLESS = ("", "1", "dimensionless")
#: Designs of which no draw depends on the seed.
_WITHOUT_CHANCE = ("grid", "table", "posterior")


@dataclass(frozen=True)
class PanelSize:
    """One panel in inches: its axes, and the room around them for labels."""

    width: float
    height: float
    left: float = 0.8
    right: float = 0.3
    above: float = 0.42
    below: float = 0.62


def sheet(
    ds: xr.Dataset, heading: str, caption: Sequence[str], panels: int, columns: int, size: PanelSize
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `panels` empty axes under its heading and caption.

    The parts of `caption` are wrapped to the width of the figure; the title of the sweep and `heading`
    go above it, model, config and version below the panels.
    """
    panels = max(panels, 1)
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    cell = size.left + size.width + size.right
    width = max(columns * cell, 6.4)
    title = textwrap.wrap(_title(ds, heading), int(width * 8), max_lines=2, placeholder=" …")
    text = _caption_lines(caption, int(width * 11.8))
    top = 0.20 + 0.235 * len(title) + 0.185 * len(text)
    row = size.above + size.height + size.below
    height = top + rows * row + 0.32
    figure = style.new_figure(width, height)
    look: dict[str, Any] = {"va": "top", "parse_math": False}
    figure.text(0.1 / width, 1 - 0.12 / height, "\n".join(title), fontsize=13, weight="bold", **look)
    below = 1 - (0.20 + 0.235 * len(title)) / height
    figure.text(0.1 / width, below, "\n".join(text), fontsize=9.5, color=style.GREY, **look)
    figure.text(0.1 / width, 0.1 / height, _source(ds), fontsize=8, color=style.GREY, parse_math=False)
    frames = []
    for number in range(panels):
        left = (number % columns) * cell + size.left
        upper = top + (number // columns) * row + size.above
        box = (left / width, 1 - (upper + size.height) / height, size.width / width, size.height / height)
        frames.append(figure.add_axes(box))
    return figure, frames


def _caption_lines(parts: Sequence[str], width: int) -> list[str]:
    # Parts are kept whole as far as they fit on a line.
    lines: list[str] = []
    for part in filter(None, parts):
        joined = f"{lines[-1]}   ·   {part}" if lines else part
        if lines and len(joined) <= width:
            lines[-1] = joined
        else:
            lines += textwrap.wrap(part, width)
    return lines


def colour_bar_axes(figure: Figure, axes: Axes) -> Axes:
    """Return narrow axes at the right of a panel, for its colour bar."""
    box, width = axes.get_position(), figure.get_figwidth()
    return figure.add_axes((box.x1 + 0.12 / width, box.y0, 0.15 / width, box.height))


def say(axes: Axes, text: str) -> None:
    """Write into an empty panel why nothing is drawn in it."""
    axes.set_axis_off()
    wrapped = "\n".join(textwrap.wrap(text, 34))
    axes.text(
        0.5,
        0.5,
        wrapped,
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=style.GREY,
        parse_math=False,
    )


def note(axes: Axes, text: str) -> None:
    """Write a remark over the middle of a panel."""
    look: dict[str, Any] = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": "none", "alpha": 0.9}
    place: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center", "zorder": 7}
    axes.text(0.5, 0.5, text, bbox=look, parse_math=False, **place)


def set_varied_axis(
    axes: Axes, side: str, item: VariedTarget, limits: tuple[float, float], log: bool
) -> None:
    """Give the x or y axis the limits, round ticks and the name of a varied quantity."""
    axes.set(**{f"{side}scale": "log" if log else "linear", f"{side}lim": limits})
    axis = {"x": axes.xaxis, "y": axes.yaxis}[side]
    style.set_ticks(axis, style.log_ticks(limits, 6) if log else style.linear_ticks(limits))
    box = axes.get_position()
    inches = {"x": box.width * _sheet_of(axes)[0], "y": box.height * _sheet_of(axes)[1]}[side]
    room, unit = int(11 * inches), with_unit("", item.unit)
    # A long label is cut; its unit is not.
    lost = f" …{unit}" if len(unit) < room // 2 else " …"
    lines = textwrap.wrap(f"{item.label}{unit}", room, max_lines=2, placeholder=lost)
    axis.set_label_text("\n".join(lines), parse_math=False)


def _sheet_of(axes: Axes) -> tuple[float, float]:
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = figure.get_size_inches()
    return float(width), float(height)


def set_title(axes: Axes, text: str) -> None:
    """Write the name of a panel at its top left, on two lines where it is long."""
    width = axes.get_position().width * _sheet_of(axes)[0]
    lines = textwrap.wrap(text, int(9.5 * (width + 0.4)), max_lines=2, placeholder=" …")
    axes.set_title("\n".join(lines), loc="left", fontsize=10.5, parse_math=False)


def cut(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def with_unit(label: str, unit: str) -> str:
    """Return "duration (h)"; the label alone for what has no dimension."""
    return label if unit in _DIMENSIONLESS else f"{label} ({unit})"


def shown_metrics(ds: xr.Dataset) -> tuple[tuple[Metric, ...], str]:
    """Return the metrics that fit on a figure, and a sentence on those that do not."""
    found = metrics(ds)
    left = len(found) - MOST_PANELS
    return found[:MOST_PANELS], f"{left} more metrics are in the tables only" if left > 0 else ""


def draws_text(ds: xr.Dataset, failed_look: str = "") -> str:
    """Return "1,600 draws (grid), 37 failed and left out"; `failed_look` says how they are marked."""
    draws, status = draw_count(ds), read_draws(ds, "status")
    missing = int(np.count_nonzero(status == NOT_MADE))
    failed = draws - missing - int(np.count_nonzero(status == DONE))
    text = f"{draws:,} draw{'s' * (draws != 1)}" + (f" ({design(ds)})" if design(ds) else "")
    if missing:
        text += f", {missing:,} not solved yet"
    if not failed:
        return f"{text}, none failed"
    if failed == draws:
        return f"{text}, all of them failed"
    return f"{text}, {failed:,} failed and left out" + (f" ({failed_look})" if failed_look else "")


def nothing_to_show(ds: xr.Dataset) -> str:
    """Return why no metric of the sweep can be drawn; empty where one can."""
    if not draw_count(ds):
        return "no draws"
    if not metrics(ds):
        return "the sweep has no metrics"
    return "" if done_draws(ds).any() else "nothing to draw: no draw was solved"


def _title(ds: xr.Dataset, heading: str) -> str:
    name = str(ds.attrs.get("title") or ds.attrs.get("config") or "").strip()
    sentence = heading[:1].upper() + heading[1:]
    if name.endswith(("?", "!", ".")):
        return f"{name} {sentence}"
    return f"{name}: {heading}" if name else sentence


def _source(ds: xr.Dataset) -> str:
    parts = [f"model {ds.attrs.get('model', '?')}"]
    if ds.attrs.get("config"):
        parts.append(f"config {ds.attrs['config']}")
    if ds.attrs.get("seed") is not None and design(ds) not in _WITHOUT_CHANCE:
        parts.append(f"seed {ds.attrs['seed']}")
    return "  ·  ".join([*parts, f"exsim {ds.attrs.get('exsim_version', '?')}"])
