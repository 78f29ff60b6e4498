"""Value and gradient of a log posterior beside other engines, as ratios of one run.

    make bench-gradients
    python benchmarks/gradients.py [--part engines|cores|start] [--repeats 7]

The ten-state problem of the speed suite with 15 free numbers; vectors are drawn from the prior. First all
engines are shown to agree, at rtol 1e-10, with central differences of runs at 1e-12. Then each is timed at
rtol 1e-6, and at the loosest rtol of a ladder at which no vector's value is off by more than 1e-3, nor its
gradient by 1e-5 of its largest entry. atol is a thousandth of rtol. Process CPU time on one core, engines
interleaved, medians. exsim takes many vectors at once, the others one after another. Options of XLA hold for
a process: diffrax under XLA as it comes has one of its own, beside a row under those of exsim's commands.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported: its threads stay on this core, its options are those of the command.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    choose_compiler_options()

import numpy as np

from exsim.jax_setup import jax
from peers import amici_sensitivities, diffrax_gradient, lsoda_differences, posteriors
from peers.apart import Apart
from peers.posteriors import Engine, Posterior
from single_run import cpu_seconds

#: Vectors on which the errors are told.
CHECKED = 16
TIGHT, USUAL = 1e-10, 1e-6
LADDER = (1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8, 3e-9, 1e-9, 3e-10, 1e-10)
VALUE_BAR, GRADIENT_BAR = 1e-3, 1e-5
ALL = 256
#: All cores: this process is bound to one of them.
CORES = set(range(os.cpu_count() or 1))

FIRST = "exsim, 256 vectors"


@dataclass(frozen=True)
class Row:
    """One engine: how it is made, and how many vectors it is asked for at a time."""

    name: str
    prepare: Callable[[], Engine]
    vectors: int = CHECKED


def rows(posterior: Posterior) -> list[Row]:
    """Return the rows of the table."""
    lanes = posteriors.exsim_lanes(posterior)
    reverse, forward = (partial(diffrax_gradient.prepare, posterior, mode) for mode in ("reverse", "forward"))
    amici = partial(amici_sensitivities.prepare, posterior)
    return [
        Row(FIRST, lambda: lanes, ALL),
        Row("exsim, 64 vectors", lambda: lanes, 64),
        Row("exsim, nothing pruned", partial(posteriors.exsim_lanes, posterior, whole=True), ALL),
        Row("AMICI, forward, BDF", partial(amici, "forward")),
        Row("AMICI, forward, Adams", partial(amici, "forward", "Adams")),
        Row("AMICI, adjoint, Adams", partial(amici, "adjoint", "Adams")),
        Row("diffrax, reverse", partial(Apart, reverse)),
        Row("diffrax, forward", partial(Apart, forward)),
        Row("diffrax, reverse, XLA as here", reverse),
        Row("diffrax, forward, XLA as here", forward),
        Row("SciPy LSODA, differences", partial(lsoda_differences.prepare, posterior), 2),
    ]


@dataclass
class Timed:
    """An engine with what was found of it."""

    row: Row
    engine: Engine
    compiled_s: float
    #: rtol -> (largest error of a value, median and largest error of a gradient).
    errors: dict[float, tuple[float, float, float]] = field(default_factory=dict)
    #: rtol -> CPU seconds for one vector, of each repeat.
    seconds: dict[float, list[float]] = field(default_factory=dict)

    def ask(self, vectors: np.ndarray, rtol: float) -> tuple[np.ndarray, np.ndarray]:
        """Return values and gradients of as many of these vectors as the row has."""
        return self.engine(vectors[: self.row.vectors], rtol, 1e-3 * rtol)

    def clock(self) -> float:
        """Return CPU seconds, those of a process of its own and of compilers with them."""
        return clock() + (self.engine.cpu_s if isinstance(self.engine, Apart) else 0.0)

    def loosest(self) -> float | None:
        """Return the loosest rtol at which all checked vectors lie within the bars."""
        good = [
            rtol
            for rtol, (value, _, gradient) in self.errors.items()
            if rtol in LADDER and value <= VALUE_BAR and gradient <= GRADIENT_BAR
        ]
        return max(good, default=None)


def clock() -> float:
    """Return the CPU seconds of this process and of the compilers that it started."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def errors(
    found: tuple[np.ndarray, np.ndarray], exact: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float, float]:
    """Return the largest error of a value, median and largest error of a gradient by its largest entry."""
    count = min(len(found[0]), len(exact[0]))
    value = np.abs(found[0][:count] - exact[0][:count])
    gradient = np.abs(found[1][:count] - exact[1][:count]).max(axis=1)
    gradient /= np.abs(exact[1][:count]).max(axis=1)
    return float(value.max()), float(np.median(gradient)), float(gradient.max())


def prepared(row: Row, vectors: np.ndarray) -> Timed | None:
    """Make the engine of a row, and let it answer once; None where it is not installed."""
    begun = clock()
    try:
        engine = row.prepare()
    except ImportError as missing:
        print(f"{row.name:32} not installed ({missing.name})", flush=True)
        return None
    made = Timed(row, engine, 0.0)
    made.ask(vectors, USUAL)
    made.compiled_s = made.clock() - begun
    return made


def engines_table(repeats: int) -> None:
    """Check that all engines agree, time them interleaved, and print the table."""
    posterior = posteriors.ten_state_posterior()
    vectors = posterior.vectors(ALL)
    exact = posterior.reference(vectors[:CHECKED])
    print(f"ten states, {len(posterior.names)} free numbers, {posterior.data.size} data")
    print(f"\nrtol {TIGHT:g} against central differences of runs at 1e-12, {CHECKED} vectors at most")
    print(f"{'':32}{'value':>10}{'gradient':>10}")
    timed = [made for row in rows(posterior) if (made := prepared(row, vectors)) is not None]
    for made in timed:
        for rtol in LADDER:
            made.errors[rtol] = errors(made.ask(vectors, rtol), exact)
        value, _, gradient = made.errors[TIGHT]
        print(f"{made.row.name:32}{value:10.1e}{gradient:10.1e}", flush=True)
    for made in timed:
        made.seconds = {rtol: [] for rtol in dict.fromkeys((USUAL, made.loosest() or USUAL))}
    for _ in range(repeats):
        for made in timed:
            for rtol, seconds in made.seconds.items():
                begun = made.clock()
                made.ask(vectors, rtol)
                seconds.append((made.clock() - begun) / made.row.vectors)
    for title, choose in ((f"all at rtol {USUAL:g}", lambda made: USUAL), ("equal error", Timed.loosest)):
        print_times(title, timed, choose)


def print_times(title: str, timed: list[Timed], choose: Callable[[Timed], float | None]) -> None:
    """Print the times at one tolerance of each engine, with its errors there."""
    print(f"\n{title}: one value and gradient, one core")
    print(
        f"{'':32}{'ms':>8}{'x exsim':>9}{'rtol':>8}{'value':>9}{'gradient median / max':>23}{'compile s':>11}"
    )
    ours = None
    for made in timed:
        rtol = choose(made)
        if rtol is None:
            print(f"{made.row.name:32} misses the bars at every rtol")
            continue
        median = 1e3 * statistics.median(made.seconds[rtol])
        ours = ours or median
        value, middle, largest = made.errors[rtol]
        print(
            f"{made.row.name:32}{median:8.3f}{median / ours:9.2f}{rtol:8.0e}{value:9.1e}{middle:14.1e} /"
            f"{largest:7.1e}{made.compiled_s:11.1f}",
            flush=True,
        )


def cores_table(repeats: int) -> None:
    """Print the wall time of exsim's 256 vectors on one core and on all, in processes that keep to them."""
    print(f"\nexsim, {ALL} vectors, wall time")
    print(f"{'cores':>8}{'ms':>9}{'x one':>8}")
    one, alone = os.sched_getaffinity(0), 0.0
    for cores in (one, CORES):
        # What is started keeps to the cores of this process.
        os.sched_setaffinity(0, cores)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            taken = pool.submit(wall_ms, repeats).result()
        alone = alone or taken
        print(f"{len(cores):8d}{taken:9.3f}{alone / taken:8.2f}", flush=True)
    os.sched_setaffinity(0, one)


def wall_ms(repeats: int) -> float:
    """Return the wall time of one of exsim's 256 vectors in this process, the median of repeats."""
    jax.config.update("jax_enable_x64", True)
    posterior = posteriors.ten_state_posterior()
    vectors, ask = posterior.vectors(ALL), posteriors.exsim_lanes(posterior)
    ask(vectors, USUAL, 1e-3 * USUAL)
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        ask(vectors, USUAL, 1e-3 * USUAL)
        times.append(1e3 * (time.perf_counter() - begun) / ALL)
    return statistics.median(times)


BEGIN = """
import sys
sys.path.insert(0, {folder!r})
from exsim.cli.session import start_jax
start_jax("cpu")
import numpy as np
from exsim.api import read_fit
from exsim.fitting import Objective
from peers.posteriors import il6_axis_problem
objective = Objective({problem})
nominal = np.array([item.nominal for item in objective.problem.free])
assert objective.expand(objective.scales.theta(nominal)[None]).status[0] == 0
"""
PROBLEMS = {
    "il6_axis, marathon, 12 free": "il6_axis_problem()",
    "marathon_1998.toml": 'read_fit("marathon_1998").problem',
    "il6_axis_calibration.toml": 'read_fit("il6_axis_calibration").problem',
}


def start_table(repeats: int) -> None:
    """Print the CPU time of whole processes up to the first value and gradient."""
    print("\nwhole process to the first value and gradient, CPU s (empty cache: one run)")
    print(f"{'':32}{'empty':>8}{'warm':>8}{'x import diffrax':>18}")
    folder = str(Path(__file__).resolve().parent)
    one = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    with tempfile.TemporaryDirectory() as cache:
        bare = [sys.executable, "-c", "import diffrax"]
        base = statistics.median(cpu_seconds(bare, Path(cache)) for _ in range(repeats))
        for name, problem in PROBLEMS.items():
            command = [sys.executable, "-c", BEGIN.format(folder=folder, problem=problem)]
            empty = cpu_seconds(command, Path(cache))
            warm = statistics.median(cpu_seconds(command, Path(cache)) for _ in range(repeats))
            print(f"{name:32}{empty:8.1f}{warm:8.2f}{warm / base:18.2f}", flush=True)
    os.sched_setaffinity(0, one)


def main() -> None:
    """Print the tables that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("engines", "cores", "start"), action="append")
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print(f"Python {sys.version.split()[0]}, jax {jax.__version__}, on core {os.sched_getaffinity(0)}")
    print(f"XLA_FLAGS: {os.environ.get('XLA_FLAGS', 'none')}")
    parts = {"engines": engines_table, "cores": cores_table, "start": start_table}
    for name in asked.part or parts:
        parts[name](asked.repeats)


if __name__ == "__main__":
    main()
