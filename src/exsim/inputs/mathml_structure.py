"""Whether the elements of a formula stand where MathML allows them.

libsbml ends the process on some formulas that are put together wrongly (an operator inside a
lambda, for one), so that the places of elements are checked while the file is scanned.
"""

from __future__ import annotations

from dataclasses import dataclass

_LEAVES = frozenset(
    {"cn", "ci", "csymbol", "true", "false", "pi", "exponentiale", "infinity", "notanumber"}
)  # fmt: skip
_OPERATORS = frozenset(
    {
        "plus", "minus", "times", "divide", "power", "root", "abs", "exp", "ln", "log", "floor", "ceiling",
        "factorial", "quotient", "rem", "max", "min", "eq", "neq", "gt", "lt", "geq", "leq",
        "and", "or", "xor", "not", "implies",
        "sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "sech", "csch", "coth",
        "arcsin", "arccos", "arctan", "arcsec", "arccsc", "arccot",
        "arcsinh", "arccosh", "arctanh", "arcsech", "arccsch", "arccoth",
    }
)  # fmt: skip
_EXPRESSIONS = _LEAVES | {"apply", "piecewise", "lambda", "semantics"}
#: element -> (elements that may stand directly in it, most of them or None)
_CONTENT: dict[str, tuple[frozenset[str], int | None]] = {
    "math": (_EXPRESSIONS, 1),
    "semantics": (_EXPRESSIONS | {"annotation", "annotation-xml"}, None),
    "lambda": (_EXPRESSIONS | {"bvar"}, None),
    "bvar": (frozenset({"ci"}), 1),
    "piecewise": (frozenset({"piece", "otherwise"}), None),
    "piece": (_EXPRESSIONS, 2),
    "otherwise": (_EXPRESSIONS, 1),
    "degree": (_EXPRESSIONS, 1),
    "logbase": (_EXPRESSIONS, 1),
    "cn": (frozenset({"sep"}), 1),
    "apply": (_EXPRESSIONS | _OPERATORS | {"degree", "logbase"}, None),
}
#: element -> fewest children
_FEWEST = {
    "lambda": 1,
    "bvar": 1,
    "piece": 2,
    "otherwise": 1,
    "degree": 1,
    "logbase": 1,
    "apply": 1,
    "semantics": 1,
}


@dataclass
class _Open:
    name: str
    children: int = 0
    #: lambda: True once its body has begun.
    has_body: bool = False


class MathmlStructure:
    """Follows one formula, element by element; says what stands where it may not."""

    def __init__(self) -> None:
        self._open: list[_Open] = []

    def start(self, name: str) -> str | None:
        """Take in the start of an element; return what is wrong with it, or None."""
        wrong = self._wrong(name) if self._open else None
        if self._open:
            parent = self._open[-1]
            parent.children += 1
            parent.has_body = parent.has_body or name != "bvar"
        self._open.append(_Open(name))
        return wrong

    def _wrong(self, name: str) -> str | None:
        parent = self._open[-1]
        if parent.name in ("annotation", "annotation-xml"):
            return None
        allowed, most = _CONTENT.get(parent.name, (frozenset(), None))
        if name not in allowed:
            return f"<{name}> may not stand in <{parent.name}>"
        if most is not None and parent.children >= most:
            return f"<{parent.name}> has more than {most} element{'s' if most > 1 else ''} in it"
        if parent.name == "apply":
            first = parent.children == 0
            if first and name not in _OPERATORS and name not in ("ci", "csymbol"):
                return f"an <apply> begins with <{name}>, which is not an operator or a function"
            if not first and name in _OPERATORS:
                return f"the operator <{name}> is not the first element of its <apply>"
            if name in ("degree", "logbase") and parent.children != 1:
                return f"<{name}> is not the second element of its <apply>"
        if parent.name == "lambda" and parent.has_body:
            return "something follows the formula of a <lambda>"
        if name == "lambda" and parent.name not in ("math", "semantics"):
            return "a <lambda> stands inside a formula"
        return None

    def end(self) -> str | None:
        """Take in the end of an element; return what is missing in it, or None."""
        element = self._open.pop()
        if element.children < _FEWEST.get(element.name, 0):
            return f"<{element.name}> has only {element.children} element(s) in it"
        if element.name == "lambda" and not element.has_body:
            return "a <lambda> has no formula"
        return None

    @property
    def finished(self) -> bool:
        """Whether the formula is closed."""
        return not self._open
