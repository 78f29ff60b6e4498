"""FAULTS rows 76 to 87, as far as single runs go: one test a row, named by its number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.errors import ConfigError, SolveError
from exsim.inputs.config import read_config
from exsim.model import Model
from exsim.protocol import Bout, Protocol
from exsim.solving import Status, solve
from exsim.spec import RunSpec
from exsim.workflows import Run, run_simulation

#: Robertson (1966), as in Hairer and Wanner (1996) Solving ODEs II, section IV.1: rates 1e8 apart.
ROBERTSON = """
model robertson
  unit time_unit = second;
  compartment cell = 1;
  species A in cell = 1; species B in cell = 0; species C in cell = 0;
  k_1 = 0.04; k_2 = 3e7; k_3 = 1e4;
  slow: A -> B; k_1 * A * cell;
  fast: 2 B -> B + C; k_2 * B^2 * cell;
  back: B + C -> A + C; k_3 * B * C * cell;
end
"""
EXPLOSION = """
model explosion
  unit time_unit = 3600 second;
  compartment cell = 1;
  species X in cell = 1; species Y in cell = 1;
  grows: -> X; X^2 * cell;
  rests: Y -> ; 0.1 * Y * cell;
end
"""
DRAIN = """
model drain
  unit time_unit = 3600 second;
  compartment cell = 1;
  species S in cell = 0.5;
  rate = 1;
  taken: S -> ; rate * cell;
end
"""
DECAY = """
model decay
  unit time_unit = 3600 second;
  compartment cell = 1;
  species S in cell = 1;
  S_out: S -> ; 0.05 * S * cell;
end
"""
VANISHING_STEP = """
model vanishing
  unit time_unit = 3600 second;
  compartment cell = 1;
  species S in cell = 1;
  taken: S -> ; 0.5 / S * cell;
end
"""


def _config(until: str, **solver: Any) -> RunSpec:
    output = {"until": until, "every": until}
    return RunSpec.model_validate({"schema": 1, "model": "m", "output": output, "solver": solver})


def _run(model: Model, until: str, **solver: Any) -> Run:
    return run_simulation(_config(until, **solver), model.spec, model.spec.name)


def _exsim(root: Path, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "exsim", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root / "src"), **environment},
    )


def test_row_76_a_spent_budget_says_how_far_what_is_fastest_and_what_to_do(
    root: Path, tmp_path: Path
) -> None:
    marathon = root / "configs" / "simulate" / "marathon.toml"
    few = ("--set", "solver.max_steps=12", "--set", 'solver.method="tsit5"')
    done = _exsim(root, tmp_path, "simulate", str(marathon), "--out", "here", *few)
    assert done.returncode == 5
    assert "the step budget was spent before the end" in done.stderr
    assert "h of 8 h reached" in done.stderr
    assert "Fastest state there: " in done.stderr
    assert "solver.max_steps" in done.stderr or "kvaerno5" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_row_77_an_explicit_solver_on_a_stiff_model_names_an_implicit_one(
    read_text: Callable[..., Model],
) -> None:
    robertson = read_text(ROBERTSON)
    with pytest.raises(SolveError, match="kvaerno5") as raised:
        _run(robertson, "40 s", method="tsit5", max_steps=1000)
    assert raised.value.status == Status.STEP_BUDGET
    assert 0 < raised.value.time_h < 40 / 3600
    assert "Fastest state there: B " in str(raised.value)
    run = _run(robertson, "40 s", method="auto", max_steps=1000)
    assert run.solver["method"] == "kvaerno5"
    assert any("kvaerno5 took over" in warning for warning in run.warnings)
    # The solution at t = 40 that the CVODE example cvRoberts_dns prints.
    found = [float(run.dataset[id][-1]) for id in "ABC"]
    np.testing.assert_allclose(found, [7.158270e-01, 9.185535e-06, 2.841637e-01], rtol=2e-5)


def test_row_78_growth_without_bound_gives_the_time_of_the_last_good_value(
    read_text: Callable[..., Model],
) -> None:
    """X' = X^2 from 1 leaves every bound at 1 h."""
    with pytest.raises(SolveError, match="grew without bound") as raised:
        _run(read_text(EXPLOSION), "3 h")
    assert raised.value.status == Status.NOT_FINITE
    assert raised.value.exit_code == 5
    assert raised.value.time_h == pytest.approx(1.0, abs=1e-3)
    assert "Largest state there: X" in str(raised.value)


def test_row_79_a_value_just_below_zero_is_kept_and_counted(read_text: Callable[..., Model]) -> None:
    """S falls in a straight line from 0.5 to -5e-10 in an hour; atol is 1e-9."""
    drain = read_text(DRAIN)
    spec = RunSpec.model_validate(
        _config("1 h").model_dump(by_alias=True) | {"parameter": {"rate": 0.5 + 5e-10}}
    )
    run = run_simulation(spec, drain.spec, "drain")
    assert float(run.dataset["S"][-1]) == pytest.approx(-5e-10, rel=1e-5)
    assert run.solver["values_below_zero"] == 1
    assert run.warnings == drain.spec.warnings


def test_row_79_what_falls_further_is_solved_again_tighter_named_and_never_clipped(
    read_text: Callable[..., Model],
) -> None:
    drain = read_text(DRAIN)
    run = _run(drain, "1 h")
    assert float(run.dataset["S"][-1]) == pytest.approx(-0.5, rel=1e-6)
    assert any("100 times tighter" in warning for warning in run.warnings)
    assert any(warning.startswith("S falls to -0.5 at 1 h") for warning in run.warnings)


def test_row_80_a_step_below_the_resolution_of_time_has_a_code_of_its_own(
    read_text: Callable[..., Model],
) -> None:
    """S' = -0.5/S from 1 is sqrt(1 - t): its slope leaves every bound at 1 h, S itself does not."""
    with pytest.raises(SolveError, match="resolution of time") as raised:
        _run(read_text(VANISHING_STEP), "3 h")
    assert raised.value.status == Status.STEP_TOO_SMALL
    assert raised.value.time_h == pytest.approx(1.0, abs=1e-3)


def test_row_81_single_precision_comes_only_on_request_and_is_recorded(
    read_text: Callable[..., Model],
) -> None:
    decay = read_text(DECAY)
    before = jax.config.jax_enable_x64
    usual = _run(decay, "2 h")
    single = _run(decay, "2 h", precision="float32", rtol=1e-4, atol=1e-6)
    assert usual.solver["precision"] == "float64"
    assert single.solver["precision"] == "float32"
    assert usual.dataset["S"].dtype == np.float64
    assert single.dataset["S"].dtype == np.float32
    assert jax.config.jax_enable_x64 == before


@pytest.mark.parametrize("key", ["rtol", "atol"])
@pytest.mark.parametrize("value", ["0", "1e-20", "10"])
def test_row_82_tolerances_outside_their_range_are_refused(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        f'schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "8 h"\n[solver]\n{key} = {value}\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as raised:
        read_config(path)
    (problem,) = raised.value.problems
    assert (problem.line, problem.key) == (6, f"solver.{key}")


def test_row_83_a_short_bout_is_never_jumped_over(axis: Any) -> None:
    """One minute of running 20 h into a day, at the loosest tolerances and with sparse output."""
    times_h = np.linspace(0.0, 24.0, 25)
    levels = {"intensity": 0.9, "whole_body_intensity": 0.9, "active_muscle": 12.0, "eccentric_load": 1.0}
    bout = Bout(start_h=20.0, duration_h=1 / 60, rest_h=0.0, every_h=0.0, levels=levels)

    def released(rtol: float, atol: float) -> np.ndarray:
        run = solve(axis.model, Protocol((bout,)), axis.model.nominal(), times_h, rtol=rtol, atol=atol)
        assert int(run.status) == Status.DONE
        return axis.curves(run)["IL6_drive"]

    loose, tight = released(1e-2, 1e-2), released(1e-9, 1e-12)
    assert np.all(loose[:21] == 0.0)
    assert loose[21] > 0.0
    np.testing.assert_allclose(loose[21:], tight[21:], rtol=0.05)


def test_row_84_a_run_starts_at_rest_and_rest_is_steady(axis: Any) -> None:
    """There is no pre-equilibration in a run: the states at rest are given, and every rate there is 0."""
    model = axis.model
    for mass, level in ((50.0, 0.4), (110.0, 7.0)):
        values = list(model.nominal({"body_mass": mass, "IL6_rest": level, "TNF_rest": level}))
        states = model.initial_state(np, values)
        rates = model.derivative(np, 0.0, [0.0] * len(model.input_ids), states, model.constants(np, values))
        assert [float(rate) for rate in rates] == [0.0] * len(states)


HILL = """
model hill
  unit time_unit = 3600 second;
  compartment cell = 1;
  species X in cell = 0; species Y in cell = 0;
  n = 1.5; m = 1; K = 2; k_in = 0; v = 3;
  made: -> Y; v * X^n / (K^n + X^n) * cell;
  lost: Y -> ; sqrt(Y) * Y^m * cell;
  fed: -> X; k_in * cell;
end
"""


def _gradients(model: Model, states: Any) -> list[jax.Array]:
    """Return the derivatives of every rate by every parameter and state, forward and reverse."""
    inputs = [jnp.asarray(0.0)] * len(model.input_ids)

    def rates(values: jax.Array, at: jax.Array) -> jax.Array:
        found = model.derivative(jnp, jnp.asarray(0.0), inputs, list(at), model.constants(jnp, list(values)))
        return jnp.stack([jnp.asarray(rate) for rate in found])

    at = (jnp.asarray(model.nominal()), jnp.asarray(states))
    return [
        gradient
        for transform in (jax.jacfwd, jax.jacrev)
        for gradient in jax.jit(transform(rates, argnums=(0, 1)))(*at)
    ]


def test_row_86_gradients_are_finite_where_the_value_is(axis: Any, read_text: Callable[..., Model]) -> None:
    """At 0, where x^n with n between 1 and 2 and the square root have their edges, and at rest."""
    with jax.enable_x64(True):
        at_rest = np.array(axis.model.initial_state(np, list(axis.model.nominal())), dtype=float)
        for states in (at_rest, np.zeros_like(at_rest)):
            for gradient in _gradients(axis.model, states):
                assert np.isfinite(np.asarray(gradient)).all()
        hill = read_text(HILL)
        by_parameter, by_state, *_ = _gradients(hill, np.zeros(2))
        assert np.isfinite(np.asarray(by_parameter)).all()
        # d(sqrt Y * Y)/dY is 0 at 0, and d(X^1.5)/dX is too.
        np.testing.assert_array_equal(np.asarray(by_state), np.zeros((2, 2)))


def test_row_86_the_gradient_of_a_run_from_zero_is_finite(axis: Any) -> None:
    """By every number of the protocol, with LPS, IL-6 and a bout that all start at time 0."""
    with jax.enable_x64(True):

        def tnf(numbers: jax.Array) -> jax.Array:
            names = ("start_h", "duration_h", "intensity", "il6_ng_per_h", "lps_ng_per_kg", "lps_h")
            protocol = axis.protocol(intensity=0.8)
            given = dict(zip(names, numbers, strict=True))
            level = {"intensity": given["intensity"], "whole_body_intensity": given["intensity"]}
            (bout,), (infusion,), (bolus,) = protocol.bouts, protocol.infusions, protocol.boluses
            bout = replace(
                bout,
                start_h=given["start_h"],
                duration_h=given["duration_h"],
                levels=bout.levels | level,
            )
            infusion = replace(infusion, level=given["il6_ng_per_h"])
            bolus = replace(bolus, time_h=given["lps_h"], amount=given["lps_ng_per_kg"])
            times_h = np.linspace(0.0, 8.0, 193)
            run = solve(axis.model, Protocol((bout,), (infusion,), (bolus,)), axis.model.nominal(), times_h)
            return run.states[axis.model.state_ids.index("TNF")]

        at = jnp.asarray([0.0, 3.0, 0.0, 0.0, 0.0, 0.0])
        along = jax.jit(lambda tangent: jax.jvp(tnf, (at,), (tangent,))[1])
        gradient = np.array([along(tangent) for tangent in jnp.eye(len(at))])
        assert np.isfinite(gradient).all()
        # Of all that is 0 here, LPS is what TNF follows.
        assert np.abs(gradient[4]).max() > 1.0


def test_row_87_a_gpu_that_is_not_there_is_exit_6(root: Path, tmp_path: Path) -> None:
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU")
    marathon = root / "configs" / "simulate" / "marathon.toml"
    done = _exsim(root, tmp_path, "simulate", str(marathon), "--out", "here", "--device", "gpu")
    assert done.returncode == 6
    assert "GPU" in done.stderr
    assert "--device auto" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_row_87_auto_goes_on_with_the_cpu_and_says_so(root: Path, tmp_path: Path) -> None:
    """A platform that the user asked JAX for and that is not there."""
    marathon = root / "configs" / "simulate" / "marathon.toml"
    arguments = ("simulate", str(marathon), "--out", "here", "--set", "output.every='1 h'")
    done = _exsim(root, tmp_path, *arguments, JAX_PLATFORMS="cuda")
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr
    assert "CPU" in done.stderr
    record = json.loads((tmp_path / "here" / "run.json").read_text(encoding="utf-8"))
    assert record["device"].startswith("cpu")
    assert any("CPU" in warning for warning in record["warnings"])
