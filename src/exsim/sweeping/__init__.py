"""Many draws of one config: planned once, solved in blocks of lanes, batch by batch."""

from .block import BLOCK_DRAWS
from .planning import SweepPlan, plan_sweep, tolerances
from .running import DrawArrays, Stopped, solve_batches, solve_draws

__all__ = [
    "BLOCK_DRAWS",
    "DrawArrays",
    "Stopped",
    "SweepPlan",
    "plan_sweep",
    "solve_batches",
    "solve_draws",
    "tolerances",
]
