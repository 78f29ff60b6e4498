"""How a sweep grows: with draws (time, memory), with the states of the model, with cores.

    python benchmarks/scaling.py [--part draws|states|cores] [--most 100000]

Only ratios of one run mean anything. The draws are whole processes of `exsim sweep`, metrics only, with
everything that it writes; the others are blocks of draws solved and reduced to peaks.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np

from exsim.jax_setup import jax
from exsim.sweeping.block import BLOCK_DRAWS, GROUP_LANES
from peers import c_kernel, exsim_lanes, problems
from peers.problems import Run

RUNNERS = problems.ROOT / "configs" / "sweep" / "marathon_runners.toml"
REPEATS = 3


def draws_table(most: int) -> None:
    """Print time and memory of whole sweeps against the number of draws."""
    print("exsim sweep, virtual runners of a marathon, metrics only; a whole process, all cores")
    print(f"{'draws':>9}{'wall s':>9}{'CPU s':>9}{'draws/CPU s':>13}{'peak MiB':>10}")
    count = 100
    while count <= most:
        wall, cpu, peak = one_sweep(count)
        print(f"{count:9d}{wall:9.1f}{cpu:9.1f}{count / cpu:13.0f}{peak:10.0f}", flush=True)
        count *= 10


def one_sweep(draws: int) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and largest resident MiB of one process of `exsim sweep`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "exsim", "sweep", str(RUNNERS), "--quiet", "--device", "cpu"]
        command += ["--out", str(Path(folder) / "run"), "--set", f"sweep.draws={draws}"]
        command += ["--set", "sweep.bands=[]", "--set", "sweep.design='random'"]
        begun = time.monotonic()
        process = subprocess.Popen(command)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        if status != 0:
            raise SystemExit(f"exsim sweep of {draws} draws ended with status {status}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def states_table() -> None:
    """Print throughput against the number of states of a chain, beside the C kernel."""
    print(f"\na chain of compartments, {BLOCK_DRAWS} draws, peaks only; CPU time, median of {REPEATS}")
    print(f"{'states':>9}{'traj/s':>9}{'states x traj/s':>17}{'compile s':>11}{'share of the C kernel':>23}")
    for states in (5, 10, 20, 40, 60):
        problem = problems.chain(states, BLOCK_DRAWS)
        begun = time.process_time()
        run = exsim_lanes.prepare_peaks(problem, 1e-6, 1e-9)
        compiled = time.process_time() - begun
        rate = problem.draws / cpu_median(run)
        beside = ""
        if c_kernel.is_present():
            kernel = c_kernel.prepare(problem, 1e-6, 1e-9, 4)
            beside = f"{rate * cpu_median(kernel) / problem.draws:23.2f}"
        print(f"{states:9d}{rate:9.0f}{rate * states:17.0f}{compiled:11.1f}{beside}", flush=True)


def cpu_median(run: Run) -> float:
    """Return the CPU seconds of a run, a median after one that does not count."""
    run.solve()
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        run.solve()
        times.append(time.process_time() - begun)
    return statistics.median(times)


def cores_table(blocks: int = 8) -> None:
    """Print throughput against the number of threads, each of which takes blocks in turn."""
    problem = problems.ten_state(BLOCK_DRAWS)
    block = exsim_lanes.prepare_blocks(
        problem, 1e-6, 1e-9, GROUP_LANES, np.float64, peaks=problem.model.state_ids
    )

    def solve(_: int) -> None:
        block()

    solve(0)
    print(f"\nten states, {blocks} blocks of {BLOCK_DRAWS} draws, peaks only; wall time, median of {REPEATS}")
    print(f"{'threads':>9}{'traj/s':>9}{'x one':>9}")
    alone = None
    for threads in range(1, (os.cpu_count() or 1) + 1):
        times = []
        for _ in range(REPEATS):
            begun = time.monotonic()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(solve, range(blocks)))
            times.append(time.monotonic() - begun)
        rate = blocks * BLOCK_DRAWS / statistics.median(times)
        alone = alone or rate
        print(f"{threads:9d}{rate:9.0f}{rate / alone:9.2f}", flush=True)


def main() -> None:
    """Print the tables that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("draws", "states", "cores"), action="append")
    parser.add_argument("--most", type=int, default=100_000, help="draws of the largest sweep")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    parts = {"draws": partial(draws_table, asked.most), "states": states_table, "cores": cores_table}
    for name in asked.part or parts:
        parts[name]()


if __name__ == "__main__":
    main()
