"""exsim: groups of lanes that share their steps, one after another in one compiled program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exsim.jax_setup import jax, jnp
from exsim.solving import solve

from .problems import Problem

NAME = "exsim lanes"


def prepare(
    problem: Problem, rtol: float, atol: float, width: int = 256, dtype: type = np.float64
) -> Callable[[], np.ndarray]:
    """Compile and return the run: `exsim.solving.solve` on groups of `width` lanes under `lax.map`."""
    count = -(-problem.draws // width)
    filled = np.pad(problem.parameters, ((0, count * width - problem.draws), (0, 0)), mode="edge")
    groups = jnp.asarray(filled.reshape(count, width, -1).transpose(0, 2, 1), dtype)
    times = problem.times_h.astype(dtype)

    def one_group(lanes: jax.Array) -> jax.Array:
        return solve(problem.model, problem.protocol, lanes, times, rtol=rtol, atol=atol).states

    program = jax.jit(lambda groups: jax.lax.map(one_group, groups)).lower(groups).compile()

    def run() -> np.ndarray:
        # (group, state, time, lane) -> (draw, time, state)
        states = np.asarray(program(groups)).transpose(0, 3, 2, 1)
        return states.reshape(count * width, *states.shape[2:])[: problem.draws]

    return run
