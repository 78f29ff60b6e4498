"""What is estimated of a population where its people are integrated out; plain values, no JAX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .choices import ScaleName
from .fit_problem import FitProblem, FreeNumber, Noisy
from .marginals import Marginal
from .population import Population, RandomEffect, Spread
from .sample_result import SampledNumber

#: A standard deviation is searched for between these shares of the scale of its prior, from that one.
_LEAST_SPREAD, _MOST_SPREAD, _NOMINAL_SPREAD = 0.01, 10.0, 0.5
#: So many prior standard deviations a coefficient may be away from none.
_MOST_COEFFICIENT = 10.0


def shared_places(free: Sequence[FreeNumber], population: Population) -> np.ndarray:
    """Return the places of the free numbers that all people share."""
    own = np.concatenate([item.places for item in population.effects])
    return np.setdiff1d(np.arange(len(free)), own)


def population_numbers(free: Sequence[FreeNumber], population: Population) -> tuple[FreeNumber, ...]:
    """Return the numbers of a population: shared and typical ones, sds, correlations, coefficients.

    A correlation of three effects or more is the partial one, given those effects that come before both:
    these are free of each other, as correlations are not. Lewandowski et al. (2009),
    doi:10.1016/j.jmva.2009.04.008.
    """
    effects = population.effects
    found = [free[int(place)] for place in shared_places(free, population)]
    found += [_typical(free[int(item.places[0])], item) for item in effects]
    found += [
        _spread(f"sd_between[{item.name}]", f"{item.label}, sd between people", item.between)
        for item in effects
    ]
    found += [
        _spread(f"sd_within[{item.name}]", f"{item.label}, sd between occasions", item.within)
        for item in effects
        if item.within is not None
    ]
    if population.correlated:
        found += [
            _correlation(effects[:place], one, other)
            for number, other in enumerate(effects)
            for place, one in enumerate(effects[:number])
        ]
    found += [
        _bounded(
            f"effect[{item.name} on {effects[item.effect].name}]",
            f"effect of {item.name} on {effects[item.effect].label}",
            "linear",
            (-_MOST_COEFFICIENT * item.sd, _MOST_COEFFICIENT * item.sd),
            0.0,
            Marginal("normal", -math.inf, math.inf, 0.0, item.sd),
        )
        for item in population.covariates
    ]
    return tuple(found)


def sampled_numbers(free: Sequence[FreeNumber], population: Population) -> tuple[SampledNumber, ...]:
    """Return what of a population has a posterior: its numbers, plain correlations, and those of people."""
    effects = population.effects
    found = [
        SampledNumber(item.name, item.label, item.unit, item.scale)
        for item in population_numbers(free, replace(population, correlated=False))
    ]
    if population.correlated:
        found += [
            SampledNumber(
                f"correlation[{other.name}, {one.name}]", f"{other.name} with {one.name}", "1", "linear"
            )
            for number, other in enumerate(effects)
            for one in effects[:number]
        ]
    people = [free[place] for item in effects for place in item.places.tolist()]
    found += [SampledNumber(item.name, item.label, item.unit, item.scale, "individual") for item in people]
    return tuple(found)


def problem_of_typical(problem: FitProblem, population: Population) -> FitProblem:
    """Return the problem in which the numbers of the population are free, and all people are typical."""
    shared = shared_places(problem.free, population)
    places = np.zeros(len(problem.free) + 1, dtype=np.int64)
    # What is not free stays so: place -1 is the last.
    places[-1] = -1
    places[shared] = np.arange(len(shared))
    for number, item in enumerate(population.effects):
        places[item.places] = len(shared) + number

    def noisy(item: Noisy) -> Noisy:
        return replace(item, free=int(places[item.free]))

    return replace(
        problem,
        free=population_numbers(problem.free, population),
        placed=tuple(replace(item, free=tuple(places[list(item.free)].tolist())) for item in problem.placed),
        observables=tuple(
            replace(
                item,
                scale=None if item.scale is None else noisy(item.scale),
                proportional=noisy(item.proportional),
            )
            for item in problem.observables
        ),
        rows=replace(problem.rows, factor=places[problem.rows.factor]),
    )


def _typical(free: FreeNumber, effect: RandomEffect) -> FreeNumber:
    return replace(free, name=effect.name, label=f"{effect.label}, typical", prior=effect.typical)


def _spread(name: str, label: str, prior: Spread) -> FreeNumber:
    scale = prior.scale
    bounds = _LEAST_SPREAD * scale, _MOST_SPREAD * scale
    return _bounded(name, label, "log", bounds, _NOMINAL_SPREAD * scale)


def _correlation(given: Sequence[RandomEffect], one: RandomEffect, other: RandomEffect) -> FreeNumber:
    before = ", ".join(item.name for item in given)
    more, said = (f" | {before}", f", given {before}") if given else ("", "")
    name = f"correlation[{other.name}, {one.name}{more}]"
    return _bounded(name, f"{other.name} with {one.name}{said}", "logit", (-1.0, 1.0), 0.0)


def _bounded(
    name: str,
    label: str,
    scale: ScaleName,
    bounds: tuple[float, float],
    nominal: float,
    prior: Marginal | None = None,
) -> FreeNumber:
    return FreeNumber(name, "1", label, "population", scale, *bounds, nominal, prior)
