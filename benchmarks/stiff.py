"""Stiff problems as lanes beside libRoadRunner and Kvaerno5 of diffrax under vmap: one table.

    python benchmarks/stiff.py [PROBLEM...] [--draws N]

ROBER, HIRES, OREGO and POLLU (`models/`, with their sources), every rate constant log-normal with sd 0.3.
Each engine runs at the loosest relative tolerance of a ladder for which the end states of all draws
are right within 1e-5 |reference| + 1e-5 of the largest value that the species had on its way; then
trajectories per CPU second, one core, engines interleaved, the best of three rounds. The reference
is libRoadRunner (CVODE) at a relative tolerance of 1e-12. Compilation is counted apart.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# CVODE's complaints, which the table counts, would fill the screen.
os.environ["SUNLOGGER_ERROR_FILENAME"] = os.environ["SUNLOGGER_WARNING_FILENAME"] = os.devnull
# One core, before JAX and its threads come in.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402
import roadrunner  # noqa: E402

from exsim.inputs.model_files import load_model  # noqa: E402
from exsim.jax_setup import diffrax, jax, jnp  # noqa: E402
from exsim.lanes import lane_norm  # noqa: E402
from exsim.lanes.elimination import model_sparsity  # noqa: E402
from exsim.lanes.rodas import LaneRodas  # noqa: E402
from exsim.model import Model, compile_model  # noqa: E402

MODELS = Path(__file__).resolve().parent / "models"
GROUP = 256
BAR = 1e-5
ROUNDS = 3
MAX_STEPS = 10_000
LADDER = [10.0 ** (-k / 2) for k in range(8, 21)]
#: Per problem: the absolute tolerance as a share of rtol, for all engines, and the time of the end.
PROBLEMS = {"rober": (1e-8, 1e11), "hires": (1e-3, 321.8122), "orego": (1e-2, 360.0), "pollu": (1e-7, 60.0)}


@dataclass(frozen=True)
class Draws:
    """One problem with its draws: `parameters` (parameter, draw), what is right, and on which scale."""

    model: Model
    parameters: np.ndarray
    absolute: float
    end: float
    reference: np.ndarray | None = None
    largest: np.ndarray | None = None

    def error(self, states: np.ndarray) -> float:
        """Return the largest error over states and draws, in units of the bar; `states` (state, draw)."""
        draws = states.shape[1]
        right, scale = self.reference[:, :draws], self.largest[:, :draws]
        error = np.abs(states - right) / (BAR * (np.abs(right) + scale))
        return float(error.max()) if np.isfinite(states).all() else np.inf


Run = Callable[[float], np.ndarray]


def lanes(draws: Draws, own: bool) -> Run:
    """Return the end states of all draws as a function of rtol: groups of lanes, shared or own steps."""
    model, count = draws.model, draws.parameters.shape[1]
    solver = LaneRodas(model_sparsity(model))
    term = diffrax.ODETerm(lambda time, y, constants: model.derivative(jnp, time, [], y, constants))

    def group(rtol: jax.Array, parameters: jax.Array) -> jax.Array:
        values = jnp.unstack(parameters)
        start = tuple(jnp.broadcast_to(y, values[0].shape) for y in model.initial_state(jnp, values))
        solution = diffrax.diffeqsolve(
            term,
            solver,
            0.0,
            draws.end,
            1e-8 * draws.end if draws.end < 1e6 else 1e-6,
            tuple(y * jnp.ones_like(values[0]) for y in start),
            model.constants(jnp, values),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * draws.absolute, norm=lane_norm),
            adjoint=diffrax.ForwardMode(),
            max_steps=MAX_STEPS,
            throw=False,
        )
        done = solution.result == diffrax.RESULTS.successful
        return jnp.where(done, jnp.stack([y[0] for y in solution.ys]), jnp.nan)

    def one_by_one(rtol: jax.Array, parameters: jax.Array) -> jax.Array:
        each = jax.vmap(lambda values: group(rtol, values[:, None])[:, 0], in_axes=1, out_axes=1)
        return each(parameters)

    @jax.jit
    def run(rtol: jax.Array, groups: jax.Array) -> jax.Array:
        return jax.lax.map(partial(one_by_one if own else group, rtol), groups)

    width = min(GROUP, count)
    groups = jnp.asarray(draws.parameters.reshape(-1, count // width, width).swapaxes(0, 1))
    shape = (len(model.state_ids), count)
    return lambda rtol: np.asarray(run(jnp.asarray(rtol), groups)).swapaxes(0, 1).reshape(shape)


def kvaerno5(draws: Draws) -> Run:
    """Return the same with diffrax's own solver under vmap, as its user writes it."""
    model = draws.model
    term = diffrax.ODETerm(
        lambda time, y, constants: jnp.stack(model.derivative(jnp, time, [], list(y), constants))
    )

    def one(rtol: jax.Array, values: jax.Array) -> jax.Array:
        start = [jnp.asarray(y, values.dtype) for y in model.initial_state(jnp, list(values))]
        solution = diffrax.diffeqsolve(
            term,
            diffrax.Kvaerno5(),
            0.0,
            draws.end,
            1e-8 * draws.end if draws.end < 1e6 else 1e-6,
            jnp.stack(start),
            model.constants(jnp, list(values)),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * draws.absolute),
            max_steps=MAX_STEPS,
            throw=False,
        )
        done = solution.result == diffrax.RESULTS.successful
        return jnp.where(done, solution.ys[0], jnp.nan)

    run = jax.jit(jax.vmap(one, in_axes=(None, 1), out_axes=1))
    values = jnp.asarray(draws.parameters)
    return lambda rtol: np.asarray(run(jnp.asarray(rtol), values))


def road_runner(draws: Draws, name: str) -> Run:
    """Return the same with libRoadRunner, one draw after another."""
    runner, numbers = _runner(draws.model, name)

    def run(rtol: float) -> np.ndarray:
        runner.integrator.relative_tolerance = rtol
        runner.integrator.absolute_tolerance = rtol * draws.absolute
        ends = []
        for values in draws.parameters.T:
            runner.reset()
            runner.model.setGlobalParameterValues(numbers, values[-len(numbers) :])
            try:
                ends.append(np.asarray(runner.simulate(0, draws.end, 2))[-1])
            except RuntimeError:  # CVODE gave up at this tolerance
                ends.append(np.full(len(draws.model.state_ids), np.nan))
        return np.array(ends).T

    return run


def _runner(model: Model, name: str) -> tuple[roadrunner.RoadRunner, list[int]]:
    import antimony

    antimony.clearPreviousLoads()
    antimony.loadAntimonyFile(str(MODELS / f"{name}.ant"))
    runner = roadrunner.RoadRunner(antimony.getSBMLString(antimony.getMainModuleName()))
    runner.timeCourseSelections = list(model.state_ids)
    runner.integrator.setValue("maximum_num_steps", 1_000_000)
    ids = runner.model.getGlobalParameterIds()
    return runner, [ids.index(id) for id in _rate_constants(model)]


def _rate_constants(model: Model) -> list[str]:
    # Compartments of size 1 come first among the parameters, and stay.
    return [id for id in model.parameter_ids if id != "box"]


def make_draws(name: str, count: int) -> Draws:
    """Return the problem with log-normal rate constants, and its solution at tight tolerances."""
    model = compile_model(load_model(MODELS / f"{name}.ant"))
    absolute, end = PROBLEMS[name]
    factors = np.exp(0.3 * np.random.default_rng(7).standard_normal((len(model.parameter_ids), count)))
    fixed = [id not in _rate_constants(model) for id in model.parameter_ids]
    factors[fixed] = 1.0
    parameters = model.nominal()[:, None] * factors
    runner, numbers = _runner(model, name)
    runner.integrator.relative_tolerance = 1e-12
    runner.integrator.absolute_tolerance = 1e-16 * absolute
    ends, largest = [], []
    for values in parameters.T:
        # The largest values from the steps that it makes; those need not end at the end.
        for path, chosen in ((largest, True), (ends, False)):
            runner.reset()
            runner.model.setGlobalParameterValues(numbers, values[-len(numbers) :])
            runner.integrator.variable_step_size = chosen
            made = np.asarray(runner.simulate(0, end) if chosen else runner.simulate(0, end, 2))
            path.append(np.abs(made).max(axis=0) if chosen else made[-1])
    return Draws(model, parameters, absolute, end, np.array(ends).T, np.array(largest).T)


def first_good_tolerance(run: Run, draws: Draws) -> tuple[float, float]:
    """Return the loosest rtol of the ladder that meets the bar (nan: none does), and the error there."""
    for rtol in LADDER:
        error = draws.error(run(rtol))
        if error <= 1:
            return rtol, error
    return np.nan, np.nan


def measure(name: str, count: int) -> list[list[str]]:
    """Return the rows of the table for one problem."""
    draws = make_draws(name, count)
    few = Draws(
        draws.model, draws.parameters[:, :64], draws.absolute, draws.end, draws.reference, draws.largest
    )
    engines: dict[str, tuple[Run, int]] = {
        "libRoadRunner": (road_runner(draws, name), count),
        "lanes, shared steps": (lanes(draws, own=False), count),
        "lanes, own steps": (lanes(draws, own=True), count),
        "Kvaerno5, vmap": (kvaerno5(few), 64),
    }
    compiling, found = {}, {}
    for engine, (run, _) in engines.items():
        start = time.process_time()
        run(LADDER[0])
        compiling[engine] = time.process_time() - start
        start = time.process_time()
        run(LADDER[0])
        compiling[engine] -= time.process_time() - start
        found[engine] = first_good_tolerance(run, draws)
    seconds: dict[str, list[float]] = {engine: [] for engine in engines}
    for _ in range(ROUNDS):
        for engine, (run, _) in engines.items():
            if np.isfinite(found[engine][0]):
                start = time.process_time()
                run(found[engine][0])
                seconds[engine].append(time.process_time() - start)
    rates = {engine: engines[engine][1] / min(spent) for engine, spent in seconds.items() if spent}
    rows = []
    for engine in engines:
        rtol, error = found[engine]
        rate: Any = rates.get(engine, np.nan)
        ratios = [rate / rates.get(other, np.nan) for other in ("libRoadRunner", "Kvaerno5, vmap")]
        cells = [f"{rtol:.0e}", f"{error * BAR:.1e}", f"{rate:.0f}", *(f"{r:.2f}" for r in ratios)]
        rows.append([name.upper(), engine, *cells, f"{compiling[engine]:.1f}"])
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--draws", type=int, default=512)
    chosen = parser.parse_args()
    titles = [
        "problem",
        "engine",
        "rtol",
        "error",
        "traj/s",
        "x libRoadRunner",
        "x Kvaerno5",
        "compile CPU s",
    ]
    roadrunner.Logger.disableLogging()
    print(f"{chosen.draws} draws (Kvaerno5: 64), one core; nan: not right at any tolerance of the ladder")
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    with jax.enable_x64(True):
        for name in chosen.problems:
            for row in measure(name, chosen.draws):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
