"""An engine in a process of its own: options of XLA hold for a whole process, and JAX reads them once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

_ENGINE: list[Callable[..., Any]] = []


class Apart:
    """An engine under XLA as it comes; `cpu_s` is the CPU time that its process has taken to answer."""

    def __init__(self, prepare: Callable[[], Callable[..., Any]]) -> None:
        self.cpu_s = 0.0
        before = os.environ.get("XLA_FLAGS")
        os.environ["XLA_FLAGS"] = ""
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        self._pool.submit(_start, prepare).result()
        del os.environ["XLA_FLAGS"]
        if before is not None:
            os.environ["XLA_FLAGS"] = before

    def __call__(self, *asked: Any) -> Any:
        """Ask the engine."""
        answer, cpu_s = self._pool.submit(_ask, asked).result()
        self.cpu_s += cpu_s
        return answer


def _start(prepare: Callable[[], Callable[..., Any]]) -> None:
    from exsim.jax_setup import jax

    jax.config.update("jax_enable_x64", True)
    _ENGINE.append(prepare())


def _ask(asked: tuple[Any, ...]) -> tuple[Any, float]:
    begun = time.process_time()
    answer = _ENGINE[0](*asked)
    return answer, time.process_time() - begun
