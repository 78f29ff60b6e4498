"""SBML constructs that exsim does not do: each refused by name, with the element and its line."""

from __future__ import annotations

import libsbml

from .antimony_text import ALGEBRAIC_RULE
from .findings import Findings


def refuse_constructs(document: libsbml.SBMLDocument, findings: Findings) -> None:
    """Note every construct outside what exsim does that can be told without reading formulas."""
    model = document.getModel()
    for rule in model.getListOfRules():
        if rule.isAlgebraic():
            findings.refuse("an algebraic rule", ALGEBRAIC_RULE)
    for reaction in model.getListOfReactions():
        _refuse_in_reaction(model, reaction, findings)
    for event in model.getListOfEvents():
        if event.isSetDelay() and event.getDelay().isSetMath():
            hint = "write the later time into the trigger, such as at (time >= x + delay); for an effect that"
            findings.refuse(
                "an event with a delay", event.getId(), hint=f"{hint} lags, add a species between"
            )
        if event.isSetPriority() and event.getPriority().isSetMath():
            hint = "leave it out; where two events meet, write their assignments into one event"
            findings.refuse("an event with a priority", event.getId(), hint=hint)
    for compartment in model.getListOfCompartments():
        _refuse_variable_compartment(model, compartment, findings)


def _refuse_in_reaction(model: libsbml.Model, reaction: libsbml.Reaction, findings: Findings) -> None:
    for reference in [*reaction.getListOfReactants(), *reaction.getListOfProducts()]:
        id = reference.getId()
        place = f"of {reference.getSpecies()} in {reaction.getId()}"
        if id and (model.getRule(id) is not None or _event_assigns(model, id)):
            findings.refuse(f"a stoichiometry that changes ({place})", id)
        elif id and model.getInitialAssignment(id) is not None:
            findings.refuse(f"a stoichiometry that an initial assignment computes ({place})", id)
        elif reference.isSetId() and not reference.getConstant() and not reference.isSetStoichiometry():
            findings.refuse(f"a stoichiometry without a value ({place})", id)
        elif not reference.isSetStoichiometry():
            findings.refuse(f"a stoichiometry without a value ({place})", reaction.getId())


def _event_assigns(model: libsbml.Model, id: str) -> bool:
    return any(event.getEventAssignment(id) is not None for event in model.getListOfEvents())


def _refuse_variable_compartment(
    model: libsbml.Model, compartment: libsbml.Compartment, findings: Findings
) -> None:
    id = compartment.getId()
    rule = model.getRule(id)
    if rule is not None and rule.isSetMath():
        findings.refuse(f"a compartment whose size a rule changes ({id})", id, kinds=(rule.getElementName(),))
    for event in model.getListOfEvents():
        if event.getEventAssignment(id) is not None:
            findings.refuse(
                f"a compartment whose size an event changes ({id})", event.getId(), kinds=("event",)
            )
    if (
        compartment.isSetSpatialDimensions()
        and compartment.getSpatialDimensionsAsDouble() == 0
        and compartment.isSetSize()
    ):
        findings.refuse(f"a compartment without dimensions that has a size ({id})", id)
