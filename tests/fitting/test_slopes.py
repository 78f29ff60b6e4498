"""Row 97: whether a gradient is the derivative of the density, on densities with closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exsim.fitting.objective import Expanded
from exsim.fitting.searching import Box
from exsim.fitting.slopes import Slopes, compare_slopes

from .test_searching import INFORMATION, TOP, WIDE, normal

ALL = np.ones(3, dtype=bool)


def _compare(evaluate, moves: np.ndarray = ALL, box: Box = WIDE, seed: int = 0) -> Slopes:
    return compare_slopes(evaluate, TOP, INFORMATION, moves, box, seed)


def test_a_right_gradient_agrees_where_the_slope_is_not_0() -> None:
    found = _compare(normal)
    assert found.agree
    assert found.by_gradient == pytest.approx(found.by_differences, rel=1e-9)
    assert abs(found.by_gradient) > 0.1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_gradient_that_is_too_large_in_one_number_shows_although_it_is_0_at_the_top(
    number: int, seed: int
) -> None:
    def wrong(vectors: np.ndarray) -> Expanded:
        found = normal(vectors)
        scale = np.where(np.arange(3) == number, 2.0, 1.0)
        return replace(found, gradient=found.gradient * scale)

    assert (wrong(TOP[None]).gradient == 0).all()
    assert not _compare(wrong, seed=seed).agree


def test_what_does_not_move_is_not_compared() -> None:
    asked = []

    def watched(vectors: np.ndarray) -> Expanded:
        asked.append(vectors)
        return normal(vectors)

    _compare(watched, np.array([True, False, True]))
    assert (np.concatenate(asked)[:, 1] == TOP[1]).all()


def test_where_nothing_moves_there_is_nothing_to_compare() -> None:
    assert _compare(normal, ~ALL) == Slopes(0.0, 0.0, True)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_box_is_not_left_for_it(side: int) -> None:
    asked = []

    def watched(vectors: np.ndarray) -> Expanded:
        asked.append(vectors)
        return normal(vectors)

    room = np.full(3, 0.06)
    low, high = (TOP - room, TOP + 10) if side < 0 else (TOP - 10, TOP + room)
    found = _compare(watched, box=Box(low, high, np.full(3, 3.0)))
    places = np.concatenate(asked)
    assert found.agree
    assert (places >= low).all()
    assert (places <= high).all()


def test_where_nothing_can_be_solved_beside_the_top_the_slopes_at_the_top_are_compared() -> None:
    def walled(vectors: np.ndarray) -> Expanded:
        found = normal(vectors)
        found.value[found.value < -0.1] = -np.inf
        return found

    found = _compare(walled)
    assert found.agree
    assert found.by_gradient == pytest.approx(0.0, abs=1e-9)
