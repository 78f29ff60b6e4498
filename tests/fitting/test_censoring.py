"""Values below the limit of quantification: as such they leave the truth, made up or dropped they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exsim.fit_problem import FitProblem, Noisy, SearchSettings
from exsim.fit_result import Estimate
from exsim.fitting import fit
from exsim.measurements import BELOW_LIMIT, MEASURED

from .fit_models import free, rise, rise_problem

RELEASE, K, SD = 4.0, 0.7, 0.4
TIMES = np.repeat([0.25, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0], 100)
LLOQ = 0.8
#: Seed 5: 700 values with log-normal noise of 0.4.
VALUES = rise(RELEASE, 0.5, K, TIMES) * np.exp(SD * np.random.default_rng(5).standard_normal(len(TIMES)))
BELOW = VALUES < LLOQ


def _problem(folder: Path, **columns: np.ndarray) -> FitProblem:
    sd = free("sd", 0.3, kind="noise")
    problem = rise_problem(folder, noise={"scale": Noisy(free=2)}, numbers=[sd], time_h=TIMES, **columns)
    return replace(problem, rtol=1e-6, atol=1e-9)


def _measured(problem: FitProblem, kept: np.ndarray) -> FitProblem:
    # With these rows alone.
    rows = problem.rows
    own = {
        name: value[kept]
        if isinstance(value, np.ndarray)
        else tuple(one for one, keep in zip(value, kept.tolist(), strict=True) if keep)
        for name, value in vars(rows).items()
    }
    return replace(problem, rows=replace(rows, **own))


def _release(problem: FitProblem) -> Estimate:
    return fit(problem, SearchSettings(starts=4, seed=1, profiled=(0,))).estimates[0]


@pytest.fixture(scope="module")
def censored(tmp_path_factory: pytest.TempPathFactory) -> Estimate:
    return _release(
        _problem(
            tmp_path_factory.mktemp("censored"),
            value=np.where(BELOW, np.nan, VALUES),
            limit=np.where(BELOW, LLOQ, np.nan),
            censoring=np.where(BELOW, BELOW_LIMIT, MEASURED),
        )
    )


def test_censored_rows_leave_the_truth_inside_its_interval(censored: Estimate) -> None:
    assert censored.lower < RELEASE < censored.upper
    assert censored.value == pytest.approx(RELEASE, rel=0.1)


def test_the_limit_in_place_of_values_below_it_misses_by_more_than_a_quarter(
    censored: Estimate, tmp_path: Path
) -> None:
    made_up = _release(_problem(tmp_path, value=np.where(BELOW, LLOQ, VALUES)))
    assert made_up.lower > RELEASE
    assert made_up.value > 1.25 * RELEASE
    assert made_up.value > 1.2 * censored.value


def test_leaving_out_values_below_the_limit_misses_by_more_than_a_tenth(
    censored: Estimate, tmp_path: Path
) -> None:
    dropped = _release(_measured(_problem(tmp_path, value=VALUES), ~BELOW))
    assert dropped.lower > RELEASE
    assert dropped.value > 1.1 * RELEASE
    assert dropped.value > 1.1 * censored.value
