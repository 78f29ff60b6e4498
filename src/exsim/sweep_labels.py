"""What was varied and measured in a sweep, and its numbers draw by draw, read from its dataset.

Tables, indices and figures of a sweep read the store here, so that the names of its attributes
stand in one place on the reading side. Numbers are read piece by piece and are not kept by the
dataset, so that a store of any size can be read one variable at a time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

#: `exsim.solving.Status.DONE`; written here because that module brings JAX with it.
DONE = 0
#: What the store holds for a draw that no run has reached yet.
NOT_MADE = -1
#: Draws that are read at once: 8 MB of float64.
PIECE = 1 << 20


@dataclass(frozen=True)
class VariedTarget:
    """One quantity that differs from draw to draw: its variable, unit, nominal value and name."""

    target: str
    unit: str
    nominal: float | None
    label: str


@dataclass(frozen=True)
class Metric:
    """One number that every draw has: its variable, unit and name."""

    variable: str
    analyte: str
    metric: str
    unit: str
    label: str


def varied(ds: xr.Dataset) -> tuple[VariedTarget, ...]:
    """Return what the sweep varied, in the order of its config."""
    return tuple(
        VariedTarget(
            target=str(item["target"]),
            unit=str(item.get("unit") or ""),
            nominal=None if item.get("nominal") is None else float(item["nominal"]),
            label=str(item.get("label") or item["target"]),
        )
        for item in _listed(ds, "varied")
    )


def metrics(ds: xr.Dataset) -> tuple[Metric, ...]:
    """Return the metrics of the sweep, in the order of its config."""
    return tuple(
        Metric(
            variable=str(item["variable"]),
            analyte=str(item.get("analyte") or ""),
            metric=str(item.get("metric") or ""),
            unit=str(item.get("unit") or ""),
            label=str(item.get("label") or item["variable"]),
        )
        for item in _listed(ds, "metrics")
    )


def design(ds: xr.Dataset) -> str:
    """Return how the draws were chosen: grid, random, latin-hypercube, sobol, saltelli, table..."""
    return str(ds.attrs.get("design") or "")


def _listed(ds: xr.Dataset, name: str) -> list[dict[str, Any]]:
    held = ds.attrs.get(name) or "[]"
    return json.loads(held) if isinstance(held, str) else list(held)


def draw_count(ds: xr.Dataset) -> int:
    """Return the number of draws, whether they were solved or not."""
    return int(ds.sizes.get("draw", 0))


def read_draws(ds: xr.Dataset, name: str, rows: np.ndarray | None = None) -> np.ndarray:
    """Return one variable of the draws `rows` (sorted; all by default), shape (rows,), in its own dtype."""
    variable, draws = ds[name], draw_count(ds)
    found = np.empty(draws if rows is None else len(rows), variable.dtype)
    for start in range(0, draws, PIECE):
        # A slice of a lazily read variable has a cache of its own, which goes with the slice.
        values = variable.isel(draw=slice(start, start + PIECE)).values
        if rows is None:
            found[start : start + PIECE] = values
        else:
            low, high = np.searchsorted(rows, (start, start + len(values)))
            found[low:high] = values[rows[low:high] - start]
    return found


def done_draws(ds: xr.Dataset, rows: np.ndarray | None = None) -> np.ndarray:
    """Return True for the draws `rows` (all by default) that were solved to the end, shape (rows,)."""
    return read_draws(ds, "status", rows) == DONE


def chosen_rows(draws: int, most: int) -> np.ndarray | None:
    """Return the indices of at most `most` draws; None where that is all of them.

    One draw at random from each of `most` equal stretches of the sweep: sorted, the same at each
    call, and in step with no design, as every n-th draw of a grid would be.
    """
    if draws <= most:
        return None
    within = np.random.default_rng(0).random(most)
    rows = ((np.arange(most) + within) * (draws / most)).astype(np.int64)
    return np.minimum(rows, draws - 1)


def made_rows(ds: xr.Dataset, most: int) -> np.ndarray | None:
    """Return the indices of at most `most` draws that were solved or failed; None for all draws."""
    rows = chosen_rows(draw_count(ds), most)
    made = read_draws(ds, "status", rows) != NOT_MADE
    if made.all():
        return rows
    return np.flatnonzero(made) if rows is None else rows[made]
