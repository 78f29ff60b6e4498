"""When things happen: comparisons with time -> the time at which they turn.

An integrator must land on every jump of a right-hand side. A comparison of time with something
that does not change turns once, at a time that is known before the solve; every other way in
which time alone can make a right-hand side jump is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..formula import Call, Expr, Name, Number, Time, names, transform, uses_time, walk

COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
JUMPING = frozenset({"floor", "ceil", "factorial"})

Dependence = Literal["nothing", "time", "state"]


@dataclass(frozen=True)
class Turn:
    """A comparison with time: true from `at` on (`rising`) or before it; `strict` for < and >."""

    at: Expr
    rising: bool
    strict: bool


class NotLinear(Exception):
    """Something that depends on time in another way than a straight line with a literal slope."""


class TimeAnalysis:
    """Knows which quantities of a model change, and with what.

    `fixed` ids never change, `rules` are the trees of computed ids; everything else is state.
    """

    def __init__(self, fixed: frozenset[str], rules: Mapping[str, Expr]) -> None:
        self._fixed = fixed
        self._rules = rules
        self._known: dict[str, Dependence] = {}

    def dependence(self, expr: Expr) -> Dependence:
        """Return whether a tree depends on a state, on time alone, or on nothing that changes."""
        result: Dependence = "time" if uses_time(expr) else "nothing"
        for id in names(expr):
            of_id = self._of_id(id)
            if of_id == "state":
                return "state"
            if of_id == "time":
                result = "time"
        return result

    def _of_id(self, id: str) -> Dependence:
        if id in self._fixed:
            return "nothing"
        if id not in self._rules:
            return "state"
        if id not in self._known:
            self._known[id] = self.dependence(self._rules[id])
        return self._known[id]

    def written_out(self, expr: Expr) -> Expr:
        """Return the tree with the rules that depend on time put in their places."""

        def replace(node: Expr) -> Expr | None:
            if isinstance(node, Name) and node.id in self._rules and self._of_id(node.id) == "time":
                return self.written_out(self._rules[node.id])
            return None

        return transform(expr, replace)

    def turn(self, comparison: Call) -> Turn:
        """Return when a comparison that depends on time alone turns. Raises NotLinear."""
        if comparison.op in ("==", "!="):
            raise NotLinear
        left, right = (self.written_out(side) for side in comparison.args)
        slope, offset = _line(Call("-", (left, right)))
        if slope == 0:
            raise NotLinear
        rising = (comparison.op in (">", ">=")) == (slope > 0)
        at = _crossing(left, right, slope, offset)
        return Turn(at, rising, comparison.op in ("<", ">"))


def _crossing(left: Expr, right: Expr, slope: float, offset: Expr) -> Expr:
    # The usual forms keep their own words: time >= x turns at x.
    for side, other in ((left, right), (right, left)):
        if isinstance(side, Time) and not uses_time(other):
            return other
    if isinstance(offset, Number):
        return Number(-offset.value / slope)
    return Call("/", (offset, Number(-slope)))


def _line(expr: Expr) -> tuple[float, Expr]:
    """Return (a, b) with expr = a * time + b, a a number. Raises NotLinear."""
    if isinstance(expr, Time):
        return 1.0, Number(0.0)
    if not uses_time(expr):
        return 0.0, expr
    assert isinstance(expr, Call)
    if expr.op in ("+", "-", "neg"):
        signs = {"+": [1.0] * len(expr.args), "-": [1.0, -1.0], "neg": [-1.0]}[expr.op]
        parts = [_line(arg) for arg in expr.args]
        slope = sum(sign * part[0] for sign, part in zip(signs, parts, strict=True))
        return slope, Call(expr.op, tuple(part[1] for part in parts))
    if expr.op == "*" and sum(uses_time(arg) for arg in expr.args) == 1:
        others = [arg for arg in expr.args if not uses_time(arg)]
        slope, offset = _line(next(arg for arg in expr.args if uses_time(arg)))
        scale = 1.0
        for other in others:
            scale *= _literal(other)
        return slope * scale, Call("*", (*others, offset))
    if expr.op == "/" and not uses_time(expr.args[1]):
        slope, offset = _line(expr.args[0])
        return slope / _literal(expr.args[1]), Call("/", (offset, expr.args[1]))
    raise NotLinear


def _literal(expr: Expr) -> float:
    if isinstance(expr, Number) and expr.value != 0:
        return expr.value
    raise NotLinear


def reached_rules(trees: list[Expr], rules: Mapping[str, Expr]) -> set[str]:
    """Return the ids of the rules that the trees use, directly or through other rules."""
    reached: set[str] = set()
    waiting = [id for tree in trees for id in names(tree)]
    while waiting:
        id = waiting.pop()
        if id in rules and id not in reached:
            reached.add(id)
            waiting.extend(names(rules[id]))
    return reached


def jumps_with_time_alone(expr: Expr, analysis: TimeAnalysis) -> list[str]:
    """Return the functions in a tree that jump as time goes on, such as floor(time)."""
    return [
        node.op
        for node in walk(expr)
        if isinstance(node, Call) and node.op in JUMPING and analysis.dependence(node) == "time"
    ]
