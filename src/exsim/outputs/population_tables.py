"""What the posterior of a population leaves as tables: `individuals.csv`, `classes.csv`, and facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .tables import csv_bytes

if TYPE_CHECKING:
    from ..fit_result import FittedPeople
    from ..population_result import PopulationResult
    from ..sample_result import SampleResult

INDIVIDUAL_COLUMNS = (
    "subject",
    "effect",
    "condition",
    "median",
    "lower",
    "upper",
    "unit",
    "eta",
    "shrinkage",
)
FITTED_COLUMNS = ("subject", "effect", "condition", "value", "unit", "eta", "shrinkage")
CLASS_COLUMNS = (
    "class",
    "analyte",
    "quantity",
    "below",
    "unit",
    "condition",
    "who",
    "subject",
    "probability",
    "lower",
    "upper",
)


def individuals_csv(result: SampleResult, people: PopulationResult) -> bytes:
    """Return `individuals.csv`, a row for every person and effect, and for every occasion where it has some.

    `lower` and `upper` are the central 95 %, with `median` in `unit`. `eta` is how far the person is from
    what typical value and covariates lead one to expect, in sds between people; `shrinkage` is of the effect.
    """
    return csv_bytes(INDIVIDUAL_COLUMNS, _individuals(result, people))


def fitted_individuals_csv(people: FittedPeople) -> bytes:
    """Return `individuals.csv` of a fit: what is most likely of every person, given the estimates.

    `eta` is how far the person is from what typical value and covariates lead one to expect, in sds between
    people; `shrinkage` is of the effect.
    """
    return csv_bytes(FITTED_COLUMNS, _fitted(people))


def classes_csv(people: PopulationResult) -> bytes:
    """Return `classes.csv`, a row for a new person and for every person, of every class and condition.

    `probability` is that of a response below `below`, which is in `unit`; `lower` and `upper`, of a new
    person alone, are the central 95 %.
    """
    return csv_bytes(CLASS_COLUMNS, _classes(people))


def population_facts(people: PopulationResult) -> dict[str, Any]:
    """Return what `run.json` says of people: shrinkage by effect, and the rows of `classes.csv`."""
    return {
        "shrinkage": shrinkage_by_effect(people),
        "classes": [dict(zip(CLASS_COLUMNS, row, strict=True)) for row in _classes(people)],
    }


def shrinkage_by_effect(people: FittedPeople | PopulationResult) -> dict[str, float]:
    """Return the shrinkage of each effect."""
    return dict(zip(people.effects, people.shrinkage.tolist(), strict=True))


def _individuals(result: SampleResult, people: PopulationResult) -> Iterator[list[Any]]:
    own, said = people.individuals, result.diagnosis
    for n, effect, subject, condition, eta in zip(
        own.number.tolist(), own.effect.tolist(), own.subject, own.condition, own.eta.tolist(), strict=True
    ):
        yield [
            subject,
            people.effects[effect],
            condition,
            *(float(column[n]) for column in (said.median, said.lower, said.upper)),
            result.numbers[n].unit,
            eta,
            float(people.shrinkage[effect]),
        ]


def _fitted(people: FittedPeople) -> Iterator[list[Any]]:
    for subject, effect, condition, value, unit, eta in zip(
        people.subject,
        people.effect.tolist(),
        people.condition,
        people.value.tolist(),
        people.unit,
        people.eta.tolist(),
        strict=True,
    ):
        yield [
            subject,
            people.effects[effect],
            condition,
            value,
            unit,
            eta,
            float(people.shrinkage[effect]),
        ]


def _classes(people: PopulationResult) -> Iterator[list[Any]]:
    for item in people.classes:
        own = item.own
        head = [own.name, own.analyte, own.quantity, own.below, item.unit, item.condition]
        yield [*head, "new person", "", item.new, item.lower, item.upper]
        for subject, probability in zip(item.subjects, item.probability.tolist(), strict=True):
            yield [*head, "person", subject, probability, None, None]
