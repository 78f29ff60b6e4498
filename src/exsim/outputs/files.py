"""Files and run folders: complete under their name, or not there.

Every file is written under a temporary name in its own folder, flushed to the disk and renamed;
then the folder is flushed. The files of a run are all complete under temporary names before the
first is renamed, and `run.json` comes last, so that a folder with a `run.json` is a whole run.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError, Problem
from .run_record import sha256_of, to_json

#: The record of a run; its presence says that the folder is whole and exsim's own.
RECORD_NAME = "run.json"
#: The page that `exsim report` makes of a run, and what stands in its first lines: it is exsim's own, too.
REPORT_NAME = "report.html"
REPORT_MARK = '<meta name="generator" content="exsim'
#: What ends the name of a file that is not complete. Readers ignore it.
PARTIAL = ".partial"

#: The content of a file, or a function that writes it to the path it is given.
Content = bytes | Callable[[Path], None]

_OLDER_RECORD = f"older-{RECORD_NAME}{PARTIAL}"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RECORD_LIMIT_BYTES = 100_000_000
_HEAD_BYTES = 400


def prepare_run_folder(
    folder: Path, overwrite: bool = False, needed_bytes: int = 0, keep: Collection[str] = ()
) -> None:
    """Make sure, before anything is computed, that a run can be written to `folder`.

    Files named in `keep` may stand there, and stay. Creates the folder, removes what an interrupted run left
    under temporary names, and proves by a file that it can be written to. Raises InputError where something
    stands there that exsim must not touch (a link, a file, a device, another program's folder) or a run and
    not `overwrite`; OutputError where the disk is full or the folder cannot be written.
    """
    refuse_what_is_not_a_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_what_must_stay(folder, overwrite, keep)
        for leftover in folder.glob(f"*{PARTIAL}"):
            leftover.unlink()
        _prove_writable(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    refuse_full_disk(folder, needed_bytes)


def refuse_full_disk(folder: Path, needed_bytes: int, needed_files: int = 0) -> None:
    """Raise OutputError where the disk of an existing folder has too little room for what is to come.

    `needed_files` is compared with the inodes that are left, on systems that count them.
    """
    try:
        free = shutil.disk_usage(folder).free
        counts = os.statvfs(folder) if hasattr(os, "statvfs") else None
    except OSError as error:
        raise output_error(folder, error) from error
    if free < needed_bytes:
        raise OutputError(
            f"{folder}: the run needs {needed_bytes:,} bytes and the disk has {free:,} free."
            " Free some space, or choose another folder with --out."
        )
    if counts is not None and counts.f_files and counts.f_favail < needed_files:
        raise OutputError(
            f"{folder}: the run needs {needed_files:,} files and the disk can take {counts.f_favail:,} more."
            " Remove some files, or choose another folder with --out."
        )


@contextmanager
def no_empty_folders_left(folders: Sequence[Path]) -> Iterator[None]:
    """Take away again, where what is done inside fails, the folders that it made and left empty."""
    made = {path for folder in folders for path in (folder, *folder.parents) if not path.exists()}
    try:
        yield
    except BaseException:
        for path in sorted(made, key=lambda item: len(item.parts), reverse=True):
            with suppress(OSError):
                path.rmdir()
        raise


def write_run(folder: Path, files: Mapping[str, Content], record: Mapping[str, Any]) -> None:
    """Write the files of a run and, last, its record with their hashes. `folder` has been prepared.

    A failure before the first rename leaves an older run as it was, a later one an empty folder.
    After a kill every file under its final name is whole, and without a `run.json` the next
    `prepare_run_folder` clears the remains. Raises OutputError.
    """
    names = [*files, RECORD_NAME]
    for name in names:
        if not _PLAIN_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a plain file name")
    partials = {name: folder / f"{name}{PARTIAL}" for name in names}
    try:
        for name, content in files.items():
            write_through(partials[name], content)
        hashes = {name: sha256_of(partials[name]) for name in files}
        whole = {**record, "program": "exsim", "files": hashes}
        write_through(partials[RECORD_NAME], to_json(whole))
        _remove_older_run(folder)
        for name, partial in partials.items():
            os.replace(partial, folder / name)
        (folder / _OLDER_RECORD).unlink(missing_ok=True)
        flush_folder(folder)
    except OSError as error:
        with suppress(OSError):
            if not (folder / RECORD_NAME).exists():
                _remove_interrupted_run(folder)
        remove_quietly([*partials.values(), folder / _OLDER_RECORD])
        raise output_error(folder, error) from error


def write_file(path: Path, content: Content) -> None:
    """Write one file whole or not at all, replacing a file of that name. Raises OutputError."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_through(partial, content)
        os.replace(partial, path)
        flush_folder(path.parent)
    except OSError as error:
        remove_quietly([partial])
        raise output_error(path, error) from error


def remove_run(folder: Path) -> None:
    """Remove the run in `folder`: its record first, then the files that it lists. Raises OSError."""
    _remove_older_run(folder)
    (folder / _OLDER_RECORD).unlink(missing_ok=True)
    flush_folder(folder)


def remove_remains(folder: Path) -> None:
    """Remove what a run that was interrupted while it was written left in `folder`. Raises OSError."""
    if read_record(folder) is None:
        _remove_interrupted_run(folder)
    for leftover in folder.glob(f"*{PARTIAL}"):
        leftover.unlink()


def read_record(folder: Path) -> dict | None:
    """Return the record of the run in `folder`, or None where there is none by exsim."""
    return _record_in(folder / RECORD_NAME)


def is_report(path: Path) -> bool:
    """Return whether a file is a report that exsim wrote. Raises OSError."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return REPORT_MARK.encode() in file.read(_HEAD_BYTES)


def _record_in(path: Path) -> dict | None:
    try:
        if path.is_symlink() or path.stat().st_size > _RECORD_LIMIT_BYTES:
            return None
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("program") == "exsim" else None


def refuse_what_is_not_a_folder(folder: Path) -> None:
    """Raise InputError where `folder` is a link, a file or a device. It may be absent."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise output_error(folder, error) from error
    kinds = {stat.S_IFLNK: "a link", stat.S_IFREG: "a file", stat.S_IFDIR: ""}
    kind = kinds.get(stat.S_IFMT(mode), "a device, a pipe or a socket")
    if kind:
        raise InputError(
            Problem(
                f"the output folder is {kind}",
                file=str(folder),
                hint="choose the name of a folder with --out",
            )
        )


def _refuse_what_must_stay(folder: Path, overwrite: bool, keep: Collection[str]) -> None:
    if read_record(folder) is not None:
        if overwrite:
            return
        raise InputError(
            Problem(
                "the folder holds a run already",
                file=str(folder),
                hint="give --overwrite to replace it, or another folder with --out",
            )
        )
    _remove_interrupted_run(folder)
    names = {entry.name for entry in folder.iterdir() if not entry.name.endswith(PARTIAL)}
    held = sorted(names - set(keep))
    if held:
        raise InputError(
            Problem(
                f'the folder holds "{held[0]}" and no {RECORD_NAME} of exsim: it is not a run',
                file=str(folder),
                hint="choose another folder with --out; exsim overwrites only what it wrote",
            )
        )


def _remove_interrupted_run(folder: Path) -> None:
    # Stopped between two renames: the records under temporary names say which files were ours.
    for marker in (f"{RECORD_NAME}{PARTIAL}", _OLDER_RECORD):
        _remove_listed(folder, _record_in(folder / marker))


def _remove_older_run(folder: Path) -> None:
    # Its record goes first, since a folder without one is not a run; what it lists follows.
    older = read_record(folder)
    if older is not None:
        os.replace(folder / RECORD_NAME, folder / _OLDER_RECORD)
        _remove_listed(folder, older)


def _remove_listed(folder: Path, record: Mapping[str, Any] | None) -> None:
    for name in (record or {}).get("files") or ():
        path = folder / str(name)
        if _PLAIN_NAME.fullmatch(str(name)) and path.is_file() and not path.is_symlink():
            path.unlink()
    # A report of the older run would be taken for one of the new.
    if record and is_report(folder / REPORT_NAME):
        (folder / REPORT_NAME).unlink()


def _prove_writable(folder: Path) -> None:
    probe = folder / f"probe{PARTIAL}"
    write_through(probe, b"exsim")
    probe.unlink()


def write_through(path: Path, content: Content) -> None:
    """Write a file under the temporary name `path` and flush it to the disk. Raises OSError."""
    # What stands under the temporary name goes first: never write through a link put there.
    path.unlink(missing_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk. Raises OSError."""
    # Windows has no handle for a folder; there the rename itself is what can be had.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_quietly(paths: Iterable[Path]) -> None:
    """Remove what is there of `paths`, and complain of nothing."""
    # On the way out of a failure: the first error is the one to report.
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def output_error(path: Path, error: OSError, needed_bytes: int | None = None) -> OutputError:
    """Return what the user is told of a failed write: the reason, needed and free, the way out."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        way_out = "Free some space, or choose another folder with --out."
        reason += _needed_and_free(path, needed_bytes)
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        way_out = "Choose a folder that you may write to with --out."
    else:
        way_out = "Choose another folder with --out."
    return OutputError(f"{path}: could not be written: {reason}. {way_out}")


def _needed_and_free(path: Path, needed_bytes: int | None) -> str:
    if needed_bytes is None:
        return ""
    for folder in (path, *path.parents):
        with suppress(OSError):
            return f" ({needed_bytes:,} bytes needed, {shutil.disk_usage(folder).free:,} free)"
    return f" ({needed_bytes:,} bytes needed)"
