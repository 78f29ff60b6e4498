"""Scores of a model against published numbers, on curves with known answers."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from exsim.evidence import INSIDE, NOT_SCORED, OUTSIDE, WITHIN_2X, score_case, summarise
from exsim.evidence_case import QUANTITIES, USES, EvidenceCase

REST = 2.0


def make_run(values, bouts=((1.0, 3.0),), boluses=(), infusions=(), unit="pg/mL"):
    """A run sampled every 6 min from 0 to 8 h; `values` is a function of time."""
    time = np.linspace(0.0, 8.0, 81)
    return xr.Dataset(
        {
            "plasma": ("time", values(time), {"units": unit, "analyte": "IL6", "plotted": 1}),
            "flux": ("time", values(time), {"units": "ng/h"}),
        },
        coords={"time": ("time", time, {"units": "h"})},
        attrs={
            "bouts": json.dumps([{"start_h": a, "end_h": b} for a, b in bouts]),
            "boluses": json.dumps([{"time_h": t, "target": "LPS", "dose": 0.3} for t in boluses]),
            "infusions": json.dumps([{"start_h": a, "end_h": b, "input": "il6"} for a, b in infusions]),
        },
    )


def tent(top, peak_h=3.0, start_h=1.0, end_h=7.0):
    """A rise from rest to `top` at `peak_h` and a fall back to rest at `end_h`, in straight lines."""
    return lambda time: np.interp(time, [0.0, start_h, peak_h, end_h, 8.0], [REST, REST, top, REST, REST])


def case(quantity, value=None, **more):
    given = {
        "id": "C01",
        "config": "a",
        "config_path": Path("a.toml"),
        "compare_config": "b",
        "compare_path": Path("b.toml"),
        "analyte": "IL6",
        "unit": "fold",
        "use": "calibrate",
        "line": 2,
    }
    return EvidenceCase(**given | {"quantity": quantity, "value": value} | more)


@pytest.mark.parametrize(
    ("quantity", "time_h", "unit", "expected"),
    [
        ("concentration_after_start", 1.0, "pg/mL", 22.0),
        ("concentration_after_start", 1.0, "ng/mL", 0.022),
        ("concentration_after_end", 0.0, "pg/mL", 42.0),
        ("concentration_after_end", 2.0, "pg/mL", 22.0),
        ("fold_after_start", 2.0, "fold", 21.0),
        ("fold_after_end", 0.0, "fold", 21.0),
        ("fold_after_end", 1.03, "fold", 21.0 - 10.0 * 1.03 / 2.0),
        ("peak_fold", None, "fold", 21.0),
        ("peak_fold", None, "%", 2100.0),
    ],
)
def test_levels_and_folds_are_read_off_the_curve_in_the_unit_of_the_row(quantity, time_h, unit, expected):
    score = score_case(case(quantity, expected / 1.5, time_h=time_h, unit=unit), make_run(tent(42.0)))
    assert score.model == pytest.approx(expected, rel=1e-12)
    assert score.log_fold_error == pytest.approx(math.log(1.5), rel=1e-12)
    assert score.verdict == WITHIN_2X


@pytest.mark.parametrize(
    ("target", "low", "high", "verdict"),
    [
        (21.0, None, None, WITHIN_2X),
        (10.51, None, None, WITHIN_2X),
        (10.49, None, None, OUTSIDE),
        (41.9, None, None, WITHIN_2X),
        (42.1, None, None, OUTSIDE),
        (21.0, 20.0, 22.0, INSIDE),
        (18.0, 16.0, 20.0, WITHIN_2X),
        (60.0, 20.0, 100.0, INSIDE),
    ],
)
def test_verdict_on_a_fold_is_the_interval_or_a_factor_of_two(target, low, high, verdict):
    assert score_case(case("peak_fold", target, low=low, high=high), make_run(tent(42.0))).verdict == verdict


def test_times_count_from_the_last_bout_and_from_the_first():
    run = make_run(tent(42.0), bouts=((1.0, 2.0), (2.5, 3.0)))
    assert score_case(case("fold_after_start", 1.0, time_h=2.0), run).model == pytest.approx(21.0)
    assert score_case(case("fold_after_end", 1.0, time_h=0.0), run).model == pytest.approx(21.0)


def test_without_a_bout_the_start_is_the_bolus_and_the_end_that_of_the_infusion():
    run = make_run(tent(42.0), bouts=(), boluses=(2.0,), infusions=((0.0, 3.0),))
    assert score_case(case("fold_after_start", 1.0, time_h=1.0), run).model == pytest.approx(21.0)
    assert score_case(case("fold_after_end", 1.0, time_h=0.0), run).model == pytest.approx(21.0)
    only_infusion = make_run(tent(42.0), bouts=(), infusions=((0.5, 3.0),))
    assert score_case(case("fold_after_start", 1.0, time_h=2.5), only_infusion).model == pytest.approx(21.0)


@pytest.mark.parametrize(
    ("unit", "low", "high", "verdict"),
    [
        ("h", 0.0, 1.0, INSIDE),
        ("h", 0.6, 1.0, OUTSIDE),
        ("min", 20.0, 40.0, INSIDE),
        ("h", None, None, INSIDE),
        ("min", None, None, INSIDE),
    ],
)
def test_time_of_peak_is_judged_by_the_interval_in_its_unit(unit, low, high, verdict):
    value = 0.5 if unit == "h" else 30.0
    score = score_case(
        case("time_of_peak_after_end", value, low=low, high=high, unit=unit), make_run(tent(42.0, peak_h=3.5))
    )
    assert score.model == pytest.approx(value)
    assert (score.log_fold_error, score.verdict) == (None, verdict)
    assert ("taken" in score.reason) == (low is None)


def test_time_of_peak_without_an_interval_says_its_tolerance_of_half_an_hour():
    inside = score_case(case("time_of_peak_after_end", 0.0, unit="h"), make_run(tent(42.0, peak_h=3.4)))
    outside = score_case(case("time_of_peak_after_end", 0.0, unit="h"), make_run(tent(42.0, peak_h=3.6)))
    assert (inside.verdict, outside.verdict) == (INSIDE, OUTSIDE)
    assert "±0.5 h" in inside.reason


def test_ratio_is_of_two_runs_each_at_its_own_time_after_its_end():
    run, compared = make_run(tent(42.0)), make_run(tent(84.0, peak_h=2.0), bouts=((1.0, 2.0),))
    score = score_case(case("ratio", 0.25, time_h=0.0, unit="ratio", low=0.2, high=0.3), run, compared)
    assert score.model == pytest.approx(0.5)
    assert score.log_fold_error == pytest.approx(math.log(2.0))
    assert score.verdict == WITHIN_2X


@pytest.mark.parametrize(
    ("levels", "expected", "verdict"),
    [((2.0, 2.4, 1.8), 1.2, INSIDE), ((2.0, 2.2, 1.2), 0.6, OUTSIDE), ((2.0, 3.0, 1.9), 1.5, OUTSIDE)],
)
def test_unchanged_holds_peak_and_trough_and_shows_the_worse(levels, expected, verdict):
    run = make_run(lambda time: np.interp(time, [0.0, 3.0, 6.0], levels))
    score = score_case(case("unchanged", 1.0, low=0.8, high=1.25), run)
    assert score.model == pytest.approx(expected)
    assert (score.log_fold_error, score.verdict) == (None, verdict)
    assert score_case(case("unchanged", 1.0), run).verdict == verdict


@pytest.mark.parametrize(
    ("top", "removed", "verdict"), [(2.0, 1.0, INSIDE), (4.0, 0.8, INSIDE), (8.0, 0.4, OUTSIDE)]
)
def test_share_removed_is_of_the_other_runs_rise_after_the_bolus(top, removed, verdict):
    # At the bolus (2.5 h) the bout has brought both to a level of their own, which is not counted.
    def after(high, level):
        return lambda time: np.interp(time, [0.0, 2.5, 4.0, 8.0], [REST, level, high, 1.0])

    run = make_run(after(5.0 + top - 2.0, 5.0), boluses=(2.5,))
    compared = make_run(after(12.0, REST), bouts=(), boluses=(2.5,))
    score = score_case(case("share_removed", 1.0, low=0.7, high=1.0, unit="share"), run, compared)
    assert score.model == pytest.approx(removed)
    assert (score.log_fold_error, score.verdict) == (None, verdict)


def test_a_curve_that_only_falls_after_the_bolus_has_no_rise():
    run = make_run(lambda time: 10.0 - time, boluses=(2.5,))
    compared = make_run(tent(42.0), boluses=(0.5,))
    assert score_case(case("share_removed", 1.0, unit="share"), run, compared).model == 1.0


def test_an_analyte_may_be_named_by_its_variable():
    run = make_run(tent(42.0))
    row = case("concentration_after_end", 0.7, analyte="flux", unit="ng/min", time_h=0.0)
    assert score_case(row, run).log_fold_error == pytest.approx(0.0, abs=1e-12)


UNSCORABLE = {
    "analyte": (case("peak_fold", 2.0, analyte="IL66"), 'no analyte "IL66". Did you mean "IL6"?'),
    "quantity": (case("peak_fould", 2.0), 'Did you mean "peak_fold"?'),
    "config": (case("peak_fold", 2.0, config_path=None), 'no config "a"'),
    "comparison": (case("ratio", 2.0, compare_config="", time_h=0.0), "needs compare_config"),
    "compared config": (case("ratio", 2.0, compare_path=None, time_h=0.0), 'no config "b"'),
    "compared run": (case("ratio", 2.0, time_h=0.0), "run of compare_config"),
    "time": (case("fold_after_end", 2.0), "needs time_h"),
    "late": (case("fold_after_end", 2.0, time_h=6.0), "9 h lies outside the simulation"),
    "unit": (case("concentration_after_end", 2.0, time_h=0.0, unit="h"), 'unit "h" does not fit'),
    "unknown unit": (case("peak_fold", 2.0, unit="folds"), 'unit "folds" does not fit'),
    "value": (case("peak_fold"), "no value"),
    "zero": (case("peak_fold", 0.0), "no logarithm"),
    "bolus": (case("share_removed", 1.0, unit="share"), "run of compare_config"),
    "context": (case("peak_fold", 2.0, use="context"), "used as context"),
    "input": (case("anything", use="input", config_path=None), "used as input"),
}


@pytest.mark.parametrize("name", UNSCORABLE)
def test_a_row_that_cannot_be_scored_is_listed_with_its_reason(name):
    row, reason = UNSCORABLE[name]
    score = score_case(row, make_run(tent(42.0)))
    assert (score.model, score.log_fold_error, score.verdict) == (None, None, NOT_SCORED)
    assert reason in score.reason
    assert score.case is row


def test_runs_that_cannot_answer_say_why():
    flat = make_run(lambda time: 0 * time + REST, bouts=())
    zero = make_run(lambda time: 0 * time)
    broken = make_run(lambda time: np.where(time > 4, np.nan, REST))
    assert "to count time from" in score_case(case("fold_after_start", 1.0, time_h=1.0), flat).reason
    assert "no bout or infusion" in score_case(case("fold_after_end", 1.0, time_h=1.0), flat).reason
    assert "never rises" in score_case(case("time_of_peak_after_end", 1.0, unit="h"), flat).reason
    assert "0 at rest" in score_case(case("peak_fold", 1.0), zero).reason
    assert "there is no ratio" in score_case(case("ratio", 1.0, time_h=0.0), flat_bout(), zero).reason
    assert "nothing to remove" in score_case(case("share_removed", 1.0), dosed(), dosed()).reason
    assert "needs a bolus" in score_case(case("share_removed", 1.0), flat, flat).reason
    assert "not a finite number" in score_case(case("peak_fold", 1.0), broken).reason


def flat_bout():
    return make_run(lambda time: 0 * time + REST)


def dosed():
    return make_run(lambda time: 0 * time + REST, boluses=(2.5,))


def test_a_model_at_zero_is_outside_without_an_error():
    run = make_run(lambda time: np.where(time < 2, REST, 0.0))
    score = score_case(case("fold_after_end", 2.0, time_h=1.0), run)
    assert (score.model, score.log_fold_error, score.verdict) == (0.0, None, OUTSIDE)


def test_summary_keeps_calibrate_and_predict_apart_and_counts_what_is_left_out():
    run = make_run(tent(42.0))
    targets = {"calibrate": (21.0, 14.0, 5.0), "predict": (20.0,)}
    scores = [
        score_case(case("peak_fold", value, use=use, id=f"{use}{value}"), run)
        for use, values in targets.items()
        for value in values
    ]
    scores += [
        score_case(case("time_of_peak_after_end", 0.0, unit="h"), run),
        score_case(case("time_of_peak_after_end", 3.0, unit="h"), run),
        score_case(case("peak_fold", 2.0, analyte="IL66"), run),
        score_case(case("peak_fold", 2.0, use="context"), run),
    ]
    calibrate, predict = summarise(scores, fitted_parameters=10)
    assert (calibrate.use, predict.use) == ("calibrate", "predict")
    assert (calibrate.cases, calibrate.scored, calibrate.log_cases, calibrate.interval_cases) == (6, 5, 3, 2)
    assert calibrate.median_abs_log_error == pytest.approx(math.log(1.5))
    assert calibrate.share_within_2x == pytest.approx(2 / 3)
    assert calibrate.share_inside == pytest.approx(1 / 2)
    assert calibrate.parameters_per_number == pytest.approx(2.0)
    assert (predict.cases, predict.median_abs_log_error) == (1, pytest.approx(math.log(1.05)))
    assert predict.parameters_per_number is None


def test_a_model_at_zero_counts_as_a_miss_in_the_summary():
    run = make_run(lambda time: np.where(time < 2, REST, 0.0))
    calibrate, _ = summarise([score_case(case("fold_after_end", 2.0, time_h=1.0), run)])
    assert (calibrate.median_abs_log_error, calibrate.share_within_2x) == (math.inf, 0.0)


def test_summary_of_nothing_has_no_numbers():
    calibrate, predict = summarise([], fitted_parameters=3)
    assert calibrate == dataclasses.replace(predict, use="calibrate")
    assert calibrate.median_abs_log_error is None


def test_every_quantity_and_use_of_the_contract_is_known():
    assert set(QUANTITIES) == {
        "concentration_after_start", "concentration_after_end", "fold_after_start", "fold_after_end",
        "peak_fold", "time_of_peak_after_end", "ratio", "unchanged", "share_removed",
    }  # fmt: skip
    assert set(USES) == {"calibrate", "predict", "input", "context"}
