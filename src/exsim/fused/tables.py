"""What a kernel reads and writes: tables whose last axis is that of the lanes."""

from __future__ import annotations

from typing import Any

from ..jax_setup import eqx, jax, jnp


class Operands(eqx.Module):
    """Everything that a kernel reads: arrays, their blocks, or references to those.

    The last axis is that of the lanes; it has length 1 where all lanes share a number.
    """

    #: (state, lane)
    start: Any
    #: (constant, lane): what the right-hand side needs, in the order of `System.held`.
    constants: Any
    #: (edge, lane), model time.
    edges: Any
    #: One (segment, lane) an input.
    inputs: tuple[Any, ...]
    #: One (segment, lane) a state that is ever dosed.
    doses: tuple[Any, ...]
    #: (segment, lane): number of the event at the start, -1 for none.
    event: Any
    #: (time, 1): output times in model time and in hours.
    times: Any
    times_h: Any
    #: (time, lane): the segment that each output time belongs to.
    time_segment: Any
    #: (2, 1): rtol and atol.
    tolerances: Any


class Results(eqx.Module):
    """Everything that a kernel writes."""

    #: What the recorder keeps, lanes last.
    kept: Any
    #: (lane,)
    status: Any
    steps: Any
    rejected_steps: Any
    reached: Any


def lane_numbers(table: Any) -> Any:
    """Return 0, 1, ... for the lanes of a block of a table."""
    return jax.lax.iota(jnp.int32, table.shape[-1])


def row_at(table: Any, row: Any, lane: Any) -> Any:
    """Return a row of a table (row, lane) as a lane vector; `row` may differ from lane to lane."""
    column = lane if table.shape[-1] > 1 else jnp.zeros_like(lane)
    return table[jnp.broadcast_to(jnp.asarray(row, jnp.int32), lane.shape), column]
