"""The numbers of what is free, one for all or one each, and in which simulations each of them acts."""

from __future__ import annotations

from collections.abc import Sequence

from ..fit_problem import FreeNumber, PlacedTarget
from .fit_targets import FreeTarget, Per


def place_targets(
    targets: Sequence[FreeTarget], simulations: Sequence[tuple[int, str, str]]
) -> tuple[list[FreeNumber], list[PlacedTarget]]:
    """Return the free numbers of targets, and where each acts.

    `simulations` are (number of the condition, its name, subject or "") in the order of the problem.
    """
    numbers: list[FreeNumber] = []
    placed: list[PlacedTarget] = []
    for item in targets:
        places: dict[tuple[str, ...], int] = {}
        free = []
        for condition, name, subject in simulations:
            start = item.starts[condition]
            if start is None:
                free.append(-1)
                continue
            whose = _whose(item.per, name, subject)
            if whose not in places:
                places[whose] = len(numbers)
                numbers.append(_free_number(item, whose, start))
            free.append(places[whose])
        placed.append(PlacedTarget(item.target, tuple(free)))
    return numbers, placed


def _whose(per: Per | None, condition: str, subject: str) -> tuple[str, ...]:
    own = {"condition": (condition,), "subject": (subject,), "occasion": (subject, condition)}
    return () if per is None else own[per]


def _free_number(item: FreeTarget, whose: tuple[str, ...], start: float) -> FreeNumber:
    return FreeNumber(
        name=f"{item.name}[{', '.join(whose)}]" if whose else item.name,
        unit=item.target.unit,
        label=", ".join((item.target.label, *whose)),
        kind="model",
        scale=item.scale,
        low=item.low,
        high=item.high,
        nominal=start,
        prior=item.prior,
    )
