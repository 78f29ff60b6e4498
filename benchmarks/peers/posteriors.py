"""What a fit asks for: the log posterior density of the ten-state problem, as plain numbers for any engine.

15 free numbers on their logarithms, three observables at ten times (`suites/speed/README.md`). An engine is
ask(vectors, rtol, atol) -> (values, gradients); whatever an engine computes once a model is done before.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exsim import api
from exsim.fit_problem import FitProblem, FitRows, FreeNumber, Noisy, Observable, PlacedTarget, Simulation
from exsim.fitting import Objective
from exsim.formula import Call, Expr, Name, Number
from exsim.inputs.model_files import load_model
from exsim.marginals import Marginal
from exsim.measurements import MEASURED
from exsim.model_spec import ModelSpec
from exsim.spec import RunSpec
from exsim.sweep_spec import VarySpec
from exsim.sweep_targets import Target
from exsim.sweep_terms import TERMS

from .problems import MARATHON, ROOT, TEN_STATE, Problem, ten_state

FREE = (
    "ktx",
    "dm",
    "ktl",
    "ksec",
    "kel",
    "koff",
    "KI",
    "kra",
    "Kra",
    "dra",
    "k10",
    "K10",
    "d10",
    "ktnf",
    "Ki",
)
#: Standard deviations of log measurement and of log parameter.
NOISE_SD, PRIOR_SD = 0.1, 0.3
#: What of `il6_axis` is free where its compile time is measured.
IL6_AXIS_FREE = (
    "carbohydrate_sparing",
    "depletion_scale",
    "drive_rate",
    "release_gain",
    "action_rate",
    "induction_il1ra",
    "induction_il10",
    "hormone_exponent",
    "tnf_by_damage",
    "shedding",
    "cortisol_by_exercise",
    "CL_IL6",
)

#: (vectors, rtol, atol) -> values (vector,) and gradients (vector, parameter).
Engine = Callable[[np.ndarray, float, float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Posterior:
    """Log-normal data of some states of a model, and log-normal priors of some of its parameters."""

    #: The model with its driven input, one draw of nominal parameters, and the times: 0, then those of data.
    problem: Problem
    #: The same model as a file that has the input as events.
    sbml: str
    names: tuple[str, ...]
    observables: tuple[str, ...]
    #: (time, observable)
    data: np.ndarray

    @property
    def times_h(self) -> np.ndarray:
        """When was measured, hours."""
        return self.problem.times_h[1:]

    @cached_property
    def places(self) -> np.ndarray:
        """Places of the free parameters among those of the model."""
        return np.array([self.problem.model.parameter_ids.index(name) for name in self.names])

    @cached_property
    def observed(self) -> np.ndarray:
        """Places of the observables among the states."""
        return np.array([self.problem.model.state_ids.index(id) for id in self.observables])

    @cached_property
    def nominal(self) -> np.ndarray:
        """Logarithms of the nominal values: the means of the priors."""
        return np.log(self.problem.parameters[0, self.places])

    def vectors(self, count: int, seed: int = 1) -> np.ndarray:
        """Return draws from the prior; shape (vector, parameter)."""
        z = np.random.default_rng(seed).standard_normal((count, len(self.names)))
        return self.nominal + PRIOR_SD * z

    def solves(self, vectors: np.ndarray) -> Problem:
        """Return the solves of these vectors."""
        parameters = np.repeat(self.problem.parameters, len(vectors), axis=0)
        parameters[:, self.places] = np.exp(vectors)
        return Problem(
            self.problem.name, self.problem.model, self.problem.protocol, parameters, self.problem.times_h
        )

    def log_density(self, states: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the log posterior density of solves, (vector, time, state), those at time 0 with them."""
        predicted = states[:, 1:, self.observed]
        z = (np.log(self.data) - np.log(predicted)) / NOISE_SD
        data = -0.5 * z**2 - np.log(NOISE_SD * self.data) - 0.5 * math.log(2 * math.pi)
        return data.sum(axis=(1, 2)) + self.log_prior(vectors)[0]

    def log_prior(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log prior density of each vector on the logarithms, and its gradient."""
        z = (vectors - self.nominal) / PRIOR_SD
        constant = math.log(PRIOR_SD) + 0.5 * math.log(2 * math.pi)
        return (-0.5 * z**2 - constant).sum(axis=1), -z / PRIOR_SD

    def reference(self, vectors: np.ndarray, step: float = 2e-3) -> tuple[np.ndarray, np.ndarray]:
        """Return values at rtol 1e-12, and gradients by central differences of order 4 of such values."""
        count = len(self.names)
        shifts = np.array([0.0, -2.0, -1.0, 1.0, 2.0])
        weights = np.array([0.0, 1.0, -8.0, 8.0, -1.0]) / (12 * step)
        moved = vectors[:, None, None] + step * shifts[:, None] * np.eye(count)[:, None]
        flat = moved.reshape(-1, count)
        values = self.log_density(self.solves(flat).reference(), flat).reshape(len(vectors), count, 5)
        return values[:, 0, 0], values @ weights


def ten_state_posterior() -> Posterior:
    """Return the posterior of `suites/speed`."""
    problem = ten_state(1)
    with (TEN_STATE.parent / "fit_data.csv").open() as file:
        rows = [
            (float(row["time_h"]), row["observable"], float(row["value"])) for row in csv.DictReader(file)
        ]
    observables = tuple(dict.fromkeys(row[1] for row in rows))
    times = sorted({row[0] for row in rows})
    data = np.empty((len(times), len(observables)))
    for time, observable, value in rows:
        data[times.index(time), observables.index(observable)] = value
    nominal = Problem(
        problem.name, problem.model, problem.protocol, problem.model.nominal()[None], np.array([0.0, *times])
    )
    return Posterior(nominal, str(TEN_STATE), FREE, observables, data)


def exsim_lanes(posterior: Posterior, *, whole: bool = False) -> Engine:
    """Return exsim's own engine; with `whole`, of all states, those too that no datum depends on."""
    kept: dict[tuple[float, float], Objective] = {}

    def ask(vectors: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray]:
        if (rtol, atol) not in kept:
            kept[rtol, atol] = Objective(fit_problem(posterior, rtol, atol, whole))
        found = kept[rtol, atol].expand(vectors)
        return found.value, found.gradient

    return ask


def fit_problem(posterior: Posterior, rtol: float, atol: float, whole: bool = False) -> FitProblem:
    """Return the problem as `exsim fit` makes it; the model is the file as it is, with its two events."""
    model = load_model(posterior.sbml, ROOT)
    run = RunSpec.model_validate({"schema": 1, "model": "ten", "output": {"until": "24 h"}})
    formulas: dict[str, Expr] = {id: Name(id) for id in posterior.observables}
    if whole:
        unseen = [Name(state.id) for state in model.states if state.id not in posterior.observables]
        first = posterior.observables[0]
        formulas[first] = Call("+", (Name(first), *(Call("*", (Number(0.0), name)) for name in unseen)))
    times, count = len(posterior.times_h), len(posterior.observables)
    return _problem(
        model,
        run,
        posterior.names,
        formulas,
        time_h=np.repeat(posterior.times_h, count),
        observable=np.tile(np.arange(count), times),
        value=posterior.data.reshape(-1),
        rtol=rtol,
        atol=atol,
    )


def il6_axis_problem() -> FitProblem:
    """Return `il6_axis` in a marathon with twelve free numbers and five analytes at eight times."""
    study = api.read_study(MARATHON)
    known = ("IL6", "IL1RA", "IL10", "TNF", "cortisol")
    columns = {item.analyte: item.id for item in study.model.card.observables}
    times = np.array([1.0, 2.0, 3.0, 3.5, 4.0, 5.0, 6.0, 7.5])
    observable, time_h = np.repeat(np.arange(len(known)), len(times)), np.tile(times, len(known))
    return _problem(
        study.model,
        study.config.spec,
        IL6_AXIS_FREE,
        {name: Name(columns[name]) for name in known},
        time_h=time_h,
        observable=observable,
        value=np.ones(len(time_h)),
        rtol=1e-6,
        atol=1e-9,
    )


def _problem(
    model: ModelSpec,
    run: RunSpec,
    names: Sequence[str],
    formulas: dict[str, Expr],
    *,
    time_h: np.ndarray,
    observable: np.ndarray,
    value: np.ndarray,
    rtol: float,
    atol: float,
) -> FitProblem:
    targets = [_target(name, run, model) for name in names]
    none, nothing = np.full(len(value), -1), np.full(len(value), np.nan)
    return FitProblem(
        name=model.name,
        model=model,
        free=tuple(
            FreeNumber(
                name=name,
                unit=target.unit,
                label=target.label,
                kind="model",
                scale="log",
                low=target.nominal / 1e4,
                high=target.nominal * 1e4,
                nominal=target.nominal,
                prior=Marginal("lognormal", 0.0, math.inf, math.log(target.nominal), PRIOR_SD),
            )
            for name, target in zip(names, targets, strict=True)
        ),
        placed=tuple(PlacedTarget(target, (place,)) for place, target in enumerate(targets)),
        simulations=(Simulation("run", run),),
        observables=tuple(
            Observable(id, id, "1", formula, "lognormal", Noisy(NOISE_SD)) for id, formula in formulas.items()
        ),
        rows=FitRows(
            simulation=np.zeros(len(value), dtype=np.int64),
            observable=observable,
            quantity=("level",) * len(value),
            time_h=time_h,
            compared=none,
            compared_time_h=nothing,
            value=value,
            limit=nothing,
            censoring=np.full(len(value), MEASURED),
            scale=nothing,
            batch=none,
            factor=none,
            subject=("",) * len(value),
            condition=("run",) * len(value),
            group=("",) * len(value),
            line=np.arange(len(value)),
        ),
        rtol=rtol,
        atol=atol,
    )


def _target(name: str, run: RunSpec, model: ModelSpec) -> Target:
    vary = VarySpec(target=f"parameter.{name}")
    terms = TERMS[vary.path.kind](vary, run, model)
    return Target(f"parameter.{name}", vary.path, terms.unit, terms.nominal, terms.label, terms.limits)
