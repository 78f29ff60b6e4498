"""Levenberg-Marquardt of optimistix and the trust region of SciPy over diffrax, as a careful user would.

Rader, Lyons & Kidger (2024), arXiv:2402.09983; Branch, Coleman & Li (1999), doi:10.1137/S1064827595289108.
Jacobians are by forward mode, as exsim's are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import optimistix as optx
from scipy.optimize import least_squares

from exsim.jax_setup import jax, jnp

from .diffrax_gradient import predictions
from .posteriors import NOISE_SD, PRIOR_SD, Posterior

#: (starts (start, parameter), steps of each at most) -> where each ends.
Search = Callable[[np.ndarray, int], np.ndarray]


def residuals(posterior: Posterior, rtol: float, atol: float) -> Callable[[jax.Array, None], jax.Array]:
    """Return what is minus the log density in half its sum of squares, but for a constant."""
    observed = predictions(posterior, "forward")
    data, nominal = np.log(posterior.data), posterior.nominal

    def of(theta: jax.Array, nothing: None) -> jax.Array:
        of_data = (jnp.log(observed(theta, rtol, atol)) - data) / NOISE_SD
        return jnp.concatenate([of_data.reshape(-1), (theta - nominal) / PRIOR_SD])

    return of


def of_optimistix(posterior: Posterior, rtol: float, atol: float) -> Search:
    """Return the search of all starts under one vmap, solves at these tolerances."""
    differ = residuals(posterior, rtol, atol)
    solver = optx.LevenbergMarquardt(rtol=1e-6, atol=1e-6)

    @partial(jax.jit, static_argnums=1)
    def search(starts: jax.Array, steps: int) -> jax.Array:
        def one(theta: jax.Array) -> jax.Array:
            return optx.least_squares(
                differ, solver, theta, options={"jac": "fwd"}, max_steps=steps, throw=False
            ).value

        return jax.vmap(one)(starts)

    return lambda starts, steps: np.asarray(search(jnp.asarray(starts), steps))


def of_scipy(posterior: Posterior, rtol: float, atol: float) -> Search:
    """Return the search of a start after another, solves at these tolerances."""
    differ = residuals(posterior, rtol, atol)
    value, slopes = jax.jit(differ), jax.jit(jax.jacfwd(differ))

    def search(starts: np.ndarray, steps: int) -> np.ndarray:
        found = [
            least_squares(
                lambda theta: np.asarray(value(theta, None)),
                theta,
                lambda theta: np.asarray(slopes(theta, None)),
                max_nfev=steps,
            )
            for theta in starts
        ]
        return np.array([one.x for one in found])

    return search
