"""The studies of samplers with known truths: their check of ranks can tell, and their data are as said."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest

MODULES = ("calibration", "population_recovery", "small_problems")


@pytest.fixture(autouse=True)
def benchmarks(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield
    for name in [name for name in sys.modules if name in MODULES]:
        del sys.modules[name]


@pytest.fixture
def calibration():
    return importlib.import_module("calibration")


@pytest.mark.parametrize("name", MODULES)
def test_module_imports(name):
    assert importlib.import_module(name)


def test_ranks_of_exact_draws_lie_inside_the_band_and_others_do_not(calibration):
    rng = np.random.default_rng(0)
    least = calibration.bar(300, simulated=2000)

    def inside(shift: float, spread: float) -> bool:
        truth = rng.standard_normal(300)
        draws = shift + spread * rng.standard_normal((300, 99))
        ranks = np.array(
            [calibration.ranks(*pair) for pair in zip(truth[:, None], draws[:, :, None], strict=True)]
        )
        return bool(calibration.least_chance(ranks.T)[0] >= least)

    assert inside(0.0, 1.0)
    assert not inside(0.5, 1.0)
    assert not inside(0.0, 0.5)
    assert not inside(0.0, 2.0)


def test_the_band_is_left_in_one_of_twenty_cases(calibration):
    least = calibration.bar(100, simulated=4000)
    drawn = np.random.default_rng(1).integers(100, size=(2000, 100))
    assert np.mean(calibration.least_chance(drawn) < least) == pytest.approx(0.05, abs=0.02)


def test_data_below_the_limit_are_told_as_each_version_has_them(calibration):
    data = calibration.make_data(calibration.MEDIANS, 1.0, np.random.default_rng(0))
    assert 0 < data.below.sum() < len(data.value)
    value, limit, censoring = calibration.VERSIONS["right"].tell(data)
    assert (np.isnan(value) == (censoring == calibration.BELOW_LIMIT)).all()
    assert (limit[data.below] == calibration.LLOQ).all()
    value, _, censoring = calibration.VERSIONS["limit"].tell(data)
    assert (value[data.below] == calibration.LLOQ).all()
    assert (censoring == calibration.MEASURED).all()
    numbers = calibration.MEDIANS * np.exp(0.1 * np.random.default_rng(1).standard_normal((5, 4)))
    right = calibration.quantities(numbers, data)
    assert np.isfinite(right).all()


def test_the_density_that_is_sampled_is_that_of_the_closed_form(calibration):
    from exsim.fitting import Objective

    data = calibration.make_data(calibration.MEDIANS, 1.0, np.random.default_rng(0))
    numbers = calibration.MEDIANS * np.exp(0.1 * np.random.default_rng(1).standard_normal((3, 4)))
    closed = calibration.quantities(numbers, data)[:, calibration.RANKED.index("log likelihood")]
    problem = calibration.problem()
    for name in ("right", "dropped"):
        value, limit, censoring = calibration.VERSIONS[name].tell(data)
        rows = replace(problem.rows, value=value, limit=limit, censoring=censoring)
        density = Objective(replace(problem, rows=rows)).look(np.log(numbers)).density
        if name == "right":
            # exsim's is of the value, the closed form's of its logarithm.
            found = density.sum(axis=1) + np.nansum(np.log(data.value))
            np.testing.assert_allclose(found, closed, rtol=0, atol=1e-3)
        else:
            assert (density[:, data.below] == 0.0).all()


def test_a_population_has_eight_numbers_and_its_data_lie_about_the_curves():
    study = importlib.import_module("population_recovery")
    replicate = study.make_replicate(5, np.random.default_rng(0))
    target = study.target_of(replicate)
    names = [item.name for item in target.numbers[: len(study.NAMES)]]
    assert names == [
        "sd",
        *study.EFFECTS,
        *(f"sd_between[{name}]" for name in study.EFFECTS),
        "effect[mass on ke]",
    ]
    assert replicate.value.shape == (5, len(study.TIMES_H))
    assert len(replicate.truth) == len(study.NAMES) == 8
