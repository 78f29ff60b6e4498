"""Optimisers on densities with closed forms: they reach the top, keep to the box, or say why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exsim.fitting import searching
from exsim.fitting.objective import Expanded
from exsim.fitting.searching import Box, adam, begin, gauss_newton, lbfgs

TOP = np.array([0.5, -1.0, 2.0])
INFORMATION = np.array([[4.0, 1.0, 0.0], [1.0, 100.0, -2.0], [0.0, -2.0, 0.5]])
WIDE = Box(np.full(3, -10.0), np.full(3, 10.0), np.full(3, 3.0))
FLAT = Box(np.full(2, -5.0), np.full(2, 5.0), np.full(2, 3.0))


def normal(vectors: np.ndarray) -> Expanded:
    """Return a normal log density."""
    away = vectors - TOP
    value = -0.5 * np.einsum("vp,pq,vq->v", away, INFORMATION, away)
    count = len(vectors)
    return Expanded(
        value,
        value,
        -away @ INFORMATION,
        np.repeat(INFORMATION[None], count, axis=0),
        np.zeros(count, dtype=int),
        np.zeros(count, dtype=int),
        np.ones(count, dtype=int),
    )


def banana(vectors: np.ndarray) -> Expanded:
    """Return a bent ridge (Rosenbrock): residuals x - 1 and 10 (y - x^2), curvature of Gauss and Newton."""
    x, y = vectors.T
    residuals = np.stack([x - 1, 10 * (y - x**2)])
    nothing = np.zeros_like(x)
    slopes = np.stack([np.stack([nothing + 1, nothing], 1), np.stack([-20 * x, nothing + 10], 1)])
    value = -0.5 * (residuals**2).sum(axis=0)
    gradient = -np.einsum("rv,rvp->vp", residuals, slopes)
    curvature = np.einsum("rvp,rvq->vpq", slopes, slopes)
    status = steps = np.zeros(len(x), dtype=int)
    return Expanded(value, value, gradient, curvature, status, steps, np.ones(len(x), dtype=int))


METHODS = {"gauss_newton": gauss_newton, "lbfgs": lbfgs}


@pytest.mark.parametrize("method", METHODS)
def test_the_top_of_a_normal_density_is_reached_from_everywhere(method: str) -> None:
    starts = np.random.default_rng(1).uniform(-10, 10, (20, 3))
    found = METHODS[method](normal, begin(normal, starts), WIDE, 200)
    assert (found.ended == searching.CONVERGED).all()
    np.testing.assert_allclose(found.at.value, 0.0, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_bent_ridge_is_followed(method: str) -> None:
    found = METHODS[method](banana, begin(banana, np.array([[-1.2, 1.0], [4.0, -4.0]])), FLAT, 500)
    np.testing.assert_allclose(found.vectors, 1.0, atol=0.02)


def test_adam_climbs_and_keeps_the_best() -> None:
    start = np.array([[5.0, 5.0, 5.0]])
    found = adam(normal, begin(normal, start), WIDE, 300, rate=0.2)
    assert found.at.value[0] > -0.1
    assert found.ended[0] == searching.ITERATIONS
    np.testing.assert_allclose(normal(found.vectors).value, found.at.value)


@pytest.mark.parametrize("method", METHODS)
def test_the_box_is_never_left_and_the_best_in_it_is_found(method: str) -> None:
    box = Box(np.array([1.0, -10, -10]), np.full(3, 10.0), np.full(3, 3.0))
    asked = []

    def watched(vectors: np.ndarray) -> Expanded:
        asked.append(vectors)
        return normal(vectors)

    found = METHODS[method](watched, begin(watched, np.array([[5.0, 5.0, 5.0]])), box, 200)
    assert np.concatenate(asked)[:, 0].min() >= 1.0
    rest = TOP[1:] - np.linalg.solve(INFORMATION[1:, 1:], INFORMATION[1:, 0] * (1.0 - TOP[0]))
    np.testing.assert_allclose(found.vectors[0], [1.0, *rest], atol=1e-2)
    assert found.ended[0] == searching.CONVERGED


def test_what_is_fixed_stays() -> None:
    held = np.array([[False, False, True]])
    found = gauss_newton(normal, begin(normal, np.array([[5.0, 5.0, 5.0]])), WIDE, 50, fixed=held)
    assert found.vectors[0, 2] == 5.0
    rest = TOP[:2] - np.linalg.solve(INFORMATION[:2, :2], INFORMATION[:2, 2] * (5.0 - TOP[2]))
    np.testing.assert_allclose(found.vectors[0, :2], rest, atol=1e-2)


def test_a_start_without_a_density_is_lost_and_the_others_go_on() -> None:
    def holed(vectors: np.ndarray) -> Expanded:
        found = normal(vectors)
        found.value[vectors[:, 0] > 8] = -np.inf
        return found

    found = gauss_newton(holed, begin(holed, np.array([[9.0, 0, 0], [1.0, 0, 0]])), WIDE, 50)
    assert found.ended.tolist() == [searching.LOST, searching.CONVERGED]
    np.testing.assert_array_equal(found.vectors[0], [9.0, 0, 0])


def test_steps_that_cannot_be_solved_are_made_shorter() -> None:
    def narrow(vectors: np.ndarray) -> Expanded:
        # Beyond the top in one direction nothing can be solved.
        found = normal(vectors)
        found.value[vectors[:, 0] < TOP[0] - 1e-3] = -np.inf
        return found

    found = gauss_newton(narrow, begin(narrow, np.array([[5.0, 5.0, 5.0]])), WIDE, 200)
    assert found.at.value[0] > -1e-2


def test_a_number_that_the_density_does_not_feel_stays_where_it_was() -> None:
    def blind(vectors: np.ndarray) -> Expanded:
        found = normal(vectors[:, :3])
        gradient = np.pad(found.gradient, ((0, 0), (0, 1)))
        curvature = np.pad(found.curvature, ((0, 0), (0, 1), (0, 1)))
        return replace(found, gradient=gradient, curvature=curvature)

    box = Box(np.full(4, -10.0), np.full(4, 10.0), np.full(4, 3.0))
    found = gauss_newton(blind, begin(blind, np.array([[5.0, 5.0, 5.0, 7.0]])), box, 100)
    assert found.vectors[0, 3] == 7.0
    assert found.ended[0] == searching.CONVERGED


def test_iterations_that_run_out_are_said() -> None:
    found = gauss_newton(banana, begin(banana, np.array([[-1.2, 1.0]])), FLAT, 2)
    assert found.ended[0] == searching.ITERATIONS
    assert found.iterations[0] == 2


def test_a_watch_stops_the_search_where_it_is() -> None:
    found = gauss_newton(banana, begin(banana, np.array([[-1.2, 1.0]])), FLAT, 100, lambda search: True)
    assert found.iterations[0] == 0
    assert found.ended[0] == searching.STOPPED
