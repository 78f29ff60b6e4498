"""A planned sweep -> the arrays of its store, with names and units, and the numbers of a batch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .datasets import bout_table
from .outputs.sweep_layout import ArraySpec, Coordinate, Layout, choose_batch_draws, count_draw_bytes
from .solving import STATUS_TEXT, Status
from .sweeping import DrawArrays, SweepPlan, solve_batches
from .version import __version__

#: Percentiles that are kept of every batch, for bands over time.
PERCENTILES = np.arange(101.0)


def sweep_layout(plan: SweepPlan, title: str) -> Layout:
    """Return what the store of a sweep holds: each target and metric, status, curves, bands."""
    precision = plan.precision
    arrays = [ArraySpec(item.text, "float64", units=item.unit, long_name=item.label) for item in plan.targets]
    arrays += [
        ArraySpec(item.variable, precision, units=item.unit, long_name=item.label) for item in plan.metrics
    ]
    texts = "; ".join(f"{int(status)}: {text}" for status, text in STATUS_TEXT.items())
    arrays += [
        ArraySpec("status", "int8", long_name="how the solve ended", attrs={"meaning": texts}),
        ArraySpec("steps", "int32", long_name="steps of the group that the draw was solved in"),
        ArraySpec("method", "int8", long_name="what solved it", attrs={"meaning": _methods(plan)}),
    ]
    for name in plan.sweep.trajectories:
        curve = plan.curves[name]
        arrays.append(
            ArraySpec(name, precision, ("draw", "time"), curve.unit, curve.label, {"analyte": name})
        )
    for name in plan.sweep.bands:
        curve = plan.curves[name]
        what = f"{curve.label}, percentiles over the draws of a batch"
        arrays.append(
            ArraySpec(
                f"{name}_percentiles",
                precision,
                ("batch", "percentile", "band_time"),
                curve.unit,
                what,
                {"analyte": name, "label": curve.label},
            )
        )
    if plan.sweep.bands:
        said = "draws of a batch that ended well"
        arrays.append(ArraySpec("batch_done", "int32", ("batch",), long_name=said))
    coords = []
    times_h = np.asarray(plan.numbers.curve_times_h, np.float64)
    if plan.sweep.trajectories:
        coords.append(Coordinate("time", times_h, "h", "time"))
    if plan.sweep.bands:
        coords += [
            Coordinate("percentile", PERCENTILES, "percent", "percentile"),
            Coordinate("band_time", times_h, "h", "time"),
        ]
    draws = plan.design.draws
    size = choose_batch_draws(draws, arrays, count_draw_bytes(arrays, coords))
    return Layout(draws, size, tuple(arrays), tuple(coords), _attributes(plan, title))


def _methods(plan: SweepPlan) -> str:
    second = "" if plan.stiff_task is None else f"; 1: {plan.stiff_task.method}, where 0 ran out of steps"
    return f"0: {plan.task.method}{second}"


def _attributes(plan: SweepPlan, title: str) -> dict[str, Any]:
    listed = {
        "varied": [
            {
                "target": item.text,
                "unit": item.unit,
                "nominal": item.nominal if np.isfinite(item.nominal) else None,
                "label": item.label,
                "distribution": item.distribution,
            }
            for item in plan.targets
        ],
        "metrics": [
            {
                "variable": item.variable,
                "analyte": item.analyte,
                "metric": item.word,
                "unit": item.unit,
                "label": item.label,
            }
            for item in plan.metrics
        ],
        "grid_shape": list(plan.design.grid_shape),
        "bouts": bout_table(plan.protocol),
    }
    return {
        "config": plan.name,
        "title": title,
        "model": plan.model.spec.name,
        "design": plan.design.kind,
        "seed": str(plan.seed),
        "exsim_version": __version__,
    } | {name: json.dumps(value) for name, value in listed.items()}


def batch_arrays(plan: SweepPlan, layout: Layout, found: DrawArrays) -> Mapping[str, np.ndarray]:
    """Return what the store takes of one batch, by array, from what `solve_draws` found."""
    done = found["status"] == int(Status.DONE)
    arrays: dict[str, np.ndarray] = {}
    for item in layout.arrays:
        if item.name in found:
            arrays[item.name] = np.ascontiguousarray(found[item.name], item.dtype)
    for name in plan.sweep.trajectories:
        curve = found[f"curve {plan.curves[name].id}"]
        arrays[name] = np.ascontiguousarray(curve, plan.precision)
    for name in plan.sweep.bands:
        curve = found[f"curve {plan.curves[name].id}"][done]
        if len(curve):
            bands = np.percentile(curve.T, PERCENTILES, axis=1)
        else:
            bands = np.full((len(PERCENTILES), curve.shape[1]), np.nan)
        arrays[f"{name}_percentiles"] = np.ascontiguousarray(bands, plan.precision)
        arrays["batch_done"] = np.asarray(done.sum(), np.int32)
    return arrays


def memory_dataset(plan: SweepPlan, title: str) -> xr.Dataset:
    """Solve all draws of a planned sweep and return them as one Dataset, as its store would hold them."""
    layout = sweep_layout(plan, title)
    workers = plan.sweep.workers or os.cpu_count() or 1
    spans = map(layout.draws_of, range(layout.batches))
    parts = ((batch, span.start, span.stop) for batch, span in enumerate(spans))
    found = {batch: batch_arrays(plan, layout, part) for batch, part in solve_batches(plan, parts, workers)}
    variables = {}
    for item in layout.arrays:
        pieces = [found[batch][item.name] for batch in range(layout.batches)]
        values = np.stack(pieces) if item.dims[0] == "batch" else np.concatenate(pieces)
        attributes = {"units": item.units, "long_name": item.long_name, **item.attrs}
        variables[item.name] = (item.dims, values, attributes)
    coords = {
        item.dim: (item.dim, item.values, {"units": item.units, "long_name": item.long_name})
        for item in layout.coords
    }
    return xr.Dataset(variables, coords, dict(layout.attributes))
