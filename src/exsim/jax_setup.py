"""JAX and its companions, imported with the settings under which compiled programs can be kept.

Equinox's error checks put host callbacks into compiled programs, and JAX's persistent cache
never keeps such a program. Every outcome is a status code here (`exsim.solving.Status`), so the
checks are turned off before equinox is first imported. A setting that the user made stays.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: True if equinox came in before exsim could turn its callbacks off: compiled programs are then
#: made anew in each process (`exsim doctor` says so).
EQUINOX_CAME_FIRST = "equinox" in sys.modules and os.environ.get("EQX_ON_ERROR") != "off"
os.environ.setdefault("EQX_ON_ERROR", "off")

import diffrax  # noqa: E402
import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

__all__ = ["EQUINOX_CAME_FIRST", "diffrax", "enable_compilation_cache", "eqx", "jax", "jnp"]


def enable_compilation_cache(folder: Path) -> None:
    """Keep compiled programs in `folder` from now on, in this process and the next ones.

    The command line calls it. A folder that the user set by JAX's own means stays.
    """
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
