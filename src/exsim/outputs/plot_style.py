"""How exsim's figures look: colours, scales, ticks, labels at the ends of lines, shading."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..run_labels import BolusTime, BoutWindow, InfusionWindow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

#: Okabe and Ito's palette without its yellow, in an order whose neighbours differ most.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")
INK, GREY, PALE = "#222222", "#6b6b6b", "#e4e4e4"
INFUSION_COLOUR = "#9ecae1"
#: A log axis shows at most this many decades below its top: the rest is solver noise.
DECADES_SHOWN = 6
#: From this length on, time is in days.
DAYS_FROM_H = 72.0

#: Tried in turn for letters that DejaVu Sans lacks; those that are not installed are left out.
_FURTHER_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Hebrew",
    "Noto Sans Thai",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Arial Unicode MS",
)

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#9a9a9a",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e8e8e8",
    "grid.linewidth": 0.7,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "path.simplify": True,
}

_LOG_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure (call inside `drawing()`)."""
    return Figure(figsize=(width_in, height_in))


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in exsim's style, whatever the user's matplotlib settings are; they stay as they were."""
    installed = set(font_manager.get_font_names())
    fonts = ["DejaVu Sans", *(name for name in _FURTHER_FONTS if name in installed)]
    with mpl.rc_context(STYLE | {"font.family": fonts}), warnings.catch_warnings():
        # A letter that no installed font has is drawn as a box; the files keep the label as it is.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save_figure(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Write a figure as PNG, whatever the path ends on. Raises OSError."""
    with drawing():
        figure.savefig(path, format="png", dpi=dpi)


def line_look(number: int) -> dict[str, Any]:
    """Return colour and dashes of the n-th line: colours first, dashes when they run out."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[(number // len(COLOURS)) % len(DASHES)],
    }


def plain_number(value: float) -> str:
    """Return a tick label: 0.5, 20, 3000; powers of ten beyond."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    digits = value / 10**exponent
    power = "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if abs(digits - 1) < 1e-6 else f"{digits:.3g}·{power}"


def positive(values: np.ndarray) -> np.ndarray:
    """Return values for a log axis: what is zero, negative or not finite leaves a gap."""
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def log_limits(curves: Sequence[np.ndarray], least_factor: float, around: float | None = None) -> tuple:
    """Return limits of a log axis that holds the curves and spans at least `least_factor`.

    `around` is a value that must be in sight. At most `DECADES_SHOWN` decades are shown.
    """
    parts = [positive(curve).ravel() for curve in curves] + [np.array([around or np.nan])]
    shown = np.concatenate(parts)
    shown = shown[np.isfinite(shown)]
    if shown.size == 0:
        return (0.1, 10.0)
    top, bottom = float(shown.max()), float(shown.min())
    bottom = max(bottom, top / 10**DECADES_SHOWN)
    margin = (top / bottom) ** 0.06
    top, bottom = top * margin, bottom / margin
    missing = least_factor / (top / bottom)
    if missing > 1:
        top, bottom = top * math.sqrt(missing), bottom / math.sqrt(missing)
    return bottom, top


def set_log_axis(axes: Axes, limits: tuple[float, float]) -> None:
    """Give the y axis a log scale with plain numbers at round values, about six of them."""
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    set_ticks(axes.yaxis, log_ticks(limits))


def set_ticks(axis: Axis, ticks: Sequence[float]) -> None:
    """Give an axis plain numbers at these values and none between."""
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))


def log_ticks(limits: tuple[float, float], most: int = 9) -> list[float]:
    """Return round values within the limits of a log axis: about six, `most` at most."""
    decades = range(math.floor(math.log10(limits[0])), math.ceil(math.log10(limits[1])) + 1)
    ticks: list[float] = []
    for steps in _LOG_STEPS:
        ticks = [step * 10.0**k for k in decades for step in steps if _within(step * 10.0**k, limits)]
        if len(ticks) >= 4:
            break
    else:
        ticks = [float(v) for v in mpl.ticker.MaxNLocator(6).tick_values(*limits) if _within(v, limits)]
    return ticks[:: math.ceil(len(ticks) / most)]


def linear_ticks(limits: tuple[float, float], most: int = 6) -> list[float]:
    """Return about `most` round values within the limits of a linear axis."""
    return [float(v) for v in mpl.ticker.MaxNLocator(most).tick_values(*limits) if _within(v, limits)]


def _within(value: float, limits: tuple[float, float]) -> bool:
    return bool(limits[0] <= value <= limits[1])


def time_scale(until_h: float) -> tuple[float, str]:
    """Return hours per unit of the time axis and the label of the axis."""
    return (24.0, "time (days)") if until_h > DAYS_FROM_H else (1.0, "time (h)")


def set_time_axis(axes: Axes, first_h: float, last_h: float, most: int = 9) -> None:
    """Give the x axis at most about `most` ticks: round hours, or days for what lasts longer than three."""
    hours_per_unit, label = time_scale(last_h)
    last = last_h / hours_per_unit
    steps = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 12, 24) if hours_per_unit == 1 else (1, 2, 7, 14, 28)
    step = next((s for s in steps if last / s <= most), last / (most - 1))
    first = first_h / hours_per_unit
    ticks = np.arange(math.ceil(first / step), math.floor(last / step + 1e-9) + 1) * step
    axes.set_xlim(first, last if last > first else first + 1.0)
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    axes.set_xlabel(label)


def shade(
    axes: Axes,
    bouts: Sequence[BoutWindow],
    infusions: Sequence[InfusionWindow],
    boluses: Sequence[BolusTime],
    hours_per_unit: float,
) -> None:
    """Shade the work of bouts in grey and the infusions in blue; a dashed line for each bolus."""
    for start, end in (stretch for bout in bouts for stretch in bout.work):
        axes.axvspan(start / hours_per_unit, end / hours_per_unit, color=PALE, lw=0, zorder=0)
    for infusion in infusions:
        start, end = infusion.start_h / hours_per_unit, infusion.end_h / hours_per_unit
        axes.axvspan(start, end, ymax=0.03, color=INFUSION_COLOUR, lw=0, zorder=0.5)
    for bolus in boluses:
        axes.axvline(bolus.time_h / hours_per_unit, color=GREY, lw=1.2, ls=(0, (4, 3)), zorder=0.6)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions moved apart as little as needed, so that neighbours are `gap` apart.

    Neighbours that would touch form a block that is centred on their mean. All stay within
    `low` and `high` as far as there is room.
    """
    # Of equal positions the first is the highest, as in a list.
    order = np.lexsort((-np.arange(len(positions)), np.round(positions, 3)))
    blocks: list[tuple[list[int], float]] = []
    for index in order:
        members, centre = [int(index)], float(positions[index])
        while blocks and blocks[-1][1] + gap * (len(blocks[-1][0]) + len(members)) / 2 > centre:
            earlier, at = blocks.pop()
            total = len(earlier) + len(members)
            centre = (at * len(earlier) + centre * len(members)) / total
            members = earlier + members
        half = gap * (len(members) - 1) / 2
        centre = min(max(centre, low + half), max(high - half, low + half))
        blocks.append((members, centre))
    placed = [0.0] * len(positions)
    for members, centre in blocks:
        for rank, index in enumerate(members):
            placed[index] = centre + gap * (rank - (len(members) - 1) / 2)
    return placed


def label_line_ends(axes: Axes, ends: Sequence[tuple[str, float, dict[str, Any]]], longest: int = 26) -> None:
    """Write each line's name beside its end, outside the axes, in the line's colour.

    `ends` holds (name, last value, look). Names that would overlap are moved apart, with a thin
    leader to the line's end; names longer than `longest` characters are cut.
    """
    gap = 0.055
    log, (low, high) = axes.get_yscale() == "log", axes.get_ylim()
    kept = [end for end in ends if math.isfinite(end[1]) and (end[1] > 0 or not log)]
    shares = [
        math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
        for _, value, _ in kept
    ]
    heights = [min(max(share, 0.0), 1.0) for share in shares]
    for (name, _, look), height, placed in zip(kept, heights, spread(heights, gap, 0.01, 0.99), strict=True):
        axes.plot(
            [1.0, 1.025, 1.035],
            [height, placed, placed],
            transform=axes.transAxes,
            clip_on=False,
            color=look["color"],
            lw=0.8,
        )
        axes.text(
            1.042,
            placed,
            name if len(name) <= longest else name[: longest - 1] + "…",
            transform=axes.transAxes,
            color=look["color"],
            va="center",
            ha="left",
            fontsize=9.5,
            parse_math=False,
        )
