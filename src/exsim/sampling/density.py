"""The log posterior density as a sampler asks for it: of one vector, without bounds, and one lane among many.

A sampler is written for one chain and vectorised by `jax.vmap`. An integrator under `vmap` would step every
chain by itself; here the batching rule of the density makes all chains lanes of one program, and value and
gradient come from one solve with forward tangents (`exsim.fitting`), so that nothing is differentiated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from ..jax_setup import jax, jnp

#: Coordinates of many vectors -> their log densities and gradients, traced.
Batch = Callable[[Float[Array, "vector coordinate"]], tuple[Array, Array]]


@runtime_checkable
class Target(Protocol):
    """What is sampled: a density on coordinates without bounds."""

    @property
    def size(self) -> int:
        """How many coordinates there are."""

    def density(self, u: Float[Array, "vector coordinate"]) -> tuple[Array, Array]:
        """Return log densities, up to a constant, and their gradients; -inf and 0 where a solve fails."""


def whitened(target: Target, center: np.ndarray, root: np.ndarray) -> Batch:
    """Return the density at center + root z: where root root' is about the covariance, z is about normal."""

    def batch(z: Float[Array, "vector coordinate"]) -> tuple[Array, Array]:
        value, gradient = target.density(center + z @ root.T)
        return value, gradient @ root

    return batch


def of_one(batch: Batch) -> Callable[[Float[Array, "coordinate"]], Array]:
    """Return the log density of one vector; under `vmap` and `grad` all vectors are one call of `batch`."""

    @custom_vmap
    def both(z: Array) -> tuple[Array, Array]:
        value, gradient = batch(z[None])
        return value[0], gradient[0]

    @both.def_vmap
    def many(size: int, batched: Any, z: Array) -> tuple[tuple[Array, Array], tuple[bool, bool]]:
        return batch(z), (True, True)

    @jax.custom_vjp
    def value(z: Array) -> Array:
        return both(z)[0]

    def forward(z: Array) -> tuple[Array, Array]:
        return both(z)

    def backward(gradient: Array, seed: Array) -> tuple[Array]:
        # What is weighted with 0 has no say, whatever it is.
        return (jnp.where(seed == 0, 0.0, seed * gradient),)

    value.defvjp(forward, backward)
    return value
