"""Bayesian inference: the density of a fit -> draws from its posterior; populations, by two roads."""

from __future__ import annotations

from ..fit_problem import FitProblem
from ..fitting import Objective
from ..population import Population
from .density import Target
from .hierarchy import PopulationTarget
from .population_objective import objective_of
from .running import sample
from .targets import SharedTarget

__all__ = ["PopulationTarget", "SharedTarget", "Target", "objective_of", "sample", "target_of"]


def target_of(problem: FitProblem, population: Population | None = None) -> Target:
    """Return what is sampled for a problem: what all share, or a population that differs."""
    objective = Objective(problem)
    return SharedTarget(objective) if population is None else PopulationTarget(objective, population)
