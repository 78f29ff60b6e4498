"""A table of draws (CSV) or a posterior (NetCDF) -> the values of the targets of a sweep."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..errors import ConfigError, Problem, UnitError, did_you_mean, nearest
from ..sweep_spec import SweepSpec
from ..sweep_targets import Target
from ..units import factor

#: A larger table is something else, or should be a design (bytes).
MAX_TABLE_BYTES = 4_000_000_000
#: A header of more characters is none.
_MAX_HEADER = 10_000_000
#: Cells of one column whose faults are listed.
_MOST_CELLS = 20

Draws = Float[np.ndarray, "draw quantity"]


def read_listed_draws(sweep: SweepSpec, path: Path, targets: Sequence[Target]) -> Draws:
    """Return the draws that the file of a sweep lists, in the units of the targets.

    A table is CSV with one column for each target, named as the target, one row a draw. A posterior is
    NetCDF with a group `posterior` of dimensions chain and draw, as ArviZ writes it: chains one after
    another; a variable is named as the target or, for a parameter, by its id. With `draws` given, as
    many are taken from the posterior, evenly. Raises ConfigError with every fault of the file: columns,
    cells, and values that the target cannot have.
    """
    try:
        if not path.is_file():
            raise ConfigError(
                Problem("there is no such file", str(path), hint="see sweep.file in the config")
            )
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise ConfigError(Problem(f"larger than {MAX_TABLE_BYTES:,} bytes", str(path)))
        if sweep.design == "table":
            values, units = _read_table(path, targets), ("",) * len(targets)
        else:
            values, units = _read_posterior(path, targets, sweep.draws)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(Problem(f"cannot be read: {reason}", str(path))) from error
    return _checked(path, targets, values, units)


def _read_table(path: Path, targets: Sequence[Target]) -> Draws:
    import pandas as pd

    _check_columns(path, _header(path, targets), targets)
    try:
        with warnings.catch_warnings():
            # Rows that are longer than the header are a warning to pandas.
            warnings.simplefilter("error")
            frame = pd.read_csv(
                path,
                keep_default_na=False,
                encoding="utf-8-sig",
                skipinitialspace=True,
                index_col=False,
                float_precision="round_trip",
                low_memory=False,
            )
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise ConfigError(Problem(message, str(path), hint="save it as CSV in UTF-8")) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise ConfigError(Problem(f"not CSV: {error}", str(path))) from error
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    if frame.empty:
        raise ConfigError(Problem("the table has a header and no rows", str(path)))
    problems: list[Problem] = []
    columns = [_numbers(path, target.text, frame[target.text].to_numpy(), problems) for target in targets]
    if problems:
        raise ConfigError(problems)
    return np.stack(columns, axis=1)


def _header(path: Path, targets: Sequence[Target]) -> list[str]:
    hint = "the first line names the columns: " + ",".join(target.text for target in targets)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = next(csv.reader([stream.readline(_MAX_HEADER)]), [])
    except UnicodeDecodeError as error:
        raise ConfigError(
            Problem("the file is not UTF-8", str(path), hint="save it as CSV in UTF-8")
        ) from error
    if not names:
        raise ConfigError(Problem("the file is empty, or its first line is", str(path), hint=hint))
    return [name.strip() for name in names]


def _check_columns(path: Path, names: list[str], targets: Sequence[Target]) -> None:
    wanted = [target.text for target in targets]
    if len(names) == 1 and any(sign in names[0] for sign in ";\t"):
        message = "columns are separated by semicolons or tabs"
        raise ConfigError(Problem(message, str(path), 1, hint="use commas"))
    extra = [name for name in names if name not in wanted]
    problems = []
    for name in wanted:
        if name not in names:
            match = nearest(name, extra)
            hint = f'Did you mean "{match}"?' if match else f"(found: {', '.join(names)})"
            problems.append(Problem(f'column "{name}" is missing', str(path), 1, name, hint))
        elif names.count(name) > 1:
            problems.append(Problem(f'column "{name}" is given twice', str(path), 1, name))
    for name in extra:
        hint = f"what varies stands under [[sweep.vary]]: {', '.join(wanted)}"
        problems.append(Problem(f'column "{name}" does not vary in this sweep', str(path), 1, name, hint))
    if problems:
        raise ConfigError(problems)


def _numbers(path: Path, name: str, cells: np.ndarray, problems: list[Problem]) -> np.ndarray:
    if cells.dtype.kind in "iuf":
        numbers = cells.astype(np.float64)
    else:
        numbers = np.array([_number(str(cell)) for cell in cells])
    wrong = np.flatnonzero(~np.isfinite(numbers))
    for row in wrong[:_MOST_CELLS]:
        cell = str(cells[row]).strip()
        message = f'"{cell}" is not a finite number' if cell else "the cell is empty"
        problems.append(Problem(f"row {row + 1}: {message}", str(path), None, name))
    if len(wrong) > _MOST_CELLS:
        problems.append(
            Problem(f"and {len(wrong) - _MOST_CELLS:,} more cells of this column", str(path), None, name)
        )
    return numbers


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _read_posterior(
    path: Path, targets: Sequence[Target], draws: int | None
) -> tuple[Draws, tuple[str, ...]]:
    import xarray as xr

    try:
        opened = xr.open_dataset(path, group="posterior", engine="h5netcdf")
    except KeyError as error:
        raise _no_group(path) from error
    except OSError as error:
        message = "the file is not NetCDF, or has no group posterior"
        raise ConfigError(Problem(message, str(path), hint="write it with ArviZ, or exsim sample")) from error
    with opened as dataset:
        problems, columns, units = [], [], []
        for target in targets:
            names = [target.text, *([target.path.key] if target.path.kind == "parameter" else [])]
            name = next((item for item in names if item in dataset.data_vars), None)
            if name is None:
                hint = did_you_mean(names[-1], [str(item) for item in dataset.data_vars])
                problems.append(
                    Problem(
                        f'the posterior has no variable "{names[-1]}"', str(path), None, target.text, hint
                    )
                )
                continue
            variable = dataset[name]
            if set(variable.dims) != {"chain", "draw"}:
                shown = ", ".join(str(item) for item in variable.dims) or "none"
                message = f'"{name}" has the dimensions {shown}: chain and draw are wanted'
                problems.append(Problem(message, str(path), None, target.text))
                continue
            columns.append(variable.transpose("chain", "draw").to_numpy().astype(np.float64).reshape(-1))
            units.append(str(variable.attrs.get("units", "")))
    if problems:
        raise ConfigError(problems)
    values = np.stack(columns, axis=1)
    if not len(values):
        raise ConfigError(Problem("the posterior has no draws", str(path)))
    if draws is not None:
        if draws > len(values):
            message = f"{draws:,} draws are wanted, the posterior has {len(values):,}"
            raise ConfigError(Problem(message, str(path), hint="lower sweep.draws, or leave it out"))
        values = values[np.arange(draws) * len(values) // draws]
    return values, tuple(units)


def _no_group(path: Path) -> ConfigError:
    return ConfigError(Problem("the file has no group posterior", str(path), hint="write it with ArviZ"))


def _checked(path: Path, targets: Sequence[Target], values: Draws, units: tuple[str, ...]) -> Draws:
    # In the units of the targets, and inside what these can be.
    problems: list[Problem] = []
    columns = []
    for target, column, found in zip(targets, values.T, units, strict=True):
        scale = _scale(path, target, found, problems)
        column = column * scale
        columns.append(column)
        low, high = target.limits
        wrong = np.flatnonzero(~np.isfinite(column) | (column < low) | (column > high))
        if len(wrong):
            row = int(wrong[0])
            unit = "" if target.unit == "dimensionless" else f" {target.unit}"
            limits = f"{low:g} to {high:g}{unit}" if math.isfinite(high) else f"{low:g}{unit} or more"
            more = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
            message = f"row {row + 1}: {column[row]:g}{unit} is impossible for {target.text}{more}"
            problems.append(Problem(message, str(path), None, target.text, f"({limits})"))
    if problems:
        raise ConfigError(problems)
    return np.stack(columns, axis=1)


def _scale(path: Path, target: Target, found: str, problems: list[Problem]) -> float:
    unit = target.file_unit or found
    if unit:
        try:
            return factor(unit, target.unit)
        except UnitError as error:
            problems.append(Problem(error.problems[0].message, str(path), None, target.text))
            return 1.0
    try:
        return factor("dimensionless", target.unit)
    except UnitError:
        hint = f'write unit = "{target.unit}" in its [[sweep.vary]]'
        problems.append(
            Problem(f"the column of {target.text} has no unit", str(path), None, target.text, hint)
        )
        return 1.0
