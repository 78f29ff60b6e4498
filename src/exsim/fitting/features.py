"""What data ask of the curves of simulations, as numbers with derivatives, for many vectors as lanes.

A feature is one number of one curve: its value at a time, its level at rest, its peak. A row of data is a
feature or compares two (`exsim.fitting.predicting`). Simulations with the same pruned model and the same
form of protocol make a bundle: one compiled program solves all of them, for many vectors of free numbers
at once, as lanes that share their steps, with one tangent for each quantity that is estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Float, Int

from ..formula import Expr
from ..integrating import integrate
from ..jax_setup import eqx, jax, jnp
from ..lanes import LANES, Timeline
from ..model import Model
from ..peaks import furthest_fold, peak, rise_after, time_of_peak
from ..protocol import Protocol, Schedule, build_schedule
from ..settling import at_rest, start_of
from ..spec import RunSpec
from ..sweep_placement import place_protocol
from ..sweep_targets import Target
from ..sweep_terms import parameter_of

#: What a feature is of its curve.
Kind = Literal["value", "rest", "peak", "time_of_peak", "furthest_fold", "rise"]
#: Kinds that need the curve between the times of the data.
OF_A_CURVE: tuple[Kind, ...] = ("peak", "time_of_peak", "furthest_fold", "rise")
#: Points in each segment of a curve whose peak is asked for; the parabola through three does the rest.
POINTS = 12


@dataclass(frozen=True)
class Bundle:
    """Simulations solved side by side: all that their compiled program depends on but numbers."""

    model: Model
    method: str
    max_steps: int
    #: One a simulation: what is not free.
    specs: tuple[RunSpec, ...]
    #: The quantities that are estimated; each is one tangent.
    targets: tuple[Target, ...]
    #: Whether each parameter of the model differs between the simulations.
    differs: tuple[bool, ...]
    #: Formulas of the observables.
    observables: tuple[Expr, ...]
    #: The kind of each feature, in their order.
    kinds: tuple[Kind, ...]

    @property
    def placed(self) -> bool:
        """True if a quantity of the protocol is estimated."""
        return any(parameter_of(target.path, self.model.spec) is None for target in self.targets)


class BundleNumbers(eqx.Module):
    """The numbers of a bundle, the same for all vectors."""

    #: Parameters of the model, in its units.
    nominal: Float[Any, "parameter simulation"]
    #: Leaves are numbers, or one a simulation.
    protocol: Protocol
    #: Times that are asked for, hours; the same number for each simulation.
    marks_h: Float[Any, "mark simulation"]
    #: Where the curve of each simulation ends, hours (one of its marks), and where the last one does.
    last_h: Float[Any, "simulation"]
    until_h: Float[Any, ""]
    rtol: Float[Any, ""]
    atol: Float[Any, ""]
    #: Of each feature: its simulation, its observable, its mark.
    simulation: Int[Any, "feature"]
    observable: Int[Any, "feature"]
    mark: Int[Any, "feature"]


class Features(eqx.Module):
    """The features of many vectors, and their derivatives by the estimated quantities of their simulation."""

    values: Float[Array, "vector feature"]
    slopes: Float[Array, "target vector feature"]
    #: `exsim.integrating.Status` of each solve.
    status: Int[Array, "vector simulation"]
    steps: Int[Array, ""]


@partial(jax.jit, static_argnums=0)
def solve_features(
    bundle: Bundle, numbers: BundleNumbers, values: Float[Array, "target vector simulation"]
) -> Features:
    """Return the features for these values of the estimated quantities, each in the unit of its target.

    Derivatives are by tangents through the solver, all of them and all solves as lanes of one system; the
    steps are those that the values alone ask for. What belongs to a failed solve may be anything: see
    `status`.
    """

    def found(values: Array) -> tuple[Array, tuple[Array, Array]]:
        features, status, steps = _features(bundle, numbers, values)
        return features, (status, steps)

    def along(number: Array) -> tuple[Array, Array, tuple[Array, Array]]:
        direction = jnp.zeros(len(bundle.targets), values.dtype).at[number].set(1.0)
        tangent = jnp.broadcast_to(direction[:, None, None], values.shape)
        features, slope, rest = jax.jvp(found, (values,), (tangent,), has_aux=True)
        return features, slope, rest

    if not bundle.targets:
        features, (status, steps) = found(values)
        slopes = jnp.zeros((0, *features.shape), features.dtype)
    else:
        numbered = jnp.arange(len(bundle.targets))
        features, slopes, (status, steps) = jax.vmap(along, out_axes=(None, 0, None))(numbered)
    return Features(features, slopes, status, steps)


@partial(jax.jit, static_argnums=(0, 1))
def solve_curves(
    bundle: Bundle, points: int, numbers: BundleNumbers, values: Float[Array, "target vector simulation"]
) -> tuple[Float[Array, "time lane"], Float[Array, "time observable lane"], Int[Array, "lane"]]:
    """Return the curves of the observables at `points` times in each segment: times in hours, values, status.

    Lanes are ordered by vector, then by simulation.
    """
    solved = _solve(bundle, numbers, values, points)
    times = _times_h(bundle, solved.schedule, points, solved.observed.shape[-1], ends_twice=False)
    return times, solved.observed, solved.status


def _features(bundle: Bundle, numbers: BundleNumbers, values: Array) -> tuple[Array, Array, Array]:
    between = POINTS - 1 if set(bundle.kinds) & set(OF_A_CURVE) else 1
    solved = _solve(bundle, numbers, values, between)
    shape = values.shape[1:]
    features = _measured(bundle, numbers, solved.schedule, between, solved.observed, solved.rest, shape)
    return features, solved.status.reshape(shape), solved.steps


class _Solved(eqx.Module):
    schedule: Schedule
    observed: Float[Array, "time observable lane"]
    rest: Float[Array, "observable lane"]
    status: Int[Array, "lane"]
    steps: Int[Array, ""]


def _solve(bundle: Bundle, numbers: BundleNumbers, values: Array, between: int) -> _Solved:
    # All simulations of all vectors as lanes, looked at `between` times in each segment and at the end.
    model = bundle.model
    vectors, simulations = values.shape[1:]
    lanes = (vectors * simulations,)
    tiled = partial(_tiled, vectors)
    rows = _parameters(bundle, numbers, values)
    protocol = jax.tree.map(lambda leaf: tiled(leaf) if jnp.ndim(leaf) else leaf, numbers.protocol)
    if bundle.placed:
        protocol = _placed(bundle, rows, values)
    dtype = numbers.nominal.dtype
    constants = {
        id: jax.lax.convert_element_type(value, dtype) for id, value in model.constants(jnp, rows).items()
    }
    marks = [mark[0] if simulations == 1 else tiled(mark) for mark in numbers.marks_h]
    schedule = build_schedule(model, protocol, constants, numbers.until_h, marks)
    taus = jnp.asarray(np.arange(schedule.segments * between + 1) / between, dtype)
    start = start_of(model, rows, constants, lanes, dtype)

    def observe(tau: Array, states: tuple[Array, ...], here: Timeline) -> Array:
        evaluate = model.observer(jnp, here.time(tau), here.inputs, states, constants)
        return jnp.stack([jnp.broadcast_to(evaluate(tree), lanes) for tree in bundle.observables])

    found = integrate(
        model,
        LANES,
        bundle.method,
        Timeline(schedule, constants),
        start,
        taus,
        observe,
        rtol=numbers.rtol,
        atol=numbers.atol,
        max_steps=bundle.max_steps,
    )
    at_start = at_rest(model, rows, constants, start)
    rest = jnp.stack([jnp.broadcast_to(at_start(tree), lanes) for tree in bundle.observables])
    return _Solved(schedule, found.observed, rest, found.status, found.steps)


def _times_h(
    bundle: Bundle, schedule: Schedule, between: int, lanes: int, *, ends_twice: bool
) -> Float[Array, "time lane"]:
    # When the curves are looked at: each segment from its start on, with its end too where asked for.
    segments = schedule.segments
    count = between + 1 if ends_twice else between
    segment = np.repeat(np.arange(segments), count)
    share = np.tile(np.arange(count) / between, segments)
    if not ends_twice:
        segment, share = np.append(segment, segments - 1), np.append(share, 1.0)
    edges = schedule.edges.reshape(segments + 1, -1)
    widths = edges[1:] - edges[:-1]
    times = edges[segment] + jnp.asarray(share, edges.dtype)[:, None] * widths[segment]
    return jnp.broadcast_to(times * bundle.model.spec.time_unit_h, (len(segment), lanes))


def _tiled(vectors: int, row: Array) -> Array:
    # One a simulation -> one a lane: lanes are ordered by vector, then by simulation.
    return jnp.tile(row, vectors)


def _parameters(bundle: Bundle, numbers: BundleNumbers, values: Array) -> list[Any]:
    # What is the same in all lanes stays one number.
    vectors = values.shape[1]
    rows: list[Any] = [
        _tiled(vectors, row) if differs else row[0]
        for row, differs in zip(numbers.nominal, bundle.differs, strict=True)
    ]
    for target, value in zip(bundle.targets, values, strict=True):
        id = parameter_of(target.path, bundle.model.spec)
        if id is not None:
            rows[bundle.model.parameter_ids.index(id)] = value.reshape(-1)
    return rows


def _placed(bundle: Bundle, rows: Sequence[Any], values: Array) -> Protocol:
    # Simulation by simulation, then side by side as lanes.
    vectors, simulations = values.shape[1:]
    own = []
    for number, spec in enumerate(bundle.specs):
        mine = [row.reshape(values.shape[1:])[:, number] if jnp.ndim(row) else row for row in rows]
        columns = [value[:, number] for value in values]
        own.append(place_protocol(bundle.model, spec, bundle.targets, columns, mine).without_names())

    def together(*leaves: Any) -> Any:
        if simulations == 1:
            return leaves[0]
        return jnp.stack([jnp.broadcast_to(leaf, (vectors,)) for leaf in leaves], axis=1).reshape(-1)

    return jax.tree.map(together, *own)


def _measured(
    bundle: Bundle,
    numbers: BundleNumbers,
    schedule: Schedule,
    between: int,
    observed: Float[Array, "time observable lane"],
    rest: Float[Array, "observable lane"],
    shape: tuple[int, int],
) -> Float[Array, "vector feature"]:
    rest = rest.reshape(-1, *shape)[numbers.observable, :, numbers.simulation]
    rows = schedule.marks.reshape(len(numbers.marks_h), -1)
    rows = jnp.broadcast_to(rows, (len(rows), observed.shape[-1]))
    at_marks = jnp.take_along_axis(observed, between * rows[:, None], axis=0).reshape(len(rows), -1, *shape)
    value = at_marks[numbers.mark, numbers.observable, :, numbers.simulation]
    found = jnp.where(np.array([kind == "rest" for kind in bundle.kinds])[:, None], rest, value)
    for kind in OF_A_CURVE:
        places = [number for number, own in enumerate(bundle.kinds) if own == kind]
        if places:
            made = _of_curves(bundle, numbers, schedule, between, observed, rest, value, shape, kind, places)
            found = found.at[np.array(places)].set(made)
    return found.T


def _of_curves(
    bundle: Bundle,
    numbers: BundleNumbers,
    schedule: Schedule,
    between: int,
    observed: Float[Array, "time observable lane"],
    rest: Float[Array, "feature vector"],
    value: Float[Array, "feature vector"],
    shape: tuple[int, int],
    kind: Kind,
    places: list[int],
) -> Float[Array, "own vector"]:
    """Return the features of one kind, those at `places`, all in one call."""
    # Both ends of every segment belong to it: the curve has a kink there.
    segments = schedule.segments
    rows = (np.arange(segments)[:, None] * between + np.arange(between + 1)).reshape(-1)
    segment = np.repeat(np.arange(segments), between + 1)
    own = np.array(places)
    observable, simulation = numbers.observable[own], numbers.simulation[own]
    times = _times_h(bundle, schedule, between, observed.shape[-1], ends_twice=True)
    # (time, own, vector)
    time = jnp.swapaxes(times.reshape(-1, *shape)[:, :, simulation], 1, 2)
    curves = jnp.moveaxis(
        observed[rows].reshape(len(segment), -1, *shape)[:, observable, :, simulation], 0, 1
    )
    # Others may go on for longer.
    inside = time <= numbers.last_h[simulation][:, None] * (1 + 1e-12)
    time, curves = jnp.where(inside, time, time[0]), jnp.where(inside, curves, curves[0])
    if kind == "peak":
        return peak(time, curves, segment)
    if kind == "time_of_peak":
        return time_of_peak(time, curves, segment)
    if kind == "furthest_fold":
        return furthest_fold(time, curves, segment, rest[own])
    at = jnp.broadcast_to(numbers.marks_h[numbers.mark[own], simulation][:, None], value[own].shape)
    return rise_after(time, curves, segment, at, value[own])
