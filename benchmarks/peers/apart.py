"""An engine in a process of its own: options of XLA hold for a whole process, and JAX reads them once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from .posteriors import Engine

_ENGINE: list[Engine] = []


class Apart:
    """An engine under XLA as it comes; `cpu_s` is the CPU time that its process has taken to answer."""

    def __init__(self, prepare: Callable[[], Engine]) -> None:
        self.cpu_s = 0.0
        before = os.environ.get("XLA_FLAGS")
        os.environ["XLA_FLAGS"] = ""
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        self._pool.submit(_start, prepare).result()
        del os.environ["XLA_FLAGS"]
        if before is not None:
            os.environ["XLA_FLAGS"] = before

    def __call__(self, vectors: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray]:
        """Ask the engine."""
        values, gradients, cpu_s = self._pool.submit(_ask, vectors, rtol, atol).result()
        self.cpu_s += cpu_s
        return values, gradients


def _start(prepare: Callable[[], Engine]) -> None:
    from exsim.jax_setup import jax

    jax.config.update("jax_enable_x64", True)
    _ENGINE.append(prepare())


def _ask(vectors: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray, float]:
    begun = time.process_time()
    values, gradients = _ENGINE[0](vectors, rtol, atol)
    return values, gradients, time.process_time() - begun
