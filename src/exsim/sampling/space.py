"""Coordinates without bounds for numbers that have some, as a sampler needs them.

A number between two bounds is a logistic function of its coordinate, one with a single bound an exponential
away from it, and one without is its coordinate; the density carries the Jacobian of each. Stan Reference
Manual, "Constraint transforms": https://mc-stan.org/docs/reference-manual/transforms.html.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from ..jax_setup import jax, jnp

Vectors = Float[Array, "vector parameter"] | Float[np.ndarray, "vector parameter"]


@dataclass(frozen=True, eq=False)
class Space:
    """The bounds of some numbers, infinite where there are none; (parameter,) each."""

    low: Float[np.ndarray, "parameter"]
    high: Float[np.ndarray, "parameter"]

    def numbers(self, u: Vectors) -> tuple[Array, Array]:
        """Return the numbers at coordinates, and the logarithm of |d numbers / d u|; (vector, parameter)."""
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        low, high = np.where(below, self.low, 0.0), np.where(above, self.high, 0.0)
        width = np.where(below & above, high - low, 1.0)
        # What the other kinds of number do is worked out for each, and not taken: it gets harmless numbers.
        grown = jnp.exp(jnp.where(below & ~above, u, 0.0))
        shrunk = jnp.exp(jnp.where(above & ~below, -u, 0.0))
        both = jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u)
        kinds = [below & above, below, above]
        numbers = jnp.select(kinds, [low + width * jax.nn.sigmoid(u), low + grown, high - shrunk], u)
        return numbers, jnp.select(kinds, [np.log(width) + both, u, -u], jnp.zeros_like(u))

    def coordinates(self, numbers: Float[np.ndarray, "vector parameter"], margin: float) -> np.ndarray:
        """Return the coordinates of numbers; one nearer to a bound than `margin` is moved there.

        `margin` is a share of the width, or absolute where there is one bound alone.
        """
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        low, high = np.where(below, self.low, 0.0), np.where(above, self.high, 0.0)
        least = margin * np.where(below & above, high - low, 1.0)
        inner = np.where(below, np.maximum(numbers, low + least), numbers)
        inner = np.where(above, np.minimum(inner, high - least), inner)
        with np.errstate(all="ignore"):
            both = np.log(inner - low) - np.log(high - inner)
            found = np.where(above, -np.log(high - inner), inner)
            found = np.where(below, np.log(inner - low), found)
        return np.where(below & above, both, found)
