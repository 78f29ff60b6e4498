"""Fits: a problem -> the highest log posterior density, and what the data can tell."""

from .objective import Objective
from .running import Evaluator, fit

__all__ = ["Evaluator", "Objective", "fit"]
