"""Profile likelihoods: how high the density can be with one number held, and what that says of it.

Raue et al. (2009), doi:10.1093/bioinformatics/btp358. All numbers, to both sides, walk at once: each is a
lane of one search. With priors it is the posterior density that is profiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .objective import Expanded
from .searching import RUNNING, Box, Evaluate, Search, Watch, gauss_newton

#: Twice the drop of the log density at the ends of a 95 % interval: chi-square of one degree of freedom.
THRESHOLD_95 = 3.841458820694124
#: A walk goes on a little beyond, so that its end can be read off between two points.
_BEYOND = 1.15
#: The drop of twice the log density that one step aims at.
_WANTED = 0.6
#: Points to one side at most, and steps of a search at each.
MOST_POINTS, ITERATIONS = 40, 30


@dataclass(frozen=True, eq=False)
class Walk:
    """Where one number was held, to one side of the best vector, and the best of the others there.

    The first point is the best vector itself.
    """

    parameter: int
    side: int
    vectors: Float[np.ndarray, "point parameter"]
    values: Float[np.ndarray, "point"]
    #: "interval", "bound", "points", "lost" or "stopped".
    ended: str


def profile(
    evaluate: Evaluate,
    best: Float[np.ndarray, "parameter"],
    at: Expanded,
    box: Box,
    parameters: list[int],
    watch: Watch = lambda search: False,
) -> list[Walk]:
    """Walk from the best vector to both sides in each of `parameters`; two walks each, down first.

    `at` is the density about the best vector, of one entry.
    """
    walks = [(number, side) for number in parameters for side in (-1, 1)]
    number = np.array([walk[0] for walk in walks], dtype=np.int64)
    side = np.array([walk[1] for walk in walks], dtype=np.int64)
    top = float(at.value[0])
    points: list[list[np.ndarray]] = [[best] for _ in walks]
    values: list[list[float]] = [[top] for _ in walks]
    ended = np.array([""] * len(walks), dtype=object)
    length = _first_lengths(at.curvature[0], best, box, number)
    directions = _first_directions(at.curvature[0], number, side)
    for _ in range(MOST_POINTS):
        going = np.flatnonzero(ended == "")
        if not len(going):
            break
        here = np.array([points[walk][-1] for walk in going])
        own = (np.arange(len(going)), number[going])
        edge = np.where(side[going] > 0, box.high[number[going]], box.low[number[going]])
        room = np.abs(edge - here[own])
        step = np.minimum(length[going], room)
        tried = box.inside(here + directions[going] * step[:, None])
        tried[own] = np.where(step < room, here[own] + side[going] * step, edge)
        held = np.zeros(tried.shape, dtype=bool)
        held[own] = True
        found = _optimise(evaluate, tried, here, box, held, watch)
        if watch(found):
            ended[going] = "stopped"
            break
        for place, walk in enumerate(going):
            value = float(found.at.value[place])
            drop = 2 * (values[walk][-1] - value)
            if not np.isfinite(value):
                # Nearer by half, until there is nothing between.
                length[walk] = step[place] / 4
                if length[walk] < 1e-6 * max(1.0, abs(float(here[own][place]))):
                    ended[walk] = "lost"
                continue
            if drop > 4 * _WANTED and step[place] > 1e-6:
                length[walk] = step[place] / 3
                continue
            moved = found.vectors[place] - here[place]
            directions[walk] = moved / step[place] if step[place] > 0 else directions[walk]
            length[walk] = step[place] * np.clip(_WANTED / max(drop, 0.1), 0.5, 1.6)
            points[walk].append(found.vectors[place])
            values[walk].append(value)
            if 2 * (top - value) > _BEYOND * THRESHOLD_95:
                ended[walk] = "interval"
            elif step[place] >= room[place]:
                ended[walk] = "bound"
    return [
        Walk(int(n), int(s), np.array(points[k]), np.array(values[k]), ended[k] or "points")
        for k, (n, s) in enumerate(zip(number, side, strict=True))
    ]


def _optimise(evaluate: Evaluate, tried: Any, here: Any, box: Box, held: np.ndarray, watch: Watch) -> Search:
    # From where the last two points lead; where that cannot be solved, from the last point with one number
    # moved.
    at = evaluate(tried)
    lost = ~np.isfinite(at.value)
    if lost.any():
        tried = tried.copy()
        tried[lost] = np.where(held[lost], tried[lost], here[lost])
        at = evaluate(tried)
    ended = np.where(np.isfinite(at.value), RUNNING, "lost").astype(object)
    search = Search(tried, at, np.zeros(len(tried), dtype=np.int64), ended)
    return gauss_newton(evaluate, search, box, ITERATIONS, watch, held)


def _first_lengths(
    curvature: np.ndarray, best: np.ndarray, box: Box, number: np.ndarray
) -> Float[np.ndarray, "walk"]:
    # A quarter of the half width that the curvature promises; without a curvature a share of the box.
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(np.diag(_inverse(curvature)))
    wide = np.where(np.isfinite(box.high - box.low), box.high - box.low, np.maximum(1.0, np.abs(best)))
    length = 0.25 * np.sqrt(THRESHOLD_95) * sd
    return np.clip(np.where(np.isfinite(length), length, np.inf), 1e-4 * wide, 0.05 * wide)[number]


def _first_directions(
    curvature: np.ndarray, number: np.ndarray, side: np.ndarray
) -> Float[np.ndarray, "walk parameter"]:
    # Along the ridge of the quadratic: the others follow by -C_oo^-1 C_oi.
    covariance = _inverse(curvature)
    directions = np.zeros((len(number), len(curvature)))
    for walk, (own, sign) in enumerate(zip(number, side, strict=True)):
        column = covariance[:, own] / covariance[own, own] if covariance[own, own] > 0 else 0.0
        directions[walk] = np.where(np.isfinite(column), column, 0.0) * sign
        directions[walk, own] = sign
    return np.clip(directions, -10.0, 10.0)


def _inverse(curvature: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.maximum(np.diag(curvature), 1e-12))
    inverse = np.linalg.pinv(curvature / np.outer(scale, scale), rcond=1e-8, hermitian=True)
    return inverse / np.outer(scale, scale)


def interval_end(walk: Walk, top: float) -> float:
    """Return where twice the log density has dropped by `THRESHOLD_95`; infinite where it never does.

    Between two points the square root of the drop is taken as linear: it is for a normal density.
    """
    drops = np.sqrt(np.maximum(2 * (top - walk.values), 0.0))
    wanted = np.sqrt(THRESHOLD_95)
    beyond = np.flatnonzero(drops >= wanted)
    if not len(beyond):
        return walk.side * np.inf
    after = int(beyond[0])
    places = walk.vectors[:, walk.parameter]
    before = after - 1
    share = (wanted - drops[before]) / (drops[after] - drops[before])
    return float(places[before] + share * (places[after] - places[before]))
