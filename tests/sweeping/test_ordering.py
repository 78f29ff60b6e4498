"""The order of lanes: by the decay rates of their states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exsim.jax_setup import jax, jnp
from exsim.lanes import Timeline
from exsim.model import compile_model
from exsim.protocol import Protocol, build_schedule
from exsim.sweeping.ordering import stiffness

TWO = """
model two
  y = 1; z = 2; a = 3; b = 0.5; c = 7;
  y' = c * z - a * y^2;
  z' = c * y - b * z;
end
"""


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def model(load_text: Callable[[str], Any]) -> Any:
    return compile_model(load_text(TWO))


def _stiffness(model: Any, a: list[float], b: list[float]) -> np.ndarray:
    given = {"a": jnp.asarray(a), "b": jnp.asarray(b), "c": jnp.asarray(7.0)}
    rows = [given[id] for id in model.parameter_ids]
    constants = model.constants(jnp, rows)
    schedule = build_schedule(model, Protocol(), constants, 1.0)
    lanes = np.shape(a)
    states = tuple(jnp.full(lanes, float(value)) for value in (1.0, 2.0))
    return np.asarray(stiffness(model, Timeline(schedule, constants), states))


def test_it_is_the_fourth_powers_of_the_diagonal_of_the_jacobian_added_up(model: Any) -> None:
    # d(y')/dy = -2 a y with y = 1, d(z')/dz = -b; what one state does to the other is left out.
    found = _stiffness(model, [3.0, 1.0, 0.1], [0.5, 5.0, 2.0])
    np.testing.assert_allclose(found, [6.0**4 + 0.5**4, 2.0**4 + 5.0**4, 0.2**4 + 2.0**4], rtol=1e-12)


def test_a_rate_that_all_lanes_share_leaves_the_order_to_the_one_that_varies(model: Any) -> None:
    found = _stiffness(model, [3.0, 3.0, 3.0], [0.5, 2.0, 1.0])
    assert np.argsort(found).tolist() == [0, 2, 1]


def test_a_lane_without_a_number_spoils_no_other(model: Any) -> None:
    found = _stiffness(model, [3.0, np.nan, 1.0], [0.5, 1.0, 1.0])
    assert np.isfinite(found).tolist() == [True, False, True]
