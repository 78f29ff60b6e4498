"""SBML -> ModelSpec, without its card: the steps one after the other."""

from __future__ import annotations

from collections.abc import Mapping

import libsbml

from ..formula import Call, Expr, names, uses_time, walk
from ..model_spec import ModelSpec
from .findings import Findings
from .model_limits import check_size
from .model_order import check_cycles, ordered
from .sbml_document import SbmlText, check_units, read_document
from .sbml_events import timed_events
from .sbml_formulas import Formulas, read_formulas
from .sbml_model import Draft, draft_model
from .sbml_refusals import refuse_constructs
from .sbml_units import time_unit_in_hours
from .sbml_values import check_compartments, check_names
from .time_analysis import TimeAnalysis
from .time_switches import split_at_jumps

#: libsbml's unit check takes seconds for longer sums and larger formulas.
_MAX_TERMS_FOR_UNITS, _MAX_NODES_FOR_UNITS = 500, 20_000


def model_from_sbml(
    source: SbmlText, name: str, driven: frozenset[str], *, strict_units: bool
) -> ModelSpec | None:
    """Return the ModelSpec of an SBML text; None where something is wrong, which is then in its findings.

    `driven` are the ids that a protocol drives: they become inputs, and events that assign them
    are left out. With `strict_units` units that do not fit or cannot be checked are mistakes.
    """
    findings = source.findings
    document = read_document(source)
    if document is None:
        return None
    model = document.getModel()
    refuse_constructs(document, findings)
    formulas = read_formulas(model, driven, findings)
    draft = draft_model(model, formulas, driven, findings)
    check_names(model, draft, formulas, findings)
    rules = {id: item.value for id, item in draft.assignments.items()}
    check_cycles(rules, draft.formulas_at_start(), findings)
    hours = _time_unit(model, findings)
    if not (draft.parameters or draft.states or draft.assignments):
        findings.error("the model is empty: it has no parameter, no species and no rule")
    if findings.errors:
        return None
    _check_units(document, source, formulas, strict=strict_units)
    check_size(draft, findings)
    if findings.errors:
        return None
    check_compartments(draft, findings)
    analysis = TimeAnalysis(_fixed(draft, rules), rules)
    events = timed_events(formulas.events, draft, analysis, findings)
    switches = split_at_jumps(draft, analysis, findings)
    if findings.errors or findings.refusals:
        return None
    rules = {id: item.value for id, item in draft.assignments.items()}
    return ModelSpec(
        name=name,
        time_unit_h=hours,
        parameters=tuple(draft.parameters.values()),
        states=tuple(draft.states.values()),
        assignments=tuple(draft.assignments[id] for id in ordered(rules)[0]),
        inputs=tuple(draft.inputs.values()),
        events=events,
        switches=switches,
        reactions=tuple(draft.reactions),
    )


def _check_units(
    document: libsbml.SBMLDocument, source: SbmlText, formulas: Formulas, *, strict: bool
) -> None:
    for id, tree in formulas.trees():
        sizes = [len(node.args) if isinstance(node, Call) else 0 for node in walk(tree)]
        if max(sizes) > _MAX_TERMS_FOR_UNITS or len(sizes) > _MAX_NODES_FOR_UNITS:
            message = f"the units of the model are not checked: the formula of {id} is too long for it"
            if strict:
                source.findings.error(message, id, hint="split it into assignment rules")
            else:
                source.findings.warn(message)
            return
    check_units(document, source, strict=strict)


def _fixed(draft: Draft, rules: Mapping[str, Expr]) -> frozenset[str]:
    """Return the ids that never change: parameters and the rules that follow from them alone."""
    fixed = set(draft.parameters)
    for id in ordered(rules)[0]:
        if names(rules[id]) <= fixed and not uses_time(rules[id]):
            fixed.add(id)
    return frozenset(fixed)


def _time_unit(model: libsbml.Model, findings: Findings) -> float:
    try:
        hours = time_unit_in_hours(model)
    except ValueError as unit:
        findings.error(f'the unit of time, "{unit}", is not a unit of time', str(unit))
        return 1.0
    if hours is None:
        findings.warn("the model names no unit of time: hours are taken")
        return 1.0
    return hours
