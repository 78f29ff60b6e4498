"""A population fitted with its people integrated out, against closed forms of normal data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from exsim.fit_problem import SearchSettings
from exsim.fit_result import FitResult
from exsim.fitting import Evaluator, Objective, fit
from exsim.jax_setup import jax, jnp
from exsim.outputs.fit_text import fit_text
from exsim.outputs.population_tables import fitted_individuals_csv
from exsim.population import Covariate, Population, RandomEffect, Spread
from exsim.sampling import PopulationTarget, objective_of

from ..fitting.fit_models import TIMES_H, rise, rise_problem, rows
from .populations import SCHOOLS_SD, SCHOOLS_Y, eight_schools, levels_on_occasions, wang

SEARCH = SearchSettings(starts=3, seed=1, optimiser="gauss_newton")
#: Prior sds of the mean of the schools, and of the half Cauchy of their sd.
PRIOR_SD = PRIOR_TAU = 5.0


def _fit(target: PopulationTarget, settings: SearchSettings = SEARCH) -> FitResult:
    objective = objective_of(target.whole.problem, target.population)
    return fit(objective.problem, settings, Evaluator(objective))


def _minus_log_density(at: np.ndarray) -> float:
    # Of mean and log sd: the schools are normal about the mean with the variance of both.
    mu, tau = at[0], np.exp(at[1])
    variance = SCHOOLS_SD**2 + tau**2
    likelihood = -0.5 * np.sum((SCHOOLS_Y - mu) ** 2 / variance + np.log(2 * np.pi * variance))
    prior = -0.5 * (mu / PRIOR_SD) ** 2 - np.log1p((tau / PRIOR_TAU) ** 2) + at[1]
    return float(-likelihood - prior)


@pytest.fixture(scope="module")
def schools(tmp_path_factory) -> FitResult:
    return _fit(eight_schools(tmp_path_factory.mktemp("schools")), replace(SEARCH, profiled=(1,)))


def test_eight_schools_have_the_mode_of_their_marginal_density(schools: FitResult) -> None:
    known = minimize(_minus_log_density, np.array([4.0, 1.0]), tol=1e-10)
    mu, tau = known.x[0], np.exp(known.x[1])
    assert schools.converged
    assert schools.names == ("theta", "sd_between[theta]")
    np.testing.assert_allclose(schools.best, [mu, tau], rtol=2e-3)
    variance = SCHOOLS_SD**2 + schools.best[1] ** 2
    likelihood = -0.5 * np.sum((SCHOOLS_Y - schools.best[0]) ** 2 / variance + np.log(2 * np.pi * variance))
    assert schools.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    assert schools.agreeing == 3


def test_the_interval_of_the_sd_between_schools_is_that_of_its_profile(schools: FitResult) -> None:
    at = minimize(_minus_log_density, np.array([4.0, 1.0]), tol=1e-10)

    def over(log_tau: float) -> float:
        inner = minimize(lambda mu: _minus_log_density(np.array([mu[0], log_tau])), at.x[:1], tol=1e-10)
        return float(inner.fun - at.fun)

    sd = schools.estimates[1]
    # The 95 % quantile of chi squared with one degree of freedom, halved.
    for end in (sd.lower, sd.upper):
        assert over(float(np.log(end))) == pytest.approx(1.9207, abs=0.03)


def test_people_are_pulled_to_the_mean_as_their_errors_say(schools: FitResult) -> None:
    mu, tau = schools.best
    eta = tau * (SCHOOLS_Y - mu) / (tau**2 + SCHOOLS_SD**2)
    np.testing.assert_allclose(schools.people.eta, eta, atol=1e-6)
    np.testing.assert_allclose(schools.people.value, mu + tau * eta, rtol=1e-6)
    np.testing.assert_allclose(schools.people.shrinkage, 1 - eta.std(ddof=1), rtol=1e-6)
    assert schools.prediction == pytest.approx(schools.people.value)
    assert b"S3,theta,," in fitted_individuals_csv(schools.people)


def test_the_band_of_a_person_has_what_is_not_known_of_the_person(schools: FitResult) -> None:
    tau = schools.best[1]
    own = (tau**-2 + SCHOOLS_SD**-2) ** -0.5
    width = schools.curves.upper[:, 0, 0] - schools.curves.lower[:, 0, 0]
    # And what is not known of mean and sd.
    assert (width > 0.9 * 2 * 1.96 * own).all()
    assert (width < 3 * 2 * 1.96 * own).all()


def test_the_report_says_that_people_are_integrated_out_and_how_far_to_trust_them(tmp_path, schools) -> None:
    target = eight_schools(tmp_path)
    text = fit_text(objective_of(target.whole.problem, target.population).problem, schools)
    assert "people are integrated out (FOCEI)" in text
    assert "sd_between[theta]" in text
    assert "do not compare person with person" in text


def test_people_who_differ_between_occasions_have_the_likelihood_of_the_normal_of_both(tmp_path) -> None:
    values, sd = np.array([[4.0, 5.5, 5.0], [7.0, 6.0, 8.5], [3.0, 3.5, 1.0], [5.0, 6.5, 4.0]]), 0.7
    target = levels_on_occasions(tmp_path, values, sd)
    objective = objective_of(target.whole.problem, target.population)
    mu, between, within = 4.6, 1.7, 1.1
    found = objective.expand(np.array([[mu, np.log(between), np.log(within)]])).likelihood[0]
    covariance = between**2 * np.ones((3, 3)) + (within**2 + sd**2) * np.eye(3)
    assert found == pytest.approx(
        multivariate_normal(np.full(3, mu), covariance).logpdf(values).sum(), abs=1e-5
    )
    people = objective.people(np.array([mu, np.log(between), np.log(within)]))
    pulled = between**2 * (values - mu).sum(axis=1) / (3 * between**2 + within**2 + sd**2)
    np.testing.assert_allclose(people.eta[::3], pulled / between, rtol=1e-5)
    assert people.condition[:3] == ("0", "1", "2")


def _covariate_and_correlation(target: PopulationTarget) -> PopulationTarget:
    # The same number twice, as two correlated effects of different people, is nonsense; two subsets are not.
    known = target.population.effects[0]
    halves = [
        RandomEffect(f"ke{n}", f"ke{n}", "1/h", own, own, known.typical, known.between)
        for n, own in enumerate((np.arange(5), np.arange(5, 10)))
    ]
    mass = Covariate("mass", 1, np.linspace(-0.2, 0.2, 10), 1.0)
    population = Population(target.population.subjects, tuple(halves), (mass,), correlated=True)
    return PopulationTarget(target.whole, population)


def test_gradient_and_prior_of_all_kinds_of_numbers_are_those_of_differences(tmp_path) -> None:
    target = _covariate_and_correlation(wang(tmp_path, "lognormal"))
    objective = objective_of(target.whole.problem, target.population)
    names = objective.scales.names
    assert names[:4] == ("ke0", "ke1", "sd_between[ke0]", "sd_between[ke1]")
    assert names[4:] == ("correlation[ke1, ke0]", "effect[mass on ke1]")
    vector, step = np.array([-0.6, -0.8, -1.2, -1.5, 0.4, 0.3]), 1e-3
    moved = vector + step * np.concatenate([np.eye(6), -np.eye(6)])
    values = objective.expand(moved).value
    differences = (values[:6] - values[6:]) / (2 * step)
    np.testing.assert_allclose(objective.expand(vector[None]).gradient[0], differences, rtol=3e-3, atol=3e-3)
    with jax.enable_x64(True):
        known = np.asarray(objective.prior_information(vector))
    # Of typical values (sd 1 on the logarithm), and of the coefficient.
    np.testing.assert_allclose(known[[0, 1, 5]], 1.0, rtol=1e-9)
    # A half normal of sd 1 bends by 2 sd^2 on the logarithm of the sd.
    np.testing.assert_allclose(known[2:4], 2 * np.exp(2 * vector[2:4]), rtol=1e-9)
    # LKJ(2) of two, with the Jacobian of r = tanh(x / 2): (1 - r^2)^2, so 2 log(1 - r^2).
    r = np.tanh(vector[4] / 2)
    assert known[4] == pytest.approx(1 - r**2, rel=1e-6)


def test_the_estimated_correlation_is_the_one_that_people_have(tmp_path) -> None:
    target = _covariate_and_correlation(wang(tmp_path, "additive"))
    objective = objective_of(target.whole.problem, target.population)
    theta = np.array([[-0.6, -0.8, -1.2, -1.5, 0.9, 0.0]])
    with jax.enable_x64(True):
        told = np.asarray(objective.values(theta)[0])[0, 4]
        parts = objective.target.take_apart(
            jnp.asarray(np.concatenate([theta * objective._per_theta, np.zeros((1, 20))], axis=1))
        )
    factor = np.asarray(parts.factor[0])
    assert (factor @ factor.T)[1, 0] == pytest.approx(told, abs=1e-12)


def test_a_fit_with_covariate_and_correlation_converges_and_says_what_the_covariate_does(tmp_path) -> None:
    target = _covariate_and_correlation(wang(tmp_path, "proportional"))
    result = _fit(target, replace(SEARCH, starts=1))
    assert result.converged
    text = fit_text(objective_of(target.whole.problem, target.population).problem, result)
    assert "mass on ke1: " in text
    assert "10 % more mass goes with " in text
    assert np.isfinite(result.curves.value[:, 0]).all()


def test_of_two_shared_numbers_in_a_product_the_product_is_told(tmp_path) -> None:
    # Release and share are those of all; each person clears at a rate of their own.
    rates, times = np.array([0.5, 0.65, 0.8, 1.0]), np.array(TIMES_H)
    one = rise_problem(tmp_path, ("release", "share", "k"))
    shared, (placed, share, k) = one.free[:2], one.placed
    values = np.stack([rise(4.0, 0.5, rate, times) for rate in rates])
    subject = np.repeat(np.arange(4), len(times))
    problem = replace(
        one,
        free=(*shared, *(replace(one.free[2], name=f"k[S{n}]", prior=None) for n in range(4))),
        placed=(replace(placed, free=(0,) * 4), replace(share, free=(1,) * 4), replace(k, free=(2, 3, 4, 5))),
        simulations=tuple(replace(one.simulations[0], name=f"S{n}") for n in range(4)),
        rows=rows(
            values.size,
            simulation=subject,
            time_h=np.tile(times, 4),
            value=(values * np.exp(0.1 * np.random.default_rng(1).standard_normal(values.shape))).ravel(),
            subject=tuple(f"S{n}" for n in subject),
        ),
    )
    effect = RandomEffect("k", "k", "1", np.arange(2, 6), np.arange(4), None, Spread("halfnormal", 0.5))
    target = PopulationTarget(Objective(problem), Population(("S0", "S1", "S2", "S3"), (effect,)))
    result = _fit(target, replace(SEARCH, starts=2))
    assert result.told == ("release * share",)
    verdicts = {item.name: item.identifiable for item in result.estimates}
    assert verdicts == {
        "release": "structurally not",
        "share": "structurally not",
        "k": "not profiled",
        "sd_between[k]": "not profiled",
    }
