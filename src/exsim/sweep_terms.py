"""What each kind of target of a sweep is in the model's terms: unit, nominal value, name, limits. No JAX."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .errors import ConfigError, Problem, UnitError, did_you_mean
from .intensity import intensity_fraction
from .model_spec import ModelCard, ModelSpec
from .moments import Moment
from .spec import BoutSpec, RunSpec
from .sweep_spec import TargetPath, Value, VarySpec
from .units import Quantity, factor, is_unit

#: A body mass outside these is impossible (kg), as in a config.
BODY_MASS_KG = (2.0, 650.0)


@dataclass(frozen=True)
class Terms:
    """A target in the model's terms, before its distribution."""

    unit: str
    nominal: float
    label: str
    #: What no draw leaves, whatever is asked for.
    limits: tuple[float, float]
    #: A value of the config -> a number in the unit. Raises ConfigError.
    read: Callable[[Value], float]
    after_end: bool = False


def fail(message: str, key: str = "target", hint: str | None = None) -> ConfigError:
    """Return the error of one key of a `[[sweep.vary]]`; "nominal" where the config's own value is wrong."""
    return ConfigError(Problem(message, key=key, hint=hint))


def _parameter_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> Terms:
    id = vary.path.key
    held = {target: name for name, target in (model.card or ModelCard(model.name)).subject}
    known = {item.id: item for item in model.parameters if item.initial is None}
    if id not in known:
        if id in {item.id for item in model.parameters} | {item.id for item in model.assignments}:
            raise fail(f"{id} is computed from other quantities", hint="vary what it is computed from")
        if any(item.id == id for item in model.states):
            hint = "vary the parameters that its start and its rate follow from"
            raise fail(f"{id} is a state of the model, not a parameter", hint=hint)
        raise fail(f'the model "{model.name}" has no parameter "{id}"', hint=did_you_mean(id, list(known)))
    given = getattr(spec.subject, held[id], None) if id in held else None
    cards = {} if model.card is None else dict(model.card.parameters)
    label = cards[id].label if id in cards and cards[id].label else id
    return _model_terms(vary, spec, model, id, given, label)


def _subject_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> Terms:
    name = vary.path.key
    properties = {} if model.card is None else dict(model.card.subject)
    if name not in properties:
        raise fail(f'the model "{model.name}" does not take {name}', hint="leave it out")
    given = getattr(spec.subject, name)
    return _model_terms(vary, spec, model, properties[name], given, name.replace("_", " "))


def _baseline_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> Terms:
    analyte = vary.path.key
    baselines = {} if model.card is None else dict(model.card.baselines)
    if analyte not in baselines:
        hint = did_you_mean(analyte, list(baselines))
        raise fail(f'the model "{model.name}" has no resting level of "{analyte}"', hint=hint)
    labels = {} if model.card is None else {item.analyte: item.label for item in model.card.observables}
    label = f"{labels.get(analyte, analyte)} at rest"
    return _model_terms(
        vary, spec, model, baselines[analyte], spec.subject.baseline.get(analyte), label, least=True
    )


def parameter_of(path: TargetPath, model: ModelSpec) -> str | None:
    """Return the id of the parameter that a target sets; None for one of the protocol."""
    card = model.card or ModelCard(model.name)
    held = {"subject": dict(card.subject), "baseline": dict(card.baselines)}
    return path.key if path.kind == "parameter" else held.get(path.kind, {}).get(path.key)


def _model_terms(
    vary: VarySpec,
    spec: RunSpec,
    model: ModelSpec,
    id: str,
    given: Quantity | float | None,
    label: str,
    least: bool = False,
) -> Terms:
    # A target that is a parameter of the model: the subject's value stands above the config's.
    parameter = next(item for item in model.parameters if item.id == id)
    unit = parameter.unit or "dimensionless"
    value = spec.parameter.get(id) if given is None else given
    nominal = parameter.value if value is None else number_in(value, unit, "nominal")
    if nominal is None:
        nominal = math.nan
    properties = {target: name for name, target in (model.card or ModelCard(model.name)).subject}
    limits = (-math.inf, math.inf)
    if properties.get(id) == "body_mass":
        limits = BODY_MASS_KG[0] * factor("kg", unit), BODY_MASS_KG[1] * factor("kg", unit)
    elif properties.get(id) == "muscle_glycogen":
        limits = (0.0, 2.0)
    elif least or nominal > 0 or any(state.compartment == id for state in model.states):
        # A mass, a volume, a rate, a level: what is above zero stays so.
        limits = (0.0, math.inf)
    return Terms(unit, nominal, label, limits, lambda value: number_in(value, unit))


def number_in(value: Value, unit: str, key: str = "") -> float:
    """Return a value of a config in a unit. Raises ConfigError, with `key`, where it does not fit.

    A plain number is dimensionless, or in the model's own unit where that is one that cannot be written.
    """
    hint = f'give it in "{unit}"' if is_unit(unit) else f'write a plain number: it is taken in "{unit}"'
    if isinstance(value, Quantity):
        try:
            return value.to(unit)
        except UnitError as error:
            message = f'"{value}": {error.problems[0].message}'
            raise fail(message, key, hint) from error
    if not isinstance(value, int | float):
        raise fail(f'"{value}" is not a number with a unit', key, hint)
    if not is_unit(unit):
        return float(value)
    try:
        factor("dimensionless", unit)
    except UnitError as error:
        hint = f'write it with its unit, "{value:g} {unit}"'
        raise fail(f"{value:g} has no unit", key, hint) from error
    return float(value)


def _entry(vary: VarySpec, spec: RunSpec) -> object:
    path = vary.path
    entries = getattr(spec.protocol, path.kind)
    if path.index >= len(entries):
        some = "there is one, entry 0" if len(entries) == 1 else f"there are {len(entries)}, numbered from 0"
        hint = some if entries else f"write it under [[protocol.{path.kind}]]"
        raise fail(f'the protocol has no {path.kind} "{path.index}"', hint=hint)
    return entries[path.index]


def _bout_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> Terms:
    bout, key = _entry(vary, spec), vary.path.key
    assert isinstance(bout, BoutSpec)
    label = f"{key.replace('_', ' ')} of bout {vary.path.index + 1}"
    if len(spec.protocol.bout) == 1:
        label = label.removesuffix(" 1")
    until_h = spec.output.until.to("h")
    card = dict((model.card or ModelCard(model.name)).modalities).get(bout.modality)
    legs = bout.legs if bout.modality == "knee_extension" else 1

    if key == "start":
        return Terms("h", bout.start.to("h"), label, (0.0, until_h), lambda value: number_in(value, "h"))
    if key == "duration":
        if bout.intervals is not None:
            hint = "give the bout a duration in place of intervals, or vary its start or intensity"
            raise fail("the length of a bout with intervals follows from these", hint=hint)
        nominal = bout.total_duration_h
        return Terms("h", nominal, label, (0.0, until_h), lambda value: number_in(value, "h"))
    if key == "active_muscle":
        own = math.nan if card is None else card.active_muscle_kg * legs
        nominal = own if bout.active_muscle is None else bout.active_muscle.to("kg")
        return Terms("kg", nominal, label, (0.0, math.inf), lambda value: number_in(value, "kg"))

    def fraction(value: Value) -> float:
        if not isinstance(value, float | str):
            raise fail(f'"{value}" is not an intensity', "", 'write e.g. 0.8 or "75 %HRR"')
        try:
            return intensity_fraction(bout.model_copy(update={"intensity": value}), spec.subject)
        except ConfigError as error:
            raise fail(error.problems[0].message, "", error.problems[0].hint) from error

    try:
        local = intensity_fraction(bout, spec.subject)
    except ConfigError as error:
        raise fail(error.problems[0].message, "nominal") from error
    if key == "intensity":
        return Terms("dimensionless", local, label, (0.0, 1.0), fraction)
    own = math.nan if card is None else local * card.whole_body_fraction * legs
    nominal = own if bout.whole_body_intensity is None else bout.whole_body_intensity
    return Terms("dimensionless", nominal, label, (0.0, 1.0), lambda value: number_in(value, "dimensionless"))


def _dosed_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> Terms:
    entry, path = _entry(vary, spec), vary.path
    label = f"{path.key} of {path.kind} {path.index + 1}"
    if len(getattr(spec.protocol, path.kind)) == 1:
        label = label.removesuffix(" 1")
    until_h = spec.output.until.to("h")
    nominal = getattr(entry, path.key)
    if path.is_moment:
        return _moment_terms(vary, spec, nominal, label, until_h)
    if path.key == "duration":
        return Terms("h", nominal.to("h"), label, (0.0, until_h), lambda value: number_in(value, "h"))
    unit = nominal.unit
    # What the dose raises has to take it: the same unit serves every draw.
    return Terms(unit, nominal.magnitude, label, (0.0, math.inf), lambda value: number_in(value, unit))


def _moment_terms(vary: VarySpec, spec: RunSpec, nominal: Moment, label: str, until_h: float) -> Terms:
    given = [*(vary.range or ()), *(vary.values or ()), vary.mean, vary.median, vary.lower, vary.upper]
    moments = [value for value in given if isinstance(value, Moment)]
    after_end = moments[0].after_end if moments else nominal.after_end
    if any(moment.after_end != after_end for moment in moments):
        hint = 'write all of them as "end + 1 h", or none'
        raise fail("some times count from the end of the last bout and some do not", hint=hint)
    if after_end and not spec.protocol.bout:
        raise fail("there is no bout whose end a time can count from", hint="count from the start")
    shift_h = nominal.hours(spec.protocol.end_h) - (spec.protocol.end_h if after_end else 0.0)
    low = -until_h if after_end else 0.0

    def hours(value: Value) -> float:
        if not isinstance(value, Moment):
            raise fail(f'"{value}" is not a time', "", 'write e.g. "2 h" or "end + 1 h"')
        return value.offset.to("h")

    if after_end:
        label += ", from the end of the last bout"
    return Terms("h", shift_h, label, (low, until_h), hours, after_end)


#: How each kind of target is read: (entry, config, model) -> its terms.
TERMS: dict[str, Callable[[VarySpec, RunSpec, ModelSpec], Terms]] = {
    "parameter": _parameter_terms,
    "subject": _subject_terms,
    "baseline": _baseline_terms,
    "bout": _bout_terms,
    "intake": _dosed_terms,
    "infusion": _dosed_terms,
    "bolus": _dosed_terms,
}
