"""Lanes: many solves as one system. The state is a tuple with one lane vector per species."""

from .scaled_time import InScaledTime, SegmentController, Timeline, lane_norm
from .tsit5 import LaneTsit5

__all__ = ["InScaledTime", "LaneTsit5", "SegmentController", "Timeline", "lane_norm"]
