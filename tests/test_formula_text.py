"""Formulas of a config: what they mean, and what is refused in them."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exsim.errors import ConfigError
from exsim.formula import Call, Expr, Name, Number
from exsim.formula_text import MAX_NESTING, read_formula


def _value(tree: Expr, names: dict[str, float]) -> float:
    if isinstance(tree, Number):
        return tree.value
    if isinstance(tree, Name):
        return names[tree.id]
    assert isinstance(tree, Call)
    done = [_value(part, names) for part in tree.args]
    return {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
        "^": lambda a, b: a**b, "neg": lambda a: -a, "exp": math.exp, "log": math.log,
        "log10": math.log10, "sqrt": math.sqrt, "abs": abs, "min": min, "max": max,
    }[tree.op](*done)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("IL6 / 1000", 0.08),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("8 - 4 - 2", 2),
        ("8 / 4 / 2", 1),
        ("2 ^ 3 ^ 2", 512),
        ("2 ** -1", 0.5),
        ("-2 ^ 2", -4),
        ("--3", 3),
        ("+3", 3),
        ("1.5e1 + .5", 15.5),
        ("min(IL6, 3, 2)", 2),
        ("max(1, IL6)", 80),
        ("ln(exp(2)) + log(exp(1))", 3),
        ("sqrt(abs(-16)) + log10(100)", 6),
        ("R1.k * 2", 6),
    ],
)
def test_a_formula_means_what_it_says(text: str, value: float) -> None:
    assert _value(read_formula(text), {"IL6": 80.0, "R1.k": 3.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the formula ends too early"),
        ("IL6 +", "the formula ends too early"),
        ("IL6 IL10", '"IL10" is not expected here (character 5'),
        ("(IL6", "a bracket is not closed"),
        ("IL6)", '")" is not expected here'),
        ("IL6 % 2", '"%" has no place in a formula (character 5'),
        ("a = 2", '"=" has no place in a formula'),
        ("* 2", '"*" is not expected here'),
        ("eval(2)", 'there is no function "eval"'),
        ("sqrt(1, 2)", "sqrt takes 1 argument, found 2"),
        ("min(1)", "min takes 2 or more arguments, found 1"),
        ("1e999", "1e999 is not a finite number"),
        ("(" * (MAX_NESTING + 2) + "1" + ")" * (MAX_NESTING + 2), "levels of brackets"),
        ("-" * 1000 + "1", "levels of brackets"),
        ("__import__('os')", "has no place in a formula"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_formula(text)
    assert words in error.value.problems[0].message


@given(st.text(alphabet="IL6 0.1e+-*/^(),maxin", max_size=40))
def test_any_text_is_a_formula_or_is_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        read_formula(text)
