"""Are the draws of `exsim sample` from the posterior? Simulation-based calibration, and its own check.

    make calibration
    python benchmarks/calibration.py [--repeats 300] [--wrong-repeats 100] [--seed 1] [--only right]

Talts et al. (2018), arXiv:1804.06788: a truth is drawn from the prior, data are made of it, and among
independent draws from the posterior of these data the truth has a rank that is uniform. Also that of the log
likelihood and of the peak, which tell faults that those of the parameters do not: Modrak et al. (2023),
doi:10.1214/23-BA1404. A dose is taken up and cleared; three rates and the sd of log-normal noise are free,
12 data, about a fifth below the limit of quantification. The ranks' distribution must lie inside the band
that it leaves nowhere in 95 % of cases: Saeilynoja, Buerkner & Vehtari (2022),
doi:10.1007/s11222-022-10090-6.

Then the harness must find faults: the sd halved in the likelihood, censoring ignored, a prior mistyped.
Exit code 1 where what is right does not pass, or what is wrong does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np
from scipy.stats import binom, norm

import small_problems
from exsim.fit_problem import FitProblem, Noisy, Observable, PlacedTarget, Simulation
from exsim.fitting import Objective
from exsim.fitting.likelihood import Rows, rows_of
from exsim.formula import Name
from exsim.jax_setup import jax
from exsim.measurements import BELOW_LIMIT, MEASURED
from exsim.posterior_statistics import ess, r_hat
from exsim.sampling import SharedTarget
from exsim.sampling.chains import MOST_DRAWS, Chains, Drawn
from exsim.sampling.density import Whitening

TIMES_H = np.array([0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0])
LLOQ = 1.0
NUMBERS = (*small_problems.MEDIANS, "sd")
MEDIANS = np.array([*small_problems.MEDIANS.values(), 0.25])
PRIOR_SD = 0.3
#: What has a rank.
RANKED = (*NUMBERS, "log likelihood", "peak")

#: Draws among which a truth has its rank; kept of each chain, and how many apart.
RANKS, CHAINS, WARMUP, THIN = 99, 4, 150, 8
KEPT = 25
INSIDE = 0.95
#: Fits with more divergences, a larger R-hat or fewer effective draws are bad; so many may be.
DIVERGING, R_HAT, FEWEST, BAD = 0.01, 1.05, RANKS, 0.01


@dataclass(frozen=True)
class Data:
    """Measurements at `TIMES_H`; a censored value is NaN."""

    value: np.ndarray

    @property
    def below(self) -> np.ndarray:
        """True where a value lies below the limit."""
        return np.isnan(self.value)


@dataclass(frozen=True)
class Version:
    """What is said to be the posterior: as it should be, or with a fault.

    Faults of the density are put into what the density is compared with, where that comes to the same: its
    program is then that of the right one.
    """

    name: str
    right: bool = False
    #: How the data tell the density of values below the limit: (value, limit, censoring).
    tell: Callable[[Data], tuple[np.ndarray, np.ndarray, np.ndarray]] = lambda data: (
        data.value,
        np.where(data.below, LLOQ, np.nan),
        np.where(data.below, BELOW_LIMIT, MEASURED),
    )
    #: The data have so many times the sd that the likelihood takes.
    noise: float = 1.0
    #: The median that gain truly has by that which the density takes.
    median: float = 1.0


def as_the_limit(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the limit for the value of what lies below it."""
    value = np.where(data.below, LLOQ, data.value)
    return value, np.full(len(value), np.nan), np.full(len(value), MEASURED)


def dropped(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave out what lies below the limit: that it lies below a billion says nothing."""
    limit = np.where(data.below, 1e9, np.nan)
    return data.value, limit, np.where(data.below, BELOW_LIMIT, MEASURED)


VERSIONS = {
    "right": Version("as it is", right=True),
    "sd": Version("sd halved in the likelihood", noise=2.0),
    "limit": Version("censored: the limit is the value", tell=as_the_limit),
    "dropped": Version("censored: rows left out", tell=dropped),
    "prior": Version("prior of gain: median 1.5 times off", median=1 / 1.5),
}


def problem() -> FitProblem:
    """Return the problem; its rows have room for any data."""
    spec, run = small_problems.model(), small_problems.run_until(float(TIMES_H[-1]))
    targets = [small_problems.target(id, run, spec) for id in small_problems.MEDIANS]
    count = len(TIMES_H)
    return FitProblem(
        name=spec.name,
        model=spec,
        free=tuple(
            small_problems.free(
                name,
                median,
                small_problems.lognormal(median, PRIOR_SD),
                "noise" if name == "sd" else "model",
            )
            for name, median in zip(NUMBERS, MEDIANS.tolist(), strict=True)
        ),
        placed=tuple(PlacedTarget(item, (place,)) for place, item in enumerate(targets)),
        simulations=(Simulation("rest", run),),
        observables=(Observable("y", "y", "1", Name("y"), "lognormal", Noisy(free=len(NUMBERS) - 1)),),
        rows=small_problems.levels(TIMES_H, np.ones(count), np.zeros(count, dtype=np.int64), ("S1",) * count),
        rtol=1e-5,
        atol=1e-8,
    )


def make_data(numbers: np.ndarray, noise: float, rng: np.random.Generator) -> Data:
    """Return data of the truth, with so many times its noise."""
    *rates, sd = numbers
    value = small_problems.curve(*rates, TIMES_H) * np.exp(noise * sd * rng.standard_normal(len(TIMES_H)))
    return Data(np.where(value < LLOQ, np.nan, value))


def quantities(numbers: np.ndarray, data: Data) -> np.ndarray:
    """Return what has a rank, (draw, quantity), of values (draw, number), by closed forms."""
    gain, ka, ke, sd = numbers.T[:, :, None]
    log_level = np.log(small_problems.curve(gain, ka, ke, TIMES_H))
    measured = norm.logpdf(np.log(data.value), log_level, sd)
    likelihood = np.where(data.below, norm.logcdf((np.log(LLOQ) - log_level) / sd), measured).sum(axis=1)
    largest = small_problems.peak(gain, ka, ke)[:, 0]
    return np.column_stack([numbers, likelihood, largest])


def ranks(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return how many draws, (draw, quantity), lie below the truth, (quantity,)."""
    return np.count_nonzero(draws < truth, axis=0)


def least_chance(ranks: np.ndarray, possible: int = RANKS + 1) -> np.ndarray:
    """Return the smallest two-sided chance, over all ranks, of so many ranks at or below it; (...,).

    `ranks` is (..., repeat), each 0 to `possible` - 1. Were the ranks uniform, the number of those at or
    below one would be binomial.
    """
    repeats = ranks.shape[-1]
    share = np.arange(1, possible) / possible
    counts = np.stack([np.count_nonzero(ranks < place, axis=-1) for place in range(1, possible)], axis=-1)
    low = binom.cdf(np.arange(repeats + 1)[:, None], repeats, share)
    high = binom.sf(np.arange(-1, repeats)[:, None], repeats, share)
    both = 2 * np.minimum(low, high)
    return both[counts, np.arange(possible - 1)].min(axis=-1)


def bar(repeats: int, possible: int = RANKS + 1, simulated: int = 10_000) -> float:
    """Return the chance which the smallest of uniform ranks undercuts in 5 % of cases: the band's width."""
    drawn = np.random.default_rng(0).integers(possible, size=(simulated, repeats))
    parts = [least_chance(part, possible) for part in np.array_split(drawn, 50)]
    return float(np.quantile(np.concatenate(parts), 1 - INSIDE))


@dataclass(frozen=True)
class Fitted:
    """The ranks of one repeat, the share of censored data, and whether the chains are bad."""

    ranks: np.ndarray
    censored: float
    bad: bool


class Harness:
    """One compiled sampler for the data of all repeats."""

    def __init__(self) -> None:
        self.target = SharedTarget(Objective(problem()))
        self.rows = rows_of(self.target.objective.problem, self.target.objective.plan)
        # Coordinates are the logarithms; whitened they are the scores of the prior, where chains begin.
        self.chains = Chains(self.target, self._about(self.rows), CHAINS, WARMUP, 0, 0.8, 10)

    def _about(self, rows: Rows) -> Whitening:
        return Whitening(np.log(MEDIANS), PRIOR_SD * np.eye(len(MEDIANS)), rows)

    def fit(self, version: Version, number: int, seed: int) -> Fitted:
        """Draw a truth, make its data, sample their posterior."""
        rng = np.random.default_rng([seed, number])
        truth = MEDIANS * np.exp(PRIOR_SD * rng.standard_normal(len(MEDIANS)))
        truth[0] *= version.median
        data = make_data(truth, version.noise, rng)
        value, limit, censoring = version.tell(data)
        rows = replace(self.rows, value=value, limit=limit, censoring=censoring)
        chains = self.chains.of(self._about(rows), int(rng.integers(2**31)))
        drawn = self._draw(chains, rng.standard_normal((CHAINS, len(MEDIANS))))
        numbers = MEDIANS * np.exp(PRIOR_SD * drawn.z)
        bad = (
            drawn.diverging.mean() > DIVERGING
            or r_hat(numbers).max() > R_HAT
            or ess(numbers, "bulk").min() < FEWEST
        )
        kept = numbers[:, THIN - 1 :: THIN].swapaxes(0, 1).reshape(-1, len(MEDIANS))[:RANKS]
        found = ranks(quantities(truth[None], data)[0], quantities(kept, data))
        return Fitted(found, float(data.below.mean()), bool(bad))

    def _draw(self, chains: Chains, z: np.ndarray) -> Drawn:
        # The draws after the warm-up.
        states, parts, whole = chains.begin(z), [], WARMUP + THIN * KEPT
        for begin in range(0, whole, MOST_DRAWS):
            states, drawn = chains.advance(states, min(MOST_DRAWS, whole - begin))
            parts.append(drawn)
        drawn = Drawn.together(parts, 1)
        return Drawn(*(getattr(drawn, name)[:, WARMUP:] for name in Drawn.__dataclass_fields__))


def examine(harness: Harness, version: Version, repeats: int, seed: int) -> bool:
    """Rank the truths of all repeats; print what is found; say whether all ranks look uniform."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        fitted = list(pool.map(lambda number: harness.fit(version, number, seed), range(repeats)))
    took = time.perf_counter() - begun
    found = np.stack([item.ranks for item in fitted], axis=1)
    chance, least = least_chance(found), bar(repeats)
    bad = float(np.mean([item.bad for item in fitted]))
    censored = float(np.mean([item.censored for item in fitted]))
    print(
        f"\n{version.name}: {repeats} repeats, {repeats / took:.1f} a second; {censored:.0%} of the data "
        f"below the limit; {bad:.1%} with bad diagnostics\n  inside the band: no chance below {least:.2g}"
    )
    for name, ranked, one in zip(RANKED, found, chance.tolist(), strict=True):
        said = "inside" if one >= least else "OUTSIDE"
        print(
            f"  {name:16} mean rank {ranked.mean():5.1f} of {RANKS}   chance {one:8.2g}   {said}", flush=True
        )
    return bool((chance >= least).all()) and (bad <= BAD or not version.right)


def main() -> None:
    """Examine the right posterior and the wrong ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--wrong-repeats", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=VERSIONS, action="append")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    begun = time.perf_counter()
    harness = Harness()
    harness.fit(VERSIONS["right"], 0, asked.seed)
    print(f"compiled in {time.perf_counter() - begun:.0f} s", flush=True)
    wrong = []
    for name in asked.only or VERSIONS:
        version = VERSIONS[name]
        repeats = asked.repeats if version.right else asked.wrong_repeats
        if examine(harness, version, repeats, asked.seed) != version.right:
            wrong.append(version.name)
    if wrong:
        print(f"\nNOT as wanted: {'; '.join(wrong)}")
        sys.exit(1)
    print("\nas wanted")


if __name__ == "__main__":
    main()
