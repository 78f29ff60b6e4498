"""Prior densities against scipy.stats, their derivatives, and where searches start."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from exsim.marginals import Marginal
from exsim.priors import START_METHODS, draw_starts, log_prior, log_prior_theta, prior_information
from exsim.scales import SCALES, Scales

INF = math.inf
CASES = [
    (Marginal("uniform", 0.5, 3.0), stats.uniform(0.5, 2.5)),
    (Marginal("loguniform", 0.1, 20.0), stats.loguniform(0.1, 20.0)),
    (Marginal("normal", -INF, INF, 5.0, 2.0), stats.norm(5.0, 2.0)),
    (Marginal("normal", 4.0, 6.5, 5.0, 2.0), stats.truncnorm(-0.5, 0.75, 5.0, 2.0)),
    (Marginal("normal", 11.0, INF, 5.0, 2.0), stats.truncnorm(3.0, INF, 5.0, 2.0)),
    (Marginal("lognormal", 0.0, INF, math.log(6.0), 0.5), stats.lognorm(0.5, scale=6.0)),
]
KINDS = (
    Marginal("uniform", 0.2, 9.0),
    Marginal("loguniform", 0.2, 9.0),
    Marginal("normal", 0.2, 9.0, 3.0, 2.0),
    Marginal("lognormal", 0.2, 9.0, 1.0, 0.5),
)
MIXED = Scales(
    ("offset", "gain", "rate", "share", "plain"),
    ("linear", "log", "log10", "logit", "linear"),
    (-5.0, 1e-3, 0.0, 0.1, -INF),
    (5.0, 1e3, INF, 0.3, INF),
)
NOMINAL = np.array([1.5, 8.0, 2e-3, 0.25, -40.0])
MIXED_PRIORS = (
    Marginal("normal", -INF, INF, 1.0, 2.0),
    Marginal("lognormal", 1e-3, 1e3, 2.0, 1.0),
    Marginal("loguniform", 1e-5, 1.0),
    Marginal("uniform", 0.15, 0.3),
    None,
)
NONE = (None,) * 5


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def single(scale, low=0.1, high=20.0) -> Scales:
    return Scales(("k",), (scale,), (low,), (high,))


def of_theta(theta, scale, prior, **bounds):
    return float(log_prior_theta(jnp.array([theta]), single(scale, **bounds), (prior,)))


@pytest.mark.parametrize(("prior", "law"), CASES, ids=lambda item: str(item)[:40])
def test_densities_of_values_are_those_of_scipy(prior, law) -> None:
    x = np.array([-3.0, 0.0, 0.05, 0.6, 2.9, 4.5, 6.4, 12.0, 19.0, 300.0])
    np.testing.assert_allclose(log_prior(x, (prior,) * len(x)), law.logpdf(x), rtol=1e-10)


def test_a_flat_prior_counts_nothing_anywhere() -> None:
    np.testing.assert_array_equal(log_prior(np.array([-1e300, 0.0, 7.0, INF, math.nan]), NONE), 0.0)


def test_a_normal_that_is_cut_far_out_is_normalised() -> None:
    # Beyond b of a standard normal the density is about b exp(-b (x - b)): Abramowitz & Stegun 26.2.12.
    for side in (1.0, -1.0):
        ends = sorted([side * 100.0, side * INF])
        found = log_prior(np.array([side * 100.0]), (Marginal("normal", *ends, 0.0, 1.0),))
        assert float(found[0]) == pytest.approx(math.log(100.0) + 1e-4, abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("prior", KINDS, ids=lambda prior: prior.kind)
def test_a_prior_is_a_density_of_theta_that_integrates_to_one(prior, scale) -> None:
    scales = single(scale, 0.1, 20.0)
    low, high = (float(scales.theta(np.array([x]))[0]) for x in (prior.low, prior.high))
    density = jax.jit(jax.vmap(lambda t: log_prior_theta(t[None], scales, (prior,))))
    at = np.linspace(low, high, 4001)
    assert integrate.simpson(np.exp(density(at)), x=at) == pytest.approx(1.0, rel=1e-7)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("prior", KINDS, ids=lambda prior: prior.kind)
def test_a_density_of_theta_is_that_of_the_value_times_the_jacobian(prior, scale) -> None:
    scales = single(scale)
    theta = scales.theta(np.array([2.7]))
    wanted = log_prior(np.array([2.7]), (prior,))[0] + scales.log_jacobian(theta)[0]
    assert of_theta(theta[0], scale, prior) == pytest.approx(float(wanted), rel=1e-13)


def test_a_lognormal_prior_on_a_log_scale_is_a_normal_of_theta_however_far_out() -> None:
    prior = Marginal("lognormal", 0.0, INF, 1.5, 0.5)
    for theta in (-2000.0, -30.0, 1.5, 800.0):
        found = of_theta(theta, "log", prior, low=0.0, high=INF)
        assert found == pytest.approx(stats.norm(1.5, 0.5).logpdf(theta), rel=1e-14)


def test_densities_of_all_parameters_add_up_and_a_flat_one_has_no_jacobian() -> None:
    theta = MIXED.theta(NOMINAL)
    each = log_prior(NOMINAL, MIXED_PRIORS) + np.where([1, 1, 1, 1, 0], MIXED.log_jacobian(theta), 0.0)
    assert float(log_prior_theta(theta, MIXED, MIXED_PRIORS)) == pytest.approx(float(each.sum()), rel=1e-13)
    assert float(log_prior_theta(theta, MIXED, NONE)) == 0.0


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("prior", KINDS, ids=lambda prior: prior.kind)
def test_gradient_and_information_are_central_differences(prior, scale) -> None:
    scales = single(scale)
    value = jax.jit(lambda t: log_prior_theta(t, scales, (prior,)))
    slope = jax.jit(jax.grad(value))
    for x in (0.5, 2.0, 8.0):
        theta, step = scales.theta(np.array([x])), 1e-6
        difference = float(value(theta + step) - value(theta - step)) / (2 * step)
        assert float(slope(jnp.asarray(theta))[0]) == pytest.approx(difference, rel=1e-6, abs=1e-8)
        second = float(slope(theta + step)[0] - slope(theta - step)[0]) / (2 * step)
        found = float(jax.jit(lambda t: prior_information(t, scales, (prior,)))(theta)[0])
        assert found == pytest.approx(max(-second, 0.0), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("scale", "prior", "wanted"),
    [
        ("linear", Marginal("normal", -INF, INF, 1.0, 0.4), 0.4**-2),
        ("log", Marginal("lognormal", 0.0, INF, 1.0, 0.4), 0.4**-2),
        ("log10", Marginal("lognormal", 0.0, INF, 1.0, 0.4), (math.log(10) / 0.4) ** 2),
        ("log", Marginal("uniform", 0.2, 9.0), 0.0),
        ("linear", Marginal("loguniform", 0.2, 9.0), 0.0),
        ("log", None, 0.0),
    ],
)
def test_the_information_of_a_prior_has_its_closed_form(scale, prior, wanted) -> None:
    found = prior_information(jnp.array([0.3]), single(scale), (prior,))
    np.testing.assert_allclose(found, [wanted], rtol=1e-13)


def test_information_is_by_parameter_and_by_lane() -> None:
    theta = jnp.asarray(MIXED.theta(NOMINAL))
    found = prior_information(theta, MIXED, MIXED_PRIORS)
    hessian = jax.hessian(lambda t: log_prior_theta(t, MIXED, MIXED_PRIORS))(theta)
    np.testing.assert_allclose(jnp.diag(found), jnp.maximum(-hessian, 0.0), rtol=1e-12)
    lanes = jax.vmap(lambda t: prior_information(t, MIXED, MIXED_PRIORS))(jnp.stack([theta, theta]))
    np.testing.assert_array_equal(lanes, [found, found])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("prior", KINDS, ids=lambda prior: prior.kind)
def test_outside_its_limits_a_prior_is_impossible_and_pulls_nowhere(prior, scale) -> None:
    scales = Scales(("k", "j"), (scale, "linear"), (0.1, -INF), (20.0, INF))
    other = Marginal("normal", -INF, INF, 0.0, 1.0)
    outside = [scales.theta(np.array([x, 0.3])) for x in (0.15, 9.5)]
    outside += [np.array([end, 0.3]) for end in (-2000.0, 2000.0, math.nan, INF) if scale != "logit"]
    for theta in outside:
        value, slope = jax.value_and_grad(lambda t: log_prior_theta(t, scales, (prior, other)))(
            jnp.asarray(theta)
        )
        assert float(value) == -INF
        np.testing.assert_array_equal(slope, 0.0)
        information = prior_information(theta, scales, (prior, other))
        np.testing.assert_allclose(information, [0.0, 1.0], rtol=1e-14)


@pytest.mark.parametrize("prior", KINDS, ids=lambda prior: prior.kind)
def test_a_value_outside_its_limits_pulls_nowhere(prior) -> None:
    x = jnp.array([-2.0, 0.0, 1e-320, 0.1, 9.1, 1e300, INF, math.nan])
    value, slope = jax.vmap(jax.value_and_grad(lambda x: log_prior(x[None], (prior,))[0]))(x)
    np.testing.assert_array_equal(value, -INF)
    np.testing.assert_array_equal(slope, 0.0)


@pytest.mark.parametrize("scale", ["linear", "log", "log10"])
@pytest.mark.parametrize("kind", ["uniform", "loguniform", "normal", "lognormal"])
def test_theta_may_lie_on_the_limits_of_its_prior(kind, scale) -> None:
    for end in np.geomspace(1e-9, 1e9, 37).tolist():
        for low, high in ((end, 3 * end), (end / 3, end)):
            theta = single(scale, low, high).theta(np.array([end]))[0]
            assert np.isfinite(of_theta(theta, scale, Marginal(kind, low, high), low=low, high=high))


def test_a_number_that_would_overflow_on_another_scale_spoils_no_gradient() -> None:
    prior = Marginal("normal", -INF, INF, 0.0, 1e6)
    for column, priors in ((0, (prior, None, None, None, None)), (4, (None, None, None, None, prior))):
        theta = jnp.asarray(MIXED.theta(NOMINAL)).at[column].set(1e5)
        assert np.isfinite(jax.grad(lambda t, p=priors: log_prior_theta(t, MIXED, p))(theta)).all()


def test_scales_and_priors_can_be_static_arguments() -> None:
    function = jax.jit(log_prior_theta, static_argnums=(1, 2))
    theta = MIXED.theta(NOMINAL)
    assert float(function(theta, MIXED, MIXED_PRIORS)) == pytest.approx(
        float(log_prior_theta(theta, MIXED, MIXED_PRIORS)), rel=1e-13
    )


def test_priors_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="1 priors for 5 parameters"):
        log_prior_theta(np.zeros(5), MIXED, (None,))
    with pytest.raises(ValueError, match="1 priors for 5 parameters"):
        draw_starts(3, 1, NOMINAL, MIXED, (None,))


def test_no_parameter_at_all_is_allowed() -> None:
    none = Scales((), (), (), ())
    assert float(log_prior_theta(np.zeros(0), none, ())) == 0.0
    assert prior_information(np.zeros(0), none, ()).shape == log_prior(np.zeros(0), ()).shape == (0,)
    assert draw_starts(3, 1, np.zeros(0), none, ()).shape == (3, 0)


@pytest.mark.parametrize("method", START_METHODS)
def test_the_first_start_is_the_nominal(method) -> None:
    for count in (1, 8):
        starts = draw_starts(count, 7, NOMINAL, MIXED, MIXED_PRIORS, method)
        assert starts.shape == (count, 5)
        np.testing.assert_array_equal(starts[0], MIXED.theta(NOMINAL))


def test_a_nominal_on_or_beyond_a_bound_starts_strictly_inside() -> None:
    low, high = MIXED.box()
    for nominal in (np.array([-5.0, 1e-9, 1e-3, 0.1, 0.0]), np.array([7.0, 1e3, 1e9, 0.4, 0.0])):
        (start,) = draw_starts(1, 0, nominal, MIXED, NONE)
        assert np.isfinite(start).all()
        assert np.all((start > low) & (start < high))
        values = np.asarray(MIXED.values(start))
        assert np.all((values > MIXED.low) & (values < MIXED.high))
        moved = np.clip(nominal, MIXED.low, MIXED.high)
        np.testing.assert_allclose(values, moved, rtol=2e-5)


@pytest.mark.parametrize("method", START_METHODS)
def test_starts_are_a_function_of_count_and_seed(method) -> None:
    first, again, other = (draw_starts(16, seed, NOMINAL, MIXED, MIXED_PRIORS, method) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first[1:] == other[1:])
    elsewhere = draw_starts(16, 3, NOMINAL * [0.5, 2.0, 1.0, 0.9, 1.0], MIXED, MIXED_PRIORS, method)
    np.testing.assert_array_equal(elsewhere[1:], first[1:])


@pytest.mark.parametrize("method", START_METHODS)
def test_starts_lie_inside_bounds_and_limits_where_the_density_is_not_zero(method) -> None:
    starts = draw_starts(200, 5, NOMINAL, MIXED, MIXED_PRIORS, method)
    low, high = MIXED.box()
    assert np.all((starts > low) & (starts < high))
    density = jax.vmap(lambda t: log_prior_theta(t, MIXED, MIXED_PRIORS))(starts)
    inside = np.isfinite(density)
    # The uniform prior of the share is narrower than its bounds.
    assert inside.all() if method == "prior" else 0.7 < inside.mean() < 0.8


def ranks_fill(column, low, high) -> bool:
    """Say whether one number lies in each of as many equal steps."""
    steps = np.floor((np.sort(column) - low) / (high - low) * len(column))
    return bool(np.array_equal(steps, np.arange(len(column))))


def test_starts_fill_the_box_evenly_on_the_estimation_scale() -> None:
    starts = draw_starts(51, 5, NOMINAL, MIXED, NONE)[1:]
    low, high = MIXED.box()
    for column in (0, 1):
        assert ranks_fill(starts[:, column], low[column], high[column])
    assert ranks_fill(np.asarray(jax.vmap(MIXED.values)(starts))[:, 3], 0.1, 0.3)


def test_without_bounds_flat_parameters_start_around_the_nominal() -> None:
    starts = draw_starts(51, 5, NOMINAL, MIXED, NONE)[1:]
    assert ranks_fill(starts[:, 2], math.log10(2e-3) - 1, math.log10(2e-3) + 1)
    assert ranks_fill(starts[:, 4], -80.0, 0.0)
    log = draw_starts(51, 5, np.array([3.0]), single("log", 0.0, 10.0), (None,))[1:, 0]
    assert ranks_fill(log, math.log(0.3), math.log(10.0))
    linear = draw_starts(51, 5, np.array([0.2]), single("linear", -INF, INF), (None,))[1:, 0]
    assert ranks_fill(linear, -0.8, 1.2)


def test_without_bounds_a_prior_gives_the_range_of_the_starts() -> None:
    prior, law = Marginal("lognormal", 0.0, INF, 1.0, 0.5), stats.norm(1.0, 0.5)
    starts = draw_starts(51, 5, np.array([3.0]), single("log", 0.0, INF), (prior,))[1:, 0]
    assert ranks_fill(starts, *law.ppf([0.005, 0.995]))


def test_a_prior_that_reaches_below_zero_gives_a_logarithm_positive_starts_only() -> None:
    prior = Marginal("normal", -INF, INF, 1.0, 2.0)
    for method in START_METHODS:
        starts = draw_starts(101, 5, np.array([3.0]), single("log", 0.0, INF), (prior,), method)
        assert np.isfinite(starts).all()
        assert np.all(starts > -8)


def test_prior_draws_are_spread_evenly_over_the_shares_of_the_prior() -> None:
    prior = Marginal("normal", 0.0, INF, 5.0, 3.0)
    starts = draw_starts(101, 5, np.array([3.0]), single("linear", -INF, 9.0), (prior,), "prior")[1:, 0]
    law = stats.truncnorm(-5 / 3, 4 / 3, 5.0, 3.0)
    assert ranks_fill(law.cdf(starts), 0.0, 1.0)


def test_without_priors_prior_draws_are_those_of_the_bounds() -> None:
    both = [draw_starts(9, 5, NOMINAL, MIXED, NONE, method) for method in START_METHODS]
    np.testing.assert_array_equal(*both)


def test_starts_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"k: its prior, from 30 to 40, lies outside its bounds, from 0.1 to"
    ):
        draw_starts(3, 1, np.array([1.0]), single("log"), (Marginal("uniform", 30.0, 40.0),))
    with pytest.raises(ValueError, match="k = nan must lie"):
        draw_starts(3, 1, np.array([INF]), single("log"), (None,))
    with pytest.raises(ValueError, match="k = 0 must lie"):
        draw_starts(3, 1, np.array([0.0]), single("log", 0.0, INF), (None,))
    with pytest.raises(ValueError, match="at least one start is needed, not 0"):
        draw_starts(0, 1, np.array([1.0]), single("log"), (None,))
    unchecked = getattr(draw_starts, "__wrapped__", draw_starts)
    with pytest.raises(ValueError, match='unknown method "priors"'):
        unchecked(3, 1, np.array([1.0]), single("log"), (None,), "priors")
