"""run.json: what was run, on what, with which versions, how it went, and how long it took."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

#: Changes when a key of the record is renamed or dropped.
RECORD_VERSION = 1

#: The packages whose version can change a number.
NUMERIC_PACKAGES = (
    "exsim",
    "jax",
    "jaxlib",
    "diffrax",
    "equinox",
    "lineax",
    "optimistix",
    "antimony",
    "python-libsbml",
    "pint",
    "numpy",
    "xarray",
    "h5netcdf",
    "scipy",
    "SALib",
    "numpyro",
    "arviz",
    "zarr",
)


@dataclass(frozen=True)
class Stopwatch:
    """When a run began: monotonic and processor clocks, so that a changed system clock does no harm."""

    wall_s: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=time.process_time)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def read(self) -> dict[str, Any]:
        """Return when the run started (UTC), and the wall and processor seconds since."""
        return {
            "started": self.at,
            "wall_s": round(time.monotonic() - self.wall_s, 4),
            "cpu_s": round(time.process_time() - self.cpu_s, 4),
        }


def build_record(
    *,
    command: str,
    config: Mapping[str, Any],
    input_hashes: Mapping[str, str],
    seed: int | None,
    device: str,
    dtype: str,
    solver: Mapping[str, Any],
    timing: Mapping[str, Any],
    warnings: Iterable[str] = (),
    repairs: Iterable[str] = (),
    failures: Mapping[str, int] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the record of a run as a plain dict for `exsim.outputs.files.write_run`.

    `config` is as resolved (defaults filled in, --set applied), `input_hashes` SHA-256 by file,
    `solver` the method that was used and its steps, `failures` the count of failed solves by
    reason, `timing` what `Stopwatch.read` returned. `more` is kept as given.
    """
    return {
        "program": "exsim",
        "record_version": RECORD_VERSION,
        "command": command,
        "config": dict(config),
        "input_hashes": dict(input_hashes),
        "versions": versions(),
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "solver": dict(solver),
        "failures": dict(failures or {}),
        "warnings": list(warnings),
        "repairs": list(repairs),
        "timing": dict(timing),
        **more,
    }


def versions() -> dict[str, str]:
    """Return the version of Python, of the platform and of every package that can change a number."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for name in NUMERIC_PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Any) -> bytes:
    """Return JSON (UTF-8, indented): numbers that are not finite become null."""
    return (json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def plain(value: Any) -> Any:
    """Return what JSON can hold: lists for arrays, None for what is not finite, text for the rest."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):
        # Numpy and JAX arrays and scalars.
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
