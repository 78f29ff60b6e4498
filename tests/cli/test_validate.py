"""`exsim validate`: a linear model with known answers against a table made for it."""

import csv
import json
import math
import os
import subprocess
import sys

import pytest

INFUSION = """
schema = 1
model = "two_compartment"
[[protocol.infusion]]
target = "IL6"
rate = "{rate} ng/h"
start = "0 h"
duration = "{duration} h"
[output]
until = "41 h"
every = "6 min"
"""
HEADER = "id,study,config,compare_config,analyte,quantity,time_h,value,low,high,unit,use,note"
# At steady state the plasma holds rate / clearance = 1200 / 12 = 100 pg/mL.
ROWS = (
    "A1,Someone 1998 J Physiol,low,,IL6,concentration_after_end,0,100,,,pg/mL,calibrate,",
    "A2,Someone 1998 J Physiol,low,,IL6,concentration_after_end,0,0.04,,,ng/mL,calibrate,",
    "A3,Other 2001,high,low,IL6,ratio,0,2,1.9,2.1,ratio,predict,",
    "A4,Other 2001,short,,IL6,time_of_peak_after_end,,0,-1,1,h,predict,",
    "A5,Other 2001,high,,IL66,peak_fold,,2,,,fold,predict,",
    "A6,Other 2001,nowhere,,IL6,peak_fold,,2,,,fold,predict,",
    "A7,Other 2001,bout,,IL6,concentration_after_end,0,2,,,pg/mL,predict,",
    "A8,Other 2001,,,IL6,half_life,,2,,,h,context,",
)


def exsim(folder, *arguments):
    environment = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-m", "exsim", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "low.toml").write_text(INFUSION.format(rate=1200, duration=40))
    (folder / "high.toml").write_text(INFUSION.format(rate=2400, duration=40))
    (folder / "short.toml").write_text(INFUSION.format(rate=2400, duration=2))
    bout = '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.5\n[output]\nuntil = "2 h"\n'
    (folder / "bout.toml").write_text(
        'schema = 1\nmodel = "il6_axis"\n[subject.baseline]\nTNF = "2 pg/mL"\n' + bout
    )
    (folder / "table.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    return folder


@pytest.fixture(scope="module")
def result(study):
    return exsim(study, "validate", "two_compartment", "--evidence", "table.csv", "--json")


@pytest.fixture(scope="module")
def cases(result):
    assert result.returncode == 0, result.stderr
    return {case["id"]: case for case in json.loads(result.stdout)["cases"]}


def test_json_is_one_object_with_every_case_of_the_table(result, cases):
    assert list(cases) == [row.split(",")[0] for row in ROWS]
    contract = {"id", "use", "target", "model", "log_fold_error", "verdict"}
    assert all(contract <= set(case) for case in cases.values())
    assert result.stdout.count("\n") == 1


def test_targets_are_met_to_the_precision_of_the_closed_form(cases):
    # Tolerance: the solver's 1e-6, and exp(-40 h x the slower rate) of the approach, below 1e-8.
    assert cases["A1"]["model"] == pytest.approx(100.0, rel=1e-5)
    assert cases["A2"]["log_fold_error"] == pytest.approx(math.log(2.5), abs=1e-5)
    assert cases["A3"]["model"] == pytest.approx(2.0, rel=1e-5)
    assert [cases[id]["verdict"] for id in ("A1", "A2", "A3", "A4")] == [
        "within 2x",
        "outside",
        "inside",
        "inside",
    ]


def test_what_cannot_be_scored_is_listed_with_its_reason(cases):
    assert {cases[id]["verdict"] for id in ("A5", "A6", "A7", "A8")} == {"not scored"}
    assert 'no analyte "IL66"' in cases["A5"]["reason"]
    assert 'no config "nowhere"' in cases["A6"]["reason"]
    assert "bout.toml does not fit the model" in cases["A7"]["reason"]
    assert "used as context" in cases["A8"]["reason"]


def test_summary_keeps_calibrate_and_predict_apart(result):
    calibrate, predict = json.loads(result.stdout)["summary"]
    assert (calibrate["use"], calibrate["log_cases"], calibrate["share_within_2x"]) == ("calibrate", 2, 0.5)
    assert (predict["use"], predict["cases"], predict["scored"], predict["share_inside"]) == (
        "predict",
        5,
        2,
        1.0,
    )


def test_table_forest_and_record_are_written(study, result):
    folder = study / json.loads(result.stdout)["folder"]
    assert folder == study / "runs" / "validate-two_compartment"
    assert (folder / "forest.png").read_bytes().startswith(b"\x89PNG")
    with open(folder / "scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [row.split(",")[0] for row in ROWS]
    assert float(rows[0]["model"]) == pytest.approx(100.0, rel=1e-5)
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == "validate"
    assert record["summary"][0]["log_cases"] == 2
    assert {"table.csv", "low.toml", "high.toml", "short.toml"} <= {
        os.path.basename(name) for name in record["input_hashes"]
    }


def test_text_shows_every_case_and_replaces_the_earlier_validation(study, result):
    again = exsim(study, "validate", "two_compartment", "--evidence", "table.csv")
    assert again.returncode == 0, again.stderr
    assert "CALIBRATE" in again.stdout
    assert "PREDICT" in again.stdout
    assert all(f"\n{row.split(',')[0]} " in again.stdout for row in ROWS)
    assert "50% within a factor of 2" in again.stdout
    assert "3 not scored" in again.stdout


def test_validation_never_replaces_another_run(study):
    folder = study / "precious"
    folder.mkdir()
    (folder / "run.json").write_text(
        '{"program": "exsim", "command": "simulate", "files": {"figure.png": ""}}'
    )
    (folder / "figure.png").write_bytes(b"x")
    refused = exsim(study, "validate", "two_compartment", "--evidence", "table.csv", "--out", "precious")
    assert refused.returncode == 3
    assert "holds a run already" in refused.stderr
    assert (folder / "figure.png").read_bytes() == b"x"


def test_a_model_without_evidence_asks_for_a_table(study):
    refused = exsim(study, "validate", "two_compartment")
    assert refused.returncode == 3
    assert "--evidence FILE" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_problems_of_all_configs_come_at_once_and_nothing_is_computed(tmp_path, study):
    for name in ("low", "high", "short"):
        text = (study / f"{name}.toml").read_text().replace("duration", "duratoin")
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "table.csv").write_text((study / "table.csv").read_text())
    refused = exsim(tmp_path, "validate", "two_compartment", "--evidence", "table.csv")
    assert refused.returncode == 3
    assert "low.toml" in refused.stderr
    assert "high.toml" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_a_use_without_rows_has_no_heading_and_quiet_prints_nothing(study):
    (study / "predict.csv").write_text("\n".join([HEADER, ROWS[2]]) + "\n")
    arguments = ("validate", "two_compartment", "--evidence", "predict.csv", "--out", "predicted")
    done = exsim(study, *arguments)
    assert done.returncode == 0, done.stderr
    assert "PREDICT" in done.stdout
    assert "CALIBRATE" not in done.stdout
    silent = exsim(study, *arguments, "--quiet")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
