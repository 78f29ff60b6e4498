"""A checked SBML document -> the parts of a ModelSpec: parameters, states, rules, reactions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import libsbml

from ..errors import nearest
from ..formula import Call, Expr, Name, Number, add, names
from ..model_spec import Assignment, Input, Parameter, Reaction, State
from .findings import Findings
from .sbml_formulas import Formulas
from .sbml_units import unit_text


@dataclass
class Draft:
    """The parts of a model while they are gathered, by id."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    reactions: list[Reaction] = field(default_factory=list)

    def formulas_at_start(self) -> dict[str, Expr]:
        """Return what computes each id at time 0: a number, an initial assignment or a rule."""
        formulas: dict[str, Expr] = {
            id: Number(0.0 if p.value is None else p.value) for id, p in self.parameters.items()
        }
        formulas |= {id: p.initial for id, p in self.parameters.items() if p.initial is not None}
        formulas |= {id: state.initial for id, state in self.states.items()}
        formulas |= {id: item.value for id, item in self.assignments.items()}
        return formulas | {id: Number(0.0) for id in self.inputs}


@dataclass(frozen=True)
class _Source:
    """What every step needs: the model, its formulas, and where complaints go."""

    model: libsbml.Model
    formulas: Formulas
    findings: Findings
    driven: frozenset[str]
    event_targets: frozenset[str]

    @cached_property
    def valued(self) -> list[str]:
        """Ids that have a value or a rule."""
        model, formulas = self.model, self.formulas
        given = [item.getId() for item in model.getListOfParameters() if item.isSetValue()]
        given += [item.getId() for item in model.getListOfCompartments() if item.isSetSize()]
        given += [
            item.getId()
            for item in model.getListOfSpecies()
            if item.isSetInitialAmount() or item.isSetInitialConcentration()
        ]
        return sorted({*given, *formulas.assignment_rules, *formulas.initial})


def draft_model(
    model: libsbml.Model, formulas: Formulas, driven: frozenset[str], findings: Findings
) -> Draft:
    """Gather parameters, states, rules and reactions. `driven` are the ids that a protocol drives."""
    targets = frozenset(variable for event in formulas.events for variable, _ in event.assignments)
    source = _Source(model, formulas, findings, driven, targets)
    draft = Draft()
    for compartment in model.getListOfCompartments():
        _add_compartment(source, draft, compartment)
    for parameter in model.getListOfParameters():
        _add_parameter(source, draft, parameter)
    for id, local in formulas.local_parameters:
        value = _finite(source, id, local.getValue() if local.isSetValue() else None)
        draft.parameters[id] = Parameter(
            id, value, unit_text(local.getUnits(), local.getDerivedUnitDefinition())
        )
    changes = _changes(source, draft)
    for species in model.getListOfSpecies():
        _add_species(source, draft, species, changes.get(species.getId(), []))
    _add_reaction_rates(source, draft)
    return draft


def _finite(source: _Source, id: str, value: float | None) -> float | None:
    if value is None or math.isnan(value):
        match = nearest(id, [other for other in source.valued if other != id])
        source.findings.error(
            f'"{id}" has no value' if value is None else f'the value of "{id}" is not a number',
            id,
            hint=f'Did you mean "{match}"?  Else give it a value' if match else "give it a value",
        )
    elif math.isinf(value):
        source.findings.error(f'the value of "{id}" is infinite', id)
    return value


def _add_compartment(source: _Source, draft: Draft, item: libsbml.Compartment) -> None:
    id = item.getId()
    unit = unit_text(item.getUnits(), item.getDerivedUnitDefinition())
    initial = source.formulas.initial.get(id)
    size = item.getSize() if item.isSetSize() else None
    if size is None and initial is None:
        return  # Only an error where a formula needs it: `_size`.
    draft.parameters[id] = Parameter(id, size, unit, initial)
    if initial is None:
        _finite(source, id, size)


def _has_size(source: _Source, item: libsbml.Compartment) -> bool:
    return item.isSetSize() or item.getId() in source.formulas.initial


def _add_parameter(source: _Source, draft: Draft, item: libsbml.Parameter) -> None:
    id = item.getId()
    unit = unit_text(item.getUnits(), item.getDerivedUnitDefinition())
    formulas = source.formulas
    initial = formulas.initial.get(id)
    value = item.getValue() if item.isSetValue() else None
    if id in source.driven:
        _add_input(source, draft, id, unit, value)
    elif id in formulas.assignment_rules:
        draft.assignments[id] = Assignment(id, unit, formulas.assignment_rules[id])
    else:
        if initial is None:
            value = _finite(source, id, value)
        if id in formulas.rate_rules or id in source.event_targets:
            rate = formulas.rate_rules.get(id, Number(0.0))
            draft.states[id] = State(id, unit, initial or Number(value or 0.0), rate, "parameter")
        else:
            draft.parameters[id] = Parameter(id, value, unit, initial)


def _add_input(source: _Source, draft: Draft, id: str, unit: str, value: float | None) -> None:
    formulas = source.formulas
    ruled = id in formulas.assignment_rules or id in formulas.rate_rules or id in formulas.initial
    if ruled:
        source.findings.error(
            f'"{id}" is driven by the protocol, but a rule computes it',
            id,
            hint="take the rule or the [[input]] out",
        )
    elif value != 0:
        shown = "no value" if value is None else f"the value {value:g}"
        source.findings.error(
            f'"{id}" is driven by the protocol and must be 0 at rest, but has {shown}',
            id,
            hint="write 0 with its unit",
        )
    draft.inputs[id] = Input(id, unit)


def _changes(source: _Source, draft: Draft) -> dict[str, list[Expr]]:
    """Return the terms of d(amount)/dt of each species from its reactions, and note the reactions."""
    terms: dict[str, list[Expr]] = {}
    for reaction in source.model.getListOfReactions():
        net: dict[str, float] = {}
        for sign, references in ((-1.0, reaction.getListOfReactants()), (1.0, reaction.getListOfProducts())):
            for reference in references:
                id = reference.getSpecies()
                net[id] = net.get(id, 0.0) + sign * reference.getStoichiometry()
        law = source.formulas.rate_laws.get(reaction.getId())
        changed = {id: n for id, n in net.items() if n != 0 and _reactions_change(source, id)}
        if law is None:
            if changed:
                # SBML: the rate is then not given at all, which is not the same as zero.
                source.findings.error(f"the reaction {reaction.getId()} has no rate law", reaction.getId())
            continue
        draft.reactions.append(Reaction(reaction.getId(), law, tuple(changed.items())))
        for id, number in changed.items():
            rate: Expr = law if number == 1 else Call("*", (Number(number), law))
            terms.setdefault(id, []).append(Call("neg", (law,)) if number == -1 else rate)
    return terms


def _reactions_change(source: _Source, id: str) -> bool:
    species = source.model.getSpecies(id)
    return species is not None and not species.getBoundaryCondition() and not species.getConstant()


def _add_species(source: _Source, draft: Draft, item: libsbml.Species, terms: list[Expr]) -> None:
    id, formulas = item.getId(), source.formulas
    compartment = source.model.getCompartment(item.getCompartment())
    # A compartment without dimensions (membrane point) has no volume: amounts throughout.
    flat = compartment.isSetSpatialDimensions() and compartment.getSpatialDimensionsAsDouble() == 0
    as_amount = item.getHasOnlySubstanceUnits() or flat
    unit = unit_text("", item.getDerivedUnitDefinition())
    if id in formulas.assignment_rules:
        draft.assignments[id] = Assignment(id, unit, formulas.assignment_rules[id])
        return
    initial = formulas.initial.get(id) or _initial_quantity(source, item, as_amount)
    if item.getConstant() and id not in formulas.rate_rules and id not in source.event_targets:
        value = initial.value if isinstance(initial, Number) else None
        draft.parameters[id] = Parameter(id, value, unit, None if isinstance(initial, Number) else initial)
        return
    if id in formulas.rate_rules:
        rate = formulas.rate_rules[id]
    else:
        rate = add(terms)
        factor = item.getConversionFactor() or source.model.getConversionFactor()
        if terms and factor:
            rate = Call("*", (Name(factor), rate))
        if terms and not as_amount:
            rate = Call("/", (rate, _size(source, item)))
    kind: Literal["amount", "concentration"] = "amount" if as_amount else "concentration"
    draft.states[id] = State(id, unit, initial, rate, kind, item.getCompartment())


def _size(source: _Source, species: libsbml.Species) -> Expr:
    """Return the volume of the compartment of a species; an error is noted where it has none."""
    compartment = source.model.getCompartment(species.getCompartment())
    id = compartment.getId()
    if not _has_size(source, compartment):
        source.findings.error(f'the compartment "{id}" has no size', id, hint="give it a size with its unit")
    return Name(id)


def _initial_quantity(source: _Source, item: libsbml.Species, as_amount: bool) -> Expr:
    if item.isSetInitialAmount():
        value = Number(_finite(source, item.getId(), item.getInitialAmount()) or 0.0)
        given_as_amount = True
    elif item.isSetInitialConcentration():
        value = Number(_finite(source, item.getId(), item.getInitialConcentration()) or 0.0)
        given_as_amount = False
    else:
        _finite(source, item.getId(), None)
        return Number(0.0)
    if value.value < 0:
        source.findings.warn(f'"{item.getId()}" starts below zero, at {value.value:g}')
    if given_as_amount == as_amount or value.value == 0:
        if not as_amount:
            _size(source, item)
        return value
    return Call("*" if as_amount else "/", (value, _size(source, item)))


def _add_reaction_rates(source: _Source, draft: Draft) -> None:
    """A reaction whose id stands in a formula becomes a computed quantity of that id."""
    reactions = {reaction.id: reaction for reaction in draft.reactions}
    used: set[str] = set()
    for _, tree in source.formulas.trees():
        used |= names(tree) & reactions.keys()
    for id in sorted(used):
        law = source.model.getReaction(id).getKineticLaw()
        draft.assignments[id] = Assignment(
            id, unit_text("", law.getDerivedUnitDefinition()), reactions[id].rate
        )
