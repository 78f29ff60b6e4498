"""The fused kernel in interpret mode: the same numbers as one solve at a time, whatever a lane does."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from exsim import summaries
from exsim.errors import RefusedError
from exsim.formula import Call, Name, Number
from exsim.fused import solve_fused, summarise_fused
from exsim.model import compile_model
from exsim.model_spec import Assignment, DriverCard, Input, ModelCard, ModelSpec, Parameter, State, TimedEvent
from exsim.protocol import Bolus, Bout, Protocol
from exsim.solving import Status, solve

TIMES_H = np.linspace(0.0, 8.0, 33)
#: Everything here runs the kernel operation by operation, on the CPU, four lanes a block.
CPU = {"block": 4, "interpret": True}


def _product(*factors):
    return Call("*", tuple(Name(f) if isinstance(f, str) else Number(f) for f in factors))


@pytest.fixture(scope="module")
def rich_model():
    """Return a model in minutes with a store that falls, a rule, and a state that an event alone changes."""
    rise = Call("-", (Call("*", (Name("k_in"), Name("u"), Name("level"))), _product("k", "y")))
    return compile_model(
        ModelSpec(
            name="rich",
            time_unit_h=1 / 60,
            parameters=(
                Parameter("k", 0.01, "1/min"),
                Parameter("k_in", 0.05, "pg/mL/min"),
                Parameter("use", 0.004, "1/min"),
                Parameter("exponent", 1.5, "dimensionless"),
                Parameter("onset", 100.0, "min"),
            ),
            states=(
                State("y", "pg/mL", Number(1.0), rise, "concentration", "plasma"),
                State("store", "dimensionless", Number(1.0), _product(-1.0, "use", "u", "store"), "amount"),
                State("level", "dimensionless", Number(1.0), Number(0.0), "parameter"),
            ),
            assignments=(Assignment("effect", "dimensionless", Call("^", (Name("y"), Name("exponent")))),),
            inputs=(Input("u", "dimensionless"),),
            events=(
                TimedEvent("more", Name("onset"), (("level", Call("+", (Name("level"), Number(2.0)))),)),
            ),
            card=ModelCard(title="rich", drivers=(DriverCard("u", "intensity"),), boluses=(("y", "y"),)),
        )
    )


def _bout(start=1.0, duration=2.0, intensity=0.8) -> Bout:
    return Bout(start_h=start, duration_h=duration, rest_h=0.0, every_h=0.0, levels={"intensity": intensity})


def _draws(model, lanes: int, sigma: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(3)
    return model.nominal()[:, None] * np.exp(sigma * rng.standard_normal((len(model.nominal()), lanes)))


def _alone(model, protocol, draws, **options) -> np.ndarray:
    runs = [solve(model, protocol, draw, TIMES_H, **options).states for draw in draws.T]
    return np.stack([np.asarray(run) for run in runs], axis=-1)


def _assert_close(found, expected, tolerance=1e-5) -> None:
    peaks = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(np.asarray(found) - expected) <= tolerance * peaks).all()


def test_each_lane_equals_a_solve_of_its_own_whatever_the_number_of_lanes(turnover_model) -> None:
    protocol, draws = Protocol((_bout(),)), _draws(turnover_model, 6)
    run = solve_fused(turnover_model, protocol, draws, TIMES_H, **CPU)
    assert run.values.shape == (1, len(TIMES_H), 6)
    assert run.values.dtype == np.float64
    np.testing.assert_array_equal(run.status, Status.DONE)
    np.testing.assert_allclose(run.reached_h, 8.0)
    _assert_close(run.values, _alone(turnover_model, protocol, draws))


def test_one_lane_is_a_lane_like_any_other(turnover_model) -> None:
    protocol, draws = Protocol((_bout(),)), _draws(turnover_model, 6)
    one = solve_fused(turnover_model, protocol, draws[:, 2:3], TIMES_H, **CPU)
    all = solve_fused(turnover_model, protocol, draws, TIMES_H, **CPU)
    np.testing.assert_allclose(one.values[..., 0], all.values[..., 2], rtol=1e-13)


def test_every_lane_takes_its_own_steps(turnover_model) -> None:
    draws = np.array([[0.01, 30.0], [2.0, 2.0]])
    run = solve_fused(turnover_model, Protocol((_bout(),)), draws, TIMES_H, **CPU)
    steps = [int(solve(turnover_model, Protocol((_bout(),)), draw, TIMES_H).steps) for draw in draws.T]
    assert steps[1] > 3 * steps[0]
    np.testing.assert_array_equal(run.steps, steps)


def test_doses_are_there_from_their_own_moment_on_the_last_moment_too(turnover_model) -> None:
    protocol = Protocol(
        boluses=(Bolus(time_h=2.0, amount=5.0, state="y"), Bolus(time_h=4.0, amount=3.0, state="y"))
    )
    times = np.array([0.0, 1.999, 2.0, 3.0, 4.0])
    draws = np.array([[0.5, 0.25], [2.0, 2.0]])
    run = solve_fused(turnover_model, protocol, draws, times, rtol=1e-10, atol=1e-12, **CPU)
    for lane, k in enumerate(draws[0]):
        risen = np.where(times >= 2.0, 5.0 * np.exp(-k * (times - 2.0)), 0.0) + 3.0 * (times == 4.0)
        np.testing.assert_allclose(run.values[0, :, lane], np.exp(-k * times) + risen, rtol=1e-8)


def test_events_of_the_model_fire_in_each_lane_at_its_own_time(rich_model) -> None:
    protocol, draws = Protocol((_bout(),)), _draws(rich_model, 5, sigma=0.3)
    assert len(set(draws[-1])) == 5
    run = solve_fused(rich_model, protocol, draws, TIMES_H, **CPU)
    np.testing.assert_array_equal(run.values[2, -1], 3.0)
    _assert_close(run.values, _alone(rich_model, protocol, draws))


def test_lanes_may_differ_in_their_bouts(turnover_model) -> None:
    draws = _draws(turnover_model, 5)
    starts, hours, levels = np.linspace(0.0, 2.0, 5), np.linspace(0.5, 9.0, 5), np.linspace(0.3, 0.9, 5)
    run = solve_fused(turnover_model, Protocol((_bout(starts, hours, levels),)), draws, TIMES_H, **CPU)
    for lane in range(5):
        alone = Protocol((_bout(starts[lane], hours[lane], levels[lane]),))
        _assert_close(run.values[..., lane], _alone(turnover_model, alone, draws[:, [lane]])[..., 0])


def test_a_lane_that_blows_up_says_so_and_leaves_its_neighbours_alone(turnover_model) -> None:
    protocol, draws = Protocol((_bout(),)), _draws(turnover_model, 4)
    good = solve_fused(turnover_model, protocol, draws, TIMES_H, **CPU)
    draws[0, 1], draws[0, 2] = -400.0, np.nan
    run = solve_fused(turnover_model, protocol, draws, TIMES_H, **CPU)
    np.testing.assert_array_equal(
        run.status, [Status.DONE, Status.NOT_FINITE, Status.NOT_FINITE, Status.DONE]
    )
    np.testing.assert_array_equal(run.values[..., [0, 3]], good.values[..., [0, 3]])
    assert 0.0 < float(run.reached_h[1]) < 8.0
    reached = float(run.reached_h[1]) >= TIMES_H
    assert np.isfinite(run.values[0, reached, 1]).all()
    assert np.isnan(run.values[0, ~reached, 1]).all()
    assert np.isnan(run.values[0, :, 2]).all()


def test_a_spent_budget_is_a_status_of_that_lane_alone(turnover_model) -> None:
    draws = np.array([[0.5, 3000.0], [2.0, 2.0]])
    run = solve_fused(turnover_model, Protocol((_bout(),)), draws, TIMES_H, max_steps=100, **CPU)
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.STEP_BUDGET])
    assert int(run.steps[1]) == 100
    assert np.isnan(run.values[0, -1, 1])


def test_single_precision_comes_with_single_precision_numbers(turnover_model) -> None:
    protocol, draws = Protocol((_bout(),)), _draws(turnover_model, 4)
    run = solve_fused(
        turnover_model, protocol, draws.astype(np.float32), TIMES_H, rtol=1e-4, atol=1e-6, **CPU
    )
    assert run.values.dtype == np.float32
    _assert_close(run.values, _alone(turnover_model, protocol, draws), tolerance=1e-3)


@pytest.mark.parametrize("intensity", [0.8, 1e-6])
def test_metrics_equal_the_summary_of_the_curves(rich_model, intensity: float) -> None:
    protocol = Protocol((_bout(0.5, 1.0, intensity), _bout(3.0, 1.5, intensity)))
    draws = _draws(rich_model, 5, sigma=0.3)
    draws[0] *= 2.0
    curves = solve_fused(rich_model, protocol, draws, TIMES_H, ("y", "store", "effect"), **CPU)
    assert curves.ids == ("y", "store", "effect")
    found = summarise_fused(
        rich_model, protocol, draws, TIMES_H, ("y", "store", "effect"), falling=("store",), **CPU
    )
    values = dict(zip(curves.ids, np.asarray(curves.values), strict=True))
    np.testing.assert_allclose(values["effect"], values["y"] ** draws[3], rtol=1e-12)
    starts, ends = np.array([[0.5], [3.0]]), np.array([[1.5], [4.5]])
    for analyte, curve in values.items():
        expected = summaries.summarise(TIMES_H, curve, starts, ends, falling=analyte == "store")
        for name, numbers in expected.items():
            np.testing.assert_allclose(
                found.metrics[f"{analyte}_{name}"],
                np.broadcast_to(numbers, 5),
                rtol=1e-9,
                atol=1e-12,
                err_msg=f"{analyte} {name}",
            )
    assert len(found.metrics) == 3 * 7


def test_metrics_of_a_failed_lane_are_no_numbers(turnover_model) -> None:
    protocol, draws = Protocol((_bout(),)), _draws(turnover_model, 2)
    draws[0, 1] = -400.0
    run = summarise_fused(turnover_model, protocol, draws, TIMES_H, ("y",), **CPU)
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.NOT_FINITE])
    assert np.isfinite(run.metrics["y_peak"][0])
    for name, values in run.metrics.items():
        assert np.isnan(values[1]), name


def test_an_unknown_analyte_is_named(turnover_model) -> None:
    with pytest.raises(KeyError, match="turnover has no state or rule IL99"):
        summarise_fused(turnover_model, Protocol(), _draws(turnover_model, 2), TIMES_H, ("IL99",), **CPU)


def test_a_block_that_is_no_power_of_two_is_refused(turnover_model) -> None:
    with pytest.raises(ValueError, match="power of two"):
        solve_fused(turnover_model, Protocol(), _draws(turnover_model, 2), TIMES_H, block=48)


@pytest.mark.skipif(jnp.zeros(1).device.platform == "gpu", reason="there is a GPU here")
def test_without_a_gpu_the_kernel_says_what_is_missing(turnover_model) -> None:
    with pytest.raises(RefusedError, match="CUDA GPU"):
        solve_fused(turnover_model, Protocol(), _draws(turnover_model, 2), TIMES_H)
