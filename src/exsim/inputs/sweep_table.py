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
from ..units import factor, is_unit

#: A larger table is something else, or should be a design (bytes).
MAX_TABLE_BYTES = 4_000_000_000
#: A header of more characters is none.
_MAX_HEADER = 10_000_000
#: Cells whose faults are listed.
_MOST_CELLS = 40
_SAVE = "save it as CSV in UTF-8"

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
    names = _header(path, targets)
    _check_columns(path, names, targets)
    try:
        with warnings.catch_warnings():
            # A header without rows is a warning to NumPy.
            warnings.simplefilter("ignore", UserWarning)
            values = np.loadtxt(
                path, delimiter=",", skiprows=1, comments=None, quotechar='"', ndmin=2, encoding="utf-8-sig"
            )
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("the file is not UTF-8", str(path), hint=_SAVE)) from error
    except ValueError as error:
        raise ConfigError(_wrong_cells(path, names) or Problem(f"not CSV: {error}", str(path))) from error
    if not values.size:
        raise ConfigError(Problem("the table has a header and no rows", str(path)))
    if values.shape[1] != len(names) or not np.isfinite(values).all():
        raise ConfigError(_wrong_cells(path, names) or Problem("not CSV", str(path)))
    return np.stack([values[:, names.index(target.text)] for target in targets], axis=1)


def _wrong_cells(path: Path, names: list[str]) -> list[Problem]:
    # Every cell that is no number and every row of another length, with its line; the first of many.
    problems: list[Problem] = []
    hidden = row = 0
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        next(rows, None)
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            row += 1
            found: list[tuple[str | None, str]] = []
            if len(cells) != len(names):
                found.append((None, f"{len(cells)} cells, and the header has {len(names)}"))
            for name, cell in zip(names, cells, strict=False):
                if not math.isfinite(_number(cell)):
                    text = cell.strip()[:60]
                    found.append((name, f'"{text}" is not a finite number' if text else "the cell is empty"))
            shown = found[: max(0, _MOST_CELLS - len(problems))]
            hidden += len(found) - len(shown)
            problems += [
                Problem(f"row {row}: {what}", str(path), rows.line_num, name) for name, what in shown
            ]
    if hidden:
        problems.append(Problem(f"and {hidden:,} more cells", str(path)))
    return problems


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


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
    if not is_unit(target.unit):
        return 1.0
    try:
        return factor("dimensionless", target.unit)
    except UnitError:
        hint = f'write unit = "{target.unit}" in its [[sweep.vary]]'
        problems.append(
            Problem(f"the column of {target.text} has no unit", str(path), None, target.text, hint)
        )
        return 1.0
