"""Peaks of curves known at few times, against closed forms, dense curves and central differences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator
from scipy.optimize import minimize_scalar

from exsim import peaks, summaries

peak, trough, time_of_peak = (jax.jit(f) for f in (peaks.peak, peaks.trough, peaks.time_of_peak))
furthest_fold, rise_after = jax.jit(peaks.furthest_fold), jax.jit(peaks.rise_after)

POINTS = 12
SUMMARIES = (peak, time_of_peak)
ALL = {
    "peak": peak,
    "time of peak": time_of_peak,
    "trough": trough,
    "furthest fold": jax.jit(lambda time, values, segment: furthest_fold(time, values, segment, 0.1)),
    "rise": jax.jit(lambda time, values, segment: rise_after(time, values, segment, 0.5, 0.1)),
}
#: Compiled once for all tests, with two segments of twelve points.
WITH_GRADIENTS = {name: jax.jit(jax.value_and_grad(summary, (0, 1))) for name, summary in ALL.items()}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def sampled(*edges, points=POINTS):
    """Return times with both ends of each segment, and the number of the segment of each."""
    pieces = [np.linspace(*ends, points) for ends in itertools.pairwise(edges)]
    return np.concatenate(pieces), np.repeat(np.arange(len(pieces)), points)


def rise_and_fall(time, slow=1.0, fast=2.0):
    """Return a difference of exponentials: highest at log(fast / slow) / (fast - slow)."""
    return np.exp(-slow * time) - np.exp(-fast * time)


def top_of(slow, fast):
    time = np.log(fast / slow) / (fast - slow)
    return rise_and_fall(time, slow, fast), time


#: Highest at log 2, of 0.25.
TIME, SEGMENT = sampled(0.0, 2.5)
VALUES = rise_and_fall(TIME)


def cytokine(time, end=3.0):
    """Return a rise towards 40 during a bout, then a decay to 2: a kink at its end."""
    during = 2.0 + 38.0 * (1 - np.exp(-0.8 * time))
    top = 2.0 + 38.0 * (1 - np.exp(-0.8 * end))
    return np.where(time <= end, during, 2.0 + (top - 2.0) * np.exp(-0.5 * (time - end)))


@pytest.mark.parametrize("fast", [1.2, 2.0, 4.0])
@pytest.mark.parametrize("start", [-0.4, 0.0, 0.4, 0.56, 0.6])
def test_twelve_points_give_a_smooth_peak_and_its_time(fast, start) -> None:
    # Segments of up to about six time constants of the faster exponential.
    height, at = top_of(1.0, fast)
    for after in (1.2, 3.0, 4.6):
        time, segment = sampled(min(start / fast, at), at + after / fast)
        values = rise_and_fall(time, 1.0, fast)
        assert float(peak(time, values, segment)) == pytest.approx(height, rel=1e-4)
        assert float(time_of_peak(time, values, segment)) == pytest.approx(at, abs=1e-2 * (time[1] - time[0]))


def test_a_peak_is_that_of_the_polynomial_through_seven_points() -> None:
    time, segment = sampled(0.0, 5.0)
    values = rise_and_fall(time)
    place = int(values.argmax())
    through = BarycentricInterpolator(time[:7], values[:7])
    assert place < 4
    best = minimize_scalar(lambda t: -float(through(t)), bounds=(time[place - 1], time[place + 1]))
    assert float(peak(time, values, segment)) == pytest.approx(-best.fun, rel=1e-12)


@pytest.mark.parametrize("points", [3, 4, 5, 6, 7, 9])
def test_a_parabola_has_its_vertex_whatever_the_number_and_spacing_of_its_points(points) -> None:
    for seed in range(5):
        time = np.sort(np.random.default_rng(seed).uniform(0.0, 1.0, points))
        time[[0, -1]] = 0.0, 1.0
        values = 5.0 - 3.0 * (time - 0.37) ** 2
        segment = np.zeros(points, int)
        assert float(peak(time, values, segment)) == pytest.approx(5.0, rel=1e-12)
        assert float(time_of_peak(time, values, segment)) == pytest.approx(0.37, rel=1e-10)


def test_two_points_or_one_give_the_higher() -> None:
    time, values = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    for segment in (np.array([0, 0]), np.array([0, 1])):
        assert (float(peak(time, values, segment)), float(time_of_peak(time, values, segment))) == (2.0, 1.0)
    assert float(peak(time[:1], values[:1], np.zeros(1, int))) == 1.0


def test_a_maximum_at_a_kink_is_the_kink() -> None:
    time, segment = sampled(0.0, 3.0, 12.0)
    values = cytokine(time)
    assert float(peak(time, values, segment)) == cytokine(np.float64(3.0))
    assert float(time_of_peak(time, values, segment)) == 3.0


def test_the_time_of_a_kink_moves_with_the_time_of_its_points() -> None:
    def at(end):
        time = jnp.concatenate([jnp.linspace(0.0, 1.0, POINTS) * end, end + jnp.linspace(0.0, 9.0, POINTS)])
        during = 1 - jnp.exp(-0.8 * time[:POINTS])
        values = jnp.concatenate([during, during[-1] * jnp.exp(-0.5 * (time[POINTS:] - end))])
        return time_of_peak(time, values, segment), peak(time, values, segment)

    segment = np.repeat([0, 1], POINTS)
    time, height = jax.jacfwd(at)(3.0)
    assert float(time) == 1.0
    assert float(height) == pytest.approx(0.8 * np.exp(-2.4), rel=1e-12)


@pytest.mark.parametrize("edge", [0.1, 0.66, 0.69, 0.6932, 0.8])
def test_a_smooth_peak_close_to_an_edge_is_found_on_its_side(edge) -> None:
    # The edge is none of the curve's: the peak is at log 2, just before it or just after.
    time, segment = sampled(0.0, edge, 2.5)
    values = rise_and_fall(time)
    assert float(peak(time, values, segment)) == pytest.approx(0.25, rel=1e-4)
    assert float(time_of_peak(time, values, segment)) == pytest.approx(np.log(2), abs=2e-3)


def test_nothing_jumps_while_a_peak_moves_over_points_and_edges() -> None:
    time, segment = sampled(0.0, 0.7, 2.5)
    rates = jnp.linspace(1.05, 4.0, 600)

    def both(fast):
        values = jnp.exp(-jnp.asarray(time)) - jnp.exp(-fast * time)
        return jnp.stack([peak(time, values, segment), time_of_peak(time, values, segment)])

    height, at = jax.vmap(both)(rates).T
    closed = np.array([top_of(1.0, rate) for rate in np.asarray(rates)]).T
    np.testing.assert_allclose(height, closed[0], rtol=1e-4)
    np.testing.assert_allclose(at, closed[1], atol=2e-3)


def test_a_higher_peak_between_points_beats_a_lower_one_at_a_point() -> None:
    time = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 4.0])
    values = np.array([0.0, 1.0, 0.0, 0.0, 0.99, 0.97])
    segment = np.array([0, 0, 0, 1, 1, 1])
    assert float(peak(time, values, segment)) > 1.1
    assert 3.0 < float(time_of_peak(time, values, segment)) < 4.0


def test_a_plateau_is_reached_at_its_first_time() -> None:
    time, segment = sampled(0.0, 1.0, 2.0, 3.0)
    values = np.clip(np.minimum(time, 3.0 - time), 0.0, 1.0)
    assert (float(peak(time, values, segment)), float(time_of_peak(time, values, segment))) == (1.0, 1.0)
    slopes = jax.grad(time_of_peak, (0, 1))(time, values, segment)
    np.testing.assert_array_equal(slopes[0], np.arange(len(time)) == POINTS - 1)
    np.testing.assert_array_equal(slopes[1], 0.0)


def test_of_two_equal_peaks_the_first_counts() -> None:
    time = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 4.0])
    values = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    assert float(time_of_peak(time, values, np.array([0, 0, 0, 1, 1, 1]))) == 1.0


def test_two_equal_points_have_the_peak_between_them() -> None:
    time, values = np.arange(4.0), np.array([0.0, 1.0, 1.0, 0.0])
    found = peak(time, values, np.zeros(4, int)), time_of_peak(time, values, np.zeros(4, int))
    np.testing.assert_allclose(found, [1.125, 1.5], rtol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_monotone_curve_is_highest_at_an_end(sign) -> None:
    time, segment = sampled(0.0, 2.0)
    for curve in (time, np.exp(-time), np.exp(time), np.log1p(time), time**3):
        values = sign * curve
        place = int(values.argmax())
        assert float(peak(time, values, segment)) == values[place]
        assert float(time_of_peak(time, values, segment)) == time[place]


def test_the_gradient_of_a_peak_by_a_rate_is_that_of_the_closed_form() -> None:
    time, segment = sampled(0.0, 2.5)

    @jax.jit
    @jax.jacfwd
    def slopes(fast):
        values = jnp.exp(-jnp.asarray(time)) - jnp.exp(-fast * time)
        return jnp.stack([peak(time, values, segment), time_of_peak(time, values, segment)])

    for fast in (1.5, 2.0, 3.0):
        at = np.log(fast) / (fast - 1)
        closed = at * np.exp(-fast * at), (1 / fast - at) / (fast - 1)
        np.testing.assert_allclose(slopes(fast), closed, rtol=1e-2)


CURVES = {
    "smooth": (rise_and_fall, (0.0, 2.5, 2.5)),
    "before an edge": (rise_and_fall, (0.0, 0.8, 2.5)),
    "after an edge": (rise_and_fall, (0.0, 0.66, 2.5)),
    "kink": (cytokine, (0.0, 3.0, 12.0)),
    "monotone": (np.log1p, (0.0, 1.0, 2.0)),
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("name", ALL)
def test_gradients_are_central_differences(name, curve) -> None:
    function, edges = CURVES[curve]
    time, segment = sampled(*edges)
    values = function(time)
    _, found = WITH_GRADIENTS[name](time, values, segment)
    for at in np.unique(time):
        # A step of one copy of an edge alone would break a tie.
        copies = time == at
        step = 1e-6 * copies
        for slope, by_time, by_value in ((found[0], 1, 0), (found[1], 0, 1)):
            up, down = (
                float(ALL[name](time + sign * by_time * step, values + sign * by_value * step, segment))
                for sign in (1, -1)
            )
            assert float(slope[copies].sum()) == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-7)


def test_the_derivative_forward_is_the_derivative_backward() -> None:
    time, segment = sampled(0.0, 0.8, 2.5)
    values = rise_and_fall(time)
    along = np.cos(np.arange(len(time)))
    for name, summary in ALL.items():
        pushed = jax.jvp(lambda v, f=summary: f(time, v, segment), (values,), (along,))[1]
        pulled = WITH_GRADIENTS[name](time, values, segment)[1][1] @ along
        assert float(pushed) == pytest.approx(float(pulled), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("falling", [False, True])
def test_few_points_agree_with_the_summaries_of_dense_curves(falling) -> None:
    time, segment = sampled(0.0, 1.0, 4.0, 9.0)
    dense = np.linspace(0.0, 9.0, 90_001)

    def curve(at):
        # Kinks at 1 and 4 h, the highest value in between.
        after = np.clip(at - 1.0, 0.0, 3.0)
        rise = 3.0 + 20.0 * rise_and_fall(after) + 0.2 * np.clip(at - 4.0, 0.0, None)
        return 30.0 - rise if falling else rise

    values = curve(time)
    extreme = trough(time, values, segment) if falling else peak(time, values, segment)
    at = time_of_peak(time, -values if falling else values, segment)
    assert float(extreme) == pytest.approx(float(summaries.peak(curve(dense), falling)), rel=1e-4)
    assert float(at) == pytest.approx(float(summaries.time_of_peak(dense, curve(dense), falling)), abs=2e-3)


def test_lanes_have_times_of_their_own() -> None:
    ends = np.array([1.0, 2.0, 3.0, 0.0])
    time = np.concatenate([np.linspace(0.0, ends, POINTS), np.linspace(ends, 12.0, POINTS)])
    segment = np.repeat([0, 1], POINTS)
    values = cytokine(time, ends)
    for summary in SUMMARIES:
        found = summary(time, values, segment)
        alone = [float(summary(time[:, k], values[:, k], segment)) for k in range(4)]
        lanes = jax.vmap(summary, (1, 1, None))(time, values, jnp.asarray(segment))
        np.testing.assert_allclose(found, alone, rtol=1e-13)
        np.testing.assert_allclose(lanes, alone, rtol=1e-13)
    np.testing.assert_array_equal(time_of_peak(time, values, segment), ends)


def test_one_time_serves_lanes_of_any_shape() -> None:
    values = VALUES[:, None, None] * np.arange(1.0, 7.0).reshape(2, 3)
    np.testing.assert_allclose(
        peak(TIME, values, SEGMENT), 0.25 * np.arange(1.0, 7.0).reshape(2, 3), rtol=1e-4
    )


def test_a_segment_without_length_changes_nothing() -> None:
    wide, numbers = sampled(0.0, 0.3, 0.3, 2.5, 2.5)
    for summary in SUMMARIES:
        found = float(summary(wide, rise_and_fall(wide), numbers))
        assert found == pytest.approx(float(summary(TIME, VALUES, SEGMENT)), abs=1e-4)


def test_a_scale_or_a_shift_of_time_and_values_passes_through() -> None:
    height, at = float(peak(TIME, VALUES, SEGMENT)), float(time_of_peak(TIME, VALUES, SEGMENT))
    for factor in (1e-8, 1e8):
        assert float(peak(TIME, factor * VALUES, SEGMENT)) == pytest.approx(factor * height, rel=1e-13)
    assert float(peak(TIME, VALUES - 7.0, SEGMENT)) == pytest.approx(height - 7.0, rel=1e-13)
    assert float(time_of_peak(1e3 * TIME + 50.0, VALUES, SEGMENT)) == pytest.approx(1e3 * at + 50.0, rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_gives_nan_in_its_lane_only(bad) -> None:
    time, segment = sampled(0.0, 1.0, 2.5)
    values = np.stack([rise_and_fall(time)] * 2, axis=1)
    values[5, 1] = bad
    for summary in WITH_GRADIENTS.values():
        for column in (0, 1):
            found, slopes = summary(time, values[:, column], segment)
            assert np.isnan(found) == (column == 1)
            for slope in slopes:
                assert np.isfinite(slope).all()
                assert column == 0 or not np.any(slope)
        assert np.isnan(summary(np.where(np.arange(len(time)) == 5, bad, time), values[:, 0], segment)[0])
    np.testing.assert_array_equal(np.isnan(peak(time, values, segment)), [False, True])


DEGENERATE = {
    "nothing": np.zeros(24),
    "rest": np.full(24, 3.0),
    "rounding": 3.0 + 1e-16 * np.arange(24) % 3e-16,
    "spikes": np.where(np.arange(24) % 3, 0.0, 5.0),
    "step": np.where(np.arange(24) < 12, 0.0, 1.0),
    "huge": 1e90 * np.sin(np.arange(24)),
    "tiny": 1e-290 * np.sin(np.arange(24)),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_gradients_are_finite_whatever_the_curve(name) -> None:
    for edges in ((0.0, 1.0, 2.5), (0.0, 1.0, 1.0), (2.0, 2.0, 2.0), (0.0, 1e-12, 1.0)):
        time, segment = sampled(*edges)
        for summary in WITH_GRADIENTS.values():
            found, slopes = summary(time, DEGENERATE[name], segment)
            assert np.isfinite(found)
            assert all(np.isfinite(slope).all() for slope in slopes)


def dense_fold(values, rest):
    """Return the fold furthest from 1 as `exsim.evidence` has it."""
    highest, lowest = values.max() / rest, values.min() / rest
    return lowest if lowest <= 0 or 1 / lowest > highest else highest


@pytest.mark.parametrize(("up", "down"), [(4.0, 0.0), (0.5, 3.0), (1.0, 1.0), (2.0, 9.0), (0.0, 0.0)])
def test_the_furthest_fold_is_that_of_the_dense_curve(up, down) -> None:
    time, segment = sampled(0.0, 2.5, 5.0)
    dense = np.linspace(0.0, 5.0, 50_001)

    def curve(at):
        first, second = rise_and_fall(at), rise_and_fall(np.clip(at - 2.5, 0.0, None))
        return 2.0 + up * first - down * second

    found = float(furthest_fold(time, curve(time), segment, 2.0))
    assert found == pytest.approx(dense_fold(curve(dense), 2.0), rel=1e-3)


@pytest.mark.parametrize(("rest", "factor"), [(0.0, 1.0), (-1.0, 1.0), (np.nan, 1.0), (1.0, np.nan)])
def test_a_fold_needs_a_rest_above_zero_and_a_curve(rest, factor) -> None:
    found, slope = jax.value_and_grad(furthest_fold, 3)(TIME, factor * VALUES, SEGMENT, rest)
    assert np.isnan(found)
    assert float(slope) == 0.0


def test_the_fold_moves_with_rest() -> None:
    slope = jax.grad(furthest_fold, 3)(TIME, 1.0 + VALUES, SEGMENT, 1.0)
    assert float(slope) == pytest.approx(-1.25, rel=1e-4)


def test_a_rise_counts_from_its_time_on_and_from_the_level_before() -> None:
    # High before the bolus at 3 h, which makes a smaller peak at 3 + log 2.
    time, segment = sampled(0.0, 3.0, 6.0)
    values = np.where(segment == 0, 5.0 * np.exp(-time), 5.0 * np.exp(-time) + rise_and_fall(time - 3.0))
    before = 5.0 * np.exp(-3.0)
    dense = np.linspace(3.0, 6.0, 30_001)
    wanted = (5.0 * np.exp(-dense) + rise_and_fall(dense - 3.0)).max() - before
    assert float(rise_after(time, values, segment, 3.0, before)) == pytest.approx(wanted, rel=1e-3)
    assert float(rise_after(time, values, segment, 3.0 + 1e-12, before)) == pytest.approx(wanted, rel=1e-3)


def test_a_peak_before_the_time_of_a_rise_does_not_count() -> None:
    place = int(np.searchsorted(TIME, np.log(2)))
    at = 0.5 * (np.log(2) + TIME[place])
    assert float(rise_after(TIME, VALUES, SEGMENT, at, 0.0)) == VALUES[place]


def test_what_does_not_rise_rises_by_nothing() -> None:
    values = jnp.asarray(np.exp(-TIME))
    for at, before in ((0.0, 2.0), (1.0, 1.0), (0.0, 1.0), (9.0, 0.5)):
        found, slope = jax.value_and_grad(rise_after, 1)(jnp.asarray(TIME), values, SEGMENT, at, before)
        assert float(found) == 0.0
        np.testing.assert_array_equal(slope, 0.0)


def test_a_rise_moves_with_the_level_before_and_with_its_peak() -> None:
    times = np.stack([TIME, TIME], axis=1)
    values = np.stack([VALUES, 2 * VALUES], axis=1)

    def rise(factor, before):
        return rise_after(times, factor * values, SEGMENT, np.array([0.0, 0.1]), before)

    by_factor, by_before = jax.jacfwd(rise, (0, 1))(1.0, jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(by_factor, [0.25, 0.5], rtol=1e-4)
    np.testing.assert_array_equal(by_before, -np.eye(2))
    assert np.isnan(rise(1.0, jnp.array([np.nan, 0.2]))[0])
