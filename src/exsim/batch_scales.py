"""What turns a prediction into the arbitrary units of a batch: a factor, an offset, in closed form.

Relative data (fold over rest, NPX, arbitrary units) of one batch (plate, kit, lab) are y = factor f + offset
plus noise, with f the prediction of the observable. Given f, the likeliest factor and offset of a batch
follow from weighted means and need not be searched for: Loos, Krause & Hasenauer (2018),
doi:10.1093/bioinformatics/bty514; with an offset, Schmiester et al. (2020),
doi:10.1093/bioinformatics/btz581.

| data | noise | what a batch has |
|---|---|---|
| NPX, against log2 of the prediction | normal | `batch_offsets` |
| fold, arbitrary units | log-normal | `batch_log_factors`: the factor is its exp |
| arbitrary units with a blank | normal | `batch_factors_and_offsets` |

A row takes part with its weight, 1 / sd^2; one of weight 0 does not (censored, or of another family), nor
does one whose numbers are not finite. Among rows of one unknown sd the weights are 1: it cancels. The
results may be differentiated; at the optimum the gradient of a likelihood is the same without (envelope
theorem).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float, Int

from .jax_setup import jax, jnp

Rows = Float[Array, "row"] | Float[np.ndarray, "row"]
BatchNumbers = Int[Array, "row"] | Int[np.ndarray, "row"]
Batches = Float[Array, "batch"]

#: A spread of predictions within a batch, as a share of their mean square, that is rounding.
SMALLEST_SPREAD = 1e-12


def batch_offsets(prediction: Rows, value: Rows, weight: Rows, batch: BatchNumbers, batches: int) -> Batches:
    """Return the offset of each batch, in the unit of the data: the weighted mean of value - prediction.

    Rows have the shape (row,), the result (batch,); `batch` is a number from 0 to `batches` - 1. 0 for a
    batch without a row. It minimises sum weight (value - prediction - offset)^2.
    """
    f, y, w = _usable(prediction, value, weight)
    return _mean(y - f, w, batch, batches)


def batch_log_factors(
    prediction: Rows, value: Rows, weight: Rows, batch: BatchNumbers, batches: int
) -> Batches:
    """Return the log of the factor of each batch: the weighted mean of log value - log prediction.

    Rows have the shape (row,), the result (batch,); `batch` is a number from 0 to `batches` - 1. `weight` is
    1 / (sd of the natural logarithm)^2. 0 for a batch without a row; rows with a value or a prediction at or
    below 0 take no part. It minimises sum weight (log value - log prediction - log factor)^2.
    """
    positive = (jnp.asarray(prediction) > 0) & (jnp.asarray(value) > 0)
    f, y = jnp.where(positive, prediction, 1.0), jnp.where(positive, value, 1.0)
    f, y, w = _usable(f, y, jnp.where(positive, weight, 0.0), fill=1.0)
    return _mean(jnp.log(y) - jnp.log(f), w, batch, batches)


def batch_factors_and_offsets(
    prediction: Rows,
    value: Rows,
    weight: Rows,
    batch: BatchNumbers,
    batches: int,
    offset: bool = True,
) -> tuple[Batches, Batches]:
    """Return the factor and the offset of each batch.

    Rows have the shape (row,), the results (batch,); `batch` is a number from 0 to `batches` - 1.
    An offset has the unit of the data, a factor that of the data over that of the prediction. They minimise
    sum weight (value - factor prediction - offset)^2 with factor >= 0: no assay falls as its analyte
    rises, so that a slope below 0 becomes 0. Without `offset` the line goes through 0. Where predictions
    cannot tell a factor (no row, or none that differs from another, or from 0 without an offset), it is 1.
    """
    f, y, w = _usable(prediction, value, weight)
    mean_f = _mean(f, w, batch, batches) if offset else jnp.zeros(batches)
    mean_y = _mean(y, w, batch, batches) if offset else jnp.zeros(batches)
    f_away, y_away = f - mean_f[batch], y - mean_y[batch]
    spread = _sum(w * f_away**2, batch, batches)
    size = _sum(w * f**2, batch, batches)
    told = spread > SMALLEST_SPREAD * size
    slope = _sum(w * f_away * y_away, batch, batches) / jnp.where(told, spread, 1.0)
    factor = jnp.where(told, jnp.where(slope > 0, slope, 0.0), 1.0)
    return factor, mean_y - factor * mean_f


def _usable(prediction: Rows, value: Rows, weight: Rows, fill: float = 0.0) -> tuple[Rows, Rows, Rows]:
    # Weight 0 times NaN is NaN: what takes no part gets harmless numbers.
    f, y, w = jnp.asarray(prediction), jnp.asarray(value), jnp.asarray(weight)
    good = jnp.isfinite(f) & jnp.isfinite(y) & jnp.isfinite(w) & (w > 0)
    return jnp.where(good, f, fill), jnp.where(good, y, fill), jnp.where(good, w, 0.0)


def _sum(rows: Rows, batch: BatchNumbers, batches: int) -> Batches:
    return jax.ops.segment_sum(rows, jnp.asarray(batch), num_segments=batches)


def _mean(rows: Rows, weight: Rows, batch: BatchNumbers, batches: int) -> Batches:
    total = _sum(weight, batch, batches)
    return _sum(weight * rows, batch, batches) / jnp.where(total > 0, total, 1.0)
