"""Profiles of densities with closed forms: where their intervals end, and where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.fitting.objective import Expanded
from exsim.fitting.profiling import interval_end, profile
from exsim.fitting.searching import Box

from .test_searching import INFORMATION, TOP, WIDE, normal


def _walks(evaluate, best: np.ndarray, box: Box, parameters: list[int]):
    at = evaluate(best[None])
    return profile(evaluate, best, at, box, parameters), float(at.value[0])


def test_the_interval_of_a_normal_density_is_that_of_its_marginal() -> None:
    walks, top = _walks(normal, TOP, WIDE, [0, 1, 2])
    sd = np.sqrt(np.diag(np.linalg.inv(INFORMATION)))
    for walk in walks:
        expected = TOP[walk.parameter] + walk.side * 1.959964 * sd[walk.parameter]
        assert interval_end(walk, top) == pytest.approx(expected, abs=2e-3 * sd[walk.parameter])


def test_the_others_follow_while_one_is_held() -> None:
    walks, _ = _walks(normal, TOP, WIDE, [0])
    for walk in walks:
        held = walk.vectors[:, 0] - TOP[0]
        expected = TOP[1:] - np.outer(held, np.linalg.solve(INFORMATION[1:, 1:], INFORMATION[1:, 0]))
        np.testing.assert_allclose(walk.vectors[:, 1:], expected, atol=2e-2)


def saturating(vectors: np.ndarray) -> Expanded:
    """Return the density of one datum 1 +- 0.1 of x / (x + 1), x = exp(theta): large x are all the same."""
    x = np.exp(vectors[:, 0])
    residual, slope = (x / (1 + x) - 0.95) / 0.1, x / (1 + x) ** 2 / 0.1
    value = -0.5 * residual**2
    status = steps = np.zeros(len(x), dtype=int)
    gradient, curvature = -(residual * slope)[:, None], (slope**2)[:, None, None]
    return Expanded(value, value, gradient, curvature, status, steps, np.ones(len(value), dtype=int))


def test_a_side_without_an_end_is_infinite_and_the_other_is_not() -> None:
    best = np.array([np.log(19.0)])
    box = Box(np.array([-10.0]), np.array([20.0]), np.array([3.0]))
    walks, top = _walks(saturating, best, box, [0])
    down, up = walks
    assert (down.ended, up.ended) == ("interval", "bound")
    assert interval_end(up, top) == np.inf
    share = 0.95 - 0.1 * 1.959964
    assert interval_end(down, top) == pytest.approx(np.log(share / (1 - share)), abs=5e-3)


def test_a_walk_ends_at_the_bound_that_lies_inside_the_interval() -> None:
    box = Box(TOP - 0.1, np.full(3, 10.0), np.full(3, 3.0))
    walks, top = _walks(normal, TOP, box, [0])
    assert walks[0].ended == "bound"
    assert walks[0].vectors[-1, 0] == pytest.approx(TOP[0] - 0.1, abs=1e-12)
    assert interval_end(walks[0], top) == -np.inf


def test_where_nothing_can_be_solved_the_walk_is_lost_before_it() -> None:
    def walled(vectors: np.ndarray) -> Expanded:
        found = normal(vectors)
        found.value[vectors[:, 0] > TOP[0] + 0.2] = -np.inf
        return found

    walks, top = _walks(walled, TOP, WIDE, [0])
    assert walks[1].ended in ("lost", "points")
    assert walks[1].vectors[-1, 0] <= TOP[0] + 0.2
    assert interval_end(walks[1], top) == np.inf
