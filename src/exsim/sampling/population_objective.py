"""What a fit of a population maximises: the density of what is shared, with people integrated out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Array, Float

from ..fit_problem import FitProblem
from ..fit_result import FittedPeople
from ..fitting import Evaluator, Expanded, Objective
from ..jax_setup import jax, jnp
from ..population import Population
from ..population_numbers import problem_of_typical
from ..priors import log_prior_theta
from .density import theta_of
from .hierarchy import PopulationTarget
from .marginal import MarginalDensity
from .people import away_and_spread, covariates_of, occasions_of

#: Vectors of a population that are expanded by one call.
_TOGETHER = 16


def objective_of(problem: FitProblem, population: Population | None = None) -> Objective:
    """Return what is maximised for a problem: of what all share, or of a population that differs."""
    if population is None:
        return Objective(problem)
    target = PopulationTarget(Objective(problem), population, bounded=False)
    return PopulationObjective(problem_of_typical(problem, population), target)


@dataclass(frozen=True, eq=False)
class PopulationObjective(Objective):
    """The log posterior density of the numbers of a population by FOCEI (`exsim.sampling.marginal`).

    `problem` has these as its free numbers (`exsim.population_numbers`). The prior of an sd is one of its
    logarithm here, which keeps the estimate away from 0: Chung et al. (2013), doi:10.1007/s11336-013-9328-2.
    """

    target: PopulationTarget

    @cached_property
    def _marginal(self) -> MarginalDensity:
        return MarginalDensity(self.target, Evaluator(self.target.objective))

    @cached_property
    def _per_theta(self) -> np.ndarray:
        # Coordinates of the target for each number on its estimation scale: tanh(u) = 2 sigmoid(2 u) - 1.
        kinds = [np.full(size, 0.5 if name == "factor" else 1.0) for name, size in self.target.sizes.items()]
        return np.concatenate(kinds)[: self.target.people_from]

    def expand(self, vectors: Float[np.ndarray, "vector parameter"]) -> Expanded:
        """Return the log posterior density about vectors; see `Objective.expand`."""
        each = self._per_theta
        # Each vector is differenced by many: blocks bound the memory.
        blocks = [vectors[begin : begin + _TOGETHER] * each for begin in range(0, len(vectors), _TOGETHER)]
        parts = [self._marginal(block) for block in blocks]
        found = Expanded(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in Expanded.__dataclass_fields__
            )
        )
        return replace(
            found, gradient=found.gradient * each, curvature=found.curvature * each * each[:, None]
        )

    def solved(
        self, vectors: Float[np.ndarray, "vector parameter"], seed: int | None = None
    ) -> tuple[Objective, Float[np.ndarray, "vector own"]]:
        """Return what is simulated for vectors: their most likely people.

        With a seed, people but those of the first vector are drawn from the normal density about these.
        """
        found = self._marginal.conditional(vectors * self._per_theta)
        if seed is not None and np.isfinite(found.log_det).all():
            own = found.at.curvature[1:, self.target.people_from :, self.target.people_from :]
            root = np.linalg.inv(np.linalg.cholesky(own)).transpose(0, 2, 1)
            scores = np.random.default_rng(seed).standard_normal((*root.shape[:2], 1))
            found.u[1:, self.target.people_from :] += (root @ scores)[:, :, 0]
        return self.target.objective, theta_of(self.target, found.u)

    def prior_information(self, vector: Float[np.ndarray, "parameter"]) -> Array:
        """Return minus the second derivatives of the log prior, each by its own number."""
        bend = -jnp.diagonal(jax.jit(jax.hessian(self._log_prior))(jnp.asarray(vector)))
        return jnp.maximum(bend, 0.0)

    def _log_prior(self, vector: Float[Array, "parameter"]) -> Float[Array, ""]:
        target = self.target
        people = jnp.zeros(sum(target.sizes.values()) - target.people_from)
        parts = target.take_apart(jnp.concatenate([vector * self._per_theta, people])[None])
        shared = [target.whole.priors[place] for place in target.shared]
        return parts.log_prior[0] + log_prior_theta(parts.shared[0], target.shared_scales, shared)

    def people(self, vector: Float[np.ndarray, "parameter"]) -> FittedPeople:
        """Return what is most likely of people."""
        target, effects = self.target, self.target.population.effects
        u = self._marginal.conditional((vector * self._per_theta)[None]).u
        away, between = away_and_spread(target, u)
        eta = away[0] / between[0]
        with jax.enable_x64(True):
            values = target.objective.values(theta_of(target, u))[0][0]
        effect = np.repeat(np.arange(len(effects)), [len(item.places) for item in effects])
        subject = np.concatenate([item.subject for item in effects])
        return FittedPeople(
            effects=tuple(item.name for item in effects),
            shrinkage=np.array(
                [1 - eta[np.unique(item.subject), number].std(ddof=1) for number, item in enumerate(effects)]
            ),
            effect=effect,
            subject=tuple(target.population.subjects[place] for place in subject.tolist()),
            condition=occasions_of(target),
            value=values[np.concatenate([item.places for item in effects])],
            unit=tuple(effects[number].unit for number in effect.tolist()),
            eta=eta[subject, effect],
            covariates=covariates_of(target, self.scales.names),
        )
