"""Rows 111 to 125 of the fault table: what is in a folder already, and what is let into a store."""

import ast
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exsim.errors import InputError, OutputError
from exsim.outputs import files
from exsim.outputs.sweep_layout import Layout
from exsim.outputs.sweep_reading import open_sweep
from exsim.outputs.sweep_store import hold_folder, open_writer

from .sweep_stores import ARRAYS, DRAWS, IDENTITY, layout_of, stored, sweep, values_of


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
