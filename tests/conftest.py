"""The strict test room: float64 only where exsim asks for it, every warning an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("EQX_ON_ERROR", "off")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

ROOT = Path(__file__).resolve().parents[1]

# One folder of compiled programs for all workers and subprocesses: the marathon is compiled once.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def suites() -> Path:
    """Return the folder of the public test suites, or skip where it is absent."""
    folder = Path(os.environ.get("EXSIM_SUITES", ROOT.parent / "shared" / "suites"))
    if not folder.is_dir():
        pytest.skip(f"public test suites not found at {folder} (set EXSIM_SUITES)")
    return folder


@pytest.fixture(scope="session")
def turnover_model():
    """Return y' = k_in u - k y, y(0) = 1, with the input u driven by the intensity of a bout."""
    from exsim.formula import Call, Name, Number
    from exsim.model import compile_model
    from exsim.model_spec import DriverCard, Input, ModelCard, ModelSpec, Parameter, State

    rate = Call("-", (Call("*", (Name("k_in"), Name("u"))), Call("*", (Name("k"), Name("y")))))
    return compile_model(
        ModelSpec(
            name="turnover",
            time_unit_h=1.0,
            parameters=(Parameter("k", 0.5, "1/h"), Parameter("k_in", 2.0, "pg/mL/h")),
            states=(State("y", "pg/mL", Number(1.0), rate, "concentration", "plasma"),),
            inputs=(Input("u", "dimensionless"),),
            card=ModelCard(
                title="one turnover compartment",
                drivers=(DriverCard("u", "intensity"),),
                boluses=(("y", "y"),),
            ),
        )
    )


@pytest.fixture(scope="session")
def make_sweep():
    """Return a function that makes the dataset of a sweep from formulas; see `make` in it.

    The peak of IL-6 grows with duration, intensity and the gain of release, falls with clearance;
    that of IL-10 follows it; further targets hardly matter.
    """
    import json

    import numpy as np
    import xarray as xr

    known = {
        "protocol.bout.0.duration": ("h", 3.43, "duration", (0.5, 6.0)),
        "protocol.bout.0.intensity": ("dimensionless", 0.8, "intensity", (0.4, 0.95)),
        "parameter.release_gain": ("pg/mL/h", 21.0, "gain of IL-6 release by working muscle", 0.5),
        "parameter.clearance": ("1/h", 0.75, "clearance of IL-6", 0.3),
    }
    further = {f"parameter.k{n}": ("1/h", 1.0, f"rate {n} of some slow exchange", 0.2) for n in range(8)}
    metrics = {
        "IL6_peak": ("pg/mL", "IL-6 peak"),
        "IL6_fold": ("dimensionless", "IL-6 peak fold over rest"),
        "IL6_time_of_peak_h": ("h", "IL-6 time of peak"),
        "IL10_peak": ("pg/mL", "IL-10 peak"),
        "IL10_auc_above_baseline": ("pg/mL*h", "IL-10 area above baseline"),
        "TNF_peak": ("pg/mL", "TNF peak"),
    }

    def drawn(design, draws, names, rng):
        if design == "grid":
            shape = (draws,) if isinstance(draws, int) else draws
            axes = np.meshgrid(*(np.linspace(0.0, 1.0, n) for n in shape), indexing="ij")
            return shape, {name: _value(name, axis.ravel()) for name, axis in zip(names, axes, strict=True)}
        return None, {name: _value(name, rng.random(draws), rng.standard_normal(draws)) for name in names}

    def _value(name, unit, normal=None):
        *_, nominal, _, spread = (known | further)[name]
        if isinstance(spread, tuple):
            return spread[0] + unit * (spread[1] - spread[0])
        return nominal * np.exp(spread * (normal if normal is not None else 4 * unit - 2))

    def numbers(columns, draws):
        at = {name: (known | further)[name][1] + np.zeros(draws) for name in known | further} | columns
        duration, intensity = at["protocol.bout.0.duration"], at["protocol.bout.0.intensity"]
        gain, clearance = at["parameter.release_gain"] / 21.0, at["parameter.clearance"] / 0.75
        small = np.prod([at[name] for name in further], axis=0) ** 0.05
        il6 = 1.0 + 76.0 * (duration / 3.43) ** 1.6 * (intensity / 0.8) ** 3 * gain * small / clearance
        il10 = 1.0 + 26.0 * il6 / (il6 + 60.0)
        return {
            "IL6_peak": il6,
            "IL6_fold": il6 / 1.0,
            "IL6_time_of_peak_h": np.where(il6 > 2.0, duration + 0.05, np.nan),
            "IL10_peak": il10,
            "IL10_auc_above_baseline": (il10 - 1.0) * (2.0 + duration),
            "TNF_peak": 1.4 + 0.4 * (duration > 2) * (duration - 2) * intensity,
        }

    def make(design="random", draws=1000, vary=4, shown=tuple(metrics), fails=0.0, seed=1, **attrs):
        """`draws` is a number, or of a grid its shape; `vary` how many targets; `fails` a share or a mask."""
        rng = np.random.default_rng(seed)
        names = list(known | further)[:vary]
        shape, columns = drawn(design, draws, names, rng)
        count = len(next(iter(columns.values()))) if columns else draws
        if design == "saltelli":
            columns = _saltelli(columns, count, names)
        values = numbers(columns, count)
        failed = rng.random(count) < fails if isinstance(fails, float) else fails(columns)
        status = np.where(failed, rng.choice(np.array([1, 3], np.int8), count), np.int8(0)).astype(np.int8)
        ds = xr.Dataset()
        for name, column in columns.items():
            ds[name] = ("draw", column, {"units": (known | further)[name][0]})
        for name in shown:
            ds[name] = ("draw", np.where(failed, np.nan, values[name]), {"units": metrics[name][0]})
        ds["status"] = ("draw", status)
        ds.attrs = (
            {
                "varied": json.dumps(
                    [
                        {"target": n, "unit": u, "nominal": v, "label": label, "distribution": "uniform"}
                        for n, (u, v, label, _) in (known | further).items()
                        if n in names
                    ]
                ),
                "metrics": json.dumps(
                    [
                        {
                            "variable": name,
                            "analyte": name.split("_")[0],
                            "metric": name.split("_", 1)[1],
                            "unit": metrics[name][0],
                            "label": metrics[name][1],
                        }
                        for name in shown
                    ]
                ),
                "design": design,
                "bouts": json.dumps(
                    [{"start_h": 0.0, "end_h": 3.43, "intensity": 0.8, "modality": "running"}]
                ),
                "model": "il6_axis",
                "title": "A marathon by many",
                "config": "marathon_sweep",
                "exsim_version": "0.1.0",
                "seed": 7,
            }
            | ({"grid_shape": json.dumps(list(shape))} if shape else {})
            | attrs
        )
        return ds

    def _saltelli(columns, count, names):
        # A, A with each column of B in turn, B: the blocks of SALib without second order.
        width, mixed = len(names) + 2, {name: column.copy() for name, column in columns.items()}
        for start in range(0, count - width + 1, width):
            for number, name in enumerate(names):
                a, b = columns[name][start], columns[name][start + width - 1]
                mixed[name][start : start + width - 1] = a
                mixed[name][start + 1 + number] = b
        return mixed

    return make


@pytest.fixture(scope="session")
def with_percentiles():
    """Return a function (ds, batches) that adds percentiles over time to the dataset of a sweep."""
    import numpy as np

    def add(ds, batches=5, until_h=8.0, points=97):
        time = np.linspace(0.0, until_h, points)
        done = ds["status"].values == 0
        curves = {}
        for analyte, rest, lag, decay in (("IL6", 1.0, 0.0, 0.75), ("IL10", 1.2, 0.4, 0.5)):
            peak = ds[f"{analyte}_peak"].values[:, None]
            end = 3.43 + lag
            rise = np.where(time <= end, (time / end) ** 2, np.exp(-decay * (time - end)))
            curves[analyte] = rest + (peak - rest) * rise
        pieces = np.array_split(np.arange(ds.sizes["draw"]), batches)
        levels = np.arange(101.0)
        ds = ds.assign_coords(percentile=levels, band_time=("band_time", time, {"units": "h"}))
        for analyte, values in curves.items():
            found = np.full((batches, 101, points), np.nan)
            for number, piece in enumerate(pieces):
                if done[piece].any():
                    found[number] = np.percentile(values[piece][done[piece]], levels, axis=0)
            labels = {"units": "pg/mL", "analyte": analyte, "label": analyte.replace("IL", "IL-")}
            ds[f"{analyte}_percentiles"] = (("batch", "percentile", "band_time"), found, labels)
        ds["batch_done"] = ("batch", np.array([done[piece].sum() for piece in pieces]))
        return ds, curves

    return add
