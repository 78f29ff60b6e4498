"""The kernel of a shipped model: lowered for CUDA without a GPU, and against one solve at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exsim import api
from exsim.evaluation import TABLE
from exsim.formula import Call, Name, Number
from exsim.fused import lower_for_cuda, solve_fused
from exsim.model import Model, compile_model
from exsim.model_spec import ModelSpec, Parameter, State
from exsim.protocol import Protocol, compile_protocol
from exsim.solving import solve
from exsim.workflows import output_times_h, parameter_values


@pytest.fixture(scope="module")
def marathon(root: Path):
    study = api.read_study(root / "configs" / "simulate" / "marathon.toml")
    model = compile_model(study.model)
    protocol = compile_protocol(study.config.spec, model)
    parameters = parameter_values(study.config.spec, model)
    return model, protocol, parameters, output_times_h(study.config.spec, protocol)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("analytes", [(), ("IL6", "IL10", "muscle_stress")])
def test_il6_axis_lowers_for_cuda_as_one_triton_kernel(marathon, precision, analytes) -> None:
    model, protocol, parameters, times_h = marathon
    draws = np.repeat(parameters[:, None], 100, axis=1).astype(precision)
    text = lower_for_cuda(model, protocol, draws, times_h, analytes).as_text()
    assert text.count("custom_call @__gpu$xla.gpu.triton") == 1
    assert 'name = "fused_solve"' in text
    assert "grid_x = 4 " in text
    word = "f64" if precision is np.float64 else "f32"
    assert f"fma.rn.{word}" in text
    assert ("f64" in text) == (precision is np.float64)


def _model_with(operators) -> Model:
    # One state an operator, whose rate it is.
    logical = {"and", "or", "xor", "not"}
    pairs = {"+", "*", "-", "/", "^", "min", "max", "<", "<=", ">", ">=", "==", "!="} | logical - {"not"}
    states = []
    for number, operator in enumerate(operators):
        arguments = (Name("x0"), Name("k")) if operator in pairs else (Name("x0"),)
        if operator in logical | {"piecewise"}:
            arguments = tuple(Call("<", (argument, Number(0.5))) for argument in arguments)
        if operator == "piecewise":
            arguments = (Number(1.0), *arguments, Name("k"))
        rate = Call("+", (Call(operator, arguments), Number(0.0)))
        states.append(State(f"x{number}", "dimensionless", Number(0.5), rate, "parameter"))
    return compile_model(ModelSpec("operators", 1.0, (Parameter("k", 0.5, "dimensionless"),), tuple(states)))


def test_every_operator_but_the_factorial_lowers_for_cuda() -> None:
    model = _model_with([operator for operator in TABLE if operator != "factorial"])
    draws = np.full((1, 32), 0.5)
    text = lower_for_cuda(model, Protocol(), draws, np.linspace(0.0, 1.0, 3)).as_text()
    assert text.count("custom_call @__gpu$xla.gpu.triton") == 1
    with pytest.raises(NotImplementedError, match="reduce_prod"):
        lower_for_cuda(_model_with(["factorial"]), Protocol(), draws, np.linspace(0.0, 1.0, 3))


@pytest.mark.slow
def test_the_marathon_equals_one_solve_at_a_time(marathon) -> None:
    model, protocol, parameters, times_h = marathon
    rng = np.random.default_rng(0)
    draws = parameters[:, None] * np.exp(0.3 * rng.standard_normal((len(parameters), 6)))
    run = solve_fused(model, protocol, draws, times_h, block=4, interpret=True)
    for lane, draw in enumerate(draws.T):
        alone = solve(model, protocol, draw, times_h)
        expected = np.asarray(alone.states)
        error = np.abs(np.asarray(run.values[..., lane]) - expected).max(axis=1)
        assert (error <= 1e-5 * np.abs(expected).max(axis=1)).all()
        assert int(run.steps[lane]) == int(alone.steps)
