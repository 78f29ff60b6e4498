"""What a command that computes sets up first: device, precision, the cache of compiled programs."""

from __future__ import annotations

import atexit
import gc
import os
import secrets
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import OutputError


def cache_folder() -> Path:
    """Return the folder of exsim's compiled programs (EXSIM_CACHE_DIR, else the user's cache)."""
    import platformdirs

    given = os.environ.get("EXSIM_CACHE_DIR")
    return Path(given) if given else Path(platformdirs.user_cache_dir("exsim")) / "compiled"


def collect_rarely() -> None:
    """Let Python look for cyclic garbage rarely, and not at all when the process ends.

    Importing and tracing make many objects and little garbage: with Python's own settings a third
    of a short run goes into looking for it, half of that at the very end.
    """
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)


#: Options of XLA's compiler for the CPU: several results of one loop over the lanes as one kernel, which
#: does not compute what they share again for each, and a loop of steps as one kernel in place of
#: hundreds. Steps of lanes are twice as fast (benchmarks/RESULTS.md). In a form that a version of XLA
#: which lacks them passes over.
CPU_COMPILER_OPTIONS = (
    "--xla_backend_extra_options="
    "xla_cpu_use_multi_output_fusion=true,xla_cpu_small_while_loop_byte_threshold=1000000000000"
)
#: jaxlib 0.10 ends the process over two arrays written side by side, each at places of its own, as
#: programs of libraries under `vmap` do; by this it takes another way, as fast. Later ones do not know it and
#: end the process over that: 0.11 has the fault too, and is excluded; 0.12 has neither.
FOR_OLDER = "--xla_cpu_use_fusion_emitters=false"


def choose_compiler_options() -> None:
    """Set the options of the compiler, unless the user chose some (XLA_FLAGS, even empty) or JAX is there.

    JAX reads them once. Set after that they would change nothing here, but be taken for the options of
    this process: by its record, and by the processes that it starts.
    """
    if "jax" not in sys.modules:
        older = version("jaxlib").startswith("0.10.")
        os.environ.setdefault("XLA_FLAGS", f"{CPU_COMPILER_OPTIONS} {FOR_OLDER if older else ''}".strip())


def start_jax(device: str) -> tuple[str, list[str]]:
    """Switch on float64 and the cache, pick the device; return its name and warnings.

    Raises OutputError (exit 6) where a GPU is asked for and none is there.
    """
    collect_rarely()
    if device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    choose_compiler_options()
    from ..jax_setup import EQUINOX_CAME_FIRST, enable_compilation_cache, jax

    jax.config.update("jax_enable_x64", True)
    enable_compilation_cache(cache_folder())
    found, warnings = _first_device()
    if device == "gpu" and found.platform != "gpu":
        raise OutputError(
            f'--device gpu: JAX sees no GPU (it sees "{found.platform}").\n'
            "  Install exsim with the extra cuda12 or cuda13 on Linux, or use --device auto."
        )
    if EQUINOX_CAME_FIRST:
        warnings.append("equinox was imported before exsim: compiled programs are not kept")
    return f"{found.platform}: {found.device_kind}", warnings


def _first_device() -> tuple[Any, list[str]]:
    # JAX stops where the platform that JAX_PLATFORMS asks for is not there, with more than one exception.
    from ..jax_setup import jax

    try:
        return jax.devices()[0], []
    except (RuntimeError, AssertionError):
        wanted = jax.config.jax_platforms
        jax.config.update("jax_platforms", "cpu")
        return jax.devices()[0], [f'JAX finds no device of the platform "{wanted}": the CPU computes']


def choose_seed(given: int | None) -> int:
    """Return the seed of the config, or one drawn by the system, to be recorded."""
    return secrets.randbelow(2**63) if given is None else given
