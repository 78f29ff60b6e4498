"""What the data can tell: Fisher information, flat directions in words, standard errors, criteria.

Everything is on the estimation scale. Of the information matrix of the likelihood, priors apart, an
eigenvector with an eigenvalue of (numerically) 0 is a direction in which the data say nothing:
Rothenberg (1971), doi:10.2307/1913267. On logarithms it is a ratio of powers, and what is told of the
numbers in it is a product of powers across it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..fit_result import Direction
from ..scales import Scales
from .searching import Box, Evaluate

Matrix = Float[np.ndarray, "parameter parameter"]
Vector = Float[np.ndarray, "parameter"]

#: An eigenvalue below this share of the largest is 0: the slopes of a solve are right to about 1e-5.
FLAT = 1e-9
#: A number is in a flat direction where its part of the unit vector is larger than this.
PART = 0.05
#: What more numbers than so many have in common is not put into words.
MOST_IN_WORDS = 4
#: Differences of gradients are taken over so much of the estimation scale.
_STEP = 1e-3


@dataclass(frozen=True, eq=False)
class Information:
    """Directions of the likelihood, the numbers that flat ones move, and what is told of these."""

    directions: tuple[Direction, ...]
    moved: Bool[np.ndarray, "parameter"]
    told: tuple[str, ...]


def read_information(matrix: Matrix, scales: Scales) -> Information:
    """Return the directions of the Fisher information of the likelihood, the flattest last."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    flat = values <= FLAT * max(float(values[0]), 0.0)
    moved = (np.abs(vectors[:, flat]) > PART).any(axis=1)
    directions = tuple(
        Direction(float(max(value, 0.0)), vector, in_words(vector, scales), bool(is_flat))
        for value, vector, is_flat in zip(values, vectors.T, flat, strict=True)
    )
    return Information(directions, moved, _told(vectors[:, flat], scales))


def _told(flat: np.ndarray, scales: Scales) -> tuple[str, ...]:
    """Return what no flat direction changes of the numbers that some do, in few numbers each."""
    # Mixtures of flat directions are flat too: with as few numbers in each as can be, they fall apart into
    # sets of numbers that have nothing to do with each other.
    plain = _reduced(flat.T)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    found = []
    for rows in _apart(np.abs(plain) > PART):
        places = np.flatnonzero((np.abs(plain[rows]) > PART).any(axis=0))
        if len(places) > MOST_IN_WORDS:
            continue
        left, _, _ = np.linalg.svd(plain[rows][:, places].T, full_matrices=True)
        for told in _reduced(left[:, len(rows) :].T):
            whole = np.zeros(len(scales))
            whole[places] = told
            found.append(in_words(whole, scales))
    return tuple(found)


def _apart(touches: np.ndarray) -> list[list[int]]:
    # Rows that share a number, directly or by others, together.
    sets: list[list[int]] = []
    for row in range(len(touches)):
        near = [own for own in sets if (touches[own].any(axis=0) & touches[row]).any()]
        sets = [own for own in sets if own not in near] + [[row, *(item for own in near for item in own)]]
    return [sorted(own) for own in sorted(sets)]


def _reduced(rows: np.ndarray) -> np.ndarray:
    # Reduced row echelon form, with the largest pivot of each column.
    rows = rows.copy()
    done = 0
    for column in range(rows.shape[1]):
        if done == len(rows):
            break
        pivot = done + int(np.argmax(np.abs(rows[done:, column])))
        if abs(rows[pivot, column]) < 1e-3:
            continue
        rows[[done, pivot]] = rows[[pivot, done]]
        rows[done] /= rows[done, column]
        for other in range(len(rows)):
            if other != done:
                rows[other] -= rows[other, column] * rows[done]
        done += 1
    return rows[:done]


def in_words(vector: Vector, scales: Scales) -> str:
    """Return a direction as what changes along it: "CL * V^-1" on logarithms, "a + 2 b" else."""
    largest = float(np.max(np.abs(vector)))
    parts = [
        (name, weight, scale)
        for name, scale, weight in zip(scales.names, scales.scales, vector.tolist(), strict=True)
        if abs(weight) > PART * largest
    ]
    # Starting with a plain name where that leaves no small powers.
    first = parts[0][1] if parts else 1.0
    unit = (
        first if abs(first) < 1.005 * min((abs(weight) for _, weight, _ in parts), default=1.0) else largest
    )
    unit = math.copysign(unit, first)
    parts = [(name, weight / unit, scale) for name, weight, scale in parts]
    if all(scale in ("log", "log10") for _, _, scale in parts):
        # On log10 a step is longer, by the same factor in all of them unless the scales are mixed.
        return " * ".join(
            name if abs(power - 1) < 0.005 else f"{name}^{power:.2g}" for name, power, _ in parts
        )
    terms = [
        f"{'+' if weight > 0 else '-'} {_times(abs(weight), name, scale)}" for name, weight, scale in parts
    ]
    return " ".join(terms).removeprefix("+ ")


def _times(weight: float, name: str, scale: str) -> str:
    shown = name if scale == "linear" else f"{scale} {name}"
    return shown if abs(weight - 1) < 0.005 else f"{weight:.2g} {shown}"


def observed_information(evaluate: Evaluate, best: Vector, box: Box) -> Matrix:
    """Return minus the second derivatives of the log density there, by differences of gradients."""
    count = len(best)
    up, down = np.minimum(best + _STEP, box.high), np.maximum(best - _STEP, box.low)
    moved = np.repeat(best[None], 2 * count, axis=0)
    moved[np.arange(count), np.arange(count)] = up
    moved[count + np.arange(count), np.arange(count)] = down
    at = evaluate(moved)
    rows = (at.gradient[count:] - at.gradient[:count]) / (up - down)[:, None]
    rows[~(np.isfinite(at.value[:count]) & np.isfinite(at.value[count:]))] = np.nan
    return 0.5 * (rows + rows.T)


def covariance(
    information: Matrix, curvature: Matrix, still: Bool[np.ndarray, "parameter"]
) -> tuple[Matrix, str]:
    """Return the covariance, the inverse of the second derivatives `information`, and what is wrong.

    What is `still` (on a bound) is left where it is. A direction in which the `curvature` of Gauss and
    Newton, priors with it, is flat is left out: what has no part in it is known as well as if one of the
    numbers in it were. NaN for what is still or has a part in it, and for everything where the rest is not
    positive definite.
    """
    found = np.full(information.shape, np.nan)
    free = np.flatnonzero(~still)
    if not len(free):
        return found, ""
    inner = information[np.ix_(free, free)]
    if not np.isfinite(inner).all():
        return found, "the second derivatives at the optimum are no numbers: no standard errors"
    values, vectors = np.linalg.eigh(curvature[np.ix_(free, free)])
    flat = values <= FLAT * max(float(values[-1]), 0.0)
    kept = vectors[:, ~flat]
    if not kept.shape[1]:
        return found, ""
    within = kept.T @ inner @ kept
    lowest = float(np.linalg.eigvalsh(within)[0])
    if lowest <= 0:
        return found, (
            f"the second derivatives at the optimum are not positive definite (eigenvalue {lowest:.3g}): no "
            "standard errors"
        )
    told = (np.abs(vectors[:, flat]) <= PART).all(axis=1)
    spread = kept @ np.linalg.inv(within) @ kept.T
    found[np.ix_(free[told], free[told])] = spread[np.ix_(told, told)]
    return found, ""


def criteria(log_likelihood: float, free: int, rows: int) -> tuple[float, float, float]:
    """Return AIC, AICc and BIC.

    Akaike (1974), doi:10.1109/TAC.1974.1100705; Hurvich & Tsai (1989), doi:10.1093/biomet/76.2.297: infinite
    for no more rows than free numbers and one; Schwarz (1978), doi:10.1214/aos/1176344136.
    """
    aic = 2 * free - 2 * log_likelihood
    left = rows - free - 1
    aicc = aic + 2 * free * (free + 1) / left if left > 0 else math.inf
    return aic, aicc, free * math.log(rows) - 2 * log_likelihood


def agree(values: Sequence[float], within: float = 0.1) -> int:
    """Return how many log densities lie within so much of the highest."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(value >= max(finite) - within for value in finite) if finite else 0
