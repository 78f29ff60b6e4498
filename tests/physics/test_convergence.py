"""Order of convergence on the marathon of the shipped model, with step points at the edges and without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.integrating import terms
from exsim.lanes import LANES, ONE_VECTOR, InScaledTime, StateForm, Timeline
from exsim.protocol import build_schedule

ORDER = 5.0
START_H, DURATION_H, UNTIL_H = 0.7, 3.43, 5.0
BOUT = {"start_h": START_H, "duration_h": DURATION_H, "intensity": 0.8}
#: Steps a segment, halved six times.
COUNTS = 16 * 2 ** np.arange(7)


class FixedSteps(diffrax.AbstractStepSizeController):
    """The same number of equal steps between any two edges, in scaled time."""

    per_segment: Any

    def wrap(self, direction: Any) -> FixedSteps:
        return self

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, dt0: Any, args: Any, *more: Any) -> Any:
        return t0 + 1.0 / self.per_segment, None

    def adapt_step_size(self, t0: Any, t1: Any, y0: Any, y1_candidate: Any, args: Any, *more: Any) -> Any:
        crossed = jnp.floor(t1) > jnp.floor(t0)
        return True, t1, t1 + 1.0 / self.per_segment, crossed, None, diffrax.RESULTS.successful


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def reference(axis: Any) -> np.ndarray:
    """Return the states at the end of the simulation from a run at 1e-14."""
    run = axis.run(until_h=UNTIL_H, rtol=1e-14, atol=1e-14, **BOUT)
    return np.asarray(run.states)[:, -1]


def _timeline(axis: Any) -> Timeline:
    model = axis.model
    constants = model.constants(jnp, list(jnp.asarray(model.nominal())))
    schedule = build_schedule(model, axis.protocol(**BOUT), constants, jnp.asarray(UNTIL_H))
    return Timeline(schedule, constants)


def _start(axis: Any, form: StateForm) -> Any:
    """Return the states at rest, on one lane where the form has lanes."""
    values = axis.model.initial_state(np, list(axis.model.nominal()))
    return form.pack([jnp.asarray(y) for y in values], (1,) if form is LANES else (), jnp.float64)


def _at_end(form: StateForm, solution: diffrax.Solution) -> jax.Array:
    return form.stack(jax.tree.map(lambda y: y[-1], solution.ys)).reshape(-1)


def _with_step_points(axis: Any, form: StateForm = ONE_VECTOR) -> Any:
    """Return the states at the end as a function of the number of steps a segment."""
    timeline, (derivative, jump) = _timeline(axis), terms(axis.model, form)

    @jax.jit
    def at_end(count: jax.Array) -> jax.Array:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(derivative),
            InScaledTime(form.tsit5(), jump),
            t0=0.0,
            t1=float(timeline.schedule.segments),
            dt0=1.0,
            y0=_start(axis, form),
            args=timeline,
            stepsize_controller=FixedSteps(count),
            max_steps=None,
        )
        return _at_end(form, solution)

    return at_end


def _without_step_points(axis: Any, form: StateForm = ONE_VECTOR) -> Any:
    """Return the same with equal steps from 0 to the end, whatever the bout does meanwhile."""
    model, constants = axis.model, _timeline(axis).constants
    levels = axis.protocol(**BOUT).bouts[0].levels
    drivers = {driver.input: driver.driver for driver in model.spec.card.drivers}

    def rates(time: Any, states: Any, _: Any) -> Any:
        at_work = jnp.where((time >= START_H) & (time < START_H + DURATION_H), 1.0, 0.0)
        inputs = [levels.get(drivers[item.id], 0.0) * at_work for item in model.spec.inputs]
        values = form.unpack(states)
        found = model.derivative(jnp, time, inputs, values, constants)
        return form.pack(found, values[0].shape, values[0].dtype)

    @jax.jit
    def at_end(count: jax.Array) -> jax.Array:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rates),
            form.tsit5(),
            t0=0.0,
            t1=UNTIL_H,
            dt0=UNTIL_H / count,
            y0=_start(axis, form),
            stepsize_controller=diffrax.ConstantStepSize(),
            max_steps=None,
        )
        return _at_end(form, solution)

    return at_end


def _errors(at_end: Any, counts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the largest error over the states, as a share of each, for every number of steps."""
    moved = np.abs(reference) > 0
    found = np.array([np.asarray(at_end(jnp.asarray(float(count)))) for count in counts])
    return (np.abs(found - reference)[:, moved] / np.abs(reference)[moved]).max(axis=1)


@pytest.mark.parametrize("form", [ONE_VECTOR, LANES], ids=["one solve", "lanes"])
def test_with_edges_as_step_points_fixed_steps_keep_their_order(
    axis: Any, reference: np.ndarray, form: StateForm
) -> None:
    errors = _errors(_with_step_points(axis, form), COUNTS, reference)
    # Coarse steps still show the next order, and what lies at rounding error shows none: the
    # finest halving above it counts.
    before, last = np.flatnonzero(errors > 1e-13)[-2:]
    slope = np.log2(errors[before] / errors[last]) / np.log2(COUNTS[last] / COUNTS[before])
    assert slope == pytest.approx(ORDER, abs=0.3)


def test_without_step_points_the_order_is_lost(axis: Any, reference: np.ndarray) -> None:
    # As many steps in all as with step points: those edges make six segments.
    segments = _timeline(axis).schedule.segments
    lost = _errors(_without_step_points(axis), segments * COUNTS, reference)
    kept = _errors(_with_step_points(axis), COUNTS, reference)
    slope = -np.polyfit(np.log2(COUNTS), np.log2(lost), 1)[0]
    assert slope < 2.0
    assert lost[-1] > 1e4 * kept[-1]


def test_the_error_falls_in_proportion_to_the_tolerance(axis: Any) -> None:
    """Over rtol 1e-4 to 1e-10, on the whole curves, as a share of each state's peak."""
    exact = np.asarray(axis.run(until_h=UNTIL_H, rtol=1e-13, atol=1e-13, **BOUT).states)
    peak = np.abs(exact).max(axis=1)
    moved = peak > 0
    ratios = []
    for rtol in 10.0 ** -np.arange(4, 11):
        found = np.asarray(axis.run(until_h=UNTIL_H, rtol=rtol, atol=1e-3 * rtol, **BOUT).states)
        ratios.append((np.abs(found - exact)[moved] / peak[moved, None]).max() / rtol)
    assert max(ratios) < 30 * min(ratios)
