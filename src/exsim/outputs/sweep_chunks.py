"""A batch of draws as the bytes of Zarr chunks: encoded in memory, written by `sweep_store`.

Zarr v3 with Zstandard, which has a checksum in every frame and gives the same bytes for the same
numbers. (Blosc with several threads does not: its blocks lie in the order in which they were ready.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from .sweep_layout import ArraySpec, Layout, chunk_path

_LEVEL = 1
_METADATA = "zarr.json"


class ChunkEncoder:
    """The store in memory, without its draws: what its files are, and what a batch adds to them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._kept: dict[str, Buffer] = {}
        group = zarr.create_group(
            store=MemoryStore(self._kept), zarr_format=3, attributes=dict(layout.attributes)
        )
        for coordinate in layout.coords:
            values = coordinate.values
            array = _create(
                group, coordinate.dim, values.dtype, values.shape, values.shape, (coordinate.dim,), 0,
                {"units": coordinate.units, "long_name": coordinate.long_name},
            )  # fmt: skip
            array[...] = values
        self._arrays = {spec.name: self._create_array(group, spec) for spec in layout.arrays}
        #: The files of a store without a batch: path under the store -> bytes.
        self.skeleton = _consolidate({path: content.to_bytes() for path, content in self._kept.items()})

    def encode(self, batch: int, values: Mapping[str, np.ndarray]) -> dict[str, bytes]:
        """Return the chunk of each array. Raises ValueError where names, shapes or dtypes do not fit."""
        if values.keys() != self._arrays.keys():
            raise ValueError(f"wanted {sorted(self._arrays)}, found {sorted(values)}")
        chunks = {}
        for spec in self.layout.arrays:
            found, wanted = values[spec.name], self.layout.shape_of(spec, batch)
            if found.shape != wanted or str(found.dtype) != spec.dtype:
                raise ValueError(
                    f"{spec.name}: wanted {spec.dtype}{list(wanted)} for batch {batch},"
                    f" found {found.dtype}{list(found.shape)}"
                )
            if spec.dims[0] == "batch":
                self._arrays[spec.name][batch] = found
            else:
                draws = self.layout.draws_of(batch)
                self._arrays[spec.name][draws.start : draws.stop] = found
            chunks[spec.name] = self._kept.pop(chunk_path(spec.name, len(spec.dims), batch)).to_bytes()
        return chunks

    def _create_array(self, group: zarr.Group, spec: ArraySpec) -> Any:
        shape = self.layout.shape_of(spec)
        rows = self.layout.batch_draws if spec.dims[0] == "draw" else 1
        labels = {"units": spec.units, "long_name": spec.long_name, **spec.attrs}
        return _create(
            group, spec.name, spec.dtype, shape, (rows, *shape[1:]), spec.dims, spec.fill_value, labels
        )


def _consolidate(skeleton: dict[str, bytes]) -> dict[str, bytes]:
    """Put the metadata of all arrays into that of the group too: readers then open one file, not one each."""
    suffix = f"/{_METADATA}"
    arrays = {path: json.loads(text) for path, text in skeleton.items() if path.endswith(suffix)}
    kept = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {path.removesuffix(suffix): content for path, content in arrays.items()},
    }
    group = {**json.loads(skeleton[_METADATA]), "consolidated_metadata": kept}
    return {**skeleton, _METADATA: json.dumps(group, indent=2).encode()}


def _create(
    group: zarr.Group,
    name: str,
    dtype: Any,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dims: tuple[str, ...],
    fill_value: float | int,
    labels: Mapping[str, Any],
) -> Any:
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=fill_value,
        compressors=ZstdCodec(level=_LEVEL, checksum=True),
        # One folder per array: a chunk of two dimensions needs no folder of its own.
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=dims,
        attributes={key: value for key, value in labels.items() if value != ""},
        # A chunk that is all fill value (every draw failed) is written all the same.
        config={"write_empty_chunks": True},
    )
