"""solve(model, protocol, ...) -> Trajectory: arrays and a status, never an exception, never a hang."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache, partial
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int

from .jax_setup import diffrax, eqx, jax, jnp
from .lanes import InScaledTime, LaneTsit5, SegmentController, Timeline, lane_norm
from .model import Model
from .protocol import Protocol, Schedule, build_schedule
from .shapes import OutputTimes, OverTime, ParameterVector


class Status(IntEnum):
    """How a solve ended; the text of each is in `STATUS_TEXT`."""

    DONE = 0
    STEP_BUDGET = 1
    STEP_TOO_SMALL = 2
    NOT_FINITE = 3
    IMPLICIT_STAGE = 4


STATUS_TEXT: dict[Status, str] = {
    Status.DONE: "done",
    Status.STEP_BUDGET: "the step budget was spent before the end",
    Status.STEP_TOO_SMALL: "the step fell below the resolution of time",
    Status.NOT_FINITE: "a state grew without bound or is not a number",
    Status.IMPLICIT_STAGE: "the equations of an implicit step could not be solved",
}


class Trajectory(eqx.Module):
    """One solve: what the states and rules are at the output times, and how it ended.

    Values are NaN from where a failed solve stopped. Times are in hours, values in the model's
    own units.
    """

    time_h: OverTime
    #: One row per state, in the order of `Model.state_ids`.
    states: Float[Array, "state time"]
    #: One row per rule, in the order of `Model.rule_ids`.
    rules: Float[Array, "rule time"]
    #: One row per input, in the order of `Model.input_ids`.
    inputs: Float[Array, "input time"]
    status: Int[Array, ""]
    steps: Int[Array, ""]
    rejected_steps: Int[Array, ""]
    #: The last good time, hours, and the states there.
    reached_h: Float[Array, ""]
    reached_states: Float[Array, "state"]


def _kvaerno5(rtol: Array, atol: Array) -> diffrax.AbstractSolver:
    # One lane only: over a tuple of lanes it would build one dense Jacobian across all of them.
    return diffrax.Kvaerno5(root_finder=diffrax.VeryChord(rtol=rtol, atol=atol, norm=lane_norm))


#: The choices of `[solver] method`: a solver for these tolerances.
SOLVERS: dict[str, Callable[[Array, Array], diffrax.AbstractSolver]] = {
    "tsit5": lambda rtol, atol: LaneTsit5(),
    "kvaerno5": _kvaerno5,
}


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

    `parameters` are in the order of `model.parameter_ids`; `atol` is in the unit of each state.
    Numbers keep the precision of `parameters` (float64 inside `jax.enable_x64(True)`). Another
    number never traces anew; another model, method or shape of the protocol does. The function
    can be differentiated in forward mode. A solve that stops early says so by its status.
    """
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
    constants = model.constants(jnp, [parameters[i, None] for i in range(len(model.parameter_ids))])
    constants = {id: jnp.broadcast_to(value, (1,)) for id, value in constants.items()}
    scalars = {id: value[0] for id, value in constants.items()}
    schedule = build_schedule(model, protocol, scalars, times_h[-1])
    times = times_h / model.spec.time_unit_h
    start = [jnp.broadcast_to(y, (1,)) for y in _start(model, parameters)]
    solution = _integrate(model, method, max_steps, schedule, constants, tuple(start), times, rtol, atol)
    return _trajectory(model, schedule, scalars, times, solution)


def _start(model: Model, parameters: Array) -> tuple[Array, ...]:
    values = list(parameters)
    return tuple(jnp.asarray(y, parameters.dtype) for y in model.initial_state(jnp, values))


def _jump(model: Model, here: Timeline, states: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the states after the doses and the event at the start of a segment."""
    schedule, segment = here.schedule, here.segment
    dosed = tuple(
        y + schedule.doses[id][segment] if id in schedule.doses else y
        for id, y in zip(model.state_ids, states, strict=True)
    )
    if not model.spec.events:
        return dosed
    time = schedule.edges[segment]

    def fire(number: int, y: tuple[Array, ...]) -> tuple[Array, ...]:
        new = model.assigned(jnp, number, time, here.inputs, y, here.constants)
        return tuple(jnp.broadcast_to(b, a.shape).astype(a.dtype) for a, b in zip(y, new, strict=True))

    branches = [lambda y: y, *(partial(fire, number) for number in range(len(model.spec.events)))]
    return jax.lax.switch(schedule.event[segment] + 1, branches, dosed)


@lru_cache(maxsize=64)
def _terms(model: Model) -> tuple[Callable[..., Any], Callable[..., Any]]:
    # One pair of functions a model, so that the compiled program is found again.
    # Jitted by itself, so that it is traced once and not at each of the dozens of places that
    # call it; XLA inlines it again.
    @jax.jit
    def rates(
        time: Array, inputs: tuple[Array, ...], states: tuple[Array, ...], constants: dict[str, Array]
    ) -> tuple[Array, ...]:
        found = model.derivative(jnp, time, inputs, states, constants)
        return tuple(
            jnp.broadcast_to(rate, y.shape).astype(y.dtype) for rate, y in zip(found, states, strict=True)
        )

    def derivative(time: Array, states: tuple[Array, ...], here: Timeline) -> tuple[Array, ...]:
        return rates(time, here.inputs, states, here.constants)

    return derivative, partial(_jump, model)


def _integrate(
    model: Model,
    method: str,
    max_steps: int,
    schedule: Schedule,
    constants: dict[str, Array],
    start: tuple[Array, ...],
    times: Array,
    rtol: Array,
    atol: Array,
) -> diffrax.Solution:
    derivative, jump = _terms(model)
    widths = jax.lax.stop_gradient(schedule.edges[1:] - schedule.edges[:-1])
    something_jumps = bool(schedule.doses or model.spec.events)
    solver = InScaledTime(SOLVERS[method](rtol, atol), jump if something_jumps else None)
    controller = SegmentController(diffrax.PIDController(rtol=rtol, atol=atol, norm=lane_norm), widths)
    end = jnp.asarray(schedule.segments, times.dtype)
    return diffrax.diffeqsolve(
        diffrax.ODETerm(derivative),
        solver,
        t0=jnp.zeros_like(end),
        t1=end,
        dt0=_first_step(jnp.sum(widths), rtol),
        y0=start,
        args=Timeline(schedule, constants),
        saveat=diffrax.SaveAt(
            subs=[
                diffrax.SubSaveAt(ts=schedule.scaled(times), fn=_stacked),
                diffrax.SubSaveAt(t1=True, fn=_stacked),
            ]
        ),
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode(),
        max_steps=max_steps,
        throw=False,
    )


def _first_step(total: Array, rtol: Array) -> Array:
    # A small share of the whole, smaller for tighter tolerances (order 5): the controller grows
    # it tenfold a step, so a cautious start costs a step or two.
    return 1e-2 * total * jnp.minimum(1.0, rtol**0.2)


def _stacked(tau: Array, states: tuple[Array, ...], args: Timeline) -> Array:
    # One buffer for the outputs instead of one per state: half of the time of a short solve.
    return jnp.stack(states)


def _trajectory(
    model: Model, schedule: Schedule, constants: dict[str, Array], times: Array, solution: diffrax.Solution
) -> Trajectory:
    saved, final = solution.ys
    states = jnp.where(jnp.isfinite(saved), saved, jnp.nan)[:, :, 0].T
    reached = final[-1, :, 0]
    inputs = schedule.inputs_at(times)
    computed = model.computed(jnp, times, inputs, tuple(states), constants)
    tau = solution.ts[1][-1]
    number = jnp.clip(jnp.floor(tau).astype(int), 0, schedule.segments - 1)
    width = schedule.edges[number + 1] - schedule.edges[number]
    return Trajectory(
        time_h=times * model.spec.time_unit_h,
        states=states,
        rules=_rows([computed[id] for id in model.rule_ids], times),
        inputs=_rows(inputs, times),
        status=_status(solution, states, reached),
        steps=solution.stats["num_steps"],
        rejected_steps=solution.stats["num_rejected_steps"],
        reached_h=(schedule.edges[number] + (tau - number) * width) * model.spec.time_unit_h,
        reached_states=reached,
    )


def _rows(values: Sequence[Any], times: Array) -> Array:
    rows = [jnp.broadcast_to(jnp.asarray(value, times.dtype), times.shape) for value in values]
    return jnp.stack(rows) if rows else jnp.zeros((0, *times.shape), times.dtype)


def _status(solution: diffrax.Solution, states: Array, reached: Array) -> Array:
    result = solution.result
    codes = {
        Status.DONE: result == diffrax.RESULTS.successful,
        Status.STEP_BUDGET: result == diffrax.RESULTS.max_steps_reached,
        Status.STEP_TOO_SMALL: result == diffrax.RESULTS.dt_min_reached,
    }
    status = jnp.asarray(int(Status.IMPLICIT_STAGE))
    for code, holds in codes.items():
        status = jnp.where(holds, int(code), status)
    # Where steps shrink to nothing beside a huge state, the state is what went wrong.
    largest = jnp.max(jnp.abs(reached))
    blown_up = (status == int(Status.STEP_TOO_SMALL)) & ~(largest < 1e10)
    lost = (status == int(Status.DONE)) & ~jnp.all(jnp.isfinite(states))
    return jnp.where(blown_up | lost, int(Status.NOT_FINITE), status)
