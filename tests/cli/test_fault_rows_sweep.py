"""FAULTS.md, sweeps: each row through the command, with real processes where the row is about them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exsim.cli import main, sweep
from exsim.jax_setup import jax
from exsim.outputs import files
from exsim.outputs.sweep_reading import open_sweep
from exsim.sweeping import running

Chunks = Callable[[Path], dict[str, bytes]]
Start = Callable[..., "subprocess.Popen[str]"]
Wait = Callable[..., None]

#: Three batches of the small sweep, in the folder "out".
CALL = ["sweep", "sweep.toml", "--out", "out", "--set", "sweep.draws=9000"]
BUSY = ["sweep", "busy.toml", "--out", "out"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, chunks: Chunks) -> dict[str, bytes]:
    """Return the bytes of the small sweep of three batches."""
    from .conftest import write_sweeps

    folder = tmp_path_factory.mktemp("whole")
    write_sweeps(folder)
    call = ["sweep", str(folder / "sweep.toml"), "--out", str(folder / "out"), "--set", "sweep.draws=9000"]
    assert main([*call, "--quiet"]) == 0
    return chunks(folder / "out")


def _plain(printed: Any) -> str:
    assert "Traceback" not in printed.err
    assert "bug" not in printed.err
    return printed.err


# ---- the input --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sweeps")
@pytest.mark.parametrize(
    ("row", "vary", "said"),
    [
        (13, [("protocol.bout.1.start", '["30 min", "2 h"]')], "overlap"),
        (13, [("protocol.bout.1.duration", '["1 h", "9 h"]')], "9"),
        (14, [("protocol.bout.0.intensity", "[0.5, 1.2]")], "1.2"),
        (9, [("protocol.bout.0.duration", '["0 h", "1 h"]')], "duration"),
        (6, [("protocol.bout.0.duration", '["1 kg", "2 kg"]')], "kg"),
        (7, [("protocol.bout.0.duration", "[1, 2]")], "unit"),
        (15, [("parameter.relase_gain", "[1, 2]")], "release_gain"),
        (17, [("parameter.release_gain", '["9 ng/h/kg", "1 ng/h/kg"]')], "9"),
    ],
)
def test_row_13_14_and_their_like_a_range_that_no_run_could_have_is_exit_3_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: int, vary: list[tuple[str, str]], said: str
) -> None:
    text = """schema = 1
model = "il6_axis"
[[protocol.bout]]
start = "0 h"
duration = "1 h"
intensity = 0.5
[[protocol.bout]]
start = "3 h"
duration = "1 h"
intensity = 0.5
[output]
until = "8 h"
[sweep]
draws = 10
"""
    text += "".join(f'[[sweep.vary]]\ntarget = "{target}"\nrange = {span}\n' for target, span in vary)
    (tmp_path / "wrong.toml").write_text(text + '[sweep.metrics]\nIL6 = ["peak"]\n')
    before = sorted(tmp_path.rglob("*"))
    assert main(["sweep", "wrong.toml"]) == 3
    complaint = _plain(capsys.readouterr())
    assert "wrong.toml:" in complaint
    assert said in complaint
    assert sorted(tmp_path.rglob("*")) == before


# ---- draws ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sweeps")
def test_row_85_draws_that_fail_leave_the_others_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "grows.toml", "--out", "out"]) == 0
    _plain(capsys.readouterr())
    with open_sweep(Path("out")) as ds:
        k, done = ds["parameter.k"].values, ds["status"].values == 0
        np.testing.assert_allclose(ds["y_peak"].values[done], 1 / (1 - 4 * k[done]), rtol=1e-3)
        assert 0 < done.sum() < 300


@pytest.mark.usefixtures("sweeps")
def test_row_88_memory_that_is_short_once_changes_no_byte(
    whole: dict[str, bytes], chunks: Chunks, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = running.solve_block, []

    def short(task: Any, numbers: Any) -> Any:
        calls.append(None)
        if len(calls) <= 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")
        return real(task, numbers)

    monkeypatch.setattr(running, "solve_block", short)
    assert main([*CALL, "--quiet"]) == 0
    assert len(calls) >= 4
    assert chunks(Path("out")) == whole


@pytest.mark.usefixtures("sweeps")
def test_row_88_memory_that_stays_short_is_exit_6_and_resume_goes_on(
    whole: dict[str, bytes],
    chunks: Chunks,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real, calls = running.solve_block, []

    def short(task: Any, numbers: Any) -> Any:
        calls.append(None)
        if len(calls) > 2:
            raise MemoryError("out of memory")
        return real(task, numbers)

    with monkeypatch.context() as patch:
        patch.setattr(running, "solve_block", short)
        assert main([*CALL, "--quiet"]) == 6
    complaint = _plain(capsys.readouterr())
    assert "memory is too short" in complaint
    assert "--resume" in complaint
    assert not Path("out/run.json").exists()
    assert main([*CALL, "--quiet", "--resume"]) == 0
    assert chunks(Path("out")) == whole


# ---- the disk -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sweeps")
def test_row_106_a_disk_that_is_too_full_is_exit_6_before_a_draw_is_computed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Usage)
    monkeypatch.setattr(sweep, "_make_batches", lambda *_: pytest.fail("it was computed"))
    assert main([*CALL, "--set", "sweep.draws=1_000_000"]) == 6
    complaint = _plain(capsys.readouterr())
    assert "1,000 free" in complaint
    assert "needs" in complaint
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("sweeps")
@pytest.mark.parametrize("number", [0, 3, 9, 14, 21])
def test_row_106_a_disk_that_fills_up_is_exit_6_and_resume_goes_on(
    whole: dict[str, bytes],
    chunks: Chunks,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    real, calls, lock = files.write_through, [], threading.Lock()

    def full(path: Path, content: Any) -> None:
        with lock:
            calls.append(path)
            late = len(calls) > number
        if late:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_through", full)
        assert main([*CALL, "--quiet"]) == 6
    assert "No space left" in _plain(capsys.readouterr())
    assert not Path("out/run.json").exists()
    assert not list(Path().rglob("*.partial"))
    assert main([*CALL, "--quiet", "--resume"]) == 0
    assert chunks(Path("out")) == whole


# ---- what is in the folder already ----------------------------------------------------------------------


@pytest.fixture
def made(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the folder of a finished small sweep of three batches."""
    assert main([*CALL, "--quiet"]) == 0
    capsys.readouterr()
    return sweeps / "out"


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*CALL, *arguments]) == 3
    return _plain(capsys.readouterr())


def test_row_111_a_store_of_another_config_model_seed_or_device_is_never_gone_on_with(
    made: Path, chunks: Chunks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = chunks(made)
    for change, said in (
        ("sweep.draws=9001", "draws"),
        ("sweep.seed=8", "seed"),
        ("sweep.vary.0.range=[0.3, 3.1]", "vary"),
        ("solver.rtol=1e-7", "rtol"),
        ("output.every='20 min'", "every"),
        ("sweep.metrics.y=['peak']", "metrics"),
        ("solver.precision='float32'", "precision"),
    ):
        complaint = _refused(capsys, "--resume", "--set", change)
        assert said in complaint
        assert "the sweep was begun with" in complaint
    monkeypatch.setattr(sweep, "start_jax", lambda _: ("gpu: other", []))
    assert "device" in _refused(capsys, "--resume")
    monkeypatch.undo()
    os.chdir(made.parent)
    model = made.parent / "relax.ant"
    model.write_text(model.read_text().replace("1 - k", "2 - k"))
    complaint = _refused(capsys, "--resume")
    assert "relax.ant" in complaint
    assert chunks(made) == before


@pytest.mark.usefixtures("sweeps")
def test_row_112_a_second_process_is_exit_6_with_the_number_of_the_first(
    start: Start, wait_for_batches: Wait
) -> None:
    first = start(*BUSY, "--quiet")
    wait_for_batches(first, Path("out"), 1)
    first.send_signal(signal.SIGSTOP)
    try:
        second = start(*BUSY, "--resume")
        assert second.wait(120) == 6
        printed = second.communicate()
        assert f"process {first.pid}" in printed[1]
        assert "Traceback" not in printed[1]
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(400) == 0


def test_row_114_a_sweep_that_is_there_stays_unless_it_is_said_what_to_do(
    made: Path, chunks: Chunks, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}
    complaint = _refused(capsys)
    assert "--resume" in complaint
    assert "--overwrite" in complaint
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()} == before
    assert main([*CALL, "--quiet", "--set", "sweep.seed=9", "--overwrite"]) == 0
    assert json.loads((made / "run.json").read_text())["seed"] == 9


@pytest.mark.usefixtures("sweeps")
def test_row_114_a_folder_that_exsim_did_not_write_is_not_overwritten(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("years of work")
    for more in ([], ["--overwrite"]):
        _refused(capsys, *more)
        assert [path.name for path in Path("out").iterdir()] == ["thesis.txt"]


def test_row_118_other_threads_and_devices_may_go_on_other_versions_where_it_is_allowed(
    made: Path, chunks: Chunks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = chunks(made)
    journal = made / "journal" / "shard-1-of-1.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    # The last batch is not whole: its chunks are made again.
    journal.write_bytes(b"".join(lines[:-1]))
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=3"
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert main([*CALL, "--quiet", "--resume", "--set", "sweep.workers=3"]) == 0
    assert chunks(made) == before
    journal.write_bytes(b"".join(lines[:-1]))
    versions = sweep.versions()
    monkeypatch.setattr(sweep, "versions", lambda: versions | {"jax": "99.0"})
    complaint = _refused(capsys, "--resume")
    assert "99.0" in complaint
    assert versions["jax"] in complaint
    assert main([*CALL, "--quiet", "--resume", "--other-versions"]) == 0
    assert chunks(made) == before
    used = json.loads((made / "run.json").read_text())["versions_used"]
    assert [entry["jax"] for entry in used] == [versions["jax"], "99.0"]


# ---- terminals and clocks ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("sweeps")
@pytest.mark.parametrize(
    "line", ["{} | head -1", "{} | true", "{} >&-", "{} 2>&1 | true", "{} 2>&-", "{} 2>/dev/full"]
)
def test_row_122_a_reader_that_goes_away_stops_no_sweep(line: str) -> None:
    call = f"{sys.executable} -m exsim sweep sweep.toml --out out"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.format(call)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert json.loads(Path("out/run.json").read_text())["solver"]["draws"] == 300


@pytest.mark.usefixtures("sweeps")
def test_row_122_without_a_terminal_and_colour_what_is_said_is_plain(start: Start) -> None:
    process = start("sweep", "sweep.toml", COLUMNS="20", NO_COLOR="1", TERM="dumb")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "\x1b" not in out + err
    assert "\r" not in out + err


@pytest.mark.usefixtures("sweeps")
def test_row_123_a_system_clock_that_jumps_changes_no_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(10**9, 0, -(10**5)))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    assert main(["sweep", "sweep.toml", "--out", "out", "--quiet"]) == 0
    record = json.loads(Path("out/run.json").read_text())
    assert 0 < record["solver"]["draws_per_s"] < 1e9
    durations = [value for name, value in record["timing"].items() if name.endswith("_s")]
    assert durations
    assert all(0 <= value < 600 for value in durations)
