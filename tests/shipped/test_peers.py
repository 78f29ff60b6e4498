"""The shipped files in libRoadRunner and COPASI, against exsim at tight tolerances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exsim import load_model
from exsim.model import Model, compile_model
from exsim.protocol import Bout, Protocol
from exsim.solving import Status, solve

#: Largest difference allowed, as a share of each state's peak.
AGREEMENT = 1e-6
TIMES_H = np.linspace(0.0, 8.0, 81)


@pytest.fixture(scope="module")
def model() -> Model:
    return compile_model(load_model("il6_axis"))


@pytest.fixture(scope="module")
def sbml(root: Path) -> Path:
    return root / "models" / "il6_axis" / "model.xml"


def _exsim(model: Model, bout_start_h: float) -> np.ndarray:
    """Return the bout that the file itself holds, moved to another start; shape (time, state)."""
    file = dict(zip(model.parameter_ids, model.nominal(), strict=True))
    levels = {
        "intensity": file["bout_intensity"],
        "whole_body_intensity": file["bout_intensity"] * file["bout_whole_body_fraction"],
        "active_muscle": file["bout_active_muscle"],
        "eccentric_load": file["bout_eccentric_load"],
    }
    bout = Bout(
        start_h=bout_start_h, duration_h=file["bout_duration"], rest_h=0.0, every_h=0.0, levels=levels
    )
    run = solve(model, Protocol((bout,)), model.nominal(), TIMES_H, rtol=1e-12, atol=1e-13)
    assert int(run.status) == Status.DONE
    return np.asarray(run.states).T


def _largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    peak = np.abs(expected).max(axis=0)
    driven = peak > 0
    assert driven.sum() >= 10
    np.testing.assert_allclose(found[:, ~driven], 0.0, atol=1e-12)
    return float((np.abs(found - expected)[:, driven] / peak[driven]).max())


@pytest.mark.parametrize("bout_start_h", [0.0, 1.0])
def test_libroadrunner_gives_the_same_curves(model: Model, sbml: Path, bout_start_h: float) -> None:
    import roadrunner

    runner = roadrunner.RoadRunner(str(sbml))
    runner["bout_start"] = bout_start_h
    runner.reset()
    if bout_start_h > 0:
        # Loading the file fired the bout at time 0, and a reset keeps what events have changed.
        for item in model.spec.inputs:
            runner[item.id] = 0.0
    runner.integrator.relative_tolerance = 1e-12
    runner.integrator.setValue("absolute_tolerance", 1e-13)
    runner.integrator.setValue("maximum_num_steps", 200_000)
    kinds = {state.id: state.kind for state in model.spec.states}
    columns = [f"[{id}]" if kinds[id] == "concentration" else id for id in model.state_ids]
    runner.timeCourseSelections = ["time", *columns]
    found = np.array(runner.simulate(0, TIMES_H[-1], len(TIMES_H)))[:, 1:]
    assert _largest_difference(found, _exsim(model, bout_start_h)) <= AGREEMENT


@pytest.mark.parametrize("bout_start_h", [0.0, 1.0])
def test_copasi_gives_the_same_curves(model: Model, sbml: Path, bout_start_h: float) -> None:
    import basico

    data_model = basico.load_model(str(sbml))
    try:
        basico.set_parameters("bout_start", exact=True, initial_value=bout_start_h, model=data_model)
        frame = basico.run_time_course(
            0,
            TIMES_H[-1],
            len(TIMES_H) - 1,
            r_tol=1e-11,
            a_tol=1e-13,
            max_steps=1_000_000,
            update_model=False,
            model=data_model,
        )
    finally:
        basico.remove_datamodel(data_model)
    found = np.stack([frame[_copasi_name(id, frame)].to_numpy() for id in model.state_ids], axis=1)
    assert _largest_difference(found, _exsim(model, bout_start_h)) <= AGREEMENT


def _copasi_name(id: str, frame) -> str:
    # COPASI lists species by name and global quantities as Values[name].
    return id if id in frame else f"Values[{id}]"
