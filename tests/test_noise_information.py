"""Information of rows of data against integrals over the law, differences and closed forms."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from exsim.noise import FAMILIES, log_density
from exsim.noise_information import row_information, standardised_residual

F, SCALE, PROPORTIONAL, DEGREES = 2.0, 0.7, 0.2, 3.5
SIDES = (BELOW_LIMIT, MEASURED, ABOVE_LIMIT)
#: Standard laws: a family has one of them in its score.
LAWS = {
    "normal": stats.norm,
    "lognormal": stats.norm,
    "additive_proportional": stats.norm,
    "laplace": stats.laplace,
    "student_t": stats.t(DEGREES),
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def factors(family, f, y, side, scale=SCALE, proportional=PROPORTIONAL, degrees=DEGREES):
    """Return the two factors, with NaN in what a row does not have."""
    measured = jnp.asarray(side) == MEASURED
    value, limit = jnp.where(measured, y, jnp.nan), jnp.where(measured, jnp.nan, y)
    return row_information(family, f, value, limit, side, scale, proportional, degrees)


def information(*row, **noise):
    location, spread = factors(*row, **noise)
    return np.asarray(
        location[..., :, None] * location[..., None, :] + spread[..., :, None] * spread[..., None, :]
    )


def score_of(family, y, theta):
    f, s, p = theta
    if family == "lognormal":
        return (np.log(y) - np.log(f)) / s
    return (y - f) / (np.hypot(s, p * f) if family == "additive_proportional" else s)


def central(function, theta, step=1e-6):
    return np.array(
        [(function(theta + by) - function(theta - by)) / (2 * step) for by in step * np.eye(len(theta))]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_measured_row_has_the_mean_of_the_squared_slope_of_its_log_density(family) -> None:
    # Trapezoids, evenly in log y, or closest where y is near the prediction, which has a corner (Laplace).
    away = np.linspace(-14.0, 14.0, 20_000)
    at = F * np.exp(away) if family == "lognormal" else F + np.sinh(away)

    def density(theta, y):
        return log_density(family, theta[0], y, 0.0, MEASURED, theta[1], theta[2], DEGREES)

    theta = jnp.array([F, SCALE, PROPORTIONAL])
    slopes = np.asarray(jax.vmap(jax.grad(density), (None, 0))(theta, at))
    weight = np.exp(density(theta, at))
    mean = np.trapezoid(weight[:, None, None] * slopes[:, :, None] * slopes[:, None, :], at, axis=0)
    np.testing.assert_allclose(information(family, F, 3.1, MEASURED), mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("family", "diagonal"),
    [
        ("normal", (1 / 0.7**2, 2 / 0.7**2)),
        ("lognormal", (1 / (2.0 * 0.7) ** 2, 2 / 0.7**2)),
        ("laplace", (1 / 0.7**2, 1 / 0.7**2)),
        ("student_t", (4.5 / 6.5 / 0.7**2, 7.0 / 6.5 / 0.7**2)),
    ],
)
def test_a_measured_row_has_the_closed_form_of_its_family(family, diagonal) -> None:
    np.testing.assert_allclose(
        information(family, F, 3.1, MEASURED), np.diag([*diagonal, 0.0]), rtol=1e-14, atol=0
    )


def test_additive_and_proportional_noise_has_the_information_of_a_normal_whose_variance_moves() -> None:
    v = SCALE**2 + (PROPORTIONAL * F) ** 2
    slope = np.array([2 * PROPORTIONAL**2 * F, 2 * SCALE, 2 * PROPORTIONAL * F**2])
    wanted = np.diag([1 / v, 0.0, 0.0]) + np.outer(slope, slope) / (2 * v**2)
    np.testing.assert_allclose(information("additive_proportional", F, 3.1, MEASURED), wanted, rtol=1e-13)


@pytest.mark.parametrize("side", [BELOW_LIMIT, ABOVE_LIMIT])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_censored_row_has_the_curvature_in_its_score(family, side) -> None:
    law, theta = LAWS[family], np.array([F, SCALE, PROPORTIONAL])
    for y in (0.9, 1.8, 2.3, 4.0):
        z = side * -1.0 * score_of(family, y, theta)
        step = 1e-4
        bend = -(law.logcdf(z + step) - 2 * law.logcdf(z) + law.logcdf(z - step)) / step**2
        slope = central(lambda at, y=y: score_of(family, y, at), theta)
        wanted = max(bend, 0.0) * np.outer(slope, slope)
        found = information(family, F, y, side)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [BELOW_LIMIT, ABOVE_LIMIT])
@pytest.mark.parametrize("family", ["normal", "laplace", "student_t"])
def test_a_censored_row_has_the_whole_second_derivative_by_a_prediction_that_its_score_is_linear_in(
    family, side
) -> None:
    def slope(f, y):
        return jax.grad(lambda at: log_density(family, at, 0.0, y, side, SCALE, 0.0, DEGREES))(jnp.asarray(f))

    for y in (1.4, 2.4, 3.9):
        second = float(slope(F + 1e-5, y) - slope(F - 1e-5, y)) / 2e-5
        found = information(family, F, y, side)[0, 0]
        assert found == pytest.approx(max(-second, 0.0), rel=1e-5, abs=1e-9)


def share_of_curvature(z):
    # -(log Phi)''(z) = 1 - Var(Z | Z < z), by integrals over u = |z| (z - Z).
    moments = [
        integrate.quad(lambda u, k=k: u**k * np.exp(-u - 0.5 * (u / z) ** 2), 0, 80, epsabs=0)[0]
        for k in range(3)
    ]
    return 1 - (moments[2] / moments[0] - (moments[1] / moments[0]) ** 2) / z**2


@pytest.mark.parametrize("z", [-1e3, -38.0, -20.0, -10.001, -9.999, -6.0, -2.0])
def test_the_curvature_of_the_normal_holds_far_out(z) -> None:
    found = information("normal", 0.0, z, BELOW_LIMIT, scale=1.0)[0, 0]
    assert found == pytest.approx(share_of_curvature(z), rel=1e-10)


def test_far_below_its_limit_a_censored_normal_row_tells_as_much_as_a_measured_one() -> None:
    for y in (-1e10, -1e60):
        np.testing.assert_allclose(information("normal", 0.0, y, BELOW_LIMIT)[0, 0], SCALE**-2, rtol=1e-12)


def test_a_row_that_surely_lies_beyond_its_limit_tells_nothing() -> None:
    for family in FAMILIES:
        f = 1e-30 if family == "lognormal" else -1e30
        found = information(family, f, 5.0, BELOW_LIMIT, proportional=0.0)
        np.testing.assert_allclose(found, 0.0, atol=1e-25)


def test_the_far_tail_of_the_t_tells_nothing_where_its_logarithm_bends_up() -> None:
    np.testing.assert_array_equal(information("student_t", 0.0, -30.0, BELOW_LIMIT), 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_censored_row_has_one_factor_only(family) -> None:
    np.testing.assert_array_equal(factors(family, F, 1.8, BELOW_LIMIT).spread, 0.0)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_cannot_be_tell_nothing(family, side) -> None:
    good = (F, 3.0, SCALE, PROPORTIONAL)
    for column in range(3):
        for bad in (np.nan, np.inf, -np.inf, 1e200, *((-1.0, 0.0) if column == 2 else ())):
            f, y, s, p = (bad if place == column else number for place, number in enumerate(good))
            if family == "additive_proportional" and s == 0:
                continue
            found = factors(family, f, y, side, scale=s, proportional=p)
            np.testing.assert_array_equal(found.location, 0.0)
            np.testing.assert_array_equal(found.spread, 0.0)


@pytest.mark.parametrize("f", [0.0, -5.0])
def test_a_lognormal_prediction_at_or_below_zero_tells_nothing(f) -> None:
    for side in SIDES:
        np.testing.assert_array_equal(information("lognormal", f, 2.0, side), 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_row_has_a_factor_that_is_not_finite(family) -> None:
    extremes = np.array([1e-45, 1e-8, 1.0, 1e8, 1e90])
    f, y, s, p, side = (
        grid.ravel() for grid in np.meshgrid(extremes, extremes, extremes, [0.0, 1e-3, 10.0], SIDES)
    )
    found = jax.jit(lambda *row: factors(family, *row[:3], scale=row[3], proportional=row[4]))(
        jnp.asarray(f), y, side, s, p
    )
    assert np.isfinite(found.location).all()
    assert np.isfinite(found.spread).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_every_kind_are_worked_out_together(family) -> None:
    f, y, s = np.array([2.0, 0.3, 5.0, 1.0]), np.array([1.5, 0.1, 0.2, 3.0]), np.linspace(0.3, 2.0, 4)
    sides = np.array([-1, 0, 1, 0])
    found = factors(family, jnp.asarray(f), y, sides, scale=s)
    assert found.location.shape == found.spread.shape == (4, 3)
    assert found.location.dtype == jnp.float64
    alone = [factors(family, *row[:3], scale=row[3]) for row in zip(f, y, sides.tolist(), s, strict=True)]
    lanes = jax.jit(jax.vmap(lambda f, y, side, s: factors(family, f, y, side, scale=s)))(f, y, sides, s)
    for name in ("location", "spread"):
        together = getattr(found, name)
        np.testing.assert_allclose(together, [getattr(row, name) for row in alone], rtol=1e-12)
        np.testing.assert_allclose(together, getattr(lanes, name), rtol=1e-12)
    wide = factors(family, jnp.asarray(f)[:, None] * jnp.array([1.0, 1.1]), y[:, None], sides[:, None])
    assert wide.location.shape == (4, 2, 3)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="degrees of freedom must be"):
        row_information("student_t", 1.0, 1.0, 1.0, MEASURED, 1.0, degrees=0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_residuals_are_scores_of_values_and_of_limits(family) -> None:
    y = np.array([1.4, 2.9, 3.3])
    value, limit = np.array([np.nan, 2.9, np.nan]), np.array([1.4, np.nan, 3.3])
    found = jax.jit(lambda f: standardised_residual(family, f, value, limit, np.array(SIDES), SCALE, 0.2))(F)
    np.testing.assert_allclose(found, score_of(family, y, (F, SCALE, PROPORTIONAL)), rtol=1e-14)


def test_a_row_without_a_score_has_no_residual() -> None:
    f, y = np.array([np.nan, 2.0, 2.0, 0.0]), np.array([1.0, -1.0, 1.0, 1.0])
    sides = np.array([MEASURED, MEASURED, 2, BELOW_LIMIT])
    assert np.isnan(standardised_residual("lognormal", f, y, y, sides, SCALE)).all()
