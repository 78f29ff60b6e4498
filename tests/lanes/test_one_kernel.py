"""A solve as one kernel: marked where that is known to work, the same numbers, dropped elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim import load_model, protocol, solving
from exsim.evaluation import TABLE
from exsim.formula import OPERATORS, Call, Expr, Name, Number, Time
from exsim.lanes import as_one_kernel, one_kernel
from exsim.model import Model, compile_model
from exsim.model_spec import ModelSpec, Parameter, State
from exsim.protocol import Protocol
from exsim.solving import Status, solve

NUMBERS = np.array([0.5, 1.0, 2.0], dtype=np.float32)

#: Operators of logical values.
LOGICAL = ("and", "or", "xor", "not")


def _program(numbers: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return a loop's result and its count."""
    return jax.lax.while_loop(
        lambda at: at[1] < 10, lambda at: (jnp.sin(at[0]) + at[0], at[1] + 1), (numbers, jnp.asarray(0))
    )


def _is_marked(function: Callable, *args: jax.Array) -> bool:
    return "xla_cpu_small_call" in jax.jit(function).lower(*args).as_text()


def test_a_marked_program_is_one_call_and_gives_the_same_numbers() -> None:
    compiled = jax.jit(lambda x: as_one_kernel(_program, x)).lower(NUMBERS).compile()
    entry = compiled.as_text().split("ENTRY ")[1]
    assert 'xla_cpu_small_call="true"' in entry
    assert "while(" not in entry
    for found, expected in zip(compiled(NUMBERS), _program(jnp.asarray(NUMBERS)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_derivatives_batches_and_other_devices_are_not_marked() -> None:
    def marked(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return as_one_kernel(_program, x)

    assert _is_marked(marked, NUMBERS)
    assert not _is_marked(lambda x: jax.jvp(marked, (x,), (x,))[1][0], NUMBERS)
    assert not _is_marked(jax.vmap(marked), NUMBERS[:, None])
    for_gpu = jax.jit(marked).trace(NUMBERS).lower(lowering_platforms=("cuda",))
    assert "xla_cpu_small_call" not in for_gpu.as_text()


def test_a_program_with_a_library_call_or_in_an_untried_version_is_not_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not _is_marked(lambda x: as_one_kernel(lambda y: (jnp.sort(y), y + 1), x), NUMBERS)
    assert not _is_marked(lambda x: as_one_kernel(lambda y: (y.at[jnp.array([0, 1])].set(0.0),), x), NUMBERS)
    monkeypatch.setattr(one_kernel, "TRIED", ())
    assert not _is_marked(lambda x: as_one_kernel(_program, x), NUMBERS)


def _rate(operator: str) -> Expr:
    """Return 0.1 f - y with the operator in f: of y and, where it takes two, of time."""
    y, time = Name(f"y {operator}"), Call("+", (Time(), Number(1.5)))
    if operator in LOGICAL:
        y_is_small, it_is_early = Call("<", (y, Number(1.0))), Call("<", (time, Number(2.0)))
        arguments: tuple[Expr, ...] = (y_is_small, it_is_early)
    elif operator == "piecewise":
        arguments = (y, Call("<", (time, Number(2.0))), Number(2.0))
    elif operator == "acosh":
        arguments = (Call("+", (y, Number(2.0))),)
    else:
        arguments = (y, time)
    count = OPERATORS[operator]
    value: Expr = Call(operator, arguments if count is None else arguments[:count])
    return Call("-", (Call("*", (Number(0.1), value)), y))


def test_every_operator_of_a_model_runs_in_one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    states = tuple(
        State(f"y {operator}", "dimensionless", Number(0.5), _rate(operator), "parameter")
        for operator in TABLE
    )
    parameters = (Parameter("unused", 1.0, "dimensionless"),)
    times = np.linspace(0.0, 1.0, 5)

    def curves(name: str) -> np.ndarray:
        model = compile_model(ModelSpec(name, 1.0, parameters, states))
        run = solve(model, Protocol(), model.nominal(), times, rtol=1e-10, atol=1e-12)
        assert int(run.status) == Status.DONE
        return np.asarray(run.states)

    checks = []
    check = one_kernel._is_simple
    monkeypatch.setattr(one_kernel, "_is_simple", lambda jaxpr: checks.append(check(jaxpr)) or checks[-1])
    marked = curves("in one kernel")
    assert all(checks)
    monkeypatch.setattr(one_kernel, "TRIED", ())
    # Where an operator jumps, the last digit decides which step meets the jump.
    np.testing.assert_allclose(marked, curves("in many kernels"), rtol=1e-6)


def test_what_xla_cannot_compile_as_one_kernel_runs_in_many(
    turnover_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sort is a library call: XLA refuses it inside one function.
    monkeypatch.setattr(protocol, "_stable_order", jnp.argsort)
    monkeypatch.setattr(one_kernel, "SIMPLE", one_kernel.SIMPLE | {"sort"})
    monkeypatch.setattr(solving, "_MANY_KERNELS", set())
    times = np.linspace(0.0, 3.0, 4)
    run = solve(turnover_model, Protocol(), turnover_model.nominal(), times, rtol=1e-10, max_steps=4001)
    assert len(solving._MANY_KERNELS) == 1
    assert int(run.status) == Status.DONE
    np.testing.assert_allclose(np.asarray(run.states[0]), np.exp(-0.5 * times), rtol=1e-8)


def test_the_shipped_axis_is_one_kernel_and_its_derivative_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compile_model(load_model("il6_axis"))
    checks = []
    check = one_kernel._is_simple
    monkeypatch.setattr(one_kernel, "_is_simple", lambda jaxpr: checks.append(check(jaxpr)) or checks[-1])
    times = np.array([0.0, 1.0])
    with jax.enable_x64(True):
        numbers = jnp.asarray(model.nominal())
        value = solve(model, Protocol(), numbers, times, max_steps=4001).states
        assert len(checks) > 0
        assert all(checks)
        checks.clear()
        again, slope = jax.jvp(
            lambda x: solve(model, Protocol(), x, times, max_steps=4001).states, (numbers,), (numbers,)
        )
    assert checks == []
    assert bool(jnp.all(jnp.isfinite(slope)))
    np.testing.assert_allclose(again, value, rtol=1e-10)
