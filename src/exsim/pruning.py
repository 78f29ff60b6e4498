"""ModelSpec -> smaller ModelSpec: what a protocol leaves at zero, and what nothing observed depends on.

A marathon without endotoxin leaves LPS and what responds to it at zero from start to end, and a
sweep that asks for IL-6 alone has no use for cortisol: neither needs to be integrated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from .formula import Call, Expr, Name, Number, Time, names
from .model_spec import Assignment, ModelSpec, TimedEvent

ZERO, ONE = Number(0.0), Number(1.0)

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}

_LOGICAL = frozenset(_COMPARE) | {"and", "or", "xor", "not"}

#: Functions that are 0 at 0.
_ZERO_AT_ZERO = frozenset(
    ("neg", "sqrt", "abs", "floor", "ceil", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh")
)


@dataclass(frozen=True)
class _Facts:
    # What holds in every draw: the values of leaves, which of them are above 0, which are true or false.
    values: Mapping[Expr, Expr]
    positive: frozenset[Expr]
    logical: frozenset[Expr] = frozenset()


def prune_model(
    model: ModelSpec,
    *,
    wanted: Collection[str],
    driven: Collection[str],
    changed: Collection[str],
    dosed: Collection[str],
    values: Mapping[str, float] | None = None,
) -> ModelSpec:
    """Return the model without the states that stay at zero and those that nothing wanted depends on.

    `wanted` are the ids of the states and rules that are observed, `driven` those of the inputs that
    the protocol drives (the others are 0 for ever), `dosed` the states that a bolus raises, `changed`
    the parameters whose value is not that of the model file; `values` gives those of them that have
    one value in all draws, in the unit of the model. The result stands for these alone: another
    parameter value or protocol needs a pruning of its own.

    A state stays at zero if its start, its rate and what events assign to it are zero by their
    structure (0 x, 0 / x, 0^n, ...) while all such states and all undriven inputs are zero. It is
    replaced by 0 in every formula; one that is wanted remains, with rate 0. Here 0 x and 0 / x are 0
    even where x would be infinite or 0 in some draw, and the whole model not a number: check the start
    (`workflows.check_start`) with the whole model.

    Parameters with a value, inputs and the order of everything remain, so that parameter arrays and
    protocols fit both models; dosed states remain for the same reason. Computed parameters, rules,
    switches, events and entries of the card go with what they serve, and reactions are left out: the
    rates of the states hold all that is integrated. If no state would remain, the model is returned as
    it is. Raises KeyError for an id that the model lacks.
    """
    values = values or {}
    observable = [*(state.id for state in model.states), *(item.id for item in model.assignments)]
    _check_ids(model, "state or rule", observable, wanted)
    _check_ids(model, "state", [state.id for state in model.states], dosed)
    _check_ids(model, "input", [item.id for item in model.inputs], driven)
    own = {p.id: p.value for p in model.parameters if p.initial is None}
    _check_ids(model, "parameter with a value", own, (*changed, *values))
    constant = {id: value for id, value in own.items() if id not in changed} | dict(values)
    positive = frozenset(Name(id) for id, value in constant.items() if value is not None and value > 0)
    zero: dict[Expr, Expr] = {Name(id): ZERO for id, value in constant.items() if value == 0}
    start = _facts_at_start(model, _Facts(zero, positive))
    zero |= {Name(p.id): ZERO for p in model.parameters if start.values.get(Name(p.id)) == ZERO}
    zero |= {Name(item.id): ZERO for item in model.inputs if item.id not in driven}
    candidates = frozenset(
        state.id
        for state in model.states
        if state.id not in dosed and start.values.get(Name(state.id)) == ZERO
    )
    empty, facts, rules = _staying_zero(model, candidates, _Facts(zero, positive))
    simpler = replace(
        model,
        parameters=tuple(
            p if p.initial is None else replace(p, initial=_simplify(p.initial, start))
            for p in model.parameters
        ),
        states=tuple(
            replace(state, initial=_simplify(state.initial, start), rate=_simplify(state.rate, facts))
            for state in model.states
        ),
        assignments=rules,
        events=tuple(_simplify_event(event, facts, empty) for event in model.events),
        switches=tuple(replace(item, threshold=_simplify(item.threshold, facts)) for item in model.switches),
        reactions=(),
    )
    by_protocol = () if model.card is None else [id for _, id in (*model.card.subject, *model.card.baselines)]
    pruned = _keep(simpler, _ancestors(simpler, {*wanted, *dosed, *by_protocol}))
    return pruned if pruned.states else model


def _check_ids(model: ModelSpec, kind: str, known: Collection[str], ids: Collection[str]) -> None:
    unknown = set(ids) - set(known)
    if unknown:
        raise KeyError(f"{model.name} has no {kind} {', '.join(sorted(unknown))}")


def _facts_at_start(model: ModelSpec, facts: _Facts) -> _Facts:
    # Before anything is done every input is at rest, and an id is what its initial assignment or rule says.
    known = dict(facts.values)
    resting = [*(item.id for item in model.inputs), *(item.id for item in model.switches)]
    known |= {Name(id): ZERO for id in resting}
    known[Time()] = ZERO
    formulas = {item.id: item.value for item in model.assignments}
    formulas |= {state.id: state.initial for state in model.states}
    formulas |= {p.id: p.initial for p in model.parameters if p.initial is not None}
    facts = replace(facts, logical=_logical_rules(model.assignments))
    while True:
        found: dict[Expr, Expr] = {
            Name(id): ZERO
            for id, formula in formulas.items()
            if Name(id) not in known and _simplify(formula, replace(facts, values=known)) == ZERO
        }
        if not found:
            return replace(facts, values=known)
        known |= found


def _staying_zero(
    model: ModelSpec, candidates: frozenset[str], facts: _Facts
) -> tuple[frozenset[str], _Facts, tuple[Assignment, ...]]:
    # The states among the candidates that stay at zero, what is known with them, and the rules then.
    while True:
        known = replace(facts, values={**facts.values, **{Name(id): ZERO for id in candidates}})
        known, rules = _simplify_rules(model, known)
        trees = [(state.id, state.rate) for state in model.states]
        trees += [item for event in model.events for item in event.assignments]
        rising = {id for id, tree in trees if id in candidates and _simplify(tree, known) != ZERO}
        if not rising:
            return candidates, known, rules
        candidates -= rising


def _simplify_rules(model: ModelSpec, facts: _Facts) -> tuple[_Facts, tuple[Assignment, ...]]:
    known = dict(facts.values)
    facts = _Facts(known, facts.positive, _logical_rules(model.assignments))
    rules = []
    for item in model.assignments:
        value = _simplify(item.value, facts)
        rules.append(replace(item, value=value))
        if isinstance(value, Number):
            known[Name(item.id)] = value
    return facts, tuple(rules)


def _logical_rules(rules: tuple[Assignment, ...]) -> frozenset[Expr]:
    found: set[Expr] = set()
    for item in rules:
        if item.value in found or (isinstance(item.value, Call) and item.value.op in _LOGICAL):
            found.add(Name(item.id))
    return frozenset(found)


def _simplify_event(event: TimedEvent, facts: _Facts, empty: frozenset[str]) -> TimedEvent:
    assignments = [(id, _simplify(tree, facts)) for id, tree in event.assignments if id not in empty]
    return replace(event, time=_simplify(event.time, facts), assignments=tuple(assignments))


def _ancestors(model: ModelSpec, ids: set[str]) -> frozenset[str]:
    # The ids and all that enters them, at time 0 or later.
    reads: dict[str, frozenset[str]] = {item.id: names(item.value) for item in model.assignments}
    reads |= {p.id: names(p.initial) for p in model.parameters if p.initial is not None}
    reads |= {item.id: names(item.threshold) for item in model.switches}
    reads |= {state.id: names(state.initial) | names(state.rate) for state in model.states}
    for event in model.events:
        for id, tree in event.assignments:
            reads[id] |= names(tree) | names(event.time)
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += reads.get(id, ())
    return frozenset(found)


def _keep(model: ModelSpec, ids: frozenset[str]) -> ModelSpec:
    states = tuple(state for state in model.states if state.id in ids)
    rules = tuple(item for item in model.assignments if item.id in ids)
    events = [
        replace(event, assignments=tuple(item for item in event.assignments if item[0] in ids))
        for event in model.events
    ]
    card = model.card
    if card is not None:
        # What stays of the card names nothing that has gone.
        left = {*(state.id for state in states), *(item.id for item in rules)}
        card = replace(
            card,
            observables=tuple(item for item in card.observables if item.id in left),
            boluses=tuple(item for item in card.boluses if item[1] in left),
        )
    return replace(
        model,
        parameters=tuple(p for p in model.parameters if p.initial is None or p.id in ids),
        states=states,
        assignments=rules,
        events=tuple(event for event in events if event.assignments),
        switches=tuple(item for item in model.switches if item.id in ids),
        card=card,
    )


def _simplify(expr: Expr, facts: _Facts) -> Expr:
    # With a stack of its own: a tree may be deeper than Python's.
    done: dict[Expr, Expr] = {}
    waiting = [expr]
    while waiting:
        node = waiting[-1]
        missing = [arg for arg in node.args if arg not in done] if isinstance(node, Call) else []
        if missing:
            waiting += missing
            continue
        waiting.pop()
        if isinstance(node, Call):
            done[node] = _simplify_call(node.op, tuple(done[arg] for arg in node.args), facts)
        else:
            done[node] = facts.values.get(node, node)
    return done[expr]


def _simplify_call(op: str, args: tuple[Expr, ...], facts: _Facts) -> Expr:
    if op in _SIMPLER:
        return _SIMPLER[op](args, facts)
    if (op in _ZERO_AT_ZERO or op in ("min", "max")) and all(arg == ZERO for arg in args):
        return ZERO
    if op in _COMPARE and isinstance(args[0], Number) and isinstance(args[1], Number):
        return ONE if _COMPARE[op](args[0].value, args[1].value) else ZERO
    return Call(op, args)


def _number(expr: Expr, facts: _Facts) -> Expr:
    # A sum of one term turns a truth value into 1 or 0, as the sum that stood here did.
    is_logical = expr in facts.logical or (isinstance(expr, Call) and expr.op in _LOGICAL)
    return Call("+", (expr,)) if is_logical else expr


def _sum(args: tuple[Expr, ...], facts: _Facts) -> Expr:
    terms = tuple(arg for arg in args if arg != ZERO)
    if len(terms) > 1:
        return Call("+", terms)
    return _number(terms[0], facts) if terms else ZERO


def _product(args: tuple[Expr, ...], facts: _Facts) -> Expr:
    if ZERO in args:
        return ZERO
    factors = tuple(arg for arg in args if arg != ONE)
    if len(factors) > 1:
        return Call("*", factors)
    return _number(factors[0], facts) if factors else ONE


def _difference(args: tuple[Expr, ...], facts: _Facts) -> Expr:
    left, right = args
    if right == ZERO:
        return _number(left, facts)
    return Call("neg", (right,)) if left == ZERO else Call("-", args)


def _quotient(args: tuple[Expr, ...], facts: _Facts) -> Expr:
    over, under = args
    if over == ZERO and under != ZERO:
        return ZERO
    return _number(over, facts) if under == ONE else Call("/", args)


def _power(args: tuple[Expr, ...], facts: _Facts) -> Expr:
    base, exponent = args
    positive = exponent in facts.positive or (isinstance(exponent, Number) and exponent.value > 0)
    if base == ZERO and positive:
        return ZERO
    if exponent == ZERO or base == ONE:
        return ONE
    return _number(base, facts) if exponent == ONE else Call("^", args)


def _piecewise(args: tuple[Expr, ...], facts: _Facts) -> Expr:
    pairs, otherwise = list(zip(args[:-1:2], args[1::2], strict=True)), args[len(args) // 2 * 2 :]
    left: list[Expr] = []
    for value, condition in pairs:
        if isinstance(condition, Number) and condition != ZERO:
            otherwise = (value,)
            break
        if condition != ZERO:
            left += [value, condition]
    if otherwise and all(value == otherwise[0] for value in left[::2]):
        return _number(otherwise[0], facts)
    # Without any case that holds, and no other value, it is not a number: as it was.
    return Call("piecewise", (*left, *otherwise)) if left or otherwise else Call("piecewise", args)


_SIMPLER: dict[str, Callable[[tuple[Expr, ...], _Facts], Expr]] = {
    "+": _sum,
    "*": _product,
    "-": _difference,
    "/": _quotient,
    "^": _power,
    "piecewise": _piecewise,
}
