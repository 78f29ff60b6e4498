"""The options of `exsim convert`: what a table of another form does not tell."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_convert(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command with its options; return its parser."""
    convert: argparse.ArgumentParser = commands.add_parser(
        "convert", help="NONMEM-style tables and wide sheets to the tidy form"
    )
    convert.add_argument("file", type=Path, help="the table (CSV)")
    convert.add_argument("--out", type=Path, metavar="FILE", help="the tidy table (default: FILE_tidy.csv)")
    convert.add_argument("--overwrite", action="store_true", help="replace an earlier tidy table")
    convert.add_argument("--model", default="il6_axis", help="whose analytes are meant (default: il6_axis)")
    for option, read, metavar, told in (
        ("--analyte", pair, "WORD=NAME", "which analyte a word or number of the table is"),
        ("--time", named_pair, "WORD=TIME", "when a word of the table was: -0.5, end, 'end + 90 min'"),
        ("--unit", pair, "[NAME=]UNIT", "unit of an analyte, or of all"),
        ("--lloq", pair, "[NAME=]NUMBER", "lower limit of quantification of an analyte, or of all"),
    ):
        convert.add_argument(option, action="append", default=[], type=read, metavar=metavar, help=told)
    convert.add_argument(
        "--ignore", action="append", default=[], metavar="WORD", help="analyte that is left out"
    )
    convert.add_argument("--condition", metavar="NAME", help="condition of the whole table")
    convert.add_argument("--condition-from", metavar="COLUMN", help="column that holds the condition")
    convert.add_argument("--subject", metavar="COLUMN", help="column that says who")
    convert.add_argument("--time-unit", metavar="UNIT", help="unit of times without one")
    convert.add_argument(
        "--time-from", choices=("start", "end"), help="what plain times count from: start or end of exercise"
    )
    convert.add_argument("--sep", metavar="SIGN", help="between columns: comma, semicolon, tab, bar or space")
    convert.add_argument("--decimal", choices=(".", ","), default=".", help="decimal sign of the table")
    return convert


def pair(text: str) -> tuple[str, str]:
    """Read "NAME=VALUE", or "VALUE" for all. Raises ArgumentTypeError."""
    name, equals, value = text.partition("=")
    if not equals:
        name, value = "", text
    if (equals and not name.strip()) or not value.strip():
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return name.strip(), value.strip()


def named_pair(text: str) -> tuple[str, str]:
    """Read "NAME=VALUE" alone. Raises ArgumentTypeError."""
    if "=" not in text:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return pair(text)
