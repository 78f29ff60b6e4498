"""Figures of sampling: bands over data, traces and ranks of chains, pairs, priors beside posteriors.

Drawn from a `FitProblem` and a `SampleResult` with matplotlib's objects, not pyplot.
"""

from ..plot_style import save_figure
from .bands import bands_figure
from .pairs import pairs_figure
from .prior_posterior import prior_posterior_figures
from .trace import trace_figure

__all__ = [
    "bands_figure",
    "pairs_figure",
    "prior_posterior_figures",
    "save_figure",
    "trace_figure",
]
