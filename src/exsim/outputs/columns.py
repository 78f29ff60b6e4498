"""Tables on the terminal: columns that line up, numbers of a few digits."""

from __future__ import annotations

import math
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Return rows of cells as lines, each column as wide as its widest cell, to the right where `right`."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(right))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    )


def number_text(value: float) -> str:
    """Return a number of four digits for a reader, "-" where there is none."""
    return f"{value:.4g}" if math.isfinite(value) else "-"
