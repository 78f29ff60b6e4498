"""The sheet of a figure: heading, panels placed in inches, texts that are cut or wrapped to their room."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import plot_style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DIMENSIONLESS = ("", "1", "dimensionless")
#: Room under the panels for the line of the source, inches.
_FOOT_IN = 0.32
#: A heading of so many letters is not broken over two lines.
_SHORT = 24


@dataclass(frozen=True)
class Heading:
    """What a figure says about itself: its title, the parts of a caption, and where it comes from."""

    title: str
    caption: Sequence[str]
    source: str


@dataclass(frozen=True)
class PanelSize:
    """One panel in inches: its axes, and the room around them for labels."""

    width: float
    height: float
    left: float = 0.8
    right: float = 0.3
    above: float = 0.42
    below: float = 0.62


def titled(name: str, heading: str) -> str:
    """Return the title of a figure: "A marathon: residuals"; after a question the heading is a sentence.

    A short heading stays on one line, by blanks that do not break.
    """
    if len(heading) <= _SHORT:
        heading = heading.replace(" ", "\u00a0")
    name, sentence = name.strip(), heading[:1].upper() + heading[1:]
    if name.endswith(("?", "!", ".")):
        return f"{name} {sentence}"
    return f"{name}: {heading}" if name else sentence


def blank_sheet(heading: Heading, width: float, body: float) -> tuple[Figure, float]:
    """Return a figure with its heading and room of `body` inches, and where that begins from the top.

    Title and caption are wrapped to the width of the figure, the source goes below.
    """
    title = textwrap.wrap(heading.title, int(width * 8), max_lines=2, placeholder=" …")
    text = _caption_lines(heading.caption, int(width * 11.8))
    top = 0.20 + 0.235 * len(title) + 0.185 * len(text)
    height = top + body + _FOOT_IN
    figure = style.new_figure(width, height)
    look: dict[str, Any] = {"va": "top", "parse_math": False}
    figure.text(0.1 / width, 1 - 0.12 / height, "\n".join(title), fontsize=13, weight="bold", **look)
    below = 1 - (0.20 + 0.235 * len(title)) / height
    figure.text(0.1 / width, below, "\n".join(text), fontsize=9.5, color=style.GREY, **look)
    figure.text(0.1 / width, 0.1 / height, heading.source, fontsize=8, color=style.GREY, parse_math=False)
    return figure, top


def place(figure: Figure, left: float, upper: float, width: float, height: float) -> Axes:
    """Return new axes whose upper left corner lies so many inches from that of the figure."""
    wide, high = (float(size) for size in figure.get_size_inches())
    return figure.add_axes((left / wide, 1 - (upper + height) / high, width / wide, height / high))


def write(figure: Figure, left: float, upper: float, text: str, **look: Any) -> None:
    """Write text that begins so many inches from the upper left corner of the figure."""
    wide, high = (float(size) for size in figure.get_size_inches())
    whole: dict[str, Any] = {"va": "top", "parse_math": False} | look
    figure.text(left / wide, 1 - upper / high, text, **whole)


def sheet(heading: Heading, panels: int, columns: int, size: PanelSize) -> tuple[Figure, list[Axes]]:
    """Return a figure with `panels` empty axes, in rows of `columns`, under its heading."""
    panels = max(panels, 1)
    columns = min(columns, panels)
    cell, row = size.left + size.width + size.right, size.above + size.height + size.below
    figure, top = blank_sheet(heading, max(columns * cell, 6.4), math.ceil(panels / columns) * row)
    frames = []
    for number in range(panels):
        left = (number % columns) * cell + size.left
        upper = top + (number // columns) * row + size.above
        frames.append(place(figure, left, upper, size.width, size.height))
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
    at: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center", "zorder": 7}
    axes.text(0.5, 0.5, text, bbox=look, parse_math=False, **at)


def size_in(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes in inches."""
    figure, box = axes.get_figure(root=True), axes.get_position()
    assert figure is not None
    width, height = figure.get_size_inches()
    return float(width * box.width), float(height * box.height)


def set_title(axes: Axes, text: str) -> None:
    """Write the name of a panel at its top left, on two lines where it is long."""
    lines = textwrap.wrap(text, int(9.5 * (size_in(axes)[0] + 0.4)), max_lines=2, placeholder=" …")
    axes.set_title("\n".join(lines), loc="left", fontsize=10.5, parse_math=False)


def cut(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def with_unit(label: str, unit: str) -> str:
    """Return "duration (h)"; the label alone for what has no dimension."""
    return label if unit in _DIMENSIONLESS else f"{label} ({unit})"
