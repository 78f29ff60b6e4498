"""The order in which computed quantities follow from each other, and the cycles that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..formula import Expr, names
from .findings import Findings


def ordered(formulas: Mapping[str, Expr]) -> tuple[list[str], list[list[str]]]:
    """Return the ids so that each comes after those it uses, and the cycles (closed: a, b, a)."""
    return sort_by_use({id: sorted(names(tree)) for id, tree in formulas.items()})


def sort_by_use(uses: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the keys so that each comes after the keys it uses, and the cycles (closed: a, b, a)."""
    uses = {id: [other for other in used if other in uses] for id, used in uses.items()}
    order: list[str] = []
    cycles: list[list[str]] = []
    done: set[str] = set()
    for root in uses:
        path: list[str] = []
        on_path: dict[str, int] = {}
        waiting = [(root, iter(uses[root]))] if root not in done else []
        if waiting:
            path.append(root)
            on_path[root] = 0
        while waiting:
            id, rest = waiting[-1]
            following = next((other for other in rest if other not in done), None)
            if following is None:
                waiting.pop()
                path.pop()
                del on_path[id]
                if id not in done:
                    done.add(id)
                    order.append(id)
            elif following in on_path:
                cycles.append([*path[on_path[following] :], following])
            else:
                on_path[following] = len(path)
                path.append(following)
                waiting.append((following, iter(uses[following])))
    return order, cycles


def paths_through(uses: Mapping[str, Sequence[str]]) -> tuple[str | None, int, int]:
    """Return the key that builds highest on others, how high, and the steps of a walk along every path.

    `uses` names each key as often as it is used; a walker that does not remember where it was (both
    loaders are such) takes that many steps.
    """
    heights: dict[str, int] = {}
    paths: dict[str, int] = {}
    for id in sort_by_use(uses)[0]:
        used = [other for other in uses[id] if other in heights]
        heights[id] = 1 + max((heights[other] for other in used), default=0)
        paths[id] = 1 + sum(paths[other] for other in used)
    highest = max(heights, key=heights.__getitem__, default=None)
    return highest, heights.get(highest or "", 0), sum(paths.values())


def check_cycles(rules: Mapping[str, Expr], at_start: Mapping[str, Expr], findings: Findings) -> None:
    """Note every cycle among the rules, and among all that computes the values at time 0."""
    seen: set[frozenset[str]] = set()
    for formulas, words in ((rules, "assignment rules"), (at_start, "initial assignments and rules")):
        for cycle in ordered(formulas)[1]:
            if frozenset(cycle) in seen:
                continue
            seen.add(frozenset(cycle))
            findings.error(
                f"a cycle among {words}: {' needs '.join(cycle)}",
                cycle[0],
                hint="one of them must have a value of its own",
            )
