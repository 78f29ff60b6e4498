"""A config for a fit and its table, in parts that a test can exchange."""

from __future__ import annotations

from pathlib import Path

from exsim.api import FitStudy, read_fit

HEAD = '# What does a marathon tell?\nschema = 1\nmodel = "il6_axis"\n'
DATA = '[data]\nfile = "measured.csv"\n'
RACE = '[[condition]]\nname = "race"\nprotocol = "marathon"\n'
IL6 = '[[observable]]\nanalyte = "IL6"\nnoise = "lognormal"\nsd = 0.2\n'
FREE = '[fit]\nfree = ["release_gain"]\n'
HEADER = "subject,condition,time,time_unit,analyte,value,unit"
ROWS = (
    "R01,race,-1,h,IL6,0.9,pg/mL",
    "R01,race,end,h,IL6,81,pg/mL",
    "R02,race,end + 90,min,IL6,0.035,ng/mL",
)


def fit_text(
    data: str = DATA,
    condition: str = RACE,
    observable: str = IL6,
    fit: str = FREE,
    head: str = "",
) -> str:
    """Return the text of a config for a fit."""
    return HEAD + head + data + condition + observable + fit


def table_text(*rows: str, header: str = HEADER) -> str:
    """Return the text of a table of measurements."""
    return "\n".join([header, *(rows or ROWS)]) + "\n"


def write(folder: Path, text: str, table: str | None = None) -> Path:
    """Write a config and its table into a folder; return the path of the config."""
    path = folder / "fit.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "measured.csv").write_text(table_text() if table is None else table, encoding="utf-8")
    return path


def read(folder: Path, text: str | None = None, table: str | None = None) -> FitStudy:
    """Write a config and its table, and read them."""
    return read_fit(write(folder, fit_text() if text is None else text, table))


def line_of(text: str, part: str) -> int:
    """Return the line of a text on which a part of it begins."""
    return text[: text.index(part)].count("\n") + 1
