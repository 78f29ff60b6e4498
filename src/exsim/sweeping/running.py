"""The draws of a planned sweep, batch by batch, on as many threads as there are cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..errors import OutputError
from ..jax_setup import jax
from .block import BLOCK_DRAWS, CURVES, PLACES, BlockNumbers, BlockTask, solve_block
from .planning import TRIED_AGAIN, SweepPlan, block_numbers

#: What solved a draw, in the store: the method of the plan, or the one that takes over.
FIRST, SECOND = 0, 1
#: Into how many parts a block is cut that did not fit into memory: one try each, with nothing beside it.
MEMORY_PARTS = (2, 4, 8)

#: Arrays of consecutive draws by name; the first axis is the draw.
DrawArrays = dict[str, np.ndarray]


class Stopped(Exception):
    """The sweep was asked to stop between two blocks."""


def solve_draws(
    plan: SweepPlan, start: int, stop: int, should_stop: Callable[[], bool] = lambda: False
) -> DrawArrays:
    """Return what the sweep keeps of draws start <= i < stop; `start` is the first of a block.

    By name: each varied target, each metric, "curve <id>" (draw, time), and `status`, `steps`, `method`.
    Raises Stopped between two blocks once `should_stop` says so.
    """
    blocks = []
    for first in range(start, stop, BLOCK_DRAWS):
        if should_stop():
            raise Stopped
        blocks.append(_solve_block(plan, first, min(first + BLOCK_DRAWS, stop)))
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _solve_block(plan: SweepPlan, start: int, stop: int) -> DrawArrays:
    values = plan.design.draw(start, stop)
    found = _solved(plan, plan.task, values)
    method = np.full(len(values), FIRST, np.int8)
    for task in _further_tries(plan):
        again = np.flatnonzero(np.isin(found["status"], TRIED_AGAIN))
        if len(again):
            second = _solved(plan, task, values[again])
            for name, array in second.items():
                # What comes from the device cannot be written to.
                found[name] = np.array(found[name])
                found[name][again] = array
            method[again] = FIRST if task.method == plan.task.method else SECOND
    varied = {target.text: values[:, place] for place, target in enumerate(plan.targets)}
    return varied | found | {"method": method}


def _further_tries(plan: SweepPlan) -> list[BlockTask]:
    """Return what takes over the draws that were frozen, or whose group spent its budget.

    In the end each has steps of its own: what it gives then is its own doing, and not that of the group.
    """
    shared = [plan.task] if plan.stiff_task is None else [plan.task, plan.stiff_task]
    return [*shared[1:], *([replace(shared[-1], shared_steps=False)] if shared[-1].shared_steps else [])]


class _Room:
    """Blocks side by side, or one with nothing beside it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside, self._waiting = 0, 0

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Be one of several, none of which is to be alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until the others have ended, and let none begin."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._inside)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside, self._waiting = self._inside - 1, self._waiting - 1
                self._changed.notify_all()


_ROOM = _Room()


def _solved(plan: SweepPlan, task: BlockTask, values: np.ndarray) -> DrawArrays:
    numbers = block_numbers(plan, values, task)
    with jax.enable_x64(plan.precision == "float64"):
        try:
            with _ROOM.beside():
                return _on_host(task, numbers, len(values))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            complaint = _if_out_of_memory(error)
        for parts in MEMORY_PARTS:
            # A group is not cut: its lanes share their steps.
            smaller = replace(task, parts=min(parts, task.draws // task.width))
            with _ROOM.alone():
                try:
                    return _on_host(smaller, numbers, len(values))
                except (MemoryError, jax.errors.JaxRuntimeError) as error:
                    complaint = _if_out_of_memory(error)
    raise OutputError(
        f"memory is too short for {BLOCK_DRAWS} draws, and for a half, a quarter and an eighth of them"
        " with nothing beside. Keep fewer analytes as curves, or look at fewer times; what is done stays"
        " and --resume goes on."
        f" ({complaint})"
    )


def _on_host(task: BlockTask, numbers: BlockNumbers, count: int) -> DrawArrays:
    found = _as_arrays(solve_block(task, numbers)) if task.parts == 1 else _by_parts(task, numbers)
    named = {f"curve {id}": found[CURVES][:count, place] for place, id in enumerate(task.curves)}
    return {name: array[:count] for name, array in found.items() if name != CURVES} | named


def _as_arrays(found: Mapping[str, jax.Array]) -> DrawArrays:
    return {name: np.asarray(array) for name, array in found.items()}


def _by_parts(task: BlockTask, numbers: BlockNumbers) -> DrawArrays:
    whole: DrawArrays = {}
    for part in range(task.parts):
        found = _as_arrays(solve_block(task, replace(numbers, part=np.asarray(part))))
        places = found.pop(PLACES)
        for name, array in found.items():
            whole.setdefault(name, np.empty((task.draws, *array.shape[1:]), array.dtype))[places] = array
    return whole


def _if_out_of_memory(error: Exception) -> str:
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return str(error).partition("\n")[0] or "out of memory"
    raise error


def solve_batches(
    plan: SweepPlan, batches: Iterable[tuple[int, int, int]], workers: int
) -> Generator[tuple[int, DrawArrays], None, None]:
    """Yield (batch, arrays) for each (batch, start, stop), in the order in which they are done.

    At most two batches a worker are under way or waiting to be taken. Where the caller stops early,
    no further block is begun.
    """
    stop = threading.Event()
    waiting = iter(batches)
    under_way: dict[Future[DrawArrays], int] = {}
    pool = ThreadPoolExecutor(workers, "exsim-sweep")

    def begin(count: int) -> None:
        for _, (number, first, last) in zip(range(count), waiting, strict=False):
            under_way[pool.submit(solve_draws, plan, first, last, stop.is_set)] = number

    try:
        begin(2 * workers)
        while under_way:
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                number = under_way.pop(future)
                begin(1)
                yield number, future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
