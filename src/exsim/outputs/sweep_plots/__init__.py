"""Figures of sweeps: response surfaces, bands over time, and what moves which metric.

Drawn from the dataset of a sweep (`exsim.sweep_labels`) with matplotlib's objects, not pyplot. Every
figure says how many draws it rests on and how many failed; none of them needs more than one variable
of the store in memory at a time.
"""

from ..plot_style import save_figure
from .bands import bands_figure
from .surface import surface_figure
from .tornado import tornado_figure

__all__ = ["bands_figure", "save_figure", "surface_figure", "tornado_figure"]
