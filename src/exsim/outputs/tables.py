"""Tables as CSV: UTF-8, a point as decimal sign, empty where there is no number, safe in a spreadsheet."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: A label that begins with one of these would be run as a formula by a spreadsheet.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def summary_csv(table: pd.DataFrame) -> bytes:
    """Return a summary table (`exsim.summaries.summary_table`) as CSV."""
    return csv_bytes(list(table.columns), table.itertuples(index=False, name=None))


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Any]], infinities: bool = False) -> bytes:
    """Return rows as CSV. Numbers keep ten digits; labels that look like formulas get an apostrophe.

    NaN is an empty cell. So is what is infinite, unless `infinities`: then it is inf or -inf.
    """
    lines = [",".join(_cell(value, infinities) for value in row) for row in (columns, *rows)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _cell(value: Any, infinities: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _label(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    number = float(value)
    shown = math.isfinite(number) or (infinities and not math.isnan(number))
    return f"{number:.10g}" if shown else ""


def _label(text: str) -> str:
    # Unicode in its composed form; quoted and prefixed where a spreadsheet would run it.
    composed = unicodedata.normalize("NFC", text)
    runs = composed.startswith(_FORMULA_STARTS)
    if runs or any(mark in composed for mark in ',"\r\n'):
        doubled = composed.replace('"', '""')
        return f'"\'{doubled}"' if runs else f'"{doubled}"'
    return composed
