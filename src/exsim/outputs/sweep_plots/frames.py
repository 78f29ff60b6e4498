"""The sheet of a sweep's figure: heading, panels in rows, the count of draws, the source."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...sweep_labels import Metric, design, done_draws, draw_count, metrics
from .. import plot_style as style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A figure holds at most this many panels.
MOST_PANELS = 12
_DIMENSIONLESS = ("", "1", "dimensionless")


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


def set_title(axes: Axes, text: str) -> None:
    """Write the name of a panel at its top left, on two lines where it is long."""
    width = axes.get_position().width * axes.figure.get_figwidth()  # type: ignore[union-attr]
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
    draws = draw_count(ds)
    failed = draws - int(np.count_nonzero(done_draws(ds)))
    how = f" ({design(ds)})" if design(ds) else ""
    text = f"{draws:,} draw{'s' * (draws != 1)}{how}"
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
    return "" if done_draws(ds).any() else "nothing to draw: every draw failed"


def _title(ds: xr.Dataset, heading: str) -> str:
    name = str(ds.attrs.get("title") or ds.attrs.get("config") or "")
    return f"{name}: {heading}" if name else heading[:1].upper() + heading[1:]


def _source(ds: xr.Dataset) -> str:
    parts = [f"model {ds.attrs.get('model', '?')}"]
    if ds.attrs.get("config"):
        parts.append(f"config {ds.attrs['config']}")
    if ds.attrs.get("seed") is not None:
        parts.append(f"seed {ds.attrs['seed']}")
    return "  ·  ".join([*parts, f"exsim {ds.attrs.get('exsim_version', '?')}"])
