"""MathML -> trees -> numbers: every operator of SBML, against NumPy."""

from __future__ import annotations

import math

import libsbml
import numpy as np
import pytest

from exsim.evaluation import Evaluator
from exsim.formula import Call, Expr, Name, Number, Time
from exsim.inputs.findings import Findings
from exsim.inputs.sbml_math import AVOGADRO, MAX_TREE_DEPTH, MathReader


def read(formula: str, functions: dict[str, str] | None = None) -> tuple[Expr | None, Findings]:
    """Return the tree of an infix formula (SBML L3 syntax) and what was complained about."""
    settings = libsbml.L3ParserSettings()
    settings.setParseAvogadroCsymbol(True)
    document = libsbml.SBMLDocument(3, 2)
    model = document.createModel()
    for id, body in (functions or {}).items():
        definition = model.createFunctionDefinition()
        definition.setId(id)
        definition.setMath(libsbml.parseL3FormulaWithModel(body, model))
    tree = libsbml.parseL3FormulaWithSettings(formula, settings)
    assert tree is not None, libsbml.getLastParseL3Error()
    findings = Findings("m.xml")
    return MathReader(model, findings).read(tree, "x", "assignmentRule"), findings


def value(formula: str, functions: dict[str, str] | None = None, **values: float) -> float:
    tree, findings = read(formula, functions)
    findings.raise_if_any()
    assert tree is not None
    return float(Evaluator(np, {id: float(number) for id, number in values.items()}, time=5.0)(tree))


FORMULAS = {
    "a + b * c - 2": 2.0 + 3.0 * 4.0 - 2.0,
    "a - b - c": 2.0 - 3.0 - 4.0,
    "a / b / c": 2.0 / 3.0 / 4.0,
    "a ^ b": 8.0,
    "-a ^ 2": -4.0,
    "pow(a, 0.5)": math.sqrt(2),
    "sqrt(c)": 2.0,
    "root(3, 27)": 3.0,
    "exp(a)": math.exp(2),
    "ln(a)": math.log(2),
    "log10(a)": math.log10(2),
    "log(2, 8)": 3.0,
    "abs(-a)": 2.0,
    "floor(-2.5)": -3.0,
    "ceil(-2.5)": -2.0,
    "factorial(4)": 24.0,
    "min(a, b, c)": 2.0,
    "max(a, b, c)": 4.0,
    "quotient(7, 2)": 3.0,
    "quotient(-7, 2)": -3.0,
    "rem(7, 2)": 1.0,
    "rem(-7, 2)": -1.0,
    "sin(a)": math.sin(2),
    "cos(a)": math.cos(2),
    "tan(a)": math.tan(2),
    "sec(a)": 1 / math.cos(2),
    "csc(a)": 1 / math.sin(2),
    "cot(a)": 1 / math.tan(2),
    "sinh(a)": math.sinh(2),
    "cosh(a)": math.cosh(2),
    "tanh(a)": math.tanh(2),
    "sech(a)": 1 / math.cosh(2),
    "csch(a)": 1 / math.sinh(2),
    "coth(a)": 1 / math.tanh(2),
    "asin(0.3)": math.asin(0.3),
    "acos(0.3)": math.acos(0.3),
    "atan(0.3)": math.atan(0.3),
    "arcsec(3)": math.acos(1 / 3),
    "arccsc(3)": math.asin(1 / 3),
    "arccot(3)": math.atan(1 / 3),
    "arcsinh(0.3)": math.asinh(0.3),
    "arccosh(3)": math.acosh(3),
    "arctanh(0.3)": math.atanh(0.3),
    "arcsech(0.3)": math.acosh(1 / 0.3),
    "arccsch(3)": math.asinh(1 / 3),
    "arccoth(3)": math.atanh(1 / 3),
    "piecewise(1, a > b, 2, b > a, 3)": 2.0,
    "piecewise(1, a < b && c < b, 9)": 9.0,
    "piecewise(1, a < b || c < b, 9)": 1.0,
    "piecewise(1, xor(a < b, b < c), 9)": 9.0,
    "piecewise(1, !(a < b), 9)": 9.0,
    "piecewise(1, implies(a > b, false), 9)": 1.0,
    "piecewise(1, lt(a, b, c), 9)": 1.0,
    "piecewise(1, lt(a, c, b), 9)": 9.0,
    "piecewise(1, a == 2, 9)": 1.0,
    "piecewise(1, a != 2, 9)": 9.0,
    "piecewise(1, a <= 2, 9) + piecewise(1, a >= 3, 9)": 10.0,
    "(a < b) + 1": 2.0,
    "plus() + times() + plus(a)": 3.0,
    "pi + exponentiale": math.pi + math.e,
    "time * 2": 10.0,
    "avogadro": AVOGADRO,
    "2e3 + 1/2": 2000.5,
    "infinity": math.inf,
    "9^9^9^9": math.inf,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_an_operator_gives_the_number_that_mathematics_gives(formula: str) -> None:
    assert value(formula, a=2, b=3, c=4) == pytest.approx(FORMULAS[formula], rel=1e-14)


def test_functions_are_written_out_whatever_their_arguments_are_called() -> None:
    functions = {"f": "lambda(x, y, x - 2 * y)", "g": "lambda(y, f(y, 1) + f(x, y))"}
    assert value("g(x)", functions, x=5) == pytest.approx((5 - 2) + (5 - 10))


def test_time_inside_a_function_is_the_time() -> None:
    assert value("f(2)", {"f": "lambda(x, x * time)"}) == 10.0


@pytest.mark.parametrize(
    ("formula", "functions", "words"),
    [
        ("f(1, 2)", {"f": "lambda(x, x)"}, "f takes 1 arguments, 2 are given"),
        ("h(1)", {}, "there is no function h"),
        ("f(1)", {"f": "lambda(x, f(x))"}, "the function f calls itself"),
    ],
)
def test_a_call_that_cannot_be_written_out_is_an_error(
    formula: str, functions: dict[str, str], words: str
) -> None:
    _, findings = read(formula, functions)
    assert [words in problem.message for problem in findings.errors] == [True]


@pytest.mark.parametrize(("formula", "name"), [("delay(a, 2)", "delay"), ("rateOf(a)", "rateOf")])
def test_a_construct_that_is_not_done_is_refused_by_name(formula: str, name: str) -> None:
    _, findings = read(formula)
    assert [problem.message for problem in findings.refusals] == [f"{name} in the formula of x"]


def test_long_sums_and_differences_are_flat_and_add_up_from_the_left() -> None:
    formula = "1e16" + " - 1" * 300 + " + 1" * 300
    tree, findings = read(formula)
    assert not findings.errors
    assert isinstance(tree, Call)
    assert len(tree.args) == 601
    expected = 1e16
    for _ in range(300):
        expected -= 1
    for _ in range(300):
        expected += 1
    assert Evaluator(np, {})(tree) == expected


def test_a_formula_that_is_too_deep_is_refused_and_one_below_the_limit_works() -> None:
    _, findings = read("sin(" * MAX_TREE_DEPTH + "a" + ")" * MAX_TREE_DEPTH)
    assert "nested 121 deep" in findings.errors[0].message
    assert math.isfinite(value("sin(" * (MAX_TREE_DEPTH - 1) + "a" + ")" * (MAX_TREE_DEPTH - 1), a=1))


def test_a_name_that_python_knows_is_only_a_name() -> None:
    assert read("lambda_")[0] == Name("lambda_")
    assert read("time")[0] == Time()
    assert read("3")[0] == Number(3.0)
