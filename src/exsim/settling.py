"""Where a simulation begins: at the start that the model gives, or where it settles with nothing done.

A steady state is looked for by pseudo-transient continuation: implicit Euler steps that grow as the rates
shrink (Kelley & Keyes 1998, doi:10.1137/S0036142996304796). What the model conserves stays what the start
holds. Its derivatives follow from the implicit function theorem, by one more step that is as good as endless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Array

from .evaluation import Evaluator
from .jax_setup import jax, jnp
from .model import Model

#: Steps at most; the share of a state by which none moves in a step that is so long beside the fastest rate.
MOST_STEPS, SETTLED, LONG = 300, 1e-8, 1e4
#: A rate below this, in one over the model's unit of time, is none.
SLOWEST = 1e-12
#: What is smaller counts as nothing, in the unit of each state.
NOTHING = 1e-9
#: The last step, in units of the fastest rate: endless beside all but the slowest, and still a number.
ENDLESS = 1e8


def start_of(
    model: Model, rows: Sequence[Any], constants: Mapping[str, Any], lanes: tuple[int, ...], dtype: Any
) -> tuple[Array, ...]:
    """Return the states at time 0 before anything is done, each of shape `lanes`.

    Of a model that settles, NaN where no steady state is found.
    """
    start = tuple(
        jnp.broadcast_to(jax.lax.convert_element_type(value, dtype), lanes)
        for value in model.initial_state(jnp, rows)
    )
    return _settled(model, constants, start) if model.spec.settles and start else start


def at_rest(
    model: Model, rows: Sequence[Any], constants: Mapping[str, Any], start: Sequence[Any]
) -> Evaluator:
    """Return the evaluator of everything at time 0 before anything is done; `start` are the states there."""
    nothing = [0.0] * len(model.input_ids)
    if model.spec.settles:
        return model.observer(jnp, 0.0, nothing, start, constants)
    return model.start(jnp, rows, nothing)


def _settled(model: Model, constants: Mapping[str, Any], start: tuple[Array, ...]) -> tuple[Array, ...]:
    nothing, lanes = [0.0] * len(model.input_ids), start[0].shape

    def rates(states: Array, constants: Mapping[str, Any]) -> Array:
        # (*lane, state)
        found = model.derivative(jnp, 0.0, nothing, jnp.unstack(states, axis=-1), constants)
        return jnp.stack([jnp.broadcast_to(value, lanes) for value in found], axis=-1)

    begun = jnp.stack(start, axis=-1)
    count, dtype = len(start), begun.dtype
    held = jax.tree.map(jax.lax.stop_gradient, dict(constants))
    one = jnp.eye(count, dtype=dtype)

    def jacobian(states: Array) -> Array:
        def along(direction: Array) -> Array:
            tangent = jnp.broadcast_to(direction, states.shape)
            return jax.jvp(lambda y: rates(y, held), (states,), (tangent,))[1]

        return jnp.moveaxis(jax.vmap(along)(one), 0, -1)

    def step(now: tuple[Array, ...]) -> tuple[Array, ...]:
        number, states, length, share, settled = now
        slopes, found = jacobian(states), rates(states, held)
        fast = jnp.maximum(jnp.max(jnp.abs(slopes), axis=(-2, -1)), SLOWEST)
        change = _solved(one / length[..., None, None] - slopes, found)
        moved = states + change
        new = jnp.max(jnp.abs(change) / (jnp.abs(states) + NOTHING), axis=-1)
        # A long step may jump over 0 to a steady state that no amount can reach; a short one passes it.
        jumps = jnp.any((moved < 0) & (states > 0), axis=-1) & (length * fast > 0.1)
        good = jnp.isfinite(new) & jnp.all(jnp.isfinite(moved), axis=-1) & ~jumps
        # Little moves although the step is long beside the fastest rate: nothing will. What grows without
        # end moves the more, the longer the step.
        there = good & (new < SETTLED) & (length * fast > LONG)
        calmer = jnp.clip(share / jnp.where(new > 0, new, 1.0), 0.5, 10.0)
        growth = jnp.where(good, jnp.where(new < 0.1, 10.0, calmer), 0.25)
        moves = good & ~settled
        return (
            number + 1,
            jnp.where(moves[..., None], moved, states),
            jnp.where(settled, length, length * growth),
            jnp.where(moves, new, share),
            settled | there,
        )

    first = jax.lax.stop_gradient(begun)
    fast = jnp.max(jnp.abs(jacobian(first)), axis=(-2, -1))
    length = 0.1 / jnp.where(jnp.isfinite(fast) & (fast > SLOWEST), fast, 1.0)
    nowhere = jnp.zeros(lanes, bool)
    _, states, _, _, settled = jax.lax.while_loop(
        lambda now: (now[0] < MOST_STEPS) & ~jnp.all(now[4]),
        step,
        (jnp.asarray(0), first, length, jnp.full(lanes, jnp.inf, dtype), nowhere),
    )
    states, slopes = jax.lax.stop_gradient(states), jax.lax.stop_gradient(jacobian(states))
    size = jnp.max(jnp.abs(slopes), axis=(-2, -1))
    long = (ENDLESS / jnp.where(size > 0, size, 1.0))[..., None]
    # Only the derivative of the start counts here: what of it is conserved.
    change = begun - first + long * rates(states, dict(constants))
    found = states + _solved(one - long[..., None] * slopes, change)
    return tuple(jnp.unstack(jnp.where(settled[..., None], found, jnp.nan), axis=-1))


def _solved(matrix: Array, right: Array) -> Array:
    return jnp.linalg.solve(matrix, right[..., None])[..., 0]
