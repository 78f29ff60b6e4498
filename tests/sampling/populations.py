"""Populations whose posterior or likelihood is known, on models with closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exsim.fit_problem import FitProblem, FreeNumber, Noisy, Observable, PlacedTarget, Simulation
from exsim.fitting import Objective
from exsim.formula import Name
from exsim.marginals import Marginal
from exsim.population import Population, RandomEffect, Spread
from exsim.sampling import PopulationTarget

from ..fitting.fit_models import config, free, read_model, rows, target

#: y(t) = 10 exp(-ke t); and a level that stays what it is.
DECAY = "model decay\n  unit time_unit = 3600 second;\n  y = 10; ke = 0.5;\n  y' = -ke * y;\nend\n"
LEVEL = "model level\n  unit time_unit = 3600 second;\n  y = theta; theta = 5; k = 0;\n  y' = -k * y;\nend\n"

#: Wang (2007), doi:10.1007/s10928-007-9060-x: ten subjects at t = 0 and 1.
WANG_Y = np.array(
    [
        [10.680, 10.402, 9.8814, 9.3408, 10.082, 9.8938, 9.8908, 10.234, 9.9882, 9.6736],
        [3.6837, 6.4540, 5.8565, 5.6209, 6.7583, 6.5049, 6.9557, 6.4488, 6.7112, 6.6402],
    ]
)
WANG_NOISE = {
    "proportional": {
        "family": "additive_proportional",
        "scale": Noisy(0.0),
        "proportional": Noisy(0.1**0.5),
    },
    "additive": {"family": "normal", "scale": Noisy(0.1**0.5)},
    "lognormal": {"family": "lognormal", "scale": Noisy(0.1**0.5)},
}

#: Rubin (1981), doi:10.3102/10769986006004377: effects of coaching in eight schools, and their errors.
SCHOOLS_Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SCHOOLS_SD = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def one_effect(
    folder: Path,
    text: str,
    name: str,
    effect: RandomEffect,
    noise: dict[str, object],
    values: np.ndarray,
    times_h: np.ndarray,
    own: dict[str, object],
    numbers: tuple[FreeNumber, ...] = (),
    **columns: object,
) -> PopulationTarget:
    """Return the population of a model in which one number differs; `values` are (time, subject)."""
    model, spec = read_model(folder, text), config(float(times_h[-1]) + 1.0)
    placed, count = target(f"parameter.{name}", spec, model), values.shape[1]
    subjects = tuple(f"S{number}" for number in range(count))
    problem = FitProblem(
        name=model.name,
        model=model,
        free=(*(free(f"{name}[{subject}]", placed.nominal, **own) for subject in subjects), *numbers),
        placed=(PlacedTarget(placed, tuple(range(count))),),
        simulations=tuple(Simulation(subject, spec) for subject in subjects),
        observables=(Observable(name="y", label="y", unit="1", formula=Name("y"), **noise),),
        rows=rows(
            values.size,
            simulation=np.repeat(np.arange(count), len(times_h)),
            time_h=np.tile(times_h, count),
            value=values.T.reshape(-1),
            subject=tuple(np.repeat(subjects, len(times_h))),
            **columns,
        ),
        rtol=1e-9,
        atol=1e-12,
    )
    return PopulationTarget(Objective(problem), Population(subjects, (effect,)))


def wang(folder: Path, noise: str) -> PopulationTarget:
    """Return the population of Wang (2007)."""
    ten = np.arange(10)
    effect = RandomEffect(
        "ke",
        "ke",
        "1/h",
        ten,
        ten,
        Marginal("lognormal", 0.0, np.inf, float(np.log(0.5)), 1.0),
        Spread("halfnormal", 1.0),
    )
    return one_effect(folder, DECAY, "ke", effect, WANG_NOISE[noise], WANG_Y, np.array([0.0, 1.0]), {})


def eight_schools(folder: Path) -> PopulationTarget:
    """Return the eight schools: mu ~ normal(0, 5), tau ~ half-Cauchy(5)."""
    eight = np.arange(8)
    effect = RandomEffect(
        "theta",
        "theta",
        "1",
        eight,
        eight,
        Marginal("normal", -np.inf, np.inf, 0.0, 5.0),
        Spread("halfcauchy", 5.0),
    )
    noise = {"family": "normal", "scale": None}
    wide = {"scale": "linear", "low": -1e3, "high": 1e3}
    return one_effect(
        folder, LEVEL, "theta", effect, noise, SCHOOLS_Y[None], np.array([1.0]), wide, scale=SCHOOLS_SD
    )


def levels_on_occasions(folder: Path, values: np.ndarray, sd: float) -> PopulationTarget:
    """Return people whose level differs between occasions too; `values` are (subject, occasion)."""
    model, spec = read_model(folder, LEVEL), config(2.0)
    subject, occasion = (grid.ravel() for grid in np.indices(values.shape))
    each = [f"{occasion}: S{subject}" for subject, occasion in zip(subject, occasion, strict=True)]
    wide = {"scale": "linear", "low": -1e3, "high": 1e3}
    places = np.arange(values.size)
    problem = FitProblem(
        name="levels",
        model=model,
        free=tuple(free(f"theta[{name}]", 5.0, **wide) for name in each),
        placed=(PlacedTarget(target("parameter.theta", spec, model), tuple(places.tolist())),),
        simulations=tuple(Simulation(name, spec) for name in each),
        observables=(Observable("y", "y", "1", Name("y"), "normal", Noisy(sd)),),
        rows=rows(
            values.size,
            simulation=places,
            time_h=np.ones(values.size),
            value=values.ravel(),
            subject=tuple(f"S{number}" for number in subject),
            condition=tuple(str(number) for number in occasion),
        ),
        rtol=1e-9,
        atol=1e-12,
    )
    typical, spread = Marginal("normal", -np.inf, np.inf, 0.0, 5.0), Spread("halfnormal", 5.0)
    effect = RandomEffect("theta", "theta", "1", places, subject, typical, spread, spread)
    return PopulationTarget(
        Objective(problem), Population(tuple(f"S{n}" for n in range(len(values))), (effect,))
    )
