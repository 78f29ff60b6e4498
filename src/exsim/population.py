"""How people differ: random effects, what explains them, and occasions; plain values, no JAX.

Of each number that differs, on its estimation scale,

    theta_i = typical + sum of coefficient * covariate_i + between_i (+ within_io on each occasion o)

with `between_i` normal about 0 and, over the effects of one person, correlated; `within_io` normal and
independent. On a logarithm that is a log-normal spread of people, and a power of a covariate that enters as
log(x / reference): Lavielle, Mixed Effects Models for the Population Approach (2014), doi:10.1201/b17203.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from .marginals import Marginal

SpreadPrior = Literal["halfnormal", "halfcauchy"]
CovariateForm = Literal["power", "linear", "category"]
#: What a response is: the highest value over rest, or the highest value.
Response = Literal["peak_fold", "peak_level"]


@dataclass(frozen=True)
class Spread:
    """The prior of a standard deviation on the estimation scale: half of a normal or Cauchy of this scale."""

    kind: SpreadPrior
    scale: float


@dataclass(frozen=True, eq=False)
class RandomEffect:
    """A number that each person, or each person on each occasion, has of their own."""

    name: str
    label: str
    unit: str
    #: Places of the own numbers in `FitProblem.free`, and the person of each, in `Population.subjects`.
    places: Int[np.ndarray, "own"]
    subject: Int[np.ndarray, "own"]
    #: Prior of the typical value, in its unit; None is flat on the estimation scale.
    typical: Marginal | None
    between: Spread
    #: Of a person between occasions; None where a person has one number.
    within: Spread | None = None


@dataclass(frozen=True, eq=False)
class Covariate:
    """What of the differences between people in one effect a property of theirs explains."""

    name: str
    #: Place of the effect in `Population.effects`.
    effect: int
    #: As it enters: log(x / reference), x - reference, or 0 and 1.
    values: Float[np.ndarray, "subject"]
    #: Standard deviation of the normal prior of the coefficient, about 0.
    sd: float
    form: CovariateForm = "power"
    #: Unit of the property, where its column has one; the level that 0 stands for and that of 1.
    unit: str = ""
    levels: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class ResponseClass:
    """Responses under a threshold."""

    name: str
    #: Name of the observable.
    analyte: str
    quantity: Response
    #: A fold, or in the unit of the observable.
    below: float


@dataclass(frozen=True, eq=False)
class Population:
    """The people of a fit and how they differ."""

    subjects: tuple[str, ...]
    effects: tuple[RandomEffect, ...]
    covariates: tuple[Covariate, ...] = ()
    #: Whether what a person has of several effects goes together; prior LKJ(2): Lewandowski et al. (2009),
    #: doi:10.1016/j.jmva.2009.04.008.
    correlated: bool = False
    classes: tuple[ResponseClass, ...] = ()
