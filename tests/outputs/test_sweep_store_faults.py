"""Rows 106, 108 and 110 of the fault table: full disks, and stores that were cut short or damaged."""

import errno
import os
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from exsim.errors import InputError, OutputError
from exsim.outputs.sweep_reading import open_sweep
from exsim.outputs.sweep_store import open_writer

from .sweep_stores import IDENTITY, SMALL, Failing, layout_of, stored, sweep, values_of


def test_row_106_too_full_a_disk_is_refused_before_the_sweep_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"needs [\d,]+ bytes and the disk has [\d,]+ free") as caught:
        sweep(tmp_path / "runs" / "a", layout_of(draws=10**17))
    assert caught.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []


def attempt(folder: Path) -> str:
    """Make a sweep and return what was said when it failed, or an empty text."""
    try:
        sweep(folder, SMALL)
    except OutputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_row_106_after_a_failure_at_any_call_what_is_whole_is_readable_and_resume_goes_on(
    tmp_path, monkeypatch, code
):
    sweep(tmp_path / "undisturbed", SMALL)
    undisturbed = stored(tmp_path / "undisturbed")
    failing = Failing(monkeypatch, OSError(code, os.strerror(code)))
    failures, unfinished = 0, 0
    for failing.left in range(1000):
        folder = tmp_path / str(failing.left)
        message = attempt(folder)
        failing.left = None
        if not message:
            break
        failures += 1
        assert "could not be written" in message
        done = 0
        if (folder / "sweep.zarr" / "zarr.json").exists():
            ds = open_sweep(folder)
            done = ds.attrs["batches_done"]
            for batch in range(done):
                draws = SMALL.draws_of(batch)
                expected = values_of(SMALL, batch)["IL6_peak"]
                np.testing.assert_array_equal(ds.IL6_peak[draws.start : draws.stop], expected)
            if code == errno.ENOSPC and done:
                assert re.search(r"[\d,]+ bytes needed, [\d,]+ free", message)
        unfinished += done == 1
        assert sweep(folder, SMALL, resume=True)
        assert stored(folder) == undisturbed
    assert failures > 40
    assert unfinished > 5


def test_row_106_a_batch_that_failed_can_be_tried_again_by_the_same_writer(
    tmp_path, monkeypatch, undisturbed
):
    failing = Failing(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with open_writer(tmp_path / "a", layout_of(), IDENTITY) as writer:
        for batch in writer.missing_batches():
            for failing_call in range(1000):
                failing.left = failing_call
                try:
                    writer.write(batch, values_of(writer.layout, batch))
                    break
                except OutputError:
                    failing.left = None
                    assert batch in writer.missing_batches()
                finally:
                    failing.left = None
        assert writer.is_complete()
    assert stored(tmp_path / "a") == undisturbed
    sweep(tmp_path / "a", resume=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc what a handle is of")
def test_row_108_a_chunk_is_flushed_and_renamed_before_its_line_is_written(tmp_path, monkeypatch):
    events, lock = [], threading.Lock()
    calls = {name: getattr(os, name) for name in ("fsync", "replace", "write")}

    def watch(name, target):
        def call(*args):
            what = str(args[1]) if name == "replace" else os.readlink(f"/proc/self/fd/{args[0]}")
            with lock:
                events.append((name, what))
            return target(*args)

        return call

    with open_writer(tmp_path / "a", layout_of(), IDENTITY) as writer:
        for name, target in calls.items():
            monkeypatch.setattr(os, name, watch(name, target))
        writer.write(2, values_of(writer.layout, 2))
        monkeypatch.undo()
    array = tmp_path / "a" / "sweep.zarr" / "IL6_peak"
    journal = tmp_path / "a" / "journal" / "shard-1-of-1.jsonl"
    wanted = [
        ("fsync", f"{array}/c.2.partial"),
        ("replace", f"{array}/c.2"),
        ("fsync", str(array)),
        ("write", str(journal)),
        ("fsync", str(journal)),
    ]
    assert [event for event in events if event in wanted] == wanted
    assert events[-2:] == wanted[-2:]


def test_row_108_a_chunk_without_a_line_is_made_again(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=2)
    journal = tmp_path / "a" / "journal" / "shard-1-of-1.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    with open_writer(tmp_path / "a", layout_of(), IDENTITY, resume=True) as writer:
        assert writer.missing_batches() == (1, 2, 3)
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone"])
@pytest.mark.parametrize("name", ["IL6_peak/c.1", "IL6_percentiles/c.1.0.0"])
def test_row_110_a_damaged_chunk_is_found_on_resume_and_made_again(tmp_path, undisturbed, damage, name):
    sweep(tmp_path / "a")
    path = tmp_path / "a" / "sweep.zarr" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    shorter = {"flipped": content, "cut": content[:-3], "empty": b""}
    path.unlink() if damage == "gone" else path.write_bytes(shorter[damage])
    with open_writer(tmp_path / "a", layout_of(), IDENTITY, resume=True) as writer:
        assert writer.missing_batches() == (1,)
        assert not writer.is_complete()
        assert open_sweep(tmp_path / "a").attrs["batches_done"] == 3
        writer.write(1, values_of(writer.layout, 1))
        assert writer.is_complete()
    assert stored(tmp_path / "a") == undisturbed
    sweep(tmp_path / "a", resume=True)


@pytest.mark.parametrize("name", ["zarr.json", "IL6_peak/zarr.json", "time/c.0"])
@pytest.mark.parametrize("damage", [b"", b'{"zarr_format": 3}', None])
def test_row_110_damaged_metadata_are_written_again_on_resume(tmp_path, undisturbed, name, damage):
    sweep(tmp_path / "a", batches=1)
    path = tmp_path / "a" / "sweep.zarr" / name
    path.unlink() if damage is None else path.write_bytes(damage)
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_row_110_a_broken_journal_is_refused_with_a_way_out_that_works(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=3)
    journal = tmp_path / "a" / "journal" / "shard-1-of-1.jsonl"
    content = bytearray(journal.read_bytes())
    content[content.index(b'"batch":0')] ^= 1
    journal.write_bytes(content)
    for _ in range(2):
        with pytest.raises(InputError, match=r"jsonl:2\n  the line is damaged\n  delete this journal"):
            sweep(tmp_path / "a", resume=True)
    journal.unlink()
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_row_110_a_last_line_that_was_cut_is_dropped_at_any_length(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=2)
    journal = tmp_path / "a" / "journal" / "shard-1-of-1.jsonl"
    content = journal.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for length in [*range(last, len(content), 97), len(content) - 1]:
        journal.write_bytes(content[:length])
        with open_writer(tmp_path / "a", layout_of(), IDENTITY, resume=True) as writer:
            assert writer.missing_batches() == (1, 2, 3)
            writer.write(1, values_of(writer.layout, 1))
        assert journal.read_bytes() == content
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_row_110_a_journal_of_another_sweep_is_refused(tmp_path):
    sweep(tmp_path / "a", batches=1)
    sweep(tmp_path / "b", layout_of(2 * 4096))
    name = Path("journal") / "shard-1-of-1.jsonl"
    (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    with pytest.raises(InputError, match="belongs to another sweep"):
        sweep(tmp_path / "a", resume=True)


def test_row_110_a_damaged_identity_is_refused_and_can_be_overwritten(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=1)
    identity = tmp_path / "a" / "journal" / "identity.json"
    identity.write_bytes(identity.read_bytes().replace(b'"seed": 7', b'"seed": 8'))
    with pytest.raises(InputError, match=r"is damaged(?s:.)*--overwrite"):
        sweep(tmp_path / "a", resume=True)
    with pytest.raises(InputError, match="is damaged"):
        open_sweep(tmp_path / "a")
    assert sweep(tmp_path / "a", overwrite=True)
    assert stored(tmp_path / "a") == undisturbed
