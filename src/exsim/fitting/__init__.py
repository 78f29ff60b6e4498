"""Fits: a problem -> the highest log posterior density, and what the data can tell."""

from .evaluating import Evaluator
from .objective import Objective
from .running import fit

__all__ = ["Evaluator", "Objective", "fit"]
