"""The highest density of a target in its coordinates, and how sharply it bends there."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Array, Float

from ..errors import InferenceError
from ..fitting import Evaluator, Expanded, why_none
from ..fitting.searching import Box, Evaluate, Search, begin, gauss_newton
from ..jax_setup import jax, jnp
from .density import HostVectors, Target, Vectors, theta_of

#: Nothing is known worse than this, in coordinates without bounds.
WIDEST_SD = 4.0
#: The longest step of a coordinate.
_LONGEST = 2.0
#: How many vectors are placed by one call.
_SIZES = (1, 4, 16, 64)
_TOGETHER = _SIZES[-1]


def climb(
    target: Target, evaluate: Evaluator, starts: HostVectors, steps: int
) -> Float[np.ndarray, "coordinate"]:
    """Return where the best of these starts ends. Raises InferenceError where no start has a density."""
    found = climb_from(partial(expand_in_coordinates, target, evaluate), starts, steps)
    if not np.isfinite(found.at.value).any():
        theta = theta_of(target, starts[:1])[0]
        raise InferenceError(f"no start has a log density\n  {why_none(target.objective, theta)}")
    return found.vectors[int(np.argmax(found.at.value))]


def climb_from(at: Evaluate, starts: HostVectors, steps: int) -> Search:
    """Return where starts end in coordinates without bounds."""
    size = starts.shape[1]
    box = Box(np.full(size, -np.inf), np.full(size, np.inf), np.full(size, _LONGEST))
    return gauss_newton(at, begin(at, starts), box, steps)


def root_of(information: Float[np.ndarray, "coordinate coordinate"]) -> np.ndarray:
    """Return a matrix whose square, root root', is the inverse of an information, bounded where it is 0."""
    sizes, directions = np.linalg.eigh(0.5 * (information + information.T))
    return directions * np.maximum(sizes, WIDEST_SD**-2) ** -0.5


def expand_in_coordinates(target: Target, evaluate: Evaluator, u: HostVectors) -> Expanded:
    """Return the log density of a target about its coordinates, as that of theta is expanded."""
    parts = [_placed_part(target, u[begin : begin + _TOGETHER]) for begin in range(0, len(u), _TOGETHER)]
    theta, more, slopes, push, bend = (np.concatenate(items) for items in zip(*parts, strict=True))
    at = evaluate(theta)
    curvature = slopes.transpose(0, 2, 1) @ at.curvature @ slopes + bend
    return Expanded(
        at.value + more,
        at.likelihood,
        np.einsum("vpc,vp->vc", slopes, at.gradient) + push,
        curvature,
        at.status,
        at.steps,
        at.solves,
    )


def _placed_part(target: Target, u: HostVectors) -> list[np.ndarray]:
    # Searches ask for ever fewer vectors, and each number of them is a program: there are 1, 4, 16 and 64.
    size = next(size for size in _SIZES if size >= len(u))
    padded = np.concatenate([u, np.repeat(u[-1:], size - len(u), axis=0)])
    with jax.enable_x64(True):
        return [np.asarray(item)[: len(u)] for item in _placed(target, jnp.asarray(padded))]


@partial(jax.jit, static_argnums=0)
def _placed(target: Target, u: Vectors) -> tuple[Array, ...]:
    # Theta and the rest of the density with their derivatives; the bend of the rest where it bends down.
    def one(u: Array) -> tuple[Array, ...]:
        def theta(u: Array) -> Array:
            return target.place(u[None])[0][0]

        def more(u: Array) -> Array:
            return target.place(u[None])[1][0]

        sizes, directions = jnp.linalg.eigh(-jax.hessian(more)(u))
        bend = (directions * jnp.maximum(sizes, 0.0)) @ directions.T
        return theta(u), more(u), jax.jacfwd(theta)(u), jax.grad(more)(u), bend

    return jax.vmap(one)(u)
