"""Log densities of measurements against scipy.stats, far out in the tails, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from exsim.noise import FAMILIES, known_sd, log_density, log_share_below_normal, scale_from_sd

SCALE, PROPORTIONAL, DEGREES = 0.7, 0.2, 3.5
SIDES = (BELOW_LIMIT, MEASURED, ABOVE_LIMIT)
POINTS = [(2.0, 1.5), (2.0, 9.0), (0.3, 0.1), (40.0, 38.0), (1.0, 1.0), (5.0, 0.2)]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def reference(family, f, scale=SCALE, proportional=PROPORTIONAL, degrees=DEGREES):
    """Return the distribution of a measurement as scipy has it."""
    return {
        "normal": lambda: stats.norm(f, scale),
        "lognormal": lambda: stats.lognorm(scale, scale=f),
        "additive_proportional": lambda: stats.norm(f, np.hypot(scale, proportional * f)),
        "laplace": lambda: stats.laplace(f, scale),
        "student_t": lambda: stats.t(degrees, f, scale),
    }[family]()


def density(family, f, y, side, scale=SCALE, proportional=PROPORTIONAL, degrees=DEGREES):
    """Return the log density, with NaN in what a row does not have, as a table of measurements has it."""
    measured = np.asarray(side) == MEASURED
    value, limit = jnp.where(measured, y, jnp.nan), jnp.where(measured, jnp.nan, y)
    return log_density(family, f, value, limit, side, scale, proportional, degrees)


def expected(family, f, y, side, **noise):
    law = reference(family, f, **noise)
    return {BELOW_LIMIT: law.logcdf, MEASURED: law.logpdf, ABOVE_LIMIT: law.logsf}[side](y)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_log_densities_are_those_of_scipy(family, side) -> None:
    for f, y in POINTS:
        found = float(density(family, jnp.asarray(f), y, side))
        assert found == pytest.approx(expected(family, f, y, side), rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_every_kind_are_worked_out_together(family) -> None:
    f, y = (np.array(column) for column in zip(*POINTS, strict=True))
    sides = np.array([-1, 0, 1, 0, -1, 1])
    scale = np.linspace(0.3, 2.0, len(f))
    found = density(family, jnp.asarray(f), y, sides, scale=scale)
    one_by_one = [
        expected(family, *row[:3], scale=row[3]) for row in zip(f, y, sides.tolist(), scale, strict=True)
    ]
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(found, one_by_one, rtol=1e-11)
    lanes = density(family, jnp.asarray(f)[:, None] * jnp.array([1.0, 1.1]), y[:, None], sides[:, None])
    assert lanes.shape == (len(f), 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_density_on_the_scale_of_the_data_integrates_to_one(family) -> None:
    # Trapezoids, evenly in log y, or closest where y is near the prediction.
    away = np.linspace(-14.0, 14.0, 20_001)
    at = 2.0 * np.exp(away) if family == "lognormal" else 2.0 + np.sinh(away)
    share = np.trapezoid(np.exp(density(family, jnp.asarray(2.0), at, MEASURED)), at)
    assert share == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_central_differences_by_every_transformation(family, side) -> None:
    @jax.jit
    def total(theta, point):
        return density(family, theta[0] * point[0], point[1], side, scale=theta[1], proportional=theta[2])

    grad = jax.jit(jax.grad(total))

    def differences(theta, point):
        steps = 1e-6 * np.eye(3)
        return [(total(theta + step, point) - total(theta - step, point)) / 2e-6 for step in steps]

    theta = jnp.array([1.0, SCALE, PROPORTIONAL])
    along = jnp.array([0.3, -0.5, 0.2])
    # At z = 0 the Laplace has a corner.
    points = jnp.array([point for point in POINTS if point[0] != point[1]])
    gradients = [grad(theta, point) for point in points]
    for point, gradient in zip(points, gradients, strict=True):
        np.testing.assert_allclose(gradient, differences(theta, point), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        jax.jvp(lambda t: total(t, points[0]), (theta,), (along,))[1], gradients[0] @ along, rtol=1e-12
    )
    with jax.disable_jit():
        np.testing.assert_allclose(jax.grad(total)(theta, points[0]), gradients[0], rtol=1e-11)
    lanes = jax.vmap(jax.grad(total), (None, 0))(theta, points)
    np.testing.assert_allclose(lanes, gradients, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_second_derivatives_are_central_differences_of_the_first(family, side) -> None:
    slope = jax.jit(jax.grad(lambda f, y: density(family, f, y, side)))
    second = jax.jit(jax.grad(slope))
    for f, y in [(2.0, 1.5), (2.0, 9.0), (5.0, 0.2), (60.0, 20.0)]:
        curvature = second(jnp.asarray(f), y)
        difference = (slope(jnp.asarray(f + 1e-5), y) - slope(jnp.asarray(f - 1e-5), y)) / 2e-5
        assert float(curvature) == pytest.approx(float(difference), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("z", [-1e60, -1e10, -1e3, -40.0, -20.01, -10.001, -9.999, -3.0, 0.0, 4.0, 7.0, 60.0])
def test_the_normal_tail_and_its_slope_hold_far_out(z) -> None:
    at = jnp.asarray(z)
    assert float(log_share_below_normal(at)) == pytest.approx(special.log_ndtr(z), rel=1e-14, abs=1e-15)
    # phi / Phi = sqrt(2 / pi) / erfcx(-z / sqrt 2): no difference of large numbers in it.
    slope = math.sqrt(2 / math.pi) / special.erfcx(-z / math.sqrt(2))
    assert float(jax.grad(log_share_below_normal)(at)) == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("degrees", [0.5, 1.0, 4.0, 30.0, 1e3])
def test_the_tail_of_the_t_holds_far_out(degrees) -> None:
    z = np.array([-1e4, -300.0, -60.0, -30.0, -12.0, -7.0, -6.5, -6.0, -3.0, -1.001, -0.999, -1e-6, 0.5, 3.0])
    law = stats.t(degrees)
    z = z[law.cdf(z) > 1e-290]
    found = density("student_t", jnp.asarray(0.0), z, BELOW_LIMIT, scale=1.0, degrees=degrees)
    # scipy itself is off by 4e-11 for one degree, next to 0.
    np.testing.assert_allclose(found, np.log(law.cdf(z)), rtol=1e-10)


def test_the_tail_of_the_t_is_its_power_law_where_scipy_underflows() -> None:
    # F(-z) -> C z^-nu with C = Gamma((nu+1)/2) nu^(nu/2 - 1) / (sqrt(pi) Gamma(nu/2)).
    nu, z = 30.0, 1e60
    constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi)
    law = constant + (nu / 2 - 1) * math.log(nu) - nu * math.log(z)
    found = density("student_t", jnp.asarray(0.0), -z, BELOW_LIMIT, scale=1.0, degrees=nu)
    assert float(found) == pytest.approx(law, rel=1e-13)


@pytest.mark.parametrize("family", ["normal", "laplace", "student_t"])
def test_both_sides_of_a_limit_share_the_whole(family) -> None:
    y = np.linspace(-6.0, 6.0, 41)
    below = density(family, jnp.asarray(0.3), y, BELOW_LIMIT)
    above = density(family, jnp.asarray(0.3), y, ABOVE_LIMIT)
    np.testing.assert_allclose(np.exp(below) + np.exp(above), 1.0, rtol=1e-13)


#: Prediction, datum, scale and proportional part, one of them no number that can be used.
BROKEN = np.array(
    [
        [bad if place == column else good for place, good in enumerate((2.0, 3.0, SCALE, PROPORTIONAL))]
        for column in range(3)
        for bad in ((np.nan, np.inf, -np.inf, 1e200) if column < 2 else (np.nan, np.inf, -1.0, 1e200))
    ]
)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_a_number_counts_as_impossible_and_pulls_nowhere(family, side) -> None:
    def row(theta):
        return log_density(family, theta[0], theta[1], theta[1], side, *theta[2:])

    for slope in (jax.grad(row), jax.jacfwd(row)):
        found = jax.jit(jax.vmap(slope))(jnp.asarray(BROKEN))
        np.testing.assert_array_equal(found, 0.0, err_msg=str(BROKEN))
    np.testing.assert_array_equal(jax.vmap(row)(jnp.asarray(BROKEN)), -np.inf)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bad_row_leaves_the_gradient_of_the_others_alone(family) -> None:
    f, y = jnp.array([2.0, np.nan, 1.5, 0.0, -3.0]), np.array([1.5, 2.0, 1.0, 1.0, 1.0])
    sides = np.array([MEASURED, MEASURED, BELOW_LIMIT, BELOW_LIMIT, ABOVE_LIMIT])

    def total(f):
        return jnp.sum(density(family, f, y, sides))

    gradient = jax.grad(total)(f)
    assert np.isfinite(gradient).all()
    for row in (0, 2):
        alone = jax.grad(lambda g, row=row: density(family, g, y[row], int(sides[row])))(f[row])
        assert float(gradient[row]) == pytest.approx(float(alone), rel=1e-12)
        assert gradient[row] != 0


@pytest.mark.parametrize("f", [0.0, -1e-12, -5.0])
def test_a_lognormal_prediction_at_or_below_zero_can_only_be_below_a_limit(f) -> None:
    for side, found in ((MEASURED, -np.inf), (BELOW_LIMIT, 0.0), (ABOVE_LIMIT, -np.inf)):
        value, slope = jax.value_and_grad(lambda g, side=side: density("lognormal", g, 2.0, side))(f)
        assert float(value) == found
        assert float(slope) == 0.0
    near = density("lognormal", jnp.asarray(1e-40), 2.0, BELOW_LIMIT)
    assert float(near) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("y", [0.0, -1.0])
def test_a_lognormal_value_lies_above_zero(y) -> None:
    for side, found in ((MEASURED, -np.inf), (BELOW_LIMIT, -np.inf), (ABOVE_LIMIT, 0.0)):
        value, slope = jax.value_and_grad(lambda g, side=side: density("lognormal", g, y, side))(2.0)
        assert float(value) == found
        assert float(slope) == 0.0


def test_a_noise_that_is_proportional_alone_needs_a_prediction_that_is_not_zero() -> None:
    def row(theta):
        return density(
            "additive_proportional", theta[0], 3.0, MEASURED, scale=theta[1], proportional=theta[2]
        )

    alone = jnp.array([2.0, 0.0, 0.3])
    assert float(row(alone)) == pytest.approx(stats.norm(2.0, 0.6).logpdf(3.0), rel=1e-13)
    assert np.isfinite(jax.grad(row)(alone)).all()
    nothing = jnp.array([0.0, 0.0, 0.3])
    assert float(row(nothing)) == -np.inf
    np.testing.assert_array_equal(jax.grad(row)(nothing), 0.0)
    assert float(row(jnp.array([1e90, 1.0, 1e90]))) == -np.inf


def test_an_outlier_of_any_size_has_a_finite_gradient() -> None:
    for family in FAMILIES:
        for f in (1e90, 1e-45):
            for side in SIDES:
                value, slope = jax.value_and_grad(lambda g, k=(family, side): density(k[0], g, 5.0, k[1]))(f)
                assert np.isfinite(value)
                assert np.isfinite(slope)


def test_a_mark_that_is_none_of_the_three_counts_as_impossible() -> None:
    assert float(log_density("normal", 1.0, 1.0, 1.0, 2, 1.0)) == -np.inf


def test_no_number_makes_a_new_program() -> None:
    traces = 0

    @jax.jit
    def total(f, scale):
        nonlocal traces
        traces += 1
        return jnp.sum(density("student_t", f, np.ones(3), np.array([-1, 0, 1]), scale=scale))

    for f in (1.0, 2.0):
        total(jnp.full(3, f), jnp.asarray(0.1 * f))
    assert traces == 1


def test_a_group_mean_has_its_standard_error_and_a_person_the_standard_deviation() -> None:
    sd, sem = np.array([2.0, 2.0, np.nan, 2.0]), np.array([0.5, 0.5, 0.4, np.nan])
    found = known_sd(sd, sem, np.array([False, True, False, True]))
    np.testing.assert_array_equal(found, [2.0, 0.5, np.nan, np.nan])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_scale_made_from_a_standard_deviation_gives_it_back(family) -> None:
    scale = float(scale_from_sd(family, 0.8, 2.0, DEGREES))
    # `value` is the mean of the log-normal, f its median.
    f = 2.0 / np.exp(0.5 * scale**2) if family == "lognormal" else 2.0
    law = reference(family, f, scale=scale, proportional=0.0)
    assert law.std() == pytest.approx(0.8, rel=1e-12)
    assert law.mean() == pytest.approx(2.0, rel=1e-12)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match='unknown noise "log-normal"') as caught:
        _unchecked("log-normal")
    assert "lognormal" in str(caught.value)
    for degrees in (0.0, -1.0, math.nan, 1e7):
        with pytest.raises(ValueError, match="degrees of freedom must be"):
            log_density("student_t", 1.0, 1.0, 1.0, MEASURED, 1.0, degrees=degrees)
    with pytest.raises(ValueError, match="no standard deviation"):
        scale_from_sd("student_t", 1.0, 1.0, 2.0)


def _unchecked(family: str) -> None:
    # Past the check of types that the tests run with.
    getattr(log_density, "__wrapped__", log_density)(family, 1.0, 1.0, 1.0, MEASURED, 1.0)
