"""Effective draws per second from one posterior by several samplers, in one run.

    make bench-samplers
    python benchmarks/samplers.py [--draws 500] [--warmup 500] [--peer-draws 200] [--peer-warmup 150]

The ten-state posterior of the speed suite with 15 free numbers, solves at rtol 1e-6. Wall time on this
machine. First mean and sd of each number are shown to agree between the samplers within Monte Carlo error;
exit code 1 where they do not. What counts is the smallest bulk effective sample size of the 15
numbers over the seconds of the kept draws; also over those of the warm-up with them. The begin is compiling,
and with exsim a thousand solves at draws of the prior and a search; steps are those of the leapfrog for a
kept draw. Peers make `--peer-draws` draws in all, shared by their chains. numpyro runs over diffrax in a
process of its own under XLA as it comes: exsim's options end the process over it. Stan's chains run beside
each other, a process each; so do exsim's groups of four chains, a thread each.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np

from exsim.fit_problem import SampleSettings, SearchSettings
from exsim.fitting import Objective
from exsim.jax_setup import jax
from exsim.sampling import SharedTarget
from exsim.sampling import sample as sample_by_exsim
from peers import numpyro_nuts, posteriors, stan_ten_state
from peers.apart import Apart
from peers.drawn import Drawn, Sampler, distance
from peers.posteriors import Posterior

RTOL, ATOL = 1e-6, 1e-9
#: Of 30 means and sds the most distant is some 3 errors away, and errors are told by few effective draws.
FARTHEST = 4.5
FIRST, STAN = "exsim, 8 chains", "Stan"
#: How many times as many effective draws per second as each peer are wanted.
WANTED = {STAN: 10.0, "numpyro": 5.0}


def exsim_sampler(posterior: Posterior, chains: int) -> Sampler:
    """Return exsim's own sampler, as `exsim sample` runs it."""

    def sample(warmup: int, draws: int) -> Drawn:
        told: dict[str, list[float]] = {}

        def report(stage: str, done: int, whole: int, said: str) -> None:
            told.setdefault(stage, []).append(time.perf_counter())

        # Starts from all that the wide bounds allow are absurd, and slow.
        search = SearchSettings(starts=16, draw_starts="prior")
        settings = SampleSettings(search, chains=chains, warmup=warmup, draws=draws, seed=1)
        begun = time.perf_counter()
        target = SharedTarget(Objective(posteriors.fit_problem(posterior, RTOL, ATOL)))
        found = sample_by_exsim(target, settings, report=report)
        # The first call makes one draw, and compiles.
        ready, warm, ended = told["warm-up"][0], told["warm-up"][-1], told["draws"][-1]
        leapfrogs = int(found.leapfrogs.sum())
        return Drawn(np.log(found.draws), ready - begun, warm - ready, ended - warm, leapfrogs)

    return sample


def samplers(posterior: Posterior) -> dict[str, tuple[int, Callable[[], Sampler]]]:
    """Return the chains of each sampler, and what makes it."""
    numpyro = partial(partial, numpyro_nuts.prepare, posterior)
    return {
        FIRST: (8, lambda: exsim_sampler(posterior, 8)),
        "exsim, 1 chain": (1, lambda: exsim_sampler(posterior, 1)),
        "numpyro, 1 chain, diffrax forward": (1, lambda: Apart(numpyro("forward", 1))),
        "numpyro, 1 chain, diffrax reverse": (1, lambda: Apart(numpyro("reverse", 1))),
        f"{STAN}, 2 chains beside each other": (
            2,
            lambda: Apart(partial(stan_ten_state.prepare, posterior, 2)),
        ),
        "numpyro, 4 chains by vmap, forward": (4, lambda: Apart(numpyro("forward", 4))),
        "numpyro, 4 chains by vmap, reverse": (4, lambda: Apart(numpyro("reverse", 4))),
    }


def versions() -> str:
    """Return the versions of what runs."""
    found = [f"Python {sys.version.split()[0]}", f"{os.cpu_count()} cores"]
    for name in ("jax", "diffrax", "numpyro", "pystan", "httpstan"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def print_row(name: str, drawn: Drawn, ours: Drawn) -> None:
    """Print what a sampler needed, and what exsim's eight chains make of each second beside it."""
    chains, draws, _ = drawn.draws.shape
    least, first = drawn.least_ess, ours.least_ess
    kept, warmed = drawn.draws_s, drawn.draws_s + drawn.warmup_s
    print(
        f"{name:36}{f'{chains} x {draws}':>9}{drawn.leapfrogs / (chains * draws):9.1f}"
        f"{drawn.begin_s:9.1f}{drawn.warmup_s:10.2f}{drawn.draws_s:9.2f}{least:7.0f}{least / kept:10.3g}"
        f"{first / ours.draws_s * kept / least:9.1f}{least / warmed:12.3g}"
        f"{first / (ours.draws_s + ours.warmup_s) * warmed / least:9.1f}",
        flush=True,
    )


def print_ratios(found: dict[str, Drawn]) -> None:
    """Print exsim's rate over that of the best row of each peer."""
    rates = {name: drawn.least_ess / drawn.draws_s for name, drawn in found.items()}
    for peer, wanted in WANTED.items():
        best = max((rate for name, rate in rates.items() if name.startswith(peer)), default=None)
        if best is not None:
            print(f"exsim over the best of {peer}: {rates[FIRST] / best:.1f} (wanted: {wanted:g})")


def agree(found: dict[str, Drawn]) -> bool:
    """Print how far each posterior lies from the first; say whether all are the same."""
    ours, good = found[FIRST], True
    print("\nmost distant mean or sd, in Monte Carlo standard errors; in sds of the posterior")
    for name, drawn in found.items():
        if name == FIRST:
            continue
        away = distance(ours, drawn)
        by_sd = float(np.max(np.abs(ours.moments - drawn.moments) / ours.moments[1]))
        good &= away <= FARTHEST
        print(f"{name:36}{away:8.2f}{by_sd:8.3f}{'' if away <= FARTHEST else '   NOT the same'}")
    return good


def main() -> None:
    """Run all samplers, show that they agree, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, count in (("draws", 500), ("warmup", 500), ("peer-draws", 200), ("peer-warmup", 150)):
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    posterior = posteriors.ten_state_posterior()
    print(f"{versions()}; load {os.getloadavg()[0]:.1f}")
    print(
        f"\n{'':36}{'draws':>9}{'steps':>9}{'begin s':>9}{'warm-up s':>10}{'draws s':>9}{'ESS':>7}"
        f"{'ESS/s':>10}{'exsim x':>9}{'and warm-up':>12}{'exsim x':>9}"
    )
    found: dict[str, Drawn] = {}
    for name, (chains, make) in samplers(posterior).items():
        counts = asked.peer_warmup, asked.peer_draws // chains
        if name.startswith("exsim"):
            counts = asked.warmup, asked.draws
        try:
            found[name] = make()(*counts)
        except ImportError as missing:
            print(f"{name:36} not installed ({missing.name})", flush=True)
            continue
        print_row(name, found[name], found[FIRST])
    print_ratios(found)
    if not agree(found):
        sys.exit(1)


if __name__ == "__main__":
    main()
