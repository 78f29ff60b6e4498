"""The posterior of a population: what is shared, what is typical, how people differ, and each person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from ..fit_problem import FreeNumber
from ..fitting import Objective
from ..jax_setup import jax, jnp
from ..population import Population, Spread
from ..population_numbers import sampled_numbers, shared_places
from ..priors import draw_priors, log_prior_theta, support
from ..sample_result import SampledNumber
from ..scales import Scales
from .density import HostVectors, Vectors
from .space import Space

#: Concentration of the prior of correlations: weakly towards none.
_LKJ = 2.0


class Parts(NamedTuple):
    """Coordinates taken apart: what they stand for, (vector, ...) each, and the log prior of it all."""

    shared: Array
    typical: Array
    between: Array
    within: Array
    #: factor factor' are the correlations of the effects, (vector, effect, effect): lower triangular; the row
    #: of an effect whose sd passed 0 has the sign.
    factor: Array
    coefficients: Array
    #: What stands for people, between scores and values of their own, and standard scores of occasions.
    people: Array
    occasions: Array
    log_prior: Array


@dataclass(frozen=True, eq=False)
class PopulationTarget:
    """The posterior of an objective in which people have own numbers, and of how these are spread.

    A person's coordinate x of an effect lies between the standard score (`centring` 0), which suits data that
    tell little, and the value on the estimation scale (1), which suits data that tell much:

        value = mean + sd z,    x = c mean + sd^c z

    with the mean and sd that the population and the person's other effects before this one lead to expect.
    Papaspiliopoulos, Roberts & Skoeld (2007), doi:10.1214/088342307000000014; Gorinova, Moore & Hoffman
    (2020), arXiv:1906.03028. The sd itself is sampled on its logarithm, but where all coordinates are scores:
    there it may well be 0, which no logarithm reaches, and it is the size of a number that passes 0.
    """

    whole: Objective
    population: Population
    #: Of each person in each effect. None: scores, and logarithms of all sds, as searches want them.
    centring: Float[np.ndarray, "subject effect"] | None = None
    #: Whether shared and typical numbers stay within their bounds; else they are their own coordinates.
    bounded: bool = True

    def centred_by(self, centring: Float[np.ndarray, "subject effect"]) -> PopulationTarget:
        """Return the same in other coordinates of people."""
        return replace(self, centring=centring)

    @cached_property
    def objective(self) -> Objective:
        """The objective, with no prior of its own for what people have: the population is theirs."""
        own = set(np.concatenate([item.places for item in self.population.effects]).tolist())
        free = tuple(
            _unbounded(item) if place in own else item for place, item in enumerate(self.whole.problem.free)
        )
        return Objective(replace(self.whole.problem, free=free))

    def within(self, max_steps: int) -> PopulationTarget:
        """Return the same with so many steps for each solve at most."""
        return replace(self, whole=Objective(replace(self.whole.problem, max_steps=max_steps)))

    @cached_property
    def shared(self) -> np.ndarray:
        """Places of the free numbers that all people share."""
        return shared_places(self.whole.problem.free, self.population)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many coordinates each part has, in their order."""
        effects = len(self.population.effects)
        pairs = effects * (effects - 1) // 2 if self.population.correlated else 0
        occasions = [item for item in self.population.effects if item.within is not None]
        return {
            "shared": len(self.shared),
            "typical": effects,
            "between": effects,
            "within": len(occasions),
            "factor": pairs,
            "coefficients": len(self.population.covariates),
            "people": effects * len(self.population.subjects),
            "occasions": sum(len(item.places) for item in occasions),
        }

    @property
    def people_from(self) -> int:
        """How many coordinates the population has: people come behind."""
        return sum(self.sizes.values()) - self.sizes["people"] - self.sizes["occasions"]

    @cached_property
    def shared_space(self) -> Space:
        """Bounds of the shared numbers on their estimation scale."""
        return self._space(*(ends[self.shared] for ends in support(self.whole.scales, self.whole.priors)))

    @cached_property
    def shared_scales(self) -> Scales:
        """Scales of the shared numbers."""
        whole = self.whole.scales
        names, scales, low, high = (
            tuple(column[place] for place in self.shared)
            for column in (whole.names, whole.scales, whole.low, whole.high)
        )
        return Scales(names, scales, low, high)

    def _space(self, low: np.ndarray, high: np.ndarray) -> Space:
        if self.bounded:
            return Space(low, high)
        return Space(np.full(len(low), -np.inf), np.full(len(high), np.inf))

    @cached_property
    def typical(self) -> tuple[Scales, tuple[Any, ...], Space]:
        """Scales, priors and bounds of the typical values."""
        free = [self.whole.problem.free[int(item.places[0])] for item in self.population.effects]
        scales = Scales(
            tuple(item.name for item in self.population.effects),
            tuple(item.scale for item in free),
            tuple(item.low for item in free),
            tuple(item.high for item in free),
        )
        priors = tuple(item.typical for item in self.population.effects)
        return scales, priors, self._space(*support(scales, priors))

    @cached_property
    def design(self) -> np.ndarray:
        """What each covariate of each person enters an effect with, (subject, effect, covariate)."""
        found = np.zeros(
            (len(self.population.subjects), len(self.population.effects), self.sizes["coefficients"])
        )
        for number, item in enumerate(self.population.covariates):
            found[:, item.effect, number] = item.values
        return found

    def take_apart(self, u: Vectors | HostVectors) -> Parts:
        """Return what coordinates stand for."""
        ends = np.cumsum([0, *self.sizes.values()])
        own = {name: u[:, a:b] for name, a, b in zip(self.sizes, ends[:-1], ends[1:], strict=True)}
        population, effects = self.population, len(self.population.effects)
        shared, more = self.shared_space.numbers(own["shared"])
        log_prior = jnp.sum(more, axis=1)
        scales, priors, space = self.typical
        typical, more = space.numbers(own["typical"])
        log_prior += jnp.sum(more, axis=1)
        log_prior += jax.vmap(lambda theta: log_prior_theta(theta, scales, priors))(typical)
        passing, within = np.array(self.passing), jnp.exp(own["within"])
        # What is not chosen is worked out too, and has its say in a gradient: it gets harmless numbers.
        logs = jnp.where(passing, 0.0, own["between"])
        between = jnp.where(passing, jnp.abs(own["between"]), jnp.exp(logs))
        log_prior += jnp.sum(logs, axis=1) + jnp.sum(own["within"], axis=1)
        spreads = [item.between for item in population.effects]
        occasional = [item.within for item in population.effects if item.within is not None]
        for sd, known in ((between, spreads), (within, occasional)):
            for number, spread in enumerate(known):
                log_prior += _log_spread(spread, sd[:, number])
        factor, more = self._factor(own["factor"])
        log_prior += more
        # The sign goes to the row of the effect: what people have is smooth where the sd passes 0.
        factor *= jnp.where(passing & (own["between"] < 0), -1.0, 1.0)[:, :, None]
        sds = np.array([item.sd for item in population.covariates])
        log_prior -= jnp.sum(0.5 * (own["coefficients"] / sds) ** 2, axis=1)
        people = own["people"].reshape(len(u), -1, effects)
        log_prior -= 0.5 * jnp.sum(own["occasions"] ** 2, axis=1)
        return Parts(
            shared, typical, between, within, factor, own["coefficients"], people, own["occasions"], log_prior
        )

    def _factor(self, x: Array) -> tuple[Array, Array]:
        from numpyro.distributions import LKJCholesky
        from numpyro.distributions.transforms import CorrCholeskyTransform

        effects = len(self.population.effects)
        if not x.shape[1]:
            return jnp.broadcast_to(jnp.eye(effects), (len(x), effects, effects)), jnp.zeros(len(x))
        transform = CorrCholeskyTransform()

        def one(x: Array) -> tuple[Array, Array]:
            factor = transform(x)
            known = LKJCholesky(effects, _LKJ).log_prob(factor)
            return factor, known + transform.log_abs_det_jacobian(x, factor)

        return jax.vmap(one)(x)

    def expected(self, parts: Parts) -> Array:
        """Return what covariates lead one to expect of people, (vector, subject, effect)."""
        return parts.typical[:, None] + jnp.einsum("sec,vc->vse", self.design, parts.coefficients)

    def people(self, parts: Parts) -> tuple[Array, Array]:
        """Return what people have on the estimation scale, (vector, subject, effect), and its log prior."""
        own: list[Array] = []
        scores: list[Array] = []
        log_prior = jnp.zeros(len(parts.people))
        for effect, c in enumerate(self._centring.T):
            mean, sd = self._given(parts, scores, effect)
            score = parts.people[:, :, effect]
            if c.any():
                score = (score - c * mean) / sd**c
                log_prior -= jnp.sum(c * jnp.log(sd), axis=1)
            log_prior -= jnp.sum(0.5 * score**2, axis=1)
            own.append(mean + sd * score)
            scores.append(score)
        return jnp.stack(own, axis=2), log_prior

    def from_scores(self, u: HostVectors) -> HostVectors:
        """Return coordinates, given those of the same population with `centring` None."""
        if self.centring is None:
            return u
        with jax.enable_x64(True):
            return np.array(_from_scores(self, u))

    @property
    def passing(self) -> tuple[bool, ...]:
        """Of which effects the sd may pass 0."""
        if self.centring is None:
            return (False,) * len(self.population.effects)
        return tuple(not c.any() for c in self.centring.T)

    @property
    def _centring(self) -> np.ndarray:
        shape = len(self.population.subjects), len(self.population.effects)
        return np.zeros(shape) if self.centring is None else self.centring

    def _given(self, parts: Parts, scores: list[Array], effect: int) -> tuple[Array, Array]:
        # Mean, (vector, subject), and sd, (vector, 1), of an effect, given the scores of those before it.
        root = parts.between[:, effect, None] * parts.factor[:, effect]
        mean = self.expected(parts)[:, :, effect]
        mean += sum(root[:, None, place] * score for place, score in enumerate(scores))
        return mean, root[:, None, effect]

    def place(self, u: Vectors | HostVectors) -> tuple[Array, Array]:
        """Return theta, (vector, parameter), and the log prior of all but what is shared, with Jacobians."""
        parts = self.take_apart(u)
        people, more = self.people(parts)
        return self.theta(parts, people, parts.occasions), parts.log_prior + more

    def theta(self, parts: Parts, people: Array, occasions: Array) -> Array:
        """Return the free numbers of these people on these occasions, (vector, parameter)."""
        theta = jnp.zeros((len(people), len(self.whole.problem.free)), people.dtype)
        theta = theta.at[:, self.shared].set(parts.shared)
        begin, occasional = 0, 0
        for number, item in enumerate(self.population.effects):
            own = people[:, item.subject, number]
            if item.within is not None:
                scores = occasions[:, begin : begin + len(item.places)]
                own = own + parts.within[:, occasional, None] * scores
                begin, occasional = begin + len(item.places), occasional + 1
            theta = theta.at[:, item.places].set(own)
        return theta

    @property
    def person_of_score(self) -> Int[np.ndarray, "score"]:
        """The person of each score, of people and then of occasions."""
        effects = self.population.effects
        people = np.repeat(np.arange(len(self.population.subjects)), len(effects))
        return np.concatenate([people, *(item.subject for item in effects if item.within is not None)])

    @property
    def rows_of_subjects(self) -> Int[np.ndarray, "row"]:
        """The person of each row of the data."""
        known = {name: number for number, name in enumerate(self.population.subjects)}
        return np.array([known[name] for name in self.whole.problem.rows.subject])

    @cached_property
    def numbers(self) -> tuple[SampledNumber, ...]:
        """What has a posterior: shared and typical numbers, spreads, coefficients, correlations, people."""
        return sampled_numbers(self.whole.problem.free, self.population)

    def values(self, u: HostVectors) -> Float[np.ndarray, "vector number"]:
        """Return the numbers in their units."""
        with jax.enable_x64(True):
            return np.asarray(_values(self, u))

    def draw_prior(self, count: int, rng: np.random.Generator) -> HostVectors:
        """Return coordinates drawn from the prior."""
        scales, priors, space = self.typical
        whole = self.whole
        own = [whole.priors[place] for place in self.shared]
        between = [_draw_spread(item.between, count, rng) for item in self.population.effects]
        within = [
            _draw_spread(item.within, count, rng)
            for item in self.population.effects
            if item.within is not None
        ]
        sizes, sds = self.sizes, np.array([item.sd for item in self.population.covariates])
        columns = {
            "shared": self.shared_space.coordinates(draw_priors(count, rng, self.shared_scales, own), 1e-9),
            "typical": space.coordinates(draw_priors(count, rng, scales, priors), 1e-9),
            "between": np.log(between).reshape(-1, count).T,
            "within": np.log(within).reshape(-1, count).T,
            "factor": self._draw_factor(count, rng),
            "coefficients": sds * rng.standard_normal((count, len(sds))),
            "people": rng.standard_normal((count, sizes["people"])),
            "occasions": rng.standard_normal((count, sizes["occasions"])),
        }
        u = np.concatenate([columns[name] for name in sizes], axis=1)
        return self.from_scores(u)

    def _draw_factor(self, count: int, rng: np.random.Generator) -> np.ndarray:
        from numpyro.distributions import LKJCholesky
        from numpyro.distributions.transforms import CorrCholeskyTransform

        if not self.sizes["factor"]:
            return np.zeros((count, 0))
        key = jax.random.PRNGKey(int(rng.integers(2**31)))
        with jax.enable_x64(True):
            drawn = LKJCholesky(len(self.population.effects), _LKJ).sample(key, (count,))
            return np.asarray(jax.vmap(CorrCholeskyTransform()._inverse)(drawn))


@partial(jax.jit, static_argnums=0)
def _from_scores(target: PopulationTarget, u: Vectors | HostVectors) -> Array:
    parts, x = replace(target, centring=None).take_apart(u), []
    scores: list[Array] = []
    for effect, c in enumerate(target._centring.T):
        mean, sd = target._given(parts, scores, effect)
        scores.append(parts.people[:, :, effect])
        x.append(c * mean + sd**c * scores[-1])
    people, between = target.people_from, target.sizes["shared"] + target.sizes["typical"]
    u = (
        jnp.asarray(u)
        .at[:, people : people + target.sizes["people"]]
        .set(jnp.stack(x, axis=2).reshape(len(u), -1))
    )
    for effect, passing in enumerate(target.passing):
        if passing:
            u = u.at[:, between + effect].set(parts.between[:, effect])
    return u


@partial(jax.jit, static_argnums=0)
def _values(target: PopulationTarget, u: Vectors | HostVectors) -> Array:
    # In the order of `numbers`.
    effects, correlated = target.population.effects, target.population.correlated
    parts, (theta, _) = target.take_apart(u), target.place(u)
    x = jax.vmap(target.objective.scales.values)(theta)
    scales, _, _ = target.typical
    correlations = jnp.einsum("vik,vjk->vij", parts.factor, parts.factor)
    rows, columns = np.tril_indices(len(effects) if correlated else 0, -1)
    return jnp.concatenate(
        [
            x[:, target.shared],
            jax.vmap(scales.values)(parts.typical),
            parts.between,
            parts.within,
            parts.coefficients,
            correlations[:, rows, columns],
            *(x[:, item.places] for item in effects),
        ],
        axis=1,
    )


def _unbounded(item: FreeNumber) -> FreeNumber:
    # A logit has its bounds in itself.
    if item.scale == "logit":
        return replace(item, prior=None)
    return replace(item, prior=None, low=0.0 if item.scale in ("log", "log10") else -np.inf, high=np.inf)


def _log_spread(spread: Spread, sd: Array) -> Array:
    # Up to a constant.
    z = sd / spread.scale
    return -0.5 * z**2 if spread.kind == "halfnormal" else -jnp.log1p(z**2)


def _draw_spread(spread: Spread, count: int, rng: np.random.Generator) -> np.ndarray:
    draw = rng.standard_normal if spread.kind == "halfnormal" else rng.standard_cauchy
    return np.maximum(np.abs(spread.scale * draw(count)), 1e-12)
