"""`exsim convert`: the file it writes passes `exsim check`; what must stay stays; nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exsim.cli import main

SHEET = (
    "Subject,IL-6 (pg/mL) pre,IL-6 (pg/mL) post,IL-6 (pg/mL) 2 h,IL10_pre,IL10_post,IL10_2h\n"
    "S01,0.9,54,12.5,<0.5,6.1,2.2\n"
    "S02,1.4,,9.8,0.7,4.4,BLQ\n"
)
TOLD = (
    "--condition", "run", "--time", "pre=-0.5", "--time", "post=end", "--time-from", "end",
    "--time-unit", "h", "--unit", "IL10=pg/mL", "--lloq", "IL10=0.5",
)  # fmt: skip


@pytest.fixture
def sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sheet.csv"
    path.write_text(SHEET, encoding="utf-8")
    return path


def _convert(*arguments: str | Path) -> int:
    return main(["convert", *map(str, arguments)])


def test_the_tidy_table_passes_check(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _convert("sheet.csv", *TOLD) == 0
    printed = capsys.readouterr()
    assert '"IL-6" is IL6' in printed.out
    assert '"2 h" is end + 2 h' in printed.out
    assert printed.out.splitlines()[-1] == "sheet_tidy.csv: 12 rows, 2 subjects, IL10, IL6"
    assert "warning: sheet.csv: 1 row without a measurement kept blank" in printed.err
    lines = (sheet.parent / "sheet_tidy.csv").read_text().splitlines()
    assert lines[0] == "subject,condition,time,time_unit,analyte,value,unit,lloq"
    assert lines[1] == "S01,run,-0.5,h,IL6,0.9,pg/mL,"
    assert lines[4] == "S01,run,-0.5,h,IL10,<0.5,pg/mL,0.5"
    assert main(["check", "sheet_tidy.csv"]) == 0
    assert "sheet_tidy.csv: data, ok" in capsys.readouterr().out


def test_what_is_not_told_ends_with_exit_code_3_and_leaves_nothing(
    sheet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _convert("sheet.csv") == 3
    said = capsys.readouterr().err
    assert "give --condition NAME" in said
    assert "--condition NAME --time pre=TIME --time post=TIME --time-from end --unit IL10=UNIT" in said
    assert os.listdir(sheet.parent) == ["sheet.csv"]


def test_json_says_what_was_made(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _convert("sheet.csv", *TOLD, "--json", "--out", "new/tidy.csv") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["file"] == "new/tidy.csv"
    assert made["rows"] == 12
    assert made["subjects"] == ["S01", "S02"]
    assert made["conditions"] == ["run"]
    assert made["analytes"] == ["IL10", "IL6"]
    assert '"IL-6" is IL6' in made["notes"]
    assert len(made["warnings"]) == 2


def test_quiet_prints_nothing(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _convert("sheet.csv", *TOLD, "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_an_earlier_table_is_replaced_only_where_that_is_asked(
    sheet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _convert("sheet.csv", *TOLD) == 0
    sheet.write_text(SHEET.replace("54", "55"), encoding="utf-8")
    assert _convert("sheet.csv", *TOLD) == 3
    assert "stands there already\n  give --overwrite" in capsys.readouterr().err
    assert ",54," in (sheet.parent / "sheet_tidy.csv").read_text()
    assert _convert("sheet.csv", *TOLD, "--overwrite") == 0
    assert ",55," in (sheet.parent / "sheet_tidy.csv").read_text()


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("sheet.csv", "it is never written over"),
        ("other.csv", "is no tidy table: it is not written over"),
        ("folder.csv", "a link or a folder stands there"),
        ("link.csv", "a link or a folder stands there"),
        ("tidy.txt", "a tidy table is a CSV file"),
    ],
)
def test_what_must_stay_stays(sheet: Path, capsys: pytest.CaptureFixture[str], out: str, words: str) -> None:
    (sheet.parent / "other.csv").write_text("a,b\n1,2\n")
    (sheet.parent / "folder.csv").mkdir()
    (sheet.parent / "link.csv").symlink_to("other.csv")
    assert _convert("sheet.csv", *TOLD, "--overwrite", "--out", out) == 3
    assert words in capsys.readouterr().err
    assert sheet.read_text() == SHEET
    assert (sheet.parent / "other.csv").read_text() == "a,b\n1,2\n"


def test_a_full_disk_leaves_the_older_table(
    sheet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _convert("sheet.csv", *TOLD) == 0
    before = (sheet.parent / "sheet_tidy.csv").read_bytes()

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert _convert("sheet.csv", *TOLD, "--overwrite") == 6
    assert "No space left" in capsys.readouterr().err
    assert (sheet.parent / "sheet_tidy.csv").read_bytes() == before
    assert not list(sheet.parent.glob("*.partial"))


@pytest.mark.parametrize(
    "arguments", [("--time", "pre"), ("--unit", "IL6="), ("--analyte", "=IL6"), ("--decimal", ";")]
)
def test_an_option_that_is_written_wrongly_is_exit_code_2(
    sheet: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, str]
) -> None:
    assert _convert("sheet.csv", *arguments) == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_label_that_a_spreadsheet_would_run_is_quoted(sheet: Path) -> None:
    sheet.write_text(SHEET.replace("S01", '"=cmd()"'), encoding="utf-8")
    assert _convert("sheet.csv", *TOLD) == 0
    assert '"\'=cmd()",run' in (sheet.parent / "sheet_tidy.csv").read_text()


def test_a_file_that_is_not_there_is_named(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _convert("sheets.csv") == 3
    assert "sheets.csv\n  there is no such file" in capsys.readouterr().err


def test_doses_of_an_event_table_are_for_the_config(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sheet.parent / "nm.csv").write_text("ID,TIME,DV,DVID,EVID,AMT\n1,0,.,.,1,30\n1,1,54,1,0,.\n")
    told = ("--condition", "bolus", "--time-unit", "h", "--analyte", "1=IL6", "--unit", "pg/mL")
    assert _convert("nm.csv", *told) == 0
    assert "[[protocol.bolus]]" in capsys.readouterr().err
    assert main(["check", "nm_tidy.csv"]) == 0


def test_converting_loads_neither_jax_nor_what_draws(root: Path, sheet: Path) -> None:
    heavy = ("jax", "diffrax", "equinox", "xarray", "pandas", "matplotlib")
    code = (
        "import sys\nfrom exsim.cli import main\nmain(sys.argv[1:])\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "convert", "sheet.csv", *TOLD],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert done.stdout.splitlines()[-1] == "[]"
