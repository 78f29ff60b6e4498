"""Where chains begin: the highest density, and of a population that with its people integrated out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from ..errors import InferenceError
from ..fit_problem import SearchSettings
from ..fitting import Evaluator, best_of, search_from_starts, why_none
from ..fitting.searching import Search
from ..jax_setup import jax, jnp
from .climbing import climb, climb_from, expand_in_coordinates, root_of
from .density import HostVectors, Target, theta_of
from .hierarchy import PopulationTarget
from .marginal import MarginalDensity
from .targets import SharedTarget

#: So far from a bound, as a share of the width, a search begins; and so much of the prior spread of people.
_MARGIN, _START = 0.02, 0.5
#: An sd between people may well be smaller by so many standard deviations of its logarithm.
_SDS = 2.0
#: Below so much, on average, an effect is told by the population and not by people's own data.
_THIN = 0.3


class Begun(NamedTuple):
    """A target in coordinates that suit the data, where chains begin in them, and a root there.

    root root' is about the covariance of the coordinates.
    """

    target: Target
    center: Float[np.ndarray, "coordinate"]
    root: Float[np.ndarray, "coordinate coordinate"]


def begin(target: Target, evaluate: Evaluator, settings: SearchSettings) -> Begun:
    """Search for where chains begin. Raises InferenceError where no start has a density."""
    if isinstance(target, PopulationTarget):
        return _begin_of_people(target, evaluate, settings)
    assert isinstance(target, SharedTarget)
    return _begin_of_shared(target, evaluate, settings)


def _begin_of_shared(target: SharedTarget, evaluate: Evaluator, settings: SearchSettings) -> Begun:
    best = best_of(search_from_starts(evaluate, settings)[0])
    center = target.space.coordinates(best.vectors, _MARGIN)[0]
    with jax.enable_x64(True):

        def place(u: Array) -> Array:
            return target.place(u[None])[0][0]

        def jacobian(u: Array) -> Array:
            return target.place(u[None])[1][0]

        slope = np.asarray(jax.jacfwd(place)(jnp.asarray(center)))
        bend = np.asarray(jax.hessian(jacobian)(jnp.asarray(center)))
    return Begun(target, center, root_of(slope.T @ best.at.curvature[0] @ slope - bend))


def _begin_of_people(target: PopulationTarget, evaluate: Evaluator, settings: SearchSettings) -> Begun:
    """Begin at the most likely population, and at what is most likely of its people.

    The highest density of all together makes people too different where data are thin, and all the same in
    coordinates of their values. Each coordinate of a person is centred by the share of its prior variance
    that the data take away, were people as alike as they may well be: where an sd may be next to 0, values
    as coordinates make a funnel. Of an effect of which the data take little the sd may pass 0.
    """
    scored = replace(target, centring=None)
    together = climb(scored, evaluate, _typical_starts(scored, settings), settings.iterations)
    density = MarginalDensity(scored, evaluate)
    population = climb_from(density, together[None, : target.people_from], settings.iterations)
    if not np.isfinite(population.at.value[0]):
        theta = theta_of(scored, together[None])[0]
        raise InferenceError(
            "people cannot be integrated out about the best of the search: typical people have no density"
            f"\n  {why_none(target.objective, theta)}"
        )
    found = density.conditional(population.vectors)
    alike = density.conditional(_alike(scored, population))
    known = density.known_share(alike)[0]
    centred = target.centred_by(np.where(_told(target, known) < _THIN, 0.0, known))
    center = centred.from_scores(found.u)
    curvature = expand_in_coordinates(centred, evaluate, center).curvature[0]
    # How people go with an sd turns about where it passes 0.
    people = np.arange(len(curvature)) >= target.people_from
    first = target.sizes["shared"] + target.sizes["typical"]
    for effect, passing in enumerate(centred.passing):
        if passing:
            curvature[first + effect, people] = curvature[people, first + effect] = 0.0
    return Begun(centred, center[0], root_of(curvature))


def _told(
    target: PopulationTarget, known: Float[np.ndarray, "subject effect"]
) -> Float[np.ndarray, "effect"]:
    # Who has no number of their own in an effect is not one of its people.
    effects = target.population.effects
    return np.array([known[np.unique(item.subject), place].mean() for place, item in enumerate(effects)])


def _alike(target: PopulationTarget, found: Search) -> HostVectors:
    # The population with sds between people as small as they may well be.
    root = root_of(found.at.curvature[0])
    first = target.sizes["shared"] + target.sizes["typical"]
    between = slice(first, first + target.sizes["between"])
    smaller = found.vectors.copy()
    smaller[0, between] -= _SDS * np.sqrt(np.diag(root @ root.T))[between]
    return smaller


def _typical_starts(target: PopulationTarget, settings: SearchSettings) -> HostVectors:
    # Typical people: at the nominal values first, then at draws from the prior.
    starts = target.draw_prior(settings.starts, np.random.default_rng(settings.seed))
    scales, _, space = target.typical
    effects, whole = target.population.effects, target.whole
    nominal = np.array([whole.problem.free[int(item.places[0])].nominal for item in effects])
    spreads = [item.within for item in effects if item.within is not None]
    typical_people: dict[str, Any] = {
        "between": np.log([_START * item.between.scale for item in effects]),
        "within": np.log([_START * item.scale for item in spreads]),
        "factor": 0.0,
        "coefficients": 0.0,
        "people": 0.0,
        "occasions": 0.0,
    }
    shared = whole.scales.theta(np.array([item.nominal for item in whole.problem.free]))[target.shared]
    first = typical_people | {
        "shared": target.shared_space.coordinates(shared[None], _MARGIN)[0],
        "typical": space.coordinates(scales.theta(nominal)[None], _MARGIN)[0],
    }
    begin = 0
    for name, size in target.sizes.items():
        starts[0, begin : begin + size] = first[name]
        if name in typical_people:
            starts[1:, begin : begin + size] = typical_people[name]
        begin += size
    return starts
