"""Draws gathered into cells over one or two varied quantities: edges, medians, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

#: A cell of draws that do not lie on a grid shows a number from this many draws on.
LEAST_IN_CELL = 5
_FEWEST_BINS, _MOST_BINS = 3, 40
#: The outermost draws at either end, as a share, are not on a binned axis.
_TAIL = 0.01


@dataclass(frozen=True)
class Axis:
    """The cells along one varied quantity: (cell + 1,) edges, (cell,) centres, and each draw's cell.

    `place` is -1 for draws beyond the edges.
    """

    edges: np.ndarray
    centres: np.ndarray
    place: np.ndarray
    log: bool


def spreads_by_factors(values: np.ndarray) -> bool:
    """Return True where values are spread more evenly by factors than by differences (log axis)."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    if not low > 0 or not high > low or values.min() <= 0:
        return False
    linear = abs(low + high - 2 * middle) / (high - low)
    logs = np.log((low, middle, high))
    return bool(abs(logs[0] + logs[2] - 2 * logs[1]) / (logs[2] - logs[0]) < linear - 0.15)


def unique_axis(values: np.ndarray) -> Axis:
    """Return a cell for each value that occurs, with its edges midway to the neighbours."""
    centres, place = np.unique(values, return_inverse=True)
    log = spreads_by_factors(centres)
    shown = np.log(centres) if log else centres
    if len(centres) > 1:
        between = 0.5 * (shown[1:] + shown[:-1])
        edges = np.concatenate([[2 * shown[0] - between[0]], between, [2 * shown[-1] - between[-1]]])
    else:
        edges = shown[0] + np.array([-0.5, 0.5]) * (abs(shown[0]) or 1.0)
    return Axis(np.exp(edges) if log else edges, centres, place, log)


def trimmed(axis: Axis) -> Axis:
    """Return cells that end at the outermost values: the outer ones are half as wide."""
    if len(axis.centres) < 2:
        return axis
    edges = axis.edges.copy()
    edges[0], edges[-1] = axis.centres[0], axis.centres[-1]
    return replace(axis, edges=edges)


def binned_axis(values: np.ndarray, bins: int) -> Axis:
    """Return equally wide cells (equal factors on a log axis) from the 1st to the 99th percentile."""
    log = spreads_by_factors(values)
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL))
    # A range with sharp ends (uniform) is shown whole.
    if high - low > 0.95 * np.ptp(values):
        low, high = values.min(), values.max()
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
    edges[0], edges[-1] = low, high
    place = np.searchsorted(edges, values, side="right") - 1
    place[values == edges[-1]] = bins - 1
    place[(values < low) | (values > high)] = -1
    centres = np.sqrt(edges[1:] * edges[:-1]) if log else 0.5 * (edges[1:] + edges[:-1])
    return Axis(edges, centres, place, log)


def bins_for(draws: int) -> int:
    """Return how many bins a side two varied quantities get: 6 for 10^3 draws, 27 for 10^5.

    They grow as the cube root, so that a cell holds more draws (28, 137) the more there are: finer
    and less noisy at once.
    """
    return int(min(_MOST_BINS, max(_FEWEST_BINS, 0.6 * np.cbrt(draws))))


@dataclass(frozen=True)
class Gathered:
    """One metric in cells: the quantiles asked for, (quantile, cell), and why a cell has none."""

    quantiles: np.ndarray
    failed: np.ndarray
    undefined: np.ndarray


def gather(
    place: np.ndarray,
    cells: int,
    values: np.ndarray,
    done: np.ndarray,
    quantiles: tuple[float, ...] = (0.5,),
    least: int = 1,
) -> Gathered:
    """Return the quantiles of the draws in each cell, NaN where there are none worth showing.

    `place` is the cell of each draw (-1: none), `values` its metric, `done` whether it was solved.
    A cell of which more than half failed counts as failed, and shows no number; one with fewer than
    `least` numbers shows none either, and counts as undefined where most of its draws have none.
    """
    within = place >= 0
    everything = np.bincount(place[within], minlength=cells)
    solved = np.bincount(place[within & done], minlength=cells)
    usable = within & done & np.isfinite(values)
    failed = (everything > 0) & (2 * solved < everything)
    counts = np.bincount(place[usable], minlength=cells)
    undefined = ~failed & (solved > 0) & (2 * counts < solved)
    order = np.lexsort((values[usable], place[usable]))
    ordered = values[usable][order]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    shown = (counts >= least) & ~failed & ~undefined
    found = np.full((len(quantiles), cells), np.nan)
    for number, quantile in enumerate(quantiles):
        at = starts[shown] + quantile * (counts[shown] - 1)
        under = np.floor(at).astype(int)
        over = np.minimum(under + 1, starts[shown] + counts[shown] - 1)
        share = at - under
        found[number, shown] = (1 - share) * ordered[under] + share * ordered[over]
    return Gathered(found, failed, undefined)


def runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the start and end (exclusive) of every stretch of True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
