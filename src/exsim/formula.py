"""Expression trees: what a rate law or a rule says, as plain immutable values.

Nothing here runs model text. A tree is built node by node from the parsed file and
is translated once, by the table in `evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Number:
    """A literal, dimensionless here: units are checked before the tree is built."""

    value: float


@dataclass(frozen=True)
class Name:
    """A reference to a species, parameter, input or assigned quantity by its id."""

    id: str


@dataclass(frozen=True)
class Time:
    """The time symbol of SBML, in the model's own unit of time."""


@dataclass(frozen=True)
class Call:
    """An operator or function of `OPERATORS` applied to sub-expressions."""

    op: str
    args: tuple[Expr, ...]

    def __post_init__(self) -> None:
        # A tree is hashed over and over while common parts are looked for, and may be deep: the
        # hash is made once, from those of its parts.
        object.__setattr__(self, "_hash", hash((self.op, self.args)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined]


Expr = Number | Name | Time | Call

#: Operators and the number of arguments each accepts (None: one or more).
#: `piecewise` takes value, condition, value, condition, ..., otherwise.
OPERATORS: dict[str, int | None] = {
    "+": None, "*": None, "-": 2, "/": 2, "^": 2, "neg": 1,
    "exp": 1, "log": 1, "log10": 1, "sqrt": 1, "abs": 1, "floor": 1, "ceil": 1,
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1,
    "sinh": 1, "cosh": 1, "tanh": 1, "asinh": 1, "acosh": 1, "atanh": 1,
    "min": None, "max": None, "factorial": 1,
    "<": 2, "<=": 2, ">": 2, ">=": 2, "==": 2, "!=": 2,
    "and": None, "or": None, "xor": None, "not": 1,
    "piecewise": None,
}  # fmt: skip


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield every node of a tree, parents before children, without recursion."""
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Call):
            stack.extend(reversed(node.args))


def names(expr: Expr) -> frozenset[str]:
    """Return the ids that a tree refers to."""
    return frozenset(node.id for node in walk(expr) if isinstance(node, Name))


def uses_time(expr: Expr) -> bool:
    """Whether the time symbol occurs in a tree."""
    return any(isinstance(node, Time) for node in walk(expr))


def transform(expr: Expr, replace: Callable[[Expr], Expr | None]) -> Expr:
    """Return the tree with every node for which `replace` gives a value exchanged (top down)."""
    new = replace(expr)
    if new is not None:
        return new
    if isinstance(expr, Call):
        # `map` takes no frame of its own: a tree may be hundreds of levels deep.
        return Call(expr.op, tuple(map(partial(transform, replace=replace), expr.args)))
    return expr


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """Return the tree with the named references exchanged for other trees."""
    if not values:
        return expr
    return transform(expr, lambda node: values.get(node.id) if isinstance(node, Name) else None)


def add(terms: list[Expr]) -> Expr:
    """Return the sum of the terms (0 for none)."""
    if not terms:
        return Number(0.0)
    return terms[0] if len(terms) == 1 else Call("+", tuple(terms))
