"""Lanes that cannot go on: frozen with a status, and the others as if they were not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exsim.integrating import Integration, Status, integrate
from exsim.jax_setup import jax, jnp
from exsim.lanes import LANES, Timeline
from exsim.lanes.freezing import ALONE
from exsim.model import Model
from exsim.protocol import Protocol, build_schedule

MILD = np.linspace(0.2, 2.0, 32)
RTOL = 1e-6
UNTIL_H = 4.0


@pytest.fixture(scope="module")
def solve(turnover_model: Model) -> Any:
    """Return a function that solves y' = -k y from 1 over 4 h, a lane for each k, in one group."""

    @jax.jit
    def run(k: jax.Array, lone_step: jax.Array) -> Integration:
        rows = [k if id == "k" else jnp.asarray(2.0) for id in turnover_model.parameter_ids]
        constants = turnover_model.constants(jnp, rows)
        schedule = build_schedule(turnover_model, Protocol(), constants, UNTIL_H)
        taus = jnp.linspace(0.0, 1.0, 9)
        return integrate(
            turnover_model,
            LANES,
            "tsit5",
            Timeline(schedule, constants),
            (jnp.ones(k.shape),),
            taus,
            lambda tau, states, here: states[0],
            rtol=jnp.asarray(RTOL),
            atol=jnp.asarray(1e-9),
            max_steps=20_000,
            lone_step=lone_step,
        )

    def solved(k: np.ndarray, lone_step: float = 0.0) -> Integration:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, run(jnp.asarray(k), jnp.asarray(lone_step)))

    return solved


def _with(lane: int, k: float) -> np.ndarray:
    result = MILD.copy()
    result[lane] = k
    return result


def _others_are_unaffected(found: Integration, without: Integration, lanes: list[int]) -> None:
    others = ~np.isin(np.arange(len(MILD)), lanes)
    assert np.all(found.status[others] == Status.DONE)
    expected = np.exp(-MILD * UNTIL_H)[others]
    np.testing.assert_allclose(found.observed[-1][others], expected, rtol=1e-4, atol=1e-8)
    difference = np.abs(found.observed - without.observed)[:, others]
    assert difference.max() <= 10 * RTOL


def test_without_trouble_all_lanes_are_done(solve: Any) -> None:
    found = solve(MILD, 0.01)
    assert np.all(found.status == Status.DONE)
    assert found.steps < 60


def test_a_lane_that_alone_needs_short_steps_is_frozen_early(solve: Any) -> None:
    # Tsit5 is stable for steps up to about 3.3 / k: 4 h with k = 1e4 are 12,000 steps.
    without = solve(MILD, 0.01)
    found = solve(_with(5, 1e4), 0.01)
    assert found.status[5] == Status.STEP_TOO_SMALL
    assert found.steps < 2 * without.steps
    _others_are_unaffected(found, without, [5])


def test_where_no_lane_is_to_be_given_up_the_group_waits_for_it(solve: Any) -> None:
    found = solve(_with(5, 1e4))
    assert np.all(found.status == Status.DONE)
    assert found.steps > 10_000


def test_lanes_that_many_others_are_like_are_not_frozen(solve: Any) -> None:
    many = int(ALONE * len(MILD)) + 1
    k = MILD.copy()
    k[:many] = 1e3
    found = solve(k, 0.01)
    assert np.all(found.status == Status.DONE)
    k[0] = 1.0
    assert np.sum(solve(k, 0.01).status == Status.STEP_TOO_SMALL) == many - 1


def test_a_lane_that_is_no_number_is_frozen_and_keeps_its_last_good_state(solve: Any) -> None:
    found = solve(_with(7, np.nan))
    assert found.status[7] == Status.NOT_FINITE
    assert found.reached[0, 7] == 1.0
    _others_are_unaffected(found, solve(MILD), [7])
    assert found.steps < 200


def test_a_lane_that_grows_beyond_all_numbers_is_frozen(solve: Any) -> None:
    # e^(1000 t) passes the largest double at 0.7 h.
    found = solve(_with(7, -1000.0))
    assert found.status[7] == Status.NOT_FINITE
    assert np.isfinite(found.reached[0, 7])
    _others_are_unaffected(found, solve(MILD), [7])


def test_two_lanes_may_fail_for_different_reasons(solve: Any) -> None:
    k = _with(3, 1e4)
    k[20] = np.nan
    found = solve(k, 0.01)
    assert found.status[3] == Status.STEP_TOO_SMALL
    assert found.status[20] == Status.NOT_FINITE
    _others_are_unaffected(found, solve(MILD), [3, 20])


def test_where_no_lane_can_go_on_the_solve_ends_soon(solve: Any) -> None:
    found = solve(np.full(32, np.nan))
    assert np.all(found.status == Status.NOT_FINITE)
    assert found.steps < 200


def test_a_group_gives_the_same_bytes_at_each_repeat(solve: Any) -> None:
    first, second = (solve(_with(5, 1e4), 0.01) for _ in range(2))
    assert first.observed.tobytes() == second.observed.tobytes()
