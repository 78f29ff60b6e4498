"""Lanes that cannot go on are frozen: they keep their last good state, and the others go on.

The states of many solves carry one more lane vector, `going`: 1 for a lane that is solved, 0 for
one that is frozen. A frozen lane takes steps that change nothing and has no error, so that it has
no say in the steps of its group.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Array

from ..jax_setup import diffrax, jax, jnp
from .tsit5 import Lanes
from .wrapping import AbstractWrappedController, AbstractWrappedSolver

#: Values of `going`.
GOING, STEP_TOO_SMALL, NOT_FINITE = 1.0, 0.0, -1.0

#: A lane is alone in what it asks for where at most this share of its group asks for it.
ALONE = 1 / 8
#: A state beyond this that makes steps shrink to nothing is what went wrong.
HUGE = 1e10


class FreezingLanes(AbstractWrappedSolver):
    """Lets a solver step the lanes that are going, and freezes those that hold up the others.

    The error of a step is one number a lane: the root mean square over the states of their errors in
    units of the tolerance (see `OfScaledErrors`).
    The state is the wrapped solver's with `going` behind. A lane is frozen where its error is too
    large, or is no number, at a step below `lone_step` that few others need, or at one below
    `smallest_step` (both in model time).
    """

    solver: diffrax.AbstractSolver
    rtol: Array
    atol: Array
    lone_step: Any
    smallest_step: Any

    def init(self, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any) -> Any:
        """Start the wrapped solver."""
        return self.solver.init(terms, t0, t1, y0[:-1], args)

    def func(self, terms: Any, t0: Any, y0: Lanes, args: Any) -> Lanes:
        """Return the derivative."""
        return (*self.solver.func(terms, t0, y0[:-1], args), jnp.zeros_like(y0[-1]))

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any, solver_state: Any, made_jump: Any
    ) -> Any:
        """Make one step from `t0` to `t1`, and freeze what cannot follow."""
        *states, going = y0
        before = tuple(states)
        after, error, dense_info, solver_state, result = self.solver.step(
            terms, t0, t1, before, args, solver_state, made_jump
        )
        scaled = [
            jnp.abs(e) / (self.atol + self.rtol * jnp.maximum(jnp.abs(a), jnp.abs(b)))
            for e, a, b in zip(error, before, after, strict=True)
        ]
        square = sum(e**2 for e in scaled) / len(scaled)
        was_going = going == GOING
        # Not "too large": what is no number is neither smaller nor larger.
        fails = was_going & ~(square < 1.0)
        length = jnp.max(jnp.abs(t1 - t0))
        few = jnp.sum(fails) <= max(1, int(ALONE * going.size))
        freezes = fails & ((length <= self.smallest_step) | ((length <= self.lone_step) & few))
        largest = jnp.max(jnp.stack([jnp.abs(b) for b in before]), axis=0)
        reason = jnp.where(largest < HUGE, STEP_TOO_SMALL, NOT_FINITE)
        reason = jnp.where(jnp.isfinite(square), reason, NOT_FINITE)
        going = jnp.where(freezes, reason.astype(going.dtype), going)
        moves = was_going & ~freezes
        # An error that is no number asks for a shorter step, as an infinite one does.
        scaled_error = jnp.where(moves, jnp.sqrt(jnp.where(jnp.isfinite(square), square, jnp.inf)), 0.0)
        after = tuple(jnp.where(moves, b, a) for a, b in zip(before, after, strict=True))
        return (*after, going), scaled_error, dense_info, solver_state, result


class OfScaledErrors(AbstractWrappedController):
    """Lets a controller with rtol 0 and atol 1 judge errors that were scaled where they were made."""

    controller: diffrax.AbstractAdaptiveStepSizeController

    def wrap(self, direction: Any) -> OfScaledErrors:
        """Return the controller for this direction of time."""
        return OfScaledErrors(self.controller.wrap(direction))

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: Any, dt0: Any, args: Any, func: Any, error_order: Any
    ) -> Any:
        """Start the controller."""
        return self.controller.init(terms, t0, t1, y0, dt0, args, func, error_order)

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Any,
        y1_candidate: Any,
        args: Any,
        y_error: Array,
        error_order: Any,
        controller_state: Any,
    ) -> Any:
        """Accept or reject the step by the scaled errors of the lanes."""
        none = jnp.zeros_like(y_error)
        error = jax.lax.stop_gradient(y_error)
        return self.controller.adapt_step_size(t0, t1, none, none, args, error, error_order, controller_state)
