"""Locks: the system's where it has them, and a holder that can be told apart where it has none."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exsim.errors import OutputError
from exsim.outputs import sweep_lock
from exsim.outputs.sweep_layout import ArraySpec, Layout
from exsim.outputs.sweep_lock import hold_lock
from exsim.outputs.sweep_store import open_writer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the locks of POSIX systems")

HOLD = """
import sys, time
from pathlib import Path
from exsim.outputs.sweep_lock import hold_lock
with hold_lock(Path(sys.argv[1]), "shard 1/1"):
    print("held", flush=True)
    time.sleep(60)
"""
LAYOUT = Layout(3 * 4096, 4096, (ArraySpec("status", "int8"),))


@pytest.fixture
def start():
    """Return a function that starts a Python process and waits for its first line."""
    children = []

    def begin(script: str, *args: str) -> subprocess.Popen:
        child = subprocess.Popen([sys.executable, "-c", script, *args], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout.readline() == "held\n"
        return child

    yield begin
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture
def no_locks(monkeypatch):
    """Be on a file system that has no locks."""

    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(sweep_lock.fcntl, "flock", refuse)


def record(path: Path, **changes) -> None:
    """Write what a holder leaves behind: this process, with changes."""
    own = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": "2026-11-20T08:00:00+00:00",
        "start": "",
    }
    path.write_text(json.dumps({**own, **changes}))


def gone_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def take(path: Path, **options) -> bool:
    with hold_lock(path, "shard 1/1", **options):
        return True


def test_row_112_a_second_process_is_told_host_and_number_of_the_first(tmp_path, start):
    child = start(HOLD, str(tmp_path / "a.lock"))
    wanted = rf"shard 1/1 is being written by process {child.pid} on {socket.gethostname()}, since 20"
    for break_lock in (False, True):
        with pytest.raises(OutputError, match=wanted) as caught:
            take(tmp_path / "a.lock", break_lock=break_lock)
        assert caught.value.exit_code == 6


def test_row_112_the_lock_of_a_killed_process_is_free(tmp_path, start):
    child = start(HOLD, str(tmp_path / "a.lock"))
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert take(tmp_path / "a.lock")
    assert take(tmp_path / "a.lock")


def test_row_112_two_writers_of_one_shard_and_of_shards_that_overlap(tmp_path):
    with open_writer(tmp_path / "a", LAYOUT, {}, shard=(1, 2)):
        for resume in (False, True):
            with (
                pytest.raises(OutputError, match=f"shard 1/2 is being written by process {os.getpid()} on"),
                open_writer(tmp_path / "a", LAYOUT, {}, shard=(1, 2), resume=resume),
            ):
                pass
        for shard, options in (((1, 1), {"overwrite": True}), ((1, 1), {"resume": True}), ((3, 4), {})):
            with (
                pytest.raises(OutputError, match="shard 1/2 of the same sweep is being written by process"),
                open_writer(tmp_path / "a", LAYOUT, {}, shard=shard, **options),
            ):
                pass
        with open_writer(tmp_path / "a", LAYOUT, {}, shard=(2, 2)) as other:
            assert other.missing_batches() == (1,)
    with open_writer(tmp_path / "a", LAYOUT, {}, resume=True) as writer:
        assert writer.missing_batches() == (0, 1, 2)


def test_a_lock_that_is_waited_for_is_had_when_it_is_free(tmp_path, start):
    child = start(HOLD.replace("sleep(60)", "sleep(0.3)"), str(tmp_path / "a.lock"))
    assert take(tmp_path / "a.lock", wait_s=30.0)
    assert child.wait() == 0


def test_row_113_without_locks_of_the_system_a_living_holder_is_respected(tmp_path, no_locks):
    with hold_lock(tmp_path / "a.lock", "shard 1/1"):
        for break_lock in (False, True):
            with pytest.raises(OutputError, match=f"is being written by process {os.getpid()} on"):
                take(tmp_path / "a.lock", break_lock=break_lock)
    assert take(tmp_path / "a.lock")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lock"]


@pytest.mark.parametrize("changes", [{"pid": "gone"}, {"start": "another"}])
def test_row_113_without_locks_of_the_system_a_dead_holder_on_this_machine_is_free(
    tmp_path, no_locks, changes
):
    # The number of a process that has ended, or one that was given to a later process.
    pid = {"pid": gone_pid()} if "pid" in changes else changes
    record(tmp_path / "a.lock.owner", **pid)
    assert take(tmp_path / "a.lock")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lock"]


@pytest.mark.parametrize("content", [None, b"[" * 9999])
def test_row_113_a_holder_elsewhere_or_unknown_is_refused_until_the_lock_is_broken(
    tmp_path, no_locks, content
):
    owner = tmp_path / "a.lock.owner"
    record(owner, host="node-17", pid=4711) if content is None else owner.write_bytes(content)
    who = "process 4711 on node-17, since 2026" if content is None else "a process that left no record"
    with pytest.raises(
        OutputError, match=rf"locked by {who}(?s:.)*cannot be seen from here(?s:.)*--break-lock"
    ):
        take(tmp_path / "a.lock")
    assert take(tmp_path / "a.lock", break_lock=True)


def test_row_113_a_lock_that_a_server_kept_for_a_machine_that_is_gone_can_be_broken(tmp_path, start):
    child = start(HOLD, str(tmp_path / "a.lock"))
    # As the server of a network file system keeps it: locked, and the holder is nowhere to be seen.
    record(tmp_path / "a.lock", host="node-17", pid=4711)
    with pytest.raises(OutputError, match=r"process 4711 on node-17(?s:.)*--break-lock"):
        take(tmp_path / "a.lock")
    with hold_lock(tmp_path / "a.lock", "shard 1/1", break_lock=True):
        with pytest.raises(OutputError, match=f"written by process {os.getpid()} on"):
            take(tmp_path / "a.lock")
        child.kill()
        child.wait()
        with pytest.raises(OutputError, match=f"written by process {os.getpid()} on"):
            take(tmp_path / "a.lock")


def test_row_113_a_sweep_goes_on_when_its_stale_locks_are_broken(tmp_path, no_locks):
    with open_writer(tmp_path / "a", LAYOUT, {}, shard=(1, 2)):
        pass
    record(tmp_path / "a" / "journal" / "shard-1-of-2.lock.owner", host="node-17")
    for shard in ((1, 2), (1, 1)):
        with (
            pytest.raises(OutputError, match="node-17"),
            open_writer(tmp_path / "a", LAYOUT, {}, shard=shard, resume=True),
        ):
            pass
    with open_writer(tmp_path / "a", LAYOUT, {}, resume=True, break_lock=True) as writer:
        assert len(writer.missing_batches()) == 3


def test_a_lock_is_no_way_through_a_link(tmp_path):
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "a.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError, match="could not be written"):
        take(tmp_path / "a.lock")
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_a_process_is_told_from_a_later_one_by_its_start(start, tmp_path):
    first = start(HOLD, str(tmp_path / "a.lock"))
    time.sleep(0.05)
    second = start(HOLD, str(tmp_path / "b.lock"))
    starts = [sweep_lock._read_start(pid) for pid in (os.getpid(), first.pid, second.pid)]
    assert all(starts)
    assert starts == sorted(set(starts), key=starts.index)
    assert sweep_lock._read_start(gone_pid()) == ""
