"""The log posterior density as a sampler asks for it: of one vector, without bounds, and one lane among many.

A sampler is written for one chain and vectorised by `jax.vmap`. An integrator under `vmap` would step every
chain by itself; here the batching rule of the density makes all chains lanes of one program, and value and
gradient come from one solve with forward tangents (`exsim.fitting`), so that nothing is differentiated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from ..fitting import Objective
from ..fitting.likelihood import Rows
from ..jax_setup import jax, jnp
from ..sample_result import SampledNumber

Vectors = Float[Array, "vector coordinate"]
HostVectors = Float[np.ndarray, "vector coordinate"]


@runtime_checkable
class Target(Protocol):
    """What is sampled: coordinates without bounds that stand for the free numbers of an objective."""

    @property
    def objective(self) -> Objective:
        """The density of theta."""

    @property
    def numbers(self) -> tuple[SampledNumber, ...]:
        """What is reported."""

    @property
    def centring(self) -> Float[np.ndarray, "subject effect"] | None:
        """What stands for people, where there are people with numbers of their own."""

    def within(self, max_steps: int) -> Target:
        """Return the same with so many steps for each solve at most."""

    def place(self, u: Vectors) -> tuple[Array, Array]:
        """Return theta, (vector, parameter), and what the density has beside that of theta, (vector,)."""

    def values(self, u: HostVectors) -> Float[np.ndarray, "vector number"]:
        """Return what is reported, in its units."""

    def draw_prior(self, count: int, rng: np.random.Generator) -> HostVectors:
        """Return coordinates drawn from the prior."""


def theta_of(target: Target, u: HostVectors) -> Float[np.ndarray, "vector parameter"]:
    """Return what coordinates stand for on the estimation scales."""
    with jax.enable_x64(True):
        return np.asarray(_placed(target, u))


@partial(jax.jit, static_argnums=0)
def _placed(target: Target, u: Vectors | HostVectors) -> Array:
    return target.place(u)[0]


class Whitening(NamedTuple):
    """Coordinates center + root z, in which z is about standard normal; and the rows of the data."""

    center: Float[Any, "coordinate"]
    root: Float[Any, "coordinate coordinate"]
    rows: Rows


def log_density(target: Target, u: Vectors, rows: Rows) -> tuple[Array, Array]:
    """Return log densities, up to a constant, and their gradients; -inf and 0 where a solve fails."""
    (theta, more), pull = jax.vjp(target.place, u)
    value, by_theta, _ = target.objective.density(theta, rows)
    (gradient,) = pull((by_theta, jnp.ones_like(more)))
    value = value + more
    good = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient), axis=1)
    return jnp.where(good, value, -jnp.inf), jnp.where(good[:, None], gradient, 0.0)


def of_one(target: Target, at: Whitening) -> Callable[[Float[Array, "coordinate"]], Array]:
    """Return the log density of one z; under `vmap` and `grad` those of all chains are one call."""

    def batch(z: Vectors, at: Whitening) -> tuple[Array, Array]:
        value, gradient = log_density(target, at.center + z @ at.root.T, at.rows)
        return value, gradient @ at.root

    # What these functions need is handed to them: they cannot see the arguments of a program about them.
    @custom_vmap
    def both(z: Array, at: Whitening) -> tuple[Array, Array]:
        value, gradient = batch(z[None], at)
        return value[0], gradient[0]

    @both.def_vmap
    def many(
        size: int, batched: Any, z: Array, at: Whitening
    ) -> tuple[tuple[Array, Array], tuple[bool, bool]]:
        return batch(z, at), (True, True)

    @jax.custom_vjp
    def value(z: Array, at: Whitening) -> Array:
        return both(z, at)[0]

    def forward(z: Array, at: Whitening) -> tuple[Array, Array]:
        return both(z, at)

    def backward(gradient: Array, seed: Array) -> tuple[Array, None]:
        # What is weighted with 0 has no say, whatever it is.
        return jnp.where(seed == 0, 0.0, seed * gradient), None

    value.defvjp(forward, backward)
    return lambda z: value(z, at)
