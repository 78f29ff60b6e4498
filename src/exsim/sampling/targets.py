"""The posterior of one subject, or of what all subjects share: the free numbers of a fit, without bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Float

from ..fit_problem import SearchSettings
from ..fitting import Evaluator, Objective, best_of, search_from_starts
from ..jax_setup import jax, jnp
from ..priors import draw_priors, support
from ..sample_result import SampledNumber
from .climbing import root_of
from .density import HostVectors, Vectors, theta_of
from .space import Space

#: So far from a bound, as a share of the width, chains begin.
_MARGIN = 0.02


@dataclass(frozen=True, eq=False)
class SharedTarget:
    """The posterior of the free numbers of an objective."""

    objective: Objective
    #: There are no people.
    centred: ClassVar[bool] = False

    @cached_property
    def space(self) -> Space:
        """The bounds of the numbers on their estimation scale, those of their priors with them."""
        return Space(*support(self.objective.scales, self.objective.priors))

    @property
    def numbers(self) -> tuple[SampledNumber, ...]:
        """What has a posterior."""
        return tuple(
            SampledNumber(item.name, item.label, item.unit, item.scale)
            for item in self.objective.problem.free
        )

    def within(self, max_steps: int) -> SharedTarget:
        """Return the same with so many steps for each solve at most."""
        return SharedTarget(Objective(replace(self.objective.problem, max_steps=max_steps)))

    def place(self, u: Vectors | HostVectors) -> tuple[Array, Array]:
        """Return theta at coordinates, (vector, parameter), and the log Jacobian, (vector,)."""
        theta, log_jacobian = self.space.numbers(u)
        return theta, jnp.sum(log_jacobian, axis=1)

    def draw_prior(self, count: int, rng: np.random.Generator) -> HostVectors:
        """Return coordinates drawn from the prior."""
        drawn = draw_priors(count, rng, self.objective.scales, self.objective.priors)
        return self.space.coordinates(drawn, 1e-9)

    def values(self, u: HostVectors) -> Float[np.ndarray, "vector number"]:
        """Return the numbers in their units."""
        theta = theta_of(self, u)
        with jax.enable_x64(True):
            return self.objective.values(theta)[0]

    def in_values(self, centred: bool) -> SharedTarget:
        """Return the same: there are no people."""
        return self

    def begin(
        self, evaluate: Evaluator, settings: SearchSettings
    ) -> tuple[SharedTarget, np.ndarray, np.ndarray]:
        """Return the same, where chains begin, the highest density that a search finds, and a root there.

        Shapes (coordinate,) and (coordinate, coordinate). Raises InferenceError where no start has a density.
        """
        best = best_of(search_from_starts(evaluate, settings)[0])
        center = self.space.coordinates(best.vectors, _MARGIN)[0]
        with jax.enable_x64(True):

            def place(u: Array) -> Array:
                return self.place(u[None])[0][0]

            def jacobian(u: Array) -> Array:
                return self.place(u[None])[1][0]

            slope = np.asarray(jax.jacfwd(place)(jnp.asarray(center)))
            bend = np.asarray(jax.hessian(jacobian)(jnp.asarray(center)))
        return self, center, root_of(slope.T @ best.at.curvature[0] @ slope - bend)
