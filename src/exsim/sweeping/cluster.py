"""The draws of a planned sweep, batch by batch, on the worker processes of a Dask cluster.

This process, the client, plans and writes; a worker gets the finished plan and solves ranges of draws
with it. Nothing is decided in a worker, so that it gives what a thread of the client would give.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..designs import Draws, sweep_design
from ..errors import ConfigError, OutputError, Problem
from ..integrating import STATUS_TEXT, Status
from ..jax_setup import enable_compilation_cache, jax
from ..model import Model, compile_model
from ..outputs.run_record import versions
from .planning import SweepPlan
from .running import DrawArrays, solve_draws

if TYPE_CHECKING:
    from distributed import Client

#: How often a batch is done again after the worker that had it died.
TRIES_AGAIN = 2
#: Seconds to wait for the scheduler whose address was given.
CONNECT_S = 30
#: What stands in `steps` and `method` of a draw that nothing solved: the fill value of the store.
_NOT_MADE = -1


def require_dask() -> None:
    """Raise ConfigError, with the way out, where Dask is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        hint = 'install it with pip install "exsim[cluster]", or write engine = "threads"'
        problem = Problem("Dask is not installed (package distributed)", key="sweep.engine", hint=hint)
        raise ConfigError(problem) from error


def solve_batches_on_dask(
    plan: SweepPlan, batches: Iterable[tuple[int, int, int]], workers: int, warn: Callable[[str], None]
) -> Generator[tuple[int, DrawArrays], None, None]:
    """Yield (batch, arrays) for each (batch, start, stop), in the order in which they are done.

    On the scheduler that Dask's setting `scheduler-address` names (DASK_SCHEDULER_ADDRESS); without
    one, on so many processes of this machine. As many batches are under way as there are workers.
    Where a worker dies its batch is done again, twice at most; then its draws get the status
    WORKER_LOST and `warn` is told. Raises OutputError where the cluster cannot be used or goes away.
    """
    from distributed import CancelledError, Future, KilledWorker, as_completed

    with _connected(workers) as client:
        parcel = client.submit(_Parcel.opened, _Parcel.of(plan), pure=False)
        ready = as_completed(loop=client.loop)
        waiting = iter(batches)
        under_way: dict[Future, tuple[int, int, int]] = {}
        # What a worker had when it died: (batch, start, stop) and how often that was. What waited there
        # for its turn is among them, so each is done again with nothing beside it.
        suspected: dict[tuple[int, int, int], int] = {}

        def begin(batch: tuple[int, int, int]) -> None:
            future = client.submit(_solve_range, parcel, *batch[1:], pure=False)
            under_way[future] = batch
            ready.add(future)

        def begin_next() -> None:
            # The cluster may have grown, and a worker that died counts until another takes its place.
            room = max(workers, sum(client.nthreads().values())) - len(under_way)
            for batch in islice(waiting, max(room, 0)):
                begin(batch)
            if not under_way and suspected:
                begin(next(iter(suspected)))

        try:
            begin_next()
            while under_way:
                future = next(ready)
                batch = number, start, stop = under_way.pop(future)
                deaths = suspected.pop(batch, 0)
                try:
                    found = future.result()
                except KilledWorker:
                    if deaths < TRIES_AGAIN:
                        suspected[batch] = deaths + 1
                        begin_next()
                        continue
                    found = _lost(plan, start, stop)
                    why = STATUS_TEXT[Status.WORKER_LOST]
                    warn(f"draws {start} to {stop - 1} are marked as failed: {why}")
                begin_next()
                yield number, found
        except (CancelledError, OSError) as error:
            raise OutputError(
                f"the scheduler of the Dask cluster went away ({error}). What is done stays; --resume goes on"
            ) from error


@contextmanager
def _connected(workers: int) -> Iterator[Client]:
    """Connect to the cluster of Dask's settings, or to one of this machine that lasts no longer."""
    import dask
    from distributed import Client, LocalCluster

    address = dask.config.get("scheduler-address", None)
    # A list of draws may be large; it is sent once.
    settings = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
    with dask.config.set(settings | {"distributed.worker.multiprocessing-method": "spawn"}):
        if address is not None:
            try:
                client = Client(address, timeout=CONNECT_S, set_as_default=False)
            except (OSError, ValueError) as error:
                raise OutputError(
                    f"no Dask scheduler answers at {address} (DASK_SCHEDULER_ADDRESS or Dask's setting"
                    f" scheduler-address): {error}"
                ) from error
            with client:
                yield client
            return
        with ExitStack() as stack:
            with _uninterrupted():
                try:
                    cluster = stack.enter_context(LocalCluster(**_on_this_machine(workers)))
                except (RuntimeError, OSError) as error:
                    raise OutputError(f"the Dask workers on this machine did not start: {error}") from error
            yield stack.enter_context(Client(cluster, set_as_default=False))


def _on_this_machine(workers: int) -> dict[str, Any]:
    return {
        "n_workers": workers,
        "threads_per_worker": 1,
        "processes": True,
        # Bounded by the size of a batch, as in threads: no worker is paused for its memory.
        "memory_limit": 0,
        # A worker's death is no news until its batch is given up.
        "silence_logs": "CRITICAL",
        "scheduler_kwargs": {
            # Which batch it was that took a worker with it is found out here.
            "allowed_failures": 0,
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",
        },
    }


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off SIGINT and SIGTERM: a cluster that is half begun cannot be ended.

    Ctrl-C reaches every process of a terminal. Workers never hear it, or they would die of it and be
    begun anew: what begins in here inherits that the signal is blocked.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: heard.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    # Python begins this helper before the first process, and then lets the signal through again.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        signal.raise_signal(heard[0])


@dataclass(frozen=True, eq=False)
class _Parcel:
    """A plan as it travels: all but the design, which holds functions and is made again from the draws."""

    parts: dict[str, Any]
    #: Draws of a table or posterior, (draw, target).
    listed: Draws | None
    #: Settings of the client on which the last bits depend, and what it computes with.
    compiler_options: str | None
    x64: bool
    cache: str | None
    platform: str
    versions: dict[str, Any]

    @staticmethod
    def of(plan: SweepPlan) -> _Parcel:
        """Pack a plan and the settings of this process."""
        parts = {item.name: getattr(plan, item.name) for item in fields(plan) if item.name != "design"}
        return _Parcel(
            parts,
            None if plan.sweep.file is None else plan.design.draw(0, plan.design.draws),
            os.environ.get("XLA_FLAGS"),
            bool(jax.config.jax_enable_x64),
            jax.config.jax_compilation_cache_dir,
            jax.default_backend(),
            dict(versions()),
        )

    def opened(self) -> _Parcel:
        """Return this parcel, in a worker: the task that all ranges depend on."""
        return self

    def settle(self) -> None:
        """Give this process the settings of the client.

        Raises OutputError where its programs are not those of the client.
        """
        if self.compiler_options is not None:
            # Read when JAX first computes, which nothing here has done before.
            os.environ["XLA_FLAGS"] = self.compiler_options
        jax.config.update("jax_enable_x64", self.x64)
        if self.platform == "cpu":
            jax.config.update("jax_platforms", "cpu")
        if self.cache is not None:
            enable_compilation_cache(Path(self.cache))
        here = dict(versions())
        other = {name: (here.get(name), wanted) for name, wanted in self.versions.items()}
        said = [f"{name} {found}, not {wanted}" for name, (found, wanted) in other.items() if found != wanted]
        if jax.default_backend() != self.platform:
            said.append(f"a {jax.default_backend()}, not a {self.platform}, that computes")
        if said:
            raise OutputError(f"a Dask worker differs from this process: it has {'; '.join(said)}")

    def plan(self) -> SweepPlan:
        """Return the plan: equal to that of the client, and nothing decided anew."""
        parts = dict(self.parts)
        model, task = _renewed_model(parts["model"]), parts["task"]
        stiff_task, pruned = parts["stiff_task"], _renewed_model(task.model)
        parts["model"], parts["task"] = model, replace(task, model=pruned)
        if stiff_task is not None:
            parts["stiff_task"] = replace(stiff_task, model=pruned)
        design = sweep_design(parts["sweep"], parts["targets"], parts["seed"], self.listed)
        return SweepPlan(design=design, **parts)


def _renewed_model(model: Model) -> Model:
    return compile_model(_renewed(model.spec))


def _renewed(value: Any) -> Any:
    # Parts of a model keep the hash that they got when they were made; in another process it is another.
    if isinstance(value, tuple):
        return tuple(map(_renewed, value))
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(
            **{item.name: _renewed(getattr(value, item.name)) for item in fields(value) if item.init}
        )
    return value


@lru_cache(maxsize=1)
def _unpacked(parcel: _Parcel) -> SweepPlan:
    parcel.settle()
    return parcel.plan()


def _solve_range(parcel: _Parcel, start: int, stop: int) -> DrawArrays:
    return solve_draws(_unpacked(parcel), start, stop)


def _lost(plan: SweepPlan, start: int, stop: int) -> DrawArrays:
    """Return what `solve_draws` gives for draws that nothing solved: NaN, and the status WORKER_LOST."""
    count, values = stop - start, plan.design.draw(start, stop)
    times = len(plan.numbers.curve_times_h)
    result = {target.text: values[:, place] for place, target in enumerate(plan.targets)}
    result |= {item.variable: np.full(count, np.nan, plan.precision) for item in plan.task.measures}
    result |= {f"curve {id}": np.full((count, times), np.nan, plan.precision) for id in plan.task.curves}
    return result | {
        "status": np.full(count, int(Status.WORKER_LOST), np.int8),
        "steps": np.full(count, _NOT_MADE, np.int32),
        "method": np.full(count, _NOT_MADE, np.int8),
    }
