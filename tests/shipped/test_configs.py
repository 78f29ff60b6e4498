"""Every config in configs/ runs to its end; a sweep with few of its draws."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import exsim
from exsim.api import read_fit, read_study
from exsim.fit_problem import SearchSettings
from exsim.fitting import fit
from exsim.inputs.config import read_config, read_fit_config
from exsim.inputs.shipped import shipped_configs, shipped_folder
from exsim.workflows import NO_ADAPTATION, Run

NAMES = [Path(name).stem for name in shipped_configs() if name.startswith("simulate/")]
FITS = [Path(name).stem for name in shipped_configs() if name.startswith("fit/")]
#: Sweeps, and what makes each short.
SHORT = {
    "intensity_by_duration": ("sweep.vary.0.points=3", "sweep.vary.1.points=2"),
    "il6_il10_sensitivity": ("sweep.draws=16",),
    "marathon_runners": ("sweep.draws=64",),
}
#: Configs of a shape that no other has.
WHOLE = ("lps_0.06_cycling", "lps_0.06_il6_infusion", "il6_infusion_3h")


def _path(name: str) -> Path:
    return shipped_folder("configs") / "simulate" / f"{name}.toml"


@pytest.mark.parametrize("name", shipped_configs())
def test_it_opens_with_the_question_that_it_answers(name: str) -> None:
    read = read_fit_config if name.startswith(("fit/", "sample/")) else read_config
    assert read(shipped_folder("configs") / name).question.endswith("?")


def test_the_protocols_of_the_papers_are_there() -> None:
    wanted = {
        "marathon", "treadmill_150min", "cycling_60min", "hiit", "knee_one_leg_300min", "cycling_180min",
        "cycling_180min_carbohydrate", "knee_two_legs_180min", "knee_two_legs_180min_low_glycogen",
        "run_80km_fed", "il6_infusion_3h", "lps_0.06_rest", "lps_0.06_cycling", "lps_0.06_il6_infusion",
        "lps_0.3_rest", "week_of_bouts",
    }  # fmt: skip
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_to_finite_curves_that_are_not_negative(name: str, simulated: Callable[..., Run]) -> None:
    """At 25 times of output, so that configs of one shape share a program."""
    until_h = read_study(_path(name)).config.spec.output.until.to("h")
    times = ", ".join(f"'{until_h * step / 24!r} h'" for step in range(25))
    run = simulated(name) if name in WHOLE else simulated(name, f"output.times=[{times}]")
    # Bouts that follow one another are told that the model does not adapt.
    several = len(json.loads(run.dataset.attrs["bouts"])) > 1
    assert run.warnings == ((NO_ADAPTATION,) if several else ())
    assert run.solver["status"] == "done"
    for id, curve in run.dataset.data_vars.items():
        values = np.asarray(curve)
        assert np.isfinite(values).all(), id
        if curve.attrs["role"] != "rule":
            assert values.min() >= -1e-9, id
    moved = [id for id, curve in run.dataset.data_vars.items() if np.ptp(np.asarray(curve)) > 0]
    assert len(moved) >= 5


def test_every_sweep_has_a_short_form() -> None:
    assert set(SHORT) == {Path(name).stem for name in shipped_configs() if name.startswith("sweep/")}


@pytest.mark.parametrize("name", SHORT)
def test_all_draws_of_a_sweep_end_well_and_have_every_number(name: str) -> None:
    ds = exsim.sweep(shipped_folder("configs") / "sweep" / f"{name}.toml", SHORT[name])
    assert not ds["status"].values.any()
    for item in json.loads(ds.attrs["metrics"]):
        values = ds[item["variable"]].values
        assert np.isfinite(values).all(), item
        assert values.min() >= 0.0, item
        assert np.ptp(values) > 0.0, item
    for item in json.loads(ds.attrs["varied"]):
        # What varies has the run of configs/simulate/ in its middle.
        low, high = ds[item["target"]].values.min(), ds[item["target"]].values.max()
        assert low < item["nominal"] < high, item


def test_runners_who_are_faster_run_harder() -> None:
    ds = exsim.sweep(shipped_folder("configs") / "sweep" / "marathon_runners.toml", SHORT["marathon_runners"])
    race = [ds[f"protocol.bout.0.{key}"].values for key in ("duration", "intensity")]
    assert np.corrcoef(*race)[0, 1] < -0.3


@pytest.mark.parametrize("name", FITS)
def test_a_fit_is_right_with_its_data(name: str) -> None:
    study = read_fit(name)
    assert len(study.problem.rows) >= 6
    assert not study.repairs


def test_the_marathon_of_1998_is_fitted_from_every_start() -> None:
    study = read_fit("marathon_1998", ["fit.starts=8"])
    found = fit(study.problem, SearchSettings(starts=8, seed=3))
    assert found.converged
    assert found.agreeing == 8
    # Six means, each within its noise of 20 %.
    assert np.abs(found.residual).max() < 1


@pytest.mark.slow
def test_the_values_of_the_model_are_those_of_its_calibration_from_other_starts() -> None:
    study = read_fit("il6_axis_calibration")
    found = fit(study.problem, SearchSettings(starts=64, seed=1234))
    assert found.agreeing >= 32
    shipped = np.array([item.nominal for item in study.problem.free if item.kind == "model"])
    # The model file holds four digits.
    np.testing.assert_allclose(found.best[: len(shipped)], shipped, rtol=5e-3)
    again = fit(study.problem, SearchSettings(starts=64, seed=4321))
    assert again.log_density == pytest.approx(found.log_density, abs=1e-3)
