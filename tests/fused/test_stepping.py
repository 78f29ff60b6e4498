"""One step in plain arithmetic against the lane solver's, and its controller."""

from __future__ import annotations

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.fused.stepping import between, squared_error, step_factor, try_step
from exsim.lanes import LaneTsit5


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def _rates(time, states):
    a, b, _ = states
    return -a * b, a - time * b, None


def test_a_step_and_its_interpolant_equal_those_of_the_lane_solver() -> None:
    y0 = (jnp.array([1.0, 0.5]), jnp.array([0.3, 2.0]), jnp.array([7.0, 8.0]))
    start, step = jnp.array([0.0, 1.0]), jnp.array([0.3, 0.1])
    y1, slopes = try_step(_rates, start, step, y0)
    solver = LaneTsit5()
    term = diffrax.ODETerm(lambda t, y, args: _rates(t, (*y, None))[:2])
    theirs, error, dense, _, _ = solver.step(term, start, start + step, y0[:2], None, None, made_jump=False)
    np.testing.assert_allclose(jnp.stack(y1[:2]), jnp.stack(theirs), rtol=1e-14)
    np.testing.assert_array_equal(y1[2], y0[2])
    scaled = [
        e / (1e-9 + 1e-6 * jnp.maximum(jnp.abs(a), jnp.abs(b)))
        for e, a, b in zip(error, y0, y1, strict=False)
    ]
    square = squared_error(step, y0, y1, slopes, 1e-6, 1e-9)
    np.testing.assert_allclose(square, sum(e**2 for e in scaled) / 3, rtol=1e-6)
    curve = solver.interpolation_cls(t0=start, t1=start + step, **dense)
    for share in (0.0, 0.4, 1.0):
        there = curve.evaluate(start + share * step)
        np.testing.assert_allclose(
            jnp.stack(between(share, step, y0, slopes)[:2]), jnp.stack(there), rtol=1e-13
        )


def test_the_next_step_follows_the_fifth_root_of_the_error_within_bounds() -> None:
    square = jnp.array([0.0, 1e-4, 0.25, 0.25, 100.0**2, 1e300, jnp.inf, jnp.nan])
    good = jnp.array([True, True, True, False, False, False, False, False])
    expected = [10.0, 0.9 * 1e-2**-0.2, 0.9 * 0.5**-0.2, 0.9, 0.9 * 100**-0.2, 0.2, 0.2, 0.2]
    np.testing.assert_allclose(step_factor(square, good), expected, rtol=1e-12)
