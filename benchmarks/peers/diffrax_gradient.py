"""diffrax as a careful user differentiates it: Tsit5, steps that end at the jumps, one vector at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from exsim.jax_setup import diffrax, jax, jnp

from .posteriors import NOISE_SD, PRIOR_SD, Engine, Posterior

#: More than any vector takes; the checkpoints of the reverse mode are laid out for so many steps.
MAX_STEPS = 4096


def predictions(
    posterior: Posterior, mode: Literal["reverse", "forward"]
) -> Callable[[jax.Array, float, float], jax.Array]:
    """Return (logarithms of the free numbers, rtol, atol) -> observables (time, observable)."""
    model = posterior.problem.model
    edges, inputs = posterior.problem.segments
    times, fixed = posterior.times_h, posterior.problem.parameters[0]
    places, observed = posterior.places, posterior.observed
    adjoint = diffrax.RecursiveCheckpointAdjoint() if mode == "reverse" else diffrax.ForwardMode()

    def rates(time: jax.Array, state: jax.Array, constants: dict[str, jax.Array]) -> jax.Array:
        segment = jnp.clip(jnp.searchsorted(edges, time, side="right") - 1, 0, len(inputs) - 1)
        now = [level[segment] for level in map(jnp.asarray, inputs.T)]
        return jnp.stack(model.derivative(jnp, time, now, list(state), constants))

    def predicted(theta: jax.Array, rtol: float, atol: float) -> jax.Array:
        parameters = list(jnp.asarray(fixed).at[places].set(jnp.exp(theta)))
        constants = {id: jnp.asarray(value) for id, value in model.constants(jnp, parameters).items()}
        steps = diffrax.PIDController(rtol=rtol, atol=atol)
        states = diffrax.diffeqsolve(
            diffrax.ODETerm(rates),
            diffrax.Tsit5(),
            0.0,
            times[-1],
            None,
            jnp.stack([jnp.asarray(y, float) for y in model.initial_state(jnp, parameters)]),
            constants,
            saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
            stepsize_controller=diffrax.ClipStepSizeController(steps, jump_ts=jnp.asarray(edges[1:-1])),
            adjoint=adjoint,
            max_steps=MAX_STEPS,
            throw=False,
        ).ys
        return states[:, observed]

    return predicted


def log_density(
    posterior: Posterior, mode: Literal["reverse", "forward"]
) -> Callable[[jax.Array, float, float], jax.Array]:
    """Return (logarithms of the free numbers, rtol, atol) -> log posterior density."""
    predicted, data, nominal = predictions(posterior, mode), posterior.data, posterior.nominal

    def of(theta: jax.Array, rtol: float, atol: float) -> jax.Array:
        z = (np.log(data) - jnp.log(predicted(theta, rtol, atol))) / NOISE_SD
        away = (theta - nominal) / PRIOR_SD
        normal = 0.5 * math.log(2 * math.pi)
        of_data = jnp.sum(-0.5 * z**2 - np.log(NOISE_SD * data) - normal)
        return of_data + jnp.sum(-0.5 * away**2 - math.log(PRIOR_SD) - normal)

    return of


def prepare(posterior: Posterior, mode: Literal["reverse", "forward"]) -> Engine:
    """Return the engine: reverse mode through checkpoints (diffrax's default), or one tangent a parameter."""
    density = log_density(posterior, mode)

    @jax.jit
    def one(theta: jax.Array, rtol: float, atol: float) -> tuple[jax.Array, jax.Array]:
        if mode == "reverse":
            return jax.value_and_grad(density)(theta, rtol, atol)

        def along(direction: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jax.jvp(lambda x: density(x, rtol, atol), (theta,), (direction,))

        return jax.vmap(along, out_axes=(None, 0))(jnp.eye(len(theta)))

    def ask(vectors: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            found = [one(vector, rtol, atol) for vector in vectors]
            return np.array([value for value, _ in found]), np.array([gradient for _, gradient in found])

    return ask
