"""Parameters on the scale they are estimated on: there and back, bounds, derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from exsim.scales import SCALES, Scales

INF = math.inf
MIXED = Scales(
    ("offset", "gain", "rate", "share", "plain"),
    ("linear", "log", "log10", "logit", "linear"),
    (-5.0, 1e-3, 0.0, 0.1, -INF),
    (5.0, 1e3, INF, 0.3, INF),
)
THETA = np.array([1.5, 2.0, -3.0, 0.7, -40.0])


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def single(scale, low=0.1, high=20.0) -> Scales:
    return Scales(("k",), (scale,), (low,), (high,))


def test_values_are_those_of_each_scale() -> None:
    share = 0.1 + 0.2 / (1 + math.exp(-0.7))
    np.testing.assert_allclose(MIXED.values(THETA), [1.5, math.exp(2.0), 1e-3, share, -40.0], rtol=1e-15)
    assert MIXED.values(THETA).dtype == jnp.float64
    assert float(single("log10").values(np.array([2.0]))[0]) == 100.0
    assert len(MIXED) == 5


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SCALES), st.floats(0.0, 1e3), st.floats(1e-3, 1e6), st.floats(0.001, 0.999))
def test_there_and_back_is_the_same_value(scale, low, width, place) -> None:
    value = low + place * width
    with jax.enable_x64(True):
        scales = single(scale, low, low + width)
        theta = scales.theta(np.array([value]))
        assert float(scales.values(theta)[0]) == pytest.approx(value, rel=1e-11)
        np.testing.assert_allclose(scales.theta(scales.values(theta)), theta, rtol=1e-9, atol=1e-9)
        lower, upper = scales.box()
        assert lower[0] <= theta[0] <= upper[0]


def test_the_logit_never_leaves_its_bounds_and_reaches_them() -> None:
    # 0.1 + (0.3 - 0.1) is above 0.3.
    scales = single("logit", 0.1, 0.3)
    for theta, end in ((-800.0, 0.1), (800.0, 0.3)):
        assert float(scales.values(np.array([theta]))[0]) == end
        assert np.isfinite(scales.log_jacobian(np.array([theta]))[0])
    found = jax.vmap(scales.values)(jnp.linspace(-50.0, 50.0, 2001)[:, None])
    assert np.all((found >= 0.1) & (found <= 0.3))
    assert np.all(np.diff(found[:, 0]) >= 0)


def test_bounds_become_a_box_on_the_estimation_scale() -> None:
    low, high = MIXED.box()
    np.testing.assert_allclose(low, [-5.0, math.log(1e-3), -INF, -INF, -INF], rtol=1e-15)
    np.testing.assert_allclose(high, [5.0, math.log(1e3), INF, INF, INF], rtol=1e-15)
    assert single("log10", 0.01, 100.0).box() == (np.array([-2.0]), np.array([2.0]))


def test_the_jacobian_is_the_derivative_of_the_values() -> None:
    matrix = jax.jacfwd(MIXED.values)(jnp.asarray(THETA))
    np.testing.assert_array_equal(matrix, np.diag(np.diag(matrix)))
    np.testing.assert_allclose(jnp.log(jnp.diag(matrix)), MIXED.log_jacobian(THETA), rtol=1e-12, atol=1e-13)
    for column in range(len(MIXED)):
        step = 1e-6 * np.eye(len(MIXED))[column]
        slope = (MIXED.values(THETA + step) - MIXED.values(THETA - step)) / 2e-6
        np.testing.assert_allclose(matrix[:, column], slope, rtol=1e-6, atol=1e-12)


def test_gradients_are_the_same_by_every_transformation() -> None:
    def total(theta):
        return jnp.sum(jnp.sin(MIXED.values(theta))) + jnp.sum(MIXED.log_jacobian(theta))

    theta, along = jnp.asarray(THETA), jnp.array([0.1, 0.2, -0.3, 0.4, 1.0])
    gradient = jax.grad(total)(theta)
    steps = 1e-6 * np.eye(len(MIXED))
    slope = [(total(theta + step) - total(theta - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-7)
    assert float(jax.jvp(total, (theta,), (along,))[1]) == pytest.approx(float(gradient @ along), rel=1e-12)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(theta), gradient, rtol=1e-12)
    lanes = jax.vmap(jax.grad(total))(jnp.stack([theta, theta + 0.1]))
    np.testing.assert_allclose(lanes[0], gradient, rtol=1e-12)
    np.testing.assert_allclose(lanes[1], jax.grad(total)(theta + 0.1), rtol=1e-12)


@pytest.mark.parametrize("column", [0, 4])
def test_a_number_that_would_overflow_on_another_scale_spoils_no_gradient(column) -> None:
    theta = jnp.asarray(THETA).at[column].set(1e5)
    for function in (MIXED.values, MIXED.log_jacobian):
        assert np.isfinite(jax.grad(lambda at, f=function: jnp.sum(f(at)))(theta)).all()


@pytest.mark.parametrize("scale", SCALES)
def test_a_density_of_values_is_one_of_theta_with_the_jacobian(scale) -> None:
    # The share of a uniform on 0.1 to 20 below 7, summed over theta.
    scales = single(scale)
    law = stats.uniform(0.1, 19.9)

    def density(theta):
        at = np.array([theta])
        return law.pdf(float(scales.values(at)[0])) * math.exp(float(scales.log_jacobian(at)[0]))

    low = max(float(scales.box()[0][0]), -40.0)
    share, _ = integrate.quad(density, low, float(scales.theta(np.array([7.0]))[0]))
    assert share == pytest.approx(law.cdf(7.0), rel=1e-6)


def test_it_can_be_a_static_argument() -> None:
    function = jax.jit(lambda scales, theta: scales.values(theta), static_argnums=0)
    np.testing.assert_allclose(function(MIXED, jnp.asarray(THETA)), MIXED.values(THETA), rtol=1e-15)
    assert len({MIXED, single("log"), single("log")}) == 2


@pytest.mark.parametrize(
    ("scale", "value", "message"),
    [
        ("linear", 21.0, r"k = 21 must lie from 0.1 to 20$"),
        ("log", 0.05, r"k = 0.05 must lie from 0.1 to 20$"),
        ("logit", 20.0, r"between 0.1 and 20, and not on them"),
        ("logit", 0.1, r"between 0.1 and 20, and not on them"),
        ("log10", math.nan, r"k = nan must lie"),
    ],
)
def test_a_value_outside_its_bounds_is_refused_by_name(scale, value, message) -> None:
    with pytest.raises(ValueError, match=message):
        single(scale).theta(np.array([value]))


def test_every_value_at_fault_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"offset = 9 .*; rate = 0 must lie from 0 to inf and above 0 \(log10"
    ):
        MIXED.theta(np.array([9.0, 1.0, 0.0, 0.2, 0.0]))
    with pytest.raises(ValueError, match="2 values for 5 parameters"):
        MIXED.theta(np.array([9.0, 1.0]))


def test_a_value_on_a_bound_is_inside_but_for_the_logit() -> None:
    for scale in ("linear", "log", "log10"):
        scales = single(scale)
        low, high = scales.box()
        assert scales.theta(np.array([0.1])) == low
        assert scales.theta(np.array([20.0])) == high


@pytest.mark.parametrize(
    ("scale", "low", "high", "message"),
    [
        ("linear", 2.0, 2.0, "k: the lower bound, 2, must be below the upper, 2"),
        ("linear", math.nan, 2.0, "must be below"),
        ("linear", INF, INF, "must be below"),
        ("log", -1.0, 2.0, "k: the lower bound on a log scale must not be below 0, and is -1"),
        ("log10", -INF, 2.0, "on a log10 scale must not be below 0"),
        ("logit", 0.0, INF, "k: a logit scale needs two finite bounds, not 0 to inf"),
    ],
)
def test_bounds_that_a_scale_cannot_have_are_refused(scale, low, high, message) -> None:
    with pytest.raises(ValueError, match=message):
        single(scale, low, high)


def test_columns_of_unequal_length_and_unknown_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="2 names, 1 scales, 1 lower and 1 upper"):
        Scales(("k", "j"), ("log",), (0.0,), (1.0,))
    make = object.__new__(Scales)
    for name, column in (("names", "k"), ("scales", "log2"), ("low", 0.0), ("high", 1.0)):
        object.__setattr__(make, name, (column,))
    with pytest.raises(ValueError, match='k: unknown scale "log2"'):
        make.__post_init__()


def test_no_parameter_at_all_is_allowed() -> None:
    none = Scales((), (), (), ())
    assert none.values(np.zeros(0)).shape == none.log_jacobian(np.zeros(0)).shape == (0,)
    assert none.theta(np.zeros(0)).shape == none.box()[0].shape == (0,)
