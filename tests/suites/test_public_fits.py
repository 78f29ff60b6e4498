"""Two published problems with laboratory data: the published log likelihood, and fits that reach it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from exsim.fit_problem import SearchSettings
from exsim.fitting import fit

PROBLEMS = ("boehm", "rahman")


@pytest.fixture
def public_fits(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield importlib.import_module("public_fits")
    del sys.modules["public_fits"]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_log_likelihood_at_the_published_parameters_is_the_published_one(
    name: str, public_fits: ModuleType, suites: Path, tmp_path: Path
) -> None:
    published = public_fits.read_published(name, suites)
    problem = public_fits.read_problem(name, tmp_path, suites).problem
    found = public_fits.nominal_log_likelihood(problem)
    assert found == pytest.approx(published.log_likelihood, abs=published.tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_fifty_starts_reach_the_published_fit(
    name: str, public_fits: ModuleType, suites: Path, tmp_path: Path
) -> None:
    published = public_fits.read_published(name, suites)
    study = public_fits.read_problem(name, tmp_path, suites)
    # Seed 1; one start is the published parameters, so that the others must find them too.
    result = fit(study.problem, SearchSettings(starts=study.settings.starts, seed=study.seed or 0))
    assert result.converged, result.reasons
    assert result.log_likelihood >= published.log_likelihood - 0.1
    drawn = [start for start in result.starts[1:] if not start.failed]
    assert max(start.reached_density for start in drawn) >= published.log_likelihood - 0.1
