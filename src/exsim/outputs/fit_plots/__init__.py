"""Figures of fits: curves over data, residuals, starts, profiles, and the directions that the data tell.

Drawn from a `FitProblem` and a `FitResult` with matplotlib's objects, not pyplot.
"""

from ..plot_style import save_figure
from .directions import directions_figure
from .over_time import fit_figure
from .profiles import profiles_figure
from .residuals import residuals_figure
from .waterfall import waterfall_figure

__all__ = [
    "directions_figure",
    "fit_figure",
    "profiles_figure",
    "residuals_figure",
    "save_figure",
    "waterfall_figure",
]
