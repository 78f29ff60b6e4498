"""Arrays and names -> xarray: every variable has its unit and says what it is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from exsim import load_model
from exsim.datasets import bolus_table, bout_table, infusion_table
from exsim.model import compile_model
from exsim.protocol import Bolus, Bout, Infusion, Protocol
from exsim.spec import RunSpec
from exsim.workflows import run_simulation


@pytest.fixture(scope="module")
def run() -> xr.Dataset:
    spec = RunSpec.model_validate(
        {
            "schema": 1,
            "model": "il6_axis",
            "subject": {"baseline": {"IL6": "2 pg/mL"}},
            "protocol": {"bout": [{"start": "1 h", "duration": "1 h", "intensity": 0.75}]},
            "output": {"until": "4 h", "every": "1 h"},
        }
    )
    return run_simulation(spec, load_model("il6_axis"), "labels").dataset


def test_time_is_the_only_dimension_and_is_in_hours(run: xr.Dataset) -> None:
    assert run.sizes == {"time": 5}
    assert run["time"].attrs == {"units": "h", "long_name": "time"}
    assert run["time"].values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_every_variable_has_a_unit_a_name_and_a_role(run: xr.Dataset) -> None:
    units = compile_model(load_model("il6_axis")).units
    for id, variable in run.data_vars.items():
        assert variable.attrs["units"] == units[id]
        assert variable.attrs["long_name"]
        assert variable.attrs["role"] in ("state", "rule", "input")
        assert variable.dtype == np.float64


def test_analytes_come_first_as_a_lab_names_them(run: xr.Dataset) -> None:
    card = load_model("il6_axis").card
    assert card is not None
    assert list(run.data_vars)[: len(card.observables)] == [item.id for item in card.observables]
    for item in card.observables:
        attributes = run[item.id].attrs
        assert (attributes["analyte"], attributes["long_name"]) == (item.analyte, item.label)
        assert attributes["plotted"] == item.plotted
    assert "analyte" not in run["exercise_intensity"].attrs


def test_what_never_changes_is_left_out_unless_a_lab_measures_it(run: xr.Dataset) -> None:
    model = compile_model(load_model("il6_axis"))
    assert set(model.rule_ids) & model.fixed
    assert not set(run.data_vars) & model.fixed


def test_inputs_hold_what_follows_an_edge(run: xr.Dataset) -> None:
    assert run["exercise_intensity"].values.tolist() == [0.0, 0.75, 0.0, 0.0, 0.0]
    assert run["exercise_intensity"].attrs["role"] == "input"


def test_the_level_at_rest_stands_beside_each_curve(run: xr.Dataset) -> None:
    assert run["IL6"].attrs["rest"] == 2.0
    assert run["TNF"].attrs["rest"] == run["TNF"].values[0]


def test_what_was_done_is_told_in_plain_numbers(run: xr.Dataset) -> None:
    assert json.loads(run.attrs["bouts"]) == [
        {
            "start_h": 1.0,
            "end_h": 2.0,
            "intensity": 0.75,
            "modality": "running",
            "intervals": 1,
            "work_h": 1.0,
            "rest_h": 0.0,
        }
    ]
    assert json.loads(run.attrs["infusions"]) == json.loads(run.attrs["boluses"]) == []


def _protocol(**more: Any) -> Protocol:
    numbers = {"rest_h": 0.0, "every_h": 24.0} | more
    bout = Bout(
        start_h=2.0, duration_h=1.0, levels={"intensity": 0.6}, times=2, modality="cycling", **numbers
    )
    infusion = Infusion(start_h=0.5, duration_h=3.0, level=8.0, input="il6_infusion", after_end=True)
    bolus = Bolus(time_h=-0.5, amount=0.06, state="LPS", after_end=True)
    return Protocol((bout,), (infusion,), (bolus,))


def test_repetitions_are_listed_one_by_one() -> None:
    rows = bout_table(_protocol())
    assert [(row["start_h"], row["end_h"]) for row in rows] == [(2.0, 3.0), (26.0, 27.0)]


def test_a_bout_of_intervals_says_how_often_and_how_long_work_and_rest_are() -> None:
    bout = Bout(start_h=1.0, duration_h=1.5, rest_h=0.25, every_h=0.0, levels={"intensity": 0.9}, intervals=3)
    (row,) = bout_table(Protocol(bouts=(bout,)))
    assert (row["start_h"], row["end_h"]) == (1.0, 2.5)
    assert row["intervals"] == 3
    assert row["work_h"] == pytest.approx(1 / 3)
    assert row["rest_h"] == 0.25


def test_times_after_the_end_are_told_as_clock_times() -> None:
    assert infusion_table(_protocol()) == [
        {"input": "il6_infusion", "start_h": 27.5, "end_h": 30.5, "level": 8.0}
    ]
    assert bolus_table(_protocol()) == [{"target": "LPS", "time_h": 26.5, "dose": 0.06}]
