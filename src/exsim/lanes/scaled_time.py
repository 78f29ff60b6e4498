"""Integration over segments in scaled time: one compiled body, jumps at the whole numbers.

tau runs from 0 to the number of segments; segment k covers tau in [k, k + 1] and model time
`edges[k] + (tau - k) * width[k]`. Edges are plain numbers, so they can be swept, differentiated
and fitted, and a segment may have length 0. What jumps does so between segments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array

from ..jax_setup import diffrax, eqx, jax, jnp
from .tsit5 import Lanes
from .wrapping import AbstractWrappedController, AbstractWrappedSolver

#: The states of a solve: one vector, or a tuple of lane vectors.
States: TypeAlias = Array | Lanes

#: A step may not be shorter than this share of the whole time: below it, time stands still.
SMALLEST_STEP = 1e-14


def lane_norm(error: Lanes) -> Array:
    """Return the largest over the lanes of the root mean square over the species."""
    squares = [jax.lax.stop_gradient(e) ** 2 for e in error]
    return jnp.sqrt(jnp.max(sum(squares)) / len(squares))


class Timeline(eqx.Module):
    """What drives a solve, seen from one of its segments; the `args` of every right-hand side.

    `schedule` has `edges` and `inputs` (see `exsim.protocol.Schedule`).
    """

    schedule: Any
    constants: dict[str, Array]
    #: Number of the segment.
    segment: Any = 0

    @property
    def inputs(self) -> tuple[Array, ...]:
        """The inputs on this segment."""
        return tuple(values[self.segment] for values in self.schedule.inputs)

    def at(self, tau: Any) -> Timeline:
        """Return the timeline seen from the segment in which tau lies."""
        return Timeline(self.schedule, self.constants, jnp.floor(tau).astype(int))

    def time(self, tau: Any) -> Any:
        """Return the model time of a tau in this segment."""
        start, end = self.schedule.edges[self.segment], self.schedule.edges[self.segment + 1]
        return start + (tau - self.segment) * (end - start)


class InScaledTime(AbstractWrappedSolver):
    """Lets any solver step in scaled time and makes the jumps at the starts of segments.

    `jump` gives the state after what happens at the start of a segment, if this step is its first,
    (timeline, whether it is, state) -> state; None where no state ever jumps.
    """

    solver: diffrax.AbstractSolver
    jump: Callable[..., States] | None = eqx.field(static=True)

    def init(self, terms: Any, t0: Any, t1: Any, y0: States, args: Timeline) -> Any:
        """Start the wrapped solver in model time."""
        here = args.at(t0)
        return self.solver.init(terms, here.time(t0), here.time(t1), y0, here)

    def func(self, terms: Any, t0: Any, y0: States, args: Timeline) -> States:
        """Return the derivative in model time."""
        here = args.at(t0)
        return self.solver.func(terms, here.time(t0), y0, here)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: States, args: Timeline, solver_state: Any, made_jump: Any
    ) -> Any:
        """Step from tau `t0` to tau `t1`, which lie in one segment, after what jumps at its start."""
        here = args.at(t0)
        if self.jump is not None:
            y0 = self.jump(here, made_jump, y0)
        start, end = here.time(t0), here.time(t1)
        if not isinstance(self.solver, diffrax.AbstractImplicitSolver):
            return self.solver.step(terms, start, end, y0, here, solver_state, made_jump)
        # An implicit step divides by its length: one of length 0 is made so short that it changes nothing.
        whole = here.schedule.edges[-1] - here.schedule.edges[0]
        end = jnp.where(end > start, end, start + SMALLEST_STEP * whole)
        return self.solver.step(terms, start, end, y0, here, solver_state, made_jump)


class _State(eqx.Module):
    inner: Any
    #: The step that accuracy asks for, in model time, before it is cut at a jump.
    wanted: Array


class SegmentController(AbstractWrappedController):
    """Adapts steps by the wrapped controller and lets none cross a whole number of tau.

    The step that accuracy asks for is remembered in model time: a step cut short at a jump, or a
    segment of another length, does not make the controller start over.
    """

    controller: diffrax.AbstractAdaptiveStepSizeController
    #: Lengths of the segments in model time, the longest over the lanes; shape (segment,).
    widths: Array

    def wrap(self, direction: Any) -> SegmentController:
        """Return the controller for this direction of time (forwards only)."""
        return SegmentController(self.controller.wrap(direction), self.widths)

    def _end(self, tau: Any, wanted: Any) -> Any:
        """Return where a step from `tau` of the wanted length in model time ends."""
        number = jnp.minimum(jnp.floor(tau), len(self.widths) - 1).astype(int)
        width = self.widths[number]
        share = jnp.where(width > wanted, wanted / jnp.where(width > 0, width, 1.0), 1.0)
        return jnp.minimum(tau + share, number + 1.0)

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: Any, dt0: Any, args: Any, func: Any, error_order: Any
    ) -> tuple[Any, _State]:
        """Return the end of the first step; `dt0` is the first step in model time."""
        _, inner = self.controller.init(terms, t0, t1, y0, jnp.ones_like(dt0), args, func, error_order)
        return self._end(t0, dt0), _State(inner, dt0)

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Any,
        y1_candidate: Any,
        args: Any,
        y_error: Any,
        error_order: Any,
        controller_state: _State,
    ) -> Any:
        """Accept or reject the step and say how long the next one is."""
        keep, next_t0, next_t1, _, inner, result = self.controller.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state.inner
        )
        number = jnp.floor(t0)
        width = self.widths[number.astype(int)]
        proposed = (next_t1 - next_t0) * width
        crossed = keep & (t1 >= number + 1)
        wanted = jnp.where(crossed, jnp.maximum(proposed, controller_state.wanted), proposed)
        wanted = jax.lax.stop_gradient(wanted)
        too_small = ~keep & (wanted < SMALLEST_STEP * jnp.sum(self.widths))
        result = diffrax.RESULTS.where(too_small, diffrax.RESULTS.dt_min_reached, result)
        return keep, next_t0, self._end(next_t0, wanted), crossed, _State(inner, wanted), result
