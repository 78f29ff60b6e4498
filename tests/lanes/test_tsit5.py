"""The unrolled Tsit5 against diffrax's own, and its order of convergence."""

from __future__ import annotations

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.lanes import LaneTsit5


def _oscillator(time, y, args):
    # Two coupled species with a known solution: y0 = exp(-t) cos 3t, y1 = exp(-t) sin 3t.
    a, b = y
    return -a - 3.0 * b, 3.0 * a - b


def _step(solver, y0, h):
    term = diffrax.ODETerm(_oscillator)
    first = solver.init(term, jnp.asarray(0.0), h, y0, None)
    return solver.step(term, jnp.asarray(0.0), h, y0, None, first, made_jump=False)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def test_one_step_error_and_interpolant_equal_those_of_diffrax() -> None:
    y0 = (jnp.asarray([1.0, 0.5]), jnp.asarray([0.0, 2.0]))
    h = jnp.asarray(0.3)
    ours, error, dense, _, _ = _step(LaneTsit5(), y0, h)
    theirs, their_error, their_dense, _, _ = _step(diffrax.Tsit5(), y0, h)
    np.testing.assert_allclose(jnp.stack(ours), jnp.stack(theirs), rtol=1e-14)
    np.testing.assert_allclose(jnp.stack(error), jnp.stack(their_error), atol=1e-16)
    for time in np.linspace(0.0, 0.3, 7):
        here = LaneTsit5.interpolation_cls(t0=jnp.asarray(0.0), t1=h, **dense).evaluate(time)
        there = diffrax.Tsit5.interpolation_cls(t0=jnp.asarray(0.0), t1=h, **their_dense).evaluate(time)
        np.testing.assert_allclose(jnp.stack(here), jnp.stack(there), rtol=1e-13)


def test_fixed_steps_converge_with_order_five() -> None:
    errors = []
    counts = 4 * 2 ** np.arange(7)
    for count in counts:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(_oscillator),
            LaneTsit5(),
            t0=0.0,
            t1=2.0,
            dt0=2.0 / count,
            y0=(jnp.ones(1), jnp.zeros(1)),
            stepsize_controller=diffrax.ConstantStepSize(),
            saveat=diffrax.SaveAt(ts=np.array([0.5, 1.0, 1.5, 2.0])),
        )
        t = solution.ts
        exact = np.exp(-t) * np.array([np.cos(3 * t), np.sin(3 * t)])
        errors.append(np.abs(np.array([y[:, 0] for y in solution.ys]) - exact).max())
    # The first halvings still show the next order; the finest three are asymptotic.
    slopes = -np.diff(np.log2(errors))[-3:]
    np.testing.assert_allclose(slopes, 5.0, atol=0.3)


def test_lanes_step_each_by_its_own_length() -> None:
    y0 = (jnp.asarray([1.0, 1.0]), jnp.asarray([0.0, 0.0]))
    both, *_ = _step(LaneTsit5(), y0, jnp.asarray([0.1, 0.2]))
    for lane, h in enumerate((0.1, 0.2)):
        alone, *_ = _step(LaneTsit5(), tuple(y[lane : lane + 1] for y in y0), jnp.asarray(h))
        np.testing.assert_array_equal(jnp.stack(both)[:, lane], jnp.stack(alone)[:, 0])
