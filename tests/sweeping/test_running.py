"""Draws of a sweep: each is what a single run gives, whatever is solved beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exsim.errors import OutputError
from exsim.integrating import Status
from exsim.jax_setup import jax
from exsim.summaries import summary_table, time_above
from exsim.sweeping import Stopped, running, solve_batches, solve_draws
from exsim.sweeping.block import solve_block
from exsim.sweeping.planning import block_numbers

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

PLAIN = {
    "schema": 1,
    "model": "grows",
    "output": {"until": "2 h", "every": "15 min"},
    "solver": {"method": "tsit5"},
}
TURNOVER = "model turnover\n  unit time_unit = 3600 second;\n  y = 1; k = 0.5;\n  y' = 1 - k * y;\nend\n"
Y_PEAK = {"y": ["peak", "auc"]}


def _same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes()
        for name in first
    )


def _part(found: dict[str, np.ndarray], draws: slice) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array[draws]) for name, array in found.items()}


@pytest.fixture(scope="module")
def turnover(load_text: Callable[[str], Any]) -> Any:
    return load_text(TURNOVER)


@pytest.fixture(scope="module")
def lognormal(turnover: Any, make_plan: Callable[..., Any]) -> Callable[..., Any]:
    vary = [{"target": "parameter.k", "distribution": "lognormal", "sd": 0.8}]

    def plan(draws: int, **sweep: Any) -> Any:
        said = {"draws": draws, "design": "random", "vary": vary, "metrics": Y_PEAK, "trajectories": ["y"]}
        return make_plan(turnover, said | sweep, base=PLAIN)

    return plan


def test_a_draw_has_the_same_bytes_whatever_range_it_is_solved_in(lognormal: Callable[..., Any]) -> None:
    plan = lognormal(3 * 4096)
    whole = solve_draws(plan, 0, 3 * 4096)
    assert len(np.unique(whole["steps"])) > 3
    for number in (2, 0, 1):
        block = slice(4096 * number, 4096 * (number + 1))
        assert _same(solve_draws(plan, block.start, block.stop), _part(whole, block))


def test_a_draw_has_the_same_bytes_however_many_blocks_come_behind_it(lognormal: Callable[..., Any]) -> None:
    short = solve_draws(lognormal(4096), 0, 4096)
    long = solve_draws(lognormal(4 * 4096 + 1), 0, 4096)
    assert _same(short, long)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_bytes_in_whatever_order_they_end(
    lognormal: Callable[..., Any], workers: int
) -> None:
    plan = lognormal(5 * 4096 - 7)
    parts = [(0, 0, 8192), (1, 8192, 16384), (2, 16384, 20473)]
    found = dict(solve_batches(plan, parts, workers))
    assert sorted(found) == [0, 1, 2]
    for number, start, stop in parts:
        assert _same(found[number], solve_draws(plan, start, stop))


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


# ---- one bad draw ---------------------------------------------------------------------------------


def _growing(make_plan: Callable[..., Any], growing: Any, k: np.ndarray, **solver: Any) -> Any:
    values = {f"solver.{key}": value for key, value in solver.items()}
    sweep = {"vary": [{"target": "parameter.k"}], "metrics": {"y": ["peak"], "z": ["value_at 2 h"]}}
    return make_plan(growing, sweep, values, PLAIN, k[:, None])


@pytest.fixture(scope="module")
def mild() -> np.ndarray:
    return np.linspace(0.05, 0.3, 4096)


@pytest.mark.parametrize("method", ["tsit5", "auto"])
def test_row_85_a_draw_that_blows_up_leaves_its_neighbours_as_they_are(
    growing: Any, make_plan: Callable[..., Any], mild: np.ndarray, method: str
) -> None:
    # y' = k y^2 from 1 has no value from t = 1/k on: k = 3 ends at 20 min.
    bad = mild.copy()
    bad[2000] = 3.0
    without = solve_draws(_growing(make_plan, growing, mild, method=method), 0, 4096)
    plan = _growing(make_plan, growing, bad, method=method)
    found = solve_draws(plan, 0, 4096)
    assert found["status"][2000] == Status.NOT_FINITE
    assert np.isnan(found["y_peak"][2000])
    assert np.isnan(found["z_at_2_h"][2000])
    others = np.arange(4096) != 2000
    assert np.all(found["status"][others] == 0)
    np.testing.assert_allclose(found["y_peak"][others], 1 / (1 - 2 * mild[others]), rtol=1e-5)
    for name in ("y_peak", "z_at_2_h"):
        np.testing.assert_allclose(found[name][others], without[name][others], rtol=10 * 1e-6)
    assert _same(found, solve_draws(plan, 0, 4096))
    # Every draw has the steps of its group: their sum is that of the groups times the lanes of one. Where
    # the draw was tried again it was in a group of its own.
    again = found["steps"][2000] if method == "auto" else 0
    steps = found["steps"][others].sum() / plan.task.width + again
    assert without["steps"].sum() / plan.task.width < steps < 2 * without["steps"].sum() / plan.task.width


@pytest.mark.parametrize("k", [1e308, -1e308])
def test_row_85_a_draw_that_is_no_number_from_the_start_leaves_its_neighbours(
    growing: Any, make_plan: Callable[..., Any], mild: np.ndarray, k: float
) -> None:
    bad = mild[:63].copy()
    bad[20] = k
    found = solve_draws(_growing(make_plan, growing, bad), 0, 63)
    assert found["status"][20] != 0
    assert np.isnan(found["y_peak"][20])
    others = np.arange(63) != 20
    assert np.all(found["status"][others] == 0)
    np.testing.assert_allclose(found["y_peak"][others], 1 / (1 - 2 * bad[others]), rtol=1e-5)


STIFF_ONE = """
model lags
  unit time_unit = 3600 second;
  y = 1; z = 1; k = 1;
  y' = 1 - 0.5 * y;
  z' = k * (y - z);
end
"""
#: z follows y with the rate k: an explicit step is limited to about 3.3 / k (Tsit5's stability), so
#: k = 3e5 needs 2e5 steps for 2 h; z is y to a part in k.
MILD_K, STIFF_K = 1.0, 3e5


@pytest.fixture(scope="module")
def lagging(load_text: Callable[[str], Any], make_plan: Callable[..., Any]) -> Callable[..., Any]:
    model = load_text(STIFF_ONE)

    def plan(k: np.ndarray, **solver: Any) -> Any:
        values = {f"solver.{key}": value for key, value in solver.items()}
        sweep = {"vary": [{"target": "parameter.k"}], "metrics": {"z": ["value_at 2 h"], "y": ["peak"]}}
        return make_plan(model, sweep, values, PLAIN, k[:, None])

    return plan


def test_a_group_that_spent_its_budget_on_one_draw_loses_that_draw_alone(lagging: Callable[..., Any]) -> None:
    k = np.linspace(0.5, 2.0, 100)
    k[99] = STIFF_K
    found = solve_draws(lagging(k, method="tsit5", max_steps=300), 0, 100)
    assert found["status"][99] == Status.STEP_BUDGET
    assert np.all(found["status"][:99] == 0)
    expected = 2 - np.exp(-1.0)
    np.testing.assert_allclose(found["y_peak"][:99], expected, rtol=1e-5)
    assert np.isnan(found["z_at_2_h"][99])


def test_a_draw_given_up_early_is_solved_with_steps_of_its_own(lagging: Callable[..., Any]) -> None:
    k = np.linspace(0.5, 2.0, 100)
    k[99] = 3e3
    plan = lagging(k, method="auto")
    plan = replace(plan, stiff_task=None)
    found = solve_draws(plan, 0, 100)
    assert np.all(found["status"] == 0)
    assert found["steps"][99] > 1000 > found["steps"][:99].max()
    assert found["z_at_2_h"][99] == pytest.approx(2 - np.exp(-1.0) - 0.5 * np.exp(-1.0) / 3e3, rel=1e-5)


def test_auto_gives_a_stiff_draw_to_the_stiff_method(lagging: Callable[..., Any]) -> None:
    k = np.linspace(0.5, 2.0, 100)
    without = solve_draws(lagging(k, method="auto"), 0, 100)
    k[99] = STIFF_K
    found = solve_draws(lagging(k, method="auto"), 0, 100)
    assert np.all(found["status"] == 0)
    assert found["method"].tolist() == [0] * 99 + [1]
    assert found["steps"][99] < 1000
    assert found["z_at_2_h"][99] == pytest.approx(2 - np.exp(-1.0), rel=1e-5)
    np.testing.assert_allclose(found["z_at_2_h"][:99], without["z_at_2_h"][:99], rtol=1e-5)


# ---- memory ---------------------------------------------------------------------------------------


def _failing(monkeypatch: pytest.MonkeyPatch, fewest: int, error: Exception) -> list[int]:
    """Let blocks in fewer parts fail; return into how many parts each call of the program cuts its block."""
    calls: list[int] = []
    real = running.solve_block

    def call(task: Any, numbers: Any) -> Any:
        calls.append(task.parts)
        if task.parts < fewest:
            raise error
        return real(task, numbers)

    monkeypatch.setattr(running, "solve_block", call)
    return calls


OUT_OF_MEMORY = [
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes."),
    MemoryError("no more"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["device", "host"])
def test_row_88_a_block_that_found_no_memory_is_tried_again_and_has_the_same_bytes(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plan = lognormal(2 * 4096)
    undisturbed = dict(solve_batches(plan, [(0, 0, 4096), (1, 4096, 8192)], 2))
    calls = _failing(monkeypatch, 2, error)
    found = dict(solve_batches(plan, [(0, 0, 4096), (1, 4096, 8192)], 2))
    assert sorted(calls) == [1] * 2 + [2] * 4
    assert all(_same(found[number], undisturbed[number]) for number in (0, 1))


def test_row_88_a_block_in_eight_parts_has_the_same_bytes_and_takes_an_eighth_of_the_memory(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lognormal(4000)
    undisturbed = solve_draws(plan, 0, 4000)
    calls = _failing(monkeypatch, 8, MemoryError("no more"))
    assert _same(solve_draws(plan, 0, 4000), undisturbed)
    assert calls == [1, 2, 4] + [8] * 8
    numbers = block_numbers(plan, plan.design.draw(0, 4000), plan.task)

    def output_bytes(parts: int) -> int:
        with jax.enable_x64(True):
            program = solve_block.lower(replace(plan.task, parts=parts), numbers).compile()
        return int(program.memory_analysis().output_size_in_bytes)

    assert output_bytes(8) < 1.1 * output_bytes(1) / 8 + 4096 * 8


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["device", "host"])
def test_row_88_where_there_is_never_enough_memory_it_is_said_after_three_more_tries(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plan = lognormal(4096)
    calls = _failing(monkeypatch, 10**9, error)
    with pytest.raises(OutputError, match=r"memory is too short.*--resume goes on") as caught:
        solve_draws(plan, 0, 4096)
    assert caught.value.exit_code == 6
    assert calls == [1, 2, 4, 8]


def test_row_88_another_fault_of_the_device_is_no_lack_of_memory(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lognormal(4096)
    calls = _failing(monkeypatch, 2, jax.errors.JaxRuntimeError("INTERNAL: something else"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        solve_draws(plan, 0, 4096)
    assert len(calls) == 1


def test_row_88_a_block_is_tried_again_with_nothing_beside_it(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lognormal(8 * 4096)
    inside, together, failed = [0], [], []
    lock, real = threading.Lock(), running.solve_block

    def call(task: Any, numbers: Any) -> Any:
        with lock:
            inside[0] += 1
            first = len(failed) < 2
            if first:
                failed.append(threading.get_ident())
            else:
                together.append((threading.get_ident(), inside[0]))
        try:
            if first:
                raise MemoryError("no more")
            time.sleep(0.01)
            return real(task, numbers)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(running, "solve_block", call)
    found = dict(solve_batches(plan, [(n, 4096 * n, 4096 * (n + 1)) for n in range(8)], 3))
    assert len(found) == 8
    # The first call of a thread that failed is its second try.
    for thread in set(failed):
        assert next(count for ident, count in together if ident == thread) == 1


def test_row_85_in_float32_a_draw_that_blows_up_ends_too(
    growing: Any, make_plan: Callable[..., Any], mild: np.ndarray
) -> None:
    # Steps below the resolution of float32 would go on and never get anywhere.
    bad = mild[:64].copy()
    bad[20] = 3.0
    found = solve_draws(_growing(make_plan, growing, bad, precision="float32"), 0, 64)
    assert found["status"][20] in (Status.NOT_FINITE, Status.STEP_TOO_SMALL)
    assert np.isnan(found["y_peak"][20])
    others = np.arange(64) != 20
    assert np.all(found["status"][others] == 0)
    assert found["steps"].max() < 1000
    np.testing.assert_allclose(found["y_peak"][others], 1 / (1 - 2 * bad[others]), rtol=1e-3)
