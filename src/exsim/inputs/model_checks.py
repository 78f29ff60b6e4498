"""A config against its model: parameters, analytes, targets and units, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..dosing import convert_dose
from ..errors import ConfigError, UnitError, did_you_mean
from ..formula import Expr, names
from ..model_spec import ModelCard, ModelSpec
from ..spec import ConfigSpec
from ..units import Quantity, dimension_words, factor, is_unit
from .config_checks import ConfigFindings
from .config_source import ConfigSource
from .sweep_model_checks import check_sweep_against_model
from .toml_lines import KeyPath

if TYPE_CHECKING:
    from .config import LoadedConfig

_PROTOCOL_DRIVERS = ("intensity", "whole_body_intensity", "active_muscle")


def check_against_model(config: LoadedConfig, model: ModelSpec) -> list[str]:
    """Check what a config asks of its model; return the warnings of both.

    Raises ConfigError with every parameter, analyte or target that the model lacks (nearest name),
    every value set for what a rule computes, and every unit that does not fit.
    """
    source = config.source or ConfigSource(str(config.path), config.text, config.sha256)
    found = ConfigFindings(source, warnings=list(config.warnings))
    check_experiment(found, config.spec, model)
    check_sweep_against_model(found, config, model)
    if found.problems:
        raise ConfigError(sorted(found.problems, key=lambda item: (item.file != source.file, item.line or 0)))
    return found.warnings


def check_experiment(
    found: ConfigFindings, spec: ConfigSpec, model: ModelSpec, observed: Collection[str] = ()
) -> None:
    """Note what of the parameters, the subject and the protocol of a config does not fit its model.

    `observed` are the ids that formulas outside the model take.
    """
    card = model.card or ModelCard(title=model.name)
    _check_parameters(found, spec, model, card, observed)
    _check_subject(found, spec, model, card)
    _check_bouts(found, spec, card)
    _check_inputs(found, spec, model, card)


def _check_parameters(
    found: ConfigFindings, spec: ConfigSpec, model: ModelSpec, card: ModelCard, observed: Collection[str]
) -> None:
    parameters = {item.id: item for item in model.parameters}
    volumes = {state.compartment for state in model.states if state.compartment}
    cards = dict(card.parameters)
    used = used_ids(model) | volumes | set(observed)
    held_by_subject = {target: name for name, target in card.subject}
    for id, value in spec.parameter.items():
        path: KeyPath = ("parameter", id)
        parameter = parameters.get(id)
        if parameter is None or parameter.initial is not None:
            _refuse_id(found, model, id, path, None if parameter is None else parameter.initial)
            continue
        if id not in used:
            found.warn("nothing in the model depends on it: the value has no effect", path)
        number = _in_unit(found, value, parameter.unit, path)
        if number is None:
            continue
        if id in volumes and number <= 0:
            found.refuse(f"the volume of the compartment {id} must be more than 0", path)
        bounds = cards[id].bounds if id in cards else None
        if bounds is not None and not bounds[0] <= number <= bounds[1]:
            limits = f"{bounds[0]:g} to {bounds[1]:g} {parameter.unit}"
            found.warn(f"{_shown(value)} lies outside the bounds that the model gives it ({limits})", path)
        given = held_by_subject.get(id)
        if given is not None and getattr(spec.subject, given, None) is not None:
            found.refuse(f"{id} is set by subject.{given} as well", path, "keep one of them")


def used_ids(model: ModelSpec) -> set[str]:
    """Return the ids that an expression of a model refers to; that of its default bout is none of these."""
    trees = [tree for state in model.states for tree in (state.initial, state.rate)]
    trees += [item.value for item in model.assignments]
    trees += [item.initial for item in model.parameters if item.initial is not None]
    trees += [
        tree for event in model.events for tree in (event.time, *(value for _, value in event.assignments))
    ]
    trees += [switch.threshold for switch in model.switches]
    trees += [reaction.rate for reaction in model.reactions]
    return {id for tree in trees for id in names(tree)}


def _refuse_id(found: ConfigFindings, model: ModelSpec, id: str, path: KeyPath, initial: Expr | None) -> None:
    rules = {item.id: item.value for item in model.assignments}
    if id in rules or initial is not None:
        expression = rules.get(id, initial)
        inside = ", ".join(sorted(names(expression))) if expression is not None else ""
        rule = f"the {'rule' if id in rules else 'initial assignment'} for {id}"
        hint = f"set what it is computed from: {inside}" if inside else None
        found.refuse(f"{id} is computed by {rule}: a value given here would be lost", path, hint)
    elif any(state.id == id for state in model.states):
        hint = "set the parameters that its start and its rate follow from"
        found.refuse(f"{id} is a state of the model, not a parameter", path, hint)
    elif any(item.id == id for item in model.inputs):
        found.refuse(f"{id} is an input of the model", path, "describe it under [protocol]")
    else:
        known = [item.id for item in model.parameters if item.initial is None]
        found.refuse(f'the model "{model.name}" has no parameter "{id}"', path, did_you_mean(id, known))


def _shown(value: Quantity | float) -> str:
    return f'"{value}"' if isinstance(value, Quantity) else f"{value:g}"


def _in_unit(found: ConfigFindings, value: Quantity | float, unit: str, path: KeyPath) -> float | None:
    # In a unit that cannot be written ("per_year" of an SBML file) a plain number is taken.
    own = is_unit(unit or "dimensionless")
    try:
        if isinstance(value, Quantity):
            return value.to(unit)
        if own:
            factor("dimensionless", unit or "dimensionless")
        return float(value)
    except UnitError as error:
        if isinstance(value, Quantity):
            hint = f'give it in "{unit}"' if own else f'write a plain number: it is taken in "{unit}"'
            found.refuse(f'"{value}": {error.problems[0].message}', path, hint)
        else:
            found.refuse(f"{value:g} has no unit", path, f'write it with its unit, "{value:g} {unit}"')
    return None


def _check_subject(found: ConfigFindings, spec: ConfigSpec, model: ModelSpec, card: ModelCard) -> None:
    subject, properties = spec.subject, dict(card.subject)
    units = {item.id: item.unit for item in model.parameters}
    for name in ("body_mass", "muscle_glycogen"):
        value = getattr(subject, name)
        path: KeyPath = ("subject", name)
        if value is None:
            continue
        if name not in properties:
            found.refuse(f'the model "{model.name}" does not take {name}', path, "leave it out")
        elif properties[name] in units:
            _in_unit(found, value, units[properties[name]], path)
    baselines = dict(card.baselines)
    for analyte, level in subject.baseline.items():
        path = ("subject", "baseline", analyte)
        id = baselines.get(analyte)
        if id is None:
            hint = did_you_mean(analyte, list(baselines))
            found.refuse(f'the model "{model.name}" has no resting level of "{analyte}"', path, hint)
            continue
        if id in spec.parameter:
            found.refuse(f"parameter.{id} sets the same level", path, "keep one of them")
        if id in units:
            _in_unit(found, level, units[id], path)


def _check_bouts(found: ConfigFindings, spec: ConfigSpec, card: ModelCard) -> None:
    modalities = [name for name, _ in card.modalities]
    driven = {driver.driver for driver in card.drivers}
    for index, bout in enumerate(spec.protocol.bout):
        path = ("protocol", "bout", index)
        if not driven.intersection(_PROTOCOL_DRIVERS):
            found.refuse("exercise drives nothing in this model", path, "leave the bouts out")
        elif bout.modality not in modalities:
            hint = did_you_mean(bout.modality, modalities)
            found.refuse(f'the model knows no exercise "{bout.modality}"', (*path, "modality"), hint)


def _check_inputs(found: ConfigFindings, spec: ConfigSpec, model: ModelSpec, card: ModelCard) -> None:
    protocol = spec.protocol
    units = {item.id: item.unit for item in model.inputs} | {item.id: item.unit for item in model.states}
    infused = {driver.target: driver.input for driver in card.drivers if driver.driver == "infusion"}
    takes_up = any(driver.driver == "carbohydrate" for driver in card.drivers)
    takes_mass = "body_mass" in dict(card.subject)
    for index, _ in enumerate(protocol.intake):
        if not takes_up:
            found.refuse(
                "carbohydrate drives nothing in this model", ("protocol", "intake", index), "leave it out"
            )
    for kind, targets, items in (
        ("infusion", infused, [(item.target, item.rate, "rate") for item in protocol.infusion]),
        ("bolus", dict(card.boluses), [(item.target, item.dose, "dose") for item in protocol.bolus]),
    ):
        for index, (target, amount, key) in enumerate(items):
            path: KeyPath = ("protocol", kind, index)
            id = targets.get(target)
            if id is None:
                hint = did_you_mean(target, list(targets))
                found.refuse(
                    f'the model "{model.name}" takes no {kind} of "{target}"', (*path, "target"), hint
                )
                continue
            _check_dose(found, amount, units.get(id, ""), takes_mass, (*path, key))


def _check_dose(found: ConfigFindings, amount: Quantity, unit: str, takes_mass: bool, path: KeyPath) -> None:
    try:
        _, power = convert_dose(amount, unit)
    except UnitError:
        absolute = unit.removesuffix("/kg")
        units = [unit]
        if takes_mass:
            units.append(absolute if absolute != unit else f"{unit} per kg of body mass")
        number = str(amount).partition(" ")[0]
        wanted = f"{dimension_words(absolute)} is wanted ({' or '.join(units)})"
        found.refuse(
            f'"{amount}": "{amount.unit}" is {dimension_words(amount.unit)}, but {wanted}',
            path,
            f'write e.g. "{number} {unit}"',
        )
        return
    if power != 0 and not takes_mass:
        found.refuse(f'"{amount}" depends on body mass, which the model lacks', path, f'give it in "{unit}"')
