"""A run as `exsim.datasets` labels it, made of closed-form curves."""

import json

import numpy as np
import pytest
import xarray as xr

from .sweep_stores import stored, sweep

#: analyte: (unit, rest, fold at the peak, hours from the end of the bout to the peak, decay per h)
ANALYTES = {
    "IL6": ("pg/mL", 1.0, 77.0, 0.0, 0.75),
    "IL1RA": ("pg/mL", 120.0, 40.0, 1.5, 0.45),
    "IL10": ("pg/mL", 1.0, 27.0, 0.3, 0.6),
    "TNF": ("pg/mL", 1.4, 2.2, 0.4, 0.5),
    "sTNFR1": ("ng/mL", 1.0, 2.7, 0.6, 0.5),
    "cortisol": ("nmol/L", 300.0, 1.6, 0.1, 0.6),
}


def response(time, bouts, fold, lag_h, decay_per_h):
    """A rise through the bout and the lag after it, then decay; bouts add up."""
    total = np.ones_like(time)
    for start, end in bouts:
        top = end + lag_h
        up = np.clip((time - start) / (top - start), 0.0, 1.0) ** 2
        total += (fold - 1) * np.where(time <= top, up, np.exp(-decay_per_h * np.maximum(time - top, 0.0)))
    return total


@pytest.fixture
def make_run():
    """Return a function (bouts, until_h, analytes) -> Dataset."""

    def make(bouts=((0.0, 3.43),), until_h=8.0, analytes=tuple(ANALYTES), title="A marathon", **attrs):
        time = np.linspace(0.0, until_h, 481)
        ds = xr.Dataset(coords={"time": ("time", time, {"units": "h"})})
        for name in analytes:
            unit, rest, fold, lag, decay = ANALYTES[name]
            labels = {"units": unit, "long_name": name, "analyte": name, "plotted": 1}
            ds[name] = ("time", rest * response(time, bouts, fold, lag, decay), labels)
        glycogen = 1.0 - 0.5 * np.clip(time / until_h, 0.0, 1.0)
        labels = {
            "units": "dimensionless",
            "long_name": "muscle glycogen",
            "analyte": "glycogen",
            "plotted": 0,
        }
        ds["glycogen"] = ("time", glycogen, labels)
        ds["drive"] = ("time", np.zeros_like(time), {"units": "1/h", "long_name": "transcription drive"})
        windows = [
            {"start_h": start, "end_h": end, "intensity": 0.8, "modality": "running"} for start, end in bouts
        ]
        ds.attrs = {
            "model": "il6_axis",
            "config": "marathon",
            "bouts": json.dumps(windows),
            "title": title,
            "exsim_version": "0.1.0",
        } | attrs
        return ds

    return make


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The bytes of the small sweep, made in one go."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert sweep(folder)
    return stored(folder)
