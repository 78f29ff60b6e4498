"""Is the gradient the derivative of the density? Asked of every fit, in one random direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .searching import Box, Evaluate

#: Share of the natural size of a slope by which gradient and differences may differ.
TOLERANCE = 1e-3
#: Half the length of the difference, in steps of which the density feels each; never longer on the scale.
_STEP = 0.05
#: How far from the best, in the same steps: there itself a gradient that is half too large is 0 as well.
_AWAY = 1.0


@dataclass(frozen=True)
class Slopes:
    """The directional derivative by the gradient and by differences, and whether they agree."""

    by_gradient: float
    by_differences: float
    agree: bool


def compare_slopes(
    evaluate: Evaluate,
    best: Float[np.ndarray, "parameter"],
    curvature: Float[np.ndarray, "parameter parameter"],
    moves: Bool[np.ndarray, "parameter"],
    box: Box,
    seed: int,
) -> Slopes:
    """Compare slopes about one standard deviation beside the best vector; what does not move stays."""
    # Each number moves, up or down, by as many of its standard deviations as the others.
    sides = np.random.default_rng(seed).choice([-1.0, 1.0], len(best))
    direction = np.where(moves, sides / np.sqrt(np.maximum(np.diag(curvature), 1.0)), 0.0)
    size = float(np.linalg.norm(direction))
    if size == 0:
        return Slopes(0.0, 0.0, True)
    direction /= size
    # The natural size of a slope is the root of the information.
    natural = float(np.sqrt(max(direction @ curvature @ direction, 1e-12)))
    longest = min(1 / natural, 1.0)
    step = _STEP * longest
    if _room(best, -direction, box) > _room(best, direction, box):
        direction = -direction
    beside = float(np.clip(_room(best, direction, box) - step, 0.0, _AWAY * longest))
    # Where that cannot be solved, at the best itself.
    for away in (beside, 0.0):
        places = best + (away + step * np.array([[-1.0], [0.0], [1.0]])) * direction
        found = evaluate(places)
        if np.isfinite(found.value).all():
            break
    # The slopes at both ends and between, by Simpson's rule, are the difference to the fourth order.
    before, between, after = (found.gradient @ direction).tolist()
    mean = (before + 4 * between + after) / 6
    difference = float(found.value[2] - found.value[0]) / (2 * step)
    return Slopes(mean, difference, abs(mean - difference) <= TOLERANCE * (natural + abs(difference)))


def _room(
    vector: Float[np.ndarray, "parameter"], direction: Float[np.ndarray, "parameter"], box: Box
) -> float:
    # How far one can go before a bound.
    edge = np.where(direction > 0, box.high, box.low)
    moving = direction != 0
    return float(np.min((edge - vector)[moving] / direction[moving]))
