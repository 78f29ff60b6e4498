"""Expression tree -> numbers, by one lookup table, with NumPy or with JAX.

The same table serves one lane, many lanes and a check on the host: every operator is
elementwise on scalars and arrays. Nothing is compiled from text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from types import ModuleType
from typing import Any

import numpy as np

from .formula import Call, Expr, Name, Number, Time, transform

#: Scalars and arrays of NumPy or JAX.
Value = Any


def power(xp: ModuleType, base: Value, exponent: Value) -> Value:
    """Return base ** exponent, safe at and just below zero in value and derivative.

    A rate law such as (x/K)^n is met at x = 0 at rest and, within the absolute tolerance,
    below it. There x^n is continued by 0 for an n that is not whole; a whole n keeps its sign.
    Written x |x|^(n-1), so that the derivative at 0 is 0 for n > 1 and 1 for n = 1. Where `xp` can
    choose while it runs (`xp.if_all_positive`), positive bases alone get the plain exp(n log x).
    """
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= 64:
        return base ** int(exponent)
    guarded = partial(_guarded_power, xp)
    choose = getattr(xp, "if_all_positive", None)
    if choose is None:
        return guarded(base, exponent)
    return choose(lambda x, n: xp.exp(n * xp.log(x)), guarded, base, exponent)


def _guarded_power(xp: ModuleType, base: Value, exponent: Value) -> Value:
    size = xp.abs(base)
    nonzero = size > 0
    log_size = xp.log(xp.where(nonzero, size, 1.0))
    whole = exponent == xp.floor(exponent)
    odd = exponent - 2 * xp.floor(exponent / 2) == 1
    sign_below = xp.where(whole, xp.where(odd, 1.0, -1.0), 0.0)
    slope = xp.where(base > 0, 1.0, sign_below) * xp.exp((exponent - 1) * log_size)
    result = base * xp.where(nonzero, slope, xp.where(exponent == 1, 1.0, 0.0))
    at_zero = xp.where(exponent == 0, 1.0, xp.where(exponent < 0, xp.inf, 0.0))
    return xp.where(nonzero | (exponent > 0), result, at_zero)


def _square_root(xp: ModuleType, value: Value) -> Value:
    positive = value > 0
    root = xp.sqrt(xp.where(positive, value, 1.0))
    return xp.where(positive, root, xp.where(value < 0, xp.nan, 0.0))


def _factorial(xp: ModuleType, value: Value) -> Value:
    # Gamma(n + 1) by its product: SBML asks for whole n only; up to 170 fits a float.
    steps = xp.arange(1.0, 171.0)
    return xp.prod(xp.where(steps <= xp.expand_dims(xp.asarray(value), -1), steps, 1.0), axis=-1)


def _piecewise(xp: ModuleType, *args: Value) -> Value:
    pairs, otherwise = args[: len(args) // 2 * 2], args[-1] if len(args) % 2 else xp.nan
    result = _number(xp, otherwise)
    for value, condition in reversed(list(zip(pairs[::2], pairs[1::2], strict=True))):
        result = xp.where(_truth(condition), _number(xp, value), result)
    return result


def _is_logical(value: Value) -> bool:
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.dtype(bool)


def _truth(value: Value) -> Value:
    return value if _is_logical(value) else value != 0


def _number(xp: ModuleType, value: Value) -> Value:
    return xp.where(value, 1.0, 0.0) if _is_logical(value) else value


def _fold(operator: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    return lambda xp, *args: reduce(operator, (_number(xp, arg) for arg in args))


def _logical(operator: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    return lambda xp, *args: reduce(operator, (_truth(arg) for arg in args))


def _function(name: str) -> Callable[..., Value]:
    return lambda xp, *args: getattr(xp, name)(*(_number(xp, arg) for arg in args))


def _chain(operator: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    def compare(xp: ModuleType, *args: Value) -> Value:
        numbers = [_number(xp, arg) for arg in args]
        return operator(numbers[0], numbers[1])

    return compare


#: The one translation of operators: name in `formula.OPERATORS` -> function of (xp, *arguments).
TABLE: dict[str, Callable[..., Value]] = {
    "+": _fold(lambda a, b: a + b),
    "*": _fold(lambda a, b: a * b),
    "-": _fold(lambda a, b: a - b),
    "/": _fold(lambda a, b: a / b),
    "^": lambda xp, a, b: power(xp, _number(xp, a), _number(xp, b)),
    "neg": lambda xp, a: -_number(xp, a),
    "sqrt": lambda xp, a: _square_root(xp, _number(xp, a)),
    "factorial": _factorial,
    "min": lambda xp, *args: reduce(xp.minimum, (_number(xp, arg) for arg in args)),
    "max": lambda xp, *args: reduce(xp.maximum, (_number(xp, arg) for arg in args)),
    "<": _chain(lambda a, b: a < b),
    "<=": _chain(lambda a, b: a <= b),
    ">": _chain(lambda a, b: a > b),
    ">=": _chain(lambda a, b: a >= b),
    "==": _chain(lambda a, b: a == b),
    "!=": _chain(lambda a, b: a != b),
    "and": _logical(lambda a, b: a & b),
    "or": _logical(lambda a, b: a | b),
    "xor": _logical(lambda a, b: a ^ b),
    "not": lambda xp, a: xp.logical_not(_truth(a)),
    "piecewise": _piecewise,
    "asin": _function("arcsin"),
    "acos": _function("arccos"),
    "atan": _function("arctan"),
    "asinh": _function("arcsinh"),
    "acosh": _function("arccosh"),
    "atanh": _function("arctanh"),
    **{
        name: _function(name)
        for name in (
            "exp",
            "log",
            "log10",
            "abs",
            "floor",
            "ceil",
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
        )
    },
}


class Evaluator:
    """Evaluates trees against one set of values; parts that occur twice are computed once.

    `values` holds what is known by id; `formulas` the trees of ids that are computed from it.
    """

    def __init__(
        self,
        xp: ModuleType,
        values: Mapping[str, Value],
        formulas: Mapping[str, Expr] | None = None,
        time: Value = math.nan,
    ) -> None:
        self._xp = xp
        self._names = dict(values)
        self._formulas = formulas or {}
        self._time = time
        self._done: dict[Expr, Value] = {}

    def __call__(self, expr: Expr) -> Value:
        """Return the value of a tree. KeyError for an id that is neither a value nor a formula."""
        # With a stack of its own: a tree may be deeper than Python's.
        waiting = [expr]
        while waiting:
            node = waiting[-1]
            missing = [part for part in self._parts(node) if not self._is_known(part)]
            if missing:
                waiting += reversed(missing)
                continue
            waiting.pop()
            if isinstance(node, Name) and node.id not in self._names:
                self._names[node.id] = self._known(self._formulas[node.id])
            elif isinstance(node, Call) and node not in self._done:
                self._done[node] = self._apply(node.op, list(map(self._known, node.args)))
        return self._known(expr)

    def named(self, id: str) -> Value:
        """Return the value of an id. KeyError if it is neither a value nor a formula."""
        return self(Name(id))

    def _parts(self, node: Expr) -> tuple[Expr, ...]:
        if isinstance(node, Call):
            return node.args
        return (self._formulas[node.id],) if isinstance(node, Name) and node.id not in self._names else ()

    def _is_known(self, node: Expr) -> bool:
        if isinstance(node, Call):
            return node in self._done
        return not isinstance(node, Name) or node.id in self._names

    def _known(self, node: Expr) -> Value:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Time):
            return self._time
        return self._names[node.id] if isinstance(node, Name) else self._done[node]

    def _apply(self, op: str, arguments: list[Value]) -> Value:
        if all(isinstance(argument, bool | float) for argument in arguments):
            return _fold_literals(op, arguments)
        return TABLE[op](self._xp, *arguments)


def _fold_literals(op: str, arguments: list[Value]) -> Value:
    # Literals alone: as IEEE numbers (1/0 is inf, 9^9^9^9 is inf), never Python's exceptions.
    with np.errstate(all="ignore"):
        result = TABLE[op](np, *(x if isinstance(x, bool) else np.float64(x) for x in arguments))
    return bool(result) if np.asarray(result).dtype == bool else float(result)


def hoist(expressions: Iterable[Expr], fixed: frozenset[str]) -> tuple[tuple[Expr, ...], dict[str, Expr]]:
    """Take out of the trees every largest part that only `fixed` ids enter.

    Returns the trees with references in those places, and the parts by their new ids: they are
    computed once a solve instead of once a stage.
    """
    parts: dict[Expr, str] = {}

    def only_fixed(node: Expr) -> bool:
        if isinstance(node, Call):
            if node not in known:
                known[node] = all(map(only_fixed, node.args))
            return known[node]
        return isinstance(node, Number) or (isinstance(node, Name) and node.id in fixed)

    def replace(node: Expr) -> Expr | None:
        if isinstance(node, Call) and only_fixed(node):
            return Name(parts.setdefault(node, f"fixed part {len(parts)}"))
        # A whole-number exponent stays a literal: it becomes a product, not exp(n log x).
        return None

    known: dict[Expr, bool] = {}
    rest = tuple(transform(expr, replace) for expr in expressions)
    return rest, {id: expr for expr, id in parts.items()}
