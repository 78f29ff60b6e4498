"""The pair as a small program gives what the unrolled one gives."""

from __future__ import annotations

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from exsim.lanes import CompactTsit5, LaneTsit5


def _rates(time, states, args):
    a, b = states
    return -a - 3.0 * b, 3.0 * a - b + jnp.sin(time)


def test_one_step_error_and_interpolant_equal_those_of_the_unrolled_pair() -> None:
    with jax.enable_x64(True):
        start, h = jnp.asarray([1.0, 0.5]), jnp.asarray(0.3)
        one_vector = diffrax.ODETerm(lambda time, y, args: jnp.stack(_rates(time, y, args)))
        small = CompactTsit5().step(one_vector, jnp.asarray(0.1), 0.1 + h, start, None, None, False)
        unrolled = LaneTsit5().step(
            diffrax.ODETerm(_rates), jnp.asarray(0.1), 0.1 + h, tuple(start), None, None, False
        )
        for found, expected in zip(small[:2], unrolled[:2], strict=True):
            np.testing.assert_allclose(found, jnp.stack(expected), rtol=1e-13, atol=1e-16)
        for time in np.linspace(0.1, 0.4, 5):
            here = CompactTsit5.interpolation_cls(t0=0.1, t1=0.1 + h, **small[2]).evaluate(time)
            there = LaneTsit5.interpolation_cls(t0=0.1, t1=0.1 + h, **unrolled[2]).evaluate(time)
            np.testing.assert_allclose(here, jnp.stack(there), rtol=1e-13)
