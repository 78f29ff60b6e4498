"""`exsim fit`: what it leaves and prints, how it ends, and how it goes on after a kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
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
FIT = """# What do six samples tell of release and decay?
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
starts = 6
seed = 3
[[fit.parameter]]
name = "release"
lower = 0.1
upper = 100.0
[[fit.parameter]]
name = "k"
lower = 0.01
upper = 20.0
"""
#: The same with a number that enters as a factor of another.
PRODUCT = (
    FIT.replace('"release", "k"', '"release", "share", "k"')
    + """[[fit.parameter]]
name = "share"
lower = 0.01
upper = 20.0
"""
)


def _write(folder: Path) -> None:
    (folder / "rise.ant").write_text(RISE)
    (folder / "fit.toml").write_text(FIT)
    (folder / "product.toml").write_text(PRODUCT)
    times = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
    noise = (1.05, 0.93, 1.02, 1.08, 0.97, 0.99)
    lines = ["subject,condition,time,time_unit,analyte,value,unit"]
    for time_h, factor in zip(times, noise, strict=True):
        value = 2.0 / 0.7 * -np.expm1(-0.7 * time_h) * factor
        lines.append(f"S1,rest,{time_h},h,y,{value:.5g},dimensionless")
    (folder / "rise.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with a fit in `fit.toml`."""
    _write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _numbers(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all that a fit computes: tables and arrays."""
    found = {name: (folder / name).read_bytes() for name in ("parameters.csv", "starts.csv")}
    with xr.open_dataset(folder / "fit.nc", engine="h5netcdf") as ds:
        for name, variable in ds.variables.items():
            values = np.asarray(variable.values)
            found[str(name)] = values.tobytes() if values.dtype != object else repr(values.tolist()).encode()
    return found


def test_it_leaves_tables_arrays_pictures_and_a_record(folder: Path, capsys) -> None:
    assert main(["fit", "fit.toml"]) == 0
    out = folder / "runs" / "fit"
    wanted = {"parameters.csv", "starts.csv", "fit.nc", "fit.png", "residuals.png", "waterfall.png"}
    assert wanted | {"profiles.png", "run.json"} <= {item.name for item in out.iterdir()}
    assert not list(out.glob("*.journal")) + list(out.glob("*.lock")) + list(out.glob("*.partial"))
    found = {row["parameter"]: row for row in _table(out / "parameters.csv")}
    for name, truth in {"release": 4.0, "k": 0.7}.items():
        assert float(found[name]["lower"]) < truth < float(found[name]["upper"])
        assert found[name]["identifiable"] == "identifiable"
    assert len(_table(out / "starts.csv")) == 6
    record = json.loads((out / "run.json").read_text())
    assert record["command"] == "fit"
    assert record["seed"] == 3
    assert "rise.csv" in record["input_hashes"]
    assert record["fit"]["converged"] is True
    printed = capsys.readouterr().out
    assert "6 of 6 starts agree within 0.1 of the best log density" in printed
    assert "release" in printed


def test_json_is_one_object_and_nothing_else(folder: Path, capsys) -> None:
    assert main(["fit", "fit.toml", "--json", "--set", "fit.profile=false"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["folder"] == "runs/fit"
    assert captured.err == ""


def test_a_product_is_told_as_the_product_alone(folder: Path, capsys) -> None:
    assert main(["fit", "product.toml"]) == 0
    printed = capsys.readouterr()
    assert "release * share" in printed.out
    found = {row["parameter"]: row for row in _table(folder / "runs" / "product" / "parameters.csv")}
    for name in ("release", "share"):
        assert found[name]["identifiable"].startswith("structurally not")
        assert found[name]["standard_error"] == ""
    assert found["k"]["standard_error"] != ""


def test_a_finished_fit_is_not_replaced_unless_it_is_asked_for(folder: Path, capsys) -> None:
    quick = ["fit", "fit.toml", "--quiet", "--set", "fit.profile=false"]
    assert main(quick) == 0
    before = (folder / "runs" / "fit" / "run.json").read_bytes()
    assert main(quick) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "runs" / "fit" / "run.json").read_bytes() == before
    assert main([*quick, "--overwrite"]) == 0
    assert main([*quick, "--resume"]) == 0


def test_row_94_a_budget_that_is_spent_is_exit_7_and_says_so(folder: Path, capsys) -> None:
    assert main(["fit", "fit.toml", "--set", "fit.budget='1 us'"]) == 7
    printed = capsys.readouterr().out
    assert "not converged" in printed.lower()
    assert "the budget of 1e-06 s was spent before the search ended" in printed
    record = json.loads((folder / "runs" / "fit" / "run.json").read_text())
    assert record["fit"]["converged"] is False


def test_row_92_a_density_that_is_no_number_anywhere_is_exit_5_with_the_reasons(folder: Path, capsys) -> None:
    # So few steps that no start gets through.
    more = ["--set", "solver.max_steps=3", "--set", "solver.method='tsit5'", "--set", "solver.rtol=1e-12"]
    assert main(["fit", "fit.toml", *more]) == 5
    printed = capsys.readouterr().err
    assert "the log density is a number at none of 12 starts" in printed
    assert "12 x the step budget was spent before the end" in printed
    assert "Way out" in printed
    assert not (folder / "runs" / "fit" / "run.json").exists()


def test_a_run_config_is_not_a_fit_and_says_what_is_missing(folder: Path, capsys) -> None:
    assert main(["fit", "marathon"]) == 3
    assert "[fit]" in capsys.readouterr().err


def _journal(process: subprocess.Popen[str], path: Path, at_least: int) -> None:
    deadline = time.monotonic() + 240
    while not path.exists() or path.stat().st_size < at_least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.005)


#: Many small steps of the search: a fit that lasts some seconds.
LONG = ["fit", "fit.toml", "--quiet", "--set", "fit.starts=200", "--set", "fit.optimiser='lbfgs'"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the numbers of the long fit made without a disturbance."""
    import sys

    folder = tmp_path_factory.mktemp("undisturbed")
    _write(folder)
    subprocess.run([sys.executable, "-m", "exsim", *LONG], cwd=folder, check=True, timeout=400)
    return _numbers(folder / "runs" / "fit")


@pytest.mark.parametrize("size", [40_000, 400_000])
def test_a_fit_that_is_killed_goes_on_to_the_same_bytes(
    folder: Path, start: Start, undisturbed: dict[str, bytes], capsys, size: int
) -> None:
    out = folder / "runs" / "fit"
    process = start(*LONG)
    _journal(process, out / "fit.journal", size)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (out / "run.json").exists()
    assert main(LONG) == 3
    assert "--resume" in capsys.readouterr().err
    again = start(*LONG, "--resume")
    assert (again.wait(400), again.communicate()) == (0, ("", ""))
    assert _numbers(out) == undisturbed
    assert not (out / "fit.journal").exists()


def test_an_interrupted_fit_says_that_resume_goes_on(folder: Path, start: Start) -> None:
    process = start(*[item for item in LONG if item != "--quiet"])
    _journal(process, folder / "runs" / "fit" / "fit.journal", 40_000)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    printed = process.communicate()[1]
    assert "exsim: interrupted; nothing half-written was left, and --resume goes on" in printed
    assert "Traceback" not in printed


def test_another_fit_is_never_gone_on_with(folder: Path, start: Start, capsys) -> None:
    process = start(*LONG)
    _journal(process, folder / "runs" / "fit" / "fit.journal", 40_000)
    process.kill()
    process.wait()
    assert main([*LONG, "--resume", "--set", "fit.seed=4"]) == 3
    assert "what was begun here is another one" in capsys.readouterr().err


def test_a_second_process_is_exit_6_with_the_number_of_the_first(folder: Path, start: Start) -> None:
    first = start(*LONG)
    _journal(first, folder / "runs" / "fit" / "fit.journal", 40_000)
    second = start(*LONG, "--resume")
    assert second.wait(120) == 6
    assert f"process {first.pid}" in second.communicate()[1]
    assert first.poll() is None
    first.kill()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_exit_6(folder: Path, capsys) -> None:
    (folder / "runs").mkdir(mode=0o500)
    assert main(["fit", "fit.toml"]) == 6
    assert "could not be written" in capsys.readouterr().err
