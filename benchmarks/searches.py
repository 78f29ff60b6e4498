"""Searches for the best fit from many starts beside each other, on one posterior, in one run.

    make bench-searches
    python benchmarks/searches.py [--starts 64] [--steps 200]

The ten-state problem of the speed suite with 15 free numbers, solves at rtol 1e-6. exsim's optimisers ask
for all starts at once; optimistix's Levenberg-Marquardt runs over diffrax under one vmap, which waits in each
step for the slowest solve and in the end for the slowest start; SciPy's least_squares takes one start after
another, with the same solves and forward derivatives. All begin at the same places. Wall time after a first
run that compiles; where each start ended is told by exsim's density at rtol 1e-9.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np

from exsim.fit_problem import SearchSettings
from exsim.fitting import Evaluator, Objective, fit
from exsim.jax_setup import jax
from exsim.priors import draw_starts
from peers import posteriors
from peers.apart import Apart
from peers.least_squares import of_optimistix, of_scipy
from peers.posteriors import Posterior

RTOL, ATOL = 1e-6, 1e-9
#: A start is there within this of the best log density that any method found.
NEAR = 0.1

#: steps of each start at most -> where each ended (start, parameter), and the wall time.
Method = Callable[[int], tuple[np.ndarray, float]]


def exsim_search(posterior: Posterior, optimiser: str, starts: np.ndarray) -> Method:
    """Return a search by one of exsim's optimisers, as `exsim fit` runs it."""
    objective = Objective(posteriors.fit_problem(posterior, RTOL, ATOL))

    def search(steps: int) -> tuple[np.ndarray, float]:
        settings = SearchSettings(
            starts=len(starts), optimiser=optimiser, iterations=steps, draw_starts="prior"
        )
        found = fit(objective.problem, settings, Evaluator(objective))
        reached = np.log([start.reached for start in found.starts])
        return reached, found.efforts["search"].seconds

    return search


def peer_search(ask: Apart, starts: np.ndarray) -> Method:
    """Return the search by a peer, under XLA as it comes: exsim's options end the process over it."""

    def search(steps: int) -> tuple[np.ndarray, float]:
        begun = time.perf_counter()
        return ask(starts, steps), time.perf_counter() - begun

    return search


def main() -> None:
    """Run every search, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    posterior = posteriors.ten_state_posterior()
    judge = Objective(posteriors.fit_problem(posterior, 1e-9, 1e-12))
    nominal = np.exp(posterior.nominal)
    starts = draw_starts(asked.starts, 0, nominal, judge.scales, judge.priors, "prior")
    at = RTOL, ATOL
    methods: dict[str, Method] = {
        **{
            f"exsim, {name}": exsim_search(posterior, name, starts)
            for name in ("gauss_newton", "hybrid", "lbfgs", "adam")
        },
        "optimistix LM, vmap of diffrax": peer_search(Apart(partial(of_optimistix, posterior, *at)), starts),
        "SciPy least_squares, diffrax": peer_search(Apart(partial(of_scipy, posterior, *at)), starts),
    }
    print(f"Python {sys.version.split()[0]}, jax {jax.__version__}; {asked.starts} starts, 15 free numbers")
    found = {}
    for name, method in methods.items():
        begun = time.perf_counter()
        method(2)
        method(asked.steps)
        first = time.perf_counter() - begun
        reached, seconds = method(asked.steps)
        found[name] = (judge.expand(reached).value, seconds, first)
        print(f"{name:32} done", flush=True)
    best = max(float(np.max(values)) for values, _, _ in found.values())
    ours = next(iter(found.values()))[1]
    print(f"\n{'':32}{'wall s':>9}{'x first':>9}{'first run s':>13}{'there':>10}{'best':>12}")
    for name, (values, seconds, first) in found.items():
        there = int(np.count_nonzero(values > best - NEAR))
        print(
            f"{name:32}{seconds:9.2f}{seconds / ours:9.2f}{first:13.1f}{there:6d} of {len(values)}"
            f"{float(np.max(values)):12.4f}"
        )


if __name__ == "__main__":
    main()
