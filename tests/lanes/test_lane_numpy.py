"""The logarithm and the power of lanes against NumPy's: digits, edges, derivatives, precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.evaluation import power
from exsim.lanes import lane_numpy

BASES = {
    "positive": [1e-9, 0.3, 1.0, 7e5],
    "with a zero": [1e-9, 0.0, 1.0, 7e5],
    "with one below": [1e-9, 0.3, -2.0, 7e5],
}
EXPONENTS = [0.0, 1.0, 1.7, 2.0, 3.0, -1.5, [0.5, 1.0, 2.0, 3.3]]


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


@pytest.mark.parametrize("bases", BASES.values(), ids=BASES)
@pytest.mark.parametrize("exponent", EXPONENTS, ids=str)
def test_a_power_of_lanes_is_that_of_single_solves_in_value_and_derivative(bases, exponent) -> None:
    at = jnp.asarray(bases), jnp.asarray(exponent)
    along = jax.tree.map(jnp.ones_like, at)
    wanted, wanted_slope = jax.jvp(lambda x, n: power(jnp, x, n), at, along)
    found, slope = jax.jit(lambda: jax.jvp(lambda x, n: power(lane_numpy, x, n), at, along))()
    np.testing.assert_allclose(found, wanted, rtol=1e-13)
    # The safe one subtracts terms as large as 1 / x where n = 0: 1e9 of them here.
    np.testing.assert_allclose(slope, wanted_slope, rtol=1e-12 if exponent else 1e-8)


def test_a_power_takes_bases_of_every_lane_alone_and_bare_numbers() -> None:
    bases = jnp.asarray([0.0, 0.5, 2.0])
    found = jax.vmap(lambda x: power(lane_numpy, x, 1.5))(bases)
    np.testing.assert_allclose(found, np.asarray(bases) ** 1.5, rtol=1e-14)
    assert power(lane_numpy, 2.0, 0.5) == pytest.approx(np.sqrt(2.0), rel=1e-14)
    assert power(lane_numpy, jnp.asarray([2.0], jnp.float32), 0.5).dtype == jnp.float32


def test_only_lanes_that_need_it_pay_for_safety_at_zero() -> None:
    lanes = jnp.ones(8)
    program = str(jax.make_jaxpr(lambda x: power(lane_numpy, x, 1.5))(lanes))
    assert "cond" in program
    assert "cond" not in str(jax.make_jaxpr(lambda x: power(jnp, x, 1.5))(lanes))


def test_float32_stays_float32() -> None:
    assert lane_numpy.log(jnp.asarray([2.0], jnp.float32)).dtype == jnp.float32


def test_all_else_is_that_of_jax() -> None:
    assert lane_numpy.exp is jnp.exp
