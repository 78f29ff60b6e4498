"""Model, protocol and draws -> the tables that a kernel reads, and what is known before it is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Array, Float

from ..jax_setup import jax, jnp
from ..model import Model
from ..protocol import Protocol, Schedule, build_schedule
from ..shapes import OverTime
from .tables import Operands


@dataclass(frozen=True)
class System:
    """What a kernel knows before it is compiled."""

    model: Model
    #: Ids of the states or rules that are recorded.
    recorded: tuple[str, ...]
    #: Ids of the constants that it reads, in the order of `Operands.constants`, and the literal ones.
    held: tuple[str, ...]
    literals: tuple[tuple[str, float], ...]
    #: Numbers of the states that are ever dosed, in the order of `Operands.doses`.
    dosed: tuple[int, ...]
    #: True to fuse products with sums, by an instruction that only a GPU has.
    contract: bool


def prepare(
    model: Model,
    protocol: Protocol,
    parameters: Float[Array, "parameter lane"],
    times_h: OverTime,
    tolerances: Float[Array, "2"],
    recorded: tuple[str, ...],
    contract: bool,
) -> tuple[System, Operands]:
    """Return what the kernel knows, and its tables; those that the lanes share have a last axis of 1."""
    dtype, lanes = parameters.dtype, parameters.shape[1]
    values = jnp.unstack(parameters)
    constants = model.constants(jnp, values)
    schedule = _schedule(model, protocol, constants, times_h[-1], lanes)
    times = times_h / model.spec.time_unit_h
    used = _used(model, constants, recorded, dtype)
    held = tuple(id for id in used if not isinstance(constants[id], bool | float))
    start = model.initial_state(jnp, values)
    operands = Operands(
        start=_stacked(start, lanes, dtype),
        constants=_stacked([constants[id] for id in held], lanes, dtype),
        edges=_table(schedule.edges),
        inputs=tuple(map(_table, schedule.inputs)),
        doses=tuple(map(_table, schedule.doses.values())),
        event=_table(schedule.event.astype(jnp.int32)),
        times=times[:, None],
        times_h=times_h[:, None],
        time_segment=_segments_of(schedule, times),
        tolerances=tolerances[:, None],
    )
    literals = tuple((id, constants[id]) for id in used if isinstance(constants[id], bool | float))
    dosed = tuple(model.state_ids.index(id) for id in schedule.doses)
    return System(model, recorded, held, literals, dosed, contract), operands


def pad_lanes(operands: Operands, count: int) -> Operands:
    """Return the tables with `count` lanes: the last one is repeated, which makes no block slower."""
    lanes = operands.start.shape[1]

    def pad(table: Array) -> Array:
        return jnp.pad(table, ((0, 0), (0, count - lanes)), mode="edge")

    shared = jax.tree.map(lambda table: table if table.shape[1] == 1 else pad(table), operands)
    # These two are read lane by lane even where there is but one.
    return replace(shared, start=pad(operands.start), constants=pad(operands.constants))


def _schedule(
    model: Model, protocol: Protocol, constants: Mapping[str, Any], until_h: Array, lanes: int
) -> Schedule:
    # One for all lanes, or one a lane where anything on it differs between them.
    arrays = {id: jnp.broadcast_to(value, (lanes,)) for id, value in constants.items()}
    events, switches = model.jump_times(jnp, constants)
    powers = [item.mass_power for item in protocol.infusions] + [item.mass_power for item in protocol.boluses]
    if not any(powers) and all(
        jnp.ndim(number) == 0 for number in (*events, *switches, *jax.tree.leaves(protocol))
    ):
        return build_schedule(model, protocol, {id: value[0] for id, value in arrays.items()}, until_h)

    def of_one_lane(protocol: Protocol, constants: dict[str, Array]) -> Schedule:
        return build_schedule(model, protocol, constants, until_h)

    each = jax.tree.map(lambda number: jnp.broadcast_to(number, (lanes,)), protocol)
    return jax.vmap(of_one_lane, out_axes=-1)(each, arrays)


def _used(
    model: Model, constants: Mapping[str, Any], recorded: tuple[str, ...], dtype: Any
) -> tuple[str, ...]:
    # Ids of the constants that the kernel needs: any other would only take memory.
    def everything(constants: dict[str, Any], time: Any, inputs: Any, states: Any) -> list[Any]:
        found = list(model.derivative(jnp, time, inputs, states, constants))
        for event in range(len(model.spec.events)):
            found += model.assigned(jnp, event, time, inputs, states, constants)
        if not set(recorded) <= set(model.state_ids):
            found += model.computed(jnp, time, inputs, states, constants).values()
        return [jnp.asarray(value) for value in found]

    number = jax.ShapeDtypeStruct((), dtype)
    ids = sorted(constants)
    inputs, states = ((number,) * len(names) for names in (model.input_ids, model.state_ids))
    traced = jax.make_jaxpr(everything)(dict.fromkeys(ids, number), number, inputs, states).jaxpr
    read = {id(variable) for equation in traced.eqns for variable in equation.invars}
    read |= {id(variable) for variable in traced.outvars}
    # A dict is flattened in the order of its sorted keys.
    return tuple(name for name, variable in zip(ids, traced.invars, strict=False) if id(variable) in read)


def _stacked(values: Sequence[Any], lanes: int, dtype: Any) -> Array:
    rows = [jnp.broadcast_to(jnp.asarray(value, dtype), (lanes,)) for value in values]
    return jnp.stack(rows) if rows else jnp.zeros((1, lanes), dtype)


def _table(values: Array) -> Array:
    return values[:, None] if values.ndim == 1 else values


def _segments_of(schedule: Schedule, times: Array) -> Array:
    # `Schedule.segment_of` for edges that may differ from lane to lane.
    edges = _table(schedule.edges)
    rounding = 8 * jnp.finfo(times.dtype).eps * edges[-1]
    begun = jnp.sum(edges[:, None] <= times[:, None] + rounding, axis=0, dtype=jnp.int32)
    return jnp.clip(begun - 1, 0, schedule.segments - 1)
