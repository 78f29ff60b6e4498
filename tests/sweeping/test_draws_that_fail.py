"""Draws that blow up or are stiff, and memory that is short: the others stay as they are."""

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
from exsim.sweeping import running, solve_batches, solve_draws
from exsim.sweeping.block import solve_block
from exsim.sweeping.planning import block_numbers

from .plain_sweeps import PLAIN, same

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
    assert same(found, solve_draws(plan, 0, 4096))
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
    assert all(same(found[number], undisturbed[number]) for number in (0, 1))


def test_row_88_a_block_in_eight_parts_has_the_same_bytes_and_takes_an_eighth_of_the_memory(
    lognormal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lognormal(4000)
    undisturbed = solve_draws(plan, 0, 4000)
    calls = _failing(monkeypatch, 8, MemoryError("no more"))
    assert same(solve_draws(plan, 0, 4000), undisturbed)
    assert calls == [1, 2, 4] + [8] * 8
    numbers = block_numbers(plan, plan.design.draw(0, 4000), plan.task)

    def output_bytes(parts: int) -> int:
        with jax.enable_x64(True):
            program = solve_block.lower(replace(plan.task, parts=parts), numbers).compile()
        return int(program.memory_analysis().output_size_in_bytes)

    # And the places of an eighth of the draws.
    assert output_bytes(8) <= output_bytes(1) / 8 + 2 * 512 * 8


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
