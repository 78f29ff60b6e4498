"""numpyro's NUTS over diffrax, as a careful user runs it: one chain, or chains under one vmap.

Phan, Pradhan & Jankowiak (2019), arXiv:1912.11554. The coordinates are standard normal scores of the prior,
where the default metric does well. The kernel is asked by a program that is compiled once, in place of
`MCMC.run`, which traces anew each time: compiling is then told apart from drawing.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Literal

import numpy as np

from exsim.jax_setup import jax, jnp

from .diffrax_gradient import log_density
from .drawn import Drawn, Sampler
from .posteriors import PRIOR_SD, Posterior

RTOL, ATOL = 1e-6, 1e-9


def prepare(posterior: Posterior, mode: Literal["reverse", "forward"], chains: int) -> Sampler:
    """Return the sampler of so many chains, side by side where there is more than one."""
    from numpyro.infer import NUTS

    density, nominal = log_density(posterior, mode), posterior.nominal

    def potential(z: jax.Array) -> jax.Array:
        return -density(nominal + PRIOR_SD * z, RTOL, ATOL)

    kernel = NUTS(potential_fn=potential, forward_mode_differentiation=mode == "forward")

    def sample(warmup: int, draws: int) -> Drawn:
        keys = jax.random.split(jax.random.PRNGKey(1), chains)
        z = np.random.default_rng(1).uniform(-1.0, 1.0, (chains, len(nominal)))
        start = (keys, z) if chains > 1 else (keys[0], z[0])
        begun = time.perf_counter()
        state = jax.jit(lambda key, z: kernel.init(key, warmup, z))(*start)
        advance = jax.jit(partial(_advance, kernel, max(warmup, draws)))
        jax.block_until_ready(advance(state, 0))
        compiled = time.perf_counter()
        state, _, _ = jax.block_until_ready(advance(state, warmup))
        warm = time.perf_counter()
        _, kept, steps = jax.block_until_ready(advance(state, draws))
        ended = time.perf_counter()
        found = np.asarray(kept)[:draws].reshape(draws, chains, -1).swapaxes(0, 1)
        leapfrogs = int(np.sum(steps))
        return Drawn(nominal + PRIOR_SD * found, compiled - begun, warm - compiled, ended - warm, leapfrogs)

    return sample


def _advance(kernel: Any, most: int, state: Any, draws: Any) -> tuple[Any, jax.Array, jax.Array]:
    # The state after so many draws, the draws, and all leapfrog steps of each chain.
    def one(number: Any, carry: Any) -> Any:
        state, kept, steps = carry
        state = kernel.sample(state, (), {})
        return state, kept.at[number].set(state.z), steps + state.num_steps

    kept = jnp.zeros((most, *state.z.shape), state.z.dtype)
    return jax.lax.fori_loop(0, draws, one, (state, kept, jnp.zeros_like(state.num_steps)))
