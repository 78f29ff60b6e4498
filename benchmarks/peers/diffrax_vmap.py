"""Stock diffrax as a careful user writes it: array state, Tsit5, steps that end at the jumps, `jax.vmap`."""

from __future__ import annotations

import numpy as np

from exsim.jax_setup import diffrax, jax, jnp

from .problems import Problem, Run


def prepare(
    problem: Problem, rtol: float, atol: float, chunk: int | None = None, known_jumps: bool = True
) -> Run:
    """Compile and return the run: one vmap over all draws, or over `chunk` of them at a time.

    Without `known_jumps` the input is a `where` in the right-hand side, which no step ends at.
    """
    model = problem.model
    times = jnp.asarray(problem.times_h)
    edges, inputs = (jnp.asarray(values) for values in problem.segments)
    ids = list(problem.constants)
    constants = np.stack([problem.constants[id] for id in ids], axis=1)

    def rates(time: jax.Array, state: jax.Array, values: jax.Array) -> jax.Array:
        segment = jnp.clip(jnp.searchsorted(edges, time, side="right") - 1, 0, len(inputs) - 1)
        now = [inputs[segment, number] for number in range(inputs.shape[1])]
        return jnp.stack(model.derivative(jnp, time, now, list(state), dict(zip(ids, values, strict=True))))

    steps = diffrax.PIDController(rtol=rtol, atol=atol)
    if known_jumps:
        steps = diffrax.ClipStepSizeController(steps, jump_ts=edges[1:-1])

    def one(start: jax.Array, values: jax.Array) -> jax.Array:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rates),
            diffrax.Tsit5(),
            0.0,
            times[-1],
            None,
            start,
            values,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=steps,
            max_steps=100_000,
            throw=False,
        ).ys

    size = problem.draws if chunk is None else chunk
    count = -(-problem.draws // size)

    def chunks(rows: np.ndarray) -> jax.Array:
        filled = np.pad(rows, ((0, count * size - len(rows)), (0, 0)), mode="edge")
        return jnp.asarray(filled.reshape(count, size, -1))

    arguments = chunks(problem.start), chunks(constants)

    def all_draws(start: jax.Array, values: jax.Array) -> jax.Array:
        return jax.lax.map(lambda rows: jax.vmap(one)(*rows), (start, values))

    program = jax.jit(all_draws).lower(*arguments).compile()

    def solve() -> np.ndarray:
        return np.asarray(program(*arguments))

    def states(found: np.ndarray) -> np.ndarray:
        return found.reshape(count * size, *found.shape[2:])[: problem.draws]

    return Run(solve, states)
