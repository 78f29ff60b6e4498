"""The kernel: one lane a thread, each with its own steps, from time 0 to the last edge of its schedule.

Lanes of a block share nothing but the loop, which runs until the last of them has ended. Own steps
cost no more than a shared one on a GPU, since the threads of a warp work in lockstep either way: the
warp makes as many steps as its slowest lane instead of as many as the hardest moment of any lane asks
for, no step needs a reduction over the block, and a lane that blows up holds up nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from ..jax_setup import eqx, jax, jnp
from ..lanes.scaled_time import SMALLEST_STEP
from ..solving import Status
from .contracting import contracted, fuse_on_gpu
from .preparing import System
from .recording import KeepCurves, KeepMetrics
from .stepping import Block, Slopes, between, squared_error, step_factor, try_step
from .tables import Operands, Results, lane_numbers, row_at

#: Status of a lane that has not ended.
_RUNNING = -1
#: A state beyond this that makes steps shrink to nothing is what went wrong.
HUGE = 1e10


class _Lanes(eqx.Module):
    # What is carried from step to step, one lane vector each.
    states: Block
    time: Any
    #: The step that accuracy asks for, before it is cut at an edge.
    wanted: Any
    segment: Any
    #: Number of the next output time.
    output: Any
    status: Any
    steps: Any
    rejected_steps: Any
    carried: Any


def run_block(
    system: System, recorder: KeepCurves | KeepMetrics, max_steps: int, here: Operands, results: Results
) -> None:
    """Integrate one block of lanes; of `here` and `results` every part is a reference to its block."""
    solve = _Solve(system, recorder, max_steps, here, results, lane_numbers(here.start))
    lanes = jax.lax.while_loop(lambda lanes: jnp.min(lanes.status) == _RUNNING, solve.step, solve.start())
    recorder.finish(results.kept, lanes.carried, lanes.output, lanes.status == int(Status.DONE))
    results.status[:] = lanes.status
    results.steps[:] = lanes.steps
    results.rejected_steps[:] = lanes.rejected_steps
    results.reached[:] = lanes.time


@dataclass(frozen=True)
class _Solve:
    # What every step of a block needs; the arguments of `run_block`.
    system: System
    recorder: KeepCurves | KeepMetrics
    max_steps: int
    here: Operands
    results: Results
    #: Number of each lane in the block.
    lane: Any

    def start(self) -> _Lanes:
        begin, total = self.begin_and_total()
        zero = jnp.zeros_like(self.lane)
        # As in `solving`: a small share of the whole, smaller for tighter tolerances.
        share = 1e-2 * jnp.minimum(1.0, jnp.exp(0.2 * jnp.log(self.here.tolerances[0, 0])))
        return _Lanes(
            states=tuple(self.here.start[number, :] for number in range(self.here.start.shape[0])),
            time=begin,
            wanted=share * total,
            segment=zero,
            output=zero,
            status=zero + _RUNNING,
            steps=zero,
            rejected_steps=zero,
            carried=self.recorder.start(begin),
        )

    def step(self, lanes: _Lanes) -> _Lanes:
        # One step of every lane that has not ended; the others make it too, and drop it.
        running = lanes.status == _RUNNING
        edge = self.row(self.here.edges, lanes.segment + 1)
        inputs, constants = self.inputs(lanes.segment), self.constants()
        lands = lanes.wanted >= edge - lanes.time
        length = jnp.where(lands, edge - lanes.time, lanes.wanted)
        time = jnp.where(lands, edge, lanes.time + length)
        tolerances = self.here.tolerances[0, 0], self.here.tolerances[1, 0]
        attempt = (lanes.time, length, lanes.states, inputs, constants, tolerances)
        states, slopes, square = self.fused(self.attempt)(*attempt)
        # Not "too large": what is no number is neither smaller nor larger.
        good = running & (square < 1.0)

        def values_at(time: Any) -> tuple[Any, ...]:
            share = (time - lanes.time) / jnp.where(length > 0, length, 1.0)
            share = jnp.minimum(jnp.maximum(share, 0.0), 1.0)
            values = self.fused(between)(share, length, lanes.states, slopes)
            return self.recorded(time, inputs, constants, values)

        output, carried = self.take_outputs(lanes, good, lands, time, values_at)
        proposed = length * step_factor(square, good)
        crossed = good & lands
        # A step that was cut at an edge says little about the next one.
        wanted = jnp.where(crossed, jnp.maximum(proposed, lanes.wanted), proposed)
        ended = crossed & (lanes.segment == self.here.edges.shape[0] - 2)
        entered = crossed & ~ended
        segment = lanes.segment + jnp.where(entered, 1, 0)
        steps = lanes.steps + jnp.where(running, 1, 0)
        status = jnp.where(steps >= self.max_steps, int(Status.STEP_BUDGET), _RUNNING)
        too_small = (~good & (wanted < self.shortest())) | (~lands & (time == lanes.time))
        status = jnp.where(too_small, _reason(lanes.states, square), status)
        status = jnp.where(ended, int(Status.DONE), status)
        states = tuple(jnp.where(good, new, old) for new, old in zip(states, lanes.states, strict=True))
        return _Lanes(
            states=self.jumped(segment, entered, constants, states),
            time=jnp.where(good, time, lanes.time),
            wanted=jnp.where(running, wanted, lanes.wanted),
            segment=segment,
            output=output,
            status=jnp.where(running, status, lanes.status),
            steps=steps,
            rejected_steps=lanes.rejected_steps + jnp.where(running & ~good, 1, 0),
            carried=carried,
        )

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return contracted(function, fuse_on_gpu) if self.system.contract else function

    def attempt(
        self,
        time: Any,
        length: Any,
        states: Block,
        inputs: Block,
        constants: dict[str, Any],
        tolerances: tuple[Any, Any],
    ) -> tuple[Block, Slopes, Any]:
        new, slopes = try_step(partial(self.rates, inputs, constants), time, length, states)
        return new, slopes, squared_error(length, states, new, slopes, *tolerances)

    def take_outputs(
        self, lanes: _Lanes, good: Any, lands: Any, time: Any, values_at: Callable[[Any], tuple[Any, ...]]
    ) -> tuple[Any, Any]:
        # All output times of the steps that were good, one after the other, each lane its own.
        last = self.here.times.shape[0] - 1

        def due(output: Any) -> Any:
            number = jnp.minimum(output, last)
            reached = lands | (self.row(self.here.times, number) <= time)
            # A time on an edge belongs to the segment behind it, whatever jumps there.
            begun = self.row(self.here.time_segment, number) <= lanes.segment
            return jnp.where(good & (output <= last) & reached & begun, 1, 0)

        def take(now: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            output, taken, carried = now
            number = jnp.minimum(output, last)
            values = values_at(self.row(self.here.times, number))
            carried = self.recorder.take(
                self.results.kept, carried, taken > 0, number, self.here.times_h, values
            )
            return output + taken, due(output + taken), carried

        start = (lanes.output, due(lanes.output), lanes.carried)
        output, _, carried = jax.lax.while_loop(lambda now: jnp.max(now[1]) > 0, take, start)
        return output, carried

    def rates(self, inputs: Block, constants: dict[str, Any], time: Any, states: Block) -> Slopes:
        found = self.system.model.derivative(jnp, time, inputs, states, constants)
        return tuple(
            None if isinstance(rate, float) and rate == 0.0 else _lane_vector(rate, time) for rate in found
        )

    def recorded(self, time: Any, inputs: Block, constants: dict[str, Any], states: Block) -> tuple[Any, ...]:
        model = self.system.model
        found = dict(zip(model.state_ids, states, strict=True))
        if not set(self.system.recorded) <= set(found):
            found |= model.computed(jnp, time, inputs, states, constants)
        return tuple(_lane_vector(found[id], time) for id in self.system.recorded)

    def jumped(self, segment: Any, entered: Any, constants: dict[str, Any], states: Block) -> Block:
        # What happens at the start of a segment, for the lanes that have just entered one.
        new = list(states)
        for number, doses in zip(self.system.dosed, self.here.doses, strict=True):
            new[number] = jnp.where(entered, new[number] + self.row(doses, segment), new[number])
        model = self.system.model
        if not model.spec.events:
            return tuple(new)
        event = jnp.where(entered, self.row(self.here.event, segment), -1)
        time, inputs = self.row(self.here.edges, segment), self.inputs(segment)
        for number in range(len(model.spec.events)):
            after = model.assigned(jnp, number, time, inputs, new, constants)
            fires = event == number
            new = [jnp.where(fires, _lane_vector(b, time), a) for a, b in zip(new, after, strict=True)]
        return tuple(new)

    def begin_and_total(self) -> tuple[Any, Any]:
        edges = self.here.edges
        begin, end = (self.row(edges, number) for number in (0, edges.shape[0] - 1))
        return begin, end - begin

    def shortest(self) -> Any:
        return SMALLEST_STEP * self.begin_and_total()[1]

    def inputs(self, segment: Any) -> Block:
        return tuple(self.row(levels, segment) for levels in self.here.inputs)

    def constants(self) -> dict[str, Any]:
        # Read anew in every step: a GPU has no registers to keep them all, and its cache is near.
        held = {id: self.here.constants[row, :] for row, id in enumerate(self.system.held)}
        return dict(self.system.literals) | held

    def row(self, table: Any, row: Any) -> Any:
        return row_at(table, row, self.lane)


def _reason(states: Block, square: Any) -> Any:
    # Why steps have shrunk to nothing.
    largest = reduce(jnp.maximum, [jnp.abs(y) for y in states])
    known = (square < jnp.inf) & (largest < HUGE)
    return jnp.where(known, int(Status.STEP_TOO_SMALL), int(Status.NOT_FINITE))


def _lane_vector(value: Any, like: Any) -> Any:
    return jnp.broadcast_to(jnp.asarray(value, like.dtype), like.shape)
