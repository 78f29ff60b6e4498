"""The logarithm of lanes against NumPy's: digits, edges, derivative, precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.lanes import lane_numpy


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def test_the_logarithm_is_right_to_the_last_digit() -> None:
    chance = np.random.default_rng(1)
    values = np.concatenate(
        [
            10.0 ** chance.uniform(-300, 300, 20_000),
            chance.uniform(0.4, 2.5, 20_000),
            1 + 1e-9 * chance.random(99),
        ]
    )
    found = np.asarray(jax.jit(lane_numpy.log)(jnp.asarray(values)))
    exact = np.log(values)
    assert (np.abs(found - exact) <= 2 * np.spacing(np.abs(exact))).all()


def test_at_the_edges_it_is_what_numpy_says() -> None:
    values = np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 1.0])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(lane_numpy.log(jnp.asarray(values)), np.log(values))


def test_its_derivative_is_one_over_the_number() -> None:
    at = jnp.asarray([1e-200, 0.3, 1.0, 7e50])
    _, slope = jax.jvp(lane_numpy.log, (at,), (jnp.ones(4),))
    np.testing.assert_allclose(slope, 1 / np.asarray(at), rtol=1e-15)


def test_float32_stays_float32() -> None:
    assert lane_numpy.log(jnp.asarray([2.0], jnp.float32)).dtype == jnp.float32


def test_all_else_is_that_of_jax() -> None:
    assert lane_numpy.exp is jnp.exp
