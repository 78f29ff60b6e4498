"""Every config in configs/simulate/ runs to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exsim.api import read_study
from exsim.inputs.shipped import shipped_configs, shipped_folder
from exsim.workflows import NO_ADAPTATION, Run

NAMES = [Path(name).stem for name in shipped_configs() if name.startswith("simulate/")]
#: Configs of a shape that no other has.
WHOLE = ("lps_0.06_cycling", "lps_0.06_il6_infusion", "il6_infusion_3h")


def _path(name: str) -> Path:
    return shipped_folder("configs") / "simulate" / f"{name}.toml"


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
