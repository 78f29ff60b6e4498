"""MathML, as libsbml parses it, -> expression trees, with function definitions written out.

The walk keeps its own stack, so that depth is a checked limit and not Python's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import libsbml

from ..formula import Call, Expr, Name, Number, Time
from .findings import Findings
from .xml_scan import MAX_FORMULA_NODES

#: Deeper trees are refused: they are walked by recursion later on.
MAX_TREE_DEPTH = 120

#: Value that SBML Level 3 fixes for the csymbol avogadro (mole^-1).
AVOGADRO = 6.02214179e23


class UnknownConstruct(Exception):
    """A construct in a formula that exsim does not do; the message names it."""


class BadFormula(Exception):
    """A formula that cannot be read; the message says why."""


def _truncated(x: Expr) -> Expr:
    return Call("piecewise", (Call("floor", (x,)), Call(">=", (x, Number(0.0))), Call("ceil", (x,))))


def _chain(op: str) -> Callable[..., Expr]:
    # a < b < c means a < b and b < c.
    def compare(*args: Expr) -> Expr:
        pairs = [Call(op, pair) for pair in pairwise(args)]
        return pairs[0] if len(pairs) == 1 else Call("and", tuple(pairs)) if pairs else Number(1.0)

    return compare


def _sum(*args: Expr) -> Expr:
    if len(args) < 2:
        return args[0] if args else Number(0.0)
    # A left-deep sum is laid flat; added up from the left, the number is the same.
    first = args[0].args if isinstance(args[0], Call) and args[0].op == "+" else (args[0],)
    return Call("+", (*first, *args[1:]))


def _product(*args: Expr) -> Expr:
    if len(args) < 2:
        return args[0] if args else Number(1.0)
    first = args[0].args if isinstance(args[0], Call) and args[0].op == "*" else (args[0],)
    return Call("*", (*first, *args[1:]))


def _minus(*args: Expr) -> Expr:
    if len(args) == 1:
        return Number(-args[0].value) if isinstance(args[0], Number) else Call("neg", args)
    if isinstance(args[0], Call) and args[0].op == "+":
        return Call("+", (*args[0].args, Call("neg", (args[1],))))
    if isinstance(args[0], Call) and args[0].op == "-":
        first, second = args[0].args
        return Call("+", (first, Call("neg", (second,)), Call("neg", (args[1],))))
    return Call("-", args)


def _logic(op: str, nothing: float) -> Callable[..., Expr]:
    return lambda *args: Call(op, args) if args else Number(nothing)


def _inverse(op: str) -> Callable[[Expr], Expr]:
    return lambda x: Call(op, (Call("/", (Number(1.0), x)),))


def _reciprocal(op: str) -> Callable[[Expr], Expr]:
    return lambda x: Call("/", (Number(1.0), Call(op, (x,))))


def _root(*args: Expr) -> Expr:
    degree, x = args if len(args) == 2 else (Number(2.0), args[0])
    if degree == Number(2.0):
        return Call("sqrt", (x,))
    return Call("^", (x, Call("/", (Number(1.0), degree))))


def _logarithm(*args: Expr) -> Expr:
    base, x = args if len(args) == 2 else (Number(10.0), args[0])
    if base == Number(10.0):
        return Call("log10", (x,))
    return Call("/", (Call("log", (x,)), Call("log", (base,))))


def _plain(op: str) -> Callable[..., Expr]:
    return lambda *args: Call(op, args)


#: AST type -> (fewest arguments, most or None, the tree that it stands for).
_Builder = tuple[int, int | None, Callable[..., Expr]]
_TABLE: dict[int, _Builder] = {
    libsbml.AST_PLUS: (0, None, _sum),
    libsbml.AST_TIMES: (0, None, _product),
    libsbml.AST_MINUS: (1, 2, _minus),
    libsbml.AST_DIVIDE: (2, 2, _plain("/")),
    libsbml.AST_POWER: (2, 2, _plain("^")),
    libsbml.AST_FUNCTION_POWER: (2, 2, _plain("^")),
    libsbml.AST_FUNCTION_ABS: (1, 1, _plain("abs")),
    libsbml.AST_FUNCTION_ROOT: (1, 2, _root),
    libsbml.AST_FUNCTION_EXP: (1, 1, _plain("exp")),
    libsbml.AST_FUNCTION_LN: (1, 1, _plain("log")),
    libsbml.AST_FUNCTION_LOG: (1, 2, _logarithm),
    libsbml.AST_FUNCTION_FLOOR: (1, 1, _plain("floor")),
    libsbml.AST_FUNCTION_CEILING: (1, 1, _plain("ceil")),
    libsbml.AST_FUNCTION_FACTORIAL: (1, 1, _plain("factorial")),
    libsbml.AST_FUNCTION_MIN: (1, None, _plain("min")),
    libsbml.AST_FUNCTION_MAX: (1, None, _plain("max")),
    libsbml.AST_FUNCTION_QUOTIENT: (2, 2, lambda a, b: _truncated(Call("/", (a, b)))),
    libsbml.AST_FUNCTION_REM: (
        2,
        2,
        lambda a, b: Call("-", (a, Call("*", (b, _truncated(Call("/", (a, b))))))),
    ),
    libsbml.AST_RELATIONAL_LT: (2, None, _chain("<")),
    libsbml.AST_RELATIONAL_LEQ: (2, None, _chain("<=")),
    libsbml.AST_RELATIONAL_GT: (2, None, _chain(">")),
    libsbml.AST_RELATIONAL_GEQ: (2, None, _chain(">=")),
    libsbml.AST_RELATIONAL_EQ: (2, None, _chain("==")),
    libsbml.AST_RELATIONAL_NEQ: (2, 2, _plain("!=")),
    libsbml.AST_LOGICAL_AND: (0, None, _logic("and", 1.0)),
    libsbml.AST_LOGICAL_OR: (0, None, _logic("or", 0.0)),
    libsbml.AST_LOGICAL_XOR: (0, None, _logic("xor", 0.0)),
    libsbml.AST_LOGICAL_NOT: (1, 1, _plain("not")),
    libsbml.AST_LOGICAL_IMPLIES: (2, 2, lambda a, b: Call("or", (Call("not", (a,)), b))),
    libsbml.AST_FUNCTION_PIECEWISE: (1, None, _plain("piecewise")),
    **{
        getattr(libsbml, f"AST_FUNCTION_{name}"): (1, 1, _plain(op))
        for name, op in {
            "SIN": "sin", "COS": "cos", "TAN": "tan", "SINH": "sinh", "COSH": "cosh", "TANH": "tanh",
            "ARCSIN": "asin", "ARCCOS": "acos", "ARCTAN": "atan",
            "ARCSINH": "asinh", "ARCCOSH": "acosh", "ARCTANH": "atanh",
        }.items()
    },
    **{
        getattr(libsbml, f"AST_FUNCTION_{name}"): (1, 1, _reciprocal(op))
        for name, op in {
            "SEC": "cos", "CSC": "sin", "COT": "tan", "SECH": "cosh", "CSCH": "sinh", "COTH": "tanh",
        }.items()
    },
    **{
        getattr(libsbml, f"AST_FUNCTION_{name}"): (1, 1, _inverse(op))
        for name, op in {
            "ARCSEC": "acos", "ARCCSC": "asin", "ARCCOT": "atan",
            "ARCSECH": "acosh", "ARCCSCH": "asinh", "ARCCOTH": "atanh",
        }.items()
    },
}  # fmt: skip

_LEAVES: dict[int, Expr] = {
    libsbml.AST_NAME_TIME: Time(),
    libsbml.AST_NAME_AVOGADRO: Number(AVOGADRO),
    libsbml.AST_CONSTANT_E: Number(math.e),
    libsbml.AST_CONSTANT_PI: Number(math.pi),
    libsbml.AST_CONSTANT_TRUE: Number(1.0),
    libsbml.AST_CONSTANT_FALSE: Number(0.0),
}

_REFUSED = {libsbml.AST_FUNCTION_DELAY: "delay", libsbml.AST_FUNCTION_RATE_OF: "rateOf"}
_WAYS_OUT = {
    "delay": "write a chain of species in its place, each made from the one before (transit compartments)",
    "rateOf": "write the rate itself in its place",
}

#: A tree, its number of nodes with shared parts counted each time, and its depth.
_Sized = tuple[Expr, int, int]


@dataclass
class _Frame:
    node: libsbml.ASTNode
    environment: Mapping[str, _Sized]
    #: Functions that are being written out around this node.
    calls: int = 0
    done: list[_Sized] = field(default_factory=list)


class MathReader:
    """Turns the formulas of one model into trees; functions are written out where they are called."""

    def __init__(self, model: libsbml.Model, findings: Findings) -> None:
        self._findings = findings
        self._functions = {item.getId(): item for item in model.getListOfFunctionDefinitions()}

    def read(
        self, node: libsbml.ASTNode | None, key: str, kind: str, names: Mapping[str, str] | None = None
    ) -> Expr | None:
        """Return the tree of a formula; None where it is missing.

        What cannot be done is noted, and a number that is not one stands in its place. `key` is the
        id and `kind` the name of the element that the formula belongs to; `names` renames ids (those
        of local parameters).
        """
        if node is None:
            return None
        try:
            tree, _, depth = self._walk(node, {old: (Name(new), 1, 1) for old, new in (names or {}).items()})
        except UnknownConstruct as construct:
            hint = _WAYS_OUT.get(str(construct))
            self._findings.refuse(f"{construct} in the formula of {key}", key, hint=hint, kinds=(kind,))
            return Number(math.nan)
        except BadFormula as reason:
            self._findings.error(f"the formula of {key}: {reason}", key, kinds=(kind,))
            return Number(math.nan)
        if depth > MAX_TREE_DEPTH:
            self._findings.error(
                f"the formula of {key} is nested {depth} deep; {MAX_TREE_DEPTH} is the limit",
                key,
                hint="split it into assignment rules",
                kinds=(kind,),
            )
            return Number(math.nan)
        return tree

    def _walk(self, root: libsbml.ASTNode, names: Mapping[str, _Sized]) -> _Sized:
        stack = [_Frame(root, names)]
        while True:
            frame = stack[-1]
            if len(frame.done) < frame.node.getNumChildren():
                child = frame.node.getChild(len(frame.done))
                stack.append(_Frame(child, frame.environment, frame.calls))
                continue
            stack.pop()
            if frame.node.getType() == libsbml.AST_FUNCTION:
                stack.append(self._body(frame))
                continue
            result = self._combine(frame)
            if result[1] > MAX_FORMULA_NODES:
                raise BadFormula(f"more than {MAX_FORMULA_NODES:,} parts when its functions are written out")
            if not stack:
                return result
            stack[-1].done.append(result)

    def _body(self, frame: _Frame) -> _Frame:
        name = frame.node.getName()
        if frame.calls > len(self._functions):
            raise BadFormula(f"the function {name} calls itself")
        function = self._functions.get(name)
        if function is None:
            raise BadFormula(f"there is no function {name}")
        if function.getBody() is None:
            raise BadFormula(f"the function {name} has no formula")
        arguments = [function.getArgument(i).getName() for i in range(function.getNumArguments())]
        if len(arguments) != len(frame.done):
            raise BadFormula(f"{name} takes {len(arguments)} arguments, {len(frame.done)} are given")
        return _Frame(function.getBody(), dict(zip(arguments, frame.done, strict=True)), frame.calls + 1)

    def _combine(self, frame: _Frame) -> _Sized:
        node, kind = frame.node, frame.node.getType()
        if kind == libsbml.AST_NAME:
            return frame.environment.get(node.getName(), (Name(node.getName()), 1, 1))
        if kind in _LEAVES:
            return _LEAVES[kind], 1, 1
        if node.isNumber() or node.isInfinity() or node.isNaN() or node.isNegInfinity():
            return Number(float(node.getValue())), 1, 1
        if kind in _REFUSED:
            raise UnknownConstruct(_REFUSED[kind])
        if kind not in _TABLE:
            raise UnknownConstruct(f"the MathML element {node.getName() or node.getOperatorName() or kind}")
        fewest, most, build = _TABLE[kind]
        if len(frame.done) < fewest or (most is not None and len(frame.done) > most):
            raise BadFormula(f"an operator has {len(frame.done)} arguments")
        size = 1 + sum(part[1] for part in frame.done)
        tree = build(*(part[0] for part in frame.done))
        return tree, size, self._depth(tree, frame)

    @staticmethod
    def _depth(tree: Expr, frame: _Frame) -> int:
        deepest = max((part[2] for part in frame.done), default=0)
        # What was laid flat is no deeper than its left part.
        first = frame.done[0] if frame.done else None
        flat = (
            first is not None
            and isinstance(tree, Call)
            and isinstance(first[0], Call)
            and len(tree.args) > len(frame.done)
        )
        rest = max((part[2] for part in frame.done[1:]), default=0)
        return max(first[2], 2 + rest) if flat and first is not None else 1 + deepest
