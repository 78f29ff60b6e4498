"""Peaks, troughs, folds and rises as papers report them, from curves known at few times; differentiable.

`time` has shape (point,), hours, or (point, lanes); `values` has shape (point, ...) with lanes behind, and
every result has the shape of the lanes. A curve is smooth within a segment and has kinks between segments:
`segment` (point,) holds the number of the segment of each point and never falls. Both ends of a segment are
among its points, so that the time of a kink is there twice; a segment may have no length.

Between points a curve is its interpolation: the polynomial through a highest point and up to six more, the
nearest that lie in the same segment (Newton's divided differences, DLMF 3.3(iii) and (iv),
https://dlmf.nist.gov/3.3). It is highest where its slope is 0, by Newton's rule (DLMF 3.8(ii)) from the
vertex of the parabola through three. Twelve points on exp(-t) - exp(-2 t), 0 to 3, give its peak to 3e-5,
where the parabola alone is off by 6e-3. What a segment has highest at its end stays there: a maximum at a
kink is the kink, and its time moves with `time`. Else the time moves with `values`, by the implicit function
theorem: one step of Newton's rule from the solution has its derivative (Griewank & Walther, Evaluating
Derivatives, 2nd ed., 2008, doi:10.1137/1.9780898717761, chapter 15).

`exsim.summaries` has the same words for curves known at many times. What is not finite gives NaN, with a
gradient of zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .jax_setup import jax, jnp

Times = Float[Array, "point ..."] | Float[np.ndarray, "point ..."]
Values = Float[Array, "point ..."] | Float[np.ndarray, "point ..."]
Segments = Int[Array, "point"] | Int[np.ndarray, "point"]
#: One number for all lanes or one a lane.
PerLane = Float[Array, "..."] | Float[np.ndarray, "..."] | float
Lanes = Float[Array, "..."]
Nodes = Float[Array, "node ..."]

#: Times that are closer than this are the same: far below any sampling, far above rounding.
SAME_TIME_H = 1e-9
#: A bend by less than this share of the values is none: it is rounding, and so is where it is highest.
SMALLEST_BEND = 1e-10
#: Values below this are 0: their squares would be.
SMALLEST_VALUE = 1e-100
#: Of the polynomial: three for its parabola, and as many more as the segment has.
_NODES = 7
#: Newton's rule doubles the digits at each step.
_STEPS = 5
#: It has arrived when a step is below this share of the parabola's width.
_ARRIVED = 1e-6


def peak(time: Times, values: Values, segment: Segments) -> Lanes:
    """Return the highest value of a curve, of all that lies between its points too."""
    return _highest(time, values, segment).value


def time_of_peak(time: Times, values: Values, segment: Segments) -> Lanes:
    """Return when the highest value is reached, hours; the first time of a plateau.

    Unlike that of `exsim.summaries` it does not ask whether the curve ever leaves rest.
    """
    return _highest(time, values, segment).time


def trough(time: Times, values: Values, segment: Segments) -> Lanes:
    """Return the lowest value of a curve, of all that lies between its points too."""
    return -_highest(time, -jnp.asarray(values), segment).value


def furthest_fold(time: Times, values: Values, segment: Segments, rest: PerLane) -> Lanes:
    """Return the fold over `rest`, up or down, that lies furthest from 1; NaN where rest is not above 0."""
    ends = peak(time, jnp.stack([jnp.asarray(values), -jnp.asarray(values)], axis=-1), segment)
    known = (jnp.asarray(rest) > 0) & ~jnp.isnan(ends[..., 0])
    rest = jnp.where(known, rest, 1.0)
    highest, lowest = jnp.where(known, ends[..., 0], 1.0) / rest, jnp.where(known, -ends[..., 1], 1.0) / rest
    # 1 / lowest > highest, for a lowest above 0.
    down = (lowest <= 0) | (highest * lowest < 1)
    return jnp.where(known, jnp.where(down, lowest, highest), jnp.nan)


def rise_after(time: Times, values: Values, segment: Segments, at: PerLane, before: PerLane) -> Lanes:
    """Return the highest value from the time `at` on, hours, minus the value `before`; at least 0."""
    found = _highest(time, values, segment, since=at)
    rise = jnp.where(found.any, found.value, before) - before
    # Not `maximum`, which halves the gradient at 0; NaN stays.
    return jnp.where(rise <= 0, 0.0, rise)


class _Found(NamedTuple):
    value: Lanes
    time: Lanes
    #: Whether there was a point to look at.
    any: Bool[Array, "..."]


class _Crest(NamedTuple):
    """A point and the points around it: where the highest value near it is sought."""

    #: The three nodes of the parabola come first, the point itself is among them.
    nodes: Int[Array, "node ..."]
    times: Nodes
    values: Nodes
    #: Which nodes there are; never one without those before it.
    used: Bool[Array, "node ..."]
    time: Lanes
    value: Lanes
    #: Between these times, in its segment.
    low: Lanes
    high: Lanes
    #: Whether its segment has points on both sides.
    inner: Bool[Array, "..."]

    def of(self, t: Values, v: Values, place: Int[Array, "..."]) -> _Crest:
        """Return the same points with the times and values of a curve that is differentiated."""
        times, values = (jnp.take_along_axis(numbers, self.nodes, axis=0) for numbers in (t, v))
        return self._replace(times=times, values=values, time=_take(t, place), value=_take(v, place))


def _highest(time: Times, values: Values, segment: Segments, since: PerLane | None = None) -> _Found:
    t, v = jnp.asarray(time), jnp.asarray(values)
    t = jnp.broadcast_to(t.reshape(t.shape + (1,) * (v.ndim - t.ndim)), v.shape)
    start = -jnp.inf if since is None else since
    good = jnp.all(jnp.isfinite(t) & jnp.isfinite(v), axis=0) & ~jnp.isnan(start)
    t = jnp.where(good, t, jnp.zeros_like(t))
    v = jnp.where(good, v, 0.0)

    # Which place is highest has no derivative; what is there is worked out once more, for it alone.
    still_t, still_v, start = (jax.lax.stop_gradient(numbers) for numbers in (t, v, jnp.asarray(start)))
    crests = _crests(still_t, still_v, jnp.asarray(segment), start)
    summits = _summits(crests)
    asked = still_t >= start - SAME_TIME_H
    highest = _is_highest(jnp.where(asked, still_v, -jnp.inf), jnp.asarray(segment))
    place = jnp.argmax(jnp.where(asked & highest, summits.height, -jnp.inf), axis=0)
    crest, summit = jax.tree.map(lambda column: _take(column, place), (crests, summits))
    value, at = _value_and_time(crest.of(t, v, place), summit)
    found = ~good | jnp.any(asked, axis=0)
    return _Found(jnp.where(good, value, jnp.nan), jnp.where(good, at, jnp.nan), found)


def _is_highest(v: Values, segment: Segments) -> Bool[Array, "point ..."]:
    # Among its neighbours in the same segment.
    here = jnp.arange(v.shape[0])
    first, last = _ends(segment)
    return (v >= v[jnp.maximum(here - 1, first)]) & (v >= v[jnp.minimum(here + 1, last)])


def _ends(segment: Segments) -> tuple[Int[Array, "point"], Int[Array, "point"]]:
    # The places of the first and the last point of the segment of each point.
    last = jnp.searchsorted(segment, segment, side="right") - 1
    return jnp.searchsorted(segment, segment, side="left"), last


def _take(column: Array, place: Int[Array, "..."]) -> Array:
    # From (..., point, lanes) what lies at `place` (lanes).
    axis = column.ndim - place.ndim - 1
    index = jnp.expand_dims(place, tuple(range(axis + 1)))
    return jnp.squeeze(jnp.take_along_axis(column, index, axis=axis), axis)


def _crests(t: Values, v: Values, segment: Segments, start: PerLane) -> _Crest:
    count = v.shape[0]
    here = jnp.arange(count)
    first, last = _ends(segment)
    # The parabola's nodes are the point and its neighbours, or at an end of the segment the next two points.
    middle = jnp.clip(here, first + 1, last - 1)
    begin = jnp.maximum(jnp.minimum(middle - _NODES // 2, last - _NODES + 1), first)
    further = begin + jnp.arange(_NODES - 3)[:, None]
    further = jnp.where(further < middle - 1, further, further + 3)
    nodes = jnp.concatenate([jnp.stack([middle - 1, middle, middle + 1]), further])
    there = (nodes >= first) & (nodes <= last)
    nodes = jnp.clip(nodes, 0, count - 1)

    # Whether a point is later than the one before it; of points in another segment nothing is asked.
    later = jnp.concatenate([jnp.zeros_like(t[:1]), t[1:] - t[:-1]]) > SAME_TIME_H
    steps = begin + jnp.arange(1, _NODES)[:, None]
    beyond = _column(steps > last, v)
    apart = jnp.all(beyond | later[jnp.clip(steps, 0, count - 1)], axis=0)
    three = _column(last - first >= 2, v) & later[nodes[1]] & later[nodes[2]]
    return _Crest(
        nodes=jnp.broadcast_to(_column(nodes, v), (_NODES, *v.shape)),
        times=t[nodes],
        values=v[nodes],
        used=_column(there, v) & three & (apart | (_count(v) < 3)),
        time=t,
        value=v,
        low=jnp.maximum(t[jnp.maximum(here - 1, first)], start),
        high=t[jnp.minimum(here + 1, last)],
        inner=jnp.broadcast_to(_column((here > first) & (here < last), v), v.shape),
    )


def _column(marks: Array, values: Values) -> Array:
    # As many lanes behind as values have.
    return marks.reshape(marks.shape + (1,) * (values.ndim - 1))


class _Summit(NamedTuple):
    """Where a curve is highest near a point, in widths of the parabola from it, and how high."""

    at: Lanes
    height: Lanes
    #: Whether that is not the point itself, and whether the whole polynomial says so or the parabola.
    refined: Bool[Array, "..."]
    whole: Bool[Array, "..."]


def _summits(crest: _Crest) -> _Summit:
    """Return the highest value near each point: that of the point itself where nothing is higher."""
    x, numbers = _interpolation(crest)
    width, size = _sizes(crest)
    low, high = (crest.low - crest.time) / width, (crest.high - crest.time) / width
    bends = crest.used[2] & (numbers[2] < -SMALLEST_BEND)
    vertex = 0.5 * (x[0] + x[1] - numbers[1] / jnp.where(bends, numbers[2], -1.0))

    def step(_: Int[Array, ""] | int, at: Lanes) -> Lanes:
        return jnp.clip(at - _step(numbers, x, at), low, high)

    at = jax.lax.fori_loop(0, _STEPS, step, jnp.clip(vertex, low, high))
    height, slope, bend = _polynomial(numbers, x, at)
    arrived = (bend < -SMALLEST_BEND) & (jnp.abs(slope) < -_ARRIVED * bend)
    higher = height >= crest.value / size - SMALLEST_BEND
    whole = bends & arrived & higher & (low < at) & (at < high)
    # With a neighbour on both sides there is a maximum in between, which the parabola never misses.
    falls_back = bends & ~whole & crest.inner & (low < vertex) & (vertex < high)
    refined = whole | falls_back
    at = jnp.where(refined, jnp.where(whole, at, vertex), 0.0)
    height = size * jnp.where(whole, height, _polynomial(numbers[:3], x[:3], at)[0])
    return _Summit(at, jnp.where(refined, height, crest.value), refined, whole)


def _value_and_time(crest: _Crest, summit: _Summit) -> tuple[Lanes, Lanes]:
    x, numbers = _interpolation(crest)
    width, size = _sizes(crest)
    numbers = jnp.where((_count(summit.at) >= 3) & ~summit.whole, 0.0, numbers)
    at = summit.at - jnp.where(summit.refined, _step(numbers, x, summit.at), 0.0)
    height, time = size * _polynomial(numbers, x, at)[0], crest.time + width * at
    return jnp.where(summit.refined, height, crest.value), jnp.where(summit.refined, time, crest.time)


def _sizes(crest: _Crest) -> tuple[Lanes, Lanes]:
    """Return the units in which the polynomial is worked out: the parabola's width, and the largest value."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(jnp.where(crest.used, crest.values, 0.0)), axis=0))
    width = jnp.where(crest.used[2], crest.times[2] - crest.times[0], 1.0)
    return width, jnp.where(largest > SMALLEST_VALUE, largest, 1.0)


def _interpolation(crest: _Crest) -> tuple[Nodes, Nodes]:
    """Return the nodes, from the point on, and their divided differences, 0 beyond those that are used."""
    width, size = _sizes(crest)
    away = (crest.times - crest.time) / width
    # What is not used must differ from all others, or the branch not taken divides by 0.
    beyond = 1 + jnp.max(jnp.where(crest.used, jnp.abs(away), 0.0), axis=0)
    x = jnp.where(crest.used, away, beyond + _count(crest.value))
    slopes = jnp.where(crest.used, crest.values / size, 0.0)
    numbers = [slopes[0]]
    for order in range(1, _NODES):
        slopes = (slopes[1:] - slopes[:-1]) / (x[order:] - x[:-order])
        numbers.append(slopes[0])
    return x, jnp.where(crest.used, jnp.stack(numbers), 0.0)


def _count(lanes: Lanes) -> Int[np.ndarray, "node ..."]:
    return np.arange(_NODES).reshape((-1,) + (1,) * lanes.ndim)


def _polynomial(numbers: Nodes, x: Nodes, at: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    # Newton's form, its slope and its second derivative, by Horner's rule.
    value, slope, bend = numbers[-1], jnp.zeros_like(at), jnp.zeros_like(at)
    for node in range(len(numbers) - 2, -1, -1):
        away = at - x[node]
        value, slope, bend = numbers[node] + away * value, value + away * slope, 2 * slope + away * bend
    return value, slope, bend


def _step(numbers: Nodes, x: Nodes, at: Lanes) -> Lanes:
    # Newton's rule for a slope of 0, where the curve bends down.
    _, slope, bend = _polynomial(numbers, x, at)
    bends = bend < -SMALLEST_BEND
    return jnp.where(bends, slope, 0.0) / jnp.where(bends, bend, -1.0)
