"""Targets in the model's terms: units, nominal values, distributions, limits, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from exsim.errors import ConfigError
from exsim.inputs.model_files import load_model
from exsim.model_spec import ModelSpec
from exsim.spec import RunSpec
from exsim.sweep_targets import Target, analytes, resolve_targets

BASE: dict[str, Any] = {
    "schema": 1,
    "model": "il6_axis",
    "subject": {"body_mass": "80 kg", "vo2max": "50 mL/kg/min"},
    "parameter": {"CL_IL6": "50 L/h"},
    "protocol": {
        "bout": [
            {"start": "0 h", "duration": "2 h", "intensity": "50 %HRR"},
            {"start": "5 h", "intensity": 0.4, "intervals": {"work": "4 min", "rest": "3 min", "repeats": 4}},
        ],
        "intake": [{"carbohydrate": "60 g/h", "start": "0 h", "duration": "1 h"}],
        "infusion": [{"target": "IL6", "rate": "1 ug/h", "start": "end + 30 min", "duration": "1 h"}],
        "bolus": [{"target": "LPS", "dose": "0.06 ng/kg", "time": "1 h"}],
    },
    "output": {"until": "12 h"},
}


@pytest.fixture(scope="module")
def model() -> ModelSpec:
    return load_model("il6_axis")


def _target(model: ModelSpec, design: str = "sobol", **vary: Any) -> Target:
    spec = RunSpec.model_validate(BASE | {"sweep": {"design": design, "draws": 8, "vary": [vary]}})
    (target,) = resolve_targets(spec, model)
    return target


@pytest.mark.parametrize(
    ("vary", "unit", "nominal", "span"),
    [
        ({"target": "parameter.CL_IL6", "range": ["20 L/h", "1 L/min"]}, "L/h", 50.0, (20.0, 60.0)),
        ({"target": "parameter.V_IL6", "range": ["3 L", "9000 mL"]}, "L", 8.0, (3.0, 9.0)),
        ({"target": "subject.body_mass", "range": ["60 kg", "90000 g"]}, "kg", 80.0, (60.0, 90.0)),
        ({"target": "subject.muscle_glycogen", "range": [0.3, 1]}, "dimensionless", 1.0, (0.3, 1.0)),
        ({"target": "subject.baseline.IL6", "range": ["0.5 ng/L", "2 pg/mL"]}, "pg/mL", 1.0, (0.5, 2.0)),
        ({"target": "protocol.bout.0.duration", "range": ["30 min", "3 h"]}, "h", 2.0, (0.5, 3.0)),
        ({"target": "protocol.bout.0.start", "range": ["0 h", "1 h"]}, "h", 0.0, (0.0, 1.0)),
        (
            {"target": "protocol.bout.0.intensity", "range": ["50 %HRR", 0.9]},
            "dimensionless",
            0.535,
            (0.535, 0.9),
        ),
        (
            {"target": "protocol.bout.0.whole_body_intensity", "range": [0.1, 0.2]},
            "dimensionless",
            0.535,
            (0.1, 0.2),
        ),
        ({"target": "protocol.bout.0.active_muscle", "range": ["5 kg", "14 kg"]}, "kg", 12.0, (5.0, 14.0)),
        (
            {"target": "protocol.intake.0.carbohydrate", "range": ["0 g/h", "90 g/h"]},
            "g/h",
            60.0,
            (0.0, 90.0),
        ),
        ({"target": "protocol.infusion.0.rate", "range": ["500 ng/h", "2 ug/h"]}, "ug/h", 1.0, (0.5, 2.0)),
        ({"target": "protocol.bolus.0.dose", "range": ["10 pg/kg", "0.3 ng/kg"]}, "ng/kg", 0.06, (0.01, 0.3)),
        ({"target": "protocol.bolus.0.time", "range": ["30 min", "2 h"]}, "h", 1.0, (0.5, 2.0)),
    ],
)
def test_a_target_has_the_unit_of_the_model_or_the_protocol(
    model: ModelSpec, vary: dict[str, Any], unit: str, nominal: float, span: tuple[float, float]
) -> None:
    target = _target(model, **vary)
    assert target.unit == unit
    assert target.nominal == pytest.approx(nominal, abs=1e-12)
    assert target.span == pytest.approx(span)
    assert target.marginal is not None
    assert target.marginal.kind == "uniform"


def test_a_lognormal_has_its_median_at_the_nominal_value(model: ModelSpec) -> None:
    target = _target(model, target="parameter.CL_IL6", distribution="lognormal", sd=0.3)
    assert target.marginal is not None
    assert math.exp(target.marginal.location) == pytest.approx(50.0)
    assert target.distribution == "lognormal, median 50, sd of the logarithm 0.3"
    moved = _target(model, target="parameter.CL_IL6", distribution="lognormal", median="1 L/min", cv=0.5)
    assert moved.marginal is not None
    assert math.exp(moved.marginal.location) == pytest.approx(60.0)
    # cv of a lognormal: sqrt(exp(sd^2) - 1)
    assert math.sqrt(math.expm1(moved.marginal.scale**2)) == pytest.approx(0.5)


def test_a_normal_is_cut_off_where_nature_ends(model: ModelSpec) -> None:
    clearance = _target(model, target="parameter.CL_IL6", distribution="normal", cv=0.4)
    assert clearance.span == (0.0, math.inf)
    assert clearance.distribution == "normal, mean 50, sd 20, above 0"
    mass = _target(model, target="subject.body_mass", distribution="normal", sd="9000 g", upper="130 kg")
    assert mass.span == (2.0, 130.0)
    free = _target(model, target="parameter.CL_IL6", distribution="normal", sd="20 L/h", lower="10 L/h")
    assert free.span == (10.0, math.inf)


def test_a_time_may_count_from_the_end_of_the_last_bout(model: ModelSpec) -> None:
    from_end = _target(model, target="protocol.infusion.0.start", range=["end", "end + 2 h"])
    assert from_end.after_end
    assert from_end.span == (0.0, 2.0)
    assert from_end.nominal == pytest.approx(0.5)
    absolute = _target(model, target="protocol.infusion.0.start", range=["6 h", "8 h"])
    assert not absolute.after_end
    # The last bout ends after 5 h and 25 min.
    assert absolute.nominal == pytest.approx(5 + 25 / 60 + 0.5)


def test_a_grid_has_evenly_spaced_points_or_the_values_given(model: ModelSpec) -> None:
    duration = "protocol.bout.0.duration"
    even = _target(model, "grid", target=duration, range=["1 h", "3 h"], points=5)
    assert even.levels == (1.0, 1.5, 2.0, 2.5, 3.0)
    ratios = _target(
        model, "grid", target=duration, range=["1 h", "4 h"], points=3, distribution="loguniform"
    )
    assert ratios.levels == pytest.approx((1.0, 2.0, 4.0))
    given = _target(model, "grid", target=duration, values=["90 min", "1 h"])
    assert given.levels == (1.5, 1.0)
    assert given.span == (1.0, 1.5)


@pytest.mark.parametrize(
    ("vary", "key", "message", "hint"),
    [
        ({"target": "parameter.CL_IL7", "range": [1, 2]}, "target", "has no parameter", 'mean "CL_IL6"'),
        ({"target": "parameter.IL6", "range": [1, 2]}, "target", "is a state of the model", "parameters"),
        ({"target": "parameter.IL6_volume", "range": [1, 2]}, "target", "is computed", "vary what"),
        ({"target": "subject.baseline.IL8", "range": [1, 2]}, "target", "no resting level", "IL6"),
        (
            {"target": "protocol.bout.2.start", "range": ["0 h", "1 h"]},
            "target",
            'no bout "2"',
            "numbered from 0",
        ),
        (
            {"target": "protocol.bout.1.duration", "range": ["1 h", "2 h"]},
            "target",
            "intervals",
            "in place of",
        ),
        ({"target": "parameter.CL_IL6", "range": [20, 60]}, "range", "20 has no unit", '"20 L/h"'),
        ({"target": "parameter.CL_IL6", "range": ["20 h", "60 h"]}, "range", '"h" is a time', '"L/h"'),
        (
            {"target": "parameter.CL_IL6", "range": ["60 L/h", "20 L/h"]},
            "range",
            "not below",
            '["20 L/h", "60 L/h"]',
        ),
        ({"target": "parameter.CL_IL6", "range": ["20 L/h", "20 L/h"]}, "range", "not below", "different"),
        ({"target": "parameter.CL_IL6", "range": ["20 L/h"]}, "range", "lowest and a highest", "write range"),
        (
            {"target": "parameter.CL_IL6", "range": ["-1 L/h", "20 L/h"]},
            "range",
            "impossible",
            "0 L/h or more",
        ),
        (
            {"target": "parameter.CL_IL6", "range": ["0 L/h", "20 L/h"], "distribution": "loguniform"},
            "range",
            "no logarithm",
            "above 0",
        ),
        ({"target": "subject.body_mass", "range": ["1 kg", "90 kg"]}, "range", "impossible", "2 to 650 kg"),
        ({"target": "protocol.bout.0.intensity", "range": [0.5, 1.2]}, "range", "outside 0 to 100 %", ""),
        (
            {"target": "protocol.bout.0.intensity", "range": [0.5, "150 beats/min"]},
            "range",
            "needs subject",
            "write",
        ),
        (
            {"target": "protocol.infusion.0.rate", "range": ["1 ng/kg/h", "2 ng/kg/h"]},
            "range",
            "ng/kg/h",
            '"ug/h"',
        ),
        (
            {"target": "protocol.infusion.0.start", "range": ["1 h", "end"]},
            "target",
            "some do not",
            "or none",
        ),
        (
            {"target": "parameter.CL_IL6", "distribution": "normal", "sd": "0 L/h"},
            "sd",
            'sd is "0 L/h"',
            "more than 0",
        ),
        ({"target": "parameter.CL_IL6", "distribution": "normal", "sd": 3}, "sd", "no unit", "with its unit"),
        (
            {"target": "parameter.CL_IL6", "distribution": "lognormal", "sd": "3 L/h"},
            "sd",
            "sd",
            "of the logarithm",
        ),
        (
            {"target": "parameter.CL_IL6", "distribution": "lognormal", "sd": 20},
            "sd",
            "sd is 20",
            "logarithm",
        ),
        (
            {
                "target": "parameter.CL_IL6",
                "distribution": "normal",
                "cv": 0.1,
                "lower": "9 L/h",
                "upper": "8 L/h",
            },
            "lower",
            "not below upper",
            "exchange",
        ),
        (
            {"target": "parameter.CL_IL6", "distribution": "normal", "cv": 0.1, "lower": "90 L/h"},
            "distribution",
            "lies between",
            "widen",
        ),
        (
            {"target": "protocol.infusion.0.rate", "distribution": "lognormal", "sd": 0.5},
            "distribution",
            "no upper end",
            "upper =",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key_and_the_way_out(
    model: ModelSpec, vary: dict[str, Any], key: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _target(model, **vary)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert message in problem.message
    assert hint in (problem.hint or "")


def test_a_distribution_of_a_protocol_needs_an_upper_end_alone(model: ModelSpec) -> None:
    vary = {"target": "protocol.bout.0.duration", "distribution": "lognormal", "sd": 0.5, "upper": "4 h"}
    assert _target(model, **vary).span == (0.0, 4.0)
    vary = {"target": "protocol.bout.0.intensity", "distribution": "normal", "sd": 0.1}
    assert _target(model, **vary).span == (0.0, 1.0)


def test_what_can_be_measured_is_what_the_card_names_and_every_state_and_rule(model: ModelSpec) -> None:
    known = analytes(model)
    assert (known["IL6"].id, known["IL6"].unit, known["IL6"].label) == ("IL6", "pg/mL", "IL-6")
    assert known["IL6_drive"].unit == "kg"
    assert known["IL6_volume"].unit == "L"
