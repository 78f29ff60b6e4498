"""`exsim simulate`: what it prints, what it leaves behind, and terminals of every kind."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from exsim.cli import main

HEAD = 'schema = 1\nmodel = "{model}"\n[output]\nuntil = "2 h"\nevery = "30 min"\n'
DECAY = "model m\n  species A, B; A = 1; B = 0; J: A -> B; k*A; k = 1;\nend\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder with a config of a shipped model and one of a model without card."""
    (tmp_path / "rest.toml").write_text(HEAD.format(model="two_compartment"))
    (tmp_path / "loose.toml").write_text(HEAD.format(model="decay.ant"))
    (tmp_path / "decay.ant").write_text(DECAY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_exit_6_and_leaves_no_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["simulate", "rest.toml", "--device", "gpu"]) == 6
    assert "sees no GPU" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_a_run_that_cannot_be_solved_leaves_no_folder(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["simulate", "rest.toml", "--set", "solver.max_steps=1"]) == 5
    assert sorted(folder.rglob("*")) == before


def test_a_folder_that_was_there_stays(folder: Path) -> None:
    (folder / "runs").mkdir()
    assert main(["simulate", "rest.toml", "--set", "solver.max_steps=1"]) == 5
    assert list((folder / "runs").iterdir()) == []


def test_a_model_without_observables_is_summed_up_by_its_states(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "loose.toml"]) == 0
    first, header, *rows = capsys.readouterr().out.splitlines()
    assert first == "The model names no observables: these are its states."
    assert header.split()[:3] == ["analyte", "unit", "baseline"]
    assert [row.split()[0] for row in rows[:2]] == ["A", "B"]
    with open(folder / "runs" / "loose" / "summary.csv", newline="") as file:
        assert [row["analyte"] for row in csv.DictReader(file)] == ["A", "B"]


def test_quiet_prints_nothing_and_the_record_keeps_the_warnings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "loose.toml", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads((folder / "runs" / "loose" / "run.json").read_text())["warnings"]


def test_the_record_has_the_title_and_a_real_run_makes_a_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_question = "# How fast does it go?\n" + (folder / "rest.toml").read_text()
    (folder / "rest.toml").write_text(with_question)
    assert main(["simulate", "rest.toml", "--quiet"]) == 0
    record = json.loads((folder / "runs" / "rest" / "run.json").read_text())
    assert record["title"] == "How fast does it go?"
    assert main(["report", "runs/rest"]) == 0
    page = (folder / "runs" / "rest" / "report.html").read_text(encoding="utf-8")
    assert "<h1>How fast does it go?</h1>" in page
    assert page.count('src="data:image/png;base64,') == 1


# ---- terminals -----------------------------------------------------------------------------------


def _shell(folder: Path, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = line.replace("exsim", f"{shlex.quote(sys.executable)} -m exsim")
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "line",
    [
        "exsim check rest.toml loose.toml | head -1",
        "exsim check rest.toml | true",
        "exsim simulate rest.toml loose.toml | head -1",
        "exsim simulate rest.toml loose.toml | true",
        "exsim check rest.toml >&-",
        "exsim models il6_axis | head -1",
        "exsim --help | true",
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_row_122_a_reader_that_goes_away_is_no_error(folder: Path, line: str, unbuffered: str) -> None:
    done = _shell(folder, line, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_row_122_a_full_disk_behind_stdout_is_exit_6(folder: Path, unbuffered: str) -> None:
    done = _shell(folder, "exsim check rest.toml > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 6
    assert done.stderr == "exsim: what it prints could not be written: No space left on device\n"


@pytest.mark.parametrize("command", ["check rest.toml", "simulate rest.toml", "models", "doctor"])
def test_row_122_output_is_plain_in_a_narrow_terminal_without_colour(folder: Path, command: str) -> None:
    done = _shell(folder, f"exsim {command}", COLUMNS="20", NO_COLOR="1", TERM="dumb")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    # The table of a run keeps its rows whole: a file or a pager shows them.
    assert not any(line.endswith("\\") for line in done.stdout.splitlines())
