"""Do the 90 % credible intervals of a population hold the truth in 90 of 100 cases? Data with a known truth.

    make population-recovery
    python benchmarks/population_recovery.py [--replicates 13] [--subjects 30] [--seed 1]

Each data set has a truth of its own, drawn from the priors: people take up and clear a dose, each with an
own gain, uptake and clearance, log-normal about typical values, and clearance goes by a power of the body
mass. `exsim.sampling.sample` draws from the posterior of them all. Of the eight numbers of the population
(three typical values, three sds, a coefficient, the noise) printed is the share whose truth lies inside its
90 % interval; the exit code is 1 where that is not as wanted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np

import small_problems
from exsim.fit_problem import (
    FitProblem,
    Noisy,
    Observable,
    PlacedTarget,
    SampleSettings,
    SearchSettings,
    Simulation,
)
from exsim.fitting import Objective
from exsim.formula import Name
from exsim.jax_setup import jax
from exsim.population import Covariate, Population, RandomEffect, Spread
from exsim.sample_result import SampleResult
from exsim.sampling import PopulationTarget, sample

TIMES_H = np.array([0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0])
EFFECTS = tuple(small_problems.MEDIANS)
#: Prior sds of the logarithms of typical values and of the noise sd (about 0.15), of the half normals of the
#: sds between people, and of the coefficient of log mass on clearance.
TYPICAL_SD, SPREAD, COEFFICIENT_SD = 0.3, 0.3, 1.0
NOISE, NOISE_SD = 0.15, 0.3
#: Sd of log body mass.
MASS_SD = 0.2
CHAINS, WARMUP, DRAWS = 4, 300, 300
LEVEL, WANTED = 0.90, (0.84, 0.96)


#: The numbers of the population, in the order of the draws.
NAMES = (
    "noise",
    *(f"typical {name}" for name in EFFECTS),
    *(f"sd of {name}" for name in EFFECTS),
    "mass on ke",
)


@dataclass(frozen=True)
class Replicate:
    """The truth of one data set, in the order of `NAMES`, and its measurements."""

    truth: np.ndarray
    #: (subject, time)
    value: np.ndarray


def log_mass(subjects: int) -> np.ndarray:
    """Return log(mass / reference) of each person: the same in all data sets, so that programs are."""
    return MASS_SD * np.random.default_rng(0).standard_normal(subjects)


def make_replicate(subjects: int, chance: np.random.Generator) -> Replicate:
    """Draw a truth, people, and their data."""
    effects = len(EFFECTS)
    noise = NOISE * np.exp(NOISE_SD * chance.standard_normal())
    medians = np.array(list(small_problems.MEDIANS.values()))
    typical = medians * np.exp(TYPICAL_SD * chance.standard_normal(effects))
    between = np.abs(SPREAD * chance.standard_normal(effects))
    coefficient = COEFFICIENT_SD * chance.standard_normal()
    people = np.log(typical) + between * chance.standard_normal((subjects, effects))
    people[:, EFFECTS.index("ke")] += coefficient * log_mass(subjects)
    level = small_problems.curve(*np.exp(people).T[:, :, None], TIMES_H)
    value = level * np.exp(noise * chance.standard_normal(level.shape))
    return Replicate(np.array([noise, *typical, *between, coefficient]), value)


def target_of(replicate: Replicate) -> PopulationTarget:
    """Return the posterior of a population as `exsim sample` makes it."""
    spec, run = small_problems.model(), small_problems.run_until(float(TIMES_H[-1]))
    count, times = replicate.value.shape
    subjects = tuple(f"S{number + 1:02}" for number in range(count))
    everyone = np.arange(count)
    own = [(name, count * place + everyone) for place, name in enumerate(EFFECTS)]
    people = [
        small_problems.free(f"{name}[{subject}]", small_problems.MEDIANS[name], None)
        for name in EFFECTS
        for subject in subjects
    ]
    noise = small_problems.free("sd", NOISE, small_problems.lognormal(NOISE, NOISE_SD), "noise")
    problem = FitProblem(
        name=spec.name,
        model=spec,
        free=(*people, noise),
        placed=tuple(
            PlacedTarget(small_problems.target(name, run, spec), tuple(places.tolist()))
            for name, places in own
        ),
        simulations=tuple(Simulation(subject, run) for subject in subjects),
        observables=(Observable("y", "y", "1", Name("y"), "lognormal", Noisy(free=len(people))),),
        rows=small_problems.levels(
            np.tile(TIMES_H, count),
            replicate.value.reshape(-1),
            np.repeat(everyone, times),
            np.repeat(subjects, times).tolist(),
        ),
        rtol=1e-7,
        atol=1e-10,
    )
    effects = tuple(
        RandomEffect(
            name,
            name,
            "1",
            places,
            everyone,
            small_problems.lognormal(small_problems.MEDIANS[name], TYPICAL_SD),
            Spread("halfnormal", SPREAD),
        )
        for name, places in own
    )
    mass = Covariate("mass", EFFECTS.index("ke"), log_mass(count), COEFFICIENT_SD)
    return PopulationTarget(Objective(problem), Population(subjects, effects, (mass,)))


def inside(replicate: Replicate, result: SampleResult) -> np.ndarray:
    """Say of each number of the population whether its truth lies in its interval."""
    draws = result.draws[:, :, : len(NAMES)].reshape(-1, len(NAMES))
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return (lower <= replicate.truth) & (replicate.truth <= upper)


def tell(within: np.ndarray, wall_s: float) -> bool:
    """Print the shares; say whether they are as wanted."""
    print(f"\n{'':16}{'truth inside':>14}   of {len(within)} data sets")
    for name, hits in zip(NAMES, within.sum(axis=0).tolist(), strict=True):
        print(f"{name:16}{hits:14d}")
    share = float(within.mean())
    good = WANTED[0] <= share <= WANTED[1]
    print(
        f"\n{within.size} truths: {share:.1%} inside their {LEVEL:.0%} interval "
        f"(wanted: {WANTED[0]:.0%} to {WANTED[1]:.0%})\n{wall_s:.0f} s in all: "
        f"{'as wanted' if good else 'NOT as wanted'}"
    )
    return good


def try_one(asked: tuple[int, int, int]) -> tuple[np.ndarray, str]:
    """Make and sample one data set, (subjects, seed, number); return what lies inside, and a line on it."""
    subjects, seed, number = asked
    jax.config.update("jax_enable_x64", True)
    started = time.monotonic()
    replicate = make_replicate(subjects, np.random.default_rng([seed, number]))
    search = SearchSettings(starts=4, draw_starts="prior")
    settings = SampleSettings(search, chains=CHAINS, warmup=WARMUP, draws=DRAWS, stress=64, seed=number)
    result = sample(target_of(replicate), settings)
    found, known = inside(replicate, result), result.diagnosis
    missed = [name for name, hit in zip(NAMES, found, strict=True) if not hit]
    said = (
        f"data set {number + 1:2}: {time.monotonic() - started:.0f} s, drawing "
        f"{result.efforts['draws'].seconds:.0f} s, {result.leapfrogs.mean():.0f} steps a draw; "
        f"of the population R-hat {known.r_hat[: len(NAMES)].max():.3f}, ESS "
        f"{known.ess_bulk[: len(NAMES)].min():.0f}, {int(result.diverging.sum())} diverging"
    )
    return found, said + (f"; missed {', '.join(missed)}" if missed else "")


def main() -> None:
    """Sample the replicates, a process a core; print what of their truths was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=13)
    parser.add_argument("--subjects", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun, within = time.monotonic(), []
    each = [(asked.subjects, asked.seed, number) for number in range(asked.replicates)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for found, said in pool.map(try_one, each):
            within.append(found)
            print(said, flush=True)
    if not tell(np.array(within), time.monotonic() - begun):
        sys.exit(1)


if __name__ == "__main__":
    main()
