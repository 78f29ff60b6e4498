"""What sampling found, as plain values: draws of all chains, what they predict, how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from .fit_result import Effort, FitCurves
from .population_result import PopulationResult

#: What a number is: estimated itself, or a person's own value, or worked out of others.
Role = Literal["parameter", "individual", "derived"]


@dataclass(frozen=True)
class SampledNumber:
    """One number that has a posterior."""

    name: str
    label: str
    unit: str
    #: Scale on which it is shown and compared with its prior: that of `exsim.scales`.
    scale: str
    role: Role = "parameter"


@dataclass(frozen=True)
class Stress:
    """Solves at draws from the prior before sampling: how many, and how many failed for which reason."""

    draws: int
    failed: dict[str, int]
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Of each number: its posterior in short, and how well the chains know it; all (number,)."""

    mean: Float[np.ndarray, "number"]
    sd: Float[np.ndarray, "number"]
    median: Float[np.ndarray, "number"]
    #: Ends of the central 95 %.
    lower: Float[np.ndarray, "number"]
    upper: Float[np.ndarray, "number"]
    #: Rank-normalised split R-hat, bulk and tail ESS: Vehtari et al. (2021), doi:10.1214/20-BA1221.
    r_hat: Float[np.ndarray, "number"]
    ess_bulk: Float[np.ndarray, "number"]
    ess_tail: Float[np.ndarray, "number"]
    #: Monte Carlo standard error of the mean.
    mcse_mean: Float[np.ndarray, "number"]
    #: 1 - var(posterior) / var(prior) on the scale of the number; NaN where it has no prior of its own.
    contraction: Float[np.ndarray, "number"]
    #: Energy's Bayesian fraction of missing information, (chain,): Betancourt (2016), arXiv:1604.00695.
    e_fmi: Float[np.ndarray, "chain"]


@dataclass(frozen=True, eq=False)
class Loo:
    """What the posterior predicts of rows left out, by Pareto-smoothed importance sampling.

    Vehtari, Gelman & Gabry (2017), doi:10.1007/s11222-016-9696-4.
    """

    #: Expected log predictive density of all rows, its standard error, effective number of parameters.
    elpd: float
    se: float
    p_loo: float
    #: Of each row: its part of `elpd`, and the shape of the tail of its weights; over 0.7 neither is sure.
    pointwise: Float[np.ndarray, "row"]
    pareto_k: Float[np.ndarray, "row"]


@dataclass(frozen=True, eq=False)
class SampleResult:
    """Finished, or interrupted, sampling. Draws are in the units of their numbers."""

    numbers: tuple[SampledNumber, ...]
    draws: Float[np.ndarray, "chain draw number"]
    prior: Float[np.ndarray, "priordraw number"]
    #: Of each draw of each chain.
    log_density: Float[np.ndarray, "chain draw"]
    energy: Float[np.ndarray, "chain draw"]
    acceptance: Float[np.ndarray, "chain draw"]
    step_size: Float[np.ndarray, "chain draw"]
    leapfrogs: Int[np.ndarray, "chain draw"]
    diverging: Bool[np.ndarray, "chain draw"]
    #: Where the tree could not grow further.
    saturated: Bool[np.ndarray, "chain draw"]
    #: Of the rows of the data: what the model says, a datum with its noise, the log likelihood.
    prediction: Float[np.ndarray, "chain draw row"]
    predictive: Float[np.ndarray, "chain draw row"]
    log_likelihood: Float[np.ndarray, "chain draw row"]
    #: A datum with its noise at each draw from the prior; NaN where the solve failed.
    prior_predictive: Float[np.ndarray, "priordraw row"]
    diagnosis: Diagnosis
    stress: Stress
    #: Why the draws may not be trusted, the worst first; empty where they may.
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    #: Median curves with the central 95 % of the posterior.
    curves: FitCurves
    seed: int
    #: Draws that were asked for of each chain; fewer are there where sampling was interrupted.
    asked: int
    efforts: dict[str, Effort] = field(default_factory=dict)
    #: None where there are too few draws.
    loo: Loo | None = None
    #: Of a population alone.
    people: PopulationResult | None = None

    @property
    def complete(self) -> bool:
        """True if all draws that were asked for are there."""
        return self.draws.shape[1] == self.asked

    @property
    def trusted(self) -> bool:
        """True if nothing speaks against the draws."""
        return not self.reasons
