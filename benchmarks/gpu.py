"""Many solves on a GPU: one vmap of stock diffrax, exsim's lanes, and the fused kernel, in one run.

    python benchmarks/gpu.py [--lanes 100000] [--repeats 5] [--problem "ten states"]

Every engine is checked against a run at rtol 1e-12 in float64 on the CPU. Times are of warm calls whose
results stay on the device, medians, engines interleaved; what a first call takes (tracing, compiling) is
printed apart. An engine that runs out of memory is tried with half of the draws. Without a GPU only the
checks are made, the kernel in interpret mode: that says nothing about speed, and the table says so.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from exsim.fused import solve_fused, summarise_fused
from exsim.jax_setup import diffrax, jax, jnp
from exsim.solving import solve
from exsim.sweeping.planning import SCREENING_ATOL, SCREENING_RTOL
from peers.problems import Problem, marathon, ten_state

PROBLEMS = {"ten states": ten_state, "il6_axis": marathon}
ANALYTES = {"ten states": ("Ip", "TEN", "TNF"), "il6_axis": ("IL6", "IL10", "TNF")}

#: (rtol, atol): as for every engine of the speed table, and of its screening in float32.
TOLERANCES = {np.float64: (1e-6, 1e-9), np.float32: (SCREENING_RTOL, SCREENING_ATOL)}
#: Draws whose errors are looked at.
CHECKED = 16
#: Lanes of one call of the lane solver, which shares its steps among them.
GROUP = 8192
BLOCKS = (32, 64, 128)
#: Where there is no GPU: draws, and lanes of a block.
FEW, SMALL_BLOCK = 8, 4


@dataclass(frozen=True)
class Engine:
    """One way to solve all draws of a problem."""

    name: str
    #: A problem -> the call that is timed; it returns arrays on the device.
    prepare: Callable[[Problem], Callable[[], object]]
    #: What the call returns, the reference, the problem -> the error of each of the first draws.
    errors: Callable[[object, np.ndarray, Problem], np.ndarray]


def stock_diffrax(problem: Problem, rtol: float, atol: float) -> Callable[[], jax.Array]:
    """Return one vmap over all draws as a careful user writes it: array state, steps that end at jumps."""
    model = problem.model
    edges, inputs = (jnp.asarray(values) for values in problem.segments)
    times, ids = jnp.asarray(problem.times_h), list(problem.constants)
    constants = jnp.asarray(np.stack([problem.constants[id] for id in ids], axis=1))
    starts = jnp.asarray(problem.start)
    steps = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=rtol, atol=atol), jump_ts=edges[1:-1])

    def rates(time: jax.Array, state: jax.Array, values: jax.Array) -> jax.Array:
        now = inputs[jnp.clip(jnp.searchsorted(edges, time, side="right") - 1, 0, len(inputs) - 1)]
        return jnp.stack(
            model.derivative(jnp, time, list(now), list(state), dict(zip(ids, values, strict=True)))
        )

    def one(start: jax.Array, values: jax.Array) -> jax.Array:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rates),
            diffrax.Tsit5(),
            0.0,
            times[-1],
            None,
            start,
            values,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=steps,
            max_steps=100_000,
            throw=False,
        ).ys

    program = jax.jit(jax.vmap(one))
    return lambda: program(starts, constants)


def lanes(problem: Problem, precision: type) -> Callable[[], list[jax.Array]]:
    """Return exsim's lanes, `GROUP` draws a call."""
    rtol, atol = TOLERANCES[precision]
    columns = problem.parameters.T.astype(precision)
    groups = [columns[:, start : start + GROUP] for start in range(0, problem.draws, GROUP)]

    def run() -> list[jax.Array]:
        runs = [
            solve(problem.model, problem.protocol, g, problem.times_h, rtol=rtol, atol=atol) for g in groups
        ]
        return [run.states for run in runs]

    return run


def fused(problem: Problem, precision: type, block: int, interpret: bool) -> Callable[[], jax.Array]:
    """Return the fused kernel that gives every state at every output time."""
    rtol, atol = TOLERANCES[precision]
    columns = jnp.asarray(problem.parameters.T, precision)
    return lambda: (
        solve_fused(
            problem.model,
            problem.protocol,
            columns,
            problem.times_h,
            rtol=rtol,
            atol=atol,
            block=block,
            interpret=interpret,
        ).values
    )


def fused_metrics(
    problem: Problem, precision: type, block: int, interpret: bool
) -> Callable[[], dict[str, jax.Array]]:
    """Return the fused kernel that gives the metrics of three analytes alone."""
    rtol, atol = TOLERANCES[precision]
    columns = jnp.asarray(problem.parameters.T, precision)
    return lambda: (
        summarise_fused(
            problem.model,
            problem.protocol,
            columns,
            problem.times_h,
            ANALYTES[problem.name.split(",")[0]],
            rtol=rtol,
            atol=atol,
            block=block,
            interpret=interpret,
        ).metrics
    )


def reference_of(problem: Problem) -> np.ndarray:
    """Return the first draws at rtol 1e-12, by exsim's solver on the CPU; shape (state, time, draw)."""
    with jax.default_device(jax.devices("cpu")[0]):
        draws = problem.parameters[:CHECKED].T
        run = solve(problem.model, problem.protocol, draws, problem.times_h, rtol=1e-12, atol=1e-15)
        return np.asarray(run.states)


def errors_of_states(states: jax.Array, reference: np.ndarray, problem: Problem) -> np.ndarray:
    """Return the largest |y - ref| / max |ref| of each draw; both of shape (state, time, draw)."""
    found = np.asarray(states[..., : reference.shape[2]], float)
    peaks = np.abs(reference).max(axis=1)
    shares = np.abs(found - reference).max(axis=1) / np.where(peaks > 0, peaks, 1.0)
    return np.where(peaks > 0, shares, 0.0).max(axis=0)


def errors_of_peaks(metrics: dict[str, jax.Array], reference: np.ndarray, problem: Problem) -> np.ndarray:
    """Return the largest error of the peaks of each draw, as a share of them."""
    found = []
    for analyte in ANALYTES[problem.name.split(",")[0]]:
        peaks = reference[problem.model.state_ids.index(analyte)].max(axis=0)
        found.append(np.abs(np.asarray(metrics[f"{analyte}_peak"][: len(peaks)], float) / peaks - 1.0))
    return np.max(found, axis=0)


def engines(has_gpu: bool) -> list[Engine]:
    """Return the engines, the one that the others are compared with first."""
    stock = Engine(
        "diffrax, one vmap, float64",
        lambda problem: stock_diffrax(problem, *TOLERANCES[np.float64]),
        lambda ys, *against: errors_of_states(np.asarray(ys[:CHECKED]).T, *against),
    )
    found = [stock]
    for precision in (np.float64, np.float32):
        word = np.dtype(precision).name

        def lane_errors(groups: list[jax.Array], reference: np.ndarray, problem: Problem) -> np.ndarray:
            return errors_of_states(groups[0], reference, problem)

        found.append(
            Engine(f"lanes, {word}", lambda p, precision=precision: lanes(p, precision), lane_errors)
        )
        blocks = BLOCKS if has_gpu else (SMALL_BLOCK,)
        for block in blocks:
            options = {"precision": precision, "block": block, "interpret": not has_gpu}
            name = f"fused, {word}, blocks of {block}"
            if block == blocks[0]:
                found.append(Engine(f"{name}, states", lambda p, o=options: fused(p, **o), errors_of_states))
            found.append(
                Engine(f"{name}, metrics", lambda p, o=options: fused_metrics(p, **o), errors_of_peaks)
            )
    return found


def timed(call: Callable[[], object]) -> tuple[object, float]:
    """Return what a call returns, once it is there, and the seconds that it took."""
    begin = time.perf_counter()
    result = jax.block_until_ready(call())
    return result, time.perf_counter() - begin


def started(
    engine: Engine, problem: Problem, reference: np.ndarray
) -> tuple[Callable[[], object], np.ndarray, float, int]:
    """Return the call, its errors, the seconds of the first call, and the draws that memory allows."""
    draws = problem.draws
    while True:
        try:
            call = engine.prepare(problem.first(draws))
            result, first_s = timed(call)
            return call, engine.errors(result, reference, problem), first_s, draws
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or draws <= CHECKED:
                raise
            draws //= 2


def table(problem: Problem, has_gpu: bool, repeats: int) -> None:
    """Check every engine, time it where there is a GPU, and print a row each."""
    reference = reference_of(problem)
    rows = {engine.name: started(engine, problem, reference) for engine in engines(has_gpu)}
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(repeats if has_gpu else 0):
        for name, (call, *_) in rows.items():
            seconds[name].append(timed(call)[1])
    print(f"\n{problem.name}: {problem.draws} draws, {len(problem.times_h)} output times")
    print(
        f"{'':42}{'error median':>14}{'max':>9}"
        + has_gpu * f"{'draws':>9}{'first s':>9}{'per s':>11}{'ratio':>8}"
    )
    base = None
    for name, (_, found, first_s, draws) in rows.items():
        line = f"{name:42}{np.median(found):14.1e}{found.max():9.1e}"
        if has_gpu:
            rate = draws / statistics.median(seconds[name])
            base = base or rate
            line += f"{draws:9}{first_s:9.1f}{rate:11.0f}{rate / base:8.1f}"
        print(line, flush=True)


def main() -> None:
    """Print a table a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, default=100_000, help="draws of each problem")
    parser.add_argument("--repeats", type=int, default=5, help="timed calls of each engine")
    parser.add_argument("--problem", choices=PROBLEMS, action="append", help="only this one")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    has_gpu = jax.default_backend() == "gpu"
    device = (
        jax.devices()[0].device_kind if has_gpu else f"no GPU ({platform.machine()}, {os.cpu_count()} CPUs)"
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("exsim", "jax", "jaxlib", "diffrax"))
    print(f"{datetime.date.today()}, {device}, Python {platform.python_version()}, {packages}")
    if not has_gpu:
        print("There is no GPU here: no speed was measured. The kernel was checked in interpret mode alone.")
    for name in options.problem or PROBLEMS:
        table(PROBLEMS[name](options.lanes if has_gpu else FEW), has_gpu, options.repeats)


if __name__ == "__main__":
    main()
