"""Which species act on which, and Gaussian elimination in that pattern, lane by lane.

The order of elimination and the places that fill in are found once, on the host, from the structure
of the model; what runs is straight-line arithmetic on lane vectors. There is no pivoting: the matrix
is I - h gamma J, whose diagonal is strong for decay and clearance, and a step for which it is not
gives a large or a non-finite error, so that the controller takes a shorter one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ..formula import Expr, names, uses_time
from ..model import Model

#: Entries of a matrix by (row, column); what is absent is 0.
Entries = Mapping[tuple[int, int], Any]


@dataclass(frozen=True)
class Sparsity:
    """Where the Jacobian of a right-hand side may differ from 0, and whether time enters it.

    `depends_on` has, for each state, the numbers of the states that its rate depends on.
    """

    depends_on: tuple[tuple[int, ...], ...]
    uses_time: bool

    @cached_property
    def elimination(self) -> Elimination:
        """The order of elimination for I - h gamma J."""
        return plan_elimination(self.depends_on)


@lru_cache(maxsize=64)
def model_sparsity(model: Model) -> Sparsity:
    """Return which states the rate of each state of a model depends on, directly or through rules.

    Read off the expression trees, so it holds at every state and parameter: an entry that it leaves
    out is 0 because the name does not occur.
    """
    rows = [_reached(model, state.rate) for state in model.spec.states]
    return Sparsity(tuple(states for states, _ in rows), uses_time=any(timed for _, timed in rows))


def _reached(model: Model, rate: Expr) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of the states that a tree reaches through the rules, and whether time does."""
    rules = {item.id: item.value for item in model.spec.assignments}
    waiting, reached, timed = [rate], set[str](), False
    while waiting:
        tree = waiting.pop()
        timed = timed or uses_time(tree)
        new = names(tree) - reached
        reached |= new
        waiting += [rules[id] for id in new if id in rules]
    return tuple(number for number, id in enumerate(model.state_ids) if id in reached), timed


@dataclass(frozen=True)
class Elimination:
    """An order of elimination and the structure of the factors that it leaves."""

    order: tuple[int, ...]
    #: For each species, those eliminated after it whose rows hold a multiple of its row.
    below: tuple[tuple[int, ...], ...]
    #: For each species, those eliminated after it that its own row holds.
    right: tuple[tuple[int, ...], ...]

    @property
    def entries(self) -> tuple[tuple[int, int], ...]:
        """The places of the factors: the diagonal, then those below and those right of it."""
        pairs = [(k, k) for k in self.order]
        for k in self.order:
            pairs += [(i, k) for i in self.below[k]]
            pairs += [(k, j) for j in self.right[k]]
        return tuple(pairs)


@lru_cache(maxsize=64)
def plan_elimination(depends_on: tuple[tuple[int, ...], ...]) -> Elimination:
    """Return the order in which each pivot makes the fewest products, and what fills in.

    Markowitz, H. M. (1957) The elimination form of the inverse and its application to linear
    programming. Management Science 3:255-269, doi 10.1287/mnsc.3.3.255, for diagonal pivots.
    """
    count = len(depends_on)
    filled = {(i, j) for i, row in enumerate(depends_on) for j in row} | {(i, i) for i in range(count)}
    left = set(range(count))
    order: list[int] = []
    below: dict[int, tuple[int, ...]] = {}
    right: dict[int, tuple[int, ...]] = {}

    def others(k: int) -> tuple[list[int], list[int]]:
        rest = sorted(left - {k})
        return [i for i in rest if (i, k) in filled], [j for j in rest if (k, j) in filled]

    while left:
        neighbours = {k: others(k) for k in sorted(left)}
        k = min(neighbours, key=lambda k: (len(neighbours[k][0]) * len(neighbours[k][1]), k))
        rows, columns = neighbours[k]
        left.remove(k)
        order.append(k)
        below[k], right[k] = tuple(rows), tuple(columns)
        filled |= {(i, j) for i in rows for j in columns}
    species = range(count)
    return Elimination(tuple(order), tuple(below[k] for k in species), tuple(right[k] for k in species))


def factorise(plan: Elimination, matrix: Entries) -> dict[tuple[int, int], Any]:
    """Return the factors L U of a matrix: 1/u on the diagonal, l below it, u right of it."""
    factors = dict(matrix)
    for k in plan.order:
        factors[k, k] = 1.0 / factors[k, k]
        for i in plan.below[k]:
            share = factors[i, k] * factors[k, k]
            factors[i, k] = share
            for j in plan.right[k]:
                product = share * factors[k, j]
                factors[i, j] = factors[i, j] - product if (i, j) in factors else -product
    return factors


def substitute_forward(plan: Elimination, factors: Entries, values: Sequence[Any]) -> list[Any]:
    """Return L^-1 times the values, one a species."""
    solved = list(values)
    for k in plan.order:
        for i in plan.below[k]:
            solved[i] = solved[i] - factors[i, k] * solved[k]
    return solved


def substitute_back(plan: Elimination, factors: Entries, values: Sequence[Any]) -> list[Any]:
    """Return U^-1 times the values, one a species."""
    solved = list(values)
    for k in reversed(plan.order):
        for j in plan.right[k]:
            solved[k] = solved[k] - factors[k, j] * solved[j]
        solved[k] = solved[k] * factors[k, k]
    return solved
