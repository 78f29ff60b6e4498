"""Sweeps of one model beside other engines: throughput, error and compile time, as ratios of one run.

    python benchmarks/sweep.py [--problem ten|marathon] [--draws 10000] [--repeats 3]

Process CPU time on one core (all threads are bound to it), engines interleaved in one process, medians.
The error of a draw is the largest |y - ref| / max |ref| over its states and times, against a run at 1e-12.
Slow engines get the first draws only: their cost a draw does not depend on how many there are. Only ratios of
one run mean anything. Stock diffrax runs under the same XLA options as exsim; they change nothing for it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported: its threads stay on this core, its options are those of the command.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    choose_compiler_options()

import numpy as np

from exsim import api
from exsim.jax_setup import jax
from exsim.sweeping.planning import SCREENING_ATOL, SCREENING_RTOL
from peers import (
    c_kernel,
    diffrax_vmap,
    exsim_lanes,
    numba_lsoda,
    problems,
    roadrunner_cvode,
    torchode_batch,
)
from peers.problems import Problem, Run, errors

#: Draws on which the reference of the C kernel is checked against exsim's own.
CHECKED = 64
#: Draws of the reference where there is no gcc.
FEW = 256


@dataclass(frozen=True)
class Engine:
    """One row: how to prepare the run of a problem at these tolerances, and on how many draws at most."""

    name: str
    prepare: Callable[[Problem, float, float], Run]
    rtol: float = 1e-6
    atol: float = 1e-9
    draws: int = 10**9
    #: Whether it gives states whose error can be told.
    states: bool = True


VMAP, ROADRUNNER = "diffrax, one vmap", "libRoadRunner (CVODE)"


def engines(problem: Problem) -> list[Engine]:
    """Return the rows of the table."""
    single, single_peaks = (
        partial(prepare, dtype=np.float32) for prepare in (exsim_lanes.prepare, exsim_lanes.prepare_peaks)
    )
    found = [
        Engine("exsim", exsim_lanes.prepare),
        Engine("exsim, equal error", exsim_lanes.prepare, 2e-6, 2e-9),
        Engine("exsim, peaks only", exsim_lanes.prepare_peaks, states=False),
        Engine("exsim, float32", single, SCREENING_RTOL, SCREENING_ATOL),
        Engine("exsim, float32, peaks only", single_peaks, SCREENING_RTOL, SCREENING_ATOL, states=False),
        Engine(VMAP, diffrax_vmap.prepare),
        Engine("diffrax, chunks of 128", partial(diffrax_vmap.prepare, chunk=128), draws=4096),
        Engine("diffrax, vmap, jumps unknown", partial(diffrax_vmap.prepare, known_jumps=False), draws=2048),
        Engine(ROADRUNNER, roadrunner(problem), draws=2000),
        Engine("numbalsoda (LSODA)", numba_lsoda.prepare, draws=4000),
        Engine("SciPy (LSODA)", numba_lsoda.prepare_scipy, draws=200),
        Engine("torchode, batch of 1024", torchode_batch.prepare, draws=1024),
    ]
    if c_kernel.is_present():
        for lanes_in_c in (4, 8):
            kernel = partial(c_kernel.prepare, lanes=lanes_in_c)
            found.append(Engine(f"C kernel, {lanes_in_c} lanes", kernel))
            found.append(Engine(f"C kernel, {lanes_in_c} lanes, sorted", partial(in_order, kernel)))
    return found


def roadrunner(problem: Problem) -> Callable[[Problem, float, float], Run]:
    """Return how libRoadRunner is prepared: its file, and the numbers of the bout that the file has."""
    if problem.name != problems.MARATHON_NAME:
        return partial(roadrunner_cvode.prepare, sbml=problems.TEN_STATE, chosen={})
    bout = api.read_study(problems.MARATHON).config.spec.protocol.bout[0]
    chosen = {"bout_duration": bout.total_duration_h, "bout_intensity": float(bout.intensity)}
    return partial(roadrunner_cvode.prepare, sbml=problems.IL6_AXIS, chosen=chosen)


def in_order(prepare: Callable[..., Run], problem: Problem, rtol: float, atol: float) -> Run:
    """Prepare a run of the draws sorted by the steps that each takes alone; draws come back in order."""
    alone = c_kernel.prepare(problem, rtol, atol, 1)
    alone.solve()
    run = prepare(problem.sorted_by(alone.steps), rtol, atol)
    back = np.argsort(np.argsort(alone.steps, kind="stable"), kind="stable")
    return Run(run.solve, lambda found: run.states(found)[back])


def reference(problem: Problem) -> np.ndarray:
    """Return the states at 1e-12: by the C kernel, checked against exsim's own lanes, or by these alone."""
    if not c_kernel.is_present():
        print(f"no gcc: no C kernel, errors over the first {FEW} draws")
        return problem.first(FEW).reference()
    states = c_kernel.prepare(problem, 1e-12, 1e-15, 4)()
    apart = errors(problem.first(CHECKED).reference(), states).max()
    print(f"the two references differ by {apart:.1e} at most on the first {CHECKED} draws")
    return states


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the compilers that it started."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def table(problem: Problem, repeats: int) -> None:
    """Prepare, check and time every engine, interleaved, and print the table."""
    print(f"\n{problem.name}: {problem.draws} draws, {len(problem.model.state_ids)} states, all kept at")
    print(f"{len(problem.times_h)} times; one core, process CPU time, median of {repeats}")
    exact = reference(problem)
    runs, compiled, achieved, times = {}, {}, {}, {}
    for engine in engines(problem):
        part = problem.first(engine.draws)
        begun = cpu_seconds()
        try:
            run = engine.prepare(part, engine.rtol, engine.atol)
        except ImportError as missing:
            print(f"{engine.name}: left out, {missing}")
            continue
        compiled[engine.name] = cpu_seconds() - begun
        given = run.solve()
        found = errors(run.states(given), exact) if engine.states else np.array([np.nan])
        achieved[engine.name] = np.median(found), found.max()
        runs[engine.name], times[engine.name] = (engine, run, part.draws), []
    for _ in range(repeats):
        for name, (_, run, draws) in runs.items():
            begun = cpu_seconds()
            run.solve()
            times[name].append((cpu_seconds() - begun) / draws)
    rates = {name: 1 / statistics.median(values) for name, values in times.items()}
    print(
        f"{'':32}{'traj/s':>8}{'x vmap':>8}{'x libRR':>8}{'error median / max':>21}"
        f"{'rtol':>8}{'atol':>8}{'compile s':>10}"
    )
    for name, rate in rates.items():
        engine, _, draws = runs[name]
        few = f" ({draws} draws)" if draws < problem.draws else ""
        median, largest = achieved[name]
        beside = "".join(
            f"{rate / rates[peer]:8.2f}" if peer in rates else f"{'':8}" for peer in (VMAP, ROADRUNNER)
        )
        print(
            f"{name:32}{rate:8.0f}{beside}{median:12.1e} /{largest:7.1e}{engine.rtol:8.0e}{engine.atol:8.0e}"
            f"{compiled[name]:10.1f}{few}",
            flush=True,
        )


def main() -> None:
    """Print the tables that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", choices=("ten", "marathon"), action="append")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print(f"Python {sys.version.split()[0]}, jax {jax.__version__}, on core {os.sched_getaffinity(0)}")
    print(f"XLA_FLAGS: {os.environ.get('XLA_FLAGS', 'none')}")
    made = {"ten": problems.ten_state, "marathon": problems.marathon}
    for name in asked.problem or made:
        table(made[name](asked.draws), asked.repeats)


if __name__ == "__main__":
    main()
