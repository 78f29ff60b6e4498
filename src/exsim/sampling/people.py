"""What draws of a population say of its people, of new people, and of how they respond."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Array, Float

from ..jax_setup import jax
from ..population_result import CovariateEffect, Individuals, PopulationResult
from .density import HostVectors, Vectors
from .hierarchy import PopulationTarget
from .new_people import new_people
from .predictive import data_of
from .responses import class_shares

#: Sets of new people whose data are compared with the data.
SETS = 500


def find_people(target: PopulationTarget, u: HostVectors, seed: int) -> PopulationResult:
    """Return what draws (coordinates, no unit) say of people.

    Shrinkage is the pooling factor of Gelman & Pardoe (2006), doi:10.1198/004017005000000517: the counterpart
    over draws of the eta-shrinkage of Savic & Karlsson (2009), doi:10.1208/s12248-009-9133-0. It compares
    with the variance among these people, not between all: that is hardly known of few people, and what is not
    known of it would pass for shrinkage.
    """
    rng = np.random.default_rng([seed, 2])
    away, between = away_and_spread(target, u)
    some = u[np.linspace(0, len(u) - 1, SETS).astype(int)]
    looked = target.objective.look(new_people(target, some, rng))
    return PopulationResult(
        effects=tuple(item.name for item in target.population.effects),
        shrinkage=_shrinkage(target, away),
        individuals=_individuals(target, np.mean(away / between[:, None], axis=0)),
        covariates=covariates_of(target, [item.name for item in target.numbers]),
        new_data=data_of(target.objective.problem, looked, rng),
        classes=class_shares(target, u, rng),
    )


def away_and_spread(
    target: PopulationTarget, u: HostVectors
) -> tuple[Float[np.ndarray, "vector subject effect"], Float[np.ndarray, "vector effect"]]:
    """Return how far people are from what is expected of them, and the sds between them.

    Both are on the estimation scale.
    """
    with jax.enable_x64(True):
        away, between = _away(target, u)
        return np.asarray(away), np.asarray(between)


@partial(jax.jit, static_argnums=0)
def _away(target: PopulationTarget, u: Vectors | HostVectors) -> tuple[Array, Array]:
    parts = target.take_apart(u)
    return target.people(parts)[0] - target.expected(parts), parts.between


def _shrinkage(
    target: PopulationTarget, away: Float[np.ndarray, "draw subject effect"]
) -> Float[np.ndarray, "effect"]:
    found = []
    for number, item in enumerate(target.population.effects):
        # Who has no number of their own in an effect is not one of its people.
        own = away[:, np.unique(item.subject), number]
        found.append(1 - own.mean(axis=0).var(ddof=1) / own.var(axis=1, ddof=1).mean())
    return np.array(found)


def occasions_of(target: PopulationTarget) -> tuple[str, ...]:
    """Return the conditions that each own number acts in, "" where a person has one for all of them."""
    problem = target.objective.problem
    condition = dict(zip(problem.rows.simulation.tolist(), problem.rows.condition, strict=True))
    # Of each free number: the conditions that it acts in.
    acting: dict[int, list[str]] = {}
    for placed in problem.placed:
        for simulation, place in enumerate(placed.free):
            if place >= 0 and simulation in condition:
                acting.setdefault(place, []).append(condition[simulation])
    return tuple(
        ", ".join(dict.fromkeys(acting.get(place, ()))) if item.within is not None else ""
        for item in target.population.effects
        for place in item.places.tolist()
    )


def _individuals(target: PopulationTarget, eta: Float[np.ndarray, "subject effect"]) -> Individuals:
    population = target.population
    effects = population.effects
    effect = np.repeat(np.arange(len(effects)), [len(item.places) for item in effects])
    subject = np.concatenate([item.subject for item in effects])
    # Individuals are the last of all numbers, in this order (`PopulationTarget.numbers`).
    return Individuals(
        number=np.arange(len(target.numbers) - len(effect), len(target.numbers)),
        effect=effect,
        subject=tuple(population.subjects[place] for place in subject.tolist()),
        condition=occasions_of(target),
        eta=eta[subject, effect],
    )


def covariates_of(target: PopulationTarget, names: Sequence[str]) -> tuple[CovariateEffect, ...]:
    """Return the coefficients of covariates, with their places among these names."""
    free, found = target.objective.problem.free, []
    for item in target.population.covariates:
        effect = target.population.effects[item.effect]
        found.append(
            CovariateEffect(
                number=names.index(f"effect[{item.name} on {effect.name}]"),
                covariate=item.name,
                effect=effect.name,
                form=item.form,
                unit=item.unit,
                levels=item.levels,
                scale=free[int(effect.places[0])].scale,
                effect_unit=effect.unit,
            )
        )
    return tuple(found)
