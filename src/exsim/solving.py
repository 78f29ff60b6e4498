"""solve(model, protocol, ...) -> Trajectory: arrays and a status, never an exception, never a hang."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int

from .integrating import LANE_SOLVERS, SOLVERS, STATUS_TEXT, Integration, Status, integrate
from .jax_setup import eqx, jax, jnp
from .lanes import LANES, ONE_VECTOR, Timeline
from .model import Model
from .protocol import Protocol, build_schedule
from .settling import start_of
from .shapes import OutputTimes, OverTime, ParameterVector

__all__ = ["SOLVERS", "STATUS_TEXT", "Status", "Trajectory", "solve"]


class Trajectory(eqx.Module):
    """One solve: what the states and rules are at the output times, and how it ended.

    Values are NaN from where a failed solve stopped. Times are in hours, values in the model's
    own units. Of many solves as lanes every value has a trailing lane axis; they share their steps.
    """

    time_h: OverTime
    #: One row per state, in the order of `Model.state_ids`.
    states: Float[Array, "state time *lane"]
    #: One row per rule, in the order of `Model.rule_ids`.
    rules: Float[Array, "rule time *lane"]
    #: One row per input, in the order of `Model.input_ids`.
    inputs: Float[Array, "input time"]
    status: Int[Array, "*lane"]
    steps: Int[Array, ""]
    rejected_steps: Int[Array, ""]
    #: The last good time, hours, and the states there.
    reached_h: Float[Array, ""]
    reached_states: Float[Array, "state *lane"]


def solve(
    model: Model,
    protocol: Protocol,
    parameters: ParameterVector,
    times_h: OutputTimes,
    *,
    method: str = "tsit5",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    max_steps: int = 100_000,
) -> Trajectory:
    """Integrate a model under a protocol and return it at `times_h`, from 0 to the last of them.

    `parameters` are in the order of `model.parameter_ids`, shape (parameter,), or (parameter, lane)
    for many solves under one protocol as lanes of one system; `atol` is in the unit of each state.
    Numbers keep the precision of `parameters` (float64 inside `jax.enable_x64(True)`). Another
    number never traces anew; another model, method or shape of the protocol does. The function
    can be differentiated in forward mode. A solve that stops early says so by its status. Raises
    ValueError for lanes with kvaerno5, with doses per kg, or with jumps at times of their own.
    """
    if parameters.ndim > 1:
        _check_lanes(model, protocol, method)
    double = parameters.dtype == np.float64
    with jax.enable_x64(double):
        numbers = jax.tree.map(
            partial(_as_array, dtype=np.float64 if double else np.float32),
            (protocol.without_names(), parameters, times_h, rtol, atol),
        )
        return _solve(model, method, max_steps, *numbers)


def _as_array(value: Any, dtype: Any) -> Any:
    # Host numbers stay on the host until the compiled program takes them: one transfer, not ten.
    return value.astype(dtype) if isinstance(value, jax.Array) else np.asarray(value, dtype)


def _check_lanes(model: Model, protocol: Protocol, method: str) -> None:
    # Lanes share one line of edges here, and one Jacobian there.
    if method not in LANE_SOLVERS:
        raise ValueError(f"{method} takes one lane: many are solved by {' or '.join(LANE_SOLVERS)}")
    per_kg = [item.mass_power for item in protocol.infusions] + [item.mass_power for item in protocol.boluses]
    if any(per_kg):
        raise ValueError("a dose per kg differs between lanes of different body mass: give it as a whole")


@partial(jax.jit, static_argnums=(0, 1, 2))
def _solve(
    model: Model,
    method: str,
    max_steps: int,
    protocol: Protocol,
    parameters: Array,
    times_h: Array,
    rtol: Array,
    atol: Array,
) -> Trajectory:
    lanes, dtype = parameters.shape[1:], parameters.dtype
    form = LANES if lanes else ONE_VECTOR
    values = jnp.unstack(parameters)
    constants = {
        id: jax.lax.convert_element_type(value, dtype) for id, value in model.constants(jnp, values).items()
    }
    schedule = build_schedule(model, protocol, constants, times_h[-1])
    if schedule.edges.ndim > 1:
        raise ValueError(f"{model.spec.name}: lanes have jumps at times of their own here: sweep them")
    times = times_h / model.spec.time_unit_h
    start = start_of(model, values, constants, lanes, dtype)
    timeline = Timeline(schedule, constants)
    found = integrate(
        model,
        form,
        method,
        timeline,
        start,
        schedule.scaled(times),
        lambda tau, states, here: jnp.stack(states),
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
    )
    return _trajectory(model, timeline, times, found)


def _trajectory(model: Model, timeline: Timeline, times: Array, found: Integration) -> Trajectory:
    schedule = timeline.schedule
    states = jnp.moveaxis(found.observed, 0, 1)
    inputs = schedule.inputs_at(times)
    lanes = (1,) * (states.ndim - 2)
    over_lanes = [values.reshape(-1, *(lanes or values.shape[1:])) for values in (times, *inputs)]
    computed = model.computed(jnp, over_lanes[0], over_lanes[1:], jnp.unstack(states), timeline.constants)
    rules = [computed[id] for id in model.rule_ids]
    tau = found.reached_tau
    number = jnp.clip(jnp.floor(tau).astype(int), 0, schedule.segments - 1)
    width = schedule.edges[number + 1] - schedule.edges[number]
    return Trajectory(
        time_h=times * model.spec.time_unit_h,
        states=states,
        rules=_rows(rules, states.shape[1:], times.dtype),
        inputs=_rows(inputs, times.shape, times.dtype),
        status=found.status,
        steps=found.steps,
        rejected_steps=found.rejected_steps,
        reached_h=(schedule.edges[number] + (tau - number) * width) * model.spec.time_unit_h,
        reached_states=found.reached,
    )


def _rows(values: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> Array:
    rows = [jnp.broadcast_to(jnp.asarray(value, dtype), shape) for value in values]
    return jnp.stack(rows) if rows else jnp.zeros((0, *shape), dtype)
