"""What was done in a run and what it shows, read from the labels of its dataset.

`exsim.datasets` writes these labels; summaries, figures and scores read them here, so that the
names of the attributes stand in one place on the reading side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class BoutWindow:
    """One bout, rests between its intervals included: hours, fraction of maximum, kind of exercise."""

    start_h: float
    end_h: float
    intensity: float | None = None
    modality: str = ""
    intervals: int = 1
    #: Hours of one stretch of work; None where it is the whole bout.
    work_h: float | None = None
    rest_h: float = 0.0

    @property
    def work(self) -> tuple[tuple[float, float], ...]:
        """Start and end in hours of every stretch of work."""
        if self.work_h is None or self.intervals == 1:
            return ((self.start_h, self.end_h),)
        starts = [self.start_h + number * (self.work_h + self.rest_h) for number in range(self.intervals)]
        return tuple((start, start + self.work_h) for start in starts)


@dataclass(frozen=True)
class InfusionWindow:
    """One infusion or intake: the input that it drives, and from when to when, hours."""

    target: str
    start_h: float
    end_h: float


@dataclass(frozen=True)
class BolusTime:
    """One dose given at once: the state that it raises, and when, hours."""

    target: str
    time_h: float


@dataclass(frozen=True)
class Observable:
    """An analyte of a run: the variable that it is, its unit and what a figure calls it."""

    analyte: str
    variable: str
    unit: str
    label: str
    plotted: bool


def _listed(ds: xr.Dataset, name: str) -> list[dict]:
    return json.loads(ds.attrs.get(name) or "[]")


def bouts(ds: xr.Dataset) -> tuple[BoutWindow, ...]:
    """Return the bouts of a run in order of their start."""
    found = [
        BoutWindow(
            float(item["start_h"]),
            float(item["end_h"]),
            None if item.get("intensity") is None else float(item["intensity"]),
            str(item.get("modality") or ""),
            int(item.get("intervals") or 1),
            None if item.get("work_h") is None else float(item["work_h"]),
            float(item.get("rest_h") or 0.0),
        )
        for item in _listed(ds, "bouts")
    ]
    return tuple(sorted(found, key=lambda bout: (bout.start_h, bout.end_h)))


def infusions(ds: xr.Dataset) -> tuple[InfusionWindow, ...]:
    """Return the infusions of a run in order of their start."""
    found = [
        InfusionWindow(
            str(item.get("target") or item.get("input") or ""), float(item["start_h"]), float(item["end_h"])
        )
        for item in _listed(ds, "infusions")
    ]
    return tuple(sorted(found, key=lambda infusion: (infusion.start_h, infusion.end_h)))


def boluses(ds: xr.Dataset) -> tuple[BolusTime, ...]:
    """Return the boluses of a run in order of time."""
    found = [
        BolusTime(str(item.get("target") or ""), float(item["time_h"])) for item in _listed(ds, "boluses")
    ]
    return tuple(sorted(found, key=lambda bolus: bolus.time_h))


def observables(ds: xr.Dataset) -> tuple[Observable, ...]:
    """Return the analytes of a run, in the order in which its dataset holds them."""
    return tuple(
        Observable(
            analyte=str(variable.attrs["analyte"]),
            variable=str(name),
            unit=str(variable.attrs.get("units", "")),
            label=str(variable.attrs.get("long_name") or variable.attrs["analyte"]),
            plotted=bool(variable.attrs.get("plotted", 1)),
        )
        for name, variable in ds.data_vars.items()
        if "analyte" in variable.attrs
    )
