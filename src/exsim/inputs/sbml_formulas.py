"""All formulas of an SBML model as expression trees, by the element that they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libsbml

from ..formula import Expr
from .findings import Findings
from .sbml_math import MathReader


@dataclass(frozen=True)
class RawEvent:
    """An event as the file has it: its trigger is not yet a time."""

    id: str
    trigger: Expr
    initially_true: bool
    values_from_trigger_time: bool
    assignments: tuple[tuple[str, Expr], ...]


@dataclass
class Formulas:
    """What the rules, initial assignments, rate laws and events of a model say."""

    assignment_rules: dict[str, Expr] = field(default_factory=dict)
    rate_rules: dict[str, Expr] = field(default_factory=dict)
    initial: dict[str, Expr] = field(default_factory=dict)
    rate_laws: dict[str, Expr] = field(default_factory=dict)
    #: (id "reaction.parameter", the local parameter)
    local_parameters: list[tuple[str, libsbml.LocalParameter]] = field(default_factory=list)
    events: list[RawEvent] = field(default_factory=list)

    def trees(self) -> Iterator[tuple[str, Expr]]:
        """Yield (id of the element, tree) of every formula."""
        for table in (self.assignment_rules, self.rate_rules, self.initial, self.rate_laws):
            yield from table.items()
        for event in self.events:
            yield event.id, event.trigger
            yield from ((event.id, tree) for _, tree in event.assignments)


def read_formulas(model: libsbml.Model, dropped: frozenset[str], findings: Findings) -> Formulas:
    """Read every formula of a model. Events that assign only ids of `dropped` are left out."""
    reader = MathReader(model, findings)
    formulas = Formulas()
    for rule in model.getListOfRules():
        tree = (
            reader.read(rule.getMath(), rule.getVariable(), rule.getElementName())
            if not rule.isAlgebraic()
            else None
        )
        if tree is not None:
            where = formulas.assignment_rules if rule.isAssignment() else formulas.rate_rules
            where[rule.getVariable()] = tree
    for item in model.getListOfInitialAssignments():
        tree = reader.read(item.getMath(), item.getSymbol(), "initialAssignment")
        if tree is not None:
            formulas.initial[item.getSymbol()] = tree
    for reaction in model.getListOfReactions():
        _read_rate_law(reaction, reader, formulas)
    for event in model.getListOfEvents():
        _read_event(event, reader, dropped, formulas, findings)
    if model.getNumConstraints():
        findings.warn(f"{model.getNumConstraints()} constraint(s) of the model are not watched")
    return formulas


def _read_rate_law(reaction: libsbml.Reaction, reader: MathReader, formulas: Formulas) -> None:
    law = reaction.getKineticLaw()
    if law is None:
        return
    local = {item.getId(): f"{reaction.getId()}.{item.getId()}" for item in law.getListOfLocalParameters()}
    formulas.local_parameters += [(local[item.getId()], item) for item in law.getListOfLocalParameters()]
    tree = reader.read(law.getMath(), reaction.getId(), "reaction", local)
    if tree is not None:
        formulas.rate_laws[reaction.getId()] = tree


def _read_event(
    event: libsbml.Event, reader: MathReader, dropped: frozenset[str], formulas: Formulas, findings: Findings
) -> None:
    id = event.getId() or "an event"
    targets = {item.getVariable() for item in event.getListOfEventAssignments()}
    if targets & dropped:
        if not targets <= dropped:
            findings.error(
                f"the event {id} assigns {', '.join(sorted(targets & dropped))}, which the protocol drives,"
                f" and {', '.join(sorted(targets - dropped))}, which it does not",
                id,
                hint="write two events",
            )
        return
    if not event.isSetTrigger() or not event.getTrigger().isSetMath():
        return  # SBML: it never fires.
    trigger = reader.read(event.getTrigger().getMath(), id, "event")
    assignments = [
        (item.getVariable(), reader.read(item.getMath(), id, "event"))
        for item in event.getListOfEventAssignments()
    ]
    done = tuple((variable, tree) for variable, tree in assignments if tree is not None)
    if trigger is not None:
        formulas.events.append(
            RawEvent(
                id, trigger, event.getTrigger().getInitialValue(), event.getUseValuesFromTriggerTime(), done
            )
        )
