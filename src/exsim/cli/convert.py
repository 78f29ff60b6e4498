"""`exsim convert FILE`: a NONMEM-style table or a wide sheet to the tidy table of measurements."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from ..api import load_model
from ..errors import InputError, Problem
from ..inputs.converting import Converted, ConvertOptions, convert_table
from ..inputs.lab_data import REQUIRED_COLUMNS
from ..outputs.files import write_file
from ..outputs.tables import csv_bytes
from ..sweep_targets import measurable


def convert(arguments: argparse.Namespace) -> int:
    """Convert a table and write it; nothing is written where anything is wrong or not told."""
    source: Path = arguments.file
    out: Path = arguments.out or source.with_name(f"{source.stem}_tidy.csv")
    model = load_model(arguments.model, Path.cwd())
    made = convert_table(source, measurable(model), _options(arguments))
    _refuse_what_must_stay(source, out, arguments.overwrite)
    write_file(out, csv_bytes(made.columns, made.rows))
    if arguments.json:
        print(json.dumps(_as_json(out, made)))
        return 0
    if not arguments.quiet:
        for warning in made.warnings:
            print(f"warning: {source}: {warning}", file=sys.stderr)
        for note in (*made.notes, *made.repairs):
            print(f"{source}: {note}")
        print(f"{out}: {_counted(made)}")
    return 0


def _options(arguments: argparse.Namespace) -> ConvertOptions:
    return ConvertOptions(
        analyte=dict(arguments.analyte),
        ignore=tuple(arguments.ignore),
        condition=arguments.condition,
        condition_from=arguments.condition_from,
        subject=arguments.subject,
        time=dict(arguments.time),
        time_unit=arguments.time_unit,
        time_from=arguments.time_from,
        unit=dict(arguments.unit),
        lloq=dict(arguments.lloq),
        sep=arguments.sep,
        decimal=arguments.decimal,
    )


def _refuse_what_must_stay(source: Path, out: Path, overwrite: bool) -> None:
    def refuse(message: str, hint: str) -> InputError:
        return InputError(Problem(message, str(out), hint=hint))

    other = "choose another file with --out"
    if out.suffix.lower() != ".csv":
        raise refuse("a tidy table is a CSV file", "choose a name that ends on .csv with --out")
    if not os.path.lexists(out):
        return
    if out.is_symlink() or not out.is_file():
        raise refuse("a link or a folder stands there", other)
    if os.path.samefile(source, out):
        raise refuse("is the table that is converted: it is never written over", other)
    if not overwrite:
        raise refuse("stands there already", f"give --overwrite to replace it, or {other}")
    with out.open("rb") as file:
        header = file.readline(1000).decode("utf-8", "replace").strip().split(",")
    if not set(REQUIRED_COLUMNS) <= set(header):
        raise refuse("is no tidy table: it is not written over", other)


def _counted(made: Converted) -> str:
    subjects, analytes = set(made.column("subject")), set(made.column("analyte"))
    return (
        f"{_count(len(made.rows), 'row')}, {_count(len(subjects), 'subject')}, "
        f"{', '.join(sorted(map(str, analytes)))}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _as_json(out: Path, made: Converted) -> dict[str, object]:
    def named(column: str) -> list[str]:
        return sorted({str(cell) for cell in made.column(column)})

    return {
        "file": str(out),
        "rows": len(made.rows),
        "subjects": named("subject"),
        "conditions": named("condition"),
        "analytes": named("analyte"),
        "notes": [*made.notes, *made.repairs],
        "warnings": list(made.warnings),
    }
