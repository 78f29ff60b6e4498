"""Visual predictive checks: bins, percentiles at a limit, and how often the intervals hold what is right."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.fit_problem import FitProblem, Noisy, Observable, Simulation
from exsim.formula import Name
from exsim.visual_check import time_bins, visual_checks

from .fitting.fit_models import config, read_model, rows

PEOPLE, TIMES = 20, np.array([0.0, 1.0, 2.0, 4.0])


@pytest.fixture(scope="module")
def problem_of(tmp_path_factory):
    """Return the problem of people at the same times, with the columns that are given."""
    model, spec = read_model(tmp_path_factory.mktemp("model")), config()

    def make(value: np.ndarray, **columns: object) -> FitProblem:
        known = {
            "simulation": np.repeat(np.arange(PEOPLE), len(TIMES)),
            "time_h": np.tile(TIMES, PEOPLE),
            "subject": tuple(f"S{n}" for n in range(PEOPLE) for _ in TIMES),
        }
        return FitProblem(
            name="people",
            model=model,
            free=(),
            placed=(),
            simulations=tuple(Simulation(f"S{n}", spec) for n in range(PEOPLE)),
            observables=(Observable("y", "y", "1", Name("y"), "normal", Noisy(1.0)),),
            rows=rows(value.size, value=value, **{**known, **columns}),
        )

    return make


def _drawn(rng: np.random.Generator, sets: int) -> np.ndarray:
    # People with a mean of their own and noise, about 10 and then 12, 14, 18.
    own = rng.normal(0, 1, (sets, PEOPLE, 1)) + rng.normal(0, 1, (sets, PEOPLE, len(TIMES)))
    return (10 + 2 * TIMES + own).reshape(sets, -1)


def test_intervals_of_the_true_population_hold_nine_in_ten_percentiles(problem_of) -> None:
    rng = np.random.default_rng(1)
    new = _drawn(rng, 400)
    inside = there = 0
    for value in _drawn(rng, 60):
        (check,) = visual_checks(problem_of(value), new)
        inside, there = inside + check.inside[0], there + check.inside[1]
    assert there == 60 * 3 * len(TIMES)
    assert inside / there == pytest.approx(0.9, abs=0.04)


def test_percentiles_of_data_are_those_of_each_time(problem_of) -> None:
    value = _drawn(np.random.default_rng(2), 1)[0]
    (check,) = visual_checks(problem_of(value), _drawn(np.random.default_rng(3), 50))
    assert check.time_h.tolist() == TIMES.tolist()
    np.testing.assert_allclose(
        check.observed, np.percentile(value.reshape(PEOPLE, -1), [5, 50, 95], axis=0), rtol=1e-12
    )
    assert np.isnan(check.limit)
    assert np.isnan(check.below).all()
    assert (check.predicted.lower < check.predicted.middle).all()
    assert (check.predicted.middle < check.predicted.upper).all()


def test_what_lies_below_the_limit_is_below_it_in_data_and_simulations_alike(problem_of) -> None:
    value = _drawn(np.random.default_rng(4), 1)[0]
    beyond = value < 10
    censored = {
        "limit": np.where(beyond, 10.0, np.nan),
        "censoring": np.where(beyond, -1, 0),
    }
    new = _drawn(np.random.default_rng(5), 300)
    (check,) = visual_checks(problem_of(np.where(beyond, np.nan, value), **censored), new)
    (whole,) = visual_checks(problem_of(value), new)
    assert check.limit == 10.0
    np.testing.assert_allclose(check.below, beyond.reshape(PEOPLE, -1).mean(axis=0))
    share = (new.reshape(300, PEOPLE, -1) <= 10).mean(axis=1)
    np.testing.assert_allclose(check.predicted_below.middle[0], np.median(share, axis=0))
    # Nothing is said of a percentile at the limit; above it there is the same to be seen as without one.
    assert np.isnan(check.observed[0, 0])
    assert np.isnan(check.predicted.upper[0, 0])
    np.testing.assert_allclose(check.observed[:, 3], whole.observed[:, 3])
    np.testing.assert_allclose(check.predicted.lower[:, 3], whole.predicted.lower[:, 3])


def test_a_value_measured_under_the_highest_limit_is_below_it_too(problem_of) -> None:
    value = np.full(PEOPLE * len(TIMES), 12.0)
    value[0], value[4] = np.nan, 9.0
    limit, censoring = np.full(value.size, np.nan), np.zeros(value.size, dtype=np.int64)
    limit[0], censoring[0] = 10.0, -1
    problem = problem_of(value, limit=limit, censoring=censoring)
    (check,) = visual_checks(problem, _drawn(np.random.default_rng(6), 20))
    assert check.below[0] == pytest.approx(2 / PEOPLE)


@pytest.mark.parametrize("common", [True, False])
def test_an_upper_limit_is_that_of_all_rows_unless_more_was_measured(problem_of, common: bool) -> None:
    value = _drawn(np.random.default_rng(12), 1)[0]
    value[3] = 18.0
    beyond = value > 17.0 if common else np.arange(value.size) == 3
    given = {"limit": np.where(beyond, 17.0, np.nan), "censoring": np.where(beyond, 1, 0)}
    new = _drawn(np.random.default_rng(13), 100)
    (check,) = visual_checks(problem_of(np.where(beyond, np.nan, value), **given), new)
    assert np.isfinite(check.observed[:, 0]).all()
    assert np.isnan(check.observed[1:, 3]).all() == common
    assert np.isnan(check.predicted.upper[2, 3]) == common


def test_sets_that_cannot_be_solved_are_left_out_and_none_is_told(problem_of) -> None:
    value = _drawn(np.random.default_rng(7), 1)[0]
    new = _drawn(np.random.default_rng(8), 40)
    lost = np.concatenate([new, np.full((5, new.shape[1]), np.nan)])
    (with_lost,), (without,) = (visual_checks(problem_of(value), part) for part in (lost, new))
    np.testing.assert_array_equal(with_lost.predicted.upper, without.predicted.upper)
    (nothing,) = visual_checks(problem_of(value), lost[40:])
    assert np.isnan(nothing.predicted.middle).all()
    assert nothing.inside == (0, 0)


def test_conditions_and_quantities_have_checks_of_their_own_and_peaks_none(problem_of) -> None:
    value = _drawn(np.random.default_rng(9), 1)[0]
    half = value.size // 2
    kinds = ("level",) * (half - 1) + ("peak_fold",) + ("fold",) * half
    conditions = ("race",) * (half // 2) + ("bike",) * (value.size - half // 2)
    problem = problem_of(value, quantity=kinds, condition=conditions)
    found = visual_checks(problem, _drawn(np.random.default_rng(10), 10))
    assert [(item.quantity, item.condition) for item in found] == [
        ("level", "race"), ("level", "bike"), ("fold", "bike"),
    ]  # fmt: skip
    assert sum(len(item.rows) for item in found) == value.size - 1


def test_times_that_differ_a_little_are_one_bin() -> None:
    rng = np.random.default_rng(11)
    nominal = np.tile([0.0, 0.5, 1.0, 3.0, 8.0], 12)
    subject = [str(n) for n in range(12) for _ in range(5)]
    found = time_bins(nominal + rng.uniform(-0.1, 0.1, nominal.size), subject)
    np.testing.assert_array_equal(found, np.tile(np.arange(5), 12))
    # Each its own time: as many bins as a person has rows, in the order of time.
    spread = rng.uniform(0, 10, 60)
    found = time_bins(spread, subject)
    assert set(found.tolist()) == set(range(5))
    assert (np.diff(found[np.argsort(spread)]) >= 0).all()


def test_one_time_is_one_bin_and_few_people_keep_theirs() -> None:
    assert time_bins(np.full(4, 2.0), ["a", "b", "c", "d"]).tolist() == [0, 0, 0, 0]
    assert time_bins(np.array([0.0, 1.0, 0.0, 1.0]), ["a", "a", "b", "b"]).tolist() == [0, 1, 0, 1]
