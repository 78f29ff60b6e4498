"""Measurements that a prediction may give: draws from the noise families of `exsim.noise`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .choices import Family

Rows = Float[np.ndarray, "..."]


def draw_measurements(
    family: Family,
    prediction: Rows,
    scale: Rows,
    proportional: Rows,
    degrees: float,
    rng: np.random.Generator,
) -> Rows:
    """Return one measurement of each prediction, not censored; shapes broadcast, units are the prediction's.

    `scale`, `proportional` and `degrees` are those of `exsim.noise.log_density`. NaN where the prediction is.
    """
    shape = np.broadcast_shapes(np.shape(prediction), np.shape(scale), np.shape(proportional))
    if family == "laplace":
        return prediction + scale * rng.laplace(size=shape)
    if family == "student_t":
        return prediction + scale * rng.standard_t(degrees, size=shape)
    score = rng.standard_normal(shape)
    if family == "lognormal":
        return prediction * np.exp(scale * score)
    if family == "additive_proportional":
        return prediction + np.hypot(scale, proportional * prediction) * score
    return prediction + scale * score
