"""The store of a sweep: whole batches or none, one writer for each, the same bytes whatever happened."""

import ast
import errno
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from exsim.errors import InputError, OutputError
from exsim.outputs import files
from exsim.outputs.sweep_journal import read_identity
from exsim.outputs.sweep_layout import ArraySpec, Coordinate, Layout
from exsim.outputs.sweep_reading import open_sweep
from exsim.outputs.sweep_store import hold_folder, open_writer

DRAWS = 3 * 4096 + 100
ARRAYS = (
    ArraySpec("IL6_peak", "float64", units="pg/mL", long_name="highest IL6"),
    ArraySpec("IL6", "float32", ("draw", "time"), units="pg/mL"),
    ArraySpec("status", "int8"),
    ArraySpec("IL6_percentiles", "float64", ("batch", "percentile", "time"), units="pg/mL"),
    ArraySpec("batch_done", "int32", ("batch",)),
)
COORDS = (Coordinate("time", np.array([0.0, 1.5]), "h", "time"), Coordinate("percentile", np.arange(3.0)))
IDENTITY = {"seed": 7, "config": {"draws": DRAWS}, "versions": {"exsim": "0.2", "jax": "0.10.2"}}


#: Small enough to fail at each of its calls.
SMALL = Layout(4096 + 100, 4096, ARRAYS[:1] + ARRAYS[2:3])


def layout_of(batch_draws: int = 4096, draws: int = DRAWS, attributes=None) -> Layout:
    return Layout(draws, batch_draws, ARRAYS, COORDS, attributes or {"title": "A sweep", "seed": 7})


def values_of(layout: Layout, batch: int) -> dict[str, np.ndarray]:
    """Return numbers that depend on the draw alone; some draws failed, all those of batch 1 did."""
    draw = np.array(layout.draws_of(batch))
    peak = np.where(draw % 10 == 3, np.nan, np.sin(draw) + 2)
    if batch == 1:
        peak[:] = np.nan
    values = {
        "IL6_peak": peak,
        "IL6": np.stack([peak, peak / 2], axis=1).astype("float32"),
        "status": np.where(np.isnan(peak), 2, 0).astype("int8"),
        "IL6_percentiles": np.full((3, 2), float(batch)),
        "batch_done": np.array(np.isfinite(peak).sum(), "int32"),
    }
    return {spec.name: values[spec.name] for spec in layout.arrays}


def sweep(folder: Path, layout: Layout | None = None, batches: int | None = None, **options) -> bool:
    """Write the missing batches, at most so many, and return whether the store is complete."""
    with open_writer(folder, layout or layout_of(), IDENTITY, **options) as writer:
        for batch in writer.missing_batches()[:batches]:
            writer.write(batch, values_of(writer.layout, batch))
        return writer.is_complete()


def stored(folder: Path) -> dict[str, bytes]:
    store = folder / "sweep.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert sweep(folder)
    return stored(folder)


# What it is


def test_a_store_opens_with_plain_xarray_with_names_units_and_values(tmp_path):
    layout = layout_of()
    assert sweep(tmp_path / "a", layout)
    with xr.open_zarr(tmp_path / "a" / "sweep.zarr", chunks=None) as ds:
        assert dict(ds.sizes) == {"draw": DRAWS, "time": 2, "percentile": 3, "batch": 4}
        assert list(ds.data_vars) == [spec.name for spec in ARRAYS]
        assert ds.IL6_peak.attrs == {"units": "pg/mL", "long_name": "highest IL6"}
        assert ds.time.attrs["units"] == "h"
        assert ds.attrs["title"] == "A sweep"
        for batch in range(4):
            expected = values_of(layout, batch)
            draws = layout.draws_of(batch)
            for name in ("IL6_peak", "IL6", "status"):
                np.testing.assert_array_equal(ds[name][draws.start : draws.stop], expected[name])
            np.testing.assert_array_equal(ds.IL6_percentiles[batch], expected["IL6_percentiles"])
        assert ds.status.dtype == np.int8


def test_an_unfinished_store_says_how_far_it_has_come_and_marks_what_is_not_made(tmp_path):
    assert not sweep(tmp_path / "a", batches=1)
    ds = open_sweep(tmp_path / "a" / "sweep.zarr")
    assert (ds.attrs["batches"], ds.attrs["batches_done"], ds.attrs["batch_draws"]) == (4, 1, 4096)
    assert set(np.unique(ds.status[:4096])) == {0, 2}
    assert np.all(ds.status[4096:] == -1)
    assert np.all(np.isnan(ds.IL6_peak[4096:]))


def test_what_is_no_sweep_is_not_opened(tmp_path):
    with pytest.raises(InputError, match="there is no sweep here"):
        open_sweep(tmp_path)


def test_a_store_that_cannot_be_read_is_refused_with_a_way_out_that_works(tmp_path):
    sweep(tmp_path / "a")
    (tmp_path / "a" / "sweep.zarr" / "zarr.json").write_bytes(b"{}")
    with pytest.raises(InputError, match=r"the store cannot be opened(?s:.)*--resume"):
        open_sweep(tmp_path / "a")
    sweep(tmp_path / "a", resume=True)
    assert open_sweep(tmp_path / "a").attrs["batches_done"] == 4


def test_an_interrupt_in_the_middle_of_a_batch_leaves_a_sweep_that_goes_on(
    tmp_path, monkeypatch, undisturbed
):
    failing = Failing(monkeypatch, KeyboardInterrupt())

    def interrupt_at(call: int) -> None:
        with open_writer(tmp_path / "a", layout_of(), IDENTITY, resume=True) as writer:
            failing.left = call
            writer.write(0, values_of(writer.layout, 0))

    for call in range(0, 22, 3):
        with pytest.raises(KeyboardInterrupt):
            interrupt_at(call)
        failing.left = None
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_batches_written_by_threads_give_the_same_bytes(tmp_path, undisturbed):
    with open_writer(tmp_path / "a", layout_of(), IDENTITY) as writer:
        threads = [
            threading.Thread(target=writer.write, args=(batch, values_of(writer.layout, batch)))
            for batch in writer.missing_batches()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writer.missing_batches() == ()
    assert stored(tmp_path / "a") == undisturbed


def test_the_writer_needs_no_jax():
    script = "import sys, exsim.outputs.sweep_store, exsim.outputs.sweep_reading; print('jax' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


# Shards


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (3, 1, 4, 2)])
def test_four_shards_in_any_order_equal_one_run(tmp_path, undisturbed, order):
    whole = [sweep(tmp_path / "a", shard=(index, 4)) for index in order]
    assert whole == [False, False, False, True]
    assert stored(tmp_path / "a") == undisturbed


def test_a_shard_writes_its_own_batches_only(tmp_path):
    with open_writer(tmp_path / "a", layout_of(), IDENTITY, shard=(2, 3)) as writer:
        assert writer.missing_batches() == (1,)
        with pytest.raises(ValueError, match="batch 0 is not of shard 2/3"):
            writer.write(0, values_of(writer.layout, 0))


def test_another_number_of_shards_goes_on_with_what_is_there(tmp_path, undisturbed):
    sweep(tmp_path / "a", shard=(1, 4))
    with pytest.raises(InputError, match=r"sweep already \(1 of 4 batches"):
        sweep(tmp_path / "a", shard=(1, 2))
    sweep(tmp_path / "a", shard=(2, 2), resume=True)
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_a_shard_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="shard 5/4 does not exist"):
        sweep(tmp_path / "a", shard=(5, 4))


# Rows of the fault table


def test_row_106_too_full_a_disk_is_refused_before_the_sweep_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"needs [\d,]+ bytes and the disk has [\d,]+ free") as caught:
        sweep(tmp_path / "runs" / "a", layout_of(draws=10**17))
    assert caught.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []


class Failing:
    """Wraps the calls that change the disk; the n-th and all after it raise, as on a full disk."""

    def __init__(self, monkeypatch, error: BaseException):
        self.left, self.error, self.lock = None, error, threading.Lock()
        owners = {"fsync": os, "replace": os, "write": os, "mkdir": Path, "write_bytes": Path}
        for name, owner in owners.items():
            monkeypatch.setattr(owner, name, self.wrap(name, getattr(owner, name)))

    def wrap(self, name, real):
        def call(*args, **kwargs):
            with self.lock:
                if self.left is not None:
                    self.left -= 1
                failed = self.left is not None and self.left < 0
            if failed:
                if name in ("write", "write_bytes"):
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise self.error
            return real(*args, **kwargs)

        return call


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


@pytest.mark.parametrize("shard", [(1, 2), (2, 2)])
def test_row_111_a_sweep_of_something_else_is_refused_and_what_differs_is_named(tmp_path, shard):
    sweep(tmp_path / "a", shard=(1, 2), batches=1)
    before = stored(tmp_path / "a")
    other = {**IDENTITY, "seed": 8, "data": "abc", "config": {"draws": DRAWS, "model": "toy"}}
    with (
        pytest.raises(InputError) as caught,
        open_writer(tmp_path / "a", layout_of(), other, shard=shard, resume=True),
    ):
        pass
    assert [problem.key for problem in caught.value.problems] == ["config.model", "data", "seed"]
    assert "begun with 7, and this run has 8" in str(caught.value)
    assert "begun with nothing, and this run has" in str(caught.value)
    assert stored(tmp_path / "a") == before


def test_row_111_another_number_of_draws_or_arrays_is_refused(tmp_path):
    sweep(tmp_path / "a", batches=1)
    with pytest.raises(InputError, match=r"store\.draws"):
        sweep(tmp_path / "a", layout_of(draws=5000), resume=True)
    fewer = Layout(DRAWS, 4096, ARRAYS[:1])
    with pytest.raises(InputError, match=r"store\.arrays\.status"):
        sweep(tmp_path / "a", fewer, resume=True)


def test_row_114_a_store_that_is_there_needs_resume_or_overwrite(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=2)
    before = stored(tmp_path / "a")
    with pytest.raises(InputError, match=r"\(2 of 4 batches are done\)\n  give --resume .* --overwrite"):
        sweep(tmp_path / "a")
    assert stored(tmp_path / "a") == before
    with open_writer(tmp_path / "a", layout_of(), IDENTITY, overwrite=True) as writer:
        assert writer.missing_batches() == (0, 1, 2, 3)
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_row_114_resume_of_what_never_began_begins(tmp_path, undisturbed):
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_row_114_overwrite_takes_the_record_and_files_of_the_older_run_too(tmp_path, undisturbed):
    sweep(tmp_path / "a", layout_of(2 * 4096))
    with hold_folder(tmp_path / "a"):
        files.write_run(tmp_path / "a", {"summary.csv": b"old"}, {"command": "sweep"})
    (tmp_path / "a" / "notes.txt").write_bytes(b"mine")
    assert sweep(tmp_path / "a", overwrite=True)
    assert stored(tmp_path / "a") == undisturbed
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["journal", "notes.txt", "sweep.lock", "sweep.zarr"]


def test_row_114_overwrite_replaces_a_single_run(tmp_path, undisturbed):
    files.prepare_run_folder(tmp_path / "a")
    files.write_run(tmp_path / "a", {"summary.csv": b"old"}, {"command": "simulate"})
    with pytest.raises(InputError, match="holds a run already"):
        sweep(tmp_path / "a", resume=True)
    assert sweep(tmp_path / "a", overwrite=True)
    assert not (tmp_path / "a" / "run.json").exists()
    assert stored(tmp_path / "a") == undisturbed


@pytest.mark.parametrize(
    "stranger",
    ["notes.txt", "sweep.zarr/zarr.json", "journal/diary.txt", "journal"],
)
def test_row_114_a_folder_that_is_not_a_sweeps_is_left_alone(tmp_path, stranger):
    path = tmp_path / "a" / stranger
    path.parent.mkdir(parents=True)
    path.write_bytes(b"years of work")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match=r"it is (not a run|no sweep)"):
            sweep(tmp_path / "a", **options)
    assert path.read_bytes() == b"years of work"
    found = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert found == [path]


@pytest.mark.parametrize(
    "stranger", ["sweep.zarr/IL6_peak/notes.txt", "sweep.zarr/mine.csv", "journal/diary"]
)
def test_row_114_overwrite_stops_before_a_file_that_exsim_did_not_write(tmp_path, stranger):
    sweep(tmp_path / "a")
    (tmp_path / "a" / stranger).write_bytes(b"mine")
    before = stored(tmp_path / "a")
    with pytest.raises(InputError, match=r"exsim did not write this(?s:.)*move it away"):
        sweep(tmp_path / "a", overwrite=True)
    assert stored(tmp_path / "a") == before
    (tmp_path / "a" / stranger).unlink()
    assert sweep(tmp_path / "a", overwrite=True)


def test_row_114_overwrite_follows_no_link_out_of_the_store(tmp_path):
    sweep(tmp_path / "a")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "c.0").write_bytes(b"mine")
    (tmp_path / "a" / "sweep.zarr" / "linked").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="exsim did not write this"):
        sweep(tmp_path / "a", overwrite=True)
    assert (tmp_path / "precious" / "c.0").exists()


def test_row_114_one_shard_cannot_overwrite_what_the_others_wrote(tmp_path):
    sweep(tmp_path / "a", shard=(1, 2))
    before = stored(tmp_path / "a")
    with pytest.raises(InputError, match="--overwrite does not go with --shard"):
        sweep(tmp_path / "a", shard=(2, 2), overwrite=True)
    assert stored(tmp_path / "a") == before


def test_row_115_no_inodes_left_is_refused_before_the_sweep(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)

    class Full:
        f_files, f_favail = real.f_files or 1000, 20
        f_blocks, f_bfree, f_bavail, f_frsize = real.f_blocks, real.f_bfree, real.f_bavail, real.f_frsize

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    with pytest.raises(OutputError, match=r"needs 34 files and the disk can take 20 more"):
        sweep(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_row_115_a_folder_on_a_read_only_disk_is_refused_before_the_sweep(tmp_path, monkeypatch):
    # No disk can be mounted read-only here: the system's answer is put in the place of its call.
    (tmp_path / "a").mkdir()
    real = os.open

    def refuse(path, flags, *rest):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match=r"Read-only file system\. Choose a folder that you may write to"):
        sweep(tmp_path / "a")


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="needs root to become another user")
def test_row_115_a_folder_of_somebody_else_is_refused_before_the_sweep(tmp_path):
    (tmp_path / "a").mkdir(mode=0o555)
    script = (
        "import os; from pathlib import Path\n"
        "from exsim.outputs.sweep_layout import ArraySpec, Layout\n"
        "from exsim.outputs.sweep_store import open_writer\n"
        f"os.chdir({str(tmp_path)!r}); os.setuid(65534)\n"
        "open_writer(Path('a'), Layout(1, 4096, (ArraySpec('x', 'int8'),)), {}).__enter__()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "OutputError" in result.stderr, result.stderr
    assert "Permission denied" in result.stderr


@pytest.mark.parametrize("kind", ["link", "file", "device", "store", "journal", "lock"])
def test_row_116_output_that_is_a_link_a_device_or_a_file_is_refused(tmp_path, kind):
    folder = tmp_path / "a"
    (tmp_path / "target").mkdir()
    if kind == "file":
        folder.write_bytes(b"mine")
    elif kind == "link":
        folder.symlink_to(tmp_path / "target")
    elif kind == "device":
        folder = Path("/dev/null")
    else:
        folder.mkdir()
        name = {"store": "sweep.zarr", "journal": "journal", "lock": "sweep.lock"}[kind]
        (folder / name).symlink_to(tmp_path / "target")
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(InputError, match=r"is a (link|file|device)"):
            sweep(folder, **options)
    assert list((tmp_path / "target").iterdir()) == []


def test_row_117_a_batch_is_one_chunk_of_every_array(tmp_path):
    sweep(tmp_path / "a", layout_of(2 * 4096))
    for spec in ARRAYS:
        metadata = json.loads((tmp_path / "a" / "sweep.zarr" / spec.name / "zarr.json").read_bytes())
        rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        assert rows == (2 * 4096 if spec.dims[0] == "draw" else 1)
        assert [codec["name"] for codec in metadata["codecs"]] == ["bytes", "zstd"]
        assert len(list((tmp_path / "a" / "sweep.zarr" / spec.name).glob("c.*"))) == 2


@pytest.mark.parametrize("draws", [slice(0, 4095), slice(0, 0), None])
def test_row_117_anything_but_a_whole_batch_cannot_be_written(tmp_path, draws):
    with open_writer(tmp_path / "a", layout_of(), IDENTITY) as writer:
        values = values_of(writer.layout, 0)
        if draws is None:
            del values["IL6_peak"]
        else:
            values["IL6_peak"] = values["IL6_peak"][draws]
        with pytest.raises(ValueError, match="wanted"):
            writer.write(0, values)
        with pytest.raises(ValueError, match="batch 4 is not of shard"):
            writer.write(4, values)
        assert writer.missing_batches() == (0, 1, 2, 3)


def test_row_118_resume_with_another_batch_size_keeps_that_of_the_store(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=1)
    with open_writer(tmp_path / "a", layout_of(3 * 4096), IDENTITY, resume=True) as writer:
        assert writer.layout.batch_draws == 4096
    assert sweep(tmp_path / "a", layout_of(3 * 4096), resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_row_118_another_version_is_refused_unless_allowed_and_then_noted(tmp_path):
    sweep(tmp_path / "a", batches=1)
    newer = {**IDENTITY, "versions": {"exsim": "0.2", "jax": "0.12.0"}}
    with (
        pytest.raises(InputError, match=r"versions\.jax(?s:.)*go on with that version") as caught,
        open_writer(tmp_path / "a", layout_of(), newer, resume=True),
    ):
        pass
    assert [problem.key for problem in caught.value.problems] == ["versions.jax"]
    for _ in range(2):
        with open_writer(tmp_path / "a", layout_of(), newer, resume=True, other_versions=True) as writer:
            assert writer.read_versions() == [IDENTITY["versions"], newer["versions"]]


def test_row_124_a_pickle_offered_as_checkpoint_is_refused(tmp_path):
    # What protocol 4 begins with, and the call that a hostile one would make.
    pickled = b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n(S'touch owned'\ntR.\n.\n"
    for name in ("identity.json", "shard-1-of-1.jsonl"):
        folder = tmp_path / name
        sweep(folder, batches=1)
        (folder / "journal" / name).write_bytes(pickled)
        with pytest.raises(InputError, match="damaged"):
            sweep(folder, resume=True)


def test_row_124_nothing_in_exsim_reads_a_pickle(root):
    seen = 0
    for path in (root / "src" / "exsim").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
            names += [
                getattr(node, "module", None) or "",
                getattr(node, "attr", ""),
                getattr(node, "arg", ""),
            ]
            words = {part for name in names if isinstance(name, str) for part in name.split(".")}
            assert not words & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}, (
                path
            )
            assert "allow_pickle" not in words, path
            seen += 1
    assert seen > 1000


def test_row_125_leftover_partials_are_ignored_by_readers_and_removed_on_resume(tmp_path, undisturbed):
    sweep(tmp_path / "a", batches=2)
    leftovers = [
        "IL6_peak/c.2.partial",
        "IL6_percentiles/c.0.0.0.partial",
        "zarr.json.partial",
        "IL6/x.7.partial",
    ]
    for name in leftovers:
        (tmp_path / "a" / "sweep.zarr" / name).write_bytes(b"half")
    (tmp_path / "a" / "journal" / "identity.json.partial").write_bytes(b"half")
    (tmp_path / "a" / "summary.csv.partial").write_bytes(b"half")
    assert open_sweep(tmp_path / "a").attrs["batches_done"] == 2
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed
    assert not list((tmp_path / "a").rglob("*.partial"))


def test_row_125_a_shard_leaves_the_temporary_files_of_others_alone(tmp_path):
    sweep(tmp_path / "a", shard=(1, 2), batches=1)
    array = tmp_path / "a" / "sweep.zarr" / "IL6_peak"
    for name in ("c.2.partial", "c.1.partial"):
        (array / name).write_bytes(b"half")
    with open_writer(tmp_path / "a", layout_of(), IDENTITY, shard=(2, 2)):
        assert sorted(path.name for path in array.glob("*.partial")) == ["c.2.partial"]


def test_identity_is_kept_as_the_first_shard_wrote_it(tmp_path):
    sweep(tmp_path / "a", shard=(1, 2))
    first = read_identity(tmp_path / "a" / "journal")
    sweep(tmp_path / "a", shard=(2, 2))
    assert read_identity(tmp_path / "a" / "journal") == first
    assert first.content == IDENTITY
