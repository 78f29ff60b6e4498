"""Every rate law of the shipped models: against libRoadRunner, and in a solution made up beforehand.

Manufactured solutions: Roache (2002) J Fluids Eng 124:4-10, doi 10.1115/1.1436090. A smooth y(t) is
chosen, what it leaves over in the equations is added to them as a source, and y must come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim import load_model
from exsim.lanes import ONE_VECTOR, rms_norm
from exsim.model import Model, compile_model

SHIPPED = ("il6_axis", "two_compartment")
#: Everything that a protocol can drive, at once, so that no rate law is idle.
DRIVEN = {
    "exercise_intensity": 0.7,
    "whole_body_intensity": 0.6,
    "active_muscle": 9.0,
    "eccentric_load": 0.8,
    "carbohydrate_intake": 40.0,
    "il6_infusion": 3000.0,
}
#: Round levels of the states, near those of a run; 1 for any other.
LEVELS = {
    "glycogen": 0.6,
    "IL6_release": 400.0,
    "IL6": 20.0,
    "IL6_action": 15.0,
    "IL1RA": 900.0,
    "IL10": 8.0,
    "LPS": 0.2,
    "LPS_response_1": 0.1,
    "LPS_response_2": 0.1,
    "LPS_response_3": 0.05,
    "TNF": 2.0,
    "sTNFR1": 1500.0,
    "cortisol": 500.0,
    "dose_in_plasma": 3000.0,
    "IL6_interstitium": 500.0,
}
UNTIL = 6.0


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module", params=SHIPPED)
def model(request: pytest.FixtureRequest) -> Model:
    return compile_model(load_model(request.param))


def _levels(model: Model) -> np.ndarray:
    return np.array([LEVELS.get(id, 1.0) for id in model.state_ids])


def _inputs(model: Model) -> list[float]:
    return [DRIVEN[id] for id in model.input_ids]


def test_every_rate_equals_that_of_libroadrunner(model: Model, root: Any) -> None:
    """At 20 drawn states and parameters (seed 2): within 1e-12 of the largest rate of each state."""
    import roadrunner

    runner = roadrunner.RoadRunner(str(root / "models" / model.spec.name / "model.xml"))
    volumes = dict(zip(model.parameter_ids, model.nominal(), strict=True))
    chance = np.random.default_rng(2)
    kinds = {state.id: state for state in model.spec.states}
    ours, theirs = [], []
    for _ in range(20):
        states = _levels(model) * chance.uniform(0.2, 2.0, len(model.state_ids))
        values = model.nominal() * chance.uniform(0.8, 1.25, len(model.parameter_ids))
        ours.append(
            model.derivative(np, 0.0, _inputs(model), list(states), model.constants(np, list(values)))
        )
        volumes = dict(zip(model.parameter_ids, values, strict=True))
        for id, value in (*volumes.items(), *zip(model.input_ids, _inputs(model), strict=True)):
            runner[id] = value
        # States last: a volume that changes takes the concentrations in it with it.
        for id, value in zip(model.state_ids, states, strict=True):
            runner[f"[{id}]" if kinds[id].kind == "concentration" else id] = value
        theirs.append(
            [
                runner.getValue(f"{id}'")
                / (volumes[kinds[id].compartment] if kinds[id].kind == "concentration" else 1.0)
                for id in model.state_ids
            ]
        )
    largest = np.abs(np.array(theirs)).max(axis=0)
    assert np.all(largest > 0)
    np.testing.assert_array_less(np.abs(np.array(ours, float) - theirs) / largest, 1e-12)


def _manufactured(model: Model) -> tuple[Any, Any]:
    """Return y(t) and the equations with their source added, both as one vector."""
    levels = jnp.asarray(_levels(model))
    count = len(model.state_ids)
    pace, phase = jnp.linspace(3.0, 6.0, count), jnp.linspace(0.0, 5.0, count)
    constants = model.constants(jnp, [jnp.asarray(v) for v in model.nominal()])
    inputs = [jnp.asarray(v) for v in _inputs(model)]

    def chosen(time: Any) -> jax.Array:
        return levels * (1.0 + 0.4 * jnp.sin(pace * time + phase))

    def rates(time: Any, states: Any, _: Any) -> Any:
        y, slope = jax.jvp(chosen, (time,), (jnp.ones_like(time),))
        left_over = model.derivative(jnp, time, inputs, list(y), constants)
        found = model.derivative(jnp, time, inputs, list(states), constants)
        return slope - jnp.stack(left_over) + jnp.stack(found)

    return chosen, rates


def _relative_error(found: Any, times: Any, chosen: Any) -> float:
    exact = np.asarray(jax.vmap(chosen)(jnp.asarray(times)))
    return float(np.abs(np.asarray(found) / exact - 1.0).max())


def test_a_chosen_solution_comes_back(model: Model) -> None:
    chosen, rates = _manufactured(model)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rates),
        ONE_VECTOR.tsit5(),
        t0=0.0,
        t1=UNTIL,
        dt0=1e-3,
        y0=chosen(jnp.asarray(0.0)),
        saveat=diffrax.SaveAt(ts=np.linspace(0.0, UNTIL, 49)),
        stepsize_controller=diffrax.PIDController(rtol=1e-10, atol=1e-14, norm=rms_norm),
        max_steps=10_000,
    )
    assert _relative_error(solution.ys, solution.ts, chosen) <= 1e-8


def test_a_chosen_solution_comes_back_with_order_five(model: Model) -> None:
    chosen, rates = _manufactured(model)
    times = np.linspace(0.0, UNTIL, 9)

    @jax.jit
    def at_end(count: jax.Array) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rates),
            ONE_VECTOR.tsit5(),
            t0=0.0,
            t1=UNTIL,
            dt0=UNTIL / count,
            y0=chosen(jnp.asarray(0.0)),
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.ConstantStepSize(),
            max_steps=None,
        ).ys

    counts = 64 * 2 ** np.arange(7)
    errors = np.array([_relative_error(at_end(jnp.asarray(float(count))), times, chosen) for count in counts])
    # Coarse steps still show the next order, and what lies at rounding error shows none: the
    # finest halving above it counts.
    before, last = np.flatnonzero(errors > 1e-13)[-2:]
    slope = np.log2(errors[before] / errors[last]) / np.log2(counts[last] / counts[before])
    assert slope == pytest.approx(5.0, abs=0.3)
