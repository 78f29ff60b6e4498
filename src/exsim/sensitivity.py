"""Which varied quantity moves which metric, and the percentiles of many batches as those of one.

Sobol indices for draws in SALib's order (design "saltelli"), rank correlations for every other
design. SciPy and SALib are imported where they are used: SALib's import alone takes a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .sweep_labels import Metric, chosen_rows, design, done_draws, draw_count, metrics, read_draws, varied

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FIRST_ORDER, TOTAL = "first_order", "total"
SPEARMAN, PARTIAL_RANK = "spearman", "partial_rank"

SENSITIVITY_COLUMNS = (
    "variable",
    "analyte",
    "metric",
    "target",
    "index",
    "value",
    "lower",
    "upper",
    "draws",
    "left_out",
)
#: Rank correlations use at most this many draws: their interval is then less than 0.01 wide.
MOST_RANKED = 250_000
#: Fewer complete blocks of a Saltelli design than this give no Sobol indices.
LEAST_BLOCKS = 16
#: The bootstrap resamples at most this many blocks; its standard error is scaled to all of them.
_MOST_RESAMPLED, _RESAMPLES = 1 << 14, 200
#: Targets whose ranks correlate beyond this, and beyond chance, call for partial correlations.
_CORRELATED = 0.1
#: Half the width of a 95 % interval in standard errors.
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class _Index:
    name: str
    value: float = math.nan
    lower: float = math.nan
    upper: float = math.nan


def sensitivity_table(ds: xr.Dataset) -> pd.DataFrame:
    """Return how far each varied quantity moves each metric: the columns of `SENSITIVITY_COLUMNS`.

    Of a Saltelli design a row for the first-order and one for the total Sobol index (a share of the
    variance of the metric) of every metric and target; of other designs one for Spearman's rank
    correlation, or, where the targets correlate among themselves, for the partial rank correlation.
    `lower` and `upper` are a 95 % interval. `draws` is how many draws the index rests on and
    `left_out` how many of those looked at it could not use: failed draws, draws that have no such
    number and, of a Saltelli design, the blocks that hold one. A metric that is the same in all
    draws, or has too few of them, has NaN.

    One metric is in memory at a time: of a Saltelli design about 56 bytes a draw (10^7 draws:
    560 MB); rank correlations rest on at most `MOST_RANKED` draws, evenly taken.
    """
    import pandas as pd

    targets = [item.target for item in varied(ds)]
    find = _sobol_rows if design(ds) == "saltelli" else _rank_rows
    rows = [
        {"variable": item.variable, "analyte": item.analyte, "metric": item.metric, "target": target}
        | {"index": index.name, "value": index.value, "lower": index.lower, "upper": index.upper}
        | {"draws": used, "left_out": left_out}
        for item, target, index, used, left_out in (find(ds, targets) if targets else ())
    ]
    return pd.DataFrame(rows, columns=list(SENSITIVITY_COLUMNS))


_Row = tuple[Metric, str, _Index, int, int]


def _sobol_rows(ds: xr.Dataset, targets: Sequence[str]) -> Iterator[_Row]:
    width = len(targets) + 2
    complete = draw_count(ds) // width * width
    done = done_draws(ds)[:complete]
    for item in metrics(ds):
        values = read_draws(ds, item.variable)[:complete].astype(np.float64, copy=False)
        usable = (done & np.isfinite(values)).reshape(-1, width).all(axis=1)
        kept = values.reshape(-1, width)[usable]
        first, total = sobol_indices(kept)
        for number, target in enumerate(targets):
            for name, found in ((FIRST_ORDER, first), (TOTAL, total)):
                index = _Index(name, *(float(value) for value in found[number]))
                yield item, target, index, kept.size, draw_count(ds) - kept.size


def sobol_indices(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return first-order and total Sobol indices, each (target, 3): value, lower and upper end.

    `blocks` has shape (block, targets + 2): the metric in the draws of SALib's Saltelli order
    without second order (A, A with each column from B in turn, B), all of them numbers. Indices
    are NaN for fewer than `LEAST_BLOCKS` blocks and for a metric that is the same throughout.
    The 95 % interval is the value with 1.96 bootstrap standard errors to both sides.

    Estimators: Saltelli et al. 2010, Comput Phys Commun 181:259, doi:10.1016/j.cpc.2009.09.018,
    Table 2 (b) and (f), as SALib has them.
    """
    blocks = np.asarray(blocks, dtype=np.float64)
    targets = blocks.shape[1] - 2
    if len(blocks) < LEAST_BLOCKS or _constant(blocks):
        nothing = np.full((targets, 3), np.nan)
        return nothing, nothing.copy()
    resampled = blocks[:_MOST_RESAMPLED]
    if _constant(resampled[:, [0, -1]]):
        resampled = blocks
    bootstrap = _analyze(resampled, _RESAMPLES)
    whole = bootstrap if len(resampled) == len(blocks) else _analyze(blocks, 2)
    scale = math.sqrt(len(resampled) / len(blocks))
    found = []
    for name in ("S1", "ST"):
        value, half = np.asarray(whole[name]), scale * np.asarray(bootstrap[f"{name}_conf"])
        found.append(np.stack([value, value - half, value + half], axis=1))
    return found[0], found[1]


def _analyze(blocks: np.ndarray, resamples: int) -> dict[str, np.ndarray]:
    from SALib.analyze import sobol

    targets = blocks.shape[1] - 2
    problem = {"num_vars": targets, "names": [str(number) for number in range(targets)]}
    # Without a seed, and with 0, SALib would draw from numpy's global state.
    return sobol.analyze(
        problem, blocks.ravel(), calc_second_order=False, num_resamples=resamples, conf_level=0.95, seed=1
    )


def _constant(values: np.ndarray) -> bool:
    # Far below the solver's own error: what differs by less does not differ.
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


def _rank_rows(ds: xr.Dataset, targets: Sequence[str]) -> Iterator[_Row]:
    rows = chosen_rows(draw_count(ds), MOST_RANKED)
    done = done_draws(ds, rows)
    columns = np.stack([read_draws(ds, target, rows)[done].astype(np.float64) for target in targets], axis=1)
    ranked = _ranks(columns)
    partial = _correlate(ranked)
    for item in metrics(ds):
        values = read_draws(ds, item.variable, rows)[done].astype(np.float64)
        there = np.isfinite(values)
        ranks = ranked if there.all() else _ranks(columns[there])
        found = _rank_indices(ranks, values[there], partial)
        used = int(np.count_nonzero(there))
        for target, index in zip(targets, found, strict=True):
            yield item, target, index, used, len(done) - used


def rank_correlations(targets: np.ndarray, values: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the kind and, per target, the rank correlation with `values` and its 95 % interval.

    `targets` has shape (draw, target), `values` (draw,), all of them numbers; the result (target, 3).
    The kind is Spearman's, or partial where the targets correlate (`SPEARMAN`, `PARTIAL_RANK`).
    NaN where something is the same in all draws or there are fewer than four degrees of freedom.

    The interval is Fisher's z with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright 2000,
    Psychometrika 65:23, doi:10.1007/BF02294183; of a partial correlation n is less by the number of
    other targets. Partial rank correlation: Marino et al. 2008, J Theor Biol 254:178,
    doi:10.1016/j.jtbi.2008.04.011.
    """
    ranks = _ranks(np.asarray(targets, dtype=np.float64))
    found = _rank_indices(ranks, np.asarray(values, dtype=np.float64), _correlate(ranks))
    return found[0].name, np.array([(index.value, index.lower, index.upper) for index in found])


def _rank_indices(ranks: np.ndarray, values: np.ndarray, partial: bool) -> list[_Index]:
    name = PARTIAL_RANK if partial else SPEARMAN
    draws, count = ranks.shape
    if draws < 4 or _constant(values):
        return [_Index(name)] * count
    scores = _standard(_ranks(values[:, None]))[:, 0]
    columns = _standard(ranks)
    if partial:
        return [_partial(columns, scores, number) for number in range(count)]
    return [_with_interval(name, float(column @ scores), draws) for column in columns.T]


def _partial(columns: np.ndarray, scores: np.ndarray, number: int) -> _Index:
    # The correlation of what the other targets leave unexplained, of the target and of the metric.
    draws = len(columns)
    others = np.delete(columns, number, axis=1)
    others = others[:, np.isfinite(others).all(axis=0)]
    # By the normal equations: (target, target), whatever the number of draws.
    inverse = np.linalg.pinv(others.T @ others, rcond=1e-10, hermitian=True)
    left, of_metric = (
        values - others @ (inverse @ (others.T @ values)) for values in (columns[:, number], scores)
    )
    norms = float(np.linalg.norm(left)), float(np.linalg.norm(of_metric))
    # A target that the others determine, or a metric that they do, has nothing left to correlate.
    if not min(norms) > 1e-6:
        return _Index(PARTIAL_RANK)
    value = float(left @ of_metric) / (norms[0] * norms[1])
    return _with_interval(PARTIAL_RANK, value, draws - others.shape[1])


def _with_interval(name: str, value: float, draws: int) -> _Index:
    if not math.isfinite(value) or draws < 4:
        return _Index(name)
    value = min(max(value, -1.0), 1.0)
    if abs(value) > 1 - 1e-12:
        return _Index(name, value, value, value)
    half = _Z95 * math.sqrt((1 + value**2 / 2) / (draws - 3))
    return _Index(name, value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def _ranks(columns: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(columns, axis=0) if len(columns) else columns


def _standard(columns: np.ndarray) -> np.ndarray:
    # Mean 0 and length 1, so that products are correlations; NaN for what does not vary.
    centred = columns - columns.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    return centred / np.where(length > 0, length, np.nan)


def _correlate(ranks: np.ndarray) -> bool:
    draws, count = ranks.shape
    if draws < count + 4:
        return False
    columns = _standard(ranks)
    among = np.abs(np.triu(columns.T @ columns, k=1))
    return bool(np.nanmax(among, initial=0.0) > max(_CORRELATED, 4.0 / math.sqrt(draws - 1)))


def importance(ds: xr.Dataset, most: int = 50_000) -> np.ndarray:
    """Return how much each varied quantity matters, shape (target,): a share of 1, over all metrics.

    It is the share of the variance of a metric's ranks that lies between (up to 16) equally filled
    bins of the target, so it also sees an effect that rises and falls; the mean over the metrics.
    Found from at most `most` draws. 0 where nothing varies or no draw was solved.
    """
    rows = chosen_rows(draw_count(ds), most)
    done = done_draws(ds, rows)
    columns = [read_draws(ds, item.target, rows)[done] for item in varied(ds)]
    total, counted = np.zeros(len(columns)), 0
    for item in metrics(ds):
        values = read_draws(ds, item.variable, rows)[done]
        there = np.isfinite(values)
        if there.sum() < 2 or _constant(values[there]):
            continue
        ranks = _ranks(values[there])
        total += [_share_between(column[there], ranks) for column in columns]
        counted += 1
    return total / max(counted, 1)


def _share_between(column: np.ndarray, ranks: np.ndarray) -> float:
    bins = min(16, max(2, column.size // 8))
    edges = np.unique(np.quantile(column, np.arange(1, bins) / bins))
    place = np.searchsorted(edges, column, side="left")
    counts = np.bincount(place)
    means = np.bincount(place, weights=ranks) / np.maximum(counts, 1)
    return float(np.sum(counts * (means - ranks.mean()) ** 2) / np.sum((ranks - ranks.mean()) ** 2))


def pooled_quantiles(
    percentiles: np.ndarray,
    weights: np.ndarray,
    probabilities: Sequence[float],
    levels: np.ndarray | None = None,
) -> np.ndarray:
    """Return the quantiles of all draws from the percentiles of each batch, shape (probability, time).

    `percentiles` has shape (batch, percentile, time), ascending along the percentiles, whose shares
    are `levels` (0 to 1, evenly spaced by default); `weights` (batch,) is the number of draws that
    each batch rests on. A batch without draws, or with NaN at a time, does not count there; NaN
    where none counts.

    Each batch is taken as spread evenly between its neighbouring percentiles; the quantile is where
    the weighted mean of the batches' distributions passes the probability. Of one batch that is its
    own percentiles. Of many, the error lies in the curvature between neighbouring percentiles: from
    5 to 95 % it was at most 0.11 % of the draws in rank when measured (log-normal values, batches alike
    or apart; a test holds it below 0.5 %). Beyond the 1st and 99th percentile it is larger.
    """
    percentiles = np.asarray(percentiles, dtype=np.float64)
    batches, count, times = percentiles.shape
    levels = np.linspace(0.0, 1.0, count) if levels is None else np.asarray(levels, dtype=np.float64)
    found = np.full((len(probabilities), times), np.nan)
    # As many times together as fit in about 64 MB.
    step = max(1, (1 << 23) // max(batches * count, 1))
    for start in range(0, times, step):
        part = slice(start, start + step)
        found[:, part] = _pool(percentiles[:, :, part], np.asarray(weights, float), probabilities, levels)
    return found


def _pool(
    percentiles: np.ndarray, weights: np.ndarray, probabilities: Sequence[float], levels: np.ndarray
) -> np.ndarray:
    counts = np.isfinite(percentiles).all(axis=1) & (weights[:, None] > 0)
    share = np.where(counts, weights[:, None], 0.0)
    total = share.sum(axis=0)
    share /= np.where(total > 0, total, 1.0)
    # (time, batch, percentile), so that the search runs along memory.
    ladders = np.ascontiguousarray(np.where(counts[:, None, :], percentiles, 0.0).transpose(2, 0, 1))
    lowest = np.where(counts, percentiles[:, 0], np.inf).min(axis=0)
    highest = np.where(counts, percentiles[:, -1], -np.inf).max(axis=0)
    found = np.full((len(probabilities), len(total)), np.nan)
    for number, probability in enumerate(probabilities):
        low, high = np.where(total > 0, lowest, 0.0), np.where(total > 0, highest, 0.0)
        # Halving 50 times leaves 1e-15 of the range.
        for _ in range(50):
            middle = 0.5 * (low + high)
            reached = np.sum(share.T * _rank_within(ladders, middle, levels), axis=1) >= probability
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        found[number] = np.where(total > 0, high, np.nan)
    return found


def _rank_within(ladders: np.ndarray, value: np.ndarray, levels: np.ndarray) -> np.ndarray:
    # The share of each batch at or below a value, (time, batch), linear between its percentiles.
    passed = np.count_nonzero(ladders <= value[:, None, None], axis=2)
    under = np.clip(passed - 1, 0, len(levels) - 2)
    lower = np.take_along_axis(ladders, under[:, :, None], axis=2)[:, :, 0]
    upper = np.take_along_axis(ladders, under[:, :, None] + 1, axis=2)[:, :, 0]
    within = np.clip((value[:, None] - lower) / np.where(upper > lower, upper - lower, 1.0), 0.0, 1.0)
    inside = levels[under] + within * (levels[under + 1] - levels[under])
    return np.where(passed == 0, 0.0, np.where(passed == len(levels), 1.0, inside))
