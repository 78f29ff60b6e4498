"""Who writes here: a lock of the system, so that the one of a dead process is free.

Where a network file system has no locks, or keeps the one of a machine that is gone, the holder is
told apart by host, process number and start of the process, which are written into the lock.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..errors import OutputError
from .files import PARTIAL, output_error

#: Beside a lock, where the file system has no locks: the file whose being there is the lock.
OWNER = ".owner"

_POLL_S = 0.05
#: How long the record of a holder may be on its way between its lock and its first byte.
_RECORD_S = 1.0
_NO_LOCKS = {
    getattr(errno, name)
    for name in ("ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL")
    if hasattr(errno, name)
}
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
#: Windows forbids the reading of a locked byte: one that no record reaches is locked.
_LOCKED_BYTE = 2**30


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock. `start` tells it from a later one with the same number."""

    host: str
    pid: int
    since: str
    start: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def hold_lock(path: Path, subject: str, break_lock: bool = False, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock `path` while what is inside runs; wait for it, at most `wait_s`.

    `subject` begins the message, as in "shard 1/4". With `break_lock` a lock is taken from a holder that
    cannot be shown to live; never from one that lives on this machine. Raises OutputError.
    """
    try:
        handle, owner = _acquire(path, subject, break_lock, time.monotonic() + wait_s)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            os.ftruncate(handle, 0)
        if owner is not None:
            owner.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, subject: str, break_lock: bool, deadline: float) -> tuple[int, Path | None]:
    owner = path.with_name(path.name + OWNER)
    while True:
        handle = _open(path)
        try:
            outcome = _lock(handle)
            if outcome == "none":
                if _create_owner(owner):
                    return handle, owner
            elif outcome == "free" and _is_still(handle, path):
                _write_record(handle)
                return handle, None
            if outcome != "free" and time.monotonic() >= deadline:
                held = path if outcome == "held" else owner
                _break_or_refuse(held, handle, subject, break_lock)
                break_lock = False
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        time.sleep(0 if outcome == "free" else _POLL_S)


def _break_or_refuse(held: Path, handle: int, subject: str, break_lock: bool) -> None:
    holder = _read_holder(held)
    who = str(holder) if holder is not None else "a process that left no record"
    here = holder is not None and holder.host == socket.gethostname()
    if here and not _is_gone(holder):
        raise OutputError(
            f"{held}: {subject} is being written by {who}. Wait until it has ended, or stop it."
        )
    if not break_lock:
        state = "That process is gone" if here else "Whether that process lives cannot be seen from here"
        raise OutputError(
            f"{held}: {subject} is locked by {who}. {state}. If it has ended, give --break-lock."
        )
    # A new file has a lock of its own; the stale one stays with the old.
    if held.suffix == OWNER or _is_still(handle, held):
        held.unlink(missing_ok=True)


def _create_owner(owner: Path) -> bool:
    try:
        handle = os.open(owner, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        if not _is_gone(_read_holder(owner)):
            return False
        # Of two that find a dead one, the one whose renaming works takes its place.
        aside = owner.with_name(f"{owner.name}.{os.getpid()}{PARTIAL}")
        with suppress(FileNotFoundError):
            os.replace(owner, aside)
            aside.unlink()
        return _create_owner(owner)
    try:
        _write_record(handle)
    finally:
        os.close(handle)
    return True


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666)


def _is_still(handle: int, path: Path) -> bool:
    # Between the opening and the locking another may have put a new file there.
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _write_record(handle: int) -> None:
    record = Holder(
        socket.gethostname(),
        os.getpid(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        _read_start(os.getpid()),
    )
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, json.dumps(asdict(record)).encode())
    os.fsync(handle)


def _read_holder(path: Path) -> Holder | None:
    deadline = time.monotonic() + _RECORD_S
    while True:
        try:
            return Holder(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            if time.monotonic() >= deadline:
                return None
        time.sleep(_POLL_S)


def _is_gone(holder: Holder | None) -> bool:
    """Return whether the holder is known to be dead: on this machine, and not among its processes."""
    if holder is None or holder.host != socket.gethostname() or os.name == "nt":
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, ValueError, TypeError):
        return False
    start = _read_start(holder.pid)
    return bool(start and holder.start) and start != holder.start


def _read_start(pid: int) -> str:
    """Return when a process started, as its system words it, or an empty text."""
    with suppress(OSError, IndexError):
        # Field 22 of proc(5); the name, field 2, may hold blanks and ends with the last bracket.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    if os.name == "posix":
        with suppress(OSError, subprocess.SubprocessError):
            call = ["ps", "-o", "lstart=", "-p", str(pid)]
            return subprocess.run(call, capture_output=True, text=True, timeout=5).stdout.strip()
    return ""


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> Literal["free", "held", "none"]:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _HELD:
                return "held"
            raise
        return "free"

else:
    import fcntl

    def _lock(handle: int) -> Literal["free", "held", "none"]:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                return "held"
            if error.errno in _NO_LOCKS:
                return "none"
            raise
        return "free"
