"""Chains of NUTS as lanes: a compiled program takes a group of chains so many draws further.

The sampler is that of numpyro (Phan, Pradhan & Jankowiak 2019, arXiv:1912.11554): the No-U-Turn sampler of
Hoffman & Gelman (2014), JMLR 15:1593, with the multinomial trajectories and the warm-up in windows of
Betancourt (2017), arXiv:1701.02434. It is asked draw by draw, so that a chain can be stopped, kept and gone
on with.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from ..jax_setup import jax, jnp
from .density import Target, Whitening, of_one

#: Draws that one call may make.
MOST_DRAWS = 64


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of all chains, and how each was come by; (chain, draw) but for `z`."""

    z: Float[np.ndarray, "chain draw coordinate"]
    log_density: Float[np.ndarray, "chain draw"]
    energy: Float[np.ndarray, "chain draw"]
    acceptance: Float[np.ndarray, "chain draw"]
    step_size: Float[np.ndarray, "chain draw"]
    leapfrogs: Int[np.ndarray, "chain draw"]
    diverging: Bool[np.ndarray, "chain draw"]

    @staticmethod
    def together(parts: Sequence[Drawn], axis: int) -> Drawn:
        """Return draws side by side (axis 0: chains) or one after the other (axis 1)."""
        names = Drawn.__dataclass_fields__
        return Drawn(*(np.concatenate([getattr(part, name) for part in parts], axis) for name in names))


@dataclass(frozen=True, eq=False)
class Chains:
    """Chains of NUTS on one density: their states are made here, and are plain arrays outside."""

    #: Chains that one program takes side by side: more wait for each other, fewer leave lanes idle.
    together: ClassVar[int] = 4

    target: Target
    at: Whitening
    chains: int
    warmup: int
    seed: int
    target_acceptance: float
    max_depth: int

    def of(self, at: Whitening, seed: int) -> Chains:
        """Return chains of other data, or about other coordinates, with the programs that are compiled here.

        The rows must be those of the same problem but for their values, limits and censoring.
        """
        made = replace(self, at=at, seed=seed)
        made.__dict__.update({name: getattr(self, name) for name in ("_begin", "_advance")})
        return made

    @cached_property
    def _kernel(self) -> tuple[Any, Any]:
        from numpyro.infer.hmc import hmc

        def potential_of(at: Whitening) -> Any:
            log_density = of_one(self.target, at)
            return lambda z: -log_density(z)

        return hmc(potential_fn_gen=potential_of, algo="NUTS")

    @cached_property
    def groups(self) -> tuple[slice, ...]:
        """The chains of each group, about as many in each: what a chain draws depends on those beside it."""
        count = -(-self.chains // self.together)
        ends = np.linspace(0, self.chains, count + 1).astype(int).tolist()
        return tuple(slice(begin, end) for begin, end in pairwise(ends))

    def begin(self, z: Float[np.ndarray, "chain coordinate"]) -> list[Any]:
        """Return the state of each group before its first draw. The density must be a number there."""
        keys = jax.random.split(jax.random.PRNGKey(self.seed), self.chains)
        with jax.enable_x64(True):
            return [self._begin(keys[group], jnp.asarray(z[group]), self.at) for group in self.groups]

    @cached_property
    def _begin(self) -> Any:
        begin, _ = self._kernel

        def one(key: Any, z: Any, at: Whitening) -> Any:
            return begin(
                z,
                self.warmup,
                # Ten times as much is tried first, where about 1 will do in whitened coordinates.
                step_size=0.1,
                target_accept_prob=self.target_acceptance,
                max_tree_depth=self.max_depth,
                model_args=(at,),
                rng_key=key,
            )

        return jax.jit(jax.vmap(one, in_axes=(0, 0, None)))

    def advance(self, states: list[Any], draws: int) -> tuple[list[Any], Drawn]:
        """Return the states after so many draws more, and the draws; a thread a core, a group a call."""
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            found = list(pool.map(lambda state: self._some(state, draws), states))
        return [state for state, _ in found], Drawn.together([drawn for _, drawn in found], 0)

    def _some(self, state: Any, draws: int) -> tuple[Any, Drawn]:
        with jax.enable_x64(True):
            state, kept = self._advance(state, np.int64(draws), self.at)
            arrays = [np.asarray(item)[:draws].swapaxes(0, 1) for item in kept]
        return state, Drawn(*arrays)

    @cached_property
    def _advance(self) -> Any:
        def one(number: Any, carry: Any, at: Whitening) -> Any:
            state, kept = carry
            state = self._step(state, at)
            return state, jax.tree.map(lambda held, now: held.at[number].set(now), kept, self._said(state))

        def advance(state: Any, draws: Any, at: Whitening) -> Any:
            kept = jax.tree.map(lambda now: jnp.zeros((MOST_DRAWS, *now.shape), now.dtype), self._said(state))
            return jax.lax.fori_loop(0, draws, partial(one, at=at), (state, kept))

        return jax.jit(advance)

    def _step(self, state: Any, at: Whitening) -> Any:
        # The state of a group one draw later.
        _, sample = self._kernel
        return jax.vmap(lambda chain: sample(chain, (at,)))(state)

    def _said(self, state: Any) -> tuple[Any, ...]:
        # Of each chain of a group what `Drawn` holds.
        return (
            state.z,
            -state.potential_energy,
            state.energy,
            state.accept_prob,
            state.adapt_state.step_size,
            state.num_steps,
            state.diverging,
        )

    def arrays(self, states: list[Any]) -> dict[str, np.ndarray]:
        """Return the states as named arrays, for a journal."""
        return {
            f"state_{group}_{place}": np.asarray(leaf)
            for group, state in enumerate(states)
            for place, leaf in enumerate(jax.tree.leaves(state))
        }

    def restore(self, like: list[Any], arrays: dict[str, np.ndarray]) -> list[Any]:
        """Return the states that were written down, in the form of those that `begin` gives."""
        found = []
        for group, state in enumerate(like):
            leaves, form = jax.tree.flatten(state)
            with jax.enable_x64(True):
                own = [jnp.asarray(arrays[f"state_{group}_{place}"]) for place in range(len(leaves))]
            found.append(jax.tree.unflatten(form, own))
        return found
