"""A dose that is taken up and cleared: a model with a closed form, and what studies of known truths share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exsim.fit_problem import FitRows, FreeNumber
from exsim.formula import Call, Name, Number
from exsim.marginals import Marginal
from exsim.measurements import MEASURED
from exsim.model_spec import ModelSpec, Parameter, State
from exsim.spec import RunSpec
from exsim.sweep_spec import VarySpec
from exsim.sweep_targets import Target
from exsim.sweep_terms import TERMS

#: What differs between data sets: medians of the priors.
MEDIANS = {"gain": 10.0, "ka": 1.5, "ke": 0.3}


def curve(gain: np.ndarray, ka: np.ndarray, ke: np.ndarray, time_h: np.ndarray) -> np.ndarray:
    """Return the level y: Bateman (1910), Proc. Cambridge Philos. Soc. 15:423; shapes broadcast."""
    return gain * ka * np.exp(-ke * time_h) * -np.expm1((ke - ka) * time_h) / (ka - ke)


def peak(gain: np.ndarray, ka: np.ndarray, ke: np.ndarray) -> np.ndarray:
    """Return the largest level."""
    return curve(gain, ka, ke, np.log(ka / ke) / (ka - ke))


def model() -> ModelSpec:
    """Return the model: a' = -ka a from 1, y' = gain ka a - ke y from 0; rates in 1/h."""
    units = {"gain": "dimensionless", "ka": "1/h", "ke": "1/h"}
    uptake = Call("*", (Name("ka"), Name("a")))
    made = Call("*", (Name("gain"), uptake))
    lost = Call("*", (Name("ke"), Name("y")))
    states = (
        State("a", "dimensionless", Number(1.0), Call("neg", (uptake,)), "parameter"),
        State("y", "dimensionless", Number(0.0), Call("-", (made, lost)), "parameter"),
    )
    parameters = tuple(Parameter(id, value, units[id]) for id, value in MEDIANS.items())
    return ModelSpec("bateman", 1.0, parameters, states)


def run_until(end_h: float) -> RunSpec:
    """Return a run without a protocol."""
    return RunSpec.model_validate({"schema": 1, "model": "bateman", "output": {"until": f"{end_h} h"}})


def target(id: str, run: RunSpec, spec: ModelSpec) -> Target:
    """Return a parameter of the model as what may be set."""
    vary = VarySpec(target=f"parameter.{id}")
    terms = TERMS[vary.path.kind](vary, run, spec)
    return Target(f"parameter.{id}", vary.path, terms.unit, terms.nominal, terms.label, terms.limits)


def lognormal(median: float, sd: float) -> Marginal:
    """Return a log-normal prior."""
    return Marginal("lognormal", 0.0, math.inf, math.log(median), sd)


def free(name: str, nominal: float, prior: Marginal | None, kind: str = "model") -> FreeNumber:
    """Return a positive number that is estimated on its logarithm."""
    return FreeNumber(name, "1", name, kind, "log", 0.0, math.inf, nominal, prior)  # type: ignore[arg-type]


def levels(time_h: np.ndarray, value: np.ndarray, simulation: np.ndarray, subject: Sequence[str]) -> FitRows:
    """Return measured levels of the one observable."""
    count = len(value)
    nothing, number = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    return FitRows(
        simulation=simulation,
        observable=number,
        quantity=("level",) * count,
        time_h=time_h,
        compared=number - 1,
        compared_time_h=nothing,
        value=value,
        limit=nothing,
        censoring=number + MEASURED,
        scale=nothing,
        batch=number - 1,
        factor=number - 1,
        subject=tuple(subject),
        condition=("rest",) * count,
        group=("",) * count,
        line=np.arange(count),
    )
