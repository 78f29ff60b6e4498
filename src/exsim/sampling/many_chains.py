"""Many chains whose trajectories have one length: no chain waits for the longest tree of another.

Hamiltonian Monte Carlo whose step and length of trajectory are found by all chains of a group together: the
length by the change in the estimator of the expected square (ChEES), jittered by a Halton sequence, the step
by dual averaging of the harmonic mean of acceptance. Hoffman, Radul & Sountsov (2021), AISTATS 130:3907. The
pieces are those of blackjax (Cabezas et al. 2024, arXiv:2402.10797), asked draw by draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array

from ..jax_setup import jax, jnp
from .chains import Chains
from .density import Whitening, of_one

#: Rate of adam on the logarithm of the length, and how fast averages forget: as in the paper.
_RATE, _DECAY = 0.025, 0.5
#: Both are found anew from this, where about 1 will do in whitened coordinates.
_FIRST_STEP = 0.1
_BITS = 32


class _State(NamedTuple):
    """A group of chains; (chain, ...) but for the last five, which all share."""

    position: Array
    log_density: Array
    gradient: Array
    energy: Array
    acceptance: Array
    diverging: Array
    step_size: Array
    leapfrogs: Array
    #: Of blackjax: step, length, and how they are moved.
    adaptation: Any
    key: Array
    number: Array


@dataclass(frozen=True, eq=False)
class ManyChains(Chains):
    """Chains of ChEES-HMC on one density, in the form of chains of NUTS."""

    together: ClassVar[int] = 16

    @cached_property
    def _adaptation(self) -> tuple[Any, Any]:
        import optax
        from blackjax.adaptation.chees_adaptation import base

        most = 2**self.max_depth - 1
        return base(
            _jitter, lambda number: number + 1, optax.adam(_RATE), self.target_acceptance, _DECAY, most
        )

    @cached_property
    def _begin(self) -> Any:
        adapt, _ = self._adaptation

        def begin(keys: Any, z: Any, at: Whitening) -> _State:
            value, gradient = jax.vmap(jax.value_and_grad(of_one(self.target, at)))(z)
            number = jnp.zeros((), jnp.int64)
            adaptation = jax.tree.map(
                lambda leaf: jnp.array(leaf, jnp.result_type(leaf)), adapt(number, _FIRST_STEP)
            )
            nothing = jnp.zeros_like(value)
            return _State(
                z,
                value,
                gradient,
                nothing,
                nothing,
                nothing > 0,
                nothing[0],
                number,
                adaptation,
                keys[0],
                number,
            )

        return jax.jit(begin)

    def _step(self, state: _State, at: Whitening) -> _State:
        from blackjax.mcmc.hmc import HMCState, build_kernel

        log_density, kernel = of_one(self.target, at), build_kernel()
        _, adapt = self._adaptation
        warming, found = state.number < self.warmup, state.adaptation
        step = jnp.where(warming, found.step_size, jnp.exp(found.log_step_size_moving_average))
        length = jnp.where(
            warming, found.trajectory_length, jnp.exp(found.log_trajectory_length_moving_average)
        )
        most = 2**self.max_depth - 1
        leapfrogs = jnp.clip(jnp.ceil(_jitter(state.number) * length / step), 1, most).astype(jnp.int64)
        key, own = jax.random.split(state.key)
        # Coordinates are white.
        metric = jnp.ones(state.position.shape[1])

        def one(key: Array, *chain: Array) -> Any:
            return kernel(key, HMCState(*chain), log_density, step, metric, leapfrogs)

        before = state.position, state.log_density, state.gradient
        after, said = jax.vmap(one)(jax.random.split(own, len(state.position)), *before)
        adapted = adapt(
            found,
            said.proposal.position,
            said.proposal.momentum,
            state.position,
            said.acceptance_rate,
            said.is_divergent,
            metric,
        )
        return _State(
            after.position,
            after.logdensity,
            after.logdensity_grad,
            0.5 * jnp.sum(said.momentum**2, axis=1) - state.log_density,
            said.acceptance_rate,
            said.is_divergent,
            step,
            leapfrogs,
            jax.tree.map(lambda new, old: jnp.where(warming, new, old), adapted, found),
            key,
            state.number + 1,
        )

    def _said(self, state: _State) -> tuple[Any, ...]:
        each = state.log_density.shape
        return (
            state.position,
            state.log_density,
            state.energy,
            state.acceptance,
            jnp.broadcast_to(state.step_size, each),
            jnp.broadcast_to(state.leapfrogs, each),
            state.diverging,
        )


def _jitter(number: Array) -> Array:
    from blackjax.mcmc.dynamic_hmc import halton_sequence

    return halton_sequence(number, _BITS)
