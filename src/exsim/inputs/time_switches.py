"""Right-hand sides that jump at a known time -> inputs that switch there (FAULTS row 73).

At the very moment of a jump a quantity that enters a rate has the value that follows, whether its
comparison is strict or not: for an integral the moment itself counts nothing.
"""

from __future__ import annotations

from dataclasses import replace

from ..formula import Call, Expr, Name, Number, Time, names, transform, walk
from ..model_spec import TimeSwitch
from .findings import Findings
from .sbml_model import Draft
from .time_analysis import COMPARISONS, NotLinear, TimeAnalysis, jumps_with_time_alone, reached_rules


def split_at_jumps(draft: Draft, analysis: TimeAnalysis, findings: Findings) -> tuple[TimeSwitch, ...]:
    """Replace comparisons with time by switches in all that enters a rate; return the switches.

    A quantity that enters no rate keeps its comparison: nothing is integrated over it. What a formula
    at time 0 needs is written out with the comparison itself.
    """
    rules = {id: item.value for id, item in draft.assignments.items()}
    in_rates = reached_rules([state.rate for state in draft.states.values()], rules)
    switches: dict[Expr, TimeSwitch] = {}

    def switched(expr: Expr, place: str, kind: str) -> Expr:
        for function in jumps_with_time_alone(expr, analysis):
            findings.refuse(
                f"{function} of time in a rate ({place})",
                place,
                hint="write events in its place",
                kinds=(kind,),
            )

        def exchange(node: Expr) -> Expr | None:
            if not isinstance(node, Call) or node.op not in COMPARISONS:
                return None
            depends = analysis.dependence(node)
            if depends == "state":
                findings.warn(f"the rate of {place} jumps where a state crosses a value; steps adapt to it")
            return _switch(node, place) if depends == "time" else node

        def _switch(node: Call, place: str) -> Expr | None:
            try:
                turn = analysis.turn(node)
            except NotLinear:
                findings.refuse(
                    f"a comparison ({node.op}) with a function of time in a rate ({place})",
                    place,
                    hint="compare time itself with numbers and parameters, or write events",
                    kinds=(kind,),
                )
                return node
            number = len(switches) + 1
            switch = switches.setdefault(turn.at, TimeSwitch(f"switch.{number}", turn.at))
            return Call(">" if turn.rising else "<", (Name(switch.id), Number(0.5)))

        return transform(expr, exchange)

    refused_before = len(findings.refusals)
    _write_out_at_start(draft, in_rates, rules)
    draft.reactions = [
        replace(reaction, rate=switched(reaction.rate, reaction.id, "reaction"))
        for reaction in draft.reactions
    ]
    # What reactions do to their species is the same formulas again.
    refused = len(findings.refusals) > refused_before
    done = {id for reaction in draft.reactions for id, _ in reaction.stoichiometry} if refused else set()
    for id, state in draft.states.items():
        if id in done:
            continue
        draft.states[id] = replace(state, rate=switched(state.rate, id, "rateRule"))
    for id in sorted(in_rates):
        value = switched(draft.assignments[id].value, id, "assignmentRule")
        draft.assignments[id] = replace(draft.assignments[id], value=value)
    return tuple(switches.values())


def _compares_time(expr: Expr) -> bool:
    return any(isinstance(node, Call) and node.op in COMPARISONS for node in walk(expr))


def _write_out_at_start(draft: Draft, in_rates: set[str], rules: dict[str, Expr]) -> None:
    """Put rules that are about to get switches into the formulas of time 0, where switches are not on yet."""
    jumping = {id for id in in_rates if _compares_time(rules[id])}
    if not jumping:
        return
    users = {id for id in rules if reached_rules([rules[id]], rules) & jumping} | jumping

    def written_out(expr: Expr) -> Expr:
        def exchange(node: Expr) -> Expr | None:
            if isinstance(node, Name) and node.id in users:
                return written_out(rules[node.id])
            return Number(0.0) if isinstance(node, Time) else None

        return transform(expr, exchange) if names(expr) & users else expr

    for id, state in draft.states.items():
        draft.states[id] = replace(state, initial=written_out(state.initial))
    for id, parameter in draft.parameters.items():
        if parameter.initial is not None:
            draft.parameters[id] = replace(parameter, initial=written_out(parameter.initial))
