"""`exsim sample`: what it leaves and prints, how it ends, and how it goes on after a kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from exsim.cli import main

Start = Callable[..., "subprocess.Popen[str]"]

RISE = """model rise
  unit time_unit = 3600 second;
  y = 0; release = 4; share = 0.5; k = 0.7;
  y' = release * share - k * y;
end
"""
SAMPLE = """# What do six samples tell of release and decay?
schema = 1
model = "rise.ant"
[data]
file = "rise.csv"
[[observable]]
analyte = "y"
noise = "lognormal"
sd = 0.1
[fit]
free = ["release", "k"]
starts = 4
seed = 3
[[fit.parameter]]
name = "release"
lower = 0.1
upper = 100.0
[[fit.parameter]]
name = "k"
lower = 0.01
upper = 20.0
[sample]
chains = 4
warmup = 200
draws = 250
stress = 64
"""


def _write(folder: Path) -> None:
    (folder / "rise.ant").write_text(RISE)
    (folder / "rise.toml").write_text(SAMPLE)
    times = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
    noise = (1.05, 0.93, 1.02, 1.08, 0.97, 0.99)
    lines = ["subject,condition,time,time_unit,analyte,value,unit"]
    for time_h, factor in zip(times, noise, strict=True):
        value = 2.0 / 0.7 * -np.expm1(-0.7 * time_h) * factor
        lines.append(f"S1,rest,{time_h},h,y,{value:.5g},dimensionless")
    (folder / "rise.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with something to sample in `rise.toml`."""
    _write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_it_leaves_a_posterior_a_table_pictures_and_a_record(folder: Path, capsys) -> None:
    assert main(["sample", "rise.toml"]) == 0
    out = folder / "runs" / "rise"
    wanted = {"posterior.nc", "summary.csv", "bands.png", "trace.png", "pairs.png", "prior_posterior.png"}
    assert wanted | {"run.json"} == {item.name for item in out.iterdir()}
    found = _table(out / "summary.csv")
    for name, truth in {"release": 4.0, "k": 0.7}.items():
        assert float(found[name]["lower"]) < truth < float(found[name]["upper"])
    record = json.loads((out / "run.json").read_text())
    assert (record["command"], record["seed"]) == ("sample", 3)
    printed = capsys.readouterr().out
    assert "0 divergences after warm-up" in printed
    assert "64 draws from the prior: every solve succeeded" in printed
    with xr.open_dataset(out / "posterior.nc", group="posterior", engine="h5netcdf") as ds:
        assert ds["release"].shape == (4, 250)


def test_row_101_too_few_draws_are_exit_7_and_the_report_starts_with_it(folder: Path, capsys) -> None:
    assert main(["sample", "rise.toml", "--set", "sample.draws=20", "--set", "sample.warmup=100"]) == 7
    printed = capsys.readouterr().out
    assert printed.lstrip().startswith("NOT TO BE TRUSTED")
    assert "too few effective draws" in printed.split("\n\n")[0]
    assert (folder / "runs" / "rise" / "posterior.nc").exists()


#: Some hundreds of short calls: sampling that lasts some seconds.
LONG = ["sample", "rise.toml", "--quiet", "--set", "sample.draws=4000"]


def _journal(process: subprocess.Popen[str], path: Path, at_least: int) -> None:
    deadline = time.monotonic() + 240
    while not path.exists() or path.stat().st_size < at_least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return the posterior and the table of the long run made without a disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    _write(folder)
    subprocess.run([sys.executable, "-m", "exsim", *LONG], cwd=folder, check=True, timeout=400)
    return _numbers(folder / "runs" / "rise")


def _numbers(out: Path) -> tuple[bytes, bytes]:
    return (out / "posterior.nc").read_bytes(), (out / "summary.csv").read_bytes()


def test_row_104_what_is_killed_goes_on_to_the_same_bytes(
    folder: Path, start: Start, undisturbed: tuple[bytes, bytes], capsys
) -> None:
    out = folder / "runs" / "rise"
    process = start(*LONG)
    _journal(process, out / "sample.journal", 200_000)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (out / "run.json").exists()
    assert main(LONG) == 3
    assert "--resume" in capsys.readouterr().err
    assert main([*LONG, "--resume", "--set", "sample.seed=4"]) == 3
    assert "what was begun here is another one" in capsys.readouterr().err
    again = start(*LONG, "--resume")
    assert (again.wait(400), again.communicate()) == (0, ("", ""))
    assert _numbers(out) == undisturbed
    assert not (out / "sample.journal").exists()


def test_row_103_ctrl_c_leaves_the_draws_that_are_there_and_resume_goes_on(
    folder: Path, start: Start, undisturbed: tuple[bytes, bytes]
) -> None:
    out = folder / "runs" / "rise"
    process = start(*[item for item in LONG if item != "--quiet"])
    _journal(process, out / "sample.journal", 300_000)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    printed = process.communicate()
    assert "Traceback" not in printed[1]
    if (out / "posterior.nc").exists():
        # Whole or not at all: where writing took longer than a clean end may, the journal has them.
        assert "go on with --resume" in printed[0]
        assert "of 4000 draws" in printed[0]
    again = start(*LONG, "--resume")
    assert (again.wait(400), again.communicate()) == (0, ("", ""))
    assert _numbers(out) == undisturbed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_exit_6(folder: Path, capsys) -> None:
    (folder / "runs").mkdir(mode=0o500)
    assert main(["sample", "rise.toml"]) == 6
    assert "could not be written" in capsys.readouterr().err
