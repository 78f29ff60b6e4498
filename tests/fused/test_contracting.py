"""Products that feed one sum become one operation; everything else stays what it was."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.fused.contracting import contracted

X = np.array([0.5, -1.25, 3.0])


def _count_and_compute(function, *args):
    fused = []

    def multiply_add(a, b, c):
        assert a.shape == b.shape == c.shape
        fused.append(None)
        return a * b + c

    with jax.enable_x64(True):
        result = contracted(function, multiply_add)(*map(jnp.asarray, args))
        np.testing.assert_allclose(result, function(*args), rtol=1e-14)
    return len(fused)


@pytest.mark.parametrize(
    ("function", "fused"),
    [
        (lambda x, y: x * y + x, 1),
        (lambda x, y: x - 2.0 * y, 1),
        (lambda x, y: x * y - 3.0, 1),
        (lambda x, y: x * y - x * x, 1),
        (lambda x, y: 0.5 + 0.25 * x + y * (x * y + 1.0), 3),
        (lambda x, y: (x + 1.0) * y, 0),
        (lambda x, y: x * y / (1.0 + x * x), 1),
        (lambda x, y: jnp.where(x > 0, x * y, y) + 1.0, 0),
        (lambda x, y: jax.jit(lambda a: a * a + 1.0)(x) + y, 1),
    ],
)
def test_a_product_that_feeds_a_sum_is_fused(function, fused: int) -> None:
    assert _count_and_compute(function, X, X[::-1].copy()) == fused


def test_a_product_that_is_used_twice_stays_a_product() -> None:
    def function(x, y):
        product = x * y
        return product + x, product - y

    assert _count_and_compute(lambda x, y: jnp.stack(function(x, y)), X, X + 1.0) == 0
    assert _count_and_compute(lambda x, y: jnp.stack([x * y, x * y + 1.0]), X, X + 1.0) == 1


def test_numbers_that_are_no_lane_vectors_are_left_alone() -> None:
    assert _count_and_compute(lambda x, y: x * (y[0] * 2.0 + 1.0), X, X) == 0
