"""Curves of the best fit over time, with the band that the uncertainty of the free numbers makes of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ..fit_problem import FitProblem
from ..fit_result import FitCurves
from ..integrating import Status
from ..jax_setup import jax
from .features import solve_curves
from .identifiability import FLAT
from .objective import Objective
from .searching import Box, Evaluate

#: Vectors drawn for the band; points in each segment between edges and data at least, and of a curve.
DRAWS, FEWEST_POINTS, MOST_POINTS = 512, 10, 160
#: Draws are spread this much wider than the normal density says: weights cannot widen them.
_WIDER = 1.25
_BAND = (0.025, 0.975)


def fit_curves(
    objective: Objective,
    evaluate: Evaluate,
    best: Float[np.ndarray, "parameter"],
    information: Float[np.ndarray, "parameter parameter"],
    box: Box,
    seed: int,
) -> FitCurves:
    """Return the curves of all simulations and observables at the best vector, with their 95 % bands.

    The band is made of vectors from a normal density with this information, on the estimation scale and
    inside the bounds, along the directions in which it is positive; each counts with the ratio of its true
    density to the normal one (sampling importance resampling: Dosne et al. 2016,
    doi:10.1007/s10928-016-9487-8). People of a population are drawn about their best for each vector.
    """
    draws, log_normal = _draws(best, information, box, seed)
    weight = _weights(evaluate(draws).value - log_normal)
    return curves_of(*objective.solved(draws, seed), weight, lambda curves: curves[:, 0])


def curves_of(
    objective: Objective,
    draws: Float[np.ndarray, "vector parameter"],
    weight: Float[np.ndarray, "vector"],
    middle: Callable[[Float[np.ndarray, "time vector"]], Float[np.ndarray, "time"]],
) -> FitCurves:
    """Return the `middle` of the curves of weighted vectors, and the band that holds 95 % of them.

    Curves whose solve failed are NaN, and not in the band.
    """
    problem = objective.problem
    found: dict[int, tuple[np.ndarray, dict[int, np.ndarray]]] = {}
    for item in objective.plan.bundles:
        points = max(FEWEST_POINTS, MOST_POINTS // (len(item.numbers.marks_h) + 3))
        with jax.enable_x64(True):
            x, _ = objective.values(draws)
            values = objective.quantities(np, item, x)
            parts = [
                tuple(map(np.asarray, solve_curves(item.bundle, points, item.numbers, part)))
                for part in np.array_split(values, max(1, len(draws) // objective.together), axis=1)
            ]
        times, curves, status = (np.concatenate([part[k] for part in parts], axis=-1) for k in range(3))
        count = len(item.simulations)
        curves = np.where(status == Status.DONE, curves, np.nan)
        for place, simulation in enumerate(item.simulations.tolist()):
            mine = curves[:, :, place::count]
            own = {number: mine[:, k] for k, number in enumerate(item.observables.tolist())}
            found[simulation] = times[:, place], own
    return _together(problem, found, weight, middle)


def _draws(best: np.ndarray, information: np.ndarray, box: Box, seed: int) -> tuple[np.ndarray, np.ndarray]:
    # Vectors, the best first, and the logarithm of the density that they are drawn from.
    vectors, log_normal = np.repeat(best[None], DRAWS, axis=0), np.zeros(DRAWS)
    free = np.flatnonzero((best > box.low) & (best < box.high))
    if not len(free) or not np.isfinite(information).all():
        return vectors, log_normal
    sizes, directions = np.linalg.eigh(information[np.ix_(free, free)])
    told = sizes > FLAT * max(float(sizes[-1]), 0.0)
    spread = np.where(told, _WIDER * np.where(told, sizes, 1.0) ** -0.5, 0.0)
    scores = np.random.default_rng(seed).standard_normal((DRAWS - 1, len(free)))
    vectors[1:, free] += (scores * spread) @ directions.T
    log_normal[1:] = -0.5 * np.sum(scores**2, axis=1)
    inside = box.inside(vectors)
    # What lies outside is no draw: weight 0.
    log_normal[(inside != vectors).any(axis=1)] = np.inf
    return inside, log_normal


def _weights(log_ratio: np.ndarray) -> np.ndarray:
    log_ratio = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
    weight = np.exp(log_ratio - np.max(log_ratio))
    return weight / weight.sum()


def _together(
    problem: FitProblem,
    found: dict[int, tuple[np.ndarray, dict[int, np.ndarray]]],
    weight: np.ndarray,
    middle: Callable[[np.ndarray], np.ndarray],
) -> FitCurves:
    simulations, observables = problem.simulations, problem.observables
    longest = max(len(times) for times, _ in found.values())
    shape = len(simulations), len(observables), longest
    time_h = np.zeros((len(simulations), longest))
    value, lower, upper = (np.full(shape, np.nan) for _ in range(3))
    for simulation, (times, own) in found.items():
        padding = longest - len(times)
        time_h[simulation] = np.pad(times, (0, padding), mode="edge")
        for observable, curves in own.items():
            for where, line in zip(
                (value, lower, upper), (middle(curves), *_band(curves, weight)), strict=True
            ):
                where[simulation, observable] = np.pad(line, (0, padding), mode="edge")
    return FitCurves(
        tuple(item.name for item in simulations),
        tuple(item.name for item in observables),
        time_h,
        value,
        lower,
        upper,
        tuple(
            tuple((bout.start.to("h"), bout.end_h) for bout in item.spec.protocol.bout)
            for item in simulations
        ),
    )


def _band(curves: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Weighted quantiles over the vectors, of curves (time, vector); NaN where fewer than two count.
    counts = np.isfinite(curves).all(axis=0) & (weight > 0)
    if counts.sum() < 2:
        nothing = np.full(len(curves), np.nan)
        return nothing, nothing
    good, share = curves[:, counts], weight[counts]
    order = np.argsort(good, axis=1)
    ordered = np.take_along_axis(good, order, axis=1)
    below = np.cumsum(share[order], axis=1) - 0.5 * share[order]
    below /= share.sum()
    low, high = (
        np.array([np.interp(q, own, line) for own, line in zip(below, ordered, strict=True)]) for q in _BAND
    )
    return low, high
