"""solve(model, protocol, ...) -> Trajectory: arrays and a status, never an exception, never a hang."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache, partial
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int

from .jax_setup import diffrax, eqx, jax, jnp
from .lanes import LANES, ONE_VECTOR, InScaledTime, SegmentController, StateForm, States, Timeline
from .model import Model
from .protocol import Protocol, build_schedule
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
    own units. Of many solves as lanes every value has a trailing lane axis; they share their steps
    and their status.
    """

    time_h: OverTime
    #: One row per state, in the order of `Model.state_ids`.
    states: Float[Array, "state time *lane"]
    #: One row per rule, in the order of `Model.rule_ids`.
    rules: Float[Array, "rule time *lane"]
    #: One row per input, in the order of `Model.input_ids`.
    inputs: Float[Array, "input time"]
    status: Int[Array, ""]
    steps: Int[Array, ""]
    rejected_steps: Int[Array, ""]
    #: The last good time, hours, and the states there.
    reached_h: Float[Array, ""]
    reached_states: Float[Array, "state *lane"]


def _kvaerno5(form: StateForm, rtol: Array, atol: Array) -> diffrax.AbstractSolver:
    return diffrax.Kvaerno5(root_finder=diffrax.VeryChord(rtol=rtol, atol=atol, norm=form.norm))


#: The choices of `[solver] method`: a solver for this form of the states and these tolerances.
SOLVERS: dict[str, Callable[[StateForm, Array, Array], diffrax.AbstractSolver]] = {
    "tsit5": lambda form, rtol, atol: form.tsit5(),
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

    `parameters` are in the order of `model.parameter_ids`, shape (parameter,), or (parameter, lane)
    for many solves under one protocol as lanes of one system; `atol` is in the unit of each state.
    Numbers keep the precision of `parameters` (float64 inside `jax.enable_x64(True)`). Another
    number never traces anew; another model, method or shape of the protocol does. The function
    can be differentiated in forward mode. A solve that stops early says so by its status. Raises
    ValueError for lanes with kvaerno5, with events of the model's own, or with doses per kg.
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
    # Lanes share one line of edges, so nothing on it may depend on a lane's own parameters.
    if method == "kvaerno5":
        raise ValueError("kvaerno5 takes one lane: it would build one dense Jacobian across all of them")
    if model.spec.events or model.spec.switches:
        raise ValueError(f"{model.spec.name} has jumps in time of its own: solve it one lane at a time")
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
    one_lane = {id: value.reshape(-1)[0] for id, value in constants.items()}
    schedule = build_schedule(model, protocol, one_lane, times_h[-1])
    times = times_h / model.spec.time_unit_h
    start = form.pack(model.initial_state(jnp, values), lanes, dtype)
    derivative, jump = _terms(model, form)
    something_jumps = bool(schedule.doses or model.spec.events)
    solver = InScaledTime(SOLVERS[method](form, rtol, atol), jump if something_jumps else None)
    timeline = Timeline(schedule, constants)
    tolerances = diffrax.PIDController(rtol=rtol, atol=atol, norm=form.norm)
    solution = _integrate(derivative, solver, timeline, tolerances, start, times, max_steps, form)
    return _trajectory(model, timeline, times, solution)


@lru_cache(maxsize=64)
def _terms(model: Model, form: StateForm) -> tuple[Callable[..., States], Callable[..., States]]:
    # One pair of functions a model, so that the compiled program is found again.
    # The rates are jitted by themselves: they are traced once and not at each of the places that
    # call them; XLA inlines them again.
    @jax.jit
    def rates(time: Array, inputs: tuple[Array, ...], states: States, constants: dict[str, Array]) -> States:
        values = form.unpack(states)
        found = model.derivative(jnp, time, inputs, values, constants)
        return form.pack(found, values[0].shape, values[0].dtype)

    def derivative(time: Array, states: States, here: Timeline) -> States:
        return rates(time, here.inputs, states, here.constants)

    return derivative, partial(_jump, model, form)


def _jump(model: Model, form: StateForm, here: Timeline, states: States) -> States:
    """Return the states after the doses and the event at the start of a segment."""
    schedule, segment = here.schedule, here.segment
    values = form.unpack(states)
    lanes, dtype = values[0].shape, values[0].dtype
    dosed = [
        y + schedule.doses[id][segment] if id in schedule.doses else y
        for id, y in zip(model.state_ids, values, strict=True)
    ]
    if not model.spec.events:
        return form.pack(dosed, lanes, dtype)
    time = schedule.edges[segment]

    def fire(number: int, y: list[Array]) -> States:
        new = model.assigned(jnp, number, time, here.inputs, y, here.constants)
        return form.pack(new, lanes, dtype)

    branches: list[Callable[[list[Array]], States]] = [lambda y: form.pack(y, lanes, dtype)]
    branches += [partial(fire, number) for number in range(len(model.spec.events))]
    return jax.lax.switch(schedule.event[segment] + 1, branches, dosed)


def _integrate(
    derivative: Callable[..., States],
    solver: InScaledTime,
    timeline: Timeline,
    tolerances: diffrax.PIDController,
    start: States,
    times: Array,
    max_steps: int,
    form: StateForm,
) -> diffrax.Solution:
    schedule = timeline.schedule
    widths = jax.lax.stop_gradient(schedule.edges[1:] - schedule.edges[:-1])
    end = jnp.asarray(schedule.segments, times.dtype)

    def stacked(tau: Array, states: States, here: Timeline) -> Array:
        # One buffer for the outputs instead of one per state.
        return form.stack(states)

    return diffrax.diffeqsolve(
        diffrax.ODETerm(derivative),
        solver,
        t0=jnp.zeros_like(end),
        t1=end,
        dt0=_first_step(jnp.sum(widths), tolerances.rtol),
        y0=start,
        args=timeline,
        saveat=diffrax.SaveAt(
            subs=[
                diffrax.SubSaveAt(ts=schedule.scaled(times), fn=stacked),
                diffrax.SubSaveAt(t1=True, fn=stacked),
            ]
        ),
        stepsize_controller=SegmentController(tolerances, widths),
        adjoint=diffrax.ForwardMode(),
        max_steps=max_steps,
        throw=False,
    )


def _first_step(total: Array, rtol: Array) -> Array:
    # A small share of the whole, smaller for tighter tolerances (order 5): the controller grows
    # it tenfold a step, so a cautious start costs a step or two.
    return 1e-2 * total * jnp.minimum(1.0, rtol**0.2)


def _trajectory(model: Model, timeline: Timeline, times: Array, solution: diffrax.Solution) -> Trajectory:
    schedule = timeline.schedule
    saved, final = solution.ys
    states = jnp.moveaxis(jnp.where(jnp.isfinite(saved), saved, jnp.nan), 0, 1)
    reached = final[-1]
    inputs = schedule.inputs_at(times)
    lanes = (1,) * (states.ndim - 2)
    over_lanes = [values.reshape(-1, *lanes) for values in (times, *inputs)]
    computed = model.computed(jnp, over_lanes[0], over_lanes[1:], jnp.unstack(states), timeline.constants)
    rules = [computed[id] for id in model.rule_ids]
    tau = solution.ts[1][-1]
    number = jnp.clip(jnp.floor(tau).astype(int), 0, schedule.segments - 1)
    width = schedule.edges[number + 1] - schedule.edges[number]
    return Trajectory(
        time_h=times * model.spec.time_unit_h,
        states=states,
        rules=_rows(rules, states.shape[1:], times.dtype),
        inputs=_rows(inputs, times.shape, times.dtype),
        status=_status(solution, states, reached),
        steps=solution.stats["num_steps"],
        rejected_steps=solution.stats["num_rejected_steps"],
        reached_h=(schedule.edges[number] + (tau - number) * width) * model.spec.time_unit_h,
        reached_states=reached,
    )


def _rows(values: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> Array:
    rows = [jnp.broadcast_to(jnp.asarray(value, dtype), shape) for value in values]
    return jnp.stack(rows) if rows else jnp.zeros((0, *shape), dtype)


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
