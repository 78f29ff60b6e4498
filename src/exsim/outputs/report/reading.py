"""The folder of a finished run -> its record, tables and pictures, each held against the record."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, OutputError, Problem
from ..files import RECORD_NAME, read_record
from ..journal import JOURNAL_NAMES
from ..sweep_folder import JOURNAL_FOLDER

#: No table and no picture of a run is larger (bytes).
MOST_BYTES = 50_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_NAMED = 5


@dataclass(frozen=True)
class Table:
    """A table of a run as text: its columns, and its rows of as many cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column; empty ones where the table lacks it."""
        if name not in self.columns:
            return [""] * len(self.rows)
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def of(self, *names: str) -> Table:
        """Return the table with these of its columns, in this order."""
        kept = [name for name in names if name in self.columns]
        columns = [self.column(name) for name in kept]
        return Table(tuple(kept), tuple(zip(*columns, strict=True)) if columns else ())


@dataclass(frozen=True)
class RunFolder:
    """What a run left: its record, and the files that the record lists."""

    folder: Path
    record: Mapping[str, Any]
    tables: Mapping[str, Table]
    #: PNG files, whole, by name.
    pictures: Mapping[str, bytes]
    #: Files that are not as the run left them, each in a sentence.
    faults: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that left the run."""
        return str(self.record.get("command", ""))

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a table of the record, empty where there is none."""
        found = self.record.get(name)
        return found if isinstance(found, Mapping) else {}

    def listed(self, name: str) -> list[Any]:
        """Return a list of the record, empty where there is none."""
        found = self.record.get(name)
        return found if isinstance(found, list) else []


def read_run(folder: Path) -> RunFolder:
    """Read a finished run. Raises InputError where the folder holds none, with a way out; OutputError."""
    record = read_record(folder)
    if record is None:
        raise InputError(_not_a_run(folder))
    tables: dict[str, Table] = {}
    pictures: dict[str, bytes] = {}
    faults: list[str] = []
    listed = record.get("files")
    for name, digest in (listed if isinstance(listed, dict) else {}).items():
        kind = Path(name).suffix
        if kind not in (".csv", ".png") or not _NAME.fullmatch(name):
            continue
        data = _read(folder / name)
        if data is None:
            faults.append(f"{name} is not there, or is no plain file: it is left out")
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            faults.append(f"{name} was changed after the run")
        if kind == ".csv":
            table = _table(data)
            if table is None:
                faults.append(f"{name} is no table: it is left out")
            else:
                tables[name] = table
        elif data.startswith(_PNG):
            pictures[name] = data
        else:
            faults.append(f"{name} is no picture: it is left out")
    return RunFolder(folder, record, tables, pictures, tuple(faults))


def _read(path: Path) -> bytes | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        return path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path}: could not be read: {error.strerror or error}") from error


def _table(data: bytes) -> Table | None:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (ValueError, csv.Error):
        return None
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        return None
    return Table(tuple(rows[0]), tuple(map(tuple, rows[1:])))


# ---- what is no run ----------------------------------------------------------------------------------


def _not_a_run(folder: Path) -> Problem:
    place = str(folder)
    if not folder.exists():
        near = _runs_in(folder.parent) if folder.parent.is_dir() else []
        return Problem("there is no such folder", place, hint=_named(near) or "give the folder of a run")
    if not folder.is_dir():
        inside = read_record(folder.parent) is not None
        hint = f"give its folder: exsim report {folder.parent}" if inside else "give the folder of a run"
        return Problem("is a file, not the folder of a run", place, hint=hint)
    if (folder / RECORD_NAME).exists():
        return Problem(f"its {RECORD_NAME} is not the record of a run of exsim", place, hint="run it again")
    for command, name in (*JOURNAL_NAMES.items(), ("sweep", JOURNAL_FOLDER)):
        if (folder / name).exists():
            hint = f"go on with it: exsim {command} CONFIG --out {folder} --resume"
            return Problem(f"the {command} that was begun here is not finished", place, hint=hint)
    hint = _named(_runs_in(folder)) or "a run folder is what simulate, sweep, fit, sample or validate left"
    return Problem(f"the folder holds no {RECORD_NAME}: it is no run of exsim", place, hint=hint)


def _runs_in(folder: Path) -> list[str]:
    try:
        return sorted(str(path.parent) for path in folder.glob(f"*/{RECORD_NAME}"))
    except OSError:
        return []


def _named(runs: list[str]) -> str:
    if not runs:
        return ""
    more = f" and {len(runs) - _MOST_NAMED} more" if len(runs) > _MOST_NAMED else ""
    return f"give the folder of a run; there are {', '.join(runs[:_MOST_NAMED])}{more}"


def names_of(paths: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (file name, hash) of what a record lists by path: where it lay is nobody's concern."""
    for path, digest in paths.items():
        yield str(path).replace("\\", "/").rpartition("/")[2], str(digest)
