"""Fits: a problem -> the highest log posterior density, and what the data can tell."""

from .evaluating import Evaluator
from .objective import Expanded, Objective
from .running import fit
from .starting import best_of, search_from_starts, why_none

__all__ = ["Evaluator", "Expanded", "Objective", "best_of", "fit", "search_from_starts", "why_none"]
