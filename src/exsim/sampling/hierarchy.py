"""The posterior of a population: what is shared, what is typical, how people differ, and each person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from ..fit_problem import FreeNumber, SearchSettings
from ..fitting import Evaluator, Objective
from ..jax_setup import jax, jnp
from ..population import Population, Spread
from ..priors import draw_priors, log_prior_theta, support
from ..sample_result import SampledNumber
from ..scales import Scales
from .climbing import climb
from .density import HostVectors, Vectors, theta_of
from .space import Space

#: Concentration of the prior of correlations: weakly towards none.
_LKJ = 2.0
#: So far from a bound, as a share of the width, a search begins; and so much of the prior spread of people.
_MARGIN, _START = 0.02, 0.5
#: Where the data tell so many times what the population tells of a person, they are rich.
_RICH = 4.0


class Parts(NamedTuple):
    """Coordinates taken apart: what they stand for, (vector, ...) each, and the log prior of it all."""

    shared: Array
    typical: Array
    between: Array
    within: Array
    #: Cholesky factor of the correlations of the effects, (vector, effect, effect).
    factor: Array
    coefficients: Array
    #: Scores of people and of occasions: standard normal, or values of their own where centred.
    people: Array
    occasions: Array
    log_prior: Array


@dataclass(frozen=True, eq=False)
class PopulationTarget:
    """The posterior of an objective in which people have own numbers, and of how these are spread.

    `centred` says whether a person's values are the coordinates (where data are rich) or their standard
    scores are: Papaspiliopoulos, Roberts & Skoeld (2007), doi:10.1214/088342307000000014.
    """

    whole: Objective
    population: Population
    centred: bool = False

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
        own = np.concatenate([item.places for item in self.population.effects])
        return np.setdiff1d(np.arange(len(self.whole.problem.free)), own)

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

    @cached_property
    def _shared_space(self) -> Space:
        low, high = support(self.whole.scales, self.whole.priors)
        return Space(low[self.shared], high[self.shared])

    @cached_property
    def _typical(self) -> tuple[Scales, tuple[Any, ...], Space]:
        free = [self.whole.problem.free[int(item.places[0])] for item in self.population.effects]
        scales = Scales(
            tuple(item.name for item in self.population.effects),
            tuple(item.scale for item in free),
            tuple(item.low for item in free),
            tuple(item.high for item in free),
        )
        priors = tuple(item.typical for item in self.population.effects)
        return scales, priors, Space(*support(scales, priors))

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
        shared, more = self._shared_space.numbers(own["shared"])
        log_prior = jnp.sum(more, axis=1)
        scales, priors, space = self._typical
        typical, more = space.numbers(own["typical"])
        log_prior += jnp.sum(more, axis=1)
        log_prior += jax.vmap(lambda theta: log_prior_theta(theta, scales, priors))(typical)
        between, within = jnp.exp(own["between"]), jnp.exp(own["within"])
        spreads = [item.between for item in population.effects]
        occasional = [item.within for item in population.effects if item.within is not None]
        for sd, log_sd, known in ((between, own["between"], spreads), (within, own["within"], occasional)):
            for number, spread in enumerate(known):
                log_prior += _log_spread(spread, sd[:, number]) + log_sd[:, number]
        factor, more = self._factor(own["factor"])
        log_prior += more
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
        expected = self.expected(parts)
        root = parts.between[:, :, None] * parts.factor
        if not self.centred:
            own = expected + jnp.einsum("vek,vsk->vse", root, parts.people)
            return own, -0.5 * jnp.sum(parts.people**2, axis=(1, 2))
        scores = jax.vmap(lambda left, right: jax.scipy.linalg.solve_triangular(left, right.T, lower=True).T)(
            root, parts.people - expected
        )
        spread = jnp.sum(jnp.log(jnp.diagonal(root, axis1=1, axis2=2)), axis=1)
        log_prior = -0.5 * jnp.sum(scores**2, axis=(1, 2)) - len(self.population.subjects) * spread
        return parts.people, log_prior

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
        free, effects = self.whole.problem.free, self.population.effects
        scales, _, _ = self._typical
        found = [
            SampledNumber(
                free[int(place)].name, free[int(place)].label, free[int(place)].unit, free[int(place)].scale
            )
            for place in self.shared
        ]
        found += [
            SampledNumber(item.name, f"{item.label}, typical", item.unit, scale)
            for item, scale in zip(effects, scales.scales, strict=True)
        ]
        found += [_spread(f"sd_between[{item.name}]", f"{item.label}, sd between people") for item in effects]
        found += [
            _spread(f"sd_within[{item.name}]", f"{item.label}, sd between occasions")
            for item in effects
            if item.within is not None
        ]
        found += [
            SampledNumber(
                f"effect[{item.name} on {effects[item.effect].name}]",
                f"effect of {item.name} on {effects[item.effect].label}",
                "1",
                "linear",
            )
            for item in self.population.covariates
        ]
        if self.population.correlated:
            found += [
                SampledNumber(f"correlation[{b.name}, {a.name}]", f"{b.name} with {a.name}", "1", "linear")
                for k, b in enumerate(effects)
                for a in effects[:k]
            ]
        found += [
            SampledNumber(
                free[place].name, free[place].label, free[place].unit, free[place].scale, "individual"
            )
            for item in effects
            for place in item.places.tolist()
        ]
        return tuple(found)

    def values(self, u: HostVectors) -> Float[np.ndarray, "vector number"]:
        """Return the numbers in their units."""
        with jax.enable_x64(True):
            return np.asarray(_values(self, u))

    def draw_prior(self, count: int, rng: np.random.Generator) -> HostVectors:
        """Return coordinates drawn from the prior."""
        scales, priors, space = self._typical
        whole = self.whole
        shared = Scales(
            *(
                tuple(getattr(whole.scales, name)[place] for place in self.shared)
                for name in ("names", "scales", "low", "high")
            )
        )
        own = [whole.priors[place] for place in self.shared]
        between = [_draw_spread(item.between, count, rng) for item in self.population.effects]
        within = [
            _draw_spread(item.within, count, rng)
            for item in self.population.effects
            if item.within is not None
        ]
        sizes, sds = self.sizes, np.array([item.sd for item in self.population.covariates])
        columns = {
            "shared": self._shared_space.coordinates(draw_priors(count, rng, shared, own), 1e-9),
            "typical": space.coordinates(draw_priors(count, rng, scales, priors), 1e-9),
            "between": np.log(between).reshape(-1, count).T,
            "within": np.log(within).reshape(-1, count).T,
            "factor": self._draw_factor(count, rng),
            "coefficients": sds * rng.standard_normal((count, len(sds))),
            "people": rng.standard_normal((count, sizes["people"])),
            "occasions": rng.standard_normal((count, sizes["occasions"])),
        }
        u = np.concatenate([columns[name] for name in sizes], axis=1)
        if not self.centred:
            return u
        # What was drawn are scores: the same people in the coordinates of their values.
        with jax.enable_x64(True):
            return np.asarray(_people_in_values(replace(self, centred=False), u))

    def in_values(self, centred: bool) -> PopulationTarget:
        """Return the same with people's values as coordinates, or with their scores."""
        return replace(self, centred=centred)

    def begin(
        self, evaluate: Evaluator, settings: SearchSettings
    ) -> tuple[PopulationTarget, np.ndarray, np.ndarray]:
        """Return the same in coordinates that suit the data, where chains begin in them, and a root there.

        Chains begin at the highest density found from typical people; shapes (coordinate,) and (coordinate,
        coordinate). People's values are the coordinates where the data tell of most people more than the
        population does, in every effect. Raises InferenceError where no start has a density.
        """
        # In scores: of the values themselves the density is highest where all people are the same.
        scored = replace(self, centred=False)
        center, root = climb(scored, evaluate, scored._starts(settings), settings.iterations)
        at = evaluate(theta_of(scored, center[None]))
        # By the prior spread of people: that of the highest density is too wide where data are thin.
        told = [
            float(np.median(at.curvature[0, item.places, item.places])) * item.between.scale**2
            for item in self.population.effects
        ]
        if min(told) <= _RICH:
            return scored, center, root
        with jax.enable_x64(True):
            values, slopes = _in_values(scored, center)
            return replace(self, centred=True), np.asarray(values), np.asarray(slopes) @ root

    def _starts(self, settings: SearchSettings) -> HostVectors:
        # Typical people: at the nominal values first, then at draws from the prior.
        starts = self.draw_prior(settings.starts, np.random.default_rng(settings.seed))
        scales, _, space = self._typical
        effects, free = self.population.effects, self.whole.problem.free
        nominal = np.array([free[int(item.places[0])].nominal for item in effects])
        shared = np.array([free[int(place)].nominal for place in self.shared])
        spreads = [item.within for item in effects if item.within is not None]
        typical_people: dict[str, Any] = {
            "between": np.log([_START * item.between.scale for item in effects]),
            "within": np.log([_START * item.scale for item in spreads]),
            "factor": 0.0,
            "coefficients": 0.0,
            "people": 0.0,
            "occasions": 0.0,
        }
        first = typical_people | {
            "shared": self._shared_space.coordinates(self._theta_of(self.shared, shared)[None], _MARGIN)[0],
            "typical": space.coordinates(scales.theta(nominal)[None], _MARGIN)[0],
        }
        begin = 0
        for name, size in self.sizes.items():
            starts[0, begin : begin + size] = first[name]
            if name in typical_people:
                starts[1:, begin : begin + size] = typical_people[name]
            begin += size
        return starts

    def _theta_of(self, places: np.ndarray, values: np.ndarray) -> np.ndarray:
        whole = np.array([item.nominal for item in self.whole.problem.free])
        whole[places] = values
        return self.whole.scales.theta(whole)[places]

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
def _people_in_values(scored: PopulationTarget, u: Vectors | HostVectors) -> Array:
    # Coordinates with scores of people -> those with their values.
    people = scored.people(scored.take_apart(u))[0].reshape(len(u), -1)
    begin = sum(size for name, size in scored.sizes.items() if name not in ("people", "occasions"))
    return jnp.asarray(u).at[:, begin : begin + people.shape[1]].set(people)


@partial(jax.jit, static_argnums=0)
def _in_values(scored: PopulationTarget, u: Array | np.ndarray) -> tuple[Array, Array]:
    # One vector, and its derivatives.
    def one(u: Array) -> Array:
        return _people_in_values(scored, u[None])[0]

    return one(u), jax.jacfwd(one)(u)


@partial(jax.jit, static_argnums=0)
def _values(target: PopulationTarget, u: Vectors | HostVectors) -> Array:
    # In the order of `numbers`.
    effects, correlated = target.population.effects, target.population.correlated
    parts, (theta, _) = target.take_apart(u), target.place(u)
    x = jax.vmap(target.objective.scales.values)(theta)
    scales, _, _ = target._typical
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


def _spread(name: str, label: str) -> SampledNumber:
    return SampledNumber(name, label, "1", "log")


def _log_spread(spread: Spread, sd: Array) -> Array:
    # Up to a constant.
    z = sd / spread.scale
    return -0.5 * z**2 if spread.kind == "halfnormal" else -jnp.log1p(z**2)


def _draw_spread(spread: Spread, count: int, rng: np.random.Generator) -> np.ndarray:
    draw = rng.standard_normal if spread.kind == "halfnormal" else rng.standard_cauchy
    return np.maximum(np.abs(spread.scale * draw(count)), 1e-12)
