"""Lanes: many solves as one system, and the same for one solve; integration in scaled time."""

from .compact_tsit5 import CompactTsit5, rms_norm
from .elimination import model_sparsity
from .forms import LANES, ONE_VECTOR, StateForm
from .freezing import NOT_FINITE, STEP_TOO_SMALL, FreezingLanes, OfScaledErrors
from .lane_numpy import lane_numpy
from .rodas import LaneRodas
from .scaled_time import InScaledTime, SegmentController, States, Timeline, lane_norm
from .tsit5 import LaneTsit5

__all__ = [
    "LANES",
    "NOT_FINITE",
    "ONE_VECTOR",
    "STEP_TOO_SMALL",
    "CompactTsit5",
    "FreezingLanes",
    "InScaledTime",
    "LaneRodas",
    "LaneTsit5",
    "OfScaledErrors",
    "SegmentController",
    "StateForm",
    "States",
    "Timeline",
    "lane_norm",
    "lane_numpy",
    "model_sparsity",
    "rms_norm",
]
