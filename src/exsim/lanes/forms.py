"""The two forms of the states of a solve: one vector for one solve, a tuple of lane vectors for many.

Both carry the same right-hand side, `f(t, inputs, species..., parameters...)`. One vector makes the
smaller program, which a single run traces and compiles in half of the time; a tuple of lane vectors
is what many solves as one system want.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Array

from ..jax_setup import diffrax, jax, jnp
from .compact_tsit5 import CompactTsit5
from .scaled_time import States
from .tsit5 import LaneTsit5


@dataclass(frozen=True)
class StateForm:
    """How values of the single states become what diffrax carries, and back."""

    #: (values of the states, shape of the lanes, dtype) -> states
    pack: Callable[[Sequence[Any], tuple[int, ...], Any], States]
    unpack: Callable[[States], tuple[Array, ...]]
    #: states -> one array (state, ...)
    stack: Callable[[States], Array]
    tsit5: type[diffrax.AbstractSolver]


def _vector(values: Sequence[Any], lanes: tuple[int, ...], dtype: Any) -> Array:
    # What has the type already stays as it is; a literal of the model is a Python float until here.
    return jnp.stack([jax.lax.convert_element_type(value, dtype) for value in values])


def _tuple(values: Sequence[Any], lanes: tuple[int, ...], dtype: Any) -> tuple[Array, ...]:
    return tuple(jnp.broadcast_to(jax.lax.convert_element_type(value, dtype), lanes) for value in values)


ONE_VECTOR = StateForm(_vector, jnp.unstack, lambda states: states, CompactTsit5)
LANES = StateForm(_tuple, tuple, jnp.stack, LaneTsit5)
