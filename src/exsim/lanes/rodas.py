"""Rodas5P, a Rosenbrock method for stiff models over a tuple of lane vectors.

Each lane has its own Jacobian, by forward mode, and its own sparse factors in a pattern that is
known beforehand. Nothing is iterated, so a step has no stopping rule that would couple the lanes:
a lane that turns non-finite leaves the others alone. Coefficients and their source:
`rosenbrock_tableau`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array

from ..jax_setup import diffrax, eqx, jax, jnp
from .elimination import Elimination, Entries, Sparsity, factorise, substitute_back, substitute_forward
from .rosenbrock_tableau import RODAS5P, Tableau
from .tsit5 import Lanes

#: Up to this many states the stages are written out one by one: the program is faster (2.5 times with own
#: steps under vmap, 1.2 times in a group of 256), and compiles as fast. Beyond, they are a loop.
UNROLLED_STATES = 4

Rates = Callable[[Any, Lanes], Lanes]


class RodasInterpolation(diffrax.AbstractLocalInterpolation):
    """The interpolant of one step, of order 4.

    y0 (1 - theta) + theta (y1 + (1 - theta) (k_1 + theta (k_2 + theta k_3))), with the sums k of
    the increments weighted by `Tableau.dense`: the continuous output of the program RODAS (Hairer &
    Wanner 1996) with one power more (Steinebach 2023). Each species stands alone.
    """

    t0: Any
    t1: Any
    y0: Lanes
    y1: Lanes
    inner: tuple[Lanes, ...]

    def evaluate(self, t0: Any, t1: Any | None = None, left: bool = True) -> Lanes:
        """Return the state at `t0`, or its change from `t0` to `t1`."""
        if t1 is not None:
            return tuple(b - a for a, b in zip(self.evaluate(t0), self.evaluate(t1), strict=True))
        theta = (t0 - self.t0) / (self.t1 - self.t0)
        curved = self.inner[-1]
        for part in reversed(self.inner[:-1]):
            curved = tuple(k + theta * higher for k, higher in zip(part, curved, strict=True))
        return tuple(
            (1 - theta) * start + theta * (end + (1 - theta) * k)
            for start, end, k in zip(self.y0, self.y1, curved, strict=True)
        )


class LaneRodas(diffrax.AbstractAdaptiveSolver):
    """Linearly implicit, order 5, stiffly accurate and L-stable, for states that are tuples of lane vectors.

    `sparsity` says where the Jacobian may differ from 0 (`elimination.model_sparsity`). A step may
    have a length of its own in each lane; one of length 0 changes nothing.
    """

    sparsity: Sparsity = eqx.field(static=True)

    term_structure: ClassVar = diffrax.AbstractTerm
    interpolation_cls: ClassVar[Callable[..., RodasInterpolation]] = RodasInterpolation

    def order(self, terms: Any) -> int:
        """Return the order of the solution that is carried on."""
        return RODAS5P.order

    def init(self, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any) -> None:
        """Return nothing: no step needs what another has computed."""

    def func(self, terms: Any, t0: Any, y0: Lanes, args: Any) -> Lanes:
        """Return the derivative."""
        return terms.vf(t0, y0, args)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any, solver_state: None, made_jump: Any
    ) -> tuple[Lanes, Lanes, dict[str, Any], None, Any]:
        """Make one step from `t0` to `t1`; both may differ from lane to lane."""
        y1, error, inner = _step(self.sparsity, terms, t0, t1, y0, args)
        return y1, error, {"y0": y0, "y1": y1, "inner": inner}, None, diffrax.RESULTS.successful


# Jitted by itself: diffrax traces the body of its loop three times, this part only once.
@eqx.filter_jit
def _step(
    sparsity: Sparsity, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any
) -> tuple[Lanes, Lanes, tuple[Lanes, ...]]:
    def rates(time: Any, states: Lanes) -> Lanes:
        return terms.vf(time, states, args)

    plan, dtype = sparsity.elimination, y0[0].dtype
    h = jnp.broadcast_to(jnp.asarray(t1 - t0, dtype), y0[0].shape)
    factors = factorise(plan, _matrix(sparsity, rates, t0, y0, RODAS5P.gamma * h))
    slopes = _time_slopes(rates, t0, y0) if sparsity.uses_time else None
    make = _unrolled_stages if len(y0) <= UNROLLED_STATES else _looped_stages
    stages = make(plan, RODAS5P, factors, rates, t0, h, y0, slopes)
    y1 = tuple(y + change for y, change in zip(y0, stages.weighted(RODAS5P.b), strict=True))
    return y1, stages.last, tuple(stages.weighted(row) for row in RODAS5P.dense)


def _matrix(
    sparsity: Sparsity, rates: Rates, t0: Any, y0: Lanes, gamma_h: Array
) -> dict[tuple[int, int], Any]:
    """Return I - h gamma J. A column at a time: what a species does not enter has no tangent at all."""
    one = jnp.ones_like(gamma_h)
    matrix: dict[tuple[int, int], Any] = {(i, i): one for i in range(len(y0))}
    for j, y in enumerate(y0):

        def column(value: Array, j: int = j) -> Lanes:
            return rates(t0, (*y0[:j], value, *y0[j + 1 :]))

        _, tangents = jax.jvp(column, (y,), (jnp.ones_like(y),))
        for i, row in enumerate(sparsity.depends_on):
            if j in row:
                matrix[i, j] = (1.0 if i == j else 0.0) - gamma_h * tangents[i]
    return matrix


def _time_slopes(rates: Rates, t0: Any, y0: Lanes) -> Lanes:
    t0 = jnp.asarray(t0, y0[0].dtype)
    return jax.jvp(lambda time: rates(time, y0), (t0,), (jnp.ones_like(t0),))[1]


class _Unrolled(eqx.Module):
    """The increments of all stages, one tuple a stage."""

    increments: tuple[Lanes, ...]

    @property
    def last(self) -> Lanes:
        return self.increments[-1]

    def weighted(self, weights: Sequence[float]) -> Lanes:
        return _weighted(weights, self.increments)


def _weighted(weights: Sequence[float], stages: Sequence[Lanes]) -> Lanes:
    terms = [(weight, stage) for weight, stage in zip(weights, stages, strict=True) if weight]
    return tuple(sum(weight * stage[i] for weight, stage in terms) for i in range(len(stages[0])))


def _unrolled_stages(
    plan: Elimination,
    tableau: Tableau,
    factors: Entries,
    rates: Rates,
    t0: Any,
    h: Array,
    y0: Lanes,
    slopes: Lanes | None,
) -> _Unrolled:
    gamma_h = tableau.gamma * h
    increments: list[Lanes] = []
    for stage in range(tableau.stages):
        y = y0
        if stage:
            changes = _weighted(tableau.a[stage, :stage].tolist(), increments)
            y = tuple(a + b for a, b in zip(y0, changes, strict=True))
        right = [gamma_h * rate for rate in rates(t0 + tableau.nodes[stage] * h, y)]
        if stage:
            before = _weighted((tableau.gamma * tableau.c[stage, :stage]).tolist(), increments)
            right = [a + b for a, b in zip(right, before, strict=True)]
        if slopes is not None and tableau.d[stage]:
            weight = tableau.d[stage] * h * gamma_h
            right = [a + weight * slope for a, slope in zip(right, slopes, strict=True)]
        forward = substitute_forward(plan, factors, right)
        increments.append(tuple(substitute_back(plan, factors, forward)))
    return _Unrolled(tuple(increments))


class _Looped(eqx.Module):
    """The increments of all stages but the last two in one array (stage, state * lane), then those two."""

    earlier: Array
    last_but_one: Lanes
    last: Lanes

    def weighted(self, weights: Sequence[float]) -> Lanes:
        *first, second, third = weights
        sums = jnp.asarray(first, self.earlier.dtype) @ self.earlier[: len(first)]
        return tuple(
            part + second * a + third * b
            for part, a, b in zip(_rows(sums, self.last), self.last_but_one, self.last, strict=True)
        )


def _rows(flat: Array, like: Lanes) -> Array:
    return flat.reshape(len(like), *like[0].shape)


def _looped_stages(
    plan: Elimination,
    tableau: Tableau,
    factors: Entries,
    rates: Rates,
    t0: Any,
    h: Array,
    y0: Lanes,
    slopes: Lanes | None,
) -> _Looped:
    """Make the stages in a loop, so that right-hand side and substitutions stand in the program once.

    XLA merges what it can into whoever uses it, and would compute all that a species' value takes
    once more for each species. What the loop carries over is computed once. So each turn ends with
    the values half solved (forward), and the next turn solves them back and puts them away one
    turn later still.
    """
    dtype, count, stages = h.dtype, len(y0), tableau.stages
    # Of the stage before, the increment is not in the array yet: its weights stand by themselves.
    both = np.stack([tableau.a, tableau.gamma * tableau.c], axis=1)
    newest = np.array([both[stage, :, stage - 1] if stage else np.zeros(2) for stage in range(stages)])
    older = np.array([np.where(np.arange(stages) == stage - 1, 0.0, both[stage]) for stage in range(stages)])
    table = [
        jnp.asarray(part, dtype) for part in (older, newest, np.array(tableau.nodes), np.array(tableau.d))
    ]
    gamma_h = tableau.gamma * h

    def turn(stage: Array, carried: Any) -> Any:
        increments, before_last, forward = carried
        place = jnp.maximum(stage - 2, 0)
        for i, value in enumerate(before_last):
            start = (place, i * value.size)
            increments = jax.lax.dynamic_update_slice(increments, value.reshape(1, -1), start)
        last = tuple(substitute_back(plan, factors, forward))
        weights, (a, c), node, d = (
            jax.lax.dynamic_index_in_dim(part, stage, keepdims=False) for part in table
        )
        changes, before = (_rows(part, y0) for part in jnp.unstack(weights @ increments))
        y = tuple(y0[i] + (changes[i] + a * last[i]) for i in range(count))
        slope = rates(t0 + node * h, y)
        right = [gamma_h * slope[i] + (before[i] + c * last[i]) for i in range(count)]
        if slopes is not None:
            right = [value + d * h * gamma_h * part for value, part in zip(right, slopes, strict=True)]
        return increments, last, tuple(substitute_forward(plan, factors, right))

    nothing = tuple(map(jnp.zeros_like, y0))
    empty = jnp.zeros((stages, count * h.size), dtype)
    earlier, last_but_one, forward = jax.lax.fori_loop(0, stages, turn, (empty, nothing, nothing))
    return _Looped(earlier, last_but_one, tuple(substitute_back(plan, factors, forward)))
