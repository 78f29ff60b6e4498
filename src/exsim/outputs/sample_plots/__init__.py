"""Figures of sampling: bands and new people over data, chains and their ranks, pairs, priors and posteriors.

Drawn from a `FitProblem` and a `SampleResult` with matplotlib's objects, not pyplot.
"""

from ..plot_style import save_figure
from .bands import bands_figure
from .pairs import pairs_figure
from .prior_posterior import prior_posterior_figures
from .trace import trace_figure
from .vpc import vpc_figure

__all__ = [
    "bands_figure",
    "pairs_figure",
    "prior_posterior_figures",
    "save_figure",
    "trace_figure",
    "vpc_figure",
]
