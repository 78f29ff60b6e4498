"""Baseline, peak, fold, area and return to rest, against curves with known answers."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from exsim import summaries

REST, GAIN, RATE_PER_H = 2.0, 40.0, 0.5
START_H, END_H, UNTIL_H = 1.0, 3.0, 12.0


def rise_and_decay(time):
    """A rise with constant slope during a bout from 1 to 3 h, then exponential decay to rest."""
    up = REST + GAIN * np.clip(time - START_H, 0.0, END_H - START_H)
    down = REST + GAIN * (END_H - START_H) * np.exp(-RATE_PER_H * (time - END_H))
    return np.where(time <= END_H, up, down)


@pytest.fixture
def time():
    return np.linspace(0.0, UNTIL_H + 4.0, 3201)


@pytest.fixture
def bout():
    return np.array([START_H]), np.array([END_H])


def test_summary_of_a_rise_and_decay_matches_the_closed_form(time, bout):
    found = summaries.summarise(time, rise_and_decay(time), *bout)
    top = GAIN * (END_H - START_H)
    assert found["baseline"] == REST
    assert found["peak"] == pytest.approx(REST + top, rel=1e-12)
    assert found["fold"] == pytest.approx(1 + top / REST, rel=1e-12)
    assert found["time_of_peak_h"] == pytest.approx(END_H, abs=1e-12)
    assert found["time_of_peak_after_bout_h"] == pytest.approx(0.0, abs=1e-12)
    tail = top / RATE_PER_H * (1 - np.exp(-RATE_PER_H * (time[-1] - END_H)))
    area = 0.5 * (END_H - START_H) * top + tail
    # Trapezoids on an exponential: relative error (rate * step)^2 / 12 = 5e-7 of the tail.
    assert found["auc_above_baseline"] == pytest.approx(area, rel=1e-6)
    back = np.log(top / (0.1 * REST)) / RATE_PER_H
    assert found["time_back_to_baseline_h"] == pytest.approx(back, abs=1e-5)


def test_time_back_is_empty_where_the_window_ends_too_early(bout):
    time = np.linspace(0.0, 6.0, 601)
    assert np.isnan(summaries.summarise(time, rise_and_decay(time), *bout)["time_back_to_baseline_h"])


def test_time_back_counts_the_last_return_not_the_first():
    time = np.arange(0.0, 8.0)
    values = np.array([1.0, 5.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0])
    back = summaries.time_back_to_baseline(time, values, np.float64(1.0))
    # From 3.0 at 4 h to 1.0 at 5 h: 1.1 is crossed after 0.95 h.
    assert back == pytest.approx(4.95 - 1.0, abs=1e-12)


def test_time_back_of_an_analyte_that_undershoots_is_when_it_comes_up_again():
    time = np.arange(0.0, 6.0)
    values = np.array([1.0, 5.0, 0.5, 0.5, 1.0, 1.0])
    back = summaries.time_back_to_baseline(time, values, np.float64(1.0))
    assert back == pytest.approx(3.8 - 1.0, abs=1e-12)


def test_an_analyte_that_never_leaves_rest_is_back_at_once_and_has_no_time_of_peak(time, bout):
    # The wiggle of 1e-6 stands for the error of the solver.
    found = summaries.summarise(time, REST * (1 + 1e-6 * np.sin(time)), *bout)
    assert found["time_back_to_baseline_h"] == 0.0
    assert np.isnan(found["time_of_peak_h"])
    assert np.isnan(found["time_of_peak_after_bout_h"])
    assert found["fold"] == pytest.approx(1.0, abs=2e-6)


def test_without_a_bout_the_times_that_count_from_one_are_empty(time):
    none = np.zeros(0)
    found = summaries.summarise(time, rise_and_decay(time), none, none)
    assert np.isnan(found["time_of_peak_after_bout_h"])
    assert np.isnan(found["time_back_to_baseline_h"])
    assert found["time_of_peak_h"] == pytest.approx(END_H)


@pytest.mark.parametrize(
    ("peak_h", "after_h"),
    [(2.0, 1.0), (5.5, 0.5), (4.5, -0.5), (9.0, 4.0), (0.5, -0.5)],
    ids=["after the first", "after the second", "in the second", "long after", "in the first"],
)
def test_time_of_peak_counts_from_the_last_bout_that_had_begun(peak_h, after_h):
    starts, ends = np.array([0.0, 4.0]), np.array([1.0, 5.0])
    assert summaries.time_of_peak_after_bout(np.float64(peak_h), starts, ends) == pytest.approx(after_h)


def test_a_peak_at_the_end_of_a_bout_is_at_zero_hours_whatever_the_rounding():
    starts, ends = np.array([0.1]), np.array([0.1 + 0.2])
    assert ends[0] != 0.3
    assert summaries.time_of_peak_after_bout(np.float64(0.3), starts, ends) == 0.0


def test_time_of_peak_before_any_bout_is_empty():
    starts, ends = np.array([3.0]), np.array([4.0])
    assert np.isnan(summaries.time_of_peak_after_bout(np.float64(2.0), starts, ends))


def test_what_falls_has_its_lowest_value_as_peak_and_a_negative_area(bout):
    time = np.linspace(0.0, 6.0, 601)
    glycogen = 1.0 - 0.3 * np.clip(time - START_H, 0.0, 2.0)
    found = summaries.summarise(time, glycogen, *bout)
    assert found["peak"] == pytest.approx(0.4)
    assert found["fold"] == pytest.approx(0.4)
    assert found["time_of_peak_h"] == pytest.approx(3.0)
    assert found["auc_above_baseline"] == pytest.approx(-(0.6 * 2 / 2 + 0.6 * 3), rel=1e-9)


def test_a_rise_with_a_smaller_undershoot_still_peaks_at_the_top(bout):
    time = np.arange(0.0, 6.0)
    values = np.array([1.0, 1.0, 3.0, 0.5, 0.5, 1.0])
    assert summaries.summarise(time, values, *bout)["peak"] == 3.0


def test_nothing_at_rest_has_no_fold(time, bout):
    found = summaries.summarise(time, np.maximum(time - START_H, 0.0), *bout)
    assert found["baseline"] == 0.0
    assert np.isnan(found["fold"])
    assert found["time_of_peak_h"] == time[-1]


def test_a_failed_solve_gives_no_number(time, bout):
    values = rise_and_decay(time)
    values[-1] = np.nan
    found = summaries.summarise(time, values, *bout)
    assert np.isnan([found[name] for name in found if name != "baseline"]).all()


def test_lanes_under_jit_give_the_numbers_of_single_runs(time, bout):
    with jax.enable_x64(True):
        scale = np.array([0.5, 1.0, -0.02, 0.0])
        lanes = REST + (rise_and_decay(time) - REST)[:, None] * scale
        starts = np.array([[START_H] * 4])
        ends = np.array([[END_H, END_H - 0.5, END_H, END_H + 0.25]])
        arrays = [jnp.asarray(a) for a in (time, lanes, starts, ends)]
        together = jax.jit(summaries.summarise)(*arrays)
        for lane in range(4):
            alone = summaries.summarise(time, lanes[:, lane], starts[:, lane], ends[:, lane])
            for name, value in alone.items():
                np.testing.assert_allclose(together[name][lane], value, rtol=1e-12, err_msg=name)


def test_summary_table_has_the_columns_of_the_contract_and_a_row_per_analyte(time):
    ds = xr.Dataset(
        {
            "IL6": ("time", rise_and_decay(time), {"units": "pg/mL", "analyte": "IL6", "plotted": 1}),
            "store": ("time", 1 - time / 100, {"units": "dimensionless", "analyte": "glycogen"}),
            "drive": ("time", time, {"units": "dimensionless"}),
        },
        coords={"time": ("time", time, {"units": "h"})},
        attrs={"bouts": json.dumps([{"start_h": START_H, "end_h": END_H, "intensity": 0.8}])},
    )
    table = summaries.summary_table(ds)
    contract = (
        "analyte unit baseline peak fold time_of_peak_h time_of_peak_after_bout_h"
        " auc_above_baseline time_back_to_baseline_h"
    )
    assert " ".join(table.columns) == contract
    assert list(table["analyte"]) == ["IL6", "glycogen"]
    assert list(table["unit"]) == ["pg/mL", "dimensionless"]
    assert table["fold"][0] == pytest.approx(41.0)
    assert table["fold"][1] == pytest.approx(0.84)


def test_a_level_at_rest_given_with_the_variable_replaces_the_first_value():
    time = np.array([1.0, 2.0, 3.0])
    ds = xr.Dataset(
        {"IL6": ("time", np.array([8.0, 4.0, 2.0]), {"units": "pg/mL", "analyte": "IL6", "rest": 2.0})},
        coords={"time": time},
        attrs={"bouts": json.dumps([{"start_h": 0.0, "end_h": 1.0}])},
    )
    row = summaries.summary_table(ds).iloc[0]
    assert (row["baseline"], row["fold"], row["time_of_peak_after_bout_h"]) == (2.0, 4.0, 0.0)


# ---- time above a level -----------------------------------------------------------------------------


def test_time_above_a_level_counts_from_crossing_to_crossing(time):
    values = rise_and_decay(time)
    # Up at 1 h + (level - rest) / gain, down at 3 h + ln(top / (level - rest)) / rate.
    for level in (3.0, 10.0, 42.0, 80.0):
        above = level - REST
        crossed = START_H + above / GAIN
        back = END_H + np.log(GAIN * (END_H - START_H) / above) / RATE_PER_H
        assert summaries.time_above(time, values, level) == pytest.approx(back - crossed, abs=1e-4)


def test_crossings_between_output_times_are_interpolated():
    time = np.array([0.0, 1.0, 2.0, 4.0])
    values = np.array([0.0, 4.0, 4.0, 0.0])
    assert summaries.time_above(time, values, 1.0) == pytest.approx(0.75 + 1.0 + 1.5)


@pytest.mark.parametrize(("level", "hours"), [(-1.0, 4.0), (5.0, 0.0), (4.0, 0.0)])
def test_time_above_what_is_never_or_always_crossed(level, hours):
    time = np.array([0.0, 1.0, 2.0, 4.0])
    values = np.array([0.0, 4.0, 4.0, 0.0])
    assert summaries.time_above(time, values, level) == pytest.approx(hours)


def test_a_curve_that_lies_on_the_level_is_not_above_it():
    time = np.array([0.0, 1.0, 2.0])
    assert summaries.time_above(time, np.full(3, 2.0), 2.0) == 0.0


def test_time_above_has_the_shape_of_the_lanes_and_times_may_differ_between_them():
    time = np.stack([np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 4.0])], axis=1)
    values = np.array([[0.0, 0.0], [2.0, 2.0], [2.0, np.nan]])
    found = summaries.time_above(time, values, 1.0)
    assert found[0] == pytest.approx(1.5)
    assert np.isnan(found[1])


def test_time_above_inside_jit_equals_that_outside(time):
    values = rise_and_decay(time)[:, None] * np.array([1.0, 0.5])
    above = jax.jit(lambda time, values: summaries.time_above(time, values, 20.0))
    inside = above(jnp.asarray(time), jnp.asarray(values))
    np.testing.assert_allclose(inside, summaries.time_above(time, values, 20.0), rtol=1e-4)
