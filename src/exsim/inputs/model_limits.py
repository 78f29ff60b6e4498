"""How large a model may be: beyond it, an estimate instead of an hour of compiling."""

from __future__ import annotations

from collections.abc import Mapping

from ..formula import Call, Expr, Name, walk
from .findings import Findings
from .model_order import ordered
from .sbml_model import Draft
from .xml_scan import XmlOutline

#: Elements that are read at all: species, reactions, rules.
MAX_ELEMENTS = 20_000
#: Measured on one shared core: compiling takes about 0.3 s per state (100 to 400 states) and 3 ms per
#: node of the formulas (700 to 7,000 nodes).
COMPILE_S_PER_STATE, COMPILE_S_PER_NODE = 0.3, 0.003
MAX_COMPILE_S, LONG_COMPILE_S = 1200.0, 60.0
#: Rules that use each other are evaluated one inside the other.
MAX_RULE_DEPTH = 250


def check_elements(outline: XmlOutline, findings: Findings) -> None:
    """Note a file with more elements than a model of exsim can have, with an estimate."""
    counts = {
        name: outline.counts.get(name, 0) for name in ("species", "reaction", "assignmentRule", "rateRule")
    }
    rules = counts["assignmentRule"] + counts["rateRule"]
    if counts["species"] + counts["reaction"] + rules > MAX_ELEMENTS:
        minutes = (counts["species"] + counts["rateRule"]) * COMPILE_S_PER_STATE / 60
        findings.error(
            f"the model has {counts['species']:,} species, {counts['reaction']:,} reactions and"
            f" {rules:,} rules; {MAX_ELEMENTS:,} together are the limit"
            f" (compiling it would take about {minutes:,.0f} min)",
            hint="exsim is made for kinetic models of up to some hundred species",
        )


def check_size(draft: Draft, findings: Findings) -> None:
    """Note a model that would take too long to compile, or whose rules build too high; warn of a slow one."""
    rules = {id: item.value for id, item in draft.assignments.items()}
    nodes = sum(_size(tree) for tree in [*rules.values(), *(state.rate for state in draft.states.values())])
    seconds = COMPILE_S_PER_STATE * len(draft.states) + COMPILE_S_PER_NODE * nodes
    if seconds > MAX_COMPILE_S:
        findings.error(
            f"the model has {len(draft.states):,} states and formulas of {nodes:,} parts: compiling it would"
            f" take about {seconds / 60:,.0f} min, {MAX_COMPILE_S / 60:.0f} min are the limit",
            hint="exsim is made for kinetic models of up to some hundred species",
        )
    elif seconds > LONG_COMPILE_S:
        findings.warn(f"compiling this model takes about {seconds / 60:.0f} min the first time")
    id, depth = _deepest({**rules, **draft.formulas_at_start()})
    if depth > MAX_RULE_DEPTH:
        findings.error(
            f"the rules build on each other {depth} deep ({MAX_RULE_DEPTH} is the limit)",
            id,
            hint="write some of them out",
        )


def _size(tree: Expr) -> int:
    return sum(1 for _ in walk(tree))


def _deepest(formulas: Mapping[str, Expr]) -> tuple[str, int]:
    """Return the id that takes the most nested evaluations, and how many."""
    depths: dict[str, int] = {}
    for id in ordered(formulas)[0]:
        depths[id] = _depth(formulas[id], depths)
    return max(depths.items(), key=lambda item: item[1], default=("", 0))


def _depth(tree: Expr, depths: Mapping[str, int]) -> int:
    deepest = 0
    waiting = [(tree, 1)]
    while waiting:
        node, level = waiting.pop()
        if isinstance(node, Call):
            waiting.extend((arg, level + 1) for arg in node.args)
        elif isinstance(node, Name):
            level += depths.get(node.id, 0)
        deepest = max(deepest, level)
    return deepest
