"""The sheet of a sweep's figure: heading, panels in rows, the count of draws, the source."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
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
from .. import plot_sheet
from .. import plot_style as style
from ..plot_sheet import Heading, PanelSize, size_in, titled, with_unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A figure holds at most this many panels.
MOST_PANELS = 12
#: The hatching of what failed and of what has no number, and its colours.
FAILED, UNDEFINED = "////", "..."
GAP: dict[str, Any] = {"facecolor": "#f4f4f4", "edgecolor": "#8a8a8a", "linewidth": 0.0}
#: Designs of which no draw depends on the seed.
_WITHOUT_CHANCE = ("grid", "table", "posterior")


def sheet(
    ds: xr.Dataset, heading: str, caption: Sequence[str], panels: int, columns: int, size: PanelSize
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `panels` empty axes under its heading and caption.

    The title of the sweep and `heading` go above the caption, model, config and version below the panels.
    """
    return plot_sheet.sheet(Heading(_title(ds, heading), caption, _source(ds)), panels, columns, size)


def colour_bar_axes(figure: Figure, axes: Axes) -> Axes:
    """Return narrow axes at the right of a panel, for its colour bar."""
    box, width = axes.get_position(), figure.get_figwidth()
    return figure.add_axes((box.x1 + 0.12 / width, box.y0, 0.15 / width, box.height))


def set_varied_axis(
    axes: Axes, side: str, item: VariedTarget, limits: tuple[float, float], log: bool
) -> None:
    """Give the x or y axis the limits, round ticks and the name of a varied quantity."""
    axes.set(**{f"{side}scale": "log" if log else "linear", f"{side}lim": limits})
    axis = {"x": axes.xaxis, "y": axes.yaxis}[side]
    style.set_ticks(axis, style.log_ticks(limits, 6) if log else style.linear_ticks(limits))
    inches = dict(zip("xy", size_in(axes), strict=True))[side]
    room, unit = int(11 * inches), with_unit("", item.unit)
    # A long label is cut; its unit is not.
    lost = f" …{unit}" if len(unit) < room // 2 else " …"
    lines = textwrap.wrap(f"{item.label}{unit}", room, max_lines=2, placeholder=lost)
    axis.set_label_text("\n".join(lines), parse_math=False)


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
    return titled(str(ds.attrs.get("title") or ds.attrs.get("config") or ""), heading)


def _source(ds: xr.Dataset) -> str:
    parts = [f"model {ds.attrs.get('model', '?')}"]
    if ds.attrs.get("config"):
        parts.append(f"config {ds.attrs['config']}")
    if ds.attrs.get("seed") is not None and design(ds) not in _WITHOUT_CHANCE:
        parts.append(f"seed {ds.attrs['seed']}")
    return "  ·  ".join([*parts, f"exsim {ds.attrs.get('exsim_version', '?')}"])
