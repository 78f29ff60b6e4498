"""Every way to write an intensity becomes the right fraction, or a message that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exsim.errors import ConfigError
from exsim.intensity import intensity_fraction
from exsim.spec import BoutSpec, SubjectSpec

PERSON = SubjectSpec.model_validate(
    {"vo2max": "56 mL/kg/min", "resting_heart_rate": "50 beats/min", "maximal_heart_rate": "200 bpm"}
)


def _bout(intensity: Any, modality: str = "running") -> BoutSpec:
    return BoutSpec.model_validate(
        {"start": "0 h", "duration": "1 h", "intensity": intensity, "modality": modality}
    )


@pytest.mark.parametrize(
    ("intensity", "modality", "fraction"),
    [
        (0.8, "running", 0.8),
        (1, "cycling", 1.0),
        ("80 %VO2max", "running", 0.8),
        ("80% VO2peak", "cycling", 0.8),
        ("low", "running", 0.41),
        ("Moderate", "cycling", 0.545),
        ("high", "running", 0.77),
        # VO2 = 3.5 + 0.6 (56 - 3.5) = 35 mL/kg/min, of 56
        ("60 %HRR", "running", 35 / 56),
        ("60 %VO2R", "running", 35 / 56),
        # (140 - 50) / (200 - 50) = 60 %HRR
        ("140 beats/min", "running", 35 / 56),
        ("140 bpm", "cycling", 35 / 56),
        ("140 1/min", "cycling", 35 / 56),
        ("70 %HRmax", "cycling", 35 / 56),
        ("50 bpm", "running", 3.5 / 56),
        ("200 bpm", "running", 1.0),
        (0.4, "knee_extension", 0.4),
        ("40 %Wmax", "knee_extension", 0.4),
        ("70 %1RM", "resistance", 0.7),
    ],
)
def test_an_intensity_becomes_a_fraction(intensity: Any, modality: str, fraction: float) -> None:
    assert intensity_fraction(_bout(intensity, modality), PERSON) == pytest.approx(fraction, rel=1e-14)


@pytest.mark.parametrize(
    ("intensity", "modality", "words"),
    [
        ("40 %Wmax", "running", '"40 %Wmax" is for knee_extension, not for running'),
        ("70 %1RM", "cycling", "is for resistance"),
        ("80 %VO2max", "knee_extension", "does not fit knee_extension\n  write a share of its own maximum"),
        ("moderate", "resistance", "does not fit resistance"),
        ("140 bpm", "knee_extension", "does not fit knee_extension"),
        ("80 %", "running", "does not say of what"),
        ("80 %FTP", "running", 'unknown reference "%FTP"'),
        ("modrate", "running", 'Did you mean "moderate"?'),
        ("25 W", "knee_extension", "exsim does not know the maximal power"),
        ("0.8", "running", "is not an intensity"),
        ("12 km/h", "running", "is not an intensity"),
        ("x" * 5000, "running", "is not an intensity"),
        ("", "running", "is not an intensity"),
        ("0 bpm", "running", "impossible heart rate"),
        ("45 bpm", "running", "outside the heart rates of the subject"),
        ("201 bpm", "running", "outside the heart rates of the subject"),
    ],
)
def test_an_intensity_that_does_not_fit_says_why(intensity: Any, modality: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        intensity_fraction(_bout(intensity, modality), PERSON)
    assert words in str(caught.value)
    assert caught.value.problems[0].key == "intensity"


@pytest.mark.parametrize(
    ("intensity", "given", "words"),
    [
        ("75 %HRR", {}, '"75 %HRR" needs subject.vo2max'),
        ("150 bpm", {}, "needs subject.resting_heart_rate and subject.maximal_heart_rate"),
        ("150 bpm", {"maximal_heart_rate": "190 bpm"}, "needs subject.resting_heart_rate\n"),
        (
            "150 bpm",
            {"maximal_heart_rate": "190 bpm", "resting_heart_rate": "50 bpm"},
            "needs subject.vo2max",
        ),
        ("85 %HRmax", {}, "needs subject.maximal_heart_rate"),
        (
            "150 bpm",
            {"maximal_heart_rate": "60 bpm", "resting_heart_rate": "190 bpm"},
            "is not below maximal_heart_rate",
        ),
        ("75 %HRR", {"vo2max": "3 mL/kg/min"}, "not above the uptake at rest"),
    ],
)
def test_an_intensity_names_the_values_of_the_subject_that_it_needs(
    intensity: str, given: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        intensity_fraction(_bout(intensity), SubjectSpec.model_validate(given))
    assert words in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.floats(50, 200), st.floats(50, 200))
def test_a_higher_heart_rate_is_never_a_lower_intensity(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert intensity_fraction(_bout(f"{low} bpm"), PERSON) <= intensity_fraction(_bout(f"{high} bpm"), PERSON)
