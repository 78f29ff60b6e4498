"""What a sweep varies, in the model's terms: unit, nominal value, distribution, limits. No JAX."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import ConfigError, UnitError
from .marginals import Marginal
from .model_spec import ModelSpec
from .spec import RunSpec
from .sweep_spec import TargetPath, Value, VarySpec
from .sweep_terms import TERMS, Terms, fail, number_in
from .units import factor

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
    terms = TERMS[path.kind](vary, spec, model)
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
            raise fail(f"a {marginal.kind} {path.key} has no upper end", "distribution", hint)
        if path.is_moment and not math.isfinite(marginal.low):
            hint = "give it a lower limit, lower = ..., or a range"
            raise fail(f"a {marginal.kind} {path.key} has no lower end", "distribution", hint)
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


@dataclass(frozen=True)
class Analyte:
    """What can be measured: the state or rule that it is, its unit and its name in figures."""

    id: str
    unit: str
    label: str


def analytes(model: ModelSpec) -> dict[str, Analyte]:
    """Return what a sweep can measure by its name in a config: analytes, then ids of states and rules."""
    units = _units(model)
    named = _observables(model)
    return named | {id: Analyte(id, unit, id) for id, unit in units.items() if id not in named}


def measurable(model: ModelSpec) -> dict[str, Analyte]:
    """Return what a lab can measure of a model: the analytes of its card; without a card all it has."""
    return _observables(model) or analytes(model)


def _observables(model: ModelSpec) -> dict[str, Analyte]:
    units, observed = _units(model), () if model.card is None else model.card.observables
    return {item.analyte: Analyte(item.id, units[item.id], item.label) for item in observed}


def _units(model: ModelSpec) -> dict[str, str]:
    return {item.id: item.unit for item in model.states} | {item.id: item.unit for item in model.assignments}


# ---- how it is spread --------------------------------------------------------------------------------


def read_in_terms(vary: VarySpec, key: str, value: Value, terms: Terms) -> float:
    """Return a value of an entry in the unit of its target. Raises ConfigError for an impossible one."""
    try:
        number = terms.read(value)
    except ConfigError as error:
        raise fail(error.problems[0].message, key, error.problems[0].hint) from error
    low, high = terms.limits
    if key in ("range", "values", "median", "lower", "upper", "start") and not low <= number <= high:
        unit = "" if terms.unit == "dimensionless" else f" {terms.unit}"
        wanted = f"{low:g}{unit} or more" if math.isinf(high) else f"{low:g} to {high:g}{unit}"
        raise fail(f"{_shown(value)} is impossible for {vary.target}", key, f"({wanted})")
    return number


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f'"{value}"'


def _file_unit(vary: VarySpec, terms: Terms) -> str:
    if vary.unit is None:
        return ""
    try:
        factor(vary.unit, terms.unit)
    except UnitError as error:
        raise fail(error.problems[0].message, "unit", f'give the column in "{terms.unit}"') from error
    return vary.unit


def _range(vary: VarySpec, terms: Terms) -> tuple[float, float]:
    if vary.range is None or len(vary.range) != 2:
        raise fail("a range has a lowest and a highest value", "range", "write range = [lowest, highest]")
    low, high = (read_in_terms(vary, "range", value, terms) for value in vary.range)
    if low >= high:
        shown = [_shown(value) for value in vary.range]
        hint = f"write range = [{shown[1]}, {shown[0]}]" if low > high else "write two different values"
        raise fail(f"the lowest value, {shown[0]}, is not below the highest, {shown[1]}", "range", hint)
    if vary.distribution == "loguniform" and low <= 0:
        raise fail(f"{_shown(vary.range[0])} has no logarithm", "range", "a loguniform range begins above 0")
    return low, high


def _levels(vary: VarySpec, terms: Terms) -> tuple[float, ...]:
    if vary.values is not None:
        levels = tuple(read_in_terms(vary, "values", value, terms) for value in vary.values)
        if len(set(levels)) < len(levels):
            raise fail("a value is given twice", "values", "leave one out")
        return levels
    low, high = _range(vary, terms)
    assert vary.points is not None
    last = vary.points - 1
    if vary.distribution == "loguniform":
        between = [low * (high / low) ** (number / last) for number in range(1, last)]
    else:
        between = [low + (high - low) * (number / last) for number in range(1, last)]
    return (low, *between, high)


def _marginal(vary: VarySpec, terms: Terms) -> Marginal:
    if vary.range is not None:
        low, high = _range(vary, terms)
        return Marginal("loguniform" if vary.distribution == "loguniform" else "uniform", low, high)
    low, high = terms.limits
    if vary.lower is not None:
        low = read_in_terms(vary, "lower", vary.lower, terms)
    if vary.upper is not None:
        high = read_in_terms(vary, "upper", vary.upper, terms)
    if low >= high:
        raise fail(f"lower, {low:g}, is not below upper, {high:g}", "lower", "exchange them")
    return bell(vary, terms, low, high)


def bell(vary: VarySpec, terms: Terms, low: float, high: float) -> Marginal:
    """Return the normal or log-normal distribution of an entry between two values, in the unit of its target.

    Raises ConfigError, with the key of the entry that is wrong, also where it lies elsewhere.
    """
    if vary.distribution == "lognormal":
        marginal = _lognormal(vary, terms, low, high)
    else:
        marginal = _normal(vary, terms, low, high)
    if marginal.kept < _LEAST_KEPT:
        message = f"of that {marginal.kind} {marginal.kept:.1g} lies between {low:g} and {high:g}"
        raise fail(message, "distribution", "widen lower and upper, or move the middle")
    return marginal


def _lognormal(vary: VarySpec, terms: Terms, low: float, high: float) -> Marginal:
    middle = terms.nominal if vary.median is None else read_in_terms(vary, "median", vary.median, terms)
    if not middle > 0:
        hint = "give a median above 0, or take a normal distribution"
        raise fail(f"a lognormal needs a median above 0, found {middle:g}", "median", hint)
    if vary.cv is not None:
        # cv^2 = exp(sd^2) - 1, sd of the logarithm.
        scale = math.sqrt(math.log1p(vary.cv**2))
    else:
        scale = _positive_sd(vary, "dimensionless", "of the logarithm, a number: sd = 0.5")
    return Marginal("lognormal", max(low, 0.0), high, math.log(middle), scale)


def _normal(vary: VarySpec, terms: Terms, low: float, high: float) -> Marginal:
    middle = terms.nominal if vary.mean is None else read_in_terms(vary, "mean", vary.mean, terms)
    if not math.isfinite(middle):
        raise fail("there is no value to take as the mean", "mean", "write mean = ...")
    if vary.cv is not None:
        scale = vary.cv * abs(middle)
        if scale == 0:
            raise fail("cv of a mean of 0 is no spread", "cv", "give sd")
    else:
        scale = _positive_sd(vary, terms.unit, f'with its unit, "{terms.unit}"')
    return Marginal("normal", low, high, middle, scale)


def _positive_sd(vary: VarySpec, unit: str, wanted: str) -> float:
    assert vary.sd is not None
    try:
        sd = number_in(vary.sd, unit, "sd")
    except ConfigError as error:
        raise fail(f"sd: {error.problems[0].message}", "sd", f"sd is {wanted}") from error
    if sd <= 0:
        raise fail(f"sd is {_shown(vary.sd)}", "sd", "it must be more than 0")
    if vary.distribution == "lognormal" and sd > 10:
        hint = "sd is of the logarithm: 0.5 is a factor of 1.6"
        raise fail(f"sd is {_shown(vary.sd)}", "sd", hint)
    return sd
