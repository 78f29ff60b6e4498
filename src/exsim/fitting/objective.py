"""The log posterior density of a fit, for many vectors at once: what optimisers and profiles ask."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int

from ..fit_problem import FitProblem
from ..fit_result import FittedPeople
from ..integrating import Status
from ..jax_setup import jax, jnp
from ..marginals import Marginal
from ..priors import prior_information
from ..scales import Scales
from ..sweep_terms import parameter_of
from .bundling import Bundled, Plan, plan_features
from .features import solve_features
from .likelihood import Rows, Rowwise, expand, look_at_rows, rows_of

#: Lanes that one call solves side by side: fewer waste the overhead of a step, more wait for each other.
LANES_TOGETHER = 32

Vectors = Float[np.ndarray, "vector parameter"]


@dataclass(frozen=True, eq=False)
class Expanded:
    """The log posterior density about some vectors, on the estimation scale, as host arrays."""

    value: Float[np.ndarray, "vector"]
    likelihood: Float[np.ndarray, "vector"]
    gradient: Float[np.ndarray, "vector parameter"]
    curvature: Float[np.ndarray, "vector parameter parameter"]
    #: The worst `Status` of the solves of each vector, and the most steps of those solved beside it.
    status: Int[np.ndarray, "vector"]
    steps: Int[np.ndarray, "vector"]
    #: For how many vectors all simulations were solved to find that.
    solves: Int[np.ndarray, "vector"]

    def __getitem__(self, which: Any) -> Expanded:
        return Expanded(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Objective:
    """One scalar from one vector: the free numbers on their estimation scales, in their order."""

    problem: FitProblem

    @cached_property
    def scales(self) -> Scales:
        """Scales and bounds of the free numbers."""
        free = self.problem.free
        return Scales(
            tuple(item.name for item in free),
            tuple(item.scale for item in free),
            tuple(item.low for item in free),
            tuple(item.high for item in free),
        )

    @cached_property
    def priors(self) -> tuple[Marginal | None, ...]:
        """Priors of the free numbers."""
        return tuple(item.prior for item in self.problem.free)

    @cached_property
    def plan(self) -> Plan:
        """What is solved."""
        return plan_features(self.problem)

    @cached_property
    def rows(self) -> Rows:
        """The rows of the data."""
        return rows_of(self.problem, self.plan)

    @cached_property
    def together(self) -> int:
        """How many vectors one call takes."""
        most = max((len(item.simulations) for item in self.plan.bundles), default=1)
        return max(1, LANES_TOGETHER // most)

    def expand(self, vectors: Vectors) -> Expanded:
        """Return the log posterior density about vectors, in parts of fixed size by a thread a core.

        What a vector gives depends on those beside it in its part in the last digits alone, and on nothing
        else.
        """
        size = self.together
        found = self._expand_parts([vectors[begin : begin + size] for begin in range(0, len(vectors), size)])
        spent = np.flatnonzero(found.status == Status.STEP_BUDGET)
        if len(spent) and len(vectors) > 1:
            # Lanes share their steps: one that needs too many takes them from those beside it.
            alone = self._expand_parts([vectors[place : place + 1] for place in spent])
            for name in Expanded.__dataclass_fields__:
                getattr(found, name)[spent] = getattr(alone, name)
        return found

    def _expand_parts(self, parts: list[np.ndarray]) -> Expanded:
        if len(parts) == 1:
            return self._expand_part(parts[0])
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            found = list(pool.map(self._expand_part, parts))
        return Expanded(
            *(
                np.concatenate([getattr(part, name) for part in found])
                for name in Expanded.__dataclass_fields__
            )
        )

    def _expand_part(self, part: Vectors) -> Expanded:
        count = len(part)
        theta = np.concatenate([part, np.repeat(part[-1:], self.together - count, axis=0)])
        with jax.enable_x64(True):
            features, slopes, status, steps = self._solve(np, theta)
            found = expand(self.scales, self.priors, self.rows, features, slopes, theta)
            value, likelihood, gradient, curvature = (
                np.array(item)[:count]
                for item in (found.value, found.likelihood, found.gradient, found.curvature)
            )
        lost = status[:count] != Status.DONE
        value[lost] = likelihood[lost] = -np.inf
        gradient[lost] = curvature[lost] = 0.0
        once = np.ones(count, dtype=np.int64)
        return Expanded(value, likelihood, gradient, curvature, status[:count], np.repeat(steps, count), once)

    def solved(self, vectors: Vectors, seed: int | None = None) -> tuple[Objective, Vectors]:
        """Return what is simulated for vectors: an objective, and a vector of it for each.

        Where vectors leave something open that is simulated, with a `seed` that is drawn, but for the first.
        """
        return self, vectors

    def people(self, vector: Float[np.ndarray, "parameter"]) -> FittedPeople | None:
        """Return what a vector leads one to think of people; None where all are alike."""
        return None

    def look(self, vectors: Vectors) -> Rowwise:
        """Return what the data say row by row for each vector, (vector, row); NaN where a solve failed."""
        size = self.together
        found, status = self._look_at([vectors[at : at + size] for at in range(0, len(vectors), size)])
        spent = np.flatnonzero(status == Status.STEP_BUDGET)
        if not len(spent) or len(vectors) == 1:
            return found
        alone, _ = self._look_at([vectors[place : place + 1] for place in spent])
        for whole, own in zip(jax.tree.leaves(found), jax.tree.leaves(alone), strict=True):
            whole[spent] = own
        return found

    def _look_at(self, parts: list[np.ndarray]) -> tuple[Rowwise, Int[np.ndarray, "vector"]]:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            found = list(pool.map(self._look_at_part, parts))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *found)

    def _look_at_part(self, part: Vectors) -> tuple[Rowwise, Int[np.ndarray, "vector"]]:
        theta = np.concatenate([part, np.repeat(part[-1:], self.together - len(part), axis=0)])
        with jax.enable_x64(True):
            features, _, status, _ = self._solve(np, theta)
            features = np.where((status == Status.DONE)[:, None], features, np.nan)
            looked = look_at_rows(self.scales, self.rows, features, theta)
            rowwise = jax.tree.map(lambda array: np.asarray(array)[: len(part)], looked)
            return rowwise, status[: len(part)]

    def prior_information(self, vector: Float[np.ndarray, "parameter"]) -> Array:
        """Return minus the second derivatives of the log prior."""
        return prior_information(vector, self.scales, self.priors)

    def density(self, theta: Float[Array, "vector parameter"], rows: Rows) -> tuple[Array, Array, Array]:
        """Return value, gradient and worst status of each vector, all as lanes of the program that asks.

        -inf, with a gradient of 0, where a solve failed: a sampler's move there is rejected. Lanes share
        their steps: where one needs more than there are, each is solved by itself. `rows` are those of
        the objective, as arguments of the program that asks: it is the same for other measurements.
        """
        together = self._density(theta, rows)
        if len(theta) == 1:
            return together

        def alone(theta: Array) -> tuple[Array, Array, Array]:
            found = jax.lax.map(lambda one: self._density(one[None], rows), theta)
            return jax.tree.map(lambda array: array[:, 0], found)

        spent = jnp.any(together[2] == Status.STEP_BUDGET)
        return jax.lax.cond(spent, alone, lambda theta: together, theta)

    def _density(self, theta: Float[Array, "vector parameter"], rows: Rows) -> tuple[Array, Array, Array]:
        features, slopes, status, _ = self._solve(jnp, theta)
        found = expand(self.scales, self.priors, rows, features, slopes, theta)
        done = status == Status.DONE
        value = jnp.where(done, found.value, -jnp.inf)
        return value, jnp.where(done[:, None], found.gradient, 0.0), status

    def _solve(self, xp: Any, theta: Any) -> tuple[Any, Any, Any, Any]:
        # Features (vector, feature), slopes by theta (vector, feature, parameter), the worst status of each
        # vector, and the most steps.
        x, log_slope = _unscaled(self.scales, theta)
        x, dx = xp.asarray(x), xp.exp(xp.asarray(log_slope))
        features, slopes, status, steps = [], [], [], []
        for item, free in zip(self.plan.bundles, self._free, strict=True):
            found = solve_features(item.bundle, item.numbers, self.quantities(xp, item, x))
            features.append(xp.asarray(found.values))
            slopes.append(xp.einsum("tvf,tfp->vfp", xp.asarray(found.slopes), free) * dx[:, None])
            status.append(xp.asarray(found.status).max(axis=1))
            steps.append(xp.asarray(found.steps))
        order = np.argsort(np.concatenate([item.features for item in self.plan.bundles]))
        return (
            xp.concatenate(features, axis=1)[:, order],
            xp.concatenate(slopes, axis=1)[:, order],
            xp.stack(status).max(axis=0),
            xp.stack(steps).max(),
        )

    @cached_property
    def _free(self) -> tuple[np.ndarray, ...]:
        # Of each bundle: 1 where a target is a free number in the simulation of a feature (one or none).
        made = []
        for item in self.plan.bundles:
            places = self._places(item)[:, np.asarray(item.numbers.simulation)]
            made.append((places[:, :, None] == np.arange(len(self.problem.free))).astype(float))
        return tuple(made)

    def values(self, theta: Vectors) -> tuple[Vectors, Vectors]:
        """Return the free numbers in their units, and their derivatives by the estimation scale."""
        x, log_slope = _unscaled(self.scales, theta)
        return np.asarray(x), np.exp(np.asarray(log_slope))

    def quantities(self, xp: Any, item: Bundled, x: Any) -> Any:
        """Return the values of the targets of a bundle, (target, vector, simulation), as arrays of `xp`."""
        places, nominal = self._places(item), np.empty((len(item.targets), len(item.simulations)))
        for number, target in enumerate(item.targets):
            one = self.problem.placed[target].target
            id = parameter_of(one.path, self.problem.model)
            parameters = item.bundle.model.parameter_ids
            nominal[number] = one.nominal if id is None else item.numbers.nominal[parameters.index(id)]
        own = x[:, places].transpose(1, 0, 2)
        return xp.where(places[:, None] >= 0, own, nominal[:, None])

    def _places(self, item: Bundled) -> Int[np.ndarray, "target simulation"]:
        # Place of the free number of each, -1 where the config's value stays.
        placed = [self.problem.placed[number] for number in item.targets]
        places = [[one.free[s] for s in item.simulations] for one in placed]
        return np.array(places, dtype=np.int64).reshape(len(placed), len(item.simulations))


@partial(jax.jit, static_argnums=0)
def _unscaled(scales: Scales, theta: Float[Array, "vector parameter"]) -> tuple[Array, Array]:
    # Values in their units, and the logarithm of their derivative.
    return jax.vmap(scales.values)(theta), jax.vmap(scales.log_jacobian)(theta)
