"""What the posterior of a population says of its people and of new ones; plain values, no JAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .choices import ScaleName
from .population import CovariateForm, ResponseClass

#: Above this much of what people have in an effect is the population's.
MOST_SHRINKAGE = 0.3


@dataclass(frozen=True, eq=False)
class Individuals:
    """The numbers that people have of their own, one entry each."""

    #: Places in `SampleResult.numbers`, and in `PopulationResult.effects`.
    number: Int[np.ndarray, "own"]
    effect: Int[np.ndarray, "own"]
    subject: tuple[str, ...]
    #: "" where a person has one number for all conditions.
    condition: tuple[str, ...]
    #: Posterior mean of how far the person is from what typical value and covariates lead one to expect, in
    #: standard deviations between people.
    eta: Float[np.ndarray, "own"]


@dataclass(frozen=True)
class CovariateEffect:
    """A coefficient, and what its covariate and its effect are measured in."""

    #: Place among the numbers that a fit finds, or in `SampleResult.numbers`.
    number: int
    covariate: str
    effect: str
    form: CovariateForm
    #: Unit of the covariate, "" where none is known; the level that 0 stands for and that of 1.
    unit: str
    levels: tuple[str, str]
    #: Estimation scale and unit of the effect.
    scale: ScaleName
    effect_unit: str


@dataclass(frozen=True, eq=False)
class ClassShare:
    """How probable a response below a threshold is in a condition."""

    own: ResponseClass
    #: Unit of the threshold.
    unit: str
    condition: str
    #: People who were measured in the condition, and the probability of each.
    subjects: tuple[str, ...]
    probability: Float[np.ndarray, "subject"]
    #: Of a new person: posterior mean and the ends of the central 95 %.
    new: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class PopulationResult:
    """People, covariates, new people, and classes of responses."""

    effects: tuple[str, ...]
    #: Of each effect, 0 where people are told by their own data to 1 where by the population alone: 1 - the
    #: variance over people of posterior means / the posterior mean of the variance over people.
    shrinkage: Float[np.ndarray, "effect"]
    individuals: Individuals
    covariates: tuple[CovariateEffect, ...]
    #: Data that as many new people would give, with noise, set by set; NaN where a solve failed.
    new_data: Float[np.ndarray, "set row"]
    classes: tuple[ClassShare, ...] = ()
