"""Predictions of rows -> data with their noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..fit_problem import FitProblem
from ..fitting.likelihood import Rowwise
from ..noise_draws import draw_measurements


def data_of(
    problem: FitProblem, looked: Rowwise, rng: np.random.Generator
) -> Float[np.ndarray, "vector row"]:
    """Return a measurement of each row for each vector, in the unit of its observable; none is censored."""
    found = np.full(looked.prediction.shape, np.nan)
    for number, item in enumerate(problem.observables):
        mine = problem.rows.observable == number
        found[:, mine] = draw_measurements(
            item.family,
            looked.prediction[:, mine],
            looked.scale[:, mine],
            looked.proportional[:, mine],
            item.degrees,
            rng,
        )
    return found
