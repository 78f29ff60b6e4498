"""Chains: known posteriors, and draws that are the same however the chains were stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exsim.errors import InferenceError
from exsim.fit_problem import Noisy, PlacedTarget, SampleSettings, SearchSettings
from exsim.fitting import Evaluator, Objective
from exsim.jax_setup import jax, jnp
from exsim.marginals import Marginal
from exsim.outputs.sample_text import sample_text
from exsim.sampling import PopulationTarget, SharedTarget, sample
from exsim.sampling.density import theta_of
from exsim.sampling.starting import begin

from ..fitting.fit_models import TIMES_H, config, free, read_model, rise_problem, target
from .populations import eight_schools, wang

QUICK = SampleSettings(search=SearchSettings(starts=2), chains=4, warmup=150, draws=150, stress=32)


class Kept:
    """A journal in memory; it lets go of all records but the first `most` that it was given."""

    def __init__(self, found=()):
        self.found, self.written = list(found), []

    def records(self):
        yield from self.found

    def append(self, record):
        self.written.append(record)


def test_eight_schools_have_their_known_posterior(tmp_path) -> None:
    settings = replace(QUICK, warmup=300, draws=500, target_acceptance=0.9)
    result = sample(eight_schools(tmp_path), settings)
    found = dict(zip((item.name for item in result.numbers), result.diagnosis.mean, strict=True))
    spread = dict(zip((item.name for item in result.numbers), result.diagnosis.sd, strict=True))
    mcse = dict(zip((item.name for item in result.numbers), result.diagnosis.mcse_mean, strict=True))
    for name, mean, sd in (("theta", 4.41, 3.31), ("sd_between[theta]", 3.60, 3.20)):
        assert abs(found[name] - mean) < 4 * mcse[name] + 0.02
        assert spread[name] == pytest.approx(sd, rel=0.15)
    assert result.diagnosis.r_hat.max() < 1.02


@pytest.fixture(scope="module")
def lognormal(tmp_path_factory) -> SharedTarget:
    """Return the posterior of one rate, of a prior and one sure datum of its own."""
    prior = Marginal("lognormal", 0.0, np.inf, float(np.log(4.0)), 0.3)
    problem = rise_problem(
        tmp_path_factory.mktemp("rise"),
        ("release",),
        noise={"family": "lognormal"},
        time_h=np.array([2.0]),
        value=np.array([3.0]),
    )
    return SharedTarget(Objective(replace(problem, free=(replace(problem.free[0], prior=prior),))))


def test_a_normal_posterior_of_a_logarithm_is_found(lognormal) -> None:
    result = sample(lognormal, replace(QUICK, draws=400))
    # y = release share / k (1 - exp(-2 k)): log y is log release and a known number, its sd is 0.1.
    known = np.log(3.0 / (0.5 / 0.7 * -np.expm1(-1.4)))
    precision = 0.3**-2 + 0.1**-2
    mean = (np.log(4.0) * 0.3**-2 + known * 0.1**-2) / precision
    drawn = np.log(result.draws[:, :, 0])
    assert drawn.mean() == pytest.approx(mean, abs=4 * precision**-0.5 / np.sqrt(400))
    assert drawn.std() == pytest.approx(precision**-0.5, rel=0.1)
    assert result.stress.failed == {}
    assert result.diagnosis.contraction[0] == pytest.approx(1 - 0.3**-2 / precision, abs=0.05)


def test_draws_are_the_same_after_a_stop_between_any_two_calls(lognormal) -> None:
    whole = Kept()
    first = sample(lognormal, QUICK, whole)
    assert len(whole.written) > 4
    for calls in (0, 1, 2, len(whole.written) - 1):
        again = Kept(whole.written[:calls])
        result = sample(lognormal, QUICK, again)
        np.testing.assert_array_equal(result.draws, first.draws)
        np.testing.assert_array_equal(result.predictive, first.predictive)


def test_row_103_ctrl_c_keeps_the_draws_that_are_there(lognormal) -> None:
    class Stopping(Kept):
        def append(self, record):
            super().append(record)
            if sum(item["z"].shape[1] for item in self.written[1:]) > QUICK.warmup + 20:
                raise KeyboardInterrupt

    journal = Stopping()
    result = sample(lognormal, QUICK, journal)
    assert not result.complete
    assert 0 < result.draws.shape[1] < QUICK.draws
    assert not result.trusted
    whole = sample(lognormal, QUICK)
    gone_on = sample(lognormal, QUICK, Kept(journal.written))
    np.testing.assert_array_equal(gone_on.draws, whole.draws)
    np.testing.assert_array_equal(result.draws, whole.draws[:, : result.draws.shape[1]])


def test_row_98_no_place_to_begin_is_told_with_values_and_observable(tmp_path) -> None:
    # A measured value that the lognormal cannot make.
    problem = rise_problem(tmp_path, ("release",), value=np.full(5, -1.0))
    with pytest.raises(InferenceError, match=r"at release = .*: no density for y"):
        sample(SharedTarget(Objective(problem)), QUICK)


@pytest.mark.slow
def test_a_number_of_the_noise_is_sampled_between_its_bounds(tmp_path) -> None:
    problem = rise_problem(
        tmp_path,
        ("release",),
        noise={"scale": Noisy(free=1)},
        numbers=[free("sd", 0.2, kind="noise")],
    )
    result = sample(SharedTarget(Objective(problem)), QUICK)
    sd = result.draws[:, :, 1]
    assert (sd > 0.01).all()
    assert (sd < 4.0).all()


def test_a_posterior_of_which_a_third_of_the_prior_cannot_be_solved_is_sampled(tmp_path) -> None:
    # y' = k y^2 from 1 ends at t = 1 / k: within the 8 h of the data for every k above 1/8.
    text = "model bursts\n  unit time_unit = 3600 second;\n  y = 1; k = 0.1;\n  y' = k * y^2;\nend\n"
    model, spec = read_model(tmp_path, text), config()
    own = target("parameter.k", spec, model)
    third = float(np.log(0.125) - 0.43 * 0.8)
    prior = Marginal("lognormal", 0.0, np.inf, third, 0.8)
    problem = replace(
        rise_problem(tmp_path, value=1 / (1 - 0.1 * np.array(TIMES_H)), noise={"scale": Noisy(0.3)}),
        model=model,
        free=(free("k", 0.1, low=1e-3, high=10.0, prior=prior),),
        placed=(PlacedTarget(own, (0,)),),
    )
    result = sample(SharedTarget(Objective(problem)), replace(QUICK, stress=300))
    assert 60 < sum(result.stress.failed.values()) < 140
    assert (result.draws < 0.125).all()
    assert np.isfinite(result.log_likelihood).all()
    text = sample_text(problem, result)
    assert f"{sum(result.stress.failed.values())} of 300" in text


def test_people_are_told_by_values_where_data_are_rich_and_by_scores_where_they_are_thin(tmp_path) -> None:
    search = SearchSettings(starts=2)
    thin = eight_schools(tmp_path)
    known = begin(thin, Evaluator(thin.objective), search).target.centring
    assert (known == 0).all()
    rich = wang(tmp_path, "additive")
    problem = rich.whole.problem
    # Nine people are measured well, and the last next to not at all.
    own = replace(problem.observables[0], scale=None)
    rows = replace(problem.rows, scale=np.repeat([*[0.03] * 9, 1e3], 2))
    problem = replace(problem, observables=(own,), rows=rows)
    rich = PopulationTarget(Objective(problem), rich.population)
    target, center, root = begin(rich, Evaluator(rich.objective), search)
    assert (target.centring[:9] > 0.9).all()
    assert target.centring[9] == pytest.approx(0.0, abs=1e-6)
    assert root.shape == (len(center), len(center))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_population_has_one_density_in_all_coordinates_of_people(tmp_path, share: float) -> None:
    scored = wang(tmp_path, "additive")
    other = scored.centred_by(np.full((10, 1), share))
    u = scored.draw_prior(3, np.random.default_rng(1))
    x = other.from_scores(u)
    np.testing.assert_allclose(theta_of(other, x), theta_of(scored, u), rtol=1e-12)
    with jax.enable_x64(True):
        here, there = (np.asarray(goal.place(jnp.asarray(at))[1]) for goal, at in ((scored, u), (other, x)))
    # dx = sd^share dz for each of ten people; where all are scores the sd itself is sampled.
    log_sd = u[:, 1]
    np.testing.assert_allclose(there, here - (10 * share if share else 1.0) * log_sd, rtol=1e-10)
