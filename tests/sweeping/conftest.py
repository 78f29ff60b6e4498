"""A small model with everything that a sweep can vary, and plans of sweeps of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .plain_sweeps import PLAIN, TURNOVER, Y_PEAK

MODEL = """
model small
  unit time_unit = 3600 second;
  unit hour = 3600 second;
  unit per_h = 1 / 3600 second;
  unit kg = 1e3 gram;
  unit L = litre;
  unit L_per_kg = litre / 1e3 gram;
  unit ng = 1e-9 gram;
  unit ng_per_h = 1e-9 gram / 3600 second;
  unit pg_per_mL = 1e-12 gram / 1e-3 litre;
  unit pg_per_mL_per_h = 1e-12 gram / (1e-3 litre * 3600 second);
  work = 0 dimensionless;
  infused = 0 ng_per_h;
  body_mass = 70 kg;
  V_per_kg = 0.05 L_per_kg;
  gain = 60 pg_per_mL_per_h;
  k = 0.8 per_h;
  slow = 0.3 per_h;
  rest = 1 pg_per_mL;
  V := V_per_kg * body_mass;
  V has L;
  IL6 = rest;
  IL6 has pg_per_mL;
  given = 0;
  given has ng;
  IL10 = rest;
  IL10 has pg_per_mL;
  given' = -k * given;
  IL6' = gain * work + infused / V + k * given / V + k * (rest - IL6);
  IL10' = slow * (IL6 - IL10);
end
"""

CARD = """
title = "small"
[[input]]
id = "work"
driver = "intensity"
[[input]]
id = "infused"
driver = "infusion"
target = "IL6"
[[bolus]]
target = "IL6"
state = "given"
[[observable]]
analyte = "IL6"
id = "IL6"
label = "IL-6"
[[observable]]
analyte = "IL10"
id = "IL10"
label = "IL-10"
[modality.running]
active_muscle = "12 kg"
eccentric_load = 1.0
whole_body_fraction = 1.0
source = "round"
grade = "assumed"
[baseline]
IL6 = "rest"
[subject]
body_mass = "body_mass"
"""

CONFIG: dict[str, Any] = {
    "schema": 1,
    "model": "small",
    "protocol": {
        "bout": [{"start": "30 min", "duration": "2 h", "intensity": 0.6}],
        "infusion": [{"target": "IL6", "rate": "60 ng/h", "start": "4 h", "duration": "1 h"}],
        "bolus": [{"target": "IL6", "dose": "2 ng/kg", "time": "6 h"}],
    },
    "output": {"until": "12 h", "every": "5 min"},
    "solver": {"rtol": 1e-11, "atol": 1e-12, "method": "tsit5"},
}

#: y' = k y^2 blows up at t = 1 / (k y(0)); z only decays.
BLOW_UP = """
model grows
  y = 1; z = 1;
  k = 0.01; d = 1;
  y' = k * y^2;
  z' = -d * z;
end
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the small model: bout, infusion and bolus raise IL-6, which IL-10 follows."""
    return _load(tmp_path_factory.mktemp("small") / "small.ant", MODEL, CARD)


@pytest.fixture(scope="session")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the model of a state that grows beyond all bounds in a finite time."""
    return _load(tmp_path_factory.mktemp("growing") / "growing.ant", BLOW_UP)


@pytest.fixture(scope="session")
def load_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a function that reads a model from its text."""
    return lambda text: _load(tmp_path_factory.mktemp("text") / "model.ant", text)


def _load(path: Path, text: str, card: str = "") -> Any:
    from exsim.inputs.model_files import load_model

    path.write_text(text)
    if card:
        path.with_name(f"{path.stem}.card.toml").write_text(card)
    return load_model(path.name, path.parent)


@pytest.fixture(scope="session")
def config() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a config of the small model with values replaced, by dotted path."""

    def make(values: dict[str, Any] | None = None, base: dict[str, Any] = CONFIG) -> dict[str, Any]:
        result = copy.deepcopy(base)
        for path, value in (values or {}).items():
            inner: Any = result
            *parts, last = path.split(".")
            for part in parts:
                inner = inner[int(part)] if part.isdigit() else inner.setdefault(part, {})
            inner[last] = value
        return result

    return make


@pytest.fixture(scope="session")
def make_plan(config: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Return a function (model, sweep, values) that plans a sweep; `draws` may be an array of values."""
    from exsim.spec import RunSpec
    from exsim.sweeping import plan_sweep

    def make(model: Any, sweep: dict[str, Any], values: Any = None, base: Any = CONFIG, draws: Any = None):
        listed = None if draws is None else np.asarray(draws, dtype=np.float64)
        if listed is not None:
            sweep = {"design": "table", "file": "draws.csv"} | sweep
        said = config(values, base) | {"sweep": sweep}
        return plan_sweep(RunSpec.model_validate(said), model, "some", 7, listed)

    return make


@pytest.fixture(scope="session")
def simulated(config: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Return a function (model, values) that simulates the config with these values by dotted path."""
    from exsim.spec import RunSpec
    from exsim.workflows import run_simulation

    def simulate(model: Any, values: dict[str, Any], base: dict[str, Any] = CONFIG) -> Any:
        return run_simulation(RunSpec.model_validate(config(values, base)), model, "some").dataset

    return simulate


@pytest.fixture(scope="session")
def turnover(load_text: Callable[[str], Any]) -> Any:
    return load_text(TURNOVER)


@pytest.fixture(scope="session")
def lognormal(turnover: Any, make_plan: Callable[..., Any]) -> Callable[..., Any]:
    vary = [{"target": "parameter.k", "distribution": "lognormal", "sd": 0.8}]

    def plan(draws: int, **sweep: Any) -> Any:
        said = {"draws": draws, "design": "random", "vary": vary, "metrics": Y_PEAK, "trajectories": ["y"]}
        return make_plan(turnover, said | sweep, base=PLAIN)

    return plan
