"""Which sampler should chains run? Effective draws per second on exsim's own density, in one run.

    make bench-kernels
    python benchmarks/kernels.py [--draws 400] [--warmup 500]

All samplers ask the same density, in the same whitened coordinates, from the same search, in one thread:
NUTS of numpyro as `exsim sample` has it, NUTS of blackjax with its window adaptation, and of blackjax a
sampler for many chains, ChEES-HMC, whose trajectories have one length for all chains, so that lanes do not
wait for the longest tree (Hoffman, Radul & Sountsov 2021, AISTATS; blackjax: Cabezas et al. 2024,
arXiv:2402.10797). Posteriors are those of the ten-state speed suite and of `marathon_1998`. What counts is
the smallest bulk effective sample size over the seconds of the kept draws, and over those of the warm-up
with them, compiling apart. The most distant mean or sd is told in Monte Carlo standard errors of both; exit
code 1 is for samplers that disagree.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import blackjax
import numpy as np

from exsim import api
from exsim.fit_problem import SearchSettings
from exsim.fitting import Evaluator, Objective
from exsim.jax_setup import jax
from exsim.sampling import SharedTarget, Target, target_of
from exsim.sampling.chains import MOST_DRAWS, Chains
from exsim.sampling.density import Whitening, of_one
from exsim.sampling.many_chains import ManyChains
from exsim.sampling.starting import begin
from peers import posteriors
from peers.drawn import Drawn, Sampler, distance

#: Of all means and sds the most distant is some 3 errors away.
FARTHEST = 4.5
ACCEPTANCE, DEPTH, SEED = 0.8, 10, 1
#: Of each solve: what is far off ends early, as in `exsim sample`.
MOST_STEPS = 2000
FIRST, MANY = f"numpyro NUTS, {Chains.together} chains", ManyChains.together
#: A sampler of many chains is kept beside NUTS where it gives so many times as much.
WORTH = 2.0


def density_of(target: Target) -> tuple[Target, Whitening]:
    """Return what all samplers ask: the target and its coordinates about the best of a search."""
    settings = SearchSettings(starts=16, draw_starts="prior", seed=SEED)
    begun = begin(target, Evaluator(target.objective), settings)
    at = Whitening(begun.center, begun.root, begun.target.objective.rows)
    return begun.target.within(MOST_STEPS), at


def starts(at: Whitening, chains: int) -> np.ndarray:
    """Return where chains begin: spread as the posterior is about."""
    return np.random.default_rng(SEED).standard_normal((chains, len(at.center)))


def of_exsim(kind: type[Chains], acceptance: float, target: Target, at: Whitening, chains: int) -> Sampler:
    """Return chains as `exsim sample` runs them: a group as lanes, draw by draw."""

    def sample(warmup: int, draws: int) -> Drawn:
        made = kind(target, at, chains, warmup, SEED, acceptance, DEPTH)
        begun = time.perf_counter()
        states, _ = made.advance(made.begin(starts(at, chains)), 1)
        ready = time.perf_counter()
        for count in _calls(warmup - 1):
            states, _ = made.advance(states, count)
        warm = time.perf_counter()
        kept = []
        for count in _calls(draws):
            states, drawn = made.advance(states, count)
            kept.append(drawn)
        ended = time.perf_counter()
        whole = type(kept[0]).together(kept, 1)
        return Drawn(whole.z, ready - begun, warm - ready, ended - warm, int(whole.leapfrogs.sum()))

    return sample


def _calls(draws: int) -> list[int]:
    return [min(MOST_DRAWS, draws - done) for done in range(0, draws, MOST_DRAWS)]


def blackjax_nuts(target: Target, at: Whitening, chains: int) -> Sampler:
    """Return blackjax's NUTS: chains under one vmap, each with a step and a metric of its own."""
    log_density = of_one(target, at)
    warm_up = blackjax.window_adaptation(blackjax.nuts, log_density, target_acceptance_rate=ACCEPTANCE)

    def sample(warmup: int, draws: int) -> Drawn:
        keys = jax.random.split(jax.random.PRNGKey(SEED), chains)

        def adapted(key: Any, z: Any) -> Any:
            (state, parameters), _ = warm_up.run(key, z, warmup)
            return state, parameters

        def drawn(keys: Any, states: Any, parameters: Any) -> Any:
            def one(key: Any, state: Any, parameters: Any) -> Any:
                return blackjax.nuts(log_density, **parameters).step(key, state)

            def step(states: Any, key: Any) -> Any:
                states, info = jax.vmap(one)(jax.random.split(key, chains), states, parameters)
                return states, (states.position, info.num_integration_steps)

            return jax.lax.scan(step, states, keys)[1]

        z = starts(at, chains)
        begun = time.perf_counter()
        first = jax.jit(jax.vmap(adapted)).lower(keys, z).compile()
        kept_keys = jax.random.split(jax.random.PRNGKey(SEED + 1), draws)
        shapes = jax.eval_shape(jax.vmap(adapted), keys, z)
        second = jax.jit(drawn).lower(kept_keys, *shapes).compile()
        return _timed(begun, lambda: first(keys, z), lambda ready: second(kept_keys, *ready))

    return sample


def _timed(begun: float, warm_up: Callable[[], Any], draw: Callable[[Any], Any]) -> Drawn:
    compiled = time.perf_counter()
    ready = jax.block_until_ready(warm_up())
    warm = time.perf_counter()
    z, steps = jax.block_until_ready(draw(ready))
    ended = time.perf_counter()
    kept = np.asarray(z).swapaxes(0, 1)
    return Drawn(kept, compiled - begun, warm - compiled, ended - warm, int(np.sum(steps)))


def compare(name: str, target: Target, asked: argparse.Namespace) -> bool:
    """Print a table for a posterior; say whether all samplers found the same one."""
    target, at = density_of(target)
    samplers = {
        FIRST: of_exsim(Chains, ACCEPTANCE, target, at, Chains.together),
        f"blackjax NUTS, {Chains.together} chains": blackjax_nuts(target, at, Chains.together),
        f"blackjax ChEES, {MANY} chains": of_exsim(ManyChains, 0.651, target, at, MANY),
    }
    print(
        f"\n{name}\n{'':28}{'draws':>10}{'steps':>8}{'compile s':>11}{'warm-up s':>11}{'draws s':>9}"
        f"{'ESS':>7}{'ESS/s':>8}{'of first':>10}{'and warm-up':>13}{'of first':>10}{'apart':>7}"
    )
    found: dict[str, Drawn] = {}
    good = True
    for label, sampler in samplers.items():
        found[label] = drawn = sampler(asked.warmup, asked.draws)
        chains, draws, _ = drawn.draws.shape
        both = drawn, found[FIRST]
        rate, first = (item.least_ess / item.draws_s for item in both)
        whole, first_whole = (item.least_ess / (item.draws_s + item.warmup_s) for item in both)
        away = 0.0 if label == FIRST else distance(found[FIRST], drawn)
        good &= away <= FARTHEST
        print(
            f"{label:28}{f'{chains} x {draws}':>10}{drawn.leapfrogs / (chains * draws):8.1f}"
            f"{drawn.begin_s:11.1f}{drawn.warmup_s:11.2f}{drawn.draws_s:9.2f}{drawn.least_ess:7.0f}{rate:8.1f}"
            f"{rate / first:10.2f}{whole:13.1f}{whole / first_whole:10.2f}{away:7.2f}",
            flush=True,
        )
    return good


def main() -> None:
    """Compare the samplers on both posteriors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, count in (("draws", 400), ("warmup", 500)):
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print(
        f"numpyro {version('numpyro')}, blackjax {version('blackjax')}, jax {version('jax')}, one thread; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    ten = posteriors.ten_state_posterior()
    marathon = api.read_sample("configs/sample/marathon_1998.toml")
    targets = {
        "ten states, 15 free numbers": SharedTarget(Objective(posteriors.fit_problem(ten, 1e-6, 1e-9))),
        "marathon_1998": target_of(marathon.problem, marathon.population),
    }
    agreed = [compare(name, target, asked) for name, target in targets.items()]
    print(f"\nA sampler of many chains is kept beside NUTS for {WORTH:g} times its rate or more.")
    if not all(agreed):
        sys.exit(1)


if __name__ == "__main__":
    main()
