"""Features -> predictions -> one scalar: the log posterior density, its gradient, and its curvature.

The curvature is that of Gauss and Newton: the information of each row on its prediction and noise
(`exsim.noise_information`), carried to the free numbers by first derivatives. For measured rows it is the
expected Fisher information: Schervish, Theory of Statistics (1995), section 2.3.1.
"""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np
from jaxtyping import Array, Float, Int

from ..batch_scales import batch_factors_and_offsets, batch_log_factors, batch_offsets
from ..choices import BatchMode, Family
from ..fit_problem import FitProblem, Quantity
from ..jax_setup import eqx, jax, jnp
from ..marginals import Marginal
from ..measurements import MEASURED
from ..noise import log_density
from ..noise_information import row_information, standardised_residual
from ..priors import log_prior_theta, prior_information
from ..scales import Scales
from .bundling import Plan

_QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


class Rows(eqx.Module):
    """The rows of the data as one program takes them: numbers as arrays, choices as static fields."""

    first: Int[Any, "row"]
    second: Int[Any, "row"]
    #: Place in `_QUANTITIES`, and in `noises`.
    quantity: Int[Any, "row"]
    noise: Int[Any, "row"]
    time_h: Float[Any, "row"]
    value: Float[Any, "row"]
    limit: Float[Any, "row"]
    censoring: Int[Any, "row"]
    #: Known numbers of the noise, and places of free ones (-1 for none).
    scale: Float[Any, "row"]
    scale_free: Int[Any, "row"]
    proportional: Float[Any, "row"]
    proportional_free: Int[Any, "row"]
    factor: Int[Any, "row"]
    #: Number of the batch among all batches of all observables; -1 for none.
    batch: Int[Any, "row"]
    noises: tuple[tuple[Family, float], ...] = eqx.field(static=True)
    #: What each batch has.
    batches: tuple[BatchMode, ...] = eqx.field(static=True)


class Rowwise(eqx.Module):
    """What the data say row by row, of one vector or of many, (vector, row)."""

    prediction: Float[Any, "*vector row"]
    scale: Float[Any, "*vector row"]
    proportional: Float[Any, "*vector row"]
    density: Float[Any, "*vector row"]
    residual: Float[Any, "*vector row"]


class Expansion(eqx.Module):
    """The log posterior density about vectors; `curvature` is what Gauss and Newton take for -Hessian."""

    value: Float[Array, "vector"]
    likelihood: Float[Array, "vector"]
    gradient: Float[Array, "vector parameter"]
    curvature: Float[Array, "vector parameter parameter"]


def rows_of(problem: FitProblem, plan: Plan) -> Rows:
    """Return the rows of a problem with the places of their features."""
    rows, observables = problem.rows, problem.observables
    noises = list(dict.fromkeys((item.family, item.degrees) for item in observables))
    own = [observables[number] for number in rows.observable.tolist()]
    batches: dict[tuple[int, int], BatchMode] = {}
    for number, batch, item in zip(rows.observable.tolist(), rows.batch.tolist(), own, strict=True):
        if item.batch is not None and batch >= 0:
            batches[number, batch] = item.batch
    places = {batch: place for place, batch in enumerate(batches)}
    return Rows(
        first=plan.first,
        second=plan.second,
        quantity=np.array([_QUANTITIES.index(quantity) for quantity in rows.quantity]),
        noise=np.array([noises.index((item.family, item.degrees)) for item in own]),
        time_h=rows.time_h,
        value=rows.value,
        limit=rows.limit,
        censoring=rows.censoring,
        scale=np.array(
            [
                given if item.scale is None else item.scale.value
                for given, item in zip(rows.scale.tolist(), own, strict=True)
            ]
        ),
        scale_free=np.array([-1 if item.scale is None else item.scale.free for item in own]),
        proportional=np.array([item.proportional.value for item in own]),
        proportional_free=np.array([item.proportional.free for item in own]),
        factor=rows.factor,
        batch=np.array(
            [
                places.get((number, batch), -1)
                for number, batch in zip(rows.observable.tolist(), rows.batch.tolist(), strict=True)
            ]
        ),
        noises=tuple(noises),
        batches=tuple(batches.values()),
    )


def _predict(
    rows: Rows, scales: Scales, features: Float[Array, "feature"], theta: Float[Array, "parameter"]
) -> tuple[Array, Array, Array]:
    """Return (prediction, noise scale, proportional) of each row."""
    x = scales.values(theta)
    first = features[rows.first]
    paired = rows.second >= 0
    # What a row does not use is worked out too, and has its say in a derivative: it gets harmless numbers.
    second = jnp.where(paired, features[rows.second], 1.0)

    def is_a(*quantities: Quantity) -> Array:
        return jnp.isin(rows.quantity, np.array([_QUANTITIES.index(item) for item in quantities]))

    over = first / jnp.where(second == 0, jnp.nan, second)
    logarithmic = is_a("log2")
    positive = logarithmic & (first > 0)
    log2 = jnp.where(positive, jnp.log2(jnp.where(positive, first, 1.0)), jnp.nan)
    factor = jnp.where(rows.factor >= 0, x[rows.factor], 1.0)
    f = jnp.where(paired, over, first)
    f = jnp.where(is_a("time_of_peak"), first - rows.time_h, f)
    f = jnp.where(is_a("share_removed"), 1.0 - over, f)
    f = jnp.where(logarithmic, log2 + jnp.log2(factor), f * factor)
    scale = jnp.where(rows.scale_free >= 0, x[rows.scale_free], rows.scale)
    proportional = jnp.where(rows.proportional_free >= 0, x[rows.proportional_free], rows.proportional)
    return (_batched(rows, f, scale) if rows.batches else f), scale, proportional


def _batched(rows: Rows, f: Array, scale: Array) -> Array:
    # Each kind of batch on its own rows; the others have weight 0 there.
    there = rows.batch >= 0
    number = jnp.where(there, rows.batch, 0)
    measured = there & (rows.censoring == MEASURED)
    weight = jnp.where(measured, jnp.where(measured, scale, 1.0) ** -2, 0.0)
    modes = np.array([("factor", "offset", "factor and offset").index(mode) for mode in rows.batches])
    mode = modes[number] if isinstance(number, np.ndarray) else jnp.asarray(modes)[number]
    logarithmic = jnp.isin(
        rows.noise,
        np.array([k for k, (family, _) in enumerate(rows.noises) if family == "lognormal"] or [-1]),
    )
    count = len(rows.batches)
    found = f
    choices = {
        "log factor": (there & (mode == 0) & logarithmic),
        "factor": (there & (mode == 0) & ~logarithmic),
        "offset": (there & (mode == 1)),
        "both": (there & (mode == 2)),
    }
    for name, mine in choices.items():
        own = jnp.where(mine, weight, 0.0)
        if name == "log factor":
            scaled = f * jnp.exp(batch_log_factors(f, rows.value, own, number, count))[number]
        elif name == "offset":
            scaled = f + batch_offsets(f, rows.value, own, number, count)[number]
        else:
            factor, offset = batch_factors_and_offsets(f, rows.value, own, number, count, name == "both")
            scaled = factor[number] * f + offset[number]
        found = jnp.where(mine, scaled, found)
    return found


def _densities(rows: Rows, prediction: Array, scale: Array, proportional: Array) -> Array:
    return _by_noise(rows, log_density, prediction, rows.value, rows.limit, scale, proportional)


def _by_noise(
    rows: Rows, of: Any, prediction: Array, value: Any, limit: Any, scale: Array, proportional: Array
) -> Array:
    # Every family on all rows, and each row takes its own: there are few of either.
    result = None
    for number, (family, degrees) in enumerate(rows.noises):
        mine = rows.noise == number
        # What is of another family may be anything.
        f = jnp.where(mine, prediction, 1.0)
        y = jnp.where(mine, value, 1.0)
        found = of(family, f, y, limit, rows.censoring, jnp.where(mine, scale, 1.0), proportional, degrees)
        wide = mine.reshape(mine.shape + (1,) * (found.ndim - mine.ndim))
        result = found if result is None else jnp.where(wide, found, result)
    return result


def _factors(*numbers: Any) -> Float[Array, "row factor 3"]:
    found = row_information(*numbers)
    return jnp.stack([found.location, found.spread], axis=-2)


def _residual(*numbers: Any) -> Float[Array, "row"]:
    return standardised_residual(*numbers[:-1])


@partial(jax.jit, static_argnums=0)
def look_at_rows(
    scales: Scales,
    rows: Rows,
    features: Float[Array, "vector feature"],
    theta: Float[Array, "vector parameter"],
) -> Rowwise:
    """Return the prediction, the noise and the residual of each row for each vector."""

    def one(features: Array, theta: Array) -> Rowwise:
        f, scale, proportional = _predict(rows, scales, features, theta)
        residual = _by_noise(rows, _residual, f, rows.value, rows.limit, scale, proportional)
        return Rowwise(f, scale, proportional, _densities(rows, f, scale, proportional), residual)

    return jax.vmap(one)(features, theta)


@partial(jax.jit, static_argnums=(0, 1))
def expand(
    scales: Scales,
    priors: tuple[Marginal | None, ...],
    rows: Rows,
    features: Float[Array, "vector feature"],
    slopes: Float[Array, "vector feature parameter"],
    theta: Float[Array, "vector parameter"],
) -> Expansion:
    """Return the log posterior density of each vector with its derivatives, all on the estimation scale.

    `slopes` are the derivatives of the features by theta, as far as simulations are concerned. The value is
    -inf, and the derivatives are 0, where a prediction is no number or the noise cannot make a datum.
    """
    return Expansion(*jax.vmap(partial(_expand, scales, priors, rows))(features, slopes, theta))


def _expand(
    scales: Scales,
    priors: tuple[Marginal | None, ...],
    rows: Rows,
    features: Array,
    slopes: Array,
    theta: Array,
) -> tuple[Array, Array, Array, Array]:
    predict = partial(_predict, rows, scales)

    def along(slope: Array, direction: Array) -> tuple[Array, Array, Array]:
        return jax.jvp(predict, (features, theta), (slope, direction))[1]

    made = predict(features, theta)
    # (parameter, row) each of prediction, scale and proportional part.
    moves = jax.vmap(along)(slopes.T, jnp.eye(len(theta), dtype=theta.dtype))
    by_row = jax.grad(lambda numbers: jnp.sum(_densities(rows, *numbers)))(made)
    prior, by_theta = jax.value_and_grad(log_prior_theta)(theta, scales, priors)
    likelihood = jnp.sum(_densities(rows, *made))
    gradient = sum(move @ slope for move, slope in zip(moves, by_row, strict=True)) + by_theta
    known = _by_noise(rows, _factors, made[0], rows.value, rows.limit, made[1], made[2])
    # (row, factor, 3) -> (factor and row, parameter)
    factors = jnp.einsum("rkn,npr->krp", known, jnp.stack(moves)).reshape(-1, len(theta))
    curvature = factors.T @ factors + jnp.diag(prior_information(theta, scales, priors))
    value = likelihood + prior
    good = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient)) & jnp.all(jnp.isfinite(curvature))
    return (
        jnp.where(good, value, -jnp.inf),
        jnp.where(good, likelihood, -jnp.inf),
        jnp.where(good, gradient, 0.0),
        jnp.where(good, curvature, 0.0),
    )
