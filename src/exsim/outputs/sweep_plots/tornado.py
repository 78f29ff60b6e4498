"""The tornado: which varied quantity moves which metric, the strongest at the top."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...sensitivity import FIRST_ORDER, LEAST_BLOCKS, PARTIAL_RANK, SPEARMAN, TOTAL, sensitivity_table
from ...sweep_labels import VariedTarget, varied
from .. import plot_style as style
from ..plot_sheet import PanelSize, say, set_title
from .frames import draws_text, nothing_to_show, sheet, shown_metrics

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: At most this many bars a panel; the weaker ones are in the table only.
MOST_BARS = 15
_BAR_IN = 0.34
_LONGEST_LABEL = 34
#: Colours of the indices: total under first order; up and down for correlations.
_TOTAL_COLOUR, _FIRST_COLOUR = "#9ecae1", style.COLOURS[0]
_UP, _DOWN = style.COLOURS[0], style.COLOURS[1]
_NAMES = {SPEARMAN: "Spearman's rank correlation", PARTIAL_RANK: "partial rank correlation"}


def tornado_figure(ds: xr.Dataset, table: pd.DataFrame | None = None) -> Figure:
    """Return a panel per metric with a bar for each varied quantity, the strongest at the top.

    The numbers are those of `exsim.sensitivity.sensitivity_table`, which is made here unless it is
    given: Sobol indices of a Saltelli design, total behind first order; rank correlations of other
    designs. Lines are 95 % intervals.
    """
    targets, (items, unshown) = varied(ds), shown_metrics(ds)
    reason = nothing_to_show(ds) or ("" if targets else "the sweep varied nothing")
    with style.drawing():
        if reason:
            figure, (axes,) = sheet(
                ds, "what moves which metric", [draws_text(ds)], 1, 1, PanelSize(4.6, 2.0)
            )
            say(axes, reason)
            return figure
        table = sensitivity_table(ds) if table is None else table
        saltelli = TOTAL in set(table["index"])
        labels = {item.target: _wrapped(item) for item in targets}
        caption = [
            draws_text(ds),
            _kind(table),
            "line: 95 % interval",
            _left_out(ds, table, saltelli),
            unshown,
        ]
        if len(targets) > MOST_BARS:
            caption.append(f"the {MOST_BARS} strongest of {len(targets)}")
        figure, frames = _sheet(ds, caption, len(items), labels)
        for axes, item in zip(frames, items, strict=True):
            part = table[table["variable"] == item.variable]
            set_title(axes, item.label)
            if not np.isfinite(part["value"].to_numpy(dtype=float)).any():
                say(axes, _why_none(part, saltelli))
            elif saltelli:
                _draw_indices(axes, part, labels)
            else:
                _draw_correlations(axes, part, labels)
    return figure


def _sheet(
    ds: xr.Dataset, caption: Sequence[str], panels: int, labels: dict[str, str]
) -> tuple[Figure, list[Axes]]:
    longest = max(len(line) for label in labels.values() for line in label.split("\n"))
    bars = min(len(labels), MOST_BARS)
    size = PanelSize(2.9, 0.25 + _BAR_IN * max(bars, 2), left=0.35 + 0.083 * longest, right=0.95)
    return sheet(ds, "what moves which metric", caption, panels, 2, size)


def _wrapped(item: VariedTarget) -> str:
    # Two lines of about one length, not one full line and a last word.
    for width in range(min(len(item.label), 26), _LONGEST_LABEL):
        lines = textwrap.wrap(item.label, width, break_long_words=False)
        if len(lines) <= 2 and max(map(len, lines), default=0) <= width:
            return "\n".join(lines)
    return "\n".join(textwrap.wrap(item.label, _LONGEST_LABEL, max_lines=2, placeholder=" …"))


def _kind(table: pd.DataFrame) -> str:
    kinds = set(table["index"])
    if TOTAL in kinds:
        return "share of the variance: dark by itself (first-order Sobol index), pale with all others (total)"
    note = " (the varied quantities correlate)" if PARTIAL_RANK in kinds else ""
    return "".join(name for kind, name in _NAMES.items() if kind in kinds) + note


def _left_out(ds: xr.Dataset, table: pd.DataFrame, saltelli: bool) -> str:
    counts = sorted(set(table["left_out"].astype(int)))
    if not saltelli or counts == [0]:
        return ""
    width = len(varied(ds)) + 2
    most = f"up to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    return f"{most} draws left out: only whole blocks of {width} without a failed or undefined draw count"


def _why_none(part: pd.DataFrame, saltelli: bool) -> str:
    used = int(part["draws"].max())
    width = part["target"].nunique() + 2
    if saltelli and used < LEAST_BLOCKS * width:
        return f"too few draws: {used // width} whole blocks, {LEAST_BLOCKS} are needed"
    if not used:
        return "no draw has such a number"
    if used < 4:
        return f"too few draws: {used}"
    return "nothing moves it: the same in all draws, or no quantity by itself"


def _strongest_first(values: pd.Series) -> list[str]:
    order = values.abs().sort_values(ascending=False, kind="stable", na_position="last")
    return [str(target) for target in order.index[:MOST_BARS]]


def _set_rows(axes: Axes, targets: Sequence[str], labels: dict[str, str]) -> None:
    axes.set_ylim(len(targets) - 0.4, -0.6)
    axes.set_yticks(range(len(targets)), [labels[target] for target in targets], parse_math=False)
    for label in axes.get_yticklabels():
        label.set_linespacing(0.95)
        label.set_fontsize(9.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", zorder=0)
    axes.axvline(0.0, color=style.INK, lw=0.9, zorder=4)


def _draw_indices(axes: Axes, part: pd.DataFrame, labels: dict[str, str]) -> None:
    by_target = {name: part[part["index"] == name].set_index("target") for name in (FIRST_ORDER, TOTAL)}
    targets = _strongest_first(by_target[TOTAL]["value"])
    _set_rows(axes, targets, labels)
    ends = part[["lower", "upper", "value"]].to_numpy(dtype=float)
    limits = (min(0.0, float(np.nanmin(ends))), max(1.0, float(np.nanmax(ends))))
    axes.set_xlim(max(limits[0], -0.5), min(limits[1], 1.5))
    axes.set_xlabel("share of the variance")
    _write_at_right(axes, -0.78, "first / total")
    for place, target in enumerate(targets):
        looks = ((TOTAL, _TOTAL_COLOUR, 0.72, 0.19), (FIRST_ORDER, _FIRST_COLOUR, 0.34, -0.0))
        for name, colour, height, shift in looks:
            row = by_target[name].loc[target]
            axes.barh(place, row["value"], height=height, color=colour, zorder=2 if name == TOTAL else 2.5)
            at = place + shift + (0.0 if name == FIRST_ORDER else 0.08)
            axes.plot([row["lower"], row["upper"]], [at, at], color=style.INK, lw=1.1, zorder=3)
        numbers = [_number(by_target[name].loc[target, "value"]) for name in (FIRST_ORDER, TOTAL)]
        _write_at_right(axes, float(place), " / ".join(numbers))


def _draw_correlations(axes: Axes, part: pd.DataFrame, labels: dict[str, str]) -> None:
    rows = part.set_index("target")
    targets = _strongest_first(rows["value"])
    _set_rows(axes, targets, labels)
    axes.set_xlim(-1.0, 1.0)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
    axes.set_xlabel("rank correlation")
    for place, target in enumerate(targets):
        row = rows.loc[target]
        axes.barh(place, row["value"], height=0.62, color=_UP if row["value"] > 0 else _DOWN, zorder=2)
        axes.plot([row["lower"], row["upper"]], [place, place], color=style.INK, lw=1.3, zorder=3)
        _write_at_right(axes, float(place), _number(row["value"]))


def _number(found: Any) -> str:
    value = float(found)
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−") if np.isfinite(value) else "–"


def _write_at_right(axes: Axes, place: float, text: str) -> None:
    look: dict[str, Any] = {"va": "center", "ha": "left", "fontsize": 9, "color": style.INK}
    axes.text(1.03, place, text, transform=axes.get_yaxis_transform(), **look)
