"""Compiled programs are kept across processes, whatever the order of Python's sets: a test of the hit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

#: What a process that simulates a marathon saw of the cache: names of events, and lines of its log.
LISTENING = """
import json, logging, sys
from exsim.cli.session import start_jax
start_jax("cpu")
import jax
seen = []
jax.monitoring.register_event_listener(lambda name, **more: seen.append(name))

class Lines(logging.Handler):
    def emit(self, record):
        seen.append(record.getMessage())

logger = logging.getLogger("jax._src.compiler")
logger.setLevel(logging.DEBUG)
logger.addHandler(Lines())
logger.propagate = False
from exsim import simulate
run = simulate(sys.argv[1])
print(json.dumps([seen, float(run.dataset["IL6"][-1])]))
"""


def _process(root: Path, cache: Path, hash_seed: str) -> tuple[list[str], float]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "PYTHONHASHSEED": hash_seed,
        "EXSIM_CACHE_DIR": str(cache),
    }
    # The tests' own folder, which the user would have set by JAX's means, comes before exsim's.
    del environment["JAX_COMPILATION_CACHE_DIR"]
    done = subprocess.run(
        [sys.executable, "-c", LISTENING, str(root / "configs" / "simulate" / "marathon.toml")],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    seen, value = json.loads(done.stdout)
    return seen, value


@pytest.fixture(scope="module")
def processes(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what two processes with different hash seeds saw, and the programs kept after each."""
    cache = tmp_path_factory.mktemp("cache")
    found: dict[str, Any] = {}
    for which, hash_seed in (("first", "1"), ("second", "2")):
        found[which] = _process(root, cache, hash_seed)
        found[f"kept after {which}"] = {path.name for path in cache.glob("*-cache")}
    return found


def _about_the_solve(seen: list[str], word: str) -> list[int]:
    return [place for place, line in enumerate(seen) if word in line.lower() and "jit__solve" in line]


def test_the_first_process_compiles_and_keeps_the_solve(processes: dict[str, Any]) -> None:
    seen, _ = processes["first"]
    assert len(_about_the_solve(seen, "cache miss")) == 1
    assert any(name.startswith("jit__solve-") for name in processes["kept after first"])


def test_the_second_process_finds_the_solve_and_compiles_nothing(processes: dict[str, Any]) -> None:
    seen, _ = processes["second"]
    (place,) = _about_the_solve(seen, "cache hit")
    assert "/jax/compilation_cache/cache_hits" in seen[place : place + 3]
    assert "/jax/compilation_cache/cache_misses" not in seen
    assert processes["kept after second"] == processes["kept after first"]


def test_both_processes_give_the_same_number(processes: dict[str, Any]) -> None:
    assert processes["first"][1] == processes["second"][1]
