"""Coordinates without bounds for numbers that have some, as a sampler needs them.

A number between two bounds is a logistic function of its coordinate, one with a single bound an exponential
away from it, and one without is its coordinate; the density carries the Jacobian of each. Stan Reference
Manual, "Constraint transforms": https://mc-stan.org/docs/reference-manual/transforms.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from ..jax_setup import jax, jnp

#: How near to a bound, as a share of the width, a place may be that is given coordinates.
_MARGIN = 1e-6

Vectors = Float[Array, "vector parameter"] | Float[np.ndarray, "vector parameter"]


@dataclass(frozen=True, eq=False)
class Space:
    """The bounds of some numbers, infinite where there are none; (parameter,) each."""

    low: Float[np.ndarray, "parameter"]
    high: Float[np.ndarray, "parameter"]

    def places(self, u: Vectors) -> tuple[Any, Any, Any, Any]:
        """Return the numbers at coordinates, d numbers / d u, the log Jacobian of each, and its slope.

        All have the shape of `u`, (vector, parameter).
        """
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        low, high = np.where(below, self.low, 0.0), np.where(above, self.high, 0.0)
        share = jax.nn.sigmoid(u)
        log_both = jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u)
        width = np.where(below & above, high - low, 1.0)
        # What the other kinds of number do is worked out for each, and not taken.
        grown = jnp.exp(jnp.where(below & ~above, u, 0.0))
        shrunk = jnp.exp(jnp.where(above & ~below, -u, 0.0))
        kinds = [below & above, below, above]
        numbers = jnp.select(kinds, [low + width * share, low + grown, high - shrunk], u)
        log_slope = jnp.select(kinds, [np.log(width) + log_both, u, -u], jnp.zeros_like(u))
        bend = jnp.select(kinds, [1.0 - 2.0 * share, jnp.ones_like(u), -jnp.ones_like(u)], jnp.zeros_like(u))
        return numbers, jnp.exp(log_slope), log_slope, bend

    def coordinates(self, numbers: Float[np.ndarray, "vector parameter"]) -> np.ndarray:
        """Return the coordinates of numbers; one on its bound, or beyond, is taken a little inside."""
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        low, high = np.where(below, self.low, 0.0), np.where(above, self.high, 0.0)
        margin = _MARGIN * np.where(below & above, high - low, 1.0)
        inner = np.where(below, np.maximum(numbers, low + margin), numbers)
        inner = np.where(above, np.minimum(inner, high - margin), inner)
        with np.errstate(all="ignore"):
            both = np.log(inner - low) - np.log(high - inner)
            found = np.where(above, -np.log(high - inner), inner)
            found = np.where(below, np.log(inner - low), found)
        return np.where(below & above, both, found)
