"""SBML -> ModelSpec, without its card: the steps one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..formula import Expr, names, uses_time
from ..model_spec import ModelSpec
from .findings import Findings
from .model_limits import check_size
from .model_order import check_cycles, ordered
from .sbml_document import read_document
from .sbml_events import timed_events
from .sbml_formulas import read_formulas
from .sbml_model import Draft, check_names, draft_model
from .sbml_refusals import refuse_constructs
from .sbml_units import time_unit_in_hours
from .time_analysis import TimeAnalysis
from .time_switches import split_at_jumps
from .xml_scan import XmlOutline


@dataclass(frozen=True)
class SbmlText:
    """An SBML text that was scanned; `written_by_user` says that its lines mean something to the user."""

    text: str
    outline: XmlOutline
    written_by_user: bool


def model_from_sbml(
    sbml: SbmlText, name: str, driven: frozenset[str], findings: Findings, strict_units: bool
) -> ModelSpec | None:
    """Return the ModelSpec of an SBML text; None where something is wrong, which is then in `findings`.

    `driven` are the ids that a protocol drives: they become inputs, and events that assign them
    are left out.
    """
    document = read_document(
        sbml.text, sbml.outline, findings, has_own_lines=sbml.written_by_user, strict_units=strict_units
    )
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
    if findings.errors or findings.refusals:
        return None
    check_size(draft, findings)
    if findings.errors:
        return None
    analysis = TimeAnalysis(_fixed(draft, rules), rules)
    events = timed_events(formulas.events, draft, analysis, findings)
    switches = split_at_jumps(draft, analysis, findings)
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


def _fixed(draft: Draft, rules: Mapping[str, Expr]) -> frozenset[str]:
    """Return the ids that never change: parameters and the rules that follow from them alone."""
    fixed = set(draft.parameters)
    for id in ordered(rules)[0]:
        if names(rules[id]) <= fixed and not uses_time(rules[id]):
            fixed.add(id)
    return frozenset(fixed)


def _time_unit(model: object, findings: Findings) -> float:
    try:
        hours = time_unit_in_hours(model)
    except ValueError as unit:
        findings.error(f'the unit of time, "{unit}", is not a unit of time')
        return 1.0
    if hours is None:
        findings.warn("the model names no unit of time: hours are taken")
        return 1.0
    return hours
