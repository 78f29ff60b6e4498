"""The lookup table, against NumPy and against hand-made derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim.evaluation import TABLE, Evaluator, hoist, power
from exsim.formula import OPERATORS, Call, Name, Number, Time, names


def test_every_operator_of_the_formulas_has_a_translation() -> None:
    assert set(TABLE) == set(OPERATORS)


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
@pytest.mark.parametrize(
    ("op", "arguments", "expected"),
    [
        ("+", (1.5, 2.0, 4.0), 7.5),
        ("-", (1.5, 2.0), -0.5),
        ("/", (3.0, 2.0), 1.5),
        ("^", (2.0, 0.5), 2.0**0.5),
        ("neg", (2.0,), -2.0),
        ("log10", (1000.0,), 3.0),
        ("max", (1.0, 5.0, 2.0), 5.0),
        ("factorial", (5.0,), 120.0),
        ("asin", (1.0,), np.pi / 2),
        ("sqrt", (9.0,), 3.0),
    ],
)
def test_an_operator_gives_its_textbook_value(xp, op, arguments, expected) -> None:
    with jax.enable_x64(True):
        values = {f"x{i}": xp.asarray(value) for i, value in enumerate(arguments)}
        result = Evaluator(xp, values)(Call(op, tuple(Name(id) for id in values)))
        np.testing.assert_allclose(float(result), expected, rtol=1e-14)


def test_piecewise_takes_the_first_condition_that_holds() -> None:
    tree = Call(
        "piecewise",
        (
            Number(1.0),
            Call("<", (Name("x"), Number(0.0))),
            Number(2.0),
            Call("<", (Name("x"), Number(1.0))),
            Number(3.0),
        ),
    )
    values = [float(Evaluator(np, {"x": np.float64(x)})(tree)) for x in (-1.0, 0.5, 2.0)]
    assert values == [1.0, 2.0, 3.0]


def test_literals_follow_ieee_and_never_raise() -> None:
    nine = Number(9.0)
    tower = Call("^", (nine, Call("^", (nine, Call("^", (nine, nine))))))
    assert Evaluator(np, {})(tower) == np.inf
    assert Evaluator(np, {})(Call("/", (Number(1.0), Number(0.0)))) == np.inf


@pytest.mark.parametrize(("exponent", "slope_at_zero"), [(1.0, 1.0), (1.5, 0.0), (2.0, 0.0), (3.2, 0.0)])
def test_a_power_is_safe_at_zero_in_value_and_derivative(exponent: float, slope_at_zero: float) -> None:
    with jax.enable_x64(True):
        n = jnp.asarray(exponent)
        value, slope = jax.value_and_grad(lambda x: power(jnp, x, n))(jnp.asarray(0.0))
        by_exponent = jax.grad(lambda m: power(jnp, jnp.asarray(0.0), m))(n)
    assert (float(value), float(slope), float(by_exponent)) == (0.0, slope_at_zero, 0.0)


def test_a_power_keeps_its_sign_below_zero_only_for_whole_exponents() -> None:
    with jax.enable_x64(True):
        below = [float(power(jnp, jnp.asarray(-2.0), jnp.asarray(n))) for n in (2.0, 3.0, 1.7)]
    np.testing.assert_allclose(below, [4.0, -8.0, 0.0], rtol=1e-14)


def test_the_derivative_of_a_power_by_its_exponent_is_right_at_zero_and_elsewhere() -> None:
    with jax.enable_x64(True):
        slopes = [
            float(jax.grad(lambda n: power(jnp, jnp.asarray(3.0), n))(jnp.asarray(n)))
            for n in (-1.0, 0.0, 2.0)
        ]
    np.testing.assert_allclose(slopes, np.log(3.0) * np.array([1 / 3, 1.0, 9.0]), rtol=1e-14)


def test_a_power_agrees_with_numpy_over_many_magnitudes() -> None:
    base = np.logspace(-8, 8, 33)[:, None]
    exponent = np.array([-2.5, -1.0, 0.0, 0.3, 1.0, 2.26, 5.0])
    np.testing.assert_allclose(power(np, base, exponent), base**exponent, rtol=1e-13)


def test_hoisting_takes_out_what_parameters_alone_decide() -> None:
    k, n, x = Name("K"), Name("n"), Name("x")
    fixed_part = Call("^", (k, n))
    tree = Call("/", (Call("^", (x, n)), Call("+", (fixed_part, Call("^", (x, n)), Time()))))
    (rest,), parts = hoist([tree], frozenset({"K", "n"}))
    assert list(parts.values()) == [fixed_part]
    assert names(rest) == {"x", "n", *parts}
    values = {"K": np.float64(2.0), "n": np.float64(1.5), "x": np.float64(3.0)}
    whole = Evaluator(np, values, time=1.0)(tree)
    split = Evaluator(np, values | {id: Evaluator(np, values)(part) for id, part in parts.items()}, time=1.0)
    assert whole == split(rest)
