"""What a sweep varies, in the model's terms: unit, nominal value, distribution, limits. No JAX."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .errors import ConfigError, Problem, UnitError, did_you_mean
from .intensity import intensity_fraction
from .marginals import Marginal
from .model_spec import ModelCard, ModelSpec
from .moments import Moment
from .spec import BoutSpec, RunSpec
from .sweep_spec import TargetPath, Value, VarySpec
from .units import Quantity, factor

#: A body mass outside these is impossible (kg), as in a config.
BODY_MASS_KG = (2.0, 650.0)
_LISTED = ("table", "posterior")
#: Of a distribution at least this share must lie between its limits.
_LEAST_KEPT = 1e-6


@dataclass(frozen=True)
class Target:
    """One quantity that differs from draw to draw."""

    #: As the config writes it: "protocol.bout.0.duration".
    text: str
    path: TargetPath
    #: Unit of its draws: the model's own, h for times; for a dose or rate the unit that the config wrote.
    unit: str
    #: Its value in the config, or the model's; NaN for a level or time that neither gives in these terms.
    nominal: float
    #: Name for figures: "duration of bout 1".
    label: str
    #: What no draw leaves, whatever is asked for.
    limits: tuple[float, float]
    #: How draws are spread; None for a grid, a table or a posterior.
    marginal: Marginal | None = None
    #: The values of a grid.
    levels: tuple[float, ...] = ()
    #: True for a time that counts from the end of the last bout.
    after_end: bool = False
    #: Column of a table: unit of the file, or "" where it is for the file to say.
    file_unit: str = ""

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest value that a draw may have."""
        if self.levels:
            return min(self.levels), max(self.levels)
        return self.limits if self.marginal is None else (self.marginal.low, self.marginal.high)

    @property
    def distribution(self) -> str:
        """How it is spread, in words: "lognormal, median 1359, sd of the logarithm 0.5"."""
        if self.levels:
            return f"{len(self.levels)} values from {self.span[0]:.6g} to {self.span[1]:.6g}"
        if self.marginal is None:
            return "as listed"
        low, high = self.span
        if self.marginal.kind in ("uniform", "loguniform"):
            return f"{self.marginal.kind} from {low:.6g} to {high:.6g}"
        middle = f"normal, mean {self.marginal.location:.6g}, sd {self.marginal.scale:.6g}"
        lowest = -math.inf
        if self.marginal.kind == "lognormal":
            median = math.exp(self.marginal.location)
            middle = f"lognormal, median {median:.6g}, sd of the logarithm {self.marginal.scale:.6g}"
            lowest = 0.0
        ends = [f"above {low:.6g}"] if low > lowest else []
        ends += [f"below {high:.6g}"] if math.isfinite(high) else []
        return ", ".join([middle, *ends])


@dataclass(frozen=True)
class _Terms:
    # A target in the model's terms, before its distribution.
    unit: str
    nominal: float
    label: str
    limits: tuple[float, float]
    read: Callable[[Value], float]
    after_end: bool = False


def resolve_targets(spec: RunSpec, model: ModelSpec) -> tuple[Target, ...]:
    """Return what the `[sweep]` of a config varies, in the order of its `[[sweep.vary]]`.

    Raises ConfigError for the first target that the model or the protocol lacks, or whose values do
    not fit; `exsim.inputs.config.check_against_model` says all of them beforehand, with their lines.
    """
    return tuple(
        resolve_target(item, spec, model) for item in (() if spec.sweep is None else spec.sweep.vary)
    )


def resolve_target(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> Target:
    """Return one target. Raises ConfigError, with the key of the `[[sweep.vary]]` that is wrong."""
    path = vary.path
    terms = _TERMS[path.kind](vary, spec, model)
    design = "sobol" if spec.sweep is None else spec.sweep.design
    marginal: Marginal | None = None
    levels: tuple[float, ...] = ()
    file_unit = ""
    if design in _LISTED:
        file_unit = _file_unit(vary, terms)
    elif design == "grid":
        levels = _levels(vary, terms)
    else:
        marginal = _marginal(vary, terms)
        if path.kind in ("bout", "intake", "infusion", "bolus") and not math.isfinite(marginal.high):
            hint = "give it an upper limit, upper = ..., or a range"
            raise _fail(f"a {marginal.kind} {path.key} has no upper end", "distribution", hint)
        if path.is_moment and not math.isfinite(marginal.low):
            hint = "give it a lower limit, lower = ..., or a range"
            raise _fail(f"a {marginal.kind} {path.key} has no lower end", "distribution", hint)
    return Target(
        vary.target,
        path,
        terms.unit,
        terms.nominal,
        terms.label,
        terms.limits,
        marginal,
        levels,
        terms.after_end,
        file_unit,
    )


def _fail(message: str, key: str = "target", hint: str | None = None) -> ConfigError:
    return ConfigError(Problem(message, key=key, hint=hint))


# ---- what each kind of target is ---------------------------------------------------------------------


def _parameter_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> _Terms:
    id = vary.path.key
    held = {target: name for name, target in (model.card or ModelCard(model.name)).subject}
    known = {item.id: item for item in model.parameters if item.initial is None}
    if id not in known:
        if id in {item.id for item in model.parameters} | {item.id for item in model.assignments}:
            raise _fail(f"{id} is computed from other quantities", hint="vary what it is computed from")
        if any(item.id == id for item in model.states):
            hint = "vary the parameters that its start and its rate follow from"
            raise _fail(f"{id} is a state of the model, not a parameter", hint=hint)
        raise _fail(f'the model "{model.name}" has no parameter "{id}"', hint=did_you_mean(id, list(known)))
    given = getattr(spec.subject, held[id], None) if id in held else None
    cards = {} if model.card is None else dict(model.card.parameters)
    label = cards[id].label if id in cards and cards[id].label else id
    return _model_terms(vary, spec, model, id, given, label)


def _subject_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> _Terms:
    name = vary.path.key
    properties = {} if model.card is None else dict(model.card.subject)
    if name not in properties:
        raise _fail(f'the model "{model.name}" does not take {name}', hint="leave it out")
    given = getattr(spec.subject, name)
    return _model_terms(vary, spec, model, properties[name], given, name.replace("_", " "))


def _baseline_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> _Terms:
    analyte = vary.path.key
    baselines = {} if model.card is None else dict(model.card.baselines)
    if analyte not in baselines:
        hint = did_you_mean(analyte, list(baselines))
        raise _fail(f'the model "{model.name}" has no resting level of "{analyte}"', hint=hint)
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
) -> _Terms:
    # A target that is a parameter of the model: the subject's value stands above the config's.
    parameter = next(item for item in model.parameters if item.id == id)
    unit = parameter.unit or "dimensionless"
    value = spec.parameter.get(id) if given is None else given
    nominal = parameter.value if value is None else _number(value, unit, "target")
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
    return _Terms(unit, nominal, label, limits, lambda value: _number(value, unit))


def _number(value: Value, unit: str, key: str = "") -> float:
    # A value in a unit; `key` is filled in by whoever knows it.
    if isinstance(value, Quantity):
        try:
            return value.to(unit)
        except UnitError as error:
            message = f'"{value}": {error.problems[0].message}'
            raise _fail(message, key, f'give it in "{unit}"') from error
    if not isinstance(value, int | float):
        raise _fail(f'"{value}" is not a number with a unit', key, f'give it in "{unit}"')
    try:
        factor("dimensionless", unit)
    except UnitError as error:
        hint = f'write it with its unit, "{value:g} {unit}"'
        raise _fail(f"{value:g} has no unit", key, hint) from error
    return float(value)


def _entry(vary: VarySpec, spec: RunSpec) -> object:
    path = vary.path
    entries = getattr(spec.protocol, path.kind)
    if path.index >= len(entries):
        some = "there is one, entry 0" if len(entries) == 1 else f"there are {len(entries)}, numbered from 0"
        hint = some if entries else f"write it under [[protocol.{path.kind}]]"
        raise _fail(f'the protocol has no {path.kind} "{path.index}"', hint=hint)
    return entries[path.index]


def _bout_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> _Terms:
    bout, key = _entry(vary, spec), vary.path.key
    assert isinstance(bout, BoutSpec)
    label = f"{key.replace('_', ' ')} of bout {vary.path.index + 1}"
    if len(spec.protocol.bout) == 1:
        label = label.removesuffix(" 1")
    until_h = spec.output.until.to("h")
    card = dict((model.card or ModelCard(model.name)).modalities).get(bout.modality)
    legs = bout.legs if bout.modality == "knee_extension" else 1

    if key == "start":
        return _Terms("h", bout.start.to("h"), label, (0.0, until_h), lambda value: _number(value, "h"))
    if key == "duration":
        if bout.intervals is not None:
            hint = "give the bout a duration in place of intervals, or vary its start or intensity"
            raise _fail("the length of a bout with intervals follows from these", hint=hint)
        nominal = bout.total_duration_h
        return _Terms("h", nominal, label, (0.0, until_h), lambda value: _number(value, "h"))
    if key == "active_muscle":
        own = math.nan if card is None else card.active_muscle_kg * legs
        nominal = own if bout.active_muscle is None else bout.active_muscle.to("kg")
        return _Terms("kg", nominal, label, (0.0, math.inf), lambda value: _number(value, "kg"))

    def fraction(value: Value) -> float:
        if not isinstance(value, float | str):
            raise _fail(f'"{value}" is not an intensity', "", 'write e.g. 0.8 or "75 %HRR"')
        try:
            return intensity_fraction(bout.model_copy(update={"intensity": value}), spec.subject)
        except ConfigError as error:
            raise _fail(error.problems[0].message, "", error.problems[0].hint) from error

    local = intensity_fraction(bout, spec.subject)
    if key == "intensity":
        return _Terms("dimensionless", local, label, (0.0, 1.0), fraction)
    own = math.nan if card is None else local * card.whole_body_fraction * legs
    nominal = own if bout.whole_body_intensity is None else bout.whole_body_intensity
    return _Terms("dimensionless", nominal, label, (0.0, 1.0), lambda value: _number(value, "dimensionless"))


def _dosed_terms(vary: VarySpec, spec: RunSpec, model: ModelSpec) -> _Terms:
    entry, path = _entry(vary, spec), vary.path
    label = f"{path.key} of {path.kind} {path.index + 1}"
    if len(getattr(spec.protocol, path.kind)) == 1:
        label = label.removesuffix(" 1")
    until_h = spec.output.until.to("h")
    nominal = getattr(entry, path.key)
    if path.is_moment:
        return _moment_terms(vary, spec, nominal, label, until_h)
    if path.key == "duration":
        return _Terms("h", nominal.to("h"), label, (0.0, until_h), lambda value: _number(value, "h"))
    unit = nominal.unit
    # What the dose raises has to take it: the same unit serves every draw.
    return _Terms(unit, nominal.magnitude, label, (0.0, math.inf), lambda value: _number(value, unit))


def _moment_terms(vary: VarySpec, spec: RunSpec, nominal: Moment, label: str, until_h: float) -> _Terms:
    given = [*(vary.range or ()), *(vary.values or ()), vary.mean, vary.median, vary.lower, vary.upper]
    moments = [value for value in given if isinstance(value, Moment)]
    after_end = moments[0].after_end if moments else nominal.after_end
    if any(moment.after_end != after_end for moment in moments):
        hint = 'write all of them as "end + 1 h", or none'
        raise _fail("some times count from the end of the last bout and some do not", hint=hint)
    if after_end and not spec.protocol.bout:
        raise _fail("there is no bout whose end a time can count from", hint="count from the start")
    shift_h = nominal.hours(spec.protocol.end_h) - (spec.protocol.end_h if after_end else 0.0)
    low = -until_h if after_end else 0.0

    def hours(value: Value) -> float:
        if not isinstance(value, Moment):
            raise _fail(f'"{value}" is not a time', "", 'write e.g. "2 h" or "end + 1 h"')
        return value.offset.to("h")

    if after_end:
        label += ", from the end of the last bout"
    return _Terms("h", shift_h, label, (low, until_h), hours, after_end)


_TERMS: dict[str, Callable[[VarySpec, RunSpec, ModelSpec], _Terms]] = {
    "parameter": _parameter_terms,
    "subject": _subject_terms,
    "baseline": _baseline_terms,
    "bout": _bout_terms,
    "intake": _dosed_terms,
    "infusion": _dosed_terms,
    "bolus": _dosed_terms,
}


# ---- how it is spread --------------------------------------------------------------------------------


def _read(vary: VarySpec, key: str, value: Value, terms: _Terms) -> float:
    # A value of the entry in the unit of the target, inside what is possible.
    try:
        number = terms.read(value)
    except ConfigError as error:
        raise _fail(error.problems[0].message, key, error.problems[0].hint) from error
    low, high = terms.limits
    if key in ("range", "values", "median", "lower", "upper") and not low <= number <= high:
        unit = "" if terms.unit == "dimensionless" else f" {terms.unit}"
        wanted = f"{low:g}{unit} or more" if math.isinf(high) else f"{low:g} to {high:g}{unit}"
        raise _fail(f"{_shown(value)} is impossible for {vary.target}", key, f"({wanted})")
    return number


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f'"{value}"'


def _file_unit(vary: VarySpec, terms: _Terms) -> str:
    if vary.unit is None:
        return ""
    try:
        factor(vary.unit, terms.unit)
    except UnitError as error:
        raise _fail(error.problems[0].message, "unit", f'give the column in "{terms.unit}"') from error
    return vary.unit


def _range(vary: VarySpec, terms: _Terms) -> tuple[float, float]:
    if vary.range is None or len(vary.range) != 2:
        raise _fail("a range has a lowest and a highest value", "range", "write range = [lowest, highest]")
    low, high = (_read(vary, "range", value, terms) for value in vary.range)
    if low >= high:
        shown = [_shown(value) for value in vary.range]
        hint = f"write range = [{shown[1]}, {shown[0]}]" if low > high else "write two different values"
        raise _fail(f"the lowest value, {shown[0]}, is not below the highest, {shown[1]}", "range", hint)
    if vary.distribution == "loguniform" and low <= 0:
        raise _fail(f"{_shown(vary.range[0])} has no logarithm", "range", "a loguniform range begins above 0")
    return low, high


def _levels(vary: VarySpec, terms: _Terms) -> tuple[float, ...]:
    if vary.values is not None:
        levels = tuple(_read(vary, "values", value, terms) for value in vary.values)
        if len(set(levels)) < len(levels):
            raise _fail("a value is given twice", "values", "leave one out")
        return levels
    low, high = _range(vary, terms)
    assert vary.points is not None
    last = vary.points - 1
    if vary.distribution == "loguniform":
        between = [low * (high / low) ** (number / last) for number in range(1, last)]
    else:
        between = [low + (high - low) * (number / last) for number in range(1, last)]
    return (low, *between, high)


def _marginal(vary: VarySpec, terms: _Terms) -> Marginal:
    if vary.range is not None:
        low, high = _range(vary, terms)
        return Marginal("loguniform" if vary.distribution == "loguniform" else "uniform", low, high)
    low, high = terms.limits
    if vary.lower is not None:
        low = _read(vary, "lower", vary.lower, terms)
    if vary.upper is not None:
        high = _read(vary, "upper", vary.upper, terms)
    if low >= high:
        raise _fail(f"lower, {low:g}, is not below upper, {high:g}", "lower", "exchange them")
    if vary.distribution == "lognormal":
        marginal = _lognormal(vary, terms, low, high)
    else:
        marginal = _normal(vary, terms, low, high)
    if marginal.kept < _LEAST_KEPT:
        message = f"of that {marginal.kind} {marginal.kept:.1g} lies between {low:g} and {high:g}"
        raise _fail(message, "distribution", "widen lower and upper, or move the middle")
    return marginal


def _lognormal(vary: VarySpec, terms: _Terms, low: float, high: float) -> Marginal:
    middle = terms.nominal if vary.median is None else _read(vary, "median", vary.median, terms)
    if not middle > 0:
        hint = "give a median above 0, or take a normal distribution"
        raise _fail(f"a lognormal needs a median above 0, found {middle:g}", "median", hint)
    if vary.cv is not None:
        # cv^2 = exp(sd^2) - 1, sd of the logarithm.
        scale = math.sqrt(math.log1p(vary.cv**2))
    else:
        scale = _positive_sd(vary, "dimensionless", "of the logarithm, a number: sd = 0.5")
    return Marginal("lognormal", max(low, 0.0), high, math.log(middle), scale)


def _normal(vary: VarySpec, terms: _Terms, low: float, high: float) -> Marginal:
    middle = terms.nominal if vary.mean is None else _read(vary, "mean", vary.mean, terms)
    if not math.isfinite(middle):
        raise _fail("there is no value to take as the mean", "mean", "write mean = ...")
    if vary.cv is not None:
        scale = vary.cv * abs(middle)
        if scale == 0:
            raise _fail("cv of a mean of 0 is no spread", "cv", "give sd")
    else:
        scale = _positive_sd(vary, terms.unit, f'with its unit, "{terms.unit}"')
    return Marginal("normal", low, high, middle, scale)


def _positive_sd(vary: VarySpec, unit: str, wanted: str) -> float:
    assert vary.sd is not None
    try:
        sd = _number(vary.sd, unit, "sd")
    except ConfigError as error:
        raise _fail(f"sd: {error.problems[0].message}", "sd", f"sd is {wanted}") from error
    if sd <= 0:
        raise _fail(f"sd is {_shown(vary.sd)}", "sd", "it must be more than 0")
    if vary.distribution == "lognormal" and sd > 10:
        hint = "sd is of the logarithm: 0.5 is a factor of 1.6"
        raise _fail(f"sd is {_shown(vary.sd)}", "sd", hint)
    return sd
