"""How probable responses below a threshold are, of the people of a population and of new ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ..fit_problem import FitProblem, FitRows
from ..fitting import Objective
from ..population import Population, Response
from ..population_result import ClassShare
from .density import HostVectors, theta_of
from .hierarchy import PopulationTarget
from .new_people import new_people

#: Draws of the population that are looked at, and new people of each at least.
DRAWS, NEW_PEOPLE = 250, 100


def class_shares(
    target: PopulationTarget, u: HostVectors, rng: np.random.Generator
) -> tuple[ClassShare, ...]:
    """Return the probability of each class in each condition, for draws of the posterior (coordinates).

    A response is that of the curve, without noise. Solves that fail are left out. What is not known of a new
    person's probability is its spread over draws of the population, and the chance of `NEW_PEOPLE` people.
    """
    population, problem = target.population, target.objective.problem
    if not population.classes:
        return ()
    kinds = list(dict.fromkeys((item.analyte, item.quantity) for item in population.classes))
    objective = Objective(replace(problem, rows=_rows(problem, kinds)))
    some = u[np.linspace(0, len(u) - 1, DRAWS).astype(int)]
    sets = math.ceil(NEW_PEOPLE / len(population.subjects))
    own = objective.look(theta_of(target, some)).prediction
    new = objective.look(new_people(target, np.repeat(some, sets, axis=0), rng)).prediction
    new = new.reshape(DRAWS, sets, -1)
    return tuple(_shares(problem, population, kinds, own, new))


def _shares(
    problem: FitProblem,
    population: Population,
    kinds: list[tuple[str, Response]],
    own: Float[np.ndarray, "draw row"],
    new: Float[np.ndarray, "draw set row"],
) -> list[ClassShare]:
    units = {item.name: item.unit for item in problem.observables}
    known = dict(
        zip(
            problem.rows.simulation.tolist(),
            zip(problem.rows.condition, problem.rows.subject, strict=True),
            strict=True,
        )
    )
    found = []
    for item in population.classes:
        first = kinds.index((item.analyte, item.quantity)) * len(problem.simulations)
        for condition in dict.fromkeys(problem.rows.condition):
            there = [n for n, (name, _) in sorted(known.items()) if name == condition]
            columns = first + np.array(there)
            of_new = _below(new[:, :, columns].reshape(len(new), -1), item.below, axis=1)
            of_new = of_new[np.isfinite(of_new)]
            ends = np.quantile(of_new, [0.025, 0.975]) if len(of_new) else (math.nan, math.nan)
            found.append(
                ClassShare(
                    own=item,
                    unit="dimensionless" if item.quantity == "peak_fold" else units[item.analyte],
                    condition=condition,
                    subjects=tuple(known[n][1] for n in there),
                    probability=_below(own[:, columns], item.below, axis=0),
                    new=float(of_new.mean()) if len(of_new) else math.nan,
                    lower=float(ends[0]),
                    upper=float(ends[1]),
                )
            )
    return found


def _below(responses: np.ndarray, threshold: float, axis: int) -> np.ndarray:
    # The share of them below a threshold, of those that there are; NaN where there is none.
    there = np.isfinite(responses)
    with np.errstate(invalid="ignore"):
        return (there & (responses < threshold)).sum(axis=axis) / there.sum(axis=axis)


def _rows(problem: FitProblem, kinds: list[tuple[str, Response]]) -> FitRows:
    # Each response of each simulation, in place of the data: by kind, then by simulation.
    names = [item.name for item in problem.observables]
    simulations, count = len(problem.simulations), len(problem.simulations) * len(kinds)
    nothing, none = np.full(count, np.nan), np.full(count, -1)
    blank = ("",) * count
    return FitRows(
        simulation=np.tile(np.arange(simulations), len(kinds)),
        observable=np.repeat([names.index(analyte) for analyte, _ in kinds], simulations),
        quantity=tuple(quantity for _, quantity in kinds for _ in range(simulations)),
        time_h=np.zeros(count),
        compared=none,
        compared_time_h=nothing,
        value=np.ones(count),
        limit=nothing,
        censoring=np.zeros(count, dtype=np.int64),
        scale=np.ones(count),
        batch=none,
        factor=none,
        subject=blank,
        condition=blank,
        group=blank,
        line=none,
    )
