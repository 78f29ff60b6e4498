"""What draws of a population say of people and of new ones, against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from exsim.fit_problem import FitProblem, Noisy, Observable, PlacedTarget, Simulation
from exsim.fitting import Objective
from exsim.formula import Name
from exsim.jax_setup import jax, jnp
from exsim.marginals import Marginal
from exsim.population import Covariate, Population, RandomEffect, ResponseClass, Spread
from exsim.sampling import PopulationTarget
from exsim.sampling.new_people import new_people
from exsim.sampling.people import find_people

from ..fitting.fit_models import config, free, read_model, rows, target
from .populations import LEVEL, eight_schools

MU, TAU, SD = 5.0, 2.0, 0.5
_WIDE = Marginal("normal", -np.inf, np.inf, 0.0, 5.0)
_SPREAD = Spread("halfnormal", 5.0)


def _two_effects(folder, within: bool = False) -> PopulationTarget:
    # y = theta and dy/dt = -k y of four people, each in a race; the last two on a bike too.
    model, spec = read_model(folder, LEVEL), config(2.0)
    subject, condition = [0, 1, 2, 3, 2, 3], ["race"] * 4 + ["bike"] * 2
    count = 6 if within else 4
    wide = {"scale": "linear", "low": -1e3, "high": 1e3}
    levels = [free(f"theta[{n}]", 5.0, **wide) for n in range(count)]
    rates = [free(f"k[{n}]", 0.1, **wide) for n in range(4)]
    own = tuple(range(6)) if within else (*range(4), 2, 3)
    problem = FitProblem(
        name="two",
        model=model,
        free=(*levels, *rates),
        placed=(
            PlacedTarget(target("parameter.theta", spec, model), own),
            PlacedTarget(target("parameter.k", spec, model), tuple(count + n for n in subject)),
        ),
        simulations=tuple(Simulation(f"{c}: S{s}", spec) for s, c in zip(subject, condition, strict=True)),
        observables=(Observable("y", "y", "1", Name("y"), "normal", Noisy(SD)),),
        rows=rows(
            6,
            simulation=np.arange(6),
            time_h=np.ones(6),
            value=np.full(6, MU),
            subject=tuple(f"S{n}" for n in subject),
            condition=tuple(condition),
        ),
    )
    places = np.array([0, 1, 2, 4, 3, 5]) if within else np.arange(4)
    people = np.array([0, 1, 2, 2, 3, 3]) if within else np.arange(4)
    effects = (
        RandomEffect("theta", "theta", "1", places, people, _WIDE, _SPREAD, _SPREAD if within else None),
        RandomEffect("k", "k", "1", np.arange(count, count + 4), np.arange(4), _WIDE, _SPREAD),
    )
    population = Population(
        tuple(f"S{n}" for n in range(4)),
        effects,
        (Covariate("x", 0, np.array([0.0, 1.0, 10.0, 20.0]), 1.0),),
        correlated=True,
    )
    return PopulationTarget(Objective(problem), population)


def _set(goal: PopulationTarget, u: np.ndarray, **parts: object) -> np.ndarray:
    # The same coordinates with these parts in place of theirs.
    begin = 0
    for name, size in goal.sizes.items():
        if name in parts:
            u[:, begin : begin + size] = parts[name]
        begin += size
    return u


def test_new_people_are_spread_as_the_population_is_and_keep_no_value_of_the_old(tmp_path) -> None:
    goal = _two_effects(tmp_path).centred_by(np.full((4, 2), 0.7))
    rng = np.random.default_rng(1)
    u = np.repeat(goal.draw_prior(1, rng), 4000, axis=0)
    _set(goal, u, between=np.log([TAU, 0.3]), coefficients=0.5)
    with jax.enable_x64(True):
        parts = goal.take_apart(jnp.asarray(u[:1]))
    typical, factor = np.asarray(parts.typical)[0], np.asarray(parts.factor)[0]
    found = new_people(goal, u, rng)
    theta, k = found[:, :4], found[:, 4:]
    # Covariates are dealt among those in the race alone (0, 1), and those in both (10, 20).
    for people, mean, spread in (([0, 1], 0.25, 0.25), ([2, 3], 7.5, 2.5)):
        own = theta[:, people]
        assert own.mean() == pytest.approx(typical[0] + mean, abs=0.1)
        assert own.std() == pytest.approx(np.hypot(TAU, spread), rel=0.03)
    assert k.mean() == pytest.approx(typical[1], abs=0.02)
    assert k.std() == pytest.approx(0.3, rel=0.03)
    known = (factor @ factor.T)[0, 1]
    found_r = np.corrcoef(theta[:, 0], k[:, 0])[0, 1]
    assert found_r == pytest.approx(known * TAU / np.hypot(TAU, 0.25), abs=0.05)
    assert abs(np.corrcoef(k[:, 0], k[:, 1])[0, 1]) < 0.05


def test_new_people_have_occasions_of_their_own(tmp_path) -> None:
    goal = _two_effects(tmp_path, within=True)
    rng = np.random.default_rng(2)
    u = np.repeat(goal.draw_prior(1, rng), 3000, axis=0)
    _set(goal, u, between=np.log([TAU, 0.3]), within=np.log(1.0), coefficients=0.0)
    found = new_people(goal, u, rng)
    # Of person 2: in the race and on the bike.
    both = found[:, [2, 4]]
    assert both.std(axis=0) == pytest.approx(np.full(2, np.hypot(TAU, 1.0)), rel=0.04)
    assert (both[:, 0] - both[:, 1]).std() == pytest.approx(2**0.5, rel=0.04)
    result = find_people(goal, u[:50], 1)
    assert result.individuals.condition == ("race", "race", "race", "bike", "race", "bike", *([""] * 4))
    assert result.individuals.subject == ("S0", "S1", "S2", "S2", "S3", "S3", "S0", "S1", "S2", "S3")
    names = [goal.numbers[n].name for n in result.individuals.number]
    assert names == [f"theta[{n}]" for n in (0, 1, 2, 4, 3, 5)] + [f"k[{n}]" for n in range(4)]
    (x,) = result.covariates
    assert goal.numbers[x.number].name == "effect[x on theta]"
    assert (x.covariate, x.effect, x.scale) == ("x", "theta", "linear")
    assert result.classes == ()


def _schools(folder, draws: int, told: float, classes: tuple[ResponseClass, ...] = ()) -> tuple:
    # Eight people about 5, sd 2: their scores are known but for `told`, the share that data tell.
    goal = eight_schools(folder)
    population = replace(goal.population, classes=classes)
    goal = replace(goal, population=population)
    rng = np.random.default_rng(3)
    u = goal.draw_prior(draws, rng)
    mean = np.sqrt(told) * (scores := np.linspace(-1.5, 1.5, 8)) / scores.std(ddof=1)
    own = mean + np.sqrt(1 - told) * rng.standard_normal((draws, 8))
    space = goal.typical[2]
    typical = space.coordinates(np.array([[MU]]), 1e-9)
    return goal, _set(goal, u, typical=typical, between=np.log(TAU), people=own), mean


def test_shrinkage_is_what_data_do_not_tell_of_people(tmp_path) -> None:
    for told in (0.0, 0.4):
        goal, u, mean = _schools(tmp_path, 1500, told)
        result = find_people(goal, u, 1)
        assert result.shrinkage[0] == pytest.approx(1 - told, abs=0.03)
        np.testing.assert_allclose(result.individuals.eta, mean, atol=0.12)


def test_that_few_people_do_not_tell_their_spread_is_no_shrinkage(tmp_path) -> None:
    goal, u, _ = _schools(tmp_path, 1000, 1.0)
    # The same people in every draw, whatever the spread of the population is.
    spread = np.exp(np.random.default_rng(4).normal(0, 0.5, (1000, 1)))
    scores = np.linspace(-1.5, 1.5, 8)
    u = _set(goal, u, between=np.log(spread), people=scores / spread)
    assert find_people(goal, u, 1).shrinkage[0] == pytest.approx(0.0, abs=1e-9)


def test_data_of_new_people_have_the_spread_of_people_and_of_noise(tmp_path) -> None:
    goal, u, _ = _schools(tmp_path, 300, 0.5)
    new = find_people(goal, u, 1).new_data
    assert new.shape == (500, 8)
    noise = goal.objective.problem.rows.scale
    np.testing.assert_allclose(new.mean(axis=0), MU, atol=3.0)
    np.testing.assert_allclose(new.std(axis=0), np.hypot(TAU, noise), rtol=0.15)


def test_a_class_of_responses_has_the_share_below_its_threshold(tmp_path) -> None:
    classes = (
        ResponseClass("weak", "y", "peak_level", 4.0),
        ResponseClass("flat", "y", "peak_fold", 1.5),
        ResponseClass("steep", "y", "peak_fold", 0.9),
    )
    goal, u, mean = _schools(tmp_path, 1000, 0.75, classes)
    result = find_people(goal, u, 1)
    weak, flat, steep = result.classes
    known = ndtr((4.0 - MU - TAU * mean) / (TAU * 0.5))
    np.testing.assert_allclose(weak.probability, known, atol=0.1)
    # 250 draws of 104 people, of whom each draw has the same share.
    share = ndtr((4.0 - MU) / TAU)
    chance = np.sqrt(share * (1 - share) / 104)
    assert weak.new == pytest.approx(share, abs=4 * chance / np.sqrt(250))
    assert weak.upper - weak.lower == pytest.approx(2 * 1.96 * chance, rel=0.25)
    assert (weak.condition, weak.unit, weak.subjects) == ("rest", "1", goal.population.subjects)
    assert (flat.new, flat.lower, flat.unit) == (1.0, 1.0, "dimensionless")
    assert flat.probability.tolist() == [1.0] * 8
    assert steep.new == 0.0
