"""What a sweep keeps for every draw: names, kinds, units, and how the draws are cut into batches.

One batch is one chunk of every array, by construction: the arrays have no chunk size of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError, Problem

#: Draws are computed in blocks of this many; a batch is a whole number of blocks.
BLOCK_DRAWS = 4096

#: Files of the chunks of a sweep, at most (where one batch can hold them); metadata and journals come on top.
_CHUNK_FILES = 8000
#: A sweep that is killed makes the last batch again: many small ones, until the flushing of files counts.
_WANTED_BATCHES = 64
_LARGEST_WANTED_DRAWS = 4 * BLOCK_DRAWS
#: What a batch should not pass in memory, where the number of files allows it.
_BATCH_BYTES = 256 * 2**20
#: What a file takes on the disk besides its content, at most, and the metadata of an array.
_FILE_BYTES = 4096

_ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,149}")
_DTYPES = ("float64", "float32", "int64", "int32", "int16", "int8")


@dataclass(frozen=True)
class ArraySpec:
    """One array of a sweep. `dims` begins with "draw" or "batch"; `dtype` is a NumPy name."""

    name: str
    dtype: str
    dims: tuple[str, ...] = ("draw",)
    units: str = ""
    long_name: str = ""
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_array_name(self.name)
        if self.dims[:1] not in (("draw",), ("batch",)) or {"draw", "batch"} & {*self.dims[1:]}:
            raise ValueError(f"{self.name}: dims {self.dims} do not begin with draw or batch, once")
        if self.dtype not in _DTYPES:
            raise ValueError(f"{self.name}: dtype {self.dtype!r} is none of {_DTYPES}")

    @property
    def fill_value(self) -> float | int:
        """Return what stands for draws that are not made: NaN, or -1 for whole numbers."""
        return float("nan") if self.dtype.startswith("float") else -1


@dataclass(frozen=True, eq=False)
class Coordinate:
    """The values along a dimension other than draw and batch: times, percentiles."""

    dim: str
    values: np.ndarray
    units: str = ""
    long_name: str = ""

    def __post_init__(self) -> None:
        _check_array_name(self.dim)
        if self.values.ndim != 1 or str(self.values.dtype) not in _DTYPES:
            raise ValueError(f"{self.dim}: a coordinate is one row of numbers")


@dataclass(frozen=True, eq=False)
class Layout:
    """All that a store holds: the draws, the draws of a batch, the arrays and what is said of them.

    `attributes` are those of the dataset and go to JSON. Raises ValueError where the parts do not
    fit together, InputError where two names would be one file on some disks.
    """

    draws: int
    batch_draws: int
    arrays: tuple[ArraySpec, ...]
    coords: tuple[Coordinate, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.draws < 1 or not self.arrays:
            raise ValueError("a sweep has at least one draw and one array")
        if self.batch_draws < 1 or self.batch_draws % BLOCK_DRAWS:
            raise ValueError(f"batch_draws {self.batch_draws} is no multiple of {BLOCK_DRAWS}")
        missing = {dim for spec in self.arrays for dim in spec.dims[1:]} - {item.dim for item in self.coords}
        if missing:
            raise ValueError(f"no coordinate for {sorted(missing)}")
        _refuse_names_that_meet([spec.name for spec in self.arrays] + [item.dim for item in self.coords])

    @property
    def batches(self) -> int:
        """Return the number of batches."""
        return -(-self.draws // self.batch_draws)

    def draws_of(self, batch: int) -> range:
        """Return the draws of a batch; the last batch may be shorter."""
        start = batch * self.batch_draws
        return range(start, min(start + self.batch_draws, self.draws))

    def shape_of(self, spec: ArraySpec, batch: int | None = None) -> tuple[int, ...]:
        """Return the shape of an array, whole or as one batch writes it ("batch" has no axis then)."""
        sizes = {item.dim: len(item.values) for item in self.coords}
        rest = tuple(sizes[dim] for dim in spec.dims[1:])
        if spec.dims[0] == "batch":
            return rest if batch is not None else (self.batches, *rest)
        return (len(self.draws_of(batch)) if batch is not None else self.draws, *rest)

    def describe(self) -> dict[str, Any]:
        """Return what must be equal for two runs to write into one store; not the size of a batch."""
        return {
            "draws": self.draws,
            "arrays": {spec.name: [spec.dtype, *spec.dims] for spec in self.arrays},
            "coordinates": {
                item.dim: hashlib.sha256(np.ascontiguousarray(item.values).tobytes()).hexdigest()
                for item in self.coords
            },
        }


def chunk_path(name: str, dims: int, batch: int) -> str:
    """Return the path under the store of a batch's chunk of an array with so many dimensions."""
    return f"{name}/c.{batch}" + ".0" * (dims - 1)


def choose_batch_draws(draws: int, arrays: Sequence[ArraySpec], draw_bytes: int = 0) -> int:
    """Return the draws of a batch, a multiple of 4096, for a store of so many draws and arrays.

    About 64 batches where they stay small, and never so many that the store passes 10^4 files.
    `draw_bytes` are the bytes of one draw (see `count_draw_bytes`): a batch stays under 256 MiB where it can.
    """
    fewest = _round_up(draws, max(1, _CHUNK_FILES // len(arrays)))
    wanted = min(_round_up(draws, _WANTED_BATCHES), _LARGEST_WANTED_DRAWS)
    in_memory = _BATCH_BYTES // max(draw_bytes, 1) // BLOCK_DRAWS * BLOCK_DRAWS
    return max(fewest, min(wanted, max(in_memory, BLOCK_DRAWS)))


def count_draw_bytes(arrays: Sequence[ArraySpec], coords: Sequence[Coordinate]) -> int:
    """Return the bytes of one draw in memory: all arrays with the dimension "draw"."""
    sizes = {item.dim: len(item.values) for item in coords}
    return sum(
        np.dtype(spec.dtype).itemsize * int(np.prod([sizes[dim] for dim in spec.dims[1:]], dtype=np.int64))
        for spec in arrays
        if spec.dims[0] == "draw"
    )


def count_files(layout: Layout, batches: int | None = None) -> int:
    """Return how many files the store has with so many batches (all of them), metadata and journal too."""
    made = layout.batches if batches is None else batches
    return len(layout.arrays) * (made + 1) + 2 * len(layout.coords) + 5


def estimate_bytes(layout: Layout, batches: int | None = None) -> int:
    """Return the bytes that so many batches (all of them) need on the disk, at most.

    As if nothing could be compressed: a random double hardly can.
    """
    made = layout.batches if batches is None else batches
    cells = 0
    for spec in layout.arrays:
        rest = int(np.prod(layout.shape_of(spec)[1:], dtype=np.int64)) * np.dtype(spec.dtype).itemsize
        rows = min(made * layout.batch_draws, layout.draws) if spec.dims[0] == "draw" else made
        cells += rest * rows
    return cells + _FILE_BYTES * count_files(layout, made)


def _round_up(draws: int, batches: int) -> int:
    return -(-draws // (batches * BLOCK_DRAWS)) * BLOCK_DRAWS


def _check_array_name(name: str) -> None:
    if not _ARRAY_NAME.fullmatch(name) or name in ("draw", "batch", "c", "zarr.json"):
        raise ValueError(f"{name!r} cannot be the name of an array")


def _refuse_names_that_meet(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other is not name:
            raise InputError(
                Problem(
                    f'"{other}" and "{name}" would be one folder of the store on some disks',
                    hint="rename one of the two: names of a sweep differ by more than case",
                )
            )
