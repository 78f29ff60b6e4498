"""FAULTS.md, sweeps that are ended by a signal, killed or shared: by real processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exsim.cli import main

Chunks = Callable[[Path], dict[str, bytes]]
Start = Callable[..., "subprocess.Popen[str]"]
Wait = Callable[..., None]


CALL = ["sweep", "sweep.toml", "--out", "out", "--set", "sweep.draws=9000"]
BUSY = ["sweep", "busy.toml", "--out", "out"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the busy sweep made without a disturbance, by the real command."""
    from .conftest import write_sweeps

    folder = tmp_path_factory.mktemp("undisturbed")
    write_sweeps(folder)
    call = [sys.executable, "-m", "exsim", *BUSY, "--quiet"]
    subprocess.run(call, cwd=folder, check=True, timeout=400)
    return folder / "out"


@pytest.mark.usefixtures("sweeps")
def test_row_107_a_sweep_that_is_killed_is_gone_on_with(
    undisturbed: Path, start: Start, wait_for_batches: Wait, chunks: Chunks
) -> None:
    process = start(*BUSY, "--quiet")
    wait_for_batches(process, Path("out"), 2)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert main([*BUSY, "--quiet"]) == 3
    again = start(*BUSY, "--quiet", "--resume")
    assert (again.wait(400), again.communicate()) == (0, ("", ""))
    assert chunks(Path("out")) == chunks(undisturbed)


@pytest.mark.usefixtures("sweeps")
def test_row_109_sigterm_ends_within_ten_seconds_and_resume_goes_on(
    undisturbed: Path, start: Start, wait_for_batches: Wait, chunks: Chunks
) -> None:
    process = start(*BUSY)
    wait_for_batches(process, Path("out"), 2)
    process.terminate()
    began = time.monotonic()
    assert process.wait(60) == 143
    assert time.monotonic() - began < 10
    printed = process.communicate()
    assert "Traceback" not in printed[1]
    assert "exsim: terminated; nothing half-written was left, and --resume goes on" in printed[1]
    assert not Path("out/run.json").exists()
    again = start(*BUSY, "--quiet", "--resume")
    assert (again.wait(400), again.communicate()) == (0, ("", ""))
    assert chunks(Path("out")) == chunks(undisturbed)


@pytest.fixture
def endless(sweeps: Path) -> list[str]:
    """Return the call of a sweep of which one block takes hours."""
    text = (sweeps / "busy.toml").read_text().replace("[900, 1000]", "[9e8, 1e9]")
    (sweeps / "endless.toml").write_text(text.replace('"tsit5"', '"tsit5"\nmax_steps = 100_000_000'))
    # Steps as they come: the pilot of `auto` would be as long.
    return ["sweep", "endless.toml", "--out", "out", "--set", "sweep.stepping='shared'", "--quiet"]


def _inside_a_block(process: subprocess.Popen[str], folder: Path) -> None:
    # The journal is there before the first block is begun, which then ends no more.
    deadline = time.monotonic() + 240
    while not (folder / "journal" / "shard-1-of-1.jsonl").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(3)
    assert process.poll() is None, process.communicate()


def test_row_109_sigterm_ends_within_ten_seconds_though_a_block_takes_hours(
    endless: list[str], start: Start
) -> None:
    process = start(*endless)
    _inside_a_block(process, Path("out"))
    process.terminate()
    began = time.monotonic()
    assert process.wait(60) == 143
    assert time.monotonic() - began < 10
    assert "Traceback" not in process.communicate()[1]


def test_row_121_a_second_sigint_ends_at_once_though_a_block_takes_hours(
    endless: list[str], start: Start
) -> None:
    process = start(*endless)
    _inside_a_block(process, Path("out"))
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait(60) == 130
    assert time.monotonic() - began < 2
    printed = process.communicate()
    assert "Traceback" not in printed[1]
    assert "stopped at once" in printed[1]


@pytest.mark.usefixtures("sweeps")
@pytest.mark.parametrize("second", [False, True], ids=["once", "twice"])
def test_row_121_after_sigint_once_or_twice_the_sweep_can_be_gone_on_with(
    undisturbed: Path, start: Start, wait_for_batches: Wait, chunks: Chunks, second: bool
) -> None:
    process = start(*BUSY)
    wait_for_batches(process, Path("out"), 1)
    process.send_signal(signal.SIGINT)
    if second:
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    printed = process.communicate()[1]
    assert "Traceback" not in printed
    assert not Path("out/run.json").exists()
    if not second:
        assert "exsim: interrupted; nothing half-written was left, and --resume goes on" in printed
        assert not list(Path("out").rglob("*.partial"))
    again = start(*BUSY, "--quiet", "--resume")
    assert (again.wait(400), again.communicate()) == (0, ("", ""))
    assert chunks(Path("out")) == chunks(undisturbed)


def _lines(folder: str) -> int:
    """Return how many batches the journal of the one shard has."""
    journal = Path(folder) / "journal" / "shard-1-of-1.jsonl"
    return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else -1


@pytest.mark.slow
@pytest.mark.usefixtures("sweeps")
def test_a_sweep_killed_at_20_random_moments_has_the_bytes_of_one_never_killed(
    undisturbed: Path, start: Start, chunks: Chunks
) -> None:
    """Seed 20; moments lie evenly over the first half of the solving, every fifth one before it."""
    chance, wanted = random.Random(20), 20
    process = start("sweep", "busy.toml", "--out", "timed", "--quiet")
    began = time.monotonic()
    while _lines("timed") < 0:
        time.sleep(0.01)
    first_s, began = time.monotonic() - began, time.monotonic()
    while _lines("timed") < 12:
        time.sleep(0.01)
    lasts_s = time.monotonic() - began
    assert process.wait(600) == 0
    kills, midway, sweeps = 0, 0, 0
    while kills < wanted:
        folder = f"out{sweeps}"
        process = start("sweep", "busy.toml", "--out", folder, "--quiet", "--resume")
        if kills % 5 == 4:
            time.sleep(chance.uniform(0, first_s))
        else:
            before = _lines(folder)
            # A journal that is there is older: the next batch says that it is gone on with.
            while process.poll() is None and _lines(folder) <= before and before < 12:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.5 * lasts_s))
        process.kill()
        code = process.wait()
        if code == -signal.SIGKILL:
            kills += 1
            midway += 0 < _lines(folder) < 12
        assert code in (0, -signal.SIGKILL), process.communicate()
        if _lines(folder) >= 12:
            last = start("sweep", "busy.toml", "--out", folder, "--quiet", "--resume")
            assert (last.wait(600), last.communicate()) == (0, ("", ""))
            assert chunks(Path(folder)) == chunks(undisturbed)
            sweeps += 1
    last = start("sweep", "busy.toml", "--out", folder, "--quiet", "--resume")
    assert (last.wait(600), last.communicate()) == (0, ("", ""))
    assert chunks(Path(folder)) == chunks(undisturbed)
    Path("told.txt").write_text(f"{kills} kills, {midway} midway, {sweeps + 1} sweeps, {lasts_s:.1f} s each")
    assert midway >= wanted // 4


@pytest.mark.slow
@pytest.mark.usefixtures("sweeps")
def test_four_shards_in_any_order_killed_or_at_once_have_the_bytes_of_one_run(
    undisturbed: Path, start: Start, chunks: Chunks
) -> None:
    for folder, order in (("one", "3142"), ("two", "4321")):
        for index in order:
            call = ["sweep", "busy.toml", "--out", folder, "--quiet", "--shard", f"{index}/4"]
            if index == "1":
                process = start(*call)
                journal = Path(folder) / "journal" / "shard-1-of-4.jsonl"
                while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
                    assert process.poll() is None
                    time.sleep(0.01)
                process.kill()
                process.wait()
                call.append("--resume")
            process = start(*call)
            assert (process.wait(600), process.communicate()) == (0, ("", ""))
        assert chunks(Path(folder)) == chunks(undisturbed)
    together = [
        start("sweep", "busy.toml", "--out", "all", "--quiet", "--shard", f"{n}/4") for n in (1, 2, 3, 4)
    ]
    assert [process.wait(600) for process in together] == [0] * 4
    assert chunks(Path("all")) == chunks(undisturbed)
    assert Path("all/run.json").exists()
