"""A fit as plain values: what is simulated, what is estimated, and what was measured. No JAX.

A fit is one scalar, the log posterior density, of one vector, the free numbers. `exsim.inputs` makes a
`FitProblem` of a config and its data; `exsim.fitting` and sampling work on it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .choices import BatchMode, Family, Optimiser, Sampler, ScaleName
from .formula import Expr
from .marginals import Marginal
from .model_spec import ModelSpec
from .spec import RunSpec
from .sweep_targets import Target
from .sweep_terms import parameter_of

#: What a row of data is, in terms of the curve of its observable. Rest is the level before anything is
#: done.
Quantity = Literal[
    "level",
    "fold",
    "log2",
    "peak_fold",
    "peak_level",
    "time_of_peak",
    "ratio",
    "unchanged",
    "share_removed",
]

Numbers = Float[np.ndarray, "row"]
Counts = Int[np.ndarray, "row"]


@dataclass(frozen=True)
class FreeNumber:
    """One estimated number: of the model or protocol, of the noise, of a study, or of a population."""

    #: As tables name it: "release_gain", "release_gain[race]", "sd[IL6]", "scale[Ostrowski 1998]".
    name: str
    unit: str
    label: str
    kind: Literal["model", "noise", "scale", "population"]
    #: On which scale it is estimated, and the bounds it may not leave, in its unit.
    scale: ScaleName
    low: float
    high: float
    #: The value of the config or of the model: the first start.
    nominal: float
    #: Its prior; None is flat on the estimation scale.
    prior: Marginal | None = None


@dataclass(frozen=True)
class PlacedTarget:
    """A quantity of the model or the protocol that free numbers set."""

    target: Target
    #: By simulation: the place of its number in `FitProblem.free`; -1 where the value of the config stays.
    free: tuple[int, ...]


@dataclass(frozen=True)
class Simulation:
    """One solve that the data need: a condition, or one subject in it. `spec` holds all that is not free."""

    name: str
    spec: RunSpec


@dataclass(frozen=True)
class Noisy:
    """A number of the noise: known, or the place of a free number."""

    value: float = 0.0
    free: int = -1


@dataclass(frozen=True)
class Observable:
    """What was measured, as the model has it, and how far a measurement may lie from it."""

    name: str
    label: str
    unit: str
    #: State or rule of the model, or a formula of those and of parameters.
    formula: Expr
    family: Family
    #: The `scale` of `exsim.noise`; None where each row brings its own.
    scale: Noisy | None
    proportional: Noisy = Noisy()
    degrees: float = 4.0
    batch: BatchMode | None = None


@dataclass(frozen=True, eq=False)
class FitRows:
    """The measurements, one entry a row; units are those of their observable, 1 for folds and ratios."""

    #: Places in `FitProblem.simulations` and `.observables`.
    simulation: Counts
    observable: Counts
    quantity: tuple[Quantity, ...]
    #: Hours after time 0 of the simulation; of a time of peak, what it counts from.
    time_h: Numbers
    #: A ratio and a share removed: the simulation compared with, and the time there; else -1 and NaN.
    compared: Counts
    compared_time_h: Numbers
    #: NaN where the row is censored; `limit` NaN where it is not (see `exsim.noise.log_density`).
    value: Numbers
    limit: Numbers
    censoring: Counts
    #: The noise scale that the data give; NaN where the observable has it.
    scale: Numbers
    #: Number of the batch within its observable; -1 for none.
    batch: Counts
    #: Place of the free number (scale of a study) that the prediction is multiplied with; -1 for none.
    factor: Counts
    #: For tables and pictures: subject, condition, batch or study, and the line in the file.
    subject: tuple[str, ...]
    condition: tuple[str, ...]
    group: tuple[str, ...]
    line: Counts

    def __len__(self) -> int:
        return len(self.quantity)


@dataclass(frozen=True, eq=False)
class FitProblem:
    """All that decides the value of the log posterior density of a fit, but the vector itself."""

    name: str
    model: ModelSpec
    free: tuple[FreeNumber, ...]
    placed: tuple[PlacedTarget, ...]
    simulations: tuple[Simulation, ...]
    observables: tuple[Observable, ...]
    rows: FitRows
    rtol: float = 1e-6
    atol: float = 1e-9
    method: Literal["tsit5", "rodas"] = "tsit5"
    max_steps: int = 100_000


def fitted_model(problem: FitProblem, values: Float[np.ndarray, "parameter"]) -> ModelSpec:
    """Return the model with the parameters that all simulations share at these values of the free numbers."""
    found = {}
    for item in problem.placed:
        id = parameter_of(item.target.path, problem.model)
        if id is not None and len(set(item.free)) == 1 and item.free[0] >= 0:
            found[id] = float(values[item.free[0]])
    parameters = tuple(
        replace(item, value=found[item.id]) if item.id in found else item for item in problem.model.parameters
    )
    return replace(problem.model, parameters=parameters)


@dataclass(frozen=True)
class SearchSettings:
    """How a problem is fitted."""

    starts: int = 64
    optimiser: Optimiser = "hybrid"
    #: Steps of each start at most.
    iterations: int = 200
    #: Wall time for the search and the profiles; None for no end.
    budget_s: float | None = None
    seed: int = 0
    draw_starts: Literal["latin-hypercube", "prior"] = "latin-hypercube"
    #: Places of the free numbers that are profiled.
    profiled: tuple[int, ...] = ()


@dataclass(frozen=True)
class SampleSettings:
    """How the posterior of a problem is sampled."""

    search: SearchSettings
    chains: int = 8
    #: Draws of each chain that find step and metric and are dropped, and those that are kept.
    warmup: int = 500
    draws: int = 500
    target_acceptance: float = 0.8
    #: A trajectory has 2^depth - 1 steps at most.
    max_depth: int = 10
    seed: int = 0
    #: Draws from the prior that are solved before sampling.
    stress: int = 1000
    sampler: Sampler = "nuts"


class SamplerDefaults(NamedTuple):
    """What a sampler has where nothing is said."""

    chains: int
    warmup: int
    draws: int
    target_acceptance: float


#: ChEES needs many chains; shorter ones would be too short for R-hat to tell that they agree.
SAMPLER_DEFAULTS: dict[Sampler, SamplerDefaults] = {
    "nuts": SamplerDefaults(8, 500, 500, 0.8),
    "chees": SamplerDefaults(32, 500, 250, 0.651),
}
