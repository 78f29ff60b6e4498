"""The shipped model against its shipped evidence, through the command that users run."""

import json
import math
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validation")
    command = [sys.executable, "-m", "exsim", "validate", "il6_axis", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_row_of_the_evidence_is_scored(result):
    assert len(result["cases"]) == 37
    assert [case["id"] for case in result["cases"] if case["verdict"] == "not scored"] == []


def test_calibration_meets_the_bar(result):
    calibrate = result["summary"][0]
    assert calibrate["use"] == "calibrate"
    assert calibrate["median_abs_log_error"] <= math.log(1.35)
    assert calibrate["share_within_2x"] >= 0.85


def test_predictions_stand_apart_with_their_misses(result):
    predicted = [case for case in result["cases"] if case["use"] == "predict"]
    assert len(predicted) == result["summary"][1]["scored"] == 13
    errors = sorted(abs(case["log_fold_error"]) for case in predicted if case["log_fold_error"] is not None)
    assert result["summary"][1]["median_abs_log_error"] == pytest.approx((errors[3] + errors[4]) / 2)
