"""The file of a table of measurements -> its rows of text; what is wrong with it, gathered by line."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LabDataError, Problem

#: A table of measurements has some thousands of rows: a larger file is something else (bytes).
MAX_TABLE_BYTES = 20_000_000
#: Different complaints after which reading ends.
_MOST_COMPLAINTS = 1000
#: Lines that a complaint lists.
_MOST_LINES = 8
_SAVE = "save it as CSV in UTF-8"


@dataclass(frozen=True)
class TableText:
    """A table as read: text with LF line ends, no byte-order mark; hash of the bytes; repairs."""

    path: Path
    text: str
    sha256: str
    repairs: tuple[str, ...]


def read_table_text(path: Path) -> TableText:
    """Read a table whole. Raises LabDataError where it is no file, too large, empty or not UTF-8."""

    def refuse(message: str, hint: str | None = None, line: int | None = None) -> LabDataError:
        return LabDataError(Problem(message, str(path), line, hint=hint))

    try:
        if not path.is_file():
            message = "is not a file" if path.exists() else "there is no such file"
            raise refuse(message)
        with path.open("rb") as stream:
            raw = stream.read(MAX_TABLE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(f"cannot be read: {reason}") from error
    if len(raw) > MAX_TABLE_BYTES:
        raise refuse(
            f"larger than {MAX_TABLE_BYTES:,} bytes", "keep the analytes and the people that are fitted"
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refuse("written in UTF-16", _SAVE)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        guess = raw[error.start : error.start + 1].decode("latin-1")
        seen = f', where that byte is "{guess}"' if guess.isprintable() else ""
        raise refuse(
            f"byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8",
            f"the file is probably in Latin-1 or Windows-1252{seen}; {_SAVE}",
            raw.count(b"\n", 0, error.start) + 1,
        ) from error
    if "\0" in text:
        raise refuse("holds zero bytes: it is in UTF-16 or is not text", _SAVE)
    repairs = []
    if text.startswith("\ufeff"):
        text = text[1:]
        repairs.append(f"{path}: byte-order mark taken off")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        repairs.append(f"{path}: line ends made the same")
    if not text.strip():
        raise refuse("the file is empty")
    return TableText(path, text, hashlib.sha256(raw).hexdigest(), tuple(repairs))


def table_rows(table: TableText, sep: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every row that is not blank, the header first.

    Raises LabDataError with the line where a quote is opened and not closed.
    """
    # With newline="" a cell in quotes keeps its own line ends.
    rows = csv.reader(io.StringIO(table.text, newline=""), delimiter=sep, strict=True)
    line = 1
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        message = str(error)
        if "end of data" in message:
            message = "a quote is opened and never closed"
        elif "field limit" in message:
            message = "a cell of more than 131,072 characters: a quote is opened and not closed"
        raise LabDataError(Problem(f"not CSV: {message}", str(table.path), line)) from error


def cut(text: str) -> str:
    """Return a cell as a message shows it: short, control characters escaped."""
    plain = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= 60 else plain[:57] + "..."


Complaint = tuple[str | None, str, str | None]


@dataclass
class Complaints:
    """What is wrong with one table; the same complaint about many lines is one problem that lists them."""

    file: str
    #: Times that a complaint was made.
    total: int = 0
    _lines: dict[Complaint, list[int]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether so much is wrong that reading on would only take time."""
        return len(self._lines) >= _MOST_COMPLAINTS

    def add(self, line: int, key: str | None, message: str, hint: str | None = None) -> None:
        """Note a complaint about a line and a column."""
        self.total += 1
        complaint = (key, message, hint)
        if complaint in self._lines or not self.full:
            self._lines.setdefault(complaint, []).append(line)

    def problems(self) -> list[Problem]:
        """Return all that was noted, by line."""
        found = []
        for (key, message, hint), lines in self._lines.items():
            also = f" (and on {listed(lines[1:])})" if len(lines) > 1 else ""
            found.append(Problem(message + also, self.file, lines[0], key, hint))
        found.sort(key=lambda problem: problem.line or 0)
        if self.full:
            message = f"more than {_MOST_COMPLAINTS:,} different complaints: the rest was not looked for"
            found.append(Problem(message, self.file))
        return found

    def raise_if_any(self) -> None:
        """Raise LabDataError with all that was noted."""
        if self._lines:
            raise LabDataError(self.problems())


def listed(lines: Sequence[int]) -> str:
    """Return "line 4", "lines 4, 9" or, of many, the first and how many more."""
    shown = ", ".join(str(line) for line in lines[:_MOST_LINES])
    more = f" and {len(lines) - _MOST_LINES:,} more" if len(lines) > _MOST_LINES else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"
