"""What of a sweep is whole: who it is, and a line with checksums for every batch that was flushed.

`journal/identity.json` says what the sweep is of. Each shard appends to a file of its own, so that no
file has two writers; a batch is done when any of the files has its line.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, Problem
from .files import output_error, write_file

IDENTITY_NAME = "identity.json"
#: The key of an identity whose differences can be allowed: the versions of programs.
VERSIONS = "versions"

_FORMAT = 1
_JOURNAL_NAME = re.compile(r"shard-[1-9][0-9]{0,5}-of-[1-9][0-9]{0,5}\.jsonl")
_LIMIT_BYTES = 100_000_000
_SHOWN = 80


@dataclass(frozen=True)
class Identity:
    """What a sweep is of, as the first of its shards wrote it.

    `content` is what the caller says (config, hashes, seed, versions), `layout` what the store holds,
    `skeleton` the SHA-256 of each file of the store that is there before the first batch.
    """

    content: Mapping[str, Any]
    layout: Mapping[str, Any]
    batch_draws: int
    skeleton: Mapping[str, str]

    @property
    def batches(self) -> int:
        """Return the number of batches of the sweep."""
        return -(-self.layout["draws"] // self.batch_draws)

    def to_bytes(self) -> bytes:
        """Return the content of `identity.json`."""
        body = {
            "program": "exsim",
            "journal": _FORMAT,
            "identity": self.content,
            "layout": self.layout,
            "batch_draws": self.batch_draws,
            "skeleton": self.skeleton,
        }
        return json.dumps(_signed(body), indent=1, sort_keys=True, allow_nan=False).encode()

    @property
    def sha256(self) -> str:
        """Return the checksum that ties the journal of a shard to this sweep."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


@dataclass(frozen=True)
class BatchLine:
    """A batch that was flushed: for each array the SHA-256 and the bytes of its chunk."""

    batch: int
    chunks: Mapping[str, tuple[str, int]]


@dataclass(frozen=True)
class JournalText:
    """What a journal says, and up to which byte it is whole."""

    lines: tuple[BatchLine, ...]
    versions: tuple[Mapping[str, Any], ...]
    whole_bytes: int


class JournalFile:
    """The journal of one shard, open for its one writer."""

    def __init__(self, path: Path, handle: int, whole_bytes: int) -> None:
        self.path = path
        self._handle = handle
        self._whole_bytes = whole_bytes

    def append_batch(self, line: BatchLine) -> None:
        """Write the line of a batch and flush it. Raises OSError; a line that failed can be tried again."""
        self._append({"batch": line.batch, "chunks": {name: [*pair] for name, pair in line.chunks.items()}})

    def append_versions(self, versions: Mapping[str, Any]) -> None:
        """Write which other versions go on from here. Raises OSError."""
        self._append({VERSIONS: versions})

    def _append(self, body: Mapping[str, Any]) -> None:
        # What a failed line left behind the last whole one goes first.
        os.ftruncate(self._handle, self._whole_bytes)
        os.lseek(self._handle, self._whole_bytes, os.SEEK_SET)
        rest = memoryview(_line(body))
        size = len(rest)
        while rest:
            rest = rest[os.write(self._handle, rest) :]
        os.fsync(self._handle)
        self._whole_bytes += size


def write_identity(folder: Path, identity: Identity) -> None:
    """Write `identity.json` into the journal's folder. Raises OutputError."""
    write_file(folder / IDENTITY_NAME, identity.to_bytes())


def read_identity(folder: Path) -> Identity | None:
    """Return the identity in a journal's folder, or None where there is none.

    Raises InputError where it is damaged or not exsim's.
    """
    path = folder / IDENTITY_NAME
    if not os.path.lexists(path):
        return None
    body = _verified(_read(path))
    if body is None or body.get("program") != "exsim":
        raise InputError(
            Problem(
                "the record of what the sweep is of is damaged, or exsim did not write it",
                file=str(path),
                hint="give --overwrite to make the sweep again, or another folder with --out",
            )
        )
    if body.get("journal") != _FORMAT:
        raise InputError(
            Problem(
                f"the journal has format {body.get('journal')!r}, and this version of exsim reads {_FORMAT}",
                file=str(path),
                hint="go on with the version that began the sweep, or give --overwrite",
            )
        )
    return Identity(body["identity"], body["layout"], body["batch_draws"], body["skeleton"])


def refuse_other_identity(
    found: Identity, content: Mapping[str, Any], layout: Mapping[str, Any], path: Path, other_versions: bool
) -> None:
    """Raise InputError, a problem for each thing that differs, where a sweep is another one."""
    wanted = _flat({**content, "store": layout})
    there = _flat({**found.content, "store": found.layout})
    problems = []
    for key in sorted({*wanted, *there}):
        versions = key.split(".")[0] == VERSIONS
        if wanted.get(key) == there.get(key) or (versions and other_versions):
            continue
        old, new = (_shorten(side[key]) if key in side else "nothing" for side in (there, wanted))
        hint = "give --resume with what the sweep was begun with, or another folder with --out"
        if versions:
            hint = "go on with that version, or allow other versions"
        problems.append(
            Problem(f"the sweep was begun with {old}, and this run has {new}", str(path), key=key, hint=hint)
        )
    if problems:
        raise InputError(problems)


def to_plain_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as it comes back from JSON: tuples are lists, keys are text."""
    return json.loads(json.dumps(value, allow_nan=False))


def journal_name(shard: tuple[int, int]) -> str:
    """Return the name of the journal of shard (I, N)."""
    return f"shard-{shard[0]}-of-{shard[1]}.jsonl"


def find_journals(folder: Path) -> list[Path]:
    """Return the journals in a folder. Raises InputError where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if _JOURNAL_NAME.fullmatch(path.name))
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", file=str(folder))) from error


def read_lines(folder: Path, identity: Identity) -> dict[int, list[BatchLine]]:
    """Return the lines of each batch in all journals of a folder. Raises InputError for a broken one."""
    found: dict[int, list[BatchLine]] = {}
    for path in find_journals(folder):
        for line in read_journal(path, identity).lines:
            found.setdefault(line.batch, []).append(line)
    return found


def read_journal(path: Path, identity: Identity) -> JournalText:
    """Read a journal; a last line that was cut short is left out.

    Raises InputError where a line before the last is broken, or the journal is of another sweep.
    """
    lines: list[BatchLine] = []
    versions: list[Mapping[str, Any]] = []
    whole_bytes = 0
    *pieces, tail = _read(path).split(b"\n")
    for number, piece in enumerate(pieces, start=1):
        body = _verified(piece)
        if body is None:
            if number < len(pieces) or tail:
                raise _broken(path, number, "the line is damaged")
            break
        if number == 1 and body.get("sweep") != identity.sha256:
            raise _broken(path, number, "the journal belongs to another sweep")
        try:
            if VERSIONS in body:
                versions.append(body[VERSIONS])
            else:
                chunks = {name: (str(found), int(size)) for name, (found, size) in body["chunks"].items()}
                lines.append(BatchLine(int(body["batch"]), chunks))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _broken(path, number, "the line is not one of a journal") from None
        whole_bytes += len(piece) + 1
    return JournalText(tuple(lines), tuple(versions), whole_bytes)


@contextmanager
def open_journal(
    folder: Path, shard: tuple[int, int], identity: Identity, versions: Mapping[str, Any]
) -> Iterator[JournalFile]:
    """Open the journal of a shard for its one writer, who holds its lock; make it where there is none.

    `versions` are those of this process: they are noted where they are not the last ones noted. Raises
    InputError, OutputError.
    """
    path = folder / journal_name(shard)
    text = read_journal(path, identity) if os.path.lexists(path) else None
    try:
        if text is None or not text.whole_bytes:
            head = _line({"sweep": identity.sha256, "shard": [*shard], VERSIONS: versions})
            write_file(path, head)
            text = JournalText((), (versions,), len(head))
        handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise output_error(path, error) from error
    try:
        journal = JournalFile(path, handle, text.whole_bytes)
        if text.versions[-1] != versions:
            try:
                journal.append_versions(versions)
            except OSError as error:
                raise output_error(path, error) from error
        yield journal
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise InputError(Problem("this is not a file", file=str(path)))
        if path.stat().st_size > _LIMIT_BYTES:
            raise InputError(Problem("this is too long for a journal of exsim", file=str(path)))
        return path.read_bytes()
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", file=str(path))) from error


def _broken(path: Path, line: int, what: str) -> InputError:
    return InputError(
        Problem(
            what,
            file=str(path),
            line=line,
            hint="delete this journal: its batches are made again with --resume; or give --overwrite",
        )
    )


def _line(body: Mapping[str, Any]) -> bytes:
    return _canonical(_signed(body)) + b"\n"


def _signed(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "sha256": hashlib.sha256(_canonical(body)).hexdigest()}


def _verified(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `text` where its own checksum is right."""
    try:
        body = json.loads(text)
        found = body.pop("sha256")
        return body if found == hashlib.sha256(_canonical(body)).hexdigest() else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _canonical(body: Any) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            found |= _flat(item, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = item
    return found


def _shorten(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
