"""bands.png: what was measured over what the posterior says, with its central 95 %."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...measurements import MEASURED
from ..fit_plots.over_time import over_time_figure
from ..fit_plots.points import Explained
from .frames import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...fit_problem import FitProblem
    from ...sample_result import SampleResult


def bands_figure(problem: FitProblem, result: SampleResult, title: str = "") -> Figure:
    """Return the measurements over the median curves of the posterior, with the central 95 % of the curves.

    The band is of the curve and without the noise of a measurement; the caption counts the measurements that
    lie in the central 95 % with it.
    """
    explained = Explained(
        heading="data and posterior",
        line="posterior median",
        curves=result.curves,
        prediction=_of_draws(np.median, result.prediction),
        misfit=-2.0 * _of_draws(np.mean, result.log_likelihood),
        said=(*verdict(result), *_covered(problem, result)),
    )
    return over_time_figure(problem, explained, title)


def _of_draws(what: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    pooled = values.reshape(-1, values.shape[2])
    return what(pooled, axis=0) if len(pooled) else np.full(values.shape[2], np.nan)


def _covered(problem: FitProblem, result: SampleResult) -> list[str]:
    pooled = result.predictive.reshape(-1, result.predictive.shape[2])
    measured = problem.rows.censoring == MEASURED
    if not len(pooled) or not measured.any():
        return []
    low, high = np.quantile(pooled[:, measured], [0.025, 0.975], axis=0)
    value = problem.rows.value[measured]
    inside = int(((low <= value) & (value <= high)).sum())
    return [
        f"{inside} of {len(value)} measured values lie in the central 95 % of what is predicted with noise"
    ]
