"""Draws of a sweep: each is what a single run gives, whatever is solved beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exsim.summaries import summary_table, time_above
from exsim.sweeping import Stopped, running, solve_batches, solve_draws

from .plain_sweeps import same

METRICS = ["baseline", "peak", "fold", "time_of_peak", "time_of_peak_after_bout", "auc"]
METRICS += ["time_back_to_baseline", "time_above 20 pg/mL", "value_at 3 h", "value_at end + 1.5 h"]
COLUMNS = ("baseline", "peak", "fold", "time_of_peak_h", "time_of_peak_after_bout_h", "auc_above_baseline")
COLUMNS += ("time_back_to_baseline_h",)

#: Target, lowest and highest value, and how a config writes one of them.
SHARED_TIMES = {
    "parameter.k": ("0.5 1/h", "1.2 1/h", "{} 1/h"),
    "parameter.gain": ("20 pg/mL/h", "90 pg/mL/h", "{} pg/mL/h"),
    "subject.body_mass": ("50 kg", "110 kg", "{} kg"),
    "subject.baseline.IL6": ("0.5 pg/mL", "3 pg/mL", "{} pg/mL"),
    "protocol.bout.0.intensity": (0.3, 0.9, "{}"),
    "protocol.infusion.0.rate": ("20 ng/h", "90 ng/h", "{} ng/h"),
    "protocol.bolus.0.dose": ("1 ng/kg", "9 ng/kg", "{} ng/kg"),
}
OWN_TIMES = {
    "protocol.bout.0.start": ("0 h", "1 h", "{} h"),
    "protocol.bout.0.duration": ("1 h", "4 h", "{} h"),
    "protocol.infusion.0.start": ("4 h", "6 h", "{} h"),
    "protocol.bolus.0.time": ("3 h", "9 h", "{} h"),
}


def _vary(targets: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"target": name, "range": [low, high]} for name, (low, high, _) in targets.items()]


def _values(targets: dict[str, Any], found: dict[str, np.ndarray], draw: int) -> dict[str, Any]:
    values = {}
    for name, (_, _, form) in targets.items():
        number = form.format(repr(float(found[name][draw])))
        values[name] = float(number) if form == "{}" else number
    return values


@pytest.fixture(scope="module")
def shared_times(small: Any, make_plan: Callable[..., Any]) -> dict[str, np.ndarray]:
    metrics = {"IL6": METRICS, "IL10": METRICS}
    plan = make_plan(small, {"draws": 6, "vary": _vary(SHARED_TIMES), "metrics": metrics})
    return solve_draws(plan, 0, 6)


@pytest.mark.parametrize("draw", range(6))
def test_a_draw_equals_a_single_run_with_its_values(
    small: Any, simulated: Callable[..., Any], shared_times: dict[str, np.ndarray], draw: int
) -> None:
    ds = simulated(small, _values(SHARED_TIMES, shared_times, draw))
    for row in summary_table(ds).to_dict(orient="records"):
        name = row["analyte"]
        for column in COLUMNS:
            found = shared_times[f"{name}_{column}"][draw]
            assert found == pytest.approx(row[column], rel=1e-6, abs=1e-9, nan_ok=True), column
        curve = ds[name]
        assert shared_times[f"{name}_at_3_h"][draw] == pytest.approx(float(curve.sel(time=3.0)), rel=1e-6)
        assert shared_times[f"{name}_at_end_plus_1.5_h"][draw] == pytest.approx(
            float(curve.sel(time=4.0)), rel=1e-6
        )
        hours = float(time_above(ds["time"].values, curve.values, 20.0))
        assert shared_times[f"{name}_time_above_20_pg_per_mL_h"][draw] == pytest.approx(hours, rel=1e-6)
    assert np.all(shared_times["status"] == 0)
    assert np.all(shared_times["method"] == 0)


def test_analytes_differ_between_the_draws_that_are_compared(shared_times: dict[str, np.ndarray]) -> None:
    for name in ("IL6_peak", "IL10_peak", "IL6_auc_above_baseline", "IL6_at_3_h"):
        assert len(np.unique(shared_times[name])) == 6


@pytest.fixture(scope="module")
def own_times(small: Any, make_plan: Callable[..., Any]) -> dict[str, np.ndarray]:
    metrics = {"IL6": METRICS, "IL10": METRICS}
    plan = make_plan(small, {"draws": 6, "vary": _vary(OWN_TIMES | SHARED_TIMES), "metrics": metrics})
    assert plan.task.grid is not None
    return solve_draws(plan, 0, 6)


@pytest.mark.parametrize("draw", range(6))
def test_a_draw_with_times_of_its_own_equals_a_single_run(
    small: Any, simulated: Callable[..., Any], own_times: dict[str, np.ndarray], draw: int
) -> None:
    """Output times differ. A value at a time is read off a polynomial and must be right to 1e-6.

    A highest value that falls between output times is missed by at most h^2 |y''| / 8, h = 5 min
    (Taylor about the maximum); trapezoids are wrong by at most h^2 |y''| / 12 for each hour. y'' is
    taken from the single run at each minute; it jumps at an edge, which is an output time.
    """
    values = _values(OWN_TIMES | SHARED_TIMES, own_times, draw)
    end_h = float(own_times["protocol.bout.0.start"][draw] + own_times["protocol.bout.0.duration"][draw])
    ds = simulated(small, values | {"output.every": "1 min"})
    output = {"until": "12 h", "times": ["3 h", f"{end_h + 1.5!r} h"], "sort": True}
    exact = simulated(small, values | {"output": output})
    hours = ds["time"].values
    for row in summary_table(ds).to_dict(orient="records"):
        name = row["analyte"]
        curve = ds[name].values
        slope = np.diff(curve) / np.diff(hours)
        apart = np.diff(hours)
        inside = np.minimum(apart[1:], apart[:-1]) > 1e-3
        bend = np.abs(np.diff(slope) / (0.5 * (apart[1:] + apart[:-1])))
        # At an edge the slope itself jumps: that is no curvature.
        smooth = inside & (np.abs(np.diff(slope)) < 0.2 * np.abs(slope).max())
        curved = bend[smooth].max()
        h = 5.0 / 60.0
        assert own_times[f"{name}_at_3_h"][draw] == pytest.approx(float(exact[name].sel(time=3.0)), rel=1e-6)
        at_end = float(exact[name].sel(time=end_h + 1.5, method="nearest"))
        assert own_times[f"{name}_at_end_plus_1.5_h"][draw] == pytest.approx(at_end, rel=1e-6)
        missed = h**2 * curved / 8 + 1e-6 * row["peak"]
        assert abs(own_times[f"{name}_peak"][draw] - row["peak"]) <= missed
        area = own_times[f"{name}_auc_above_baseline"][draw]
        assert abs(area - row["auc_above_baseline"]) <= 12 * h**2 * curved / 12 + 1e-6 * abs(area)
        assert own_times[f"{name}_baseline"][draw] == pytest.approx(row["baseline"], rel=1e-12)
        assert abs(own_times[f"{name}_time_of_peak_h"][draw] - row["time_of_peak_h"]) <= h
        if name == "IL6" and row["time_of_peak_h"] == pytest.approx(end_h):
            # The end of the bout is an output time of both.
            assert own_times["IL6_peak"][draw] == pytest.approx(row["peak"], rel=1e-6)
            assert own_times["IL6_time_of_peak_after_bout_h"][draw] == pytest.approx(0.0, abs=1e-9)


EVENTS = """
model pulses
  unit time_unit = 3600 second;
  y = 1; k = 0.5; first = 2; apart = 3;
  y' = -k * y;
  one: at (time >= first), t0=false: y = y + 1;
  two: at (time >= first + apart), t0=false: y = 2 * y;
end
"""
EVENT_CONFIG = {
    "schema": 1,
    "model": "pulses",
    "output": {"until": "10 h", "every": "5 min"},
    "solver": {"rtol": 1e-11, "atol": 1e-12, "method": "tsit5"},
}


def test_events_whose_time_follows_from_a_varied_parameter_happen_when_each_draw_says(
    load_text: Callable[[str], Any], make_plan: Callable[..., Any]
) -> None:
    # Closed form: e^-kt, 1 more at `first`, twice as much at `first + apart`.
    model = load_text(EVENTS)
    ranges = {"parameter.first": [0.5, 4.0], "parameter.apart": [0.0, 5.0]}
    vary = [{"target": name, "range": ends} for name, ends in ranges.items()]
    metrics = {"y": ["value_at 1 h", "value_at 5 h", "value_at 9.5 h"]}
    plan = make_plan(model, {"draws": 64, "vary": vary, "metrics": metrics}, base=EVENT_CONFIG)
    assert plan.task.grid is not None
    found = solve_draws(plan, 0, 64)
    assert np.all(found["status"] == 0)
    first = found["parameter.first"]
    second = first + found["parameter.apart"]
    for at_h in (1.0, 5.0, 9.5):
        alone = np.exp(-0.5 * at_h)
        expected = alone + np.where(at_h >= first, np.exp(-0.5 * (at_h - first)), 0.0)
        doubled = (np.exp(-0.5 * second) + np.exp(-0.5 * (second - first))) * np.exp(-0.5 * (at_h - second))
        expected = np.where(at_h >= second, 2 * doubled, expected)
        np.testing.assert_allclose(found[f"y_at_{at_h:g}_h"], expected, rtol=1e-6)


# ---- a draw is a function of its index alone -----------------------------------------------------


def _part(found: dict[str, np.ndarray], draws: slice) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array[draws]) for name, array in found.items()}


def test_a_draw_has_the_same_bytes_whatever_range_it_is_solved_in(lognormal: Callable[..., Any]) -> None:
    plan = lognormal(3 * 4096)
    whole = solve_draws(plan, 0, 3 * 4096)
    assert len(np.unique(whole["steps"])) > 3
    for number in (2, 0, 1):
        block = slice(4096 * number, 4096 * (number + 1))
        assert same(solve_draws(plan, block.start, block.stop), _part(whole, block))


def test_a_draw_has_the_same_bytes_however_many_blocks_come_behind_it(lognormal: Callable[..., Any]) -> None:
    short = solve_draws(lognormal(4096), 0, 4096)
    long = solve_draws(lognormal(4 * 4096 + 1), 0, 4096)
    assert same(short, long)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_bytes_in_whatever_order_they_end(
    lognormal: Callable[..., Any], workers: int
) -> None:
    plan = lognormal(5 * 4096 - 7)
    parts = [(0, 0, 8192), (1, 8192, 16384), (2, 16384, 20473)]
    found = dict(solve_batches(plan, parts, workers))
    assert sorted(found) == [0, 1, 2]
    for number, start, stop in parts:
        assert same(found[number], solve_draws(plan, start, stop))


def test_who_takes_no_more_batches_ends_the_threads_after_the_block_they_are_in(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lognormal(64 * 4096)
    solved = []
    real = running._solve_block
    monkeypatch.setattr(running, "_solve_block", lambda *args: (solved.append(args), real(*args))[1])
    batches = solve_batches(plan, [(n, 16 * 4096 * n, 16 * 4096 * (n + 1)) for n in range(4)], 2)
    next(batches)
    batches.close()
    ended = len(solved)
    # One batch is whole; of the others no further block was begun.
    assert 16 <= ended <= 34
    assert ended == len(solved)


def test_a_range_is_left_between_two_blocks_when_asked_to(lognormal: Callable[..., Any]) -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 1

    with pytest.raises(Stopped):
        solve_draws(lognormal(3 * 4096), 0, 3 * 4096, should_stop)
    assert len(asked) == 2


@pytest.mark.parametrize("draws", [1, 31, 32, 33, 63, 64, 65, 4096, 4097])
def test_a_group_or_block_that_is_not_full_is_filled_up_and_cut_again(
    lognormal: Callable[..., Any], draws: int
) -> None:
    found = solve_draws(lognormal(draws), 0, draws)
    assert {len(array) for array in found.values()} == {draws}
    assert np.all(found["status"] == 0)
    k = found["parameter.k"]
    end = 1 / k + (1 - 1 / k) * np.exp(-2 * k)
    np.testing.assert_allclose(found["curve y"][:, -1], end, rtol=1e-5)
