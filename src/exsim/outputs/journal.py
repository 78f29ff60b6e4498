"""What a fit has asked of its model and was told, or what chains have drawn, on the disk as it goes.

Each step follows from those before it. What was killed is begun anew, and finds its records here until they
are used up: it ends with the same bytes as if it had never been killed. A record is whole or, at the end of
the file, the trace of a kill, which is cut off.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Problem
from .files import flush_folder, output_error

#: The journal of a command in its folder.
JOURNAL_NAMES = {"fit": "fit.journal", "sample": "sample.journal"}
_MAGIC = b"exsim journal 1\n"
_DIGEST, _LENGTH = 32, 8
#: No record is longer: what says so is not one.
_MOST_BYTES = 1 << 34

Record = dict[str, np.ndarray]


class Journal:
    """The journal of a command in `folder`, whose numbers `identity` decides."""

    def __init__(self, folder: Path, command: str, identity: Mapping[str, Any], *, resume: bool) -> None:
        """Open it, read what is there, be ready to append.

        Raises InputError where it is of another run, OutputError where it cannot be used.
        """
        self.path = folder / JOURNAL_NAMES[command]
        self._identity = json.dumps(identity, sort_keys=True, default=str).encode()
        self._records: list[Record] = []
        try:
            whole = self._read() if resume and self.path.exists() else 0
            self._file = self.path.open("r+b" if whole else "wb")
            self._file.truncate(whole)
            self._file.seek(whole)
            if not whole:
                self._file.write(_MAGIC + _framed(self._identity))
                self._flush()
                flush_folder(folder)
        except OSError as error:
            raise output_error(self.path, error) from error

    @staticmethod
    def read_identity(folder: Path, command: str) -> dict[str, Any] | None:
        """Return the identity of what was begun in `folder`; None where none can be read."""
        with suppress(OSError, ValueError), (folder / JOURNAL_NAMES[command]).open("rb") as file:
            said = _next(file) if file.read(len(_MAGIC)) == _MAGIC else None
            found = None if said is None else json.loads(said)
            return found if isinstance(found, dict) else None
        return None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()

    @property
    def found(self) -> int:
        """How many records an earlier run left."""
        return len(self._records)

    def records(self) -> Iterator[Record]:
        """Yield the records that an earlier run left, in their order."""
        yield from self._records

    def append(self, record: Record) -> None:
        """Write one record through to the disk. Raises OutputError."""
        buffer = io.BytesIO()
        np.savez(buffer, **record)  # type: ignore[arg-type]
        try:
            self._file.write(_framed(buffer.getvalue()))
            self._flush()
        except OSError as error:
            raise output_error(self.path, error) from error

    def remove(self) -> None:
        """Remove the journal of what is whole."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> int:
        # The records, and how many bytes of the file are whole.
        with self.path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise InputError(Problem("is not a journal of exsim", str(self.path)))
            said = _next(file)
            if said is None:
                return 0
            if said != self._identity:
                raise InputError(
                    Problem(
                        f"what was begun here is another one: {_difference(said, self._identity)}",
                        str(self.path),
                        hint="begin it anew with --overwrite, or choose another folder with --out",
                    )
                )
            whole = file.tell()
            while (payload := _next(file)) is not None:
                try:
                    with np.load(io.BytesIO(payload)) as arrays:
                        self._records.append({name: arrays[name] for name in arrays.files})
                except (ValueError, zipfile.BadZipFile, OSError):
                    break
                whole = file.tell()
            return whole


def _framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(_LENGTH, "little") + hashlib.sha256(payload).digest() + payload


def _next(file: Any) -> bytes | None:
    head = file.read(_LENGTH + _DIGEST)
    if len(head) < _LENGTH + _DIGEST:
        return None
    length = int.from_bytes(head[:_LENGTH], "little")
    if length > _MOST_BYTES:
        return None
    payload = file.read(length)
    good = len(payload) == length and hashlib.sha256(payload).digest() == head[_LENGTH:]
    return payload if good else None


def _difference(found: bytes, wanted: bytes) -> str:
    # The first key that differs.
    with suppress(ValueError):
        before, now = json.loads(found), json.loads(wanted)
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                return f"{key} is {_short(before.get(key))} there and {_short(now.get(key))} here"
    return "they differ"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}..."
