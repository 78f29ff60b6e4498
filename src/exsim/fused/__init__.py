"""A whole adaptive integration as one GPU kernel, made from the right-hand side that the lanes use."""

from .running import FusedSummaries, FusedTrajectories, lower_for_cuda, solve_fused, summarise_fused

__all__ = ["FusedSummaries", "FusedTrajectories", "lower_for_cuda", "solve_fused", "summarise_fused"]
