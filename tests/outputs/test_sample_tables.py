"""summary.csv and the numbers of sampling: columns, empty cells, strict JSON."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from exsim.outputs.sample_tables import sample_facts, sample_json, sample_summary_csv

from .sample_cases import large_sample, part_of, small_sample, troubled_sample

CONTRACT = "name,mean,sd,median,lower,upper,unit,r_hat,ess_bulk,ess_tail,mcse_mean,contraction"


def test_summary_csv_has_the_columns_of_the_contract_and_reads_back_as_the_diagnosis():
    _, result = large_sample()
    text = sample_summary_csv(result)
    assert text.decode().splitlines()[0] == CONTRACT
    back = pd.read_csv(io.BytesIO(text))
    assert list(back["name"]) == [item.name for item in result.numbers]
    assert list(back["unit"][:3]) == ["ng/h/kg", "L/h", "L"]
    for column in CONTRACT.split(",")[7:]:
        np.testing.assert_allclose(back[column], getattr(result.diagnosis, column), rtol=1e-9)


def test_what_is_not_known_is_an_empty_cell():
    _, result = small_sample()
    line = sample_summary_csv(part_of(result, draws=3)).decode().splitlines()[1].split(",")
    assert line[7:11] == ["", "", "", ""]
    assert float(line[1]) == pytest.approx(result.draws[:, :3, 0].mean())
    bare = sample_summary_csv(part_of(result, draws=0)).decode().splitlines()[1]
    assert bare == "release_gain,,,,,,ng/h/kg,,,,,"


def test_the_record_tells_what_was_drawn_and_whether_to_trust_it():
    _, result = troubled_sample()
    facts = sample_facts(result)
    assert (facts["trusted"], facts["complete"]) == (False, False)
    assert facts["reasons"] == list(result.reasons)
    assert (facts["chains"], facts["draws"], facts["draws_asked"]) == (4, 500, 1000)
    assert facts["divergences"] == [6, 0, 5, 0]
    assert facts["cut_trajectories"] == [0, 0, 0, 40]
    assert facts["acceptance"][2] == pytest.approx(0.01)
    assert facts["loo"]["elpd"] == result.loo.elpd
    assert facts["stress"]["failed"]["the state is not finite"] == 1


def test_the_json_object_is_strict_json_with_null_for_what_does_not_exist():
    problem, result = large_sample()
    back = json.loads(json.dumps(sample_json(problem, result), allow_nan=False))
    rows = {row["name"]: row for row in back["summary"]}
    assert list(rows["CL_IL6"]) == CONTRACT.split(",")
    assert rows["half_life"]["contraction"] is None
    assert rows["CL_IL6"]["mean"] == result.diagnosis.mean[1]
    assert (back["config"], back["model"], back["seed"]) == ("ostrowski_and_others", "il6_axis", 1)
    assert back["failures"] == result.stress.failed
    assert back["warnings"] == list(result.warnings)


def test_an_interruption_before_the_first_draw_has_facts_without_numbers():
    problem, result = small_sample()
    back = sample_json(problem, replace(part_of(result, draws=0), loo=None))
    assert back["loo"] is back["acceptance"] is back["step_size"] is None
    assert json.dumps(back, allow_nan=False)
    assert not math.isfinite(part_of(result, draws=0).diagnosis.mean[0])
