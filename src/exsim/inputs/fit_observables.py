"""What was measured, in the model's terms: formula, unit, noise; and what a row of the data is for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError, UnitError, did_you_mean
from ..fit_problem import FreeNumber, Noisy, Observable
from ..fit_problem import Quantity as RowQuantity
from ..fit_spec import EstimatedSpec, ObservableSpec
from ..formula import Call, Expr, Name, Number, names
from ..formula_text import read_formula
from ..measurements import Kind
from ..model_spec import ModelSpec
from ..noise_sd import scale_from_sd
from ..sweep_targets import Analyte, analytes
from ..sweep_terms import number_in
from ..units import Quantity, factor, parse_unit
from .config_checks import ConfigFindings
from .toml_lines import KeyPath

if TYPE_CHECKING:
    from .config import LoadedFit

DEGREES = 4.0
#: What tables call the estimated number of a family; Laplace and t are scaled, not by their sd.
_NAMES = {"laplace": "laplace_scale", "student_t": "t_scale"}
_LABELS = {
    "lognormal": "sd of the logarithm of {label}",
    "laplace": "mean absolute deviation of {label}",
    "student_t": "scale of the t of {label}",
}


@dataclass(frozen=True)
class Observed:
    """One `[[observable]]` in the model's terms, before its noise."""

    spec: ObservableSpec
    path: KeyPath
    formula: Expr
    unit: str
    label: str

    @property
    def analyte(self) -> Analyte:
        """Name, unit and label, as a table of measurements is held against them."""
        return Analyte(self.spec.analyte, self.unit, self.label)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of a t."""
        return DEGREES if self.spec.degrees is None else self.spec.degrees


def read_observables(found: ConfigFindings, config: LoadedFit, model: ModelSpec) -> list[Observed]:
    """Return what was measured, in the order of the config; what the model lacks is noted."""
    known = analytes(model)
    proposed = [] if model.card is None else [item.analyte for item in model.card.observables]
    read = []
    for index, item in enumerate(config.spec.observable):
        path: KeyPath = ("observable", index)
        if item.formula is not None:
            observed = _of_formula(found, item, path, model, known)
            if observed is not None:
                read.append(observed)
        elif item.analyte in known:
            own = known[item.analyte]
            read.append(Observed(item, path, Name(own.id), own.unit or "dimensionless", own.label))
        else:
            nearest = did_you_mean(item.analyte, proposed or list(known))
            hint = f'{nearest}; or say what it is: formula = "IL6 / 1000"'
            message = f'the model "{model.name}" has no analyte "{item.analyte}"'
            found.refuse(message, (*path, "analyte"), hint)
    return read


def _of_formula(
    found: ConfigFindings,
    item: ObservableSpec,
    path: KeyPath,
    model: ModelSpec,
    known: Mapping[str, Analyte],
) -> Observed | None:
    assert item.formula is not None
    try:
        tree = read_formula(item.formula)
    except ConfigError as error:
        found.refuse(error.problems[0].message, (*path, "formula"), error.problems[0].hint)
        return None
    units = {entry.id: entry.unit or "dimensionless" for entry in model.parameters}
    units |= {state.id: state.unit or "dimensionless" for state in model.states}
    units |= {rule.id: rule.unit or "dimensionless" for rule in model.assignments}
    missing = sorted(names(tree) - set(units))
    for id in missing:
        message = f'the model "{model.name}" has no state, rule or parameter "{id}"'
        found.refuse(message, (*path, "formula"), did_you_mean(id, list(units)))
    label = known[item.analyte].label if item.analyte in known else item.analyte
    if missing:
        return None
    unit = _unit_of(tree, units)
    if item.unit is None:
        if unit is None:
            hint = 'write e.g. unit = "pg/mL", or "dimensionless"'
            found.refuse(f"which unit has {item.formula}?", (*path, "formula"), hint)
            return None
        return Observed(item, path, tree, unit or "dimensionless", label)
    try:
        parse_unit(item.unit)
        if unit:
            factor(unit, item.unit)
    except UnitError as error:
        problem = error.problems[0]
        found.refuse(problem.message, (*path, "unit"), problem.hint)
        return None
    return Observed(item, path, tree, item.unit, label)


def _unit_of(tree: Expr, units: Mapping[str, str]) -> str | None:
    # The unit of a formula, "" of a plain number; None where it is not that of its parts.
    if isinstance(tree, Name):
        return units[tree.id]
    if isinstance(tree, Number):
        return ""
    if not isinstance(tree, Call):
        return None
    parts = [_unit_of(part, units) for part in tree.args]
    if None in parts:
        return None
    if tree.op in ("+", "-", "min", "max", "neg", "abs"):
        return parts[0] if len(set(parts)) == 1 else None
    if tree.op == "*" and "" in parts:
        return "".join(part for part in parts if part)
    if tree.op == "/" and parts[1] == "":
        return parts[0]
    return "" if all(part == "" for part in parts) else None


# ---- what a row is -----------------------------------------------------------------------------------


def row_quantity(kind: Kind, observed: Observed) -> RowQuantity:
    """Return what a value of a kind is of the curve of its observable."""
    if kind == "NPX":
        return "log2"
    return "fold" if kind == "fold" and observed.spec.batch is None else "level"


def check_kinds(found: ConfigFindings, observed: Observed, kinds: Mapping[Kind, list[int]]) -> bool:
    """Say whether the kinds of value of an analyte, with their lines, go with its noise and its batch.

    What does not is noted.
    """
    item, path = observed.spec, observed.path
    before = len(found.problems)
    name = item.analyte
    if "NPX" in kinds and (item.noise != "normal" or item.batch != "offset"):
        message = f"{name} is in NPX (line {kinds['NPX'][0]}), a logarithm with a zero of its plate's own"
        found.refuse(message, (*path, "noise"), 'write noise = "normal" and batch = "offset"')
    elif item.batch == "offset" and set(kinds) != {"NPX"}:
        message = f'batch = "offset" is for NPX, and {name} is not (line {_other_line(kinds, "NPX")})'
        found.refuse(message, (*path, "batch"), 'write noise = "lognormal" and batch = "factor"')
    elif "AU" in kinds and item.batch is None:
        message = f"{name} is in arbitrary units (line {kinds['AU'][0]}): a batch has a factor of its own"
        hint = 'write noise = "lognormal" and batch = "factor", or with a blank "normal", "factor and offset"'
        found.refuse(message, (*path, "analyte"), hint)
    elif len(kinds) > 1 and item.noise != "lognormal":
        words = " and ".join(f"{_KIND_WORDS[kind]} (line {lines[0]})" for kind, lines in kinds.items())
        message = f"{name} is given as {words}: one sd in one unit does not serve both"
        found.refuse(message, (*path, "noise"), 'write noise = "lognormal"')
    return len(found.problems) == before


_KIND_WORDS: dict[Kind, str] = {"level": "levels", "fold": "folds", "NPX": "NPX", "AU": "arbitrary units"}


def _other_line(kinds: Mapping[Kind, list[int]], kind: Kind) -> int:
    return min(lines[0] for other, lines in kinds.items() if other != kind)


def with_noise(
    found: ConfigFindings, observed: Observed, kinds: Mapping[Kind, list[int]], numbers: list[FreeNumber]
) -> Observable | None:
    """Return the observable with its noise; what is estimated of it goes to the end of `numbers`.

    None, with what is wrong noted, where a number does not fit.
    """
    item = observed.spec
    unit = observed.unit if "level" in kinds else "dimensionless"
    noise = _Noise(found, observed, numbers)
    scale: Noisy | None = None
    before = len(found.problems)
    if item.sd != "data":
        own = "dimensionless" if item.noise == "lognormal" else unit
        name, label = _NAMES.get(item.noise, "sd"), _LABELS.get(item.noise, "sd of {label}")
        scale = noise.number("sd", item.sd, own, name, label, _per_sd(item, observed.degrees))
    proportional = Noisy()
    if item.proportional is not None:
        words = "proportional noise of {label}"
        part = noise.number("proportional", item.proportional, "dimensionless", "proportional", words, 1.0)
        proportional = part or proportional
    if len(found.problems) > before:
        return None
    return Observable(
        item.analyte,
        observed.label,
        observed.unit,
        observed.formula,
        item.noise,
        scale,
        proportional,
        observed.degrees,
        item.batch,
    )


def _per_sd(item: ObservableSpec, degrees: float) -> float:
    # Scale of the family over the standard deviation. A log-normal's sd is its scale.
    return 1.0 if item.noise == "lognormal" else float(scale_from_sd(item.noise, 1.0, 1.0, degrees))


@dataclass(frozen=True)
class _Noise:
    # Reads the numbers of the noise of one observable.
    found: ConfigFindings
    observed: Observed
    numbers: list[FreeNumber]

    def number(
        self,
        key: str,
        given: EstimatedSpec | Quantity | float | str,
        unit: str,
        name: str,
        label: str,
        scale: float,
    ) -> Noisy | None:
        path: KeyPath = (*self.observed.path, key)
        if not isinstance(given, EstimatedSpec):
            value = self.read(given, unit, path)
            if value is not None and not self.is_possible(key, value):
                hint = 'it must be more than 0; noise that is not known may be estimated, "data" may give it'
                self.found.refuse(f"{key} is {value:g}", path, hint)
            return None if value is None else Noisy(value * scale)
        low, high = (self.read(getattr(given, end), unit, (*path, end)) for end in ("lower", "upper"))
        start = None if given.start is None else self.read(given.start, unit, (*path, "start"))
        if low is None or high is None or (given.start is not None and start is None):
            return None
        if low >= high:
            message = f"lower, {low:g}, is not below upper, {high:g}"
            self.found.refuse(message, (*path, "lower"), "exchange them")
            return None
        start = math.sqrt(low * high) if start is None else start
        if not low <= start <= high:
            message = f"start, {start:g}, lies outside the bounds, {low:g} to {high:g}"
            self.found.refuse(message, (*path, "start"), "write a start between them")
            return None
        number = FreeNumber(
            name=f"{name}[{self.observed.spec.analyte}]",
            unit=unit,
            label=label.format(label=self.observed.label),
            kind="noise",
            scale="log",
            low=low * scale,
            high=high * scale,
            nominal=start * scale,
        )
        self.numbers.append(number)
        return Noisy(number.nominal, len(self.numbers) - 1)

    def is_possible(self, key: str, value: float) -> bool:
        # Of two parts of the noise one may be 0.
        item = self.observed.spec
        if item.noise == "additive_proportional" and value == 0:
            other = item.proportional if key == "sd" else item.sd
            return isinstance(other, EstimatedSpec) or (isinstance(other, float | Quantity) and other != 0)
        return value > 0

    def read(self, given: Quantity | float | str, unit: str, path: KeyPath) -> float | None:
        assert not isinstance(given, str)
        try:
            return number_in(given, unit)
        except ConfigError as error:
            problem = error.problems[0]
            hint, message = problem.hint, problem.message
            if "proportional" in path:
                hint = "it is a share of the value, a number: 0.15 is 15 %"
            elif self.observed.spec.noise == "lognormal":
                hint = "the sd of a log-normal is that of the natural logarithm, a number: 0.2 is about 20 %"
            elif unit == "dimensionless" and self.observed.unit != unit:
                message += f" ({self.observed.spec.analyte} is relative in these data)"
            self.found.refuse(message, path, hint)
            return None
