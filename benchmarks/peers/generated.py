"""A model's right-hand side as lines of C or Python, for the peers that are compiled from such text."""

from __future__ import annotations

from dataclasses import dataclass, field

from exsim.evaluation import hoist
from exsim.formula import Call, Expr, Name, Number, names
from exsim.model import Model


@dataclass
class Lines:
    """Rates of a model as assignments to temporaries, each part computed once.

    `constants` are the ids (of `Problem.constants`) that the text reads, in the order of its argument.
    """

    model: Model
    #: How a temporary is declared: "const double" in C, "" in Python.
    declare: str = ""
    #: How a power with an exponent that is not a small whole number is written.
    power: str = "({0})**({1})"
    end: str = ""
    text: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec, fixed = self.model.spec, self.model.fixed
        moving = [item for item in spec.assignments if item.id not in fixed]
        trees, parts = hoist([*(s.rate for s in spec.states), *(item.value for item in moving)], fixed)
        self._rules = {item.id: tree for item, tree in zip(moving, trees[len(spec.states) :], strict=True)}
        self._done: dict[Expr, str] = {}
        rates = trees[: len(spec.states)]
        read = {id for tree in trees for id in names(tree)}
        self.constants = [id for id in (*fixed_order(self.model), *parts) if id in read]
        self._names = {id: f"c{number}" for number, id in enumerate(self.constants)}
        self._names |= {id: f"y{number}" for number, id in enumerate(self.model.state_ids)}
        self._names |= {id: f"u{number}" for number, id in enumerate(self.model.input_ids)}
        self.rates = [self._term(rate) for rate in rates]

    def _term(self, node: Expr) -> str:
        if isinstance(node, Number):
            return repr(float(node.value))
        if isinstance(node, Name):
            if node.id not in self._names:
                self._names[node.id] = self._term(self._rules[node.id])
            return self._names[node.id]
        if not isinstance(node, Call):
            raise ValueError("the text of a model that reads the time is not written here")
        if node not in self._done:
            self._done[node] = self._assign(self._call(node.op, [*node.args]))
        return self._done[node]

    def _call(self, op: str, args: list[Expr]) -> str:
        if op == "^":
            base, exponent = args
            if isinstance(exponent, Number) and exponent.value in (2.0, 3.0, 4.0):
                return "*".join([self._term(base)] * int(exponent.value))
            return self.power.format(self._term(base), self._term(exponent))
        terms = [self._term(arg) for arg in args]
        if op in ("+", "*", "-", "/"):
            return op.join(f"({term})" if term.startswith("-") else term for term in terms)
        if op == "neg":
            return f"-{terms[0]}" if not terms[0].startswith("-") else f"-({terms[0]})"
        if op in ("exp", "log", "sqrt"):
            return f"{op}({terms[0]})"
        raise ValueError(f"no text for {op}")

    def _assign(self, value: str) -> str:
        name = f"v{len(self.text)}"
        self.text.append(f"{self.declare} {name} = {value}{self.end}".strip())
        return name


def fixed_order(model: Model) -> list[str]:
    """Return the ids of what never changes in a solve, in the order of the model."""
    items = (*model.spec.parameters, *model.spec.assignments)
    return [item.id for item in items if item.id in model.fixed]
