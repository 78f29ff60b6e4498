"""Lanes: many solves as one system, and the same for one solve; integration in scaled time."""

from .compact_tsit5 import CompactTsit5
from .forms import LANES, ONE_VECTOR, StateForm
from .scaled_time import InScaledTime, SegmentController, States, Timeline, lane_norm
from .tsit5 import LaneTsit5

__all__ = [
    "LANES",
    "ONE_VECTOR",
    "CompactTsit5",
    "InScaledTime",
    "LaneTsit5",
    "SegmentController",
    "StateForm",
    "States",
    "Timeline",
    "lane_norm",
]
