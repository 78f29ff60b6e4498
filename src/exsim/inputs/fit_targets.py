"""What is free in a fit, in the model's terms: bounds, scale, first start and prior of each number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..choices import ScaleName
from ..errors import ConfigError
from ..fit_spec import FitParameterSpec
from ..formula import Expr, names
from ..free_names import free_path, target_text
from ..marginals import Marginal
from ..model_spec import ModelCard, ModelSpec, ParameterCard
from ..spec import RunSpec
from ..sweep_spec import TargetPath, VarySpec
from ..sweep_targets import Target, bell, read_in_terms
from ..sweep_terms import TERMS, Terms, fail, number_in, parameter_of
from ..units import Quantity
from .config_checks import ConfigFindings
from .fit_conditions import Condition
from .model_checks import used_ids
from .sweep_times import meeting_of_ranges
from .toml_lines import KeyPath

if TYPE_CHECKING:
    from .config import LoadedFit

#: What has a number of its own; an occasion is a subject in a condition.
Per = Literal["condition", "subject", "occasion"]
#: Bounds of a number that has a prior and no bounds: so many standard deviations from its middle.
PRIOR_REACH = 5.0
#: Keys of a `[[sweep.vary]]` that an entry of a fit calls otherwise.
_CALLED = {"target": "name", "distribution": "prior", "nominal": "start"}


@dataclass(frozen=True)
class FreeTarget:
    """One quantity that is free: by condition its first start, or None where the condition holds it."""

    target: Target
    name: str
    path: KeyPath
    scale: ScaleName
    low: float
    high: float
    prior: Marginal | None
    starts: tuple[float | None, ...]
    per: Per | None = None


@dataclass(frozen=True)
class _Entry:
    # A name of fit.free with what [[fit.parameter]] says of it.
    name: str
    place: KeyPath
    item: FitParameterSpec
    #: None where [[fit.parameter]] says nothing of it.
    path: KeyPath | None
    per: Per | None

    def at(self, key: str) -> KeyPath:
        """Where a key is written, or would be: the name in fit.free where it is said nowhere."""
        key = _CALLED.get(key, key)
        written = self.path is not None and (key == "name" or getattr(self.item, key, None) is not None)
        return (*self.path, key) if written and self.path is not None else self.path or self.place


def read_free_targets(
    found: ConfigFindings,
    config: LoadedFit,
    model: ModelSpec,
    conditions: Sequence[Condition],
    formulas: Sequence[Expr],
) -> list[FreeTarget]:
    """Return what is free, in the order of fit.free; what is wrong with it is noted."""
    settings = config.spec.fit
    said = {item.path: index for index, item in enumerate(settings.parameter)}
    effects = () if config.spec.population is None else config.spec.population.effect
    own: dict[TargetPath, Per] = {item.path: "occasion" if item.within else "subject" for item in effects}
    targets: list[FreeTarget] = []
    for index, name in enumerate(settings.free):
        path = free_path(name)
        place = said.get(path)
        about = FitParameterSpec(name=name) if place is None else settings.parameter[place]
        entry = _Entry(
            name,
            ("fit", "free", index),
            about,
            None if place is None else ("fit", "parameter", place),
            own.get(path, about.per),
        )
        try:
            targets.append(_free_target(found, entry, model, conditions))
        except ConfigError as error:
            problem = error.problems[0]
            found.refuse(problem.message, entry.at(problem.key or "target"), problem.hint)
    _check_one_place(found, model, targets)
    _check_use(found, model, targets, formulas)
    if settings.draw_starts == "prior":
        for item in targets:
            if item.prior is None:
                hint = 'give it one under [[fit.parameter]], or write draw_starts = "latin-hypercube"'
                found.refuse(f"{item.name} has no prior to draw starts from", ("fit", "draw_starts"), hint)
    return targets


def _free_target(
    found: ConfigFindings, entry: _Entry, model: ModelSpec, conditions: Sequence[Condition]
) -> FreeTarget:
    vary = VarySpec(target=target_text(entry.name))
    held, terms = _terms(vary, entry, model, conditions)
    first = next(item for item in terms if item is not None)
    for condition, hold in zip(conditions, held, strict=True):
        if hold:
            found.warn(f"{entry.name} is free, and stays as it is given here", condition.path)
    if any(item is not None and item.after_end != first.after_end for item in terms):
        hint = 'say under [[fit.parameter]] from where they count: lower = "end + 1 h" or "1 h"'
        raise fail("in some conditions the time counts from the end of the last bout", "target", hint)
    card = _card_of(vary.path, model)
    low, high = _bounds(entry, vary, first, card)
    starts = _starts(found, entry, vary, terms, (low, high))
    scale = _scale(entry, low, high, [start for start in starts if start is not None])
    if vary.path.key == "duration" and low <= 0:
        raise fail(f"the lower bound is {low:g} h", "lower", "a duration is more than 0 h")
    prior = _prior(entry, vary, first, card, low, high)
    target = Target(
        vary.target, vary.path, first.unit, first.nominal, first.label, (low, high), None, (), first.after_end
    )
    name = vary.path.key if vary.path.kind == "parameter" else vary.target
    return FreeTarget(target, name, entry.at("name"), scale, low, high, prior, starts, entry.per)


def _terms(
    vary: VarySpec, entry: _Entry, model: ModelSpec, conditions: Sequence[Condition]
) -> tuple[list[bool], list[Terms | None]]:
    # By condition: whether it holds the quantity, and its terms; None where it holds or lacks it.
    item = entry.item
    values = [value for value in (item.lower, item.upper, item.start, item.median) if value is not None]
    asked = vary.model_copy(update={"values": tuple(values), "mean": item.mean})
    id = parameter_of(vary.path, model)
    held = [id is not None and id in condition.held for condition in conditions]
    terms: list[Terms | None] = []
    wrong: ConfigError | None = None
    for condition, hold in zip(conditions, held, strict=True):
        try:
            known = TERMS[vary.path.kind](asked, condition.spec, model)
            terms.append(None if hold else known)
        except ConfigError as error:
            terms.append(None)
            wrong = wrong or error
    if all(item is None for item in terms):
        if wrong is not None:
            raise wrong
        hint = "leave it out of fit.free, or out of the conditions"
        raise fail(f"{entry.name} is given in every condition: nothing is left to estimate", hint=hint)
    return held, terms


def _card_of(path: TargetPath, model: ModelSpec) -> ParameterCard | None:
    id = parameter_of(path, model)
    return None if model.card is None or id is None else dict(model.card.parameters).get(id)


def _bounds(entry: _Entry, vary: VarySpec, terms: Terms, card: ParameterCard | None) -> tuple[float, float]:
    item = entry.item
    low, high = -math.inf, math.inf
    source = ""
    if card is not None and card.bounds is not None:
        (low, high), source = card.bounds, " of the model's card"
    elif all(math.isfinite(limit) for limit in terms.limits) and vary.path.key.endswith("intensity"):
        low, high = terms.limits
    elif item.prior in ("normal", "lognormal"):
        low, high = _reach(entry, vary, terms)
    if item.lower is not None:
        low = read_in_terms(vary, "lower", item.lower, terms)
    if item.upper is not None:
        high = read_in_terms(vary, "upper", item.upper, terms)
    for key, bound in (("lower", low), ("upper", high)):
        if not math.isfinite(bound):
            hint = f'write {key} = "..." in {terms.unit} under [[fit.parameter]] with name = "{entry.name}"'
            raise fail(f"{entry.name} has no {key} bound", key, hint)
    if low >= high:
        words = [
            f"{key}, {_number(bound, terms.unit)}{source if getattr(item, key) is None else ''}"
            for key, bound in (("lower", low), ("upper", high))
        ]
        key = "lower" if item.lower is not None else "upper"
        raise fail(f"{words[0]}, is not below {words[1]}", key, "give both, the lower below the upper")
    return low, high


def _reach(entry: _Entry, vary: VarySpec, terms: Terms) -> tuple[float, float]:
    # Where a prior that no bound limits has nearly all of its mass.
    free = bell(_as_vary(entry, vary), terms, -math.inf, math.inf)
    low, high = (free.location + side * PRIOR_REACH * free.scale for side in (-1, 1))
    if free.kind == "lognormal":
        low, high = math.exp(low), math.exp(high)
    return max(low, terms.limits[0]), min(high, terms.limits[1])


def _as_vary(entry: _Entry, vary: VarySpec, sd: float | None = None) -> VarySpec:
    item = entry.item
    if sd is not None:
        return vary.model_copy(update={"distribution": "lognormal", "sd": sd})
    keys = ("median", "mean", "sd", "cv")
    given = {key: getattr(item, key) for key in keys}
    return vary.model_copy(update=given | {"distribution": item.prior})


def _starts(
    found: ConfigFindings,
    entry: _Entry,
    vary: VarySpec,
    terms: Sequence[Terms | None],
    bounds: tuple[float, float],
) -> tuple[float | None, ...]:
    unit = next(item.unit for item in terms if item is not None)
    starts: list[float | None] = []
    for item in terms:
        if item is None:
            starts.append(None)
        elif entry.item.start is not None:
            starts.append(read_in_terms(vary, "start", entry.item.start, item))
        else:
            # A dose has the unit that its config wrote.
            same = item.unit == unit or math.isnan(item.nominal)
            starts.append(item.nominal if same else number_in(Quantity(item.nominal, item.unit), unit))
    for start in starts:
        if start is None:
            continue
        if math.isnan(start):
            raise fail(f"{entry.name} has no value to start from", "start", "write start = ...")
        if not bounds[0] <= start <= bounds[1]:
            said = "start" if entry.item.start is not None else "its value"
            message = f"{said}, {_number(start, unit)}, lies outside the bounds"
            hint = "widen lower and upper, or write a start between them"
            raise fail(f"{message}, {bounds[0]:.6g} to {_number(bounds[1], unit)}", "start", hint)
    different = sorted({start for start in starts if start is not None})
    if len(different) > 1 and entry.per is None and not math.isclose(different[0], different[-1]):
        values = ", ".join(_number(value, unit) for value in different[:5])
        found.warn(
            f"{entry.name} is one number, and differs between conditions ({values}): the first is its"
            ' start; per = "condition" gives each its own',
            entry.at("name"),
        )
    return tuple(starts)


def _number(value: float, unit: str) -> str:
    return f"{value:.6g}" if unit == "dimensionless" else f"{value:.6g} {unit}"


def _scale(entry: _Entry, low: float, high: float, starts: Sequence[float]) -> ScaleName:
    chosen = entry.item.scale
    if chosen is None:
        return "log" if low > 0 and min(starts) > 0 else "linear"
    if chosen in ("log", "log10") and low <= 0:
        hint = 'give a lower bound above 0, or write scale = "linear"'
        raise fail(f"a {chosen} scale has no place for the lower bound, {low:g}", "scale", hint)
    if chosen == "logit" and not all(low < start < high for start in starts):
        hint = "widen lower and upper, or write a start between them"
        raise fail(f"on a logit scale the start lies between {low:g} and {high:g}", "start", hint)
    return chosen


def _prior(
    entry: _Entry, vary: VarySpec, terms: Terms, card: ParameterCard | None, low: float, high: float
) -> Marginal | None:
    kind = entry.item.prior
    if kind is None:
        if card is None or card.prior_log_sd is None or not terms.nominal > 0:
            return None
        return bell(_as_vary(entry, vary, card.prior_log_sd), terms, low, high)
    if kind == "none":
        return None
    if kind in ("normal", "lognormal"):
        return bell(_as_vary(entry, vary), terms, low, high)
    if kind == "loguniform" and low <= 0:
        hint = 'give a lower bound above 0, or write prior = "uniform"'
        raise fail(f"a loguniform prior has no place for the lower bound, {low:g}", "prior", hint)
    return Marginal("uniform" if kind == "uniform" else "loguniform", low, high)


# ---- together ----------------------------------------------------------------------------------------


def _check_one_place(found: ConfigFindings, model: ModelSpec, targets: Sequence[FreeTarget]) -> None:
    first: dict[str, str] = {}
    for item in targets:
        id = parameter_of(item.target.path, model)
        if id is None:
            continue
        if id in first:
            found.refuse(f"{item.name} and {first[id]} are both {id}", item.path, "keep one of them")
        first.setdefault(id, item.name)


def _check_use(
    found: ConfigFindings, model: ModelSpec, targets: Sequence[FreeTarget], formulas: Sequence[Expr]
) -> None:
    card = model.card or ModelCard(model.name)
    used = used_ids(model) | {state.compartment for state in model.states if state.compartment}
    used |= {id for tree in formulas for id in names(tree)}
    # Doses per kg take the body mass.
    used |= {id for _, id in card.subject}
    for item in targets:
        id = parameter_of(item.target.path, model)
        if id is not None and id not in used:
            found.warn("nothing in the model depends on it: no data can tell it", item.path)


def check_bout_bounds(
    found: ConfigFindings, targets: Sequence[FreeTarget], conditions: Sequence[Condition]
) -> None:
    """Note bouts that overlap, with others or with their own repetition, somewhere within the bounds."""
    moved = {
        (item.target.path.index, item.target.path.key): item
        for item in targets
        if item.target.path.kind == "bout" and item.target.path.key in ("start", "duration")
    }
    if not moved:
        return
    for number, condition in enumerate(conditions):
        overlap = _overlap(condition.spec, number, moved)
        if overlap is not None:
            item, words = overlap
            message = f"within the bounds {words} in {condition.name or 'the protocol'}"
            found.refuse(message, item.path, "narrow its bounds: bouts follow one another")


def _overlap(
    spec: RunSpec, number: int, moved: dict[tuple[int, str], FreeTarget]
) -> tuple[FreeTarget, str] | None:
    owners, starts_h, ends_h = [], [], []
    for index, bout in enumerate(spec.protocol.bout):
        spans = []
        for key, value_h in (("start", bout.start.to("h")), ("duration", bout.total_duration_h)):
            item = moved.get((index, key))
            fixed = item is None or item.starts[number] is None
            spans.append((value_h, value_h) if item is None or fixed else (item.low, item.high))
        times, every_h = (1, 0.0) if bout.repeat is None else (bout.repeat.times, bout.repeat.every.to("h"))
        mine = moved.get((index, "duration"))
        if mine is not None and times > 1 and spans[1][1] > every_h:
            return mine, f"bout {index} overlaps with its own repetition"
        for repetition in range(times):
            owners.append(index)
            starts_h.append(spans[0][0] + repetition * every_h)
            ends_h.append(spans[0][1] + spans[1][1] + repetition * every_h)
    meeting = meeting_of_ranges(np.array(owners), np.array(starts_h), np.array(ends_h)) if owners else None
    if meeting is None:
        return None
    one, other = sorted((meeting.bout, meeting.other))
    items = [moved.get((index, key)) for index in (one, other) for key in ("start", "duration")]
    item = next((item for item in items if item is not None), None)
    return None if item is None else (item, f"bout {other} overlaps with bout {one}")
