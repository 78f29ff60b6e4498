"""Small models with closed forms, and problems made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from exsim.fit_problem import (
    FitProblem,
    FitRows,
    FreeNumber,
    Noisy,
    Observable,
    PlacedTarget,
    Simulation,
)
from exsim.formula import Name
from exsim.inputs.model_files import load_model
from exsim.measurements import MEASURED
from exsim.model_spec import ModelSpec
from exsim.spec import RunSpec
from exsim.sweep_spec import VarySpec
from exsim.sweep_targets import Target
from exsim.sweep_terms import TERMS

#: y(t) = release share / k (1 - exp(-k t)): of release and share only the product can be told.
RISE = """model rise
  unit time_unit = 3600 second;
  y = 0; release = 4; share = 0.5; k = 0.7;
  y' = release * share - k * y;
end
"""
TIMES_H = (0.5, 1.0, 2.0, 4.0, 8.0)


def rise(release: float, share: float, k: float, time_h: np.ndarray) -> np.ndarray:
    """Return y of the model RISE."""
    return release * share / k * -np.expm1(-k * time_h)


def read_model(folder: Path, text: str = RISE) -> ModelSpec:
    """Return the model of an Antimony text."""
    path = folder / "model.ant"
    path.write_text(text)
    return load_model(str(path), folder)


def config(until_h: float = 8.0, **tables: object) -> RunSpec:
    """Return a run config without a protocol, or with the tables that are given."""
    return RunSpec.model_validate(
        {"schema": 1, "model": "model", "output": {"until": f"{until_h} h"}, **tables}
    )


def target(text: str, spec: RunSpec, model: ModelSpec) -> Target:
    """Return what may be varied, in the terms of the model."""
    vary = VarySpec(target=text)
    terms = TERMS[vary.path.kind](vary, spec, model)
    return Target(
        text, vary.path, terms.unit, terms.nominal, terms.label, terms.limits, after_end=terms.after_end
    )


def free(name: str, nominal: float, **more: object) -> FreeNumber:
    """Return a number that is estimated on its logarithm, within a factor of 20 of its nominal value."""
    known = {"kind": "model", "scale": "log", "low": nominal / 20, "high": nominal * 20}
    return FreeNumber(name=name, unit="1", label=name, nominal=nominal, **{**known, **more})


def rows(count: int, **columns: object) -> FitRows:
    """Return measured levels of the first observable in the first simulation, but for the columns given."""
    nothing, numbers = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    known: dict[str, object] = {
        "simulation": numbers,
        "observable": numbers,
        "quantity": ("level",) * count,
        "compared": numbers - 1,
        "compared_time_h": nothing,
        "limit": nothing,
        "censoring": numbers + MEASURED,
        "scale": nothing,
        "batch": numbers - 1,
        "factor": numbers - 1,
        "subject": ("S1",) * count,
        "condition": ("rest",) * count,
        "group": ("",) * count,
        "line": np.arange(2, count + 2),
    }
    return FitRows(**{**known, **columns})


def rise_problem(
    folder: Path,
    names: Sequence[str] = ("release", "k"),
    *,
    noise: Mapping[str, object] | None = None,
    numbers: Sequence[FreeNumber] = (),
    until_h: float = 8.0,
    **columns: object,
) -> FitProblem:
    """Return the problem of fitting RISE; `noise` goes to its observable, `columns` to its rows."""
    model, spec = read_model(folder), config(until_h)
    targets = [target(f"parameter.{name}", spec, model) for name in names]
    own = {"family": "lognormal", "scale": Noisy(0.1)} | dict(noise or {})
    if "time_h" not in columns:
        columns["time_h"] = np.array(TIMES_H)
    if "value" not in columns:
        columns["value"] = rise(4.0, 0.5, 0.7, np.asarray(columns["time_h"]))
    return FitProblem(
        name="rise",
        model=model,
        free=(*(free(item.path.key, item.nominal) for item in targets), *numbers),
        placed=tuple(PlacedTarget(item, (place,)) for place, item in enumerate(targets)),
        simulations=(Simulation("rest", spec),),
        observables=(Observable(name="y", label="y", unit="1", formula=Name("y"), **own),),
        rows=rows(len(np.asarray(columns["time_h"])), **columns),
        rtol=1e-8,
        atol=1e-11,
    )
