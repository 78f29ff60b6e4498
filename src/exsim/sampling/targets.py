"""The posterior of one subject, or of what all subjects share: the free numbers of a fit, without bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Float

from ..fitting import Objective
from ..jax_setup import jax, jnp
from ..priors import draw_priors, support
from ..sample_result import SampledNumber
from .density import HostVectors, Vectors, theta_of
from .space import Space


@dataclass(frozen=True, eq=False)
class SharedTarget:
    """The posterior of the free numbers of an objective."""

    objective: Objective
    #: There are no people.
    centring: ClassVar[None] = None

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
