"""The `[sweep]` table as it is read: targets, values by use, the same when written and read."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from exsim.inputs.config_text import to_toml
from exsim.moments import Moment
from exsim.spec import RunSpec
from exsim.sweep_spec import CorrelationSpec, SweepSpec, TargetPath, VarySpec, read_target
from exsim.units import Quantity


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("parameter.CL_IL6", TargetPath("parameter", "CL_IL6")),
        ("parameter.R1.k", TargetPath("parameter", "R1.k")),
        ("subject.body_mass", TargetPath("subject", "body_mass")),
        ("subject.baseline.IL6", TargetPath("baseline", "IL6")),
        ("protocol.bout.0.duration", TargetPath("bout", "duration", 0)),
        ("protocol.bout.12.active_muscle", TargetPath("bout", "active_muscle", 12)),
        ("protocol.bolus.1.dose", TargetPath("bolus", "dose", 1)),
    ],
)
def test_a_target_names_one_quantity(text: str, path: TargetPath) -> None:
    assert read_target(text) == path


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("release_gain", "not something that can vary", 'write "parameter.release_gain"'),
        ("paramter.k", "not something that can vary", 'Did you mean "parameter"?'),
        ("subject.body_mas", "not something that can vary", 'Did you mean "subject.body_mass"?'),
        ("protocol.bouts.0.start", "not something", 'Did you mean "protocol.bout"?'),
        ("protocol.bout.duration", "does not say which bout", '"protocol.bout.0.start"'),
        ("protocol.bout.0.intesity", '"intesity" of a bout', 'Did you mean "intensity"?'),
        ("protocol.bolus.0.target", '"target" of a bolus', "(accepted: dose, time)"),
        ("parameter.", "not something", "parameter.release_gain"),
        ("", "not something", "parameter.release_gain"),
    ],
)
def test_another_target_is_refused_with_the_way_out(text: str, message: str, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        read_target(text)
    assert caught.value.context is not None
    assert message in caught.value.context["message"]
    assert hint in caught.value.context["hint"]


def _vary(**values: Any) -> VarySpec:
    return VarySpec.model_validate(values)


def test_values_are_read_by_what_they_are_for() -> None:
    assert _vary(target="parameter.k", range=["1 1/h", "2 1/h"]).range == (
        Quantity(1.0, "1/h"),
        Quantity(2.0, "1/h"),
    )
    assert _vary(target="parameter.n", range=[1, 2.5]).range == (1.0, 2.5)
    assert _vary(target="protocol.bout.0.intensity", values=["40 %HRR", 0.8]).values == ("40 %HRR", 0.8)
    late = _vary(target="protocol.bolus.0.time", range=["end", "end + 1 h"]).range
    assert late == (Moment.model_validate("end"), Moment.model_validate("end + 1 h"))
    assert _vary(target="subject.body_mass", mean="70 kg", sd="9 kg").mean == Quantity(70.0, "kg")


@pytest.mark.parametrize(
    "values",
    [
        {"target": "parameter.k", "range": "1 1/h"},
        {"target": "parameter.k", "range": ["fast", "slow"]},
        {"target": "parameter.k", "range": [True, 2]},
        {"target": "parameter.k", "range": [1.0, float("nan")]},
        {"target": "parameter.k", "range": [1.0, 10**400]},
        {"target": "parameter.k", "mean": [1.0]},
        {"target": "protocol.bolus.0.time", "lower": "noon"},
        {"target": "parameter.k", "points": 1},
        {"target": "parameter.k", "cv": 0.0},
        {"target": "parameter.k", "distribution": "gamma"},
    ],
)
def test_values_that_cannot_be_read_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        VarySpec.model_validate(values)
    assert caught.value.errors()[0]["loc"][0] == list(values)[-1]


@pytest.mark.parametrize("between", [["parameter.a"], ["parameter.a", "parameter.b", "parameter.c"], "a b"])
def test_a_correlation_is_between_two_targets(between: Any) -> None:
    with pytest.raises(ValidationError):
        CorrelationSpec.model_validate({"between": between, "coefficient": 0.5})


@pytest.mark.parametrize("coefficient", [-1.0, 1.0, 2.0, True])
def test_a_coefficient_lies_between_minus_one_and_one(coefficient: Any) -> None:
    with pytest.raises(ValidationError):
        CorrelationSpec.model_validate(
            {"between": ["parameter.a", "parameter.b"], "coefficient": coefficient}
        )


@pytest.mark.parametrize("draws", [0, -5, 1.5, True, 10**9 + 1, "10"])
def test_draws_are_a_whole_number_from_one(draws: Any) -> None:
    with pytest.raises(ValidationError):
        SweepSpec.model_validate({"draws": draws})


SWEEP = """
schema = 1
model = "il6_axis"
[[protocol.bout]]
start = "0 h"
duration = "2 h"
intensity = 0.7
[output]
until = "8 h"
[sweep]
draws = 1_000
design = "latin-hypercube"
seed = 3
bands = ["IL6"]
stepping = "own"
[[sweep.vary]]
target = "parameter.release_gain"
distribution = "lognormal"
median = "1000 ng/h/kg"
cv = 0.4
upper = "5000 ng/h/kg"
[[sweep.vary]]
target = "protocol.bout.0.intensity"
range = ["40 %VO2max", 0.9]
[[sweep.vary]]
target = "protocol.bout.0.duration"
values = ["1 h", "90 min"]
[[sweep.correlation]]
between = ["parameter.release_gain", "protocol.bout.0.intensity"]
coefficient = 0.25
[sweep.metrics]
IL6 = ["peak", "time_above 10 pg/mL"]
IL10 = ["value_at end + 1.5 h"]
"""


def test_a_sweep_written_as_toml_and_read_again_is_equal() -> None:
    spec = RunSpec.model_validate(tomllib.loads(SWEEP))
    again = RunSpec.model_validate(tomllib.loads(to_toml(spec)))
    assert again == spec
    assert hash(again) == hash(spec)
    assert spec.sweep is not None
    assert spec.sweep.metrics["IL6"] == ("peak", "time_above 10 pg/mL")


def test_a_config_without_a_sweep_has_none() -> None:
    values = tomllib.loads(SWEEP)
    del values["sweep"]
    spec = RunSpec.model_validate(values)
    assert spec.sweep is None
    assert "sweep" not in to_toml(spec)
