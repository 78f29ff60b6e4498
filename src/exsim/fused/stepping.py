"""One step of Tsitouras' 5(4) pair for a block of lanes, each with its own step, in plain arithmetic.

The same pair as `exsim.lanes.tsit5` (reference there). Everything is written out over the states
with the tableau as Python floats, so that a GPU compiler can hold it in registers; nothing here
reduces over lanes. A state whose rate is the literal 0 (it changes by jumps alone) has None in the
place of its slopes and takes no part in the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..jax_setup import jnp
from ..lanes.tsit5 import B_ERROR, B_THETA, A, C

#: One lane vector a state.
Block: TypeAlias = tuple[Any, ...]
#: One lane vector a state, None for a state that does not move.
Slopes: TypeAlias = tuple[Any, ...]

# The elementary controller of diffrax's PIDController: what it takes by default.
SAFETY, SMALLEST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 10.0
#: 1 / (2 * order of the step): the error enters as its square.
_ROOT = 1 / 10


def try_step(rates: Callable[[Any, Block], Slopes], time: Any, step: Any, y0: Block) -> tuple[Block, Block]:
    """Return the states after a step of each lane, and the slopes of its seven stages."""
    slopes = [rates(time, y0)]
    y1 = y0
    for row, c in zip(A, C, strict=True):
        y1 = _moved(y0, step, row, slopes)
        slopes.append(rates(time + c * step, y1))
    return y1, tuple(slopes)


def squared_error(step: Any, y0: Block, y1: Block, slopes: Block, rtol: Any, atol: Any) -> Any:
    """Return the mean square over the states of error over tolerance, one a lane: below 1 is good.

    Not a number, or infinite, where a state or a slope is.
    """
    total = jnp.zeros_like(step)
    for number, (before, after) in enumerate(zip(y0, y1, strict=True)):
        error = _weighted(B_ERROR, [stage[number] for stage in slopes])
        if error is not None:
            scale = atol + rtol * jnp.maximum(jnp.abs(before), jnp.abs(after))
            total = total + (step * error / scale) ** 2
    return total / len(y0)


def step_factor(square: Any, good: Any) -> Any:
    """Return what the next step is longer by, from `squared_error`."""
    known = square < jnp.inf
    # A tenth root by exp and log: a GPU has both, and no power of its own.
    size = jnp.where(known & (square > 1e-30), square, 1e-30)
    factor = jnp.where(known, SAFETY * jnp.exp(-_ROOT * jnp.log(size)), SMALLEST_FACTOR)
    grown = jnp.minimum(jnp.maximum(factor, 1.0), LARGEST_FACTOR)
    shrunk = jnp.minimum(jnp.maximum(factor, SMALLEST_FACTOR), SAFETY)
    return jnp.where(good, grown, shrunk)


def between(share: Any, step: Any, y0: Block, slopes: Block) -> Block:
    """Return the states after a share (0 to 1) of the step, by the interpolant of order 4."""
    weights = [share * (a + share * (b + share * (c + share * d))) for a, b, c, d in B_THETA]
    return _moved(y0, step, weights, slopes)


def _moved(y0: Block, step: Any, weights: Sequence[Any], slopes: Sequence[Slopes]) -> Block:
    changes = [_weighted(weights, [stage[number] for stage in slopes]) for number in range(len(y0))]
    return tuple(y if change is None else y + step * change for y, change in zip(y0, changes, strict=True))


def _weighted(weights: Sequence[Any], stages: Sequence[Any]) -> Any:
    # The sum of the stages of one state with these weights; None for one that does not move.
    total = None
    for weight, stage in zip(weights, stages, strict=True):
        if stage is None or (isinstance(weight, float) and weight == 0.0):
            continue
        total = weight * stage if total is None else total + weight * stage
    return total
