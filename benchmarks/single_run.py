"""One marathon: warm solve and cold start beside libRoadRunner and stock diffrax, as ratios of one run.

    make bench

Warm solves are interleaved, medians of many, with the error that each achieved against a run at
tight tolerances. Cold starts are whole processes, in CPU seconds, with an empty cache of compiled
programs and with a warm one. Only ratios of one run mean anything: machines differ and are shared.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from exsim import api
from exsim.jax_setup import diffrax, jax, jnp
from exsim.model import compile_model
from exsim.protocol import build_schedule, compile_protocol
from exsim.solving import solve
from exsim.workflows import output_times_h, parameter_values

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "simulate" / "marathon.toml"
RTOL, ATOL = 1e-6, 1e-9
REPEATS = 200

IMPORT_DIFFRAX = "import diffrax"
TRAJECTORY = f"""
from pathlib import Path
from exsim.cli.session import start_jax
from exsim.api import simulate
start_jax("cpu")
assert simulate(Path({str(CONFIG)!r})).dataset["IL6"].max() > 10
"""
ROADRUNNER = f"""
import roadrunner
runner = roadrunner.RoadRunner({str(ROOT / "models" / "il6_axis" / "model.xml")!r})
runner.simulate(0, 8, 242)
"""


def stock_diffrax() -> Callable[[], np.ndarray]:
    """Return the same solve as a careful user of diffrax writes it: array state, jump times, Tsit5."""
    study = api.read_study(CONFIG)
    model = compile_model(study.model)
    protocol = compile_protocol(study.config.spec, model)
    parameters = parameter_values(study.config.spec, model)
    times = jnp.asarray(output_times_h(study.config.spec, protocol))
    constants = {id: jnp.asarray(value) for id, value in model.constants(jnp, list(parameters)).items()}
    schedule = build_schedule(model, protocol, constants, times[-1])
    start = jnp.stack([jnp.asarray(y) for y in model.initial_state(jnp, list(parameters))])

    def rates(time: jax.Array, state: jax.Array, constants: dict) -> jax.Array:
        inputs = [jnp.sum(jnp.where(edge <= time, step, 0.0)) for edge, step in steps]
        return jnp.stack(model.derivative(jnp, time, inputs, list(state), constants))

    steps = [(schedule.edges[:-1], jnp.diff(u, prepend=0.0)) for u in schedule.inputs]

    @jax.jit
    def run(start: jax.Array, constants: dict) -> jax.Array:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rates),
            diffrax.Tsit5(),
            0.0,
            times[-1],
            None,
            start,
            constants,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.ClipStepSizeController(
                diffrax.PIDController(rtol=RTOL, atol=ATOL), jump_ts=schedule.edges[1:-1]
            ),
            max_steps=100_000,
            throw=False,
        ).ys

    return lambda: np.asarray(run(start, constants))


def exsim_solve(rtol: float = RTOL, atol: float = ATOL) -> Callable[[], np.ndarray]:
    """Return exsim's solve of the marathon, everything but the solve done beforehand."""
    study = api.read_study(CONFIG)
    model = compile_model(study.model)
    protocol = compile_protocol(study.config.spec, model)
    parameters = parameter_values(study.config.spec, model)
    times = output_times_h(study.config.spec, protocol)

    def run() -> np.ndarray:
        trajectory = solve(model, protocol, parameters, times, rtol=rtol, atol=atol)
        return np.asarray(trajectory.states).T

    return run


def roadrunner_solve() -> Callable[[], np.ndarray]:
    """Return libRoadRunner's solve of the same SBML with the bout and body mass of the config."""
    import roadrunner

    study = api.read_study(CONFIG)
    model = compile_model(study.model)
    values = dict(zip(model.parameter_ids, parameter_values(study.config.spec, model), strict=True))
    bout = study.config.spec.protocol.bout[0]
    runner = roadrunner.RoadRunner(str(ROOT / "models" / "il6_axis" / "model.xml"))
    runner.integrator.relative_tolerance = RTOL
    runner.integrator.setValue("absolute_tolerance", [ATOL] * len(model.state_ids))
    kinds = {state.id: state.kind for state in model.spec.states}
    columns = [f"[{id}]" if kinds[id] == "concentration" else id for id in model.state_ids]
    runner.timeCourseSelections = ["time", *columns]
    chosen = {
        "body_mass": values["body_mass"],
        "bout_duration": bout.total_duration_h,
        "bout_intensity": float(bout.intensity),
    }
    times = output_times_h(study.config.spec, compile_protocol(study.config.spec, model))

    def run() -> np.ndarray:
        # The bout at 0 h fires when the file is reset, so its numbers are set before that.
        runner.reset()
        for id, value in chosen.items():
            runner[id] = value
        runner.reset()
        return np.asarray(runner.simulate(times=times.tolist()))[:, 1:]

    return run


def warm_table() -> None:
    """Time the warm solves, interleaved, and print them as ratios to exsim."""
    engines = {
        "exsim": exsim_solve(),
        "diffrax, stock Tsit5": stock_diffrax(),
        "libRoadRunner (CVODE)": roadrunner_solve(),
    }
    reference = exsim_solve(1e-12, 1e-12)()
    scale = np.abs(reference).max(axis=0)
    driven = scale > 0
    errors = {
        name: (np.abs(run() - reference)[:, driven] / scale[driven]).max() for name, run in engines.items()
    }
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(REPEATS):
        for name, run in engines.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours = next(iter(medians.values()))
    print(f"warm solve, il6_axis, marathon, {len(reference)} outputs, rtol {RTOL:g}, median of {REPEATS}")
    print(f"{'':28}{'ms':>8}{'x exsim':>10}{'error':>10}")
    for name, median in medians.items():
        print(f"{name:28}{1e3 * median:8.2f}{median / ours:10.2f}{errors[name]:10.1e}")


def cpu_seconds(arguments: list[str], cache: Path) -> float:
    """Return the CPU seconds of one process, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"EXSIM_CACHE_DIR": str(cache), "JAX_PLATFORMS": "cpu"}
    subprocess.run(arguments, check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cold_table() -> None:
    """Time whole processes and print them as ratios to `import diffrax`."""
    python = [sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as folder:
        cache, out = Path(folder) / "cache", Path(folder) / "run"
        command = [sys.executable, "-m", "exsim", "simulate", str(CONFIG), "--out", str(out), "--overwrite"]
        empty = cpu_seconds([*python, TRAJECTORY], cache)
        rows = {
            "python -c 'import diffrax'": [*python, IMPORT_DIFFRAX],
            "trajectory in memory, warm cache": [*python, TRAJECTORY],
            "exsim simulate, all files, warm": command,
            "libRoadRunner, trajectory": [*python, ROADRUNNER],
        }
        for arguments in rows.values():
            cpu_seconds(arguments, cache)
        measured = {name: [] for name in rows}
        for _ in range(5):
            for name, arguments in rows.items():
                measured[name].append(cpu_seconds(arguments, cache))
    medians = {name: statistics.median(values) for name, values in measured.items()}
    base = next(iter(medians.values()))
    medians["trajectory in memory, empty cache"] = empty
    print("\nwhole process, CPU seconds, median of 5 (empty cache: one run)")
    print(f"{'':36}{'CPU s':>8}{'x import diffrax':>18}")
    for name, median in medians.items():
        print(f"{name:36}{median:8.2f}{median / base:18.2f}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    warm_table()
    cold_table()
