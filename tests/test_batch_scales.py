"""Factor and offset of each batch of relative data: against least squares, and a search for the optimum."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from exsim.batch_scales import batch_factors_and_offsets, batch_log_factors, batch_offsets
from exsim.measurements import MEASURED
from exsim.noise import log_density

BATCHES = 3
BATCH = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 1, 0])
ALL = [batch_offsets, batch_log_factors, batch_factors_and_offsets]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture
def rows():
    # Seed 20261125. Factors 3, 0.5, 20 and offsets 1, 4, 2, with noise.
    rng = np.random.default_rng(20261125)
    f = rng.uniform(1.0, 9.0, len(BATCH))
    sd = rng.uniform(0.1, 0.4, len(BATCH))
    y = np.array([3.0, 0.5, 20.0])[BATCH] * f + np.array([1.0, 4.0, 2.0])[BATCH]
    return f, y + sd * rng.standard_normal(len(BATCH)), 1 / sd**2


@pytest.mark.parametrize("offset", [True, False])
def test_factor_and_offset_are_those_of_weighted_least_squares(rows, offset) -> None:
    f, y, w = rows
    factors, offsets = batch_factors_and_offsets(f, y, w, BATCH, BATCHES, offset)
    for number in range(BATCHES):
        own = number == BATCH
        root = np.sqrt(w[own])
        design = np.column_stack([f[own], np.ones(own.sum())])[:, : 1 + offset]
        best = np.linalg.lstsq(design * root[:, None], y[own] * root, rcond=None)[0]
        assert float(factors[number]) == pytest.approx(best[0], rel=1e-11)
        assert float(offsets[number]) == pytest.approx(best[1] if offset else 0.0, rel=1e-10)


def test_a_log_factor_is_where_the_lognormal_density_is_highest(rows) -> None:
    f, y, w = rows
    found = batch_log_factors(f, y, w, BATCH, BATCHES)
    nan = np.full(len(f), np.nan)

    def cost(theta):
        at = jnp.asarray(f * np.exp(theta[BATCH]))
        return -float(jnp.sum(log_density("lognormal", at, y, nan, MEASURED + 0 * BATCH, 1 / np.sqrt(w))))

    best = optimize.minimize(cost, np.zeros(BATCHES), method="BFGS", options={"gtol": 1e-6}).x
    np.testing.assert_allclose(found, best, atol=1e-5)


def test_an_offset_is_the_weighted_mean_difference(rows) -> None:
    f, y, w = rows
    found = batch_offsets(f, y, w, BATCH, BATCHES)
    best = [np.average((y - f)[number == BATCH], weights=w[number == BATCH]) for number in range(BATCHES)]
    np.testing.assert_allclose(found, best, rtol=1e-13)


def test_one_sd_for_all_rows_cancels(rows) -> None:
    f, y, _ = rows
    for function in ALL:
        one, other = (function(f, y, np.full(len(f), w), BATCH, BATCHES) for w in (1.0, 40.0))
        np.testing.assert_allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    "bad", [{"w": 0.0}, {"w": np.nan}, {"y": np.nan}, {"f": np.inf}, {"f": np.nan}], ids=str
)
def test_a_row_that_takes_no_part_changes_nothing(rows, function, bad) -> None:
    f, y, w = (column.copy() for column in rows)
    kept = np.arange(len(f)) != 4
    expected = function(f[kept], y[kept], w[kept], BATCH[kept], BATCHES)
    for name, column in (("f", f), ("y", y), ("w", w)):
        column[4] = bad.get(name, 1e3)
    np.testing.assert_allclose(function(f, y, w, BATCH, BATCHES), expected, rtol=1e-13)
    slope = jax.grad(lambda f: sum(jnp.sum(x) for x in function(f, y, w, BATCH, BATCHES)))(jnp.asarray(f))
    assert np.isfinite(slope).all()
    assert slope[4] == 0


def test_a_log_factor_leaves_out_what_has_no_logarithm(rows) -> None:
    f, y, w = (column.copy() for column in rows)
    kept = (np.arange(len(f)) != 4) & (np.arange(len(f)) != 6)
    f[4], y[6] = -1e-12, 0.0
    found = batch_log_factors(f, y, w, BATCH, BATCHES)
    np.testing.assert_allclose(found, batch_log_factors(f[kept], y[kept], w[kept], BATCH[kept], BATCHES))
    slope = jax.grad(lambda f: jnp.sum(batch_log_factors(f, y, w, BATCH, BATCHES)))(jnp.asarray(f))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("function", ALL)
def test_gradients_are_central_differences(rows, function) -> None:
    f, y, w = (jnp.asarray(column) for column in rows)

    def total(f):
        return jnp.sum(jnp.sin(jnp.stack(function(f, y, w, BATCH, BATCHES))))

    gradient = jax.grad(total)(f)
    slope = [(total(f + step) - total(f - step)) / 2e-6 for step in 1e-6 * np.eye(len(f))]
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-7)
    along = jnp.linspace(-1.0, 1.0, len(f))
    assert float(jax.jvp(total, (f,), (along,))[1]) == pytest.approx(float(gradient @ along), rel=1e-10)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(f), gradient, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(total))(jnp.stack([f, f]))[1], gradient, rtol=1e-9, atol=1e-13
    )


def test_the_likelihood_has_the_same_gradient_with_and_without_that_of_the_factor(rows) -> None:
    f, y, w = (jnp.asarray(column) for column in rows)

    def total(f, frozen):
        factor, offset = batch_factors_and_offsets(f, y, w, BATCH, BATCHES)
        if frozen:
            factor, offset = jax.lax.stop_gradient((factor, offset))
        at = factor[BATCH] * f + offset[BATCH]
        return jnp.sum(log_density("normal", at, y, y, MEASURED, 1 / jnp.sqrt(w)))

    np.testing.assert_allclose(jax.grad(total)(f, False), jax.grad(total)(f, True), rtol=1e-8, atol=1e-8)


def test_a_batch_that_cannot_tell_has_a_factor_of_one() -> None:
    f, y, w = np.array([2.0, 2.0, 0.0]), np.array([5.0, 7.0, 3.0]), np.ones(3)
    batch = np.array([0, 0, 1])

    def total(f):
        return sum(jnp.sum(x) for x in batch_factors_and_offsets(f, y, w, batch, 3))

    factor, offset = batch_factors_and_offsets(f, y, w, batch, 3)
    np.testing.assert_array_equal(factor, 1.0)
    np.testing.assert_allclose(offset, [4.0, 3.0, 0.0])
    assert np.isfinite(jax.grad(total)(jnp.asarray(f))).all()
    through_zero, none = batch_factors_and_offsets(f, y, w, batch, 3, offset=False)
    np.testing.assert_allclose(through_zero, [3.0, 1.0, 1.0])
    np.testing.assert_array_equal(none, 0.0)
    np.testing.assert_array_equal(batch_offsets(f, y, w, batch, 3)[2], 0.0)
    np.testing.assert_array_equal(batch_log_factors(f, y, w, batch, 3)[1:], 0.0)


def test_data_that_fall_where_predictions_rise_have_a_factor_of_zero() -> None:
    f, y, w = np.array([1.0, 2.0, 3.0]), np.array([6.0, 4.0, 5.0]), np.array([1.0, 2.0, 1.0])
    factor, offset = batch_factors_and_offsets(f, y, w, np.zeros(3, int), 1)
    assert float(factor[0]) == 0.0
    assert float(offset[0]) == pytest.approx(np.average(y, weights=w))
