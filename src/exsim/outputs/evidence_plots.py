"""The forest of errors: every published number beside what the model says, calibrate and predict apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..evidence import INSIDE, LOG_QUANTITIES, OUTSIDE, Score
from ..evidence_case import describe, short_study, target_text
from . import plot_style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR_OF_USE = {"calibrate": style.COLOURS[0], "predict": style.COLOURS[1]}
_HEADINGS = {
    "calibrate": "Calibrated on",
    "predict": "Predicted",
    "input": "Used as input, not scored",
    "context": "Context, not scored",
}
#: The axis reaches at least this far to both sides, as a factor, and at most to the second.
_LEAST_REACH, _FARTHEST_REACH = 4.0, 32.0
_ROW_IN = 0.235
#: Where the columns of text begin, as shares of the width of the axes.
_LEFT, _MIDDLE, _TARGET, _MODEL = -0.935, -0.45, 1.03, 1.37


def forest_figure(scores: Sequence[Score], model: str, source: str = "") -> Figure:
    """Return a row for every case: model over target on a log axis, or the verdict on an interval.

    The grey bar is the measured interval, the band a factor of 2; a point beyond the axis becomes
    an arrow at its end. A case without a score shows its reason. Nothing is left out.
    """
    rows = _rows(scores)
    reach = _reach(scores)
    with style.drawing():
        height = 1.9 + _ROW_IN * max(len(rows), 3)
        figure = style.new_figure(12.0, height)
        grid = {"left": 0.385, "right": 0.79, "top": 1 - 1.05 / height, "bottom": 0.70 / height}
        axes = figure.subplots(1, 1, gridspec_kw=grid)
        _set_axes(axes, reach, len(rows))
        for number, row in enumerate(rows):
            place = float(number)
            if isinstance(row, str):
                _write(axes, _LEFT, place, row, weight="bold", ha="left", fontsize=10.5)
            else:
                _draw_row(axes, place, row, reach)
        look: dict[str, Any] = {"fontsize": 13, "weight": "bold", "va": "top"}
        figure.text(0.012, 1 - 0.12 / height, f"{model} against published numbers", parse_math=False, **look)
        caption = "band: within a factor of 2   grey bar: measured interval   points: model over target"
        figure.text(0.012, 1 - 0.44 / height, caption, fontsize=9.5, color=style.GREY, va="top")
        figure.text(0.012, 0.1 / height, source, fontsize=8, color=style.GREY, parse_math=False)
    return figure


def _rows(scores: Sequence[Score]) -> list[str | Score]:
    # Headings and cases, in the order of the table within each use.
    rows: list[str | Score] = []
    for use, heading in _HEADINGS.items():
        held = [score for score in scores if score.case.use == use]
        if held:
            rows += ["", heading, *held] if rows else [heading, *held]
    return rows


def _reach(scores: Sequence[Score]) -> float:
    errors = [abs(score.log_fold_error) for score in scores if score.log_fold_error is not None]
    farthest = math.exp(max(errors, default=0.0)) * 1.15
    return min(max(farthest, _LEAST_REACH), _FARTHEST_REACH)


def _set_axes(axes: Axes, reach: float, rows: int) -> None:
    axes.set_xscale("log")
    axes.set_xlim(1 / reach, reach)
    axes.set_ylim(rows - 0.4, -0.8)
    axes.axvspan(0.5, 2.0, color="#eef3f8", lw=0, zorder=0)
    axes.axvline(1.0, color=style.GREY, lw=0.9, zorder=1)
    ticks = [2.0**k for k in range(-5, 6) if 1 / reach <= 2.0**k <= reach]
    ticks = ticks[1::2] if len(ticks) > 9 else ticks
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}x" if v >= 1 else f"1/{1 / v:g}x"))
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("model over target (log scale)")
    for x, text, side in ((_TARGET, "target", "left"), (_MODEL, "model", "left")):
        _write(axes, x, -0.75, text, ha=side, color=style.GREY, va="bottom")


def _draw_row(axes: Axes, place: float, score: Score, reach: float) -> None:
    case = score.case
    label = f"{case.id}  {short_study(case)}"
    _write(axes, _LEFT, place, _cut(label, 34), ha="left")
    _write(axes, _MIDDLE, place, _cut(describe(case), 38), ha="left", color=style.GREY)
    _write(axes, _TARGET, place, _cut(f"{target_text(case)} {case.unit}".strip(), 26), ha="left")
    if score.model is not None:
        _write(axes, _MODEL, place, _number(score.model), ha="left")
    if not score.scored:
        _write(axes, 0.02, place, _cut(score.reason, 74), ha="left", color=style.GREY, style="italic")
    elif score.case.quantity in LOG_QUANTITIES:
        _draw_point(axes, place, score, reach)
    else:
        mark = "✓" if score.verdict == INSIDE else "✗"
        colour = _COLOUR_OF_USE.get(case.use, style.GREY)
        text = f"{mark} {score.verdict}" + (f" ({score.reason})" if score.reason else "")
        _write(axes, 0.02, place, text, ha="left", color=colour)


def _draw_point(axes: Axes, place: float, score: Score, reach: float) -> None:
    case = score.case
    colour = _COLOUR_OF_USE.get(case.use, style.GREY)
    if case.low is not None and case.high is not None and case.value:
        low = max(case.low / case.value, 1 / reach)
        axes.plot([low, min(case.high / case.value, reach)], [place, place], color="#b5b5b5", lw=4, zorder=2)
    if score.log_fold_error is None:
        _write(axes, 0.02, place, score.reason, ha="left", color=colour)
        return
    ratio = math.exp(score.log_fold_error)
    beyond = not 1 / reach <= ratio <= reach
    marker = (">" if ratio > 1 else "<") if beyond else "o"
    axes.plot(
        [min(max(ratio, 1 / reach), reach)],
        [place],
        marker=marker,
        ms=6.5,
        mec=colour,
        mfc="white" if score.verdict == OUTSIDE else colour,
        mew=1.5,
        ls="none",
        clip_on=False,
        zorder=3,
    )


def _write(axes: Axes, x: float, place: float, text: str, **look: Any) -> None:
    # Text at a share of the width of the axes, in the row `place`.
    whole: dict[str, Any] = {"fontsize": 9, "va": "center"} | look
    axes.text(x, place, text, transform=axes.get_yaxis_transform(), parse_math=False, **whole)


def _number(value: float) -> str:
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
