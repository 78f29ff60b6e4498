"""A whole fit of a small model: what is said of numbers that data tell, tell together, or do not tell."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exsim.errors import InferenceError
from exsim.fit_problem import FitProblem, SearchSettings
from exsim.fit_result import Estimate, FitResult
from exsim.fitting import Evaluator, Objective, fit
from exsim.fitting.objective import Expanded, Vectors

from .fit_models import TIMES_H, free, rise, rise_problem

TIMES = np.repeat(TIMES_H, 4)
#: Seed 1: 20 values with log-normal noise of 0.1.
VALUES = rise(4.0, 0.5, 0.7, TIMES) * np.exp(0.1 * np.random.default_rng(1).standard_normal(len(TIMES)))
FAST, QUICK = SearchSettings(starts=6, seed=3, profiled=(0, 1)), SearchSettings(starts=6, seed=3)


def _problem(folder: Path, names: tuple[str, ...] = ("release", "k"), **more: object) -> FitProblem:
    return rise_problem(folder, names, **{"time_h": TIMES, "value": VALUES, **more})


def _bounded(problem: FitProblem, number: int, **bounds: float) -> FitProblem:
    numbers = list(problem.free)
    numbers[number] = replace(numbers[number], **bounds)
    return replace(problem, free=tuple(numbers))


def _named(result: FitResult, name: str) -> Estimate:
    return next(item for item in result.estimates if item.name == name)


# ---- what the data tell ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return fit(_problem(tmp_path_factory.mktemp("easy")), FAST)


def test_on_an_easy_problem_all_starts_agree(easy: FitResult) -> None:
    assert easy.agreeing == len(easy.starts) == 6
    assert {start.ended for start in easy.starts} == {"converged"}
    assert easy.converged
    assert easy.reasons == easy.warnings == easy.told == ()


def test_the_first_start_is_the_nominal(easy: FitResult) -> None:
    np.testing.assert_allclose(easy.starts[0].begun, [4.0, 0.7], rtol=1e-12)


def test_what_the_data_tell_has_an_interval_around_the_truth_and_a_standard_error(easy: FitResult) -> None:
    for name, truth in (("release", 4.0), ("k", 0.7)):
        item = _named(easy, name)
        assert item.identifiable == "identifiable"
        assert item.lower < truth < item.upper
        # On a logarithm the interval is nearly that of the standard error.
        half = 0.5 * np.log(item.upper / item.lower) * item.value
        assert half == pytest.approx(1.96 * item.standard_error, rel=0.1)


def test_the_same_seed_gives_the_same_numbers(easy: FitResult, tmp_path: Path) -> None:
    again = fit(_problem(tmp_path), FAST)
    np.testing.assert_array_equal(again.best, easy.best)
    assert [start.reached_density for start in again.starts] == [
        start.reached_density for start in easy.starts
    ]


# ---- what they do not tell ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    problem = _problem(tmp_path_factory.mktemp("product"), ("release", "share", "k"))
    return fit(problem, replace(QUICK, profiled=(0, 1, 2)))


def test_of_two_numbers_in_a_product_the_product_is_told(product: FitResult) -> None:
    assert product.told == ("release * share",)
    assert sum(item.flat for item in product.directions) == 1
    assert product.best[0] * product.best[1] == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("name", ["release", "share"])
def test_row_89_a_number_in_a_flat_direction_has_no_ends_and_no_standard_error(
    product: FitResult, name: str
) -> None:
    item = _named(product, name)
    assert item.identifiable == "structurally not"
    assert (item.lower, item.upper) == (-math.inf, math.inf)
    assert math.isnan(item.standard_error)


def test_row_89_a_flat_direction_is_a_warning_that_names_what_it_moves(product: FitResult) -> None:
    (warning,) = product.warnings
    assert "do not tell release, share (1 flat direction of 3); told is release * share" in warning


def test_what_stands_beside_a_product_keeps_its_interval(product: FitResult, easy: FitResult) -> None:
    item, alone = _named(product, "k"), _named(easy, "k")
    assert item.identifiable == "identifiable"
    assert item.value == pytest.approx(alone.value, rel=1e-3)
    np.testing.assert_allclose([item.lower, item.upper], [alone.lower, alone.upper], rtol=0.01)
    assert item.standard_error == pytest.approx(alone.standard_error, rel=0.01)


def test_row_89_a_number_without_influence_is_told_by_nothing(tmp_path: Path) -> None:
    problem = _problem(tmp_path, numbers=[free("nothing", 5.0)])
    result = fit(problem, replace(QUICK, profiled=(0, 2)))
    item = _named(result, "nothing")
    assert item.identifiable == "structurally not"
    assert (item.lower, item.upper) == (-math.inf, math.inf)
    assert math.isnan(item.standard_error)
    assert result.told == ()
    assert any("do not tell nothing (1 flat direction of 3)" in line for line in result.warnings)
    assert _named(result, "release").identifiable == "identifiable"


def test_row_90_at_a_bound_there_is_a_warning_and_no_standard_error(tmp_path: Path) -> None:
    result = fit(_bounded(_problem(tmp_path), 0, high=3.5, nominal=3.0), FAST)
    item = _named(result, "release")
    assert item.at_bound == "upper"
    assert item.value == pytest.approx(3.5)
    assert math.isnan(item.standard_error)
    assert item.upper == math.inf
    assert "release ends at its upper bound: no standard error" in result.warnings
    assert math.isfinite(_named(result, "k").standard_error)


# ---- what goes wrong ---------------------------------------------------------------------------------


def test_row_92_where_all_starts_fail_the_reasons_are_counted(tmp_path: Path) -> None:
    problem = replace(_problem(tmp_path), max_steps=2)
    with pytest.raises(InferenceError) as raised:
        fit(problem, QUICK)
    assert "at none of 12 starts" in str(raised.value)
    assert "12 x the step budget" in str(raised.value)


def test_row_92_a_datum_that_the_noise_cannot_make_is_another_reason(tmp_path: Path) -> None:
    # Nothing is there at time 0, and log-normal noise makes nothing of nothing.
    problem = _problem(tmp_path, time_h=np.array([0.0, 1.0]), value=np.array([0.1, 1.0]))
    with pytest.raises(InferenceError, match="12 x a prediction is no number, or cannot be"):
        fit(problem, QUICK)


def test_row_93_starts_that_fail_are_counted_and_the_others_go_on(tmp_path: Path) -> None:
    # Beyond a k of about 1000 per hour the explicit solver runs out of steps.
    wide = _bounded(replace(_problem(tmp_path), max_steps=2000), 1, high=1e9)
    result = fit(wide, SearchSettings(starts=8, seed=3, optimiser="gauss_newton"))
    failed = [start for start in result.starts if start.failed]
    assert 0 < len(failed) < 8
    assert all("the step budget" in start.ended for start in failed)
    assert all(math.isnan(start.reached_density) for start in failed)
    assert result.agreeing == 8 - len(failed)
    assert result.converged


def test_row_94_a_budget_that_is_spent_leaves_a_result_that_has_not_converged(tmp_path: Path) -> None:
    result = fit(_problem(tmp_path), replace(FAST, budget_s=1e-9))
    assert not result.converged
    assert "the budget of 1e-09 s was spent before the search ended" in result.reasons
    assert {start.ended for start in result.starts} == {"budget spent"}
    assert all(item.identifiable == "not profiled" for item in result.estimates)


def test_iterations_that_run_out_leave_a_result_that_has_not_converged(tmp_path: Path) -> None:
    far = _bounded(_bounded(_problem(tmp_path), 0, nominal=70.0), 1, nominal=0.04)
    result = fit(far, SearchSettings(starts=1, iterations=1, optimiser="gauss_newton"))
    assert not result.converged
    assert any("at the limit of iterations" in line for line in result.reasons)


class _Changed(Evaluator):
    """An evaluator whose answers are changed on their way."""

    def __init__(self, problem: FitProblem, change: object) -> None:
        super().__init__(Objective(problem))
        self._change = change

    def __call__(self, vectors: Vectors) -> Expanded:
        return self._change(vectors, super().__call__(vectors))


def test_row_97_a_gradient_that_differences_do_not_confirm_is_said_with_both(tmp_path: Path) -> None:
    def half_too_large(vectors: Vectors, found: Expanded) -> Expanded:
        return replace(found, gradient=1.5 * found.gradient)

    problem = _problem(tmp_path)
    result = fit(problem, QUICK, _Changed(problem, half_too_large))
    assert not result.converged
    (reason,) = result.reasons
    by_gradient, by_differences = result.gradient_check
    assert by_gradient == pytest.approx(1.5 * by_differences, rel=1e-3)
    assert f"{by_gradient:.6g} in a random direction" in reason
    assert f"what differences give, {by_differences:.6g}" in reason


def test_a_profile_that_finds_a_higher_density_makes_the_search_go_on(
    easy: FitResult, tmp_path: Path
) -> None:
    # A second top, higher and narrow, on the way of a profile, where no start comes by.
    assert easy.covariance is not None
    ridge = easy.covariance[0] / np.sqrt(easy.covariance[0, 0])
    second = np.log(easy.best) + 1.5 * ridge
    narrow = np.linalg.inv(easy.covariance) / 0.3**2

    def two_tops(vectors: Vectors, found: Expanded) -> Expanded:
        away = vectors - second
        more = 4.0 * np.exp(-0.5 * np.einsum("vp,pq,vq->v", away, narrow, away))
        return replace(
            found,
            value=found.value + more,
            gradient=found.gradient - more[:, None] * away @ narrow,
            curvature=found.curvature + more[:, None, None] * narrow,
        )

    problem = _problem(tmp_path)
    result = fit(problem, FAST, _Changed(problem, two_tops))
    reached = max(start.reached_density for start in result.starts)
    assert reached == pytest.approx(easy.log_density, abs=0.1)
    assert result.log_density > reached + 2.0
    assert any(line.startswith("a profile found a higher log density") for line in result.warnings)
    np.testing.assert_allclose(np.log(result.best), second, atol=0.02)
    # The profiles that count are those of the higher top.
    assert all(profile.density.max() == pytest.approx(result.log_density) for profile in result.profiles)
