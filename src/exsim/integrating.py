"""A model on its timeline, integrated by diffrax: one solve as one vector, or many as lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache, partial
from typing import Any

from jaxtyping import Array, Float, Int

from .jax_setup import diffrax, eqx, jax, jnp
from .lanes import (
    LANES,
    NOT_FINITE,
    ONE_VECTOR,
    STEP_TOO_SMALL,
    FreezingLanes,
    InScaledTime,
    LaneRodas,
    OfScaledErrors,
    SegmentController,
    StateForm,
    States,
    Timeline,
    lane_numpy,
    model_sparsity,
    rms_norm,
)
from .lanes.scaled_time import SMALLEST_STEP
from .model import Model


class Status(IntEnum):
    """How a solve ended; the text of each is in `STATUS_TEXT`."""

    DONE = 0
    STEP_BUDGET = 1
    STEP_TOO_SMALL = 2
    NOT_FINITE = 3
    IMPLICIT_STAGE = 4
    #: Of a sweep on a cluster (`exsim.sweeping.cluster`).
    WORKER_LOST = 5
    #: Of a model that settles before the start (`exsim.settling`).
    NO_STEADY_STATE = 6


STATUS_TEXT: dict[Status, str] = {
    Status.DONE: "done",
    Status.STEP_BUDGET: "the step budget was spent before the end",
    Status.STEP_TOO_SMALL: "the step fell below the resolution of time",
    Status.NOT_FINITE: "a state grew without bound or is not a number",
    Status.IMPLICIT_STAGE: "the equations of an implicit step could not be solved",
    Status.WORKER_LOST: "every worker that had it died",
    Status.NO_STEADY_STATE: "no steady state was found before the start",
}


def _kvaerno5(rtol: Array, atol: Array) -> diffrax.AbstractSolver:
    return diffrax.Kvaerno5(root_finder=diffrax.VeryChord(rtol=rtol, atol=atol, norm=rms_norm))


#: The choices of `[solver] method`: a solver of one vector, for these tolerances.
SOLVERS: dict[str, Callable[[Array, Array], diffrax.AbstractSolver]] = {
    "tsit5": lambda rtol, atol: ONE_VECTOR.tsit5(),
    "kvaerno5": _kvaerno5,
}
#: The solvers of lanes, for a model: explicit, and stiff with a Jacobian in each lane.
LANE_SOLVERS: dict[str, Callable[[Model], diffrax.AbstractSolver]] = {
    "tsit5": lambda model: LANES.tsit5(),
    "rodas": lambda model: LaneRodas(model_sparsity(model)),
}

#: What is kept of a solve at a time: (tau, value of every state, timeline there) -> array.
Observe = Callable[[Array, tuple[Array, ...], Timeline], Array]


class Integration(eqx.Module):
    """What diffrax gave back, and how each solve ended."""

    #: What was observed at the output times; the first axis is time.
    observed: Float[Array, "time ..."]
    #: The states where the solve ended.
    reached: Float[Array, "state *lane"]
    #: Where it ended, in scaled time.
    reached_tau: Float[Array, ""]
    status: Int[Array, "*lane"]
    steps: Int[Array, ""]
    rejected_steps: Int[Array, ""]


def integrate(
    model: Model,
    form: StateForm,
    method: str,
    timeline: Timeline,
    start: Sequence[Any],
    taus: Float[Array, "time"],
    observe: Observe,
    *,
    rtol: Array,
    atol: Array,
    max_steps: int,
    lone_step: Any = 0.0,
) -> Integration:
    """Integrate from the states `start` over the whole timeline and observe at `taus`, in scaled time.

    As lanes, one that alone needs steps shorter than `lone_step` (model time) or that grows without
    bound is frozen and gets its status; the others go on.
    """
    schedule = timeline.schedule
    lanes, dtype = start[0].shape, taus.dtype
    derivative, jump = terms(model, form)
    # The longest over the lanes: where their edges differ, none may cross its own.
    widths = schedule.edges[1:] - schedule.edges[:-1]
    widths = jax.lax.stop_gradient(jnp.max(widths.reshape(schedule.segments, -1), axis=1))
    whole = jnp.sum(widths)
    states = form.pack(start, lanes, dtype)
    count = len(start)
    if form is LANES:
        states = (*states, jnp.ones(lanes, dtype))
        # A step that fails is followed by one of a fifth at least: lanes freeze before the group ends.
        smallest = max(8 * SMALLEST_STEP, 4 * float(jnp.finfo(dtype).eps))
        solver: Any = FreezingLanes(LANE_SOLVERS[method](model), rtol, atol, lone_step, smallest * whole)
        tolerances: Any = OfScaledErrors(diffrax.PIDController(rtol=0.0, atol=1.0, norm=jnp.max))
    else:
        solver = SOLVERS[method](rtol, atol)
        tolerances = diffrax.PIDController(rtol=rtol, atol=atol, norm=rms_norm)
    something_jumps = bool(schedule.doses or model.spec.events)
    end = jnp.asarray(schedule.segments, dtype)

    def kept(tau: Array, states: States, here: Timeline) -> Array:
        return observe(tau, form.unpack(states)[:count], here.at(tau))

    def final(tau: Array, states: States, here: Timeline) -> Array:
        # One buffer for the states instead of one each.
        return form.stack(states)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(derivative),
        InScaledTime(solver, jump if something_jumps else None),
        t0=jnp.zeros_like(end),
        t1=end,
        dt0=_first_step(whole, rtol),
        y0=states,
        args=timeline,
        saveat=diffrax.SaveAt(
            subs=[diffrax.SubSaveAt(ts=taus, fn=kept), diffrax.SubSaveAt(t1=True, fn=final)]
        ),
        stepsize_controller=SegmentController(tolerances, widths),
        adjoint=diffrax.ForwardMode(),
        max_steps=max_steps,
        throw=False,
    )
    observed, reached = solution.ys[0], solution.ys[1][-1]
    status = _status(solution, observed, reached, count)
    if model.spec.settles and count:
        unsettled = jnp.any(jnp.isnan(jnp.stack([*start])), axis=0)
        status = jnp.where(unsettled, int(Status.NO_STEADY_STATE), status)
    return Integration(
        observed=jnp.where(jnp.isfinite(observed), observed, jnp.nan),
        reached=reached[:count],
        reached_tau=solution.ts[1][-1],
        status=status,
        steps=solution.stats["num_steps"],
        rejected_steps=solution.stats["num_rejected_steps"],
    )


def _first_step(total: Array, rtol: Array) -> Array:
    # A small share of the whole, smaller for tighter tolerances (order 5): the controller grows
    # it tenfold a step, so a cautious start costs a step or two.
    return 1e-2 * total * jnp.minimum(1.0, rtol**0.2)


@lru_cache(maxsize=64)
def terms(model: Model, form: StateForm) -> tuple[Callable[..., States], Callable[..., States]]:
    """Return the right-hand side and the jumps at the starts of segments, in a form of the states.

    One pair of functions a model, so that the compiled program is found again.
    """

    numpy = lane_numpy if form is LANES else jnp

    # The rates are jitted by themselves: they are traced once and not at each of the places that
    # call them; XLA inlines them again.
    @jax.jit
    def rates(time: Array, inputs: tuple[Array, ...], states: States, constants: dict[str, Array]) -> States:
        values = form.unpack(states)
        found = model.derivative(numpy, time, inputs, values, constants)
        return form.pack(found, values[0].shape, values[0].dtype)

    def derivative(time: Array, states: States, here: Timeline) -> States:
        # diffrax asks for that of all it carries, a lane solver for that of the states (see `FreezingLanes`).
        count = len(model.state_ids)
        found = rates(time, here.inputs, states[:count], here.constants)
        return (*found, *map(jnp.zeros_like, states[count:])) if form is LANES else found

    return derivative, partial(_jump_lanes if form is LANES else _jump_if, model)


def _jump_if(model: Model, here: Timeline, jumps: Any, states: Array) -> Array:
    # One solve: the formulas of events are computed only where a state may jump.
    def jump(states: Array) -> Array:
        return jnp.stack(_after_jump(model, here, True, jnp.unstack(states)))

    return jax.lax.cond(jumps, jump, lambda states: states, states)


def _jump_lanes(model: Model, here: Timeline, jumps: Any, states: tuple[Array, ...]) -> tuple[Array, ...]:
    # Lanes: a branch would hand over copies of all states at every step. `going` does not jump.
    count = len(model.state_ids)
    return (*_after_jump(model, here, jumps, states[:count]), *states[count:])


def _after_jump(model: Model, here: Timeline, jumps: Any, states: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the states after the doses and the events at the start of a segment, where it `jumps`."""
    schedule, segment = here.schedule, here.segment
    values = tuple(
        y + jnp.where(jumps, schedule.doses[id][segment], 0.0) if id in schedule.doses else y
        for id, y in zip(model.state_ids, states, strict=True)
    )
    time, event = schedule.edges[segment], schedule.event[segment]
    for number in range(len(model.spec.events)):
        new = model.assigned(jnp, number, time, here.inputs, values, here.constants)
        fires = (event == number) & jumps
        values = tuple(b if a is b else jnp.where(fires, a, b) for a, b in zip(new, values, strict=True))
    return values


def _status(solution: diffrax.Solution, observed: Array, reached: Array, count: int) -> Array:
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
    largest = jnp.max(jnp.abs(reached[:count]), axis=0) if count else jnp.zeros(reached.shape[1:])
    lanes = largest.ndim
    status = jnp.broadcast_to(status, largest.shape) if lanes else status
    finite = jnp.isfinite(observed)
    finite = jnp.all(finite, axis=tuple(range(observed.ndim - lanes)))
    blown_up = (status == int(Status.STEP_TOO_SMALL)) & ~(largest < 1e10)
    lost = (status == int(Status.DONE)) & ~finite
    if lanes:
        going = reached[count]
        status = jnp.where(going == STEP_TOO_SMALL, int(Status.STEP_TOO_SMALL), status)
        lost = lost & (going != STEP_TOO_SMALL) | (going == NOT_FINITE)
    return jnp.where(blown_up | lost, int(Status.NOT_FINITE), status)
