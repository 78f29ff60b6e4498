"""A formula as a config writes it, "IL6 / 1000 + offset" -> an expression tree. Nothing of it is run."""

from __future__ import annotations

import re

from .errors import ConfigError, Problem, did_you_mean
from .formula import Call, Expr, Name, Number

#: Functions by the name that a formula uses: operator, fewest and most arguments (None: any number).
FUNCTIONS: dict[str, tuple[str, int, int | None]] = {
    "exp": ("exp", 1, 1),
    "log": ("log", 1, 1),
    "ln": ("log", 1, 1),
    "log10": ("log10", 1, 1),
    "sqrt": ("sqrt", 1, 1),
    "abs": ("abs", 1, 1),
    "min": ("min", 2, None),
    "max": ("max", 2, None),
}
#: Brackets, signs and powers inside each other: each takes frames of Python's stack.
MAX_NESTING = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign>\*\*|[-+*/^(),]))",
    re.ASCII,
)


def read_formula(text: str) -> Expr:
    """Return the tree of a formula of numbers, ids, + - * / ^, brackets and `FUNCTIONS`.

    Raises ConfigError, without a place, with what is wrong and where in the text.
    """
    reader = _Reader(text)
    tree = reader.sum(0)
    if reader.token:
        raise reader.wrong(f'"{reader.token}" is not expected here')
    return tree


class _Reader:
    # Recursive descent: each method reads one level of precedence.

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.token = ""
        self.kind = ""
        self.advance()

    def wrong(self, message: str) -> ConfigError:
        at = self.position - len(self.token) + 1
        hint = 'write e.g. "IL6 / 1000", with + - * / ^, brackets and ' + ", ".join(FUNCTIONS)
        return ConfigError(Problem(f"{message} (character {at} of the formula)", hint=hint))

    def advance(self) -> None:
        if not self.text[self.position :].strip():
            self.position, self.token, self.kind = len(self.text), "", "end"
            return
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            rest = self.text[self.position :].lstrip()
            self.position = len(self.text) - len(rest) + 1
            self.token = rest[0]
            raise self.wrong(f'"{rest[0]}" has no place in a formula')
        self.position = match.end()
        self.kind = str(match.lastgroup)
        self.token = match[self.kind]

    def take(self, *tokens: str) -> str:
        found = self.token
        if self.kind != "sign" or found not in tokens:
            return ""
        self.advance()
        return found

    def sum(self, depth: int) -> Expr:
        tree = self.product(depth)
        while sign := self.take("+", "-"):
            tree = Call(sign, (tree, self.product(depth)))
        return tree

    def product(self, depth: int) -> Expr:
        tree = self.signed(depth)
        while sign := self.take("*", "/"):
            tree = Call(sign, (tree, self.signed(depth)))
        return tree

    def signed(self, depth: int) -> Expr:
        if depth > MAX_NESTING:
            raise self.wrong(f"more than {MAX_NESTING} levels of brackets, signs and powers")
        if self.take("-"):
            return Call("neg", (self.signed(depth + 1),))
        if self.take("+"):
            return self.signed(depth + 1)
        base = self.atom(depth)
        if self.take("^", "**"):
            return Call("^", (base, self.signed(depth + 1)))
        return base

    def atom(self, depth: int) -> Expr:
        token, kind = self.token, self.kind
        if kind == "end":
            raise self.wrong("the formula ends too early")
        if self.take("("):
            tree = self.sum(depth + 1)
            self.close()
            return tree
        if kind == "sign":
            raise self.wrong(f'"{token}" is not expected here')
        self.advance()
        if kind == "number":
            value = float(token)
            if value == float("inf"):
                raise self.wrong(f"{token} is not a finite number")
            return Number(value)
        return self.call(token, depth) if self.take("(") else Name(token)

    def call(self, name: str, depth: int) -> Expr:
        if name not in FUNCTIONS:
            raise self.wrong(f'there is no function "{name}". {did_you_mean(name, list(FUNCTIONS))}')
        arguments = [self.sum(depth + 1)]
        while self.take(","):
            arguments.append(self.sum(depth + 1))
        self.close()
        operator, fewest, most = FUNCTIONS[name]
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            wanted = f"{fewest} or more" if most is None else str(fewest)
            words = "argument" if wanted == "1" else "arguments"
            raise self.wrong(f"{name} takes {wanted} {words}, found {len(arguments)}")
        return Call(operator, tuple(arguments))

    def close(self) -> None:
        if not self.take(")"):
            raise self.wrong('a bracket is not closed: ")" is missing')
