"""Simulations that begin where the model settles: closed forms, what is conserved, derivatives, failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.cli import main
from exsim.inputs.model_files import load_model
from exsim.integrating import Status
from exsim.model import Model, compile_model
from exsim.protocol import Protocol
from exsim.settling import at_rest, start_of
from exsim.solving import solve

CHAIN = """model chain
  unit time_unit = 3600 second;
  x = 5; y = 0; made = 3; k = 0.5; q = 2;
  x' = made - k * x;
  y' = k * x - q * y^2;
  seen := 2 * y;
end
"""
#: What is in a and b together stays what it was.
EXCHANGE = """model exchange
  unit time_unit = 3600 second;
  a = 8; b = 2; forth = 3; back = 1;
  a' = back * b - forth * a;
  b' = forth * a - back * b;
end
"""
GROWS = "model grows\n  unit time_unit = 3600 second;\n  y = 1; k = 0.5;\n  y' = k;\nend\n"

STEADY = """schema = 1
model = "{}.ant"
initial_state = "steady"
[output]
until = "4 h"
every = "1 h"
"""


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def _model(folder: Path, text: str) -> Model:
    path = folder / "model.ant"
    path.write_text(text)
    return compile_model(replace(load_model(str(path), folder), settles=True))


def _settled(model: Model, parameters, lanes: tuple[int, ...] = ()) -> jax.Array:
    rows = list(jnp.unstack(parameters))
    constants = model.constants(jnp, rows)
    return jnp.stack(start_of(model, rows, constants, lanes, jnp.float64))


def test_the_steady_state_is_that_of_the_closed_form(tmp_path: Path) -> None:
    model = _model(tmp_path, CHAIN)
    found = _settled(model, jnp.asarray(model.nominal()))
    np.testing.assert_allclose(found, [3 / 0.5, np.sqrt(3 / 2)], rtol=1e-9)


def test_lanes_settle_each_for_itself(tmp_path: Path) -> None:
    model = _model(tmp_path, CHAIN)
    made = np.array([1e-3, 3.0, 1e4])
    rows = np.repeat(model.nominal()[:, None], 3, axis=1)
    rows[model.parameter_ids.index("made")] = made
    found = _settled(model, jnp.asarray(rows), (3,))
    np.testing.assert_allclose(found, [made / 0.5, np.sqrt(made / 2)], rtol=1e-7)


def test_what_is_conserved_stays_what_the_start_holds(tmp_path: Path) -> None:
    model = _model(tmp_path, EXCHANGE)
    found = _settled(model, jnp.asarray(model.nominal()))
    np.testing.assert_allclose(found, [10 * 1 / 4, 10 * 3 / 4], rtol=1e-7)


@pytest.mark.parametrize("text", [CHAIN, EXCHANGE])
def test_derivatives_are_those_of_differences(tmp_path: Path, text: str) -> None:
    model = _model(tmp_path, text)
    nominal = jnp.asarray(model.nominal())
    found = jax.jacfwd(lambda values: _settled(model, values))(nominal)
    step = 1e-5
    for place in range(len(nominal)):
        up, down = (_settled(model, nominal.at[place].add(side * step)) for side in (1, -1))
        np.testing.assert_allclose(found[:, place], (up - down) / (2 * step), rtol=1e-5, atol=1e-6)


def test_a_solve_begins_there_and_stays(tmp_path: Path) -> None:
    model = _model(tmp_path, CHAIN)
    run = solve(model, Protocol(), model.nominal(), np.linspace(0, 10, 5))
    np.testing.assert_allclose(run.states[0], 6.0, rtol=1e-6)
    assert int(run.status) == Status.DONE


def test_what_is_at_rest_is_there_too(tmp_path: Path) -> None:
    model = _model(tmp_path, CHAIN)
    rows = list(jnp.unstack(jnp.asarray(model.nominal())))
    constants = model.constants(jnp, rows)
    start = start_of(model, rows, constants, (), jnp.float64)
    assert float(at_rest(model, rows, constants, start).named("seen")) == pytest.approx(2 * np.sqrt(1.5))


def test_lanes_without_a_steady_state_have_their_status_and_spare_the_others(tmp_path: Path) -> None:
    text = GROWS.replace("y' = k;", "y' = k - leak * y;").replace("k = 0.5;", "k = 0.5; leak = 1;")
    model = _model(tmp_path, text)
    rows = np.repeat(model.nominal()[:, None], 2, axis=1)
    rows[model.parameter_ids.index("leak")] = [1.0, 0.0]
    run = solve(model, Protocol(), rows, np.linspace(0, 1, 3))
    assert run.status.tolist() == [Status.DONE, Status.NO_STEADY_STATE]
    np.testing.assert_allclose(run.states[0, :, 0], 0.5, rtol=1e-6)


def test_simulate_begins_in_the_steady_state_that_its_config_asks_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chain.ant").write_text(CHAIN)
    Path("run.toml").write_text(STEADY.format("chain"))
    assert main(["simulate", "run.toml", "--quiet"]) == 0
    rows = Path("runs/run/summary.csv").read_text().splitlines()
    assert rows[1].startswith("x,")
    assert float(rows[1].split(",")[2]) == pytest.approx(6.0)


def test_a_model_that_does_not_settle_is_exit_5_with_a_way_out(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grows.ant").write_text(GROWS)
    Path("run.toml").write_text(STEADY.format("grows"))
    assert main(["simulate", "run.toml"]) == 5
    printed = capsys.readouterr().err
    assert "no steady state was found before the start" in printed
    assert 'initial_state = "rest"' in printed
    assert not Path("runs/run").exists() or not any(Path("runs/run").iterdir())
