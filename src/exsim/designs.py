"""Designs: which values the quantities of a sweep have in draw i.

Draw i depends on the design, its seed, the number of draws and i alone. It is worked out for whole
blocks of draws by index, so that its last bit does not depend on how the draws are cut in pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt64

from .marginals import Marginal
from .sweep_spec import SweepSpec
from .sweep_targets import Target

#: Draws that are worked out together.
BLOCK_DRAWS = 4096

Draws = Float[np.ndarray, "draw quantity"]
#: Cholesky factor of the correlation matrix of the quantities.
Factor = Float[np.ndarray, "quantity quantity"]
_Indices = UInt64[np.ndarray, "draw"]
_Numbers = UInt64[np.ndarray, "draw quantity"]
#: (first index, number of draws) -> values.
_Block = Callable[[int, int], Draws]

# Streams of chance that must not meet: counters of one keyed generator (numpy.random.Philox).
_RANDOM, _JITTER, _KEYS = 1, 2, 3
_MAX_SEED = 2**64


@dataclass(frozen=True)
class Design:
    """What every draw of a sweep is: `columns` names the quantities, `draws` counts the draws."""

    kind: str
    draws: int
    columns: tuple[str, ...]
    #: Lengths of the axes of a grid, in the order of the columns; empty for other designs.
    grid_shape: tuple[int, ...]
    block: _Block

    def draw(self, start: int, stop: int) -> Draws:
        """Return draws start <= i < stop, shape (draw, quantity), each in the unit of its target.

        Raises IndexError for draws that the design does not have.
        """
        if not 0 <= start <= stop <= self.draws:
            raise IndexError(f"draws {start} to {stop} of {self.draws}")
        result = np.empty((stop - start, len(self.columns)))
        for first in range(start - start % BLOCK_DRAWS, stop, BLOCK_DRAWS):
            values = self.block(first, min(BLOCK_DRAWS, self.draws - first))
            begin, end = max(first, start), min(first + len(values), stop)
            result[begin - start : end - start] = values[begin - first : end - first]
        return result


def sweep_design(
    sweep: SweepSpec, targets: Sequence[Target], seed: int, listed: Draws | None = None
) -> Design:
    """Return the design of a checked `[sweep]`, its columns in the order of `targets`.

    `listed` holds the rows of a table or posterior, shape (draw, quantity), in the units of the targets.
    """
    columns = [target.text for target in targets]
    if listed is not None:
        return listed_design(sweep.design, columns, listed)
    if sweep.design == "grid":
        return grid_design(columns, [target.levels for target in targets])
    marginals = [target.marginal for target in targets if target.marginal is not None]
    assert sweep.draws is not None
    if sweep.design == "saltelli":
        return saltelli_design(sweep.draws, columns, marginals, seed)
    factor = correlation_factor(columns, [(*item.between, item.coefficient) for item in sweep.correlation])
    return _BY_MARGINALS[sweep.design](sweep.draws, columns, marginals, seed, factor)


def random_design(
    draws: int, columns: Sequence[str], marginals: Sequence[Marginal], seed: int, factor: Factor | None = None
) -> Design:
    """Return draws that are independent of each other.

    `factor` is the Cholesky factor of a correlation matrix (see `correlation_factor`).
    """

    def shares(first: int, count: int) -> Draws:
        return _uniform(seed, _RANDOM, first, count, len(columns))

    return _spread("random", draws, columns, marginals, shares, factor)


def latin_hypercube_design(
    draws: int, columns: Sequence[str], marginals: Sequence[Marginal], seed: int, factor: Factor | None = None
) -> Design:
    """Return draws of which each lies in a stratum of its own, in every quantity (McKay 1979).

    Of `draws` strata of equal share, draw i has number P(i), with P a keyed permutation that is
    computed and not stored, and lies at random inside it. Source: McKay, Beckman & Conover 1979,
    Technometrics 21:239, doi 10.1080/00401706.1979.10489755. With a correlation the strata hold for
    the first quantity alone.
    """
    keys = _raw(seed, _KEYS, 0, len(columns) * _ROUNDS).reshape(_ROUNDS, len(columns))

    def shares(first: int, count: int) -> Draws:
        index = np.arange(first, first + count, dtype=np.uint64)
        inside = _uniform(seed, _JITTER, first, count, len(columns))
        strata = _permuted(index, draws, keys)
        return (strata.astype(np.float64) + inside) / draws

    return _spread("latin-hypercube", draws, columns, marginals, shares, factor)


def sobol_design(
    draws: int, columns: Sequence[str], marginals: Sequence[Marginal], seed: int, factor: Factor | None = None
) -> Design:
    """Return the points of a scrambled Sobol sequence (those of scipy.stats.qmc.Sobol, bits = 30).

    Each point is moved by half a unit of its last bit, so that no share is 0.
    """
    points = _sobol_points(len(columns), draws, seed)

    def shares(first: int, count: int) -> Draws:
        return points(np.arange(first, first + count, dtype=np.uint64))

    return _spread("sobol", draws, columns, marginals, shares, factor)


def saltelli_design(base: int, columns: Sequence[str], marginals: Sequence[Marginal], seed: int) -> Design:
    """Return Saltelli's design for first-order and total Sobol indices: base * (quantities + 2) draws.

    The rows and their order are those of SALib.sample.sobol without second order, on the unit cube:
    for each base draw A, then A with quantity k from B for each k, then B. Source: Saltelli 2002,
    Comput Phys Commun 145:280, doi 10.1016/S0010-4655(02)00280-1.
    """
    width = len(columns)
    points = _sobol_points(2 * width, base, seed)

    def shares(first: int, count: int) -> Draws:
        index = np.arange(first, first + count)
        number, place = index // (width + 2), index % (width + 2)
        base_first = int(number[0])
        both = points(np.arange(base_first, int(number[-1]) + 1, dtype=np.uint64))[number - base_first]
        exchanged = (place[:, None] == np.arange(1, width + 1)) | (place[:, None] == width + 1)
        return np.where(exchanged, both[:, width:], both[:, :width])

    return _spread("saltelli", base * (width + 2), columns, marginals, shares, None)


def grid_design(columns: Sequence[str], levels: Sequence[Sequence[float]]) -> Design:
    """Return every combination of the levels of each quantity, the last quantity varying fastest."""
    shape = tuple(len(values) for values in levels)
    arrays = [np.asarray(values, dtype=np.float64) for values in levels]

    def block(first: int, count: int) -> Draws:
        places = np.unravel_index(np.arange(first, first + count), shape)
        return np.stack([values[place] for values, place in zip(arrays, places, strict=True)], axis=1)

    return Design("grid", math.prod(shape), tuple(columns), shape, block)


def listed_design(kind: str, columns: Sequence[str], values: Draws) -> Design:
    """Return the rows of a table, shape (draw, quantity), as they stand."""

    def block(first: int, count: int) -> Draws:
        return values[first : first + count]

    return Design(kind, len(values), tuple(columns), (), block)


_BY_MARGINALS = {
    "random": random_design,
    "latin-hypercube": latin_hypercube_design,
    "sobol": sobol_design,
}


def correlation_factor(columns: Sequence[str], pairs: Sequence[tuple[str, str, float]]) -> Factor | None:
    """Return the Cholesky factor of the correlation matrix of the quantities; None without a pair.

    Raises numpy.linalg.LinAlgError where the matrix is not positive definite.
    """
    if not pairs:
        return None
    matrix = np.eye(len(columns))
    for first, second, coefficient in pairs:
        i, j = columns.index(first), columns.index(second)
        matrix[i, j] = matrix[j, i] = coefficient
    return np.linalg.cholesky(matrix)


def _spread(
    kind: str,
    draws: int,
    columns: Sequence[str],
    marginals: Sequence[Marginal],
    shares: _Block,
    factor: Factor | None,
) -> Design:
    # Shares in the unit cube -> values, through the Gaussian copula where quantities are correlated.
    def block(first: int, count: int) -> Draws:
        inside = shares(first, count)
        if factor is not None:
            inside = _correlated(inside, factor)
        inside = np.clip(inside, _SMALLEST, 1.0 - 2.0**-53)
        return np.stack(
            [item.values(np.ascontiguousarray(inside[:, k])) for k, item in enumerate(marginals)], axis=1
        )

    return Design(kind, draws, tuple(columns), (), block)


_SMALLEST = 2.0**-60


def _correlated(shares: Draws, factor: Factor) -> Draws:
    # Normal scores, mixed by the Cholesky factor, and back. Sums in a fixed order: a matrix product
    # rounds differently for different numbers of rows.
    from scipy.special import ndtr, ndtri

    scores = ndtri(np.clip(shares, _SMALLEST, 1.0 - 2.0**-53))
    mixed = [
        sum((factor[i, j] * scores[:, j] for j in range(1, i + 1)), factor[i, 0] * scores[:, 0])
        for i in range(len(factor))
    ]
    return np.asarray(ndtr(np.stack(mixed, axis=1)))


# ---- chance ------------------------------------------------------------------------------------------


def _raw(seed: int, stream: int, first: int, count: int) -> UInt64[np.ndarray, "number"]:
    # Counter-based: the numbers of a block need none before them (Salmon 2011, Proc SC11, Philox).
    key = np.array([seed % _MAX_SEED, stream], dtype=np.uint64)
    counter = np.array([0, 0, first, 0], dtype=np.uint64)
    return np.asarray(np.random.Philox(key=key, counter=counter).random_raw(count))


def _uniform(seed: int, stream: int, first: int, count: int, width: int) -> Draws:
    raw = _raw(seed, stream, first, count * width).reshape(count, width)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


_ROUNDS = 8


def _permuted(index: _Indices, size: int, keys: UInt64[np.ndarray, "round quantity"]) -> _Numbers:
    """Return where keyed permutations of 0 ... size - 1, one for each quantity, take each index.

    A Feistel network on the next even number of bits (Luby & Rackoff 1988, SIAM J Comput 17:373), gone
    through again until the number is below `size` (cycle walking: Black & Rogaway 2002, CT-RSA,
    doi 10.1007/3-540-45760-7_9). Shape (draw, quantity).
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    width = keys.shape[1]
    # One line of numbers, with the quantity that each belongs to.
    column = np.tile(np.arange(width), len(index))
    result = _feistel(np.repeat(index, width), keys[:, column], half)
    while len(outside := np.flatnonzero(result >= size)):
        result[outside] = _feistel(result[outside], keys[:, column[outside]], half)
    return result.reshape(len(index), width)


def _feistel(
    number: UInt64[np.ndarray, "number"], keys: UInt64[np.ndarray, "round number"], half: np.uint64
) -> UInt64[np.ndarray, "number"]:
    mask = np.uint64((1 << int(half)) - 1)
    left, right = number >> half, number & mask
    for key in keys:
        left, right = right, left ^ (_mixed(right + key) & mask)
    return (left << half) | right


def _mixed(number: UInt64[np.ndarray, "number"]) -> UInt64[np.ndarray, "number"]:
    # The finalizer of SplitMix64 (Steele 2014, OOPSLA, doi 10.1145/2660193.2660195).
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


_SOBOL_BITS = 30


def _sobol_points(width: int, count: int, seed: int) -> Callable[[_Indices], Draws]:
    """Return the function index -> points of a scrambled Sobol sequence, shape (draw, quantity).

    Point i is the shift XOR the direction numbers of the bits of i XOR (i >> 1) (Gray code: Antonov &
    Saleev 1979, doi 10.1016/0041-5553(79)90085-5). Shift and direction numbers are read off SciPy's points.
    """
    from scipy.stats import qmc

    engine = qmc.Sobol(width, scramble=True, bits=_SOBOL_BITS, rng=np.random.default_rng(seed))

    def point() -> UInt64[np.ndarray, "quantity"]:
        return (engine.random(1)[0] * 2.0**_SOBOL_BITS).astype(np.uint64)

    shift = point()
    directions: list[UInt64[np.ndarray, "quantity"]] = []
    while (1 << len(directions)) < count:
        # Point 2^(b + 1) - 1 has the Gray code 2^b.
        wanted = (2 << len(directions)) - 1
        engine.fast_forward(wanted - engine.num_generated)
        directions.append(point() ^ shift)

    def points(index: _Indices) -> Draws:
        code = index ^ (index >> np.uint64(1))
        found = np.broadcast_to(shift, (len(index), width)).copy()
        for bit, direction in enumerate(directions):
            set_here = (code >> np.uint64(bit)) & np.uint64(1)
            found ^= set_here[:, None] * direction
        return (found.astype(np.float64) + 0.5) * 2.0**-_SOBOL_BITS

    return points
