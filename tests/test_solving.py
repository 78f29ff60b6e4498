"""One solve: closed form, statuses, precision, traces and gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim import solving
from exsim.protocol import Bolus, Bout, Protocol
from exsim.solving import Status, solve

TIMES_H = np.linspace(0.0, 8.0, 161)


def _protocol(start=1.0, duration=2.0, intensity=0.8) -> Protocol:
    bout = Bout(start_h=start, duration_h=duration, rest_h=0.0, every_h=0.0, levels={"intensity": intensity})
    return Protocol((bout,))


def _exact(t: np.ndarray, k: float = 0.5, k_in: float = 2.0) -> np.ndarray:
    during = np.clip(t - 1.0, 0.0, 2.0)
    risen = k_in * 0.8 / k * (1 - np.exp(-k * during)) * np.exp(-k * np.clip(t - 3.0, 0.0, None))
    return np.exp(-k * t) + risen


@pytest.mark.parametrize("method", list(solving.SOLVERS))
def test_a_bout_on_one_compartment_equals_its_closed_form(turnover_model, method: str) -> None:
    # Kvaerno5 shows its values between steps by a cubic, so it needs smaller steps for them.
    rtol = {"kvaerno5": 1e-11}.get(method, 1e-10)
    run = solve(
        turnover_model, _protocol(), turnover_model.nominal(), TIMES_H, method=method, rtol=rtol, atol=1e-12
    )
    assert int(run.status) == Status.DONE
    np.testing.assert_allclose(np.asarray(run.states[0]), _exact(TIMES_H), rtol=1e-8)


def test_the_error_falls_with_the_tolerance(turnover_model) -> None:
    errors = []
    for rtol in 10.0 ** -np.arange(4, 11, 2):
        run = solve(
            turnover_model, _protocol(), turnover_model.nominal(), TIMES_H, rtol=rtol, atol=1e-3 * rtol
        )
        errors.append(np.abs(np.asarray(run.states[0]) - _exact(TIMES_H)).max() / rtol)
    assert max(errors) < 30 * min(errors)


def test_a_dose_is_there_from_its_own_moment_on(turnover_model) -> None:
    protocol = Protocol(boluses=(Bolus(time_h=2.0, amount=5.0, state="y"),))
    times = np.array([0.0, 1.999, 2.0, 3.0, 4.0])
    run = solve(turnover_model, protocol, turnover_model.nominal(), times, rtol=1e-10, atol=1e-12)
    expected = np.exp(-0.5 * times) + np.where(times >= 2.0, 5.0 * np.exp(-0.5 * (times - 2.0)), 0.0)
    np.testing.assert_allclose(np.asarray(run.states[0]), expected, rtol=1e-8)


def test_a_spent_budget_is_a_status_with_the_time_reached(turnover_model) -> None:
    run = solve(turnover_model, _protocol(), turnover_model.nominal(), TIMES_H, max_steps=6)
    assert int(run.status) == Status.STEP_BUDGET
    assert 0.0 < float(run.reached_h) < 8.0
    assert np.isnan(np.asarray(run.states[0])[-1])


def test_growth_without_bound_is_a_status_and_not_a_number(turnover_model) -> None:
    growing = turnover_model.nominal({"k": -400.0})
    run = solve(turnover_model, _protocol(), growing, TIMES_H)
    assert int(run.status) == Status.NOT_FINITE
    assert 0.0 < float(run.reached_h) < 8.0


def test_single_precision_comes_only_with_single_precision_numbers(turnover_model) -> None:
    single = solve(
        turnover_model,
        _protocol(),
        turnover_model.nominal().astype(np.float32),
        TIMES_H,
        rtol=1e-4,
        atol=1e-6,
    )
    double = solve(turnover_model, _protocol(), turnover_model.nominal(), TIMES_H)
    assert single.states[0].dtype == jnp.float32
    assert double.states[0].dtype == jnp.float64
    np.testing.assert_allclose(np.asarray(single.states[0]), _exact(TIMES_H), rtol=2e-4)


@pytest.mark.parametrize("double", [False, True])
def test_the_setting_of_the_caller_is_left_alone(turnover_model, double: bool) -> None:
    with jax.enable_x64(double):
        solve(turnover_model, _protocol(), turnover_model.nominal(), TIMES_H)
        assert jnp.asarray(1.0).dtype == (jnp.float64 if double else jnp.float32)


def test_another_number_traces_nothing_anew(turnover_model) -> None:
    solve(turnover_model, _protocol(), turnover_model.nominal(), TIMES_H)
    before = solving._solve._cache_size()
    for duration, rate in ((1.0, 0.4), (2.5, 0.7), (3.0, 0.9)):
        parameters = turnover_model.nominal({"k": rate})
        solve(turnover_model, _protocol(0.5, duration, 0.7), parameters, TIMES_H * 0.9, rtol=1e-5)
    assert solving._solve._cache_size() == before


def test_the_same_run_gives_the_same_bytes(turnover_model) -> None:
    runs = [solve(turnover_model, _protocol(), turnover_model.nominal(), TIMES_H) for _ in range(2)]
    assert np.asarray(runs[0].states[0]).tobytes() == np.asarray(runs[1].states[0]).tobytes()


@pytest.mark.parametrize("time_h", [2.0, 5.0])
@pytest.mark.parametrize("which", ["start", "duration", "intensity"])
def test_gradients_by_the_bout_equal_those_of_the_closed_form(
    turnover_model, which: str, time_h: float
) -> None:
    k, k_in, start, duration, u = 0.5, 2.0, 1.0, 2.0, 0.8

    def exact(start, duration, u):
        during = jnp.clip(time_h - start, 0.0, duration)
        since = jnp.clip(time_h - start - duration, 0.0, None)
        return jnp.exp(-k * time_h) + k_in * u / k * (1 - jnp.exp(-k * during)) * jnp.exp(-k * since)

    def simulated(start, duration, u):
        times = np.array([0.0, time_h, 8.0])
        protocol = _protocol(start, duration, u)
        return solve(
            turnover_model, protocol, turnover_model.nominal(), times, rtol=1e-10, atol=1e-12
        ).states[0][1]

    with jax.enable_x64(True):
        at = tuple(jnp.asarray(x) for x in (start, duration, u))
        tangent = tuple(jnp.asarray(float(name == which)) for name in ("start", "duration", "intensity"))
        _, expected = jax.jvp(exact, at, tangent)
        _, found = jax.jvp(simulated, at, tangent)
    np.testing.assert_allclose(float(found), float(expected), rtol=1e-7, atol=1e-9)


def test_lanes_are_many_solves_under_one_protocol(turnover_model) -> None:
    rates = np.array([0.2, 0.5, 1.1])
    lanes = np.stack([turnover_model.nominal({"k": rate}) for rate in rates], axis=1)
    together = solve(turnover_model, _protocol(), lanes, TIMES_H, rtol=1e-9, atol=1e-12)
    assert together.states.shape == (1, len(TIMES_H), 3)
    for lane, rate in enumerate(rates):
        alone = solve(turnover_model, _protocol(), lanes[:, lane], TIMES_H, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            np.asarray(together.states)[0, :, lane], np.asarray(alone.states)[0], rtol=1e-8
        )
        np.testing.assert_allclose(
            np.asarray(together.states)[0, :, lane], _exact(TIMES_H, k=rate), rtol=1e-8
        )


def test_what_lanes_cannot_share_is_refused(turnover_model) -> None:
    lanes = np.stack([turnover_model.nominal()] * 2, axis=1)
    with pytest.raises(ValueError, match="kvaerno5 takes one lane"):
        solve(turnover_model, _protocol(), lanes, TIMES_H, method="kvaerno5")
    per_kg = Protocol(boluses=(Bolus(time_h=2.0, amount=5.0, state="y", mass_power=1),))
    with pytest.raises(ValueError, match="dose per kg"):
        solve(turnover_model, per_kg, lanes, TIMES_H)
