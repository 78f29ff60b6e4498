"""Metrics of a draw, and output times that differ between draws."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.jax_setup import jax, jnp
from exsim.sweeping.measuring import NODES, Measure, OutputGrid, measure

GRID = OutputGrid((7, 1, 13))
#: Edges of three draws in hours; the middle segment has length 0, in the last draw the first has too.
EDGES_H = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [5.0, 6.0, 3.0]])


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def _times(grid: OutputGrid = GRID, edges_h: np.ndarray = EDGES_H) -> np.ndarray:
    return np.asarray(grid.times_h(jnp.asarray(edges_h), grid.taus(np.float64)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_output_times_rise_and_stay_in_their_segments(dtype: type) -> None:
    taus = np.asarray(OutputGrid((6, 1, 50, 6)).taus(dtype))
    assert taus.dtype == dtype
    assert np.all(np.diff(taus) > 0)
    assert np.floor(taus).astype(int).tolist() == [0] * 6 + [1] + [2] * 50 + [3] * 6 + [4]
    assert taus[0] == 0
    # Just behind the start of a segment: what jumps there has jumped.
    assert all(0 < taus[first] - number <= 4 * np.finfo(dtype).eps for first, number in ((6, 1), (7, 2)))


def test_every_draw_has_its_edges_among_its_output_times() -> None:
    times = _times()
    assert times.shape == (22, 3)
    for draw, edges in enumerate(EDGES_H.T):
        assert np.all(np.diff(times[:, draw]) >= 0)
        for edge in edges:
            assert np.abs(times[:, draw] - edge).min() < 1e-12


def test_a_value_between_output_times_is_that_of_a_polynomial_inside_one_segment() -> None:
    # A curve with a jump at the edge; of fifth degree on either side.
    times = _times()
    edge = EDGES_H[1]
    numbers = np.repeat([0, 1, 2], [7, 1, 14])[:, None]

    def curve(t: np.ndarray, behind: np.ndarray) -> np.ndarray:
        return np.where(behind, 100.0 + t**5 - 3 * t, 2.0 - t**4)

    values = curve(times, numbers > 0)
    for at in (0.0, 0.3, 0.999, 1.0, 1.03, 2.2, 2.97, 3.0):
        found = np.asarray(GRID.value_at(jnp.asarray(times), jnp.asarray(values), jnp.asarray(at)))
        expected = curve(np.full(3, at), at >= edge)
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_value_outside_the_simulation_is_no_number() -> None:
    times = jnp.asarray(_times())
    for at, inside in ((-0.1, [False] * 3), (4.0, [True, True, False]), (6.1, [False] * 3)):
        found = np.asarray(GRID.value_at(times, jnp.ones_like(times), jnp.asarray(at)))
        assert np.isfinite(found).tolist() == inside


def test_each_draw_may_be_looked_at_at_a_time_of_its_own() -> None:
    times = jnp.asarray(_times())
    found = GRID.value_at(times, times, jnp.asarray([0.5, 2.5, 1.7]))
    np.testing.assert_allclose(np.asarray(found), [0.5, 2.5, 1.7], rtol=1e-12)


def test_a_smooth_curve_is_read_to_a_part_in_a_million_at_four_output_times_a_time_constant() -> None:
    grid, at = OutputGrid((41,)), np.linspace(0.0, 10.0, 777)
    times = jnp.asarray(_times(grid, np.array([[0.0], [10.0]]).repeat(777, axis=1)))
    read = np.asarray(grid.value_at(times, jnp.exp(-times), jnp.asarray(at)))
    # 3.4e-6 between the outermost output times, 6.5e-7 between those in the middle.
    assert np.abs(read - np.exp(-at)).max() < 4e-6
    assert np.abs(read - np.exp(-at))[at > 1].max() < 1e-6
    assert NODES == 6


def test_a_metric_is_a_column_a_time_above_a_level_or_a_value_at_a_time() -> None:
    time = jnp.asarray(np.linspace(0.0, 4.0, 5))
    values = jnp.asarray(np.array([[0.0, 0.0], [2.0, 4.0], [2.0, 0.0], [0.0, 0.0], [0.0, 4.0]]))
    columns = {"peak": jnp.asarray([2.0, 4.0])}
    end_h = jnp.asarray([1.0, 2.0])

    def at(when: jax.Array) -> jax.Array:
        return 10.0 * when

    def found(metric: Measure) -> list[float]:
        return np.asarray(measure(metric, columns, at, time, values, end_h)).tolist()

    assert found(Measure("y_peak", "y", "peak")) == [2.0, 4.0]
    # Straight lines between the output times: y = 2t, 2, 6 - 2t; y = 4t, 8 - 4t, 0, 4(t - 3).
    assert found(Measure("y_above", "y", "time_above_h", level=1.0)) == pytest.approx([2.0, 2.25])
    assert found(Measure("y_at", "y", "value_at", time_h=0.5)) == [5.0, 5.0]
    assert found(Measure("y_at_end", "y", "value_at", time_h=0.5, after_end=True)) == [15.0, 25.0]
