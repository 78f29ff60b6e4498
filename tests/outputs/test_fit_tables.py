"""parameters.csv, starts.csv and the numbers of a fit: columns, empty cells, infinite ends."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from exsim.outputs.fit_tables import failures_by_reason, fit_facts, fit_json, parameters_csv, starts_csv

from .fit_cases import large_fit, small_fit

CONTRACT = "parameter,value,lower,upper,unit,standard_error,at_bound,identifiable"


def line_of(result, name):
    (line,) = [line for line in parameters_csv(result).decode().splitlines() if line.startswith(f"{name},")]
    return line.split(",")


def test_parameters_csv_has_the_columns_of_the_contract_and_a_row_for_every_free_number():
    problem, result = large_fit()
    header, *lines = parameters_csv(result).decode().splitlines()
    assert header == CONTRACT
    assert len(lines) == len(problem.free) == 25


def test_parameters_csv_reads_back_as_the_estimates():
    _, result = small_fit()
    back = pd.read_csv(io.BytesIO(parameters_csv(result)))
    for column, field in (("value", "value"), ("lower", "lower"), ("standard_error", "standard_error")):
        wanted = [getattr(item, field) for item in result.estimates]
        np.testing.assert_allclose(back[column], wanted, rtol=1e-9)
    assert list(back["unit"]) == ["ng/h/kg", "1/h", "dimensionless"]
    assert set(back["identifiable"]) == {"identifiable"}


def test_row_89_an_end_that_the_data_do_not_give_is_inf_and_pandas_reads_it_so():
    _, result = large_fit()
    assert line_of(result, "release_gain")[2:4] == ["-inf", "inf"]
    assert line_of(result, "action_rate")[3] == "inf"
    back = pd.read_csv(io.BytesIO(parameters_csv(result))).set_index("parameter")
    assert back.loc["release_gain", "lower"] == -math.inf
    assert back.loc["action_rate", "upper"] == math.inf
    assert math.isfinite(back.loc["action_rate", "lower"])


def test_row_89_what_is_not_told_has_an_empty_standard_error_and_says_so():
    _, result = large_fit()
    cells = line_of(result, "k_LPS")
    assert cells[5:] == ["", "", "structurally not"]


def test_row_90_an_estimate_at_a_bound_is_marked_and_has_no_standard_error():
    _, result = large_fit()
    assert line_of(result, "k_IL10")[5:7] == ["", "upper"]


def test_a_name_with_a_comma_or_letters_of_any_kind_survives():
    _, result = small_fit()
    name = 'scale[Østrowski 1998, "J Physiol" 血漿]'
    named = replace(result, estimates=(replace(result.estimates[0], name=name), *result.estimates[1:]))
    assert pd.read_csv(io.BytesIO(parameters_csv(named)))["parameter"][0] == name


def test_starts_csv_has_every_start_and_names_the_unit_of_every_value():
    problem, result = large_fit()
    back = pd.read_csv(io.BytesIO(starts_csv(problem, result)))
    assert list(back.columns[:7]) == [
        "start",
        "begun_log_density",
        "reached_log_density",
        "distance_to_best",
        "iterations",
        "ended",
        "failed",
    ]
    assert list(back.columns[7:9]) == ["begun release_gain (ng/h/kg)", "reached release_gain (ng/h/kg)"]
    assert back.shape == (64, 7 + 2 * 25)
    np.testing.assert_allclose(back["begun CL_IL6 (L/h)"], [s.begun[1] for s in result.starts], rtol=1e-9)


def test_the_distance_of_a_start_is_what_it_misses_to_the_best():
    problem, result = small_fit()
    back = pd.read_csv(io.BytesIO(starts_csv(problem, result)))
    assert back["distance_to_best"].min() == pytest.approx(0.0, abs=1e-9)
    assert ((back["distance_to_best"] <= 0.1).sum()) == result.agreeing


def test_row_93_a_start_that_failed_has_its_reason_and_nothing_that_it_did_not_reach():
    problem, result = large_fit()
    back = pd.read_csv(io.BytesIO(starts_csv(problem, result)))
    lost = back[back["failed"]]
    assert len(lost) == 5
    assert lost["reached_log_density"].isna().all()
    assert lost["reached CL_IL6 (L/h)"].isna().all()
    assert lost["begun CL_IL6 (L/h)"].notna().all()
    assert set(lost["ended"]) == set(failures_by_reason(result))


def test_row_93_failures_are_counted_by_reason_the_most_frequent_first():
    _, result = large_fit()
    assert list(failures_by_reason(result).items()) == [
        ("the density is not finite at the start", 3),
        ("the solver ran out of its step budget", 2),
    ]


def test_the_record_tells_how_good_the_fit_is_and_how_many_starts_agree():
    _, result = large_fit()
    facts = fit_facts(result)
    assert (facts["starts"], facts["starts_agreeing"], facts["measurements"]) == (64, 23, 520)
    assert facts["aic"] == pytest.approx(2 * 25 - 2 * result.log_likelihood)
    assert facts["bic"] == pytest.approx(25 * math.log(520) - 2 * result.log_likelihood)
    assert facts["converged"] is True


def test_row_89_the_record_has_rank_eigenvalues_and_names_of_what_is_not_told():
    _, result = large_fit()
    facts = fit_facts(result)
    assert facts["fisher_rank"] == 22
    assert len(facts["fisher_eigenvalues"]) == 25
    assert len(facts["flat_directions"]) == 3
    assert facts["not_identifiable"]["release_gain"] == "structurally not"
    assert facts["not_identifiable"]["action_rate"] == "practically not"
    assert "CL_IL6" not in facts["not_identifiable"]


def test_row_97_the_record_has_both_numbers_of_the_gradient_check():
    _, result = small_fit()
    assert fit_facts(result)["gradient_check"] == {"gradient": 1.2e-5, "differences": 1.3e-5}


def test_row_94_reasons_why_a_fit_is_not_converged_are_in_the_record():
    _, result = small_fit()
    facts = fit_facts(replace(result, converged=False, reasons=("the budget was spent",)))
    assert facts["converged"] is False
    assert facts["reasons"] == ["the budget was spent"]


def test_the_json_object_is_strict_json_with_null_for_what_does_not_exist():
    problem, result = large_fit()
    found = fit_json(problem, replace(result, aicc=math.inf))
    back = json.loads(json.dumps(found, allow_nan=False))
    rows = {row["parameter"]: row for row in back["parameters"]}
    assert list(rows["CL_IL6"]) == CONTRACT.split(",")
    assert rows["k_LPS"]["lower"] is rows["k_LPS"]["standard_error"] is None
    assert back["aicc"] is None
    assert back["failures"] == failures_by_reason(result)
    assert back["warnings"] == list(result.warnings)
