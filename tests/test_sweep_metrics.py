"""Words for what a sweep keeps: the variable, unit and name that each stands for."""

from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from exsim.sweep_metrics import metric_label, metric_unit, metric_variable, read_metric


@pytest.mark.parametrize(
    ("word", "variable", "unit"),
    [
        ("baseline", "IL6_baseline", "pg/mL"),
        ("peak", "IL6_peak", "pg/mL"),
        ("fold", "IL6_fold", "dimensionless"),
        ("time_of_peak", "IL6_time_of_peak_h", "h"),
        ("time_of_peak_after_bout", "IL6_time_of_peak_after_bout_h", "h"),
        ("auc", "IL6_auc_above_baseline", "pg/mL*h"),
        ("time_back_to_baseline", "IL6_time_back_to_baseline_h", "h"),
        ("time_above 10 pg/mL", "IL6_time_above_10_pg_per_mL_h", "h"),
        ("time_above 0.5", "IL6_time_above_0.5_h", "h"),
        ("time_above 2.5 µg/L", "IL6_time_above_2.5_ug_per_L_h", "h"),
        ("value_at 2 h", "IL6_at_2_h", "pg/mL"),
        ("value_at end", "IL6_at_end", "pg/mL"),
        ("value_at end + 1.5 h", "IL6_at_end_plus_1.5_h", "pg/mL"),
        ("value_at end - 30 min", "IL6_at_end_minus_30_min", "pg/mL"),
    ],
)
def test_a_metric_has_a_variable_and_a_unit(word: str, variable: str, unit: str) -> None:
    assert metric_variable("IL6", word) == variable
    assert metric_unit(word, "pg/mL") == unit


def test_areas_and_folds_of_what_has_no_unit() -> None:
    assert metric_unit("auc", "dimensionless") == "h"
    assert metric_unit("auc", "") == "h"


def test_names_in_figures_say_what_is_shown() -> None:
    assert metric_label("peak", "IL-6") == "IL-6, peak"
    assert metric_label("time_above 10 pg/mL", "IL-6") == "IL-6, time above 10 pg/mL"
    assert metric_label("value_at end + 1.5 h", "IL-6") == "IL-6 at end + 1.5 h"


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("peek", '"peek" is not a metric', 'Did you mean "peak"?'),
        ("time_abov 10 pg/mL", '"time_abov 10 pg/mL" is not a metric', 'Did you mean "time_above"?'),
        ("peak 10", '"peak 10": nothing follows peak', 'write "peak"'),
        ("time_above", "does not say time_above what", 'write e.g. "time_above 10 pg/mL"'),
        ("value_at", "does not say value_at what", 'write e.g. "value_at end + 1.5 h"'),
        ("value_at noon", "not a number with a unit", "value_at end"),
        ("value_at 3 kg", '"kg" is a mass', "value_at end"),
        ("time_above 10 pg/", "pg/", ""),
        ("time_above ten", "is not a number with a unit", "10 pg/mL"),
    ],
)
def test_another_word_is_refused_with_the_way_out(word: str, message: str, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        read_metric(word)
    assert caught.value.context is not None
    assert message in caught.value.context["message"]
    assert hint in (caught.value.context["hint"] or "")
