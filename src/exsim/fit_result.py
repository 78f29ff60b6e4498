"""What a fit found, as plain values: starts, the best of them, profiles, what the data can tell. No JAX."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from .population_result import CovariateEffect

#: What the data say of a parameter. `practically not`: its interval has no end on one side or both.
Verdict = Literal["identifiable", "practically not", "structurally not", "not profiled"]

Vector = Float[np.ndarray, "parameter"]


@dataclass(frozen=True, eq=False)
class FitStart:
    """One start of a multi-start fit: where it began, where it ended, and how."""

    number: int
    begun: Vector
    reached: Vector
    #: Log posterior density at both ends; NaN where there is none.
    begun_density: float
    reached_density: float
    iterations: int
    #: "converged", "at the limit of iterations", "budget spent", or why it failed.
    ended: str
    failed: bool = False


@dataclass(frozen=True, eq=False)
class Profile:
    """The highest log posterior density for fixed values of one parameter.

    Raue et al. (2009), doi:10.1093/bioinformatics/btp358.
    """

    parameter: int
    #: Values in its unit, ascending, with the optimum among them; NaN density where a point was lost.
    values: Float[np.ndarray, "point"]
    density: Float[np.ndarray, "point"]
    #: All free numbers at each point, in their units.
    vectors: Float[np.ndarray, "point parameter"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is said of one free number: a row of `parameters.csv`."""

    name: str
    value: float
    #: The 95 % interval: of the profile, else of the standard error; infinite where the data give no end.
    lower: float
    upper: float
    unit: str
    #: NaN where it means nothing: at a bound, in a flat direction, on a curvature that is not definite.
    standard_error: float
    at_bound: Literal["", "lower", "upper"]
    identifiable: Verdict


@dataclass(frozen=True, eq=False)
class Direction:
    """An eigenvector of the Fisher information on the estimation scale, and what it means in words."""

    eigenvalue: float
    vector: Vector
    #: "CL_IL6 * V_IL6^-1": the combination that moves along it, by its largest parts.
    combination: str
    flat: bool


@dataclass(frozen=True, eq=False)
class FitCurves:
    """What the best fit says over time, with the band that the uncertainty of the parameters makes of it.

    In the unit of each observable; `lower` and `upper` hold the central 95 %, NaN without a covariance.
    """

    simulations: tuple[str, ...]
    observables: tuple[str, ...]
    #: Hours after time 0 of each simulation, ascending; the last is repeated where one has fewer points.
    time_h: Float[np.ndarray, "simulation time"]
    value: Float[np.ndarray, "simulation observable time"]
    lower: Float[np.ndarray, "simulation observable time"]
    upper: Float[np.ndarray, "simulation observable time"]
    #: Bouts of each simulation, (start, end) in hours.
    bouts_h: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class Effort:
    """What a stage of a fit took: wall time with compiling, and what was solved in it."""

    seconds: float
    #: Vectors at which the log density was asked for with its gradient and curvature.
    gradients: int
    #: Solves of a simulation with the derivatives by all that is free in it.
    trajectories: int

    def rates(self) -> tuple[float, float]:
        """Return gradients and trajectories a second; NaN where no time has passed."""
        if not self.seconds > 0:
            return float("nan"), float("nan")
        return self.gradients / self.seconds, self.trajectories / self.seconds


@dataclass(frozen=True, eq=False)
class FittedPeople:
    """What is most likely of people, given the estimates; one entry for each number of a person's own."""

    effects: tuple[str, ...]
    #: 1 - sd over people of eta: Savic & Karlsson (2009), doi:10.1208/s12248-009-9133-0.
    shrinkage: Float[np.ndarray, "effect"]
    #: Places in `effects`.
    effect: Int[np.ndarray, "own"]
    subject: tuple[str, ...]
    #: "" where a person has one number for all conditions.
    condition: tuple[str, ...]
    value: Float[np.ndarray, "own"]
    unit: tuple[str, ...]
    #: How far a person is from what typical value and covariates lead one to expect, in standard deviations
    #: between people.
    eta: Float[np.ndarray, "own"]
    covariates: tuple[CovariateEffect, ...]


@dataclass(frozen=True, eq=False)
class FitResult:
    """A finished fit. Vectors hold the free numbers in their units, in the order of the problem."""

    names: tuple[str, ...]
    best: Vector
    log_density: float
    log_likelihood: float
    starts: tuple[FitStart, ...]
    #: Starts within 0.1 of the best log density.
    agreeing: int
    estimates: tuple[Estimate, ...]
    directions: tuple[Direction, ...]
    #: What the data tell of the numbers of flat directions: "release_gain * active_muscle".
    told: tuple[str, ...]
    profiles: tuple[Profile, ...]
    #: Of the rows of the data, at the best: prediction, residual in units of the noise, log density.
    prediction: Float[np.ndarray, "row"]
    residual: Float[np.ndarray, "row"]
    row_density: Float[np.ndarray, "row"]
    #: Directional derivative by the gradient and by central differences, beside the best.
    gradient_check: tuple[float, float]
    aic: float
    aicc: float
    bic: float
    #: False: budget spent, or the gradient check failed; `reasons` says why.
    converged: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    #: By stage: "search", "profiles", "whole".
    efforts: dict[str, Effort] = field(default_factory=dict)
    #: Covariance on the estimation scale; NaN where there is none.
    covariance: Float[np.ndarray, "parameter parameter"] | None = None
    curves: FitCurves | None = None
    people: FittedPeople | None = None
