"""`exsim doctor`: versions, devices, float64 and caches."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from ..version import __version__
from .session import cache_folder, start_jax

PACKAGES = (
    "jax",
    "jaxlib",
    "diffrax",
    "equinox",
    "antimony",
    "python-libsbml",
    "pydantic",
    "pint",
    "xarray",
    "numpy",
)


def doctor(*, json_output: bool) -> int:
    """Print what exsim runs on; exit code 0."""
    device, warnings = start_jax("auto")
    from ..jax_setup import EQUINOX_CAME_FIRST, jax

    folder = cache_folder()
    facts = {
        "exsim": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": device,
        "devices": [str(item) for item in jax.devices()],
        "float64": bool(jax.config.jax_enable_x64),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        "cache_folder": str(jax.config.jax_compilation_cache_dir),
        "cached_programs": len(list(folder.glob("*-cache"))) if folder.is_dir() else 0,
        "cache_can_hit": not EQUINOX_CAME_FIRST,
        "warnings": warnings,
    }
    if json_output:
        print(json.dumps(facts))
    else:
        for key, value in facts.items():
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"{key:16} {shown}", file=sys.stdout)
    return 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
