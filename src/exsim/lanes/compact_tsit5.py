"""Tsitouras' 5(4) pair as a small program, for one solve: the state is one vector, the stages a loop.

The same pair as `LaneTsit5` (reference there). The right-hand side stands in the program once and
not seven times, so that it is traced and compiled in a third of the time and less; the steps of a
single solve cost the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float

from ..jax_setup import diffrax, eqx, jax, jnp
from .tsit5 import B_ERROR, B_THETA, A, C

Vector = Float[Array, "state"]

# The tableau as arrays: row i of _A has the weights of the stages before stage i, zeros behind.
_STAGES = len(B_ERROR)
_A = np.zeros((_STAGES, _STAGES))
for _row, _weights in enumerate(A, start=1):
    _A[_row, : len(_weights)] = _weights
_C = np.array((0.0, *C))
_B_ERROR, _B_THETA = np.array(B_ERROR), np.array(B_THETA)


def rms_norm(error: Vector) -> Array:
    """Return the root mean square over the states."""
    return jnp.sqrt(jnp.mean(jax.lax.stop_gradient(error) ** 2))


class CompactInterpolation(diffrax.AbstractLocalInterpolation):
    """The interpolant of one step; `stages` (stage, state) already hold the step size."""

    t0: Any
    t1: Any
    y0: Vector
    stages: Float[Array, "stage state"]

    def evaluate(self, t0: Any, t1: Any | None = None, left: bool = True) -> Vector:
        """Return the state at `t0`, or its change from `t0` to `t1`."""
        if t1 is not None:
            return self.evaluate(t1) - self.evaluate(t0)
        theta = (t0 - self.t0) / (self.t1 - self.t0)
        a, b, c, d = _B_THETA.astype(self.y0.dtype).T
        weights = theta * (a + theta * (b + theta * (c + theta * d)))
        return self.y0 + _weighted(weights, self.stages)


class CompactTsit5(diffrax.AbstractAdaptiveSolver):
    """Explicit, order 5, for a state that is one vector."""

    term_structure: ClassVar = diffrax.AbstractTerm
    interpolation_cls: ClassVar[Callable[..., CompactInterpolation]] = CompactInterpolation

    def order(self, terms: Any) -> int:
        """Return the order of the solution that is carried on."""
        return 5

    def init(self, terms: Any, t0: Any, t1: Any, y0: Vector, args: Any) -> None:
        """Return nothing: no step needs what another has computed."""

    def func(self, terms: Any, t0: Any, y0: Vector, args: Any) -> Vector:
        """Return the derivative."""
        return terms.vf(t0, y0, args)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Vector, args: Any, solver_state: None, made_jump: Any
    ) -> tuple[Vector, Vector, dict[str, Any], None, Any]:
        """Make one step from `t0` to `t1`."""
        y1, error, stages = _step(terms, t0, t1, y0, args)
        return y1, error, {"y0": y0, "stages": stages}, None, diffrax.RESULTS.successful


# Jitted by itself: diffrax traces the body of its loop three times, this part only once.
@eqx.filter_jit
def _step(terms: Any, t0: Any, t1: Any, y0: Vector, args: Any) -> tuple[Vector, Vector, Array]:
    h = t1 - t0
    tableau = (jnp.asarray(_A, y0.dtype), jnp.asarray(_C, y0.dtype))

    def stage(number: Array, carried: tuple[Array, Vector]) -> tuple[Array, Vector]:
        stages, _ = carried
        weights, c = (jax.lax.dynamic_index_in_dim(part, number, keepdims=False) for part in tableau)
        y = y0 + _weighted(weights, stages)
        slope = h * terms.vf(t0 + c * h, y, args)
        return jax.lax.dynamic_update_index_in_dim(stages, slope, number, 0), y

    empty = jnp.zeros((_STAGES, *y0.shape), y0.dtype)
    stages, y1 = jax.lax.fori_loop(0, _STAGES, stage, (empty, y0))
    return y1, _weighted(jnp.asarray(_B_ERROR, y0.dtype), stages), stages


def _weighted(weights: Array, stages: Array) -> Vector:
    # Written out: XLA makes a matrix product of a sum of products, and calls a library for a large one.
    terms = [weight * stage for weight, stage in zip(jnp.unstack(weights), jnp.unstack(stages), strict=True)]
    return reduce(jnp.add, terms)
