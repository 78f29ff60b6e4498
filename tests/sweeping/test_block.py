"""A block of draws: its order, its padding, and the steps of its groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exsim.integrating import Status
from exsim.jax_setup import jax
from exsim.sweeping.block import BLOCK_DRAWS, GROUP_LANES, solve_block
from exsim.sweeping.planning import block_numbers

PLAIN = {
    "schema": 1,
    "model": "roots",
    "output": {"until": "2 h", "every": "15 min"},
    "solver": {"method": "tsit5", "rtol": 1e-8},
}
#: A decay rate that is no number where k is negative.
ROOTS = "model roots\n  y = 1; k = 1;\n  y' = -sqrt(k) * y;\nend\n"


@pytest.fixture(scope="module")
def plan(load_text: Callable[[str], Any], make_plan: Callable[..., Any]) -> Any:
    vary = [{"target": "parameter.k", "range": [0.1, 30.0]}]
    sweep = {"draws": BLOCK_DRAWS, "vary": vary, "metrics": {"y": ["value_at 2 h", "peak"]}}
    return make_plan(load_text(ROOTS), sweep, base=PLAIN)


def _solved(plan: Any, k: np.ndarray, **task: Any) -> dict[str, np.ndarray]:
    numbers = block_numbers(plan, k[:, None], plan.task)
    with jax.enable_x64(True):
        found = solve_block(replace(plan.task, **task), numbers)
        return {name: np.asarray(array) for name, array in found.items()}


def _k(count: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0.1, 30.0, count)


def test_draws_come_back_in_their_own_order(plan: Any) -> None:
    k = _k(BLOCK_DRAWS)
    found = _solved(plan, k)
    assert np.all(found["status"] == 0)
    np.testing.assert_allclose(found["y_at_2_h"], np.exp(-2 * np.sqrt(k)), rtol=1e-6, atol=1e-7)


def test_draws_of_a_group_share_its_steps_and_those_with_more_to_do_stand_together(plan: Any) -> None:
    k = _k(BLOCK_DRAWS)
    steps = _solved(plan, k)["steps"]
    groups = steps[np.argsort(k)].reshape(-1, GROUP_LANES)
    assert np.all(groups == groups[:, :1])
    assert groups[-1, 0] > groups[0, 0]


def test_what_is_behind_the_last_draw_is_marked_as_not_there(plan: Any) -> None:
    found = _solved(plan, _k(70))
    assert np.all(found["status"][:70] == 0)
    # The rest of the last group is solved as copies; behind it nothing was.
    assert np.all(found["status"][3 * GROUP_LANES :] == -1)
    assert np.all(np.isnan(found["y_peak"][3 * GROUP_LANES :]))


def test_a_draw_whose_decay_rate_is_no_number_is_solved_and_has_its_status(plan: Any) -> None:
    # In the order of decay rates it must not fall behind the padding.
    k = _k(3 * GROUP_LANES - 1)
    k[17] = -1.0
    found = _solved(plan, k)
    assert found["status"][17] == Status.NOT_FINITE
    assert np.isnan(found["y_peak"][17])
    others = np.arange(len(k)) != 17
    assert np.all(found["status"][: len(k)][others] == 0)
    expected = np.exp(-2 * np.sqrt(k[others]))
    np.testing.assert_allclose(found["y_at_2_h"][: len(k)][others], expected, rtol=1e-6, atol=1e-7)


def test_lanes_with_steps_of_their_own_equal_lanes_that_share_them(plan: Any) -> None:
    k = _k(2 * GROUP_LANES + 5)
    shared, own = (_solved(plan, k, shared_steps=one) for one in (True, False))
    count = len(k)
    assert np.all(own["status"][:count] == 0)
    for name in ("y_at_2_h", "y_peak"):
        np.testing.assert_allclose(own[name][:count], shared[name][:count], rtol=1e-6, atol=1e-7)
    # Each has the steps that it needs, and never more than its group.
    assert len(np.unique(own["steps"][:count])) > len(np.unique(shared["steps"][:count]))
    assert np.all(own["steps"][:count] <= shared["steps"][:count] + 2)


def test_a_lane_alone_does_not_hear_of_the_others(plan: Any) -> None:
    k = _k(2 * GROUP_LANES)
    whole = _solved(plan, k, shared_steps=False)
    other = np.append(k[:40], _k(GROUP_LANES) + 50)
    part = _solved(plan, other, shared_steps=False)
    assert np.array_equal(whole["y_at_2_h"][:40], part["y_at_2_h"][:40])
    assert np.array_equal(whole["steps"][:40], part["steps"][:40])


def test_a_grid_of_output_times_needs_edges_that_differ(plan: Any) -> None:
    from exsim.sweeping.measuring import OutputGrid

    with pytest.raises(ValueError, match="output grid"):
        _solved(plan, _k(3), grid=OutputGrid((9,)))
