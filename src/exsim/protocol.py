"""ProtocolSpec -> Protocol -> Schedule: what drives the model, constant between known jumps.

A `Protocol` holds start, duration and intensity as plain numbers that can be swept,
differentiated and fitted. A `Schedule` is the same thing as the integrator takes it: sorted
edges in time, the value of every input between them, and what jumps at each edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from jaxtyping import Array, Float, Int

from .dosing import convert_dose
from .intensity import intensity_fraction
from .jax_setup import eqx, jnp
from .model import Model
from .model_spec import ModalityCard, ModelCard
from .moments import Moment
from .shapes import Edges, OverTime, PerLane, PerSegment, Scalar, SegmentNumbers
from .spec import BolusSpec, BoutSpec, RunSpec, SubjectSpec
from .units import Quantity


class Bout(eqx.Module):
    """One bout, all its repetitions and intervals; what it drives while muscle works."""

    start_h: PerLane
    duration_h: PerLane
    #: Work and rest of one interval; 0 rest and the whole duration for a continuous bout.
    rest_h: PerLane
    every_h: PerLane
    #: Levels by driver name: intensity, whole_body_intensity, active_muscle (kg), eccentric_load.
    levels: dict[str, PerLane]
    intervals: int = eqx.field(static=True, default=1)
    times: int = eqx.field(static=True, default=1)
    modality: str = eqx.field(static=True, default="running")

    def windows(self) -> list[tuple[PerLane, PerLane]]:
        """Return (start, stop) in hours of every stretch of work."""
        work = (self.duration_h - (self.intervals - 1) * self.rest_h) / self.intervals
        starts = [
            self.start_h + repeat * self.every_h + interval * (work + self.rest_h)
            for repeat in range(self.times)
            for interval in range(self.intervals)
        ]
        return [(start, start + work) for start in starts]

    def repetitions(self) -> list[tuple[PerLane, PerLane]]:
        """Return (start, end) in hours of every repetition, rests between intervals included."""
        starts = [self.start_h + repeat * self.every_h for repeat in range(self.times)]
        return [(start, start + self.duration_h) for start in starts]

    @property
    def end_h(self) -> PerLane:
        """End of the last repetition, hours."""
        return self.start_h + (self.times - 1) * self.every_h + self.duration_h


class Infusion(eqx.Module):
    """One input held at a level for a while: an infusion, or carbohydrate taken."""

    start_h: PerLane
    duration_h: PerLane
    #: In the unit of the input, or that times or over kg of body mass.
    level: PerLane
    input: str = eqx.field(static=True)
    #: Power of the body mass in kg that the level is multiplied with.
    mass_power: int = eqx.field(static=True, default=0)
    #: True if the start counts from the end of the last bout.
    after_end: bool = eqx.field(static=True, default=False)


class Bolus(eqx.Module):
    """A dose that raises one state at once."""

    time_h: PerLane
    #: In the unit of the state, or that times or over kg of body mass.
    amount: PerLane
    state: str = eqx.field(static=True)
    #: Power of the body mass in kg that the amount is multiplied with.
    mass_power: int = eqx.field(static=True, default=0)
    after_end: bool = eqx.field(static=True, default=False)


class Protocol(eqx.Module):
    """All that is done to the subject, as numbers. Its leaves can be traced; each may be one a lane."""

    bouts: tuple[Bout, ...] = ()
    infusions: tuple[Infusion, ...] = ()
    boluses: tuple[Bolus, ...] = ()

    @property
    def end_h(self) -> PerLane:
        """End of the last bout, hours (0 without a bout)."""
        return reduce(jnp.maximum, [bout.end_h for bout in self.bouts]) if self.bouts else 0.0

    def window(self, infusion: Infusion) -> tuple[PerLane, PerLane]:
        """Return (start, stop) in hours of an infusion or intake of this protocol."""
        start = infusion.start_h + (self.end_h if infusion.after_end else 0.0)
        return start, start + infusion.duration_h

    def without_names(self) -> Protocol:
        """Return the same protocol with no word on the modality: one program serves them all."""
        return replace(self, bouts=tuple(replace(bout, modality="") for bout in self.bouts))


class Schedule(eqx.Module):
    """Edges in model time, the inputs between them, and what jumps at each.

    Segment k runs from `edges[k]` to `edges[k + 1]`; its length may be 0. A trailing lane axis
    is allowed on every array.
    """

    edges: Edges
    #: One array (segment,) per input of the model.
    inputs: tuple[PerSegment, ...]
    #: What is added at the start of each segment, for each state that is ever dosed.
    doses: dict[str, PerSegment]
    #: Number of the event at the start of the segment, -1 for none.
    event: Int[Array, "segment *lane"]
    #: Which edge each mark is; an edge where a state jumps at that time comes before it.
    marks: Int[Array, "mark *lane"]

    @property
    def segments(self) -> int:
        """Number of segments."""
        return self.edges.shape[0] - 1

    def scaled(self, time: OverTime) -> OverTime:
        """Return model times as tau in [0, segments]: segment number plus share of the segment.

        A time on an edge where a state jumps lies just behind it, so that it has jumped. For edges
        that all lanes share.
        """
        segment = self.segment_of(time)
        start, width = self.edges[segment], self.edges[segment + 1] - self.edges[segment]
        share = (time - start) / jnp.where(width > 0, width, 1.0)
        number = segment.astype(time.dtype)
        behind = jnp.where(self._jumps[segment], number * jnp.finfo(time.dtype).eps, 0.0)
        return number + jnp.clip(share, behind, 1.0)

    @property
    def _jumps(self) -> Array:
        # Whether a state jumps at the start of each segment.
        jumps = self.event >= 0
        for dose in self.doses.values():
            lanes = tuple(range(1, dose.ndim))
            jumps = jumps | jnp.any(dose != 0, axis=lanes)
        return jumps

    def segment_of(self, time: OverTime) -> SegmentNumbers:
        """Return the segment that each time belongs to; a time on an edge belongs to the later one."""
        # An edge that was summed up (start + duration) may miss an output time by a rounding error.
        rounding = 8 * jnp.finfo(time.dtype).eps * self.edges[-1]
        begun = jnp.sum(self.edges[:, None] <= time + rounding, axis=0)
        return jnp.clip(begun - 1, 0, self.segments - 1)

    def inputs_at(self, time: OverTime) -> tuple[OverTime, ...]:
        """Return the inputs at model times; on an edge, what follows it."""
        segment = self.segment_of(time)
        return tuple(values[segment] for values in self.inputs)


def build_schedule(
    model: Model,
    protocol: Protocol,
    constants: dict[str, Array],
    until_h: Scalar,
    marks_h: Sequence[PerLane] = (),
) -> Schedule:
    """Lay the protocol, the model's own events and its switches on one sorted line of edges.

    `marks_h` are times, in hours, that become edges too, so that the integration lands on them.

    Times may be traced: the number of edges follows from the structure of the protocol alone,
    and a segment between edges that coincide has length 0. What lies beyond the simulation is
    clipped to it; an event beyond it does not fire.
    """
    per_hour = 1.0 / model.spec.time_unit_h
    last = jnp.asarray(until_h * per_hour)
    mass = _body_mass_kg(model, constants)
    starts, stops, window_levels = _windows(model, protocol, mass)
    event_times, switch_times = model.jump_times(jnp, constants)
    end_h = protocol.end_h
    bolus_times = [bolus.time_h + (end_h if bolus.after_end else 0.0) for bolus in protocol.boluses]

    hours = [*starts, *stops, *bolus_times]
    times = [jnp.zeros_like(last), *(jnp.asarray(t) * per_hour for t in hours)]
    times += [jnp.asarray(t, last.dtype) for t in (*event_times, *switch_times)]
    first_mark = len(times)
    times += [jnp.asarray(t) * per_hour for t in marks_h]
    times.append(last)
    raw = jnp.stack(jnp.broadcast_arrays(*(t.astype(last.dtype) for t in times)))
    inside = jnp.clip(raw, 0.0, last)
    order = jnp.argsort(inside, axis=0, stable=True)
    # Whatever else falls on the two ends, they stay first and last.
    edges = jnp.take_along_axis(inside, order, axis=0)
    middle = 0.5 * (edges[1:] + edges[:-1])
    starting = order[:-1]

    first_bolus = 1 + len(starts) + len(stops)
    first_event = first_bolus + len(bolus_times)
    inputs = _levels(model, raw, len(starts), window_levels, middle)
    inputs += [jnp.where(middle >= time, 1.0, 0.0).astype(last.dtype) for time in switch_times]
    event = jnp.full(starting.shape, -1)
    for number, fires in enumerate(_firing(model, raw, first_event, last)):
        event = jnp.where((starting == first_event + number) & fires, number, event)
    doses = _doses(protocol, raw, first_bolus, starting, mass)
    marks = jnp.argsort(order, axis=0)[first_mark:-1]
    return Schedule(edges, tuple(inputs), doses, event, marks)


def _body_mass_kg(model: Model, constants: dict[str, Array]) -> PerLane:
    subject = {} if model.spec.card is None else dict(model.spec.card.subject)
    return constants[subject["body_mass"]] if "body_mass" in subject else jnp.nan


def _windows(
    model: Model, protocol: Protocol, mass_kg: PerLane
) -> tuple[list[PerLane], list[PerLane], list[dict[str, PerLane]]]:
    # Every stretch of time in which something is held: start, stop, {input id: level}.
    drivers = (
        {}
        if model.spec.card is None
        else {d.driver: d.input for d in model.spec.card.drivers if not d.target}
    )
    starts: list[PerLane] = []
    stops: list[PerLane] = []
    levels: list[dict[str, PerLane]] = []
    for bout in protocol.bouts:
        driven = {drivers[name]: level for name, level in bout.levels.items() if name in drivers}
        for start, stop in bout.windows():
            starts.append(start)
            stops.append(stop)
            levels.append(driven)
    for infusion in protocol.infusions:
        start, stop = protocol.window(infusion)
        starts.append(start)
        stops.append(stop)
        levels.append({infusion.input: _per_mass(infusion.level, mass_kg, infusion.mass_power)})
    return starts, stops, levels


def _per_mass(amount: PerLane, mass_kg: PerLane, power: int) -> PerLane:
    return amount * mass_kg**power if power else amount


def _levels(
    model: Model,
    raw: Float[Array, "slot *lane"],
    windows: int,
    levels: list[dict[str, PerLane]],
    middle: PerSegment,
) -> list[PerSegment]:
    start, stop = raw[1 : 1 + windows, None], raw[1 + windows : 1 + 2 * windows, None]
    held = (start <= middle) & (middle < stop)
    result = []
    for item in model.spec.inputs:
        level = jnp.zeros_like(middle)
        for window, driven in enumerate(levels):
            if item.id in driven:
                amount = jnp.asarray(driven[item.id], raw.dtype)
                level = _sum(level, _where(held[window], amount))
        result.append(level)
    return result


def _where(held: Array, amount: Array) -> Array:
    """Return an amount (one, or one a lane) on the segments on which it is held, else 0."""
    missing = amount.ndim - (held.ndim - 1)
    return jnp.where(held.reshape(held.shape + (1,) * missing), amount, 0.0)


def _sum(first: PerSegment, second: PerSegment) -> PerSegment:
    # Either may be one for all lanes.
    rank = max(first.ndim, second.ndim)
    one, other = (values.reshape(values.shape + (1,) * (rank - values.ndim)) for values in (first, second))
    return one + other


def _doses(
    protocol: Protocol,
    raw: Float[Array, "slot *lane"],
    first: int,
    starting: Int[Array, "segment *lane"],
    mass_kg: PerLane,
) -> dict[str, PerSegment]:
    doses: dict[str, Array] = {}
    for number, bolus in enumerate(protocol.boluses):
        here = (starting == first + number) & (raw[first + number] <= raw[-1]) & (raw[first + number] >= 0)
        dose = _where(here, jnp.asarray(_per_mass(bolus.amount, mass_kg, bolus.mass_power), raw.dtype))
        doses[bolus.state] = _sum(doses[bolus.state], dose) if bolus.state in doses else dose
    return doses


def _firing(model: Model, raw: Float[Array, "slot *lane"], first: int, last: Scalar) -> list[Array]:
    # An event fires inside the simulation; at or before its start only where SBML says so.
    return [
        (raw[first + number] <= last) & ((raw[first + number] > 0) | event.fires_at_start)
        for number, event in enumerate(model.spec.events)
    ]


def compile_protocol(spec: RunSpec, model: Model) -> Protocol:
    """Return the protocol of a checked config as numbers, in hours and in the model's units.

    The modality's muscle mass and whole-body cost come from the model's card. Raises KeyError
    for a target or modality that the card lacks and UnitError for a dose that does not fit:
    `exsim.inputs.config.check_against_model` says so beforehand, with the line.
    """
    card = model.spec.card or ModelCard(title=model.spec.name)
    bouts = tuple(_bout(bout, spec.subject, dict(card.modalities)) for bout in spec.protocol.bout)
    infused = {driver.target: driver.input for driver in card.drivers if driver.driver == "infusion"}
    fed = [driver.input for driver in card.drivers if driver.driver == "carbohydrate"]
    held = [(item.start, item.duration, item.rate, infused[item.target]) for item in spec.protocol.infusion]
    held += [
        (item.start, item.duration, item.carbohydrate, input)
        for item in spec.protocol.intake
        for input in fed
    ]
    targets = dict(card.boluses)
    return Protocol(
        bouts,
        tuple(_infusion(model, *item) for item in held),
        tuple(_bolus(model, item, targets[item.target]) for item in spec.protocol.bolus),
    )


def _bout(bout: BoutSpec, subject: SubjectSpec, modalities: dict[str, ModalityCard]) -> Bout:
    card = modalities[bout.modality]
    legs = bout.legs if bout.modality == "knee_extension" else 1
    intensity = intensity_fraction(bout, subject)
    muscle_kg = card.active_muscle_kg * legs if bout.active_muscle is None else bout.active_muscle.to("kg")
    whole_body = bout.whole_body_intensity
    if whole_body is None:
        whole_body = intensity * card.whole_body_fraction * legs
    levels = {
        "intensity": intensity,
        "whole_body_intensity": whole_body,
        "active_muscle": muscle_kg,
        "eccentric_load": card.eccentric_load,
    }
    rest_h = 0.0 if bout.intervals is None else bout.intervals.rest.to("h")
    return Bout(
        start_h=np.float64(bout.start.to("h")),
        duration_h=np.float64(bout.total_duration_h),
        rest_h=np.float64(rest_h),
        every_h=np.float64(0.0 if bout.repeat is None else bout.repeat.every.to("h")),
        levels={name: np.float64(level) for name, level in levels.items()},
        intervals=1 if bout.intervals is None else bout.intervals.repeats,
        times=1 if bout.repeat is None else bout.repeat.times,
        modality=bout.modality,
    )


def _infusion(model: Model, start: Moment, duration: Quantity, rate: Quantity, input: str) -> Infusion:
    level, mass_power = convert_dose(rate, model.units[input])
    return Infusion(
        start_h=np.float64(start.offset.to("h")),
        duration_h=np.float64(duration.to("h")),
        level=np.float64(level),
        input=input,
        mass_power=mass_power,
        after_end=start.after_end,
    )


def _bolus(model: Model, item: BolusSpec, state: str) -> Bolus:
    amount, mass_power = convert_dose(item.dose, model.units[state])
    return Bolus(
        time_h=np.float64(item.time.offset.to("h")),
        amount=np.float64(amount),
        state=state,
        mass_power=mass_power,
        after_end=item.time.after_end,
    )
