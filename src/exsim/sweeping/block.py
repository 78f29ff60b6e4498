"""One block of draws, solved as groups of lanes by one compiled program and reduced on the device.

A lane's last digits depend on the lanes beside it, since a group shares its steps. So a block is
always the same 4096 draws, sorted and cut into groups by their own numbers alone: what a draw
gives does not depend on how many blocks are solved, in which order, or where.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Array, Float, Int

from .. import summaries
from ..integrating import Status, integrate
from ..jax_setup import eqx, jax, jnp
from ..lanes import LANES, Timeline
from ..model import Model
from ..protocol import Protocol, Schedule, build_schedule
from ..settling import at_rest, start_of
from ..shapes import OutputHours
from .measuring import Measure, OutputGrid, measure
from .ordering import stiffness

#: Draws of a block.
BLOCK_DRAWS = 4096
#: Lanes of a group that shares its steps: fewer waste the overhead of a step, more wait for each other.
GROUP_LANES = 32

#: The result that holds all curves, and the one that tells the draws of a part.
CURVES, PLACES = "curves", "places"

#: An array of the device, or of the host before it is handed over.
Given: TypeAlias = Array | np.ndarray


@dataclass(frozen=True)
class BlockTask:
    """What is computed for every draw: all that a compiled program depends on but no number."""

    model: Model
    method: str
    #: Steps shared in a group, or own for each lane.
    shared_steps: bool
    max_steps: int
    #: Rows of the parameters that differ between draws.
    varied: tuple[int, ...]
    #: Ids of the states and rules that are observed.
    observed: tuple[str, ...]
    #: For each: whether its peak is a trough (see `exsim.summaries.falls`).
    falling: tuple[bool, ...]
    measures: tuple[Measure, ...]
    #: Ids whose curves are kept at `BlockNumbers.curve_times_h`.
    curves: tuple[str, ...]
    #: Where the output times lie if the edges of the protocol differ between draws; None if they do not.
    grid: OutputGrid | None
    #: Lanes of a group, a part of the draws of a block.
    width: int = GROUP_LANES
    draws: int = BLOCK_DRAWS
    #: Into so many parts the groups of a block are cut, one of which a call solves: for want of memory.
    parts: int = 1


class BlockNumbers(eqx.Module):
    """The numbers of a block: one for all draws, or one a draw along the last axis."""

    #: All parameters of the model, and those that vary, (row, draw).
    parameters: Float[Given, "parameter"]
    varied: Float[Given, "varied draw"]
    protocol: Protocol
    #: How many draws of the block there are: what is behind them is padding.
    count: Int[Given, ""]
    #: Which part of the groups is solved.
    part: Int[Given, ""]
    #: Output times of metrics if all draws share them, hours, and the times of curves.
    times_h: OutputHours
    curve_times_h: Float[Given, "curve_time"]
    until_h: Float[Given, ""]
    rtol: Float[Given, ""]
    atol: Float[Given, ""]
    #: A lane that alone needs shorter steps than this is frozen, hours.
    lone_step_h: Float[Given, ""]


@partial(jax.jit, static_argnums=0)
def solve_block(task: BlockTask, numbers: BlockNumbers) -> dict[str, Array]:
    """Return what `task` asks for of every draw of a block, by name; the first axis is the draw.

    `status` holds `exsim.integrating.Status` and -1 behind `count`; `steps` the steps of the draw's
    group; CURVES all curves, (draw, curve, time), if there are any. What belongs to a failed draw is NaN.
    Of a block in parts one part comes back, and PLACES says which draws of the block it holds.
    """
    present = jnp.arange(task.draws) < numbers.count
    expected = _stiffness(task, numbers)
    # What is no number goes behind the others, and padding behind that.
    expected = jnp.where(present & ~jnp.isnan(expected), expected, jnp.inf)
    order = jnp.argsort(expected, stable=True)
    groups = jax.tree.map(lambda leaf: _grouped(task, leaf, order), _per_draw(numbers))
    whole = task.parts == 1
    size, count = task.draws // task.parts, task.draws // task.width // task.parts
    places = (order if whole else jnp.arange(task.draws) % size).reshape(-1, task.width)

    def solve_lanes(number: Array) -> dict[str, Array]:
        one = _with_draws(numbers, jax.tree.map(lambda leaf: leaf[number], groups))
        return _shared(task, one) if task.shared_steps else _own(task, one)

    kinds = _by_kind(jax.eval_shape(solve_lanes, jnp.asarray(0)))

    def solve_group(number: Array, results: list[Array]) -> list[Array]:
        found = solve_lanes(number)
        rows = [jnp.moveaxis(jnp.stack([found[name] for name in names]), -1, 0) for names, _ in kinds]
        return [
            result.at[places[number]].set(row, unique_indices=True)
            for result, row in zip(results, rows, strict=True)
        ]

    # No longer than there are draws: a block that is not full costs no more than its groups.
    needed = (numbers.count + task.width - 1) // task.width
    first = numbers.part * count
    empty = [_empty((size, len(names), *one.shape[:-1]), one.dtype) for names, one in kinds]
    results = jax.lax.fori_loop(first, jnp.minimum(first + count, needed), solve_group, empty)
    found = {
        name: result[:, place]
        for (names, _), result in zip(kinds, results, strict=True)
        for place, name in enumerate(names)
    }
    return found if whole else found | {PLACES: jax.lax.dynamic_slice_in_dim(order, first * task.width, size)}


def _by_kind(found: dict[str, jax.ShapeDtypeStruct]) -> list[tuple[list[str], jax.ShapeDtypeStruct]]:
    """Return the names of the results of each shape and type, to be kept in one array each.

    XLA merges the writes to several arrays of one shape, and then rewrites all of them for every group.
    """
    kinds: dict[tuple[Any, ...], tuple[list[str], jax.ShapeDtypeStruct]] = {}
    for name, one in found.items():
        kinds.setdefault((one.shape, one.dtype), ([], one))[0].append(name)
    return list(kinds.values())


def _empty(shape: tuple[int, ...], dtype: Any) -> Array:
    return jnp.full(shape, jnp.nan if jnp.issubdtype(dtype, jnp.floating) else -1, dtype)


def _per_draw(numbers: BlockNumbers) -> tuple[Array, list[Array]]:
    protocol = jax.tree.leaves(numbers.protocol)
    return numbers.varied, [leaf for leaf in protocol if jnp.ndim(leaf)]


def _with_draws(numbers: BlockNumbers, per_draw: tuple[Array, list[Array]]) -> BlockNumbers:
    varied, leaves = per_draw
    found = iter(leaves)
    protocol = jax.tree.map(lambda leaf: next(found) if jnp.ndim(leaf) else leaf, numbers.protocol)
    return eqx.tree_at(lambda n: (n.varied, n.protocol), numbers, (varied, protocol))


def _grouped(task: BlockTask, leaf: Array, order: Array) -> Array:
    # (..., draw) -> (group, ..., lane)
    sorted_leaf = leaf[..., order].reshape(*leaf.shape[:-1], task.draws // task.width, task.width)
    return jnp.moveaxis(sorted_leaf, -2, 0)


def _constants(task: BlockTask, numbers: BlockNumbers) -> tuple[list[Any], dict[str, Array]]:
    # What does not vary stays one number for all lanes.
    rows: list[Any] = list(jnp.unstack(numbers.parameters))
    for place, row in enumerate(task.varied):
        rows[row] = numbers.varied[place]
    dtype = numbers.parameters.dtype
    found = task.model.constants(jnp, rows)
    return rows, {id: jax.lax.convert_element_type(value, dtype) for id, value in found.items()}


def _stiffness(task: BlockTask, numbers: BlockNumbers) -> Float[Array, "draw"]:
    rows, constants = _constants(task, numbers)
    schedule = build_schedule(task.model, numbers.protocol, constants, numbers.until_h)
    lanes, dtype = numbers.varied.shape[1:], numbers.parameters.dtype
    start = start_of(task.model, rows, constants, lanes, dtype)
    return stiffness(task.model, Timeline(schedule, constants), start)


def _own(task: BlockTask, numbers: BlockNumbers) -> dict[str, Array]:
    """Solve a group with steps of its own for each lane."""
    alone = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0)[..., None], _per_draw(numbers))
    found = jax.vmap(lambda lane: _shared(task, _with_draws(numbers, lane)))(alone)
    return {name: jnp.moveaxis(values[..., 0], 0, -1) for name, values in found.items()}


def _shared(task: BlockTask, numbers: BlockNumbers) -> dict[str, Array]:
    """Solve a group with shared steps, and measure its curves."""
    model, hours = task.model, task.model.spec.time_unit_h
    rows, constants = _constants(task, numbers)
    schedule = build_schedule(model, numbers.protocol, constants, numbers.until_h)
    timeline = Timeline(schedule, constants)
    dtype = numbers.parameters.dtype
    taus = _taus(task, schedule, numbers.times_h / hours, dtype)
    lanes = numbers.varied.shape[1:]
    start = start_of(model, rows, constants, lanes, dtype)

    def observe(tau: Array, states: tuple[Array, ...], here: Timeline) -> Array:
        values = dict(zip(model.state_ids, states, strict=True))
        if not set(task.observed) <= set(values):
            values |= model.computed(jnp, here.time(tau), here.inputs, states, constants)
        return jnp.stack([jnp.broadcast_to(values[id], lanes) for id in task.observed])

    found = integrate(
        model,
        LANES,
        task.method,
        timeline,
        start,
        taus,
        observe,
        rtol=numbers.rtol,
        atol=numbers.atol,
        max_steps=task.max_steps,
        lone_step=numbers.lone_step_h / hours,
    )
    rest = at_rest(model, rows, constants, start)
    curves = {
        id: (found.observed[:, place], jnp.broadcast_to(jnp.asarray(rest.named(id), dtype), lanes))
        for place, id in enumerate(task.observed)
    }
    times_h = numbers.times_h if task.grid is None else task.grid.times_h(schedule.edges * hours, taus)
    results = _measured(task, numbers, times_h, curves)
    if task.curves:
        results[CURVES] = _kept(task, numbers, times_h, found.observed)
    done = found.status == int(Status.DONE)
    results = {name: jnp.where(done, values, jnp.nan) for name, values in results.items()}
    steps = jnp.broadcast_to(found.steps, lanes)
    return results | {"status": found.status.astype(np.int8), "steps": steps.astype(np.int32)}


def _taus(task: BlockTask, schedule: Schedule, times: OutputHours, dtype: Any) -> Float[Array, "point"]:
    if (task.grid is None) != (schedule.edges.ndim == 1):
        raise ValueError("an output grid is for edges that differ between draws, and they need one")
    return schedule.scaled(times) if task.grid is None else task.grid.taus(dtype)


def _measured(
    task: BlockTask,
    numbers: BlockNumbers,
    times_h: OutputHours,
    curves: dict[str, tuple[Array, Array]],
) -> dict[str, Array]:
    lanes, dtype = numbers.varied.shape[1:], times_h.dtype
    windows = [window for bout in numbers.protocol.bouts for window in bout.repetitions()]
    starts, ends = (
        jnp.stack([jnp.broadcast_to(jnp.asarray(window[side], dtype), lanes) for window in windows])
        if windows
        else jnp.zeros((0, *lanes), dtype)
        for side in (0, 1)
    )
    end_h = jnp.broadcast_to(jnp.asarray(numbers.protocol.end_h, dtype), lanes)
    results = {}
    for id, falling in zip(task.observed, task.falling, strict=True):
        values, rest = curves[id]
        at = partial(_value_at, task, times_h, values)
        columns = summaries.summarise(times_h, values, starts, ends, jnp.asarray(falling), rest)
        for item in task.measures:
            if item.id == id:
                results[item.variable] = measure(item, columns, at, times_h, values, end_h)
    return results


def _kept(
    task: BlockTask, numbers: BlockNumbers, times_h: OutputHours, observed: Float[Array, "time observed lane"]
) -> Float[Array, "curve curve_time lane"]:
    # One array from here to the end: with many times, to copy it once more costs as much as some steps.
    if task.curves != task.observed:
        observed = observed[:, np.asarray([task.observed.index(id) for id in task.curves])]
    if task.grid is None:
        # Every time that is kept is among the output times.
        rows = jnp.argmin(jnp.abs(times_h - numbers.curve_times_h[:, None]), axis=1)
        return jnp.swapaxes(observed[rows], 0, 1)
    values = [
        jax.vmap(partial(task.grid.value_at, times_h, observed[:, place]))(numbers.curve_times_h)
        for place in range(len(task.curves))
    ]
    return jnp.stack(values)


def _value_at(task: BlockTask, times_h: OutputHours, values: Array, at_h: Array) -> Array:
    if task.grid is not None:
        return task.grid.value_at(times_h, values, at_h)
    # Every time that is asked for is among the output times, in the same row for all lanes.
    at_h = jnp.reshape(at_h, -1)[0]
    row = jnp.argmin(jnp.abs(times_h - at_h))
    inside = (at_h >= times_h[0]) & (at_h <= times_h[-1] + summaries.SAME_TIME_H)
    return jnp.where(inside, values[row], jnp.nan)
