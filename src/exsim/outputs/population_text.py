"""What `exsim sample` says of people: shrinkage, what covariates explain, classes of responses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ..population_result import MOST_SHRINKAGE
from .columns import number_text

if TYPE_CHECKING:
    from ..population_result import ClassShare, CovariateEffect, PopulationResult
    from ..sample_result import SampleResult

_DIMENSIONLESS = ("", "1", "dimensionless")
_MOST_PEOPLE = 12


def population_text(result: SampleResult, people: PopulationResult) -> str:
    """Return the sentences of the report on people, a line each."""
    return "\n".join(
        [
            *shrinkage_lines(people.effects, people.shrinkage),
            *(covariate_text(item, _in_short(result, item.number)) for item in people.covariates),
            *(_class(item) for item in people.classes),
            *_lost(people),
        ]
    )


def covariate_text(item: CovariateEffect, three: Sequence[float]) -> str:
    """Return "vo2max on release_gain: -0.42 (-1.74 to 0.92): 10 % more vo2max goes with -3.9 % (...)".

    `three` are the value and the 95 % interval of a coefficient. Said is what it makes of the effect of a
    person: of a power for 10 % more, of a number for one more of its unit, of a category for the other level.
    """
    per, shown = _meaning(item)
    values = f"{number_text(three[0])} ({number_text(three[1])} to {number_text(three[2])})"
    change = [shown(value) for value in three]
    head = f"{item.covariate} on {item.effect}: {values}"
    return f"{head}: {per} goes with {change[0]} ({change[1]} to {change[2]}){_of_what(item)}"


def _in_short(result: SampleResult, number: int) -> list[float]:
    said = result.diagnosis
    return [float(column[number]) for column in (said.median, said.lower, said.upper)]


def _meaning(item: CovariateEffect) -> tuple[str, Callable[[float], str]]:
    # What changes, and how a coefficient says what goes with it.
    base = 10.0 if item.scale == "log10" else math.e
    if item.form == "category":
        reference, other = item.levels
        per = f"{item.covariate} {other} in place of {reference}"
    elif item.form == "power":
        per = f"10 % more {item.covariate}"
    else:
        per = f"{f'1 {item.unit}' if item.unit not in _DIMENSIONLESS else '1'} more {item.covariate}"
    if item.scale == "linear":
        unit = "" if item.effect_unit in _DIMENSIONLESS else f" {item.effect_unit}"
        return per, lambda value: f"{_signed(value)}{unit}"
    if item.scale == "logit" or item.form == "category":
        return per, lambda value: number_text(_power(base, value))
    if item.form == "power":
        return per, lambda value: _percent(_power(1.1, value))
    return per, lambda value: _percent(_power(base, value))


def _of_what(item: CovariateEffect) -> str:
    if item.scale == "logit":
        return " times the odds of its place between the bounds"
    return " times as much" if item.form == "category" and item.scale != "linear" else ""


def _power(base: float, value: float) -> float:
    try:
        return base**value
    except OverflowError:
        return math.inf


def _percent(factor: float) -> str:
    change = 100 * (factor - 1)
    if not math.isfinite(change):
        return "-"
    return f"{change:+.{0 if abs(change) >= 10 else 1}f} %"


def _signed(value: float) -> str:
    return f"+{number_text(value)}" if value > 0 else number_text(value)


def shrinkage_lines(effects: Sequence[str], shrinkage: Float[np.ndarray, "effect"]) -> Iterator[str]:
    """Yield the shrinkage of each effect, and of which the values of people are mostly the population's."""
    sizes = dict(zip(effects, shrinkage.tolist(), strict=True))
    # Rounded first: -0.001 is 0.00.
    yield "shrinkage: " + ", ".join(f"{name} {round(size, 2) + 0.0:.2f}" for name, size in sizes.items())
    for name, size in sizes.items():
        if size > MOST_SHRINKAGE:
            yield (
                f"  over {MOST_SHRINKAGE:g}: much of what people have in {name} is the population's, not "
                "their own: do not compare person with person in it"
            )


def _class(item: ClassShare) -> str:
    own = item.own
    unit = "" if item.unit in _DIMENSIONLESS else f" {item.unit}"
    what = own.quantity.replace("_", " ")
    order = sorted(zip(item.probability.tolist(), item.subjects, strict=True), key=lambda pair: -pair[0])
    shown = ", ".join(f"{name} {size:.2f}" for size, name in order[:_MOST_PEOPLE])
    more = f" and {len(order) - _MOST_PEOPLE} more" if len(order) > _MOST_PEOPLE else ""
    return (
        f"{own.name} ({what} of {own.analyte} below {number_text(own.below)}{unit}) in {item.condition}: "
        f"a new person {item.new:.2f} ({item.lower:.2f} to {item.upper:.2f})\n  {shown}{more}"
    )


def _lost(people: PopulationResult) -> Iterator[str]:
    lost = int((~np.isfinite(people.new_data).all(axis=1)).sum())
    if lost:
        yield (
            f"{lost} of {len(people.new_data)} sets of new people have one who cannot be solved: "
            "they are left out of vpc.png"
        )
