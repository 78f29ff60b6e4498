"""RunSpec: strict, frozen, hashable, equal after being written and read again."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exsim.fields import FrozenDict
from exsim.moments import Moment
from exsim.spec import TALK_TEST_FRACTION_OF_VO2MAX, BoutSpec, OutputSpec, ProtocolSpec, RunSpec
from exsim.units import Quantity

SMALLEST: dict[str, Any] = {"schema": 1, "model": "il6_axis", "output": {"until": "8 h"}}
FULL: dict[str, Any] = {
    "schema": 1,
    "model": "il6_axis",
    "label": "race",
    "seed": 3,
    "subject": {"body_mass": "72 kg", "muscle_glycogen": 0.6, "baseline": {"IL6": "1.2 pg/mL"}},
    "parameter": {"CL_IL6": "50 L/h", "exponent": 2},
    "protocol": {
        "bout": [
            {"start": "0 h", "duration": "3.43 h", "intensity": 0.8},
            {
                "start": "5 h",
                "intensity": "90 %HRR",
                "modality": "cycling",
                "intervals": {"work": "4 min", "rest": "3 min", "repeats": 4},
                "repeat": {"every": "1 h", "times": 2},
            },
        ],
        "intake": [{"carbohydrate": "60 g/h", "start": "0 h", "duration": "1 h"}],
        "infusion": [{"target": "IL6", "rate": "8 ug/h", "start": "end", "duration": "1 h"}],
        "bolus": [{"target": "LPS", "dose": "0.06 ng/kg", "time": "end - 0.5 h"}],
    },
    "output": {"until": "8 h", "times": ["1 h", "end + 1.5 h"]},
    "solver": {"method": "kvaerno5", "rtol": 1e-8},
}


@pytest.mark.parametrize("values", [SMALLEST, FULL], ids=["smallest", "full"])
def test_a_config_written_as_json_and_read_again_is_equal(values: dict[str, Any]) -> None:
    spec = RunSpec.model_validate(values)
    again = RunSpec.model_validate(spec.model_dump(mode="json", by_alias=True))
    assert again == spec
    assert hash(again) == hash(spec)


def test_a_checked_config_does_not_change() -> None:
    spec = RunSpec.model_validate(FULL)
    with pytest.raises(ValidationError):
        spec.seed = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        spec.parameter["CL_IL6"] = 3.0
    with pytest.raises(TypeError):
        spec.subject.baseline.update({"TNF": Quantity(1.0, "pg/mL")})
    assert spec == RunSpec.model_validate(FULL)


def test_a_checked_config_can_be_copied_whole() -> None:
    spec = RunSpec.model_validate(FULL)
    again = copy.deepcopy(spec)
    assert again == spec
    assert isinstance(again.parameter, FrozenDict)


def test_a_number_without_a_dimension_and_one_with_a_unit_are_told_apart() -> None:
    spec = RunSpec.model_validate(FULL)
    assert spec.parameter["CL_IL6"] == Quantity(50.0, "L/h")
    assert spec.parameter["exponent"] == 2.0


@pytest.mark.parametrize(
    ("text", "after_end", "hours", "written"),
    [
        ("1.5 h", False, 1.5, "1.5 h"),
        ("90 min", False, 1.5, "90 min"),
        ("end", True, 10.0, "end"),
        ("end + 1.5 h", True, 11.5, "end + 1.5 h"),
        ("end+90min", True, 11.5, "end + 90 min"),
        (" end - 0.5 h ", True, 9.5, "end - 0.5 h"),
        ("end + 0 min", True, 10.0, "end"),
    ],
)
def test_a_moment_is_read_and_written_as_text(text: str, after_end: bool, hours: float, written: str) -> None:
    moment = Moment.model_validate(text)
    assert moment.after_end is after_end
    assert moment.hours(10.0) == pytest.approx(hours, rel=1e-15)
    assert moment.model_dump(mode="json") == written
    assert Moment.model_validate(written) == moment


@pytest.mark.parametrize(
    "text", ["end + 2", "end +", "end + -1 h", "start + 1 h", "end + 1 kg", "ende", "1", 1.5, True]
)
def test_a_text_that_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        Moment.model_validate(text)


def test_a_time_from_the_end_of_a_bout_is_no_plain_number() -> None:
    with pytest.raises(ValueError, match="counts from the end of the last bout"):
        Moment.model_validate("end + 1 h").to("h")
    assert Moment.model_validate("90 min").to("h") == 1.5


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: number + 0.0),
    st.sampled_from(["h", "min", "s", "d"]),
    st.booleans(),
)
def test_a_moment_written_and_read_again_is_equal(number: float, unit: str, after_end: bool) -> None:
    if after_end and number == 0:
        number, unit = 0.0, "h"
    moment = Moment(offset=Quantity(number, unit), after_end=after_end)
    assert Moment.model_validate(str(moment)) == moment


def test_intervals_end_with_the_last_work() -> None:
    bout = BoutSpec.model_validate(FULL["protocol"]["bout"][1])
    assert bout.total_duration_h == pytest.approx((4 * 4 + 3 * 3) / 60, rel=1e-15)
    assert bout.end_h == pytest.approx(5 + 1 + 25 / 60, rel=1e-15)


def test_the_end_of_a_protocol_is_that_of_the_bout_which_ends_last() -> None:
    bouts = [
        {"start": "0 h", "duration": "1 h", "intensity": 0.5, "repeat": {"every": "10 h", "times": 3}},
        {"start": "12 h", "duration": "1 h", "intensity": 0.5},
    ]
    assert ProtocolSpec.model_validate({"bout": bouts}).end_h == 21.0
    assert ProtocolSpec().end_h == 0.0


@pytest.mark.parametrize(
    ("until", "every", "points"),
    [("8 h", "2 min", 241), ("1 h", "7 min", 9), ("1 h", "2 h", 1), ("7 d", "10 min", 1009)],
)
def test_the_points_of_an_output_grid_are_counted_from_zero(until: str, every: str, points: int) -> None:
    assert OutputSpec.model_validate({"until": until, "every": every}).output_points == points


def test_talk_test_words_stand_for_the_middle_of_their_class() -> None:
    # ACSM classes light, moderate and vigorous as %VO2max (Garber 2011, doi 10.1249/MSS.0b013e318213fefb).
    classes = {"low": (37, 45), "moderate": (46, 63), "high": (64, 90)}
    for word, (low, high) in classes.items():
        assert TALK_TEST_FRACTION_OF_VO2MAX[word] == pytest.approx((low + high) / 200)
