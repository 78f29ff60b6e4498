"""What the data can tell, from information matrices that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exsim.fitting.identifiability import (
    agree,
    covariance,
    criteria,
    in_words,
    observed_information,
    read_information,
)
from exsim.scales import Scales

from .test_searching import INFORMATION, TOP, WIDE, normal

LOGS = Scales(("a", "b", "c"), ("log",) * 3, (0.0,) * 3, (math.inf,) * 3)


def test_of_a_product_the_product_is_told() -> None:
    slopes = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0], [1.0, 1.0, 3.0]])
    found = read_information(slopes.T @ slopes, LOGS)
    assert found.moved.tolist() == [True, True, False]
    assert found.told == ("a * b",)
    assert [item.flat for item in found.directions] == [False, False, True]


def test_of_a_ratio_the_ratio_is_told() -> None:
    slopes = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 2.0]])
    assert read_information(slopes.T @ slopes, LOGS).told == ("a * b^-1",)


def test_of_three_numbers_in_one_product_two_products_are_not_told() -> None:
    slopes = np.array([[1.0, 2.0, 1.0]])
    found = read_information(slopes.T @ slopes, LOGS)
    assert found.told == ("a * b^2 * c",)
    assert sum(item.flat for item in found.directions) == 2


def test_a_number_without_influence_is_told_by_nothing() -> None:
    found = read_information(np.diag([4.0, 2.0, 0.0]), LOGS)
    assert found.moved.tolist() == [False, False, True]
    assert found.told == ()


def test_sloppy_is_not_flat() -> None:
    found = read_information(np.diag([1e6, 1.0, 1.0]), LOGS)
    assert not found.moved.any()


def test_directions_on_linear_scales_are_sums() -> None:
    scales = Scales(("a", "b"), ("linear", "log"), (-math.inf, 0.0), (math.inf, math.inf))
    assert in_words(np.array([1.0, -0.5]), scales) == "a - 0.5 log b"


def test_second_derivatives_are_found_from_gradients() -> None:
    np.testing.assert_allclose(observed_information(normal, TOP, WIDE), INFORMATION, rtol=1e-6, atol=1e-9)


def test_what_is_still_has_no_covariance_and_the_others_have_that_of_the_rest() -> None:
    found, wrong = covariance(INFORMATION, INFORMATION, np.array([False, True, False]))
    assert wrong == ""
    assert np.isnan(found[1]).all()
    kept = np.ix_([0, 2], [0, 2])
    np.testing.assert_allclose(found[kept], np.linalg.inv(INFORMATION[kept]))


def test_beside_a_flat_direction_the_covariance_is_that_with_one_of_its_numbers_known() -> None:
    # Of the first two numbers the data tell the sum alone, and with it the third.
    slopes = np.array([[1.0, 1.0, 0.5], [2.0, 2.0, -1.0], [0.3, 0.3, 2.0]])
    matrix = slopes.T @ slopes
    found, wrong = covariance(matrix, matrix, np.zeros(3, dtype=bool))
    assert wrong == ""
    assert np.isnan(found[:2]).all()
    assert found[2, 2] == pytest.approx(np.linalg.inv(matrix[1:, 1:])[1, 1])


def test_row_96_a_matrix_that_is_not_positive_definite_gives_no_standard_errors() -> None:
    found, wrong = covariance(np.array([[1.0, 2.0], [2.0, 1.0]]), np.eye(2), np.array([False, False]))
    assert np.isnan(found).all()
    assert "not positive definite (eigenvalue -1)" in wrong


def test_the_criteria_are_those_of_their_papers() -> None:
    aic, aicc, bic = criteria(-10.0, 3, 20)
    assert (aic, aicc) == (26.0, 26.0 + 24 / 16)
    assert bic == pytest.approx(3 * math.log(20) + 20)
    assert criteria(-10.0, 3, 4)[1] == math.inf


def test_starts_agree_within_a_tenth() -> None:
    assert agree([-3.0, -3.05, -3.2, -math.inf, math.nan]) == 2
    assert agree([math.nan]) == 0
