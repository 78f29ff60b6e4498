"""Protocols on their line of edges: what is held between jumps, what jumps, and when."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.protocol import Bolus, Bout, Infusion, Protocol, build_schedule


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def _bout(start: float, duration: float, intensity: float, **more) -> Bout:
    numbers = {"rest_h": 0.0, "every_h": 0.0} | {k: v for k, v in more.items() if k.endswith("_h")}
    counts = {k: v for k, v in more.items() if not k.endswith("_h")}
    return Bout(start_h=start, duration_h=duration, levels={"intensity": intensity}, **numbers, **counts)


def _schedule(model, protocol: Protocol, until_h: float):
    constants = model.constants(jnp, [jnp.asarray(v) for v in model.nominal()])
    return build_schedule(model, protocol, constants, jnp.asarray(until_h))


def _input_over(model, protocol: Protocol, until_h: float, times) -> list[float]:
    (values,) = _schedule(model, protocol, until_h).inputs_at(jnp.asarray(times, float))
    return values.tolist()


def test_a_bout_holds_its_intensity_from_start_to_end(turnover_model) -> None:
    protocol = Protocol((_bout(1.0, 2.0, 0.8),))
    assert _input_over(turnover_model, protocol, 8.0, [0.0, 1.0, 2.9, 3.0, 8.0]) == [0.0, 0.8, 0.8, 0.0, 0.0]


def test_intervals_alternate_work_and_rest_inside_the_duration(turnover_model) -> None:
    bout = _bout(0.0, 1.0, 0.9, rest_h=0.1, intervals=3)
    work = (1.0 - 2 * 0.1) / 3
    starts = np.array([start for start, _ in bout.windows()])
    np.testing.assert_allclose(starts, [0.0, work + 0.1, 2 * (work + 0.1)], rtol=1e-14)
    assert bout.windows()[-1][1] == pytest.approx(1.0, rel=1e-14)
    assert _input_over(turnover_model, Protocol((bout,)), 2.0, starts + work + 0.05) == [0.0, 0.0, 0.0]


def test_repetitions_count_from_start_to_start(turnover_model) -> None:
    protocol = Protocol((_bout(1.0, 1.0, 0.5, every_h=24.0, times=3),))
    assert _input_over(turnover_model, protocol, 72.0, [1.5, 25.5, 49.5, 30.0]) == [0.5, 0.5, 0.5, 0.0]
    assert float(protocol.end_h) == 50.0


def test_bouts_that_touch_leave_a_segment_of_length_zero(turnover_model) -> None:
    protocol = Protocol((_bout(0.0, 1.0, 0.5), _bout(1.0, 1.0, 0.9)))
    schedule = _schedule(turnover_model, protocol, 4.0)
    assert schedule.edges.tolist() == [0.0, 0.0, 1.0, 1.0, 2.0, 4.0]
    assert _input_over(turnover_model, protocol, 4.0, [0.5, 1.0, 2.5]) == [0.5, 0.9, 0.0]


def test_times_relative_to_the_end_follow_the_last_bout(turnover_model) -> None:
    late = Infusion(start_h=0.5, duration_h=1.0, level=3.0, input="u", after_end=True)
    protocol = Protocol((_bout(0.0, 2.0, 0.8), _bout(3.0, 1.0, 0.8)), (late,))
    assert _input_over(turnover_model, protocol, 9.0, [4.4, 4.6, 5.6]) == [0.0, 3.0, 0.0]


def test_a_bolus_stands_at_its_time_and_one_beyond_the_end_never_comes(turnover_model) -> None:
    boluses = (Bolus(time_h=2.0, amount=5.0, state="y"), Bolus(time_h=9.0, amount=7.0, state="y"))
    schedule = _schedule(turnover_model, Protocol(boluses=boluses), 4.0)
    assert schedule.doses["y"].tolist() == [0.0, 5.0, 0.0]


def test_scaled_time_and_back_agree(turnover_model) -> None:
    schedule = _schedule(turnover_model, Protocol((_bout(1.0, 2.0, 0.8),)), 8.0)
    times = jnp.linspace(0.0, 8.0, 33)
    tau = schedule.scaled(times)
    number = schedule.segment_of(times)
    width = schedule.edges[number + 1] - schedule.edges[number]
    np.testing.assert_allclose(schedule.edges[number] + (tau - number) * width, times, atol=1e-14)
    assert bool(jnp.all(jnp.diff(tau) > 0))
