"""A small sweep to write: its arrays, what belongs into each batch, and the bytes of a store."""

import os
import threading
from pathlib import Path

import numpy as np

from exsim.outputs.sweep_layout import ArraySpec, Coordinate, Layout
from exsim.outputs.sweep_store import open_writer

DRAWS = 3 * 4096 + 100
ARRAYS = (
    ArraySpec("IL6_peak", "float64", units="pg/mL", long_name="highest IL6"),
    ArraySpec("IL6", "float32", ("draw", "time"), units="pg/mL"),
    ArraySpec("status", "int8"),
    ArraySpec("IL6_percentiles", "float64", ("batch", "percentile", "time"), units="pg/mL"),
    ArraySpec("batch_done", "int32", ("batch",)),
)
COORDS = (Coordinate("time", np.array([0.0, 1.5]), "h", "time"), Coordinate("percentile", np.arange(3.0)))
IDENTITY = {"seed": 7, "config": {"draws": DRAWS}, "versions": {"exsim": "0.2", "jax": "0.10.2"}}


#: Small enough to fail at each of its calls.
SMALL = Layout(4096 + 100, 4096, ARRAYS[:1] + ARRAYS[2:3])


def layout_of(batch_draws: int = 4096, draws: int = DRAWS, attributes=None) -> Layout:
    return Layout(draws, batch_draws, ARRAYS, COORDS, attributes or {"title": "A sweep", "seed": 7})


def values_of(layout: Layout, batch: int) -> dict[str, np.ndarray]:
    """Return numbers that depend on the draw alone; some draws failed, all those of batch 1 did."""
    draw = np.array(layout.draws_of(batch))
    peak = np.where(draw % 10 == 3, np.nan, np.sin(draw) + 2)
    if batch == 1:
        peak[:] = np.nan
    values = {
        "IL6_peak": peak,
        "IL6": np.stack([peak, peak / 2], axis=1).astype("float32"),
        "status": np.where(np.isnan(peak), 2, 0).astype("int8"),
        "IL6_percentiles": np.full((3, 2), float(batch)),
        "batch_done": np.array(np.isfinite(peak).sum(), "int32"),
    }
    return {spec.name: values[spec.name] for spec in layout.arrays}


def sweep(folder: Path, layout: Layout | None = None, batches: int | None = None, **options) -> bool:
    """Write the missing batches, at most so many, and return whether the store is complete."""
    with open_writer(folder, layout or layout_of(), IDENTITY, **options) as writer:
        for batch in writer.missing_batches()[:batches]:
            writer.write(batch, values_of(writer.layout, batch))
        return writer.is_complete()


def stored(folder: Path) -> dict[str, bytes]:
    store = folder / "sweep.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


class Failing:
    """Wraps the calls that change the disk; the n-th and all after it raise, as on a full disk."""

    def __init__(self, monkeypatch, error: BaseException):
        self.left, self.error, self.lock = None, error, threading.Lock()
        owners = {"fsync": os, "replace": os, "write": os, "mkdir": Path, "write_bytes": Path}
        for name, owner in owners.items():
            monkeypatch.setattr(owner, name, self.wrap(name, getattr(owner, name)))

    def wrap(self, name, real):
        def call(*args, **kwargs):
            with self.lock:
                if self.left is not None:
                    self.left -= 1
                failed = self.left is not None and self.left < 0
            if failed:
                if name in ("write", "write_bytes"):
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise self.error
            return real(*args, **kwargs)

        return call
