"""New people from draws of a population: their free numbers in place of those of the people of the data."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Array, Float, Int

from ..jax_setup import jax, jnp
from .density import HostVectors, Vectors
from .hierarchy import PopulationTarget


def new_people(
    target: PopulationTarget, u: HostVectors, rng: np.random.Generator
) -> Float[np.ndarray, "vector parameter"]:
    """Return theta of as many new people as there are in the data, for each draw of the population.

    What they have of their own is drawn anew, for people and for occasions; covariates are dealt anew among
    those who were measured in the same conditions, so that the design of the data stays what it is.
    """
    sizes, people = target.sizes, len(target.population.subjects)
    own = rng.standard_normal((len(u), people, len(target.population.effects)))
    occasions = rng.standard_normal((len(u), sizes["occasions"]))
    with jax.enable_x64(True):
        return np.asarray(_theta(target, u, own, occasions, _dealt(target, len(u), rng)))


def _dealt(
    target: PopulationTarget, count: int, rng: np.random.Generator
) -> Int[np.ndarray, "vector subject"]:
    # Whose covariates each new person has.
    rows = target.objective.problem.rows
    conditions: dict[str, set[str]] = {name: set() for name in target.population.subjects}
    for subject, condition in zip(rows.subject, rows.condition, strict=True):
        conditions[subject].add(condition)
    alike: dict[frozenset[str], list[int]] = {}
    for number, name in enumerate(target.population.subjects):
        alike.setdefault(frozenset(conditions[name]), []).append(number)
    order = np.tile(np.arange(len(conditions)), (count, 1))
    for members in alike.values():
        order[:, members] = rng.permuted(order[:, members], axis=1)
    return order


@partial(jax.jit, static_argnums=0)
def _theta(
    target: PopulationTarget,
    u: Vectors | HostVectors,
    own: Float[Array, "vector subject effect"],
    occasions: Float[Array, "vector occasion"],
    order: Int[Array, "vector subject"],
) -> Array:
    parts = target.take_apart(u)
    explained = jnp.einsum("vsec,vc->vse", jnp.asarray(target.design)[order], parts.coefficients)
    root = parts.between[:, :, None] * parts.factor
    people = parts.typical[:, None] + explained + jnp.einsum("vek,vsk->vse", root, own)
    return target.theta(parts, people, occasions)
