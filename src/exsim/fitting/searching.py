"""Optimisers of many vectors at once: each step asks for all of them in one call.

Every optimiser climbs the log posterior density from a set of starts; a start never looks at another. The box
of the bounds is never left. `gauss_newton` is Levenberg's and Marquardt's method on the curvature of
`exsim.fitting.likelihood`, with the damping of Nielsen (1999), IMM-REP-1999-05; `adam` and `lbfgs` are those
of optax: Kingma & Ba (2015), arXiv:1412.6980; Nocedal (1980), doi:10.1090/S0025-5718-1980-0572855-7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ..jax_setup import jax, jnp
from .objective import Expanded, Vectors

#: Asks for the density about vectors, (vector, parameter).
Evaluate = Callable[[Vectors], Expanded]
#: Called with the state after each iteration; True ends the search.
Watch = Callable[["Search"], bool]

#: A start has converged where the step of Gauss and Newton would gain less than this.
SMALLEST_GAIN = 1e-5
#: A search that gains nothing near a maximum is there: gradients have the error of the solver.
NEAR = 1e-2
#: The longest step on a logarithm or a logit: a factor of 20.
LONGEST = 3.0
LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e10

RUNNING, CONVERGED, STALLED, LOST, ITERATIONS, STOPPED = (
    "running",
    "converged",
    "no step gains anything",
    "the density is no number at the start",
    "at the limit of iterations",
    "budget spent",
)


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds on the estimation scale, (parameter,) each, and the longest step."""

    low: Float[np.ndarray, "parameter"]
    high: Float[np.ndarray, "parameter"]
    longest: Float[np.ndarray, "parameter"]

    def inside(self, vectors: Vectors) -> Vectors:
        """Return vectors moved to the nearest place in the box."""
        return np.clip(vectors, self.low, self.high)

    def pressing(self, vectors: Vectors, gradient: Vectors) -> Bool[np.ndarray, "vector parameter"]:
        """Return True where a number lies on a bound beyond which the density would grow."""
        return (vectors <= self.low) & (gradient < 0) | (vectors >= self.high) & (gradient > 0)


@dataclass(frozen=True, eq=False)
class Search:
    """Where all starts are: the best vector of each so far, the density about it, and how it stands."""

    vectors: Vectors
    at: Expanded
    iterations: np.ndarray
    ended: np.ndarray

    @property
    def running(self) -> np.ndarray:
        """Places of the starts that go on."""
        return np.flatnonzero(self.ended == RUNNING)


def begin(evaluate: Evaluate, vectors: Vectors) -> Search:
    """Return the search before its first step."""
    at = evaluate(vectors)
    ended = np.where(np.isfinite(at.value), RUNNING, LOST).astype(object)
    return Search(vectors.copy(), at, np.zeros(len(vectors), dtype=np.int64), ended)


def _taken(search: Search, places: np.ndarray, vectors: Vectors, at: Expanded) -> Search:
    # With these starts at other vectors.
    moved = search.vectors.copy()
    moved[places] = vectors
    fields = {}
    for name in Expanded.__dataclass_fields__:
        values = getattr(search.at, name).copy()
        values[places] = getattr(at, name)
        fields[name] = values
    return replace(search, vectors=moved, at=Expanded(**fields))


def _ended(search: Search, places: np.ndarray, how: str) -> Search:
    ended = search.ended.copy()
    ended[places] = how
    return replace(search, ended=ended)


def _counted(search: Search, places: np.ndarray) -> Search:
    iterations = search.iterations.copy()
    iterations[places] += 1
    return replace(search, iterations=iterations)


def gauss_newton(
    evaluate: Evaluate,
    search: Search,
    box: Box,
    iterations: int,
    watch: Watch = lambda search: False,
    fixed: Bool[np.ndarray, "vector parameter"] | None = None,
) -> Search:
    """Climb by damped steps on the curvature; what is `fixed` stays where it is."""
    held = np.zeros(search.vectors.shape, dtype=bool) if fixed is None else fixed
    damping, growth = np.full(len(search.vectors), 1e-2), np.full(len(search.vectors), 2.0)
    how = ITERATIONS
    for _ in range(iterations):
        search = _settled(search, box, held)
        active = search.running
        if not len(active) or watch(search):
            how = STOPPED
            break
        here = search.at[active]
        step = _step(search.vectors[active], here, box, held[active], damping[active])
        gain = np.einsum("vp,vp->v", here.gradient, step) - 0.5 * np.einsum(
            "vp,vpq,vq->v", step, here.curvature, step
        )
        tried = search.vectors[active] + step
        found = evaluate(tried)
        with np.errstate(invalid="ignore"):
            ratio = (found.value - here.value) / np.where(gain > 0, gain, np.inf)
        better = found.value > here.value
        search = _counted(_taken(search, active[better], tried[better], found[better]), active)
        shrink = np.maximum(1 / 3, 1 - (2 * np.clip(ratio, 0, 1) - 1) ** 3)
        changed = damping[active] * np.where(better, shrink, growth[active])
        damping[active] = np.maximum(changed, LEAST_DAMPING)
        growth[active] = np.where(better, 2.0, 2 * growth[active])
        stuck = active[damping[active] > MOST_DAMPING]
        search = _ended(search, stuck, STALLED)
    return _finished(search, box, held, how)


def _finished(search: Search, box: Box, held: np.ndarray, how: str) -> Search:
    settled = _settled(search, box, held)
    return _ended(settled, settled.running, how)


def _settled(search: Search, box: Box, held: np.ndarray) -> Search:
    # Those whose undamped step would gain nothing, or that are stuck beside the maximum, are there.
    places = np.flatnonzero((search.ended == RUNNING) | (search.ended == STALLED))
    at = search.at[places]
    left = decrement(search.vectors[places], at, box, held[places])
    stalled = search.ended[places] == STALLED
    return _ended(search, places[(left < SMALLEST_GAIN) | stalled & (left < NEAR)], CONVERGED)


def decrement(
    vectors: Vectors, at: Expanded, box: Box, held: Bool[np.ndarray, "vector parameter"]
) -> Float[np.ndarray, "vector"]:
    """Return what the full step of Gauss and Newton is expected to gain: half of g (C)^-1 g."""
    nothing = np.zeros_like(vectors)
    step = _solved(vectors, at, box, held, np.full(len(vectors), 1e-6), nothing.astype(bool), nothing)
    return 0.5 * np.einsum("vp,vp->v", at.gradient, step)


def _step(vectors: Vectors, at: Expanded, box: Box, held: np.ndarray, damping: np.ndarray) -> Vectors:
    # What would leave the box, or go too far, goes as far as it may, and the others are solved for anew: a
    # step that is cut off alone leads out of a narrow valley.
    lowest = np.maximum(box.low, vectors - box.longest) - vectors
    highest = np.minimum(box.high, vectors + box.longest) - vectors
    step, stopped = np.zeros_like(vectors), np.zeros(vectors.shape, dtype=bool)
    for _ in range(vectors.shape[1]):
        step = _solved(vectors, at, box, held, damping, stopped, step)
        leaves = ((step < lowest) | (step > highest)) & ~stopped
        step = np.clip(step, lowest, highest)
        if not leaves.any():
            break
        stopped |= leaves
    return step


def _solved(
    vectors: Vectors,
    at: Expanded,
    box: Box,
    held: np.ndarray,
    damping: np.ndarray,
    stopped: np.ndarray,
    taken: Vectors,
) -> Vectors:
    # (C + damping D) step = gradient in what is free to move, with D = max(diag C, 1): on a logarithm a
    # number of which the data tell next to nothing stays where it is. What is `stopped` moves as `taken`.
    still = held | box.pressing(vectors, at.gradient) | stopped
    taken = np.where(stopped, taken, 0.0)
    rest = at.gradient - np.einsum("vpq,vq->vp", at.curvature, taken)
    moves = ~still
    curvature = np.where(moves[:, :, None] & moves[:, None, :], at.curvature, 0.0)
    diagonal = np.einsum("vpp->vp", curvature)
    added = np.where(still, 1.0, damping[:, None] * np.maximum(diagonal, 1.0))
    matrix = curvature + added[:, :, None] * np.eye(vectors.shape[1])
    return np.linalg.solve(matrix, np.where(still, taken, rest)[:, :, None])[:, :, 0]


def adam(
    evaluate: Evaluate,
    search: Search,
    box: Box,
    iterations: int,
    watch: Watch = lambda search: False,
    rate: float = 0.1,
) -> Search:
    """Climb by optax's adam with a rate that falls along a cosine; the best vector of each start is kept."""
    import optax

    schedule = optax.cosine_decay_schedule(rate, max(iterations, 1), alpha=0.01)
    moving, gradient = search.vectors.copy(), search.at.gradient
    with jax.enable_x64(True):
        rule = optax.adam(schedule)
        state = rule.init(jnp.asarray(moving))
        how = ITERATIONS
        for _ in range(iterations):
            active = search.running
            if not len(active) or watch(search):
                how = STOPPED
                break
            change, state = rule.update(jnp.asarray(-gradient), state)
            moving = box.inside(moving + np.asarray(change))
            found = evaluate(moving[active])
            gradient = np.zeros_like(moving)
            gradient[active] = found.gradient
            better = found.value > search.at.value[active]
            search = _counted(_taken(search, active[better], moving[active][better], found[better]), active)
    return _finished(search, box, np.zeros(search.vectors.shape, dtype=bool), how)


def lbfgs(
    evaluate: Evaluate,
    search: Search,
    box: Box,
    iterations: int,
    watch: Watch = lambda search: False,
) -> Search:
    """Climb along optax's L-BFGS, with steps that are halved until they gain enough (Armijo)."""
    import optax

    held = np.zeros(search.vectors.shape, dtype=bool)
    with jax.enable_x64(True):
        rule = optax.scale_by_lbfgs(memory_size=10)
        state = jax.vmap(rule.init)(jnp.asarray(search.vectors))
        update = jax.jit(jax.vmap(rule.update))
        how = ITERATIONS
        for _ in range(iterations):
            search = _settled(search, box, held)
            if not len(search.running) or watch(search):
                how = STOPPED
                break
            pressing = box.pressing(search.vectors, search.at.gradient)
            gradient = np.where(pressing, 0.0, search.at.gradient)
            direction, state = update(jnp.asarray(-gradient), state, jnp.asarray(search.vectors))
            direction = -np.asarray(direction)
            # Where the memory points downhill, along the gradient.
            uphill = np.einsum("vp,vp->v", direction, gradient) > 0
            direction = np.where(uphill[:, None] & np.isfinite(direction), direction, gradient)
            search = _along(evaluate, search, box, np.where(pressing, 0.0, direction), gradient)
    return _finished(search, box, held, how)


def _along(evaluate: Evaluate, search: Search, box: Box, direction: Vectors, gradient: Vectors) -> Search:
    active = waiting = search.running
    longest = np.min(box.longest / np.maximum(np.abs(direction), 1e-300), axis=1)
    length = np.minimum(1.0, longest)
    for _ in range(30):
        step = box.inside(search.vectors[waiting] + length[waiting, None] * direction[waiting])
        step -= search.vectors[waiting]
        found = evaluate(search.vectors[waiting] + step)
        enough = found.value >= search.at.value[waiting] + 1e-4 * np.einsum(
            "vp,vp->v", step, gradient[waiting]
        )
        search = _taken(search, waiting[enough], (search.vectors[waiting] + step)[enough], found[enough])
        waiting = waiting[~enough]
        if not len(waiting):
            break
        length[waiting] *= 0.5
    return _counted(_ended(search, waiting, STALLED), active)
