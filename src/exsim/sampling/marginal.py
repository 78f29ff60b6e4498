"""The likelihood of a population with its people integrated out: FOCEI, and quadrature to check it.

People's scores b are standard normal a priori, so that

    log p(y | psi) ~ l(psi, b) - |b|^2 / 2 - log det(H) / 2    at the best b for psi,

with H the expected information of the data on b, noise that depends on the prediction with it, plus the
identity: the first-order conditional estimate with interaction (FOCEI), which is Laplace's approximation with
that H. Wang (2007), doi:10.1007/s10928-007-9060-x; Almquist, Leander & Jirstrand (2015),
doi:10.1007/s10928-015-9409-1. The best b of all people and of all psi is searched for at once, as lanes, and
follows psi by the implicit function theorem.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from ..fitting import Evaluator, Expanded
from ..fitting.searching import RUNNING, Box, Search, gauss_newton
from .climbing import expand_in_coordinates
from .density import theta_of
from .hierarchy import PopulationTarget

#: Steps of the search for people, and of the differences of log det(H).
_STEPS, _STEP = 50, 1e-3
#: Full steps after the search.
_POLISHED = 2
_LONGEST = 2.0

Psi = Float[np.ndarray, "vector population"]


@dataclass(frozen=True, eq=False)
class Conditional:
    """The best people for some vectors of the population."""

    #: Coordinates of the target with the people in them.
    u: Float[np.ndarray, "vector coordinate"]
    at: Expanded
    log_det: Float[np.ndarray, "vector"]


@dataclass(frozen=True, eq=False)
class MarginalDensity:
    """The log density of what a population shares, its people integrated out: called as an objective is."""

    target: PopulationTarget
    evaluate: Evaluator

    @cached_property
    def size(self) -> int:
        """How many coordinates the population has."""
        return self.target.people_from

    @cached_property
    def _lengths(self) -> np.ndarray:
        # What is about 1 for each coordinate of a population: on a linear scale it has a unit.
        target, effects = self.target, self.target.population.effects
        free = target.whole.problem.free
        kinds = {"shared": [free[int(place)] for place in target.shared]}
        kinds["typical"] = [free[int(item.places[0])] for item in effects]
        spread = [
            item.between.scale if one.scale == "linear" else 1.0
            for item, one in zip(effects, kinds["typical"], strict=True)
        ]
        found = {
            "shared": [abs(one.nominal) or 1.0 if one.scale == "linear" else 1.0 for one in kinds["shared"]],
            "typical": spread,
            "coefficients": [
                spread[item.effect] / max(1.0, float(np.abs(item.values).max()))
                for item in target.population.covariates
            ],
        }
        parts = [found.get(name, [1.0] * size) for name, size in target.sizes.items()]
        return np.concatenate(parts)[: self.size]

    def __call__(self, psi: Psi) -> Expanded:
        """Return the marginal log density about vectors of the population, priors in it.

        `likelihood` is the marginal log likelihood alone; the curvature is what people leave of that of
        Gauss and Newton. -inf where a solve fails.
        """
        before = self.evaluate.answered
        found = self.conditional(psi)
        value = found.at.value - 0.5 * found.log_det
        scores = np.sum(found.u[:, self.size :] ** 2, axis=1)
        likelihood = found.at.likelihood - 0.5 * scores - 0.5 * found.log_det
        gradient, curvature = self._derivatives(found)
        lost = ~np.isfinite(value) | ~np.isfinite(gradient).all(axis=1)
        value[lost] = likelihood[lost] = -np.inf
        gradient[lost] = curvature[lost] = 0.0
        solves = np.diff(np.linspace(before, self.evaluate.answered, len(psi) + 1).astype(np.int64))
        return Expanded(value, likelihood, gradient, curvature, found.at.status, found.at.steps, solves)

    def conditional(self, psi: Psi) -> Conditional:
        """Return the best people for each vector."""
        people = sum(self.target.sizes.values()) - self.size
        u = np.concatenate([psi, np.zeros((len(psi), people))], axis=1)
        fixed = np.zeros(u.shape, dtype=bool)
        fixed[:, : self.size] = True
        at = self._expand(u)
        ended = np.array([RUNNING] * len(u), dtype=object)
        whole = np.full(u.shape[1], np.inf)
        begun = Search(u, at, np.zeros(len(u), dtype=np.int64), ended)
        found = gauss_newton(
            self._expand, begun, Box(-whole, whole, np.full(u.shape[1], _LONGEST)), _STEPS, fixed=fixed
        )
        # The search ends where the density gains nothing more. That of log det(H) is of first order.
        u, at = found.vectors.copy(), found.at
        for _ in range(_POLISHED):
            own, gradient = at.curvature[:, self.size :, self.size :], at.gradient[:, self.size :, None]
            u[:, self.size :] += np.linalg.solve(own, gradient)[:, :, 0]
            at = self._expand(u)
        return Conditional(u, at, self._log_det(at))

    def known_share(self, found: Conditional) -> Float[np.ndarray, "vector subject effect"]:
        """Return the share of the prior variance of each score of a person that the data take away."""
        left = np.linalg.inv(found.at.curvature[:, self.size :, self.size :])
        people = self.target.sizes["people"]
        share = 1 - np.diagonal(left, axis1=1, axis2=2)[:, :people]
        return np.clip(share, 0.0, 1.0).reshape(len(share), len(self.target.population.subjects), -1)

    def _expand(self, u: np.ndarray) -> Expanded:
        return expand_in_coordinates(self.target, self.evaluate, u)

    def _log_det(self, at: Expanded) -> np.ndarray:
        return np.linalg.slogdet(at.curvature[:, self.size :, self.size :])[1]

    def _derivatives(self, found: Conditional) -> tuple[np.ndarray, np.ndarray]:
        # The density at the best people has the slope that it has with them held (envelope theorem). The
        # logarithm of det(H) is differenced, and people follow psi: d b / d psi = -(d2/db2)^-1 d2/db dpsi.
        size, curvature = self.size, found.at.curvature
        follow = self._follow(found)
        moves = np.concatenate([np.broadcast_to(np.eye(size), (len(follow), size, size)), follow], axis=1)
        at = self._moved(found.u, moves * self._lengths)
        log_det = self._log_det(at).reshape(len(found.u), size, 2)
        slope = (log_det[..., 0] - log_det[..., 1]) / (2 * _STEP * self._lengths)
        cross = curvature[:, size:, :size]
        left = curvature[:, :size, :size] - np.einsum(
            "vbp,vbq->vpq", cross, np.linalg.solve(curvature[:, size:, size:], cross)
        )
        return found.at.gradient[:, :size] - 0.5 * slope, left

    def _follow(self, found: Conditional) -> np.ndarray:
        # Second derivatives by differences of gradients. People do not touch each other: one number of each
        # person is moved at the same time.
        size, people = self.size, self.target.person_of_score
        rank = np.array([np.count_nonzero(people[:place] == person) for place, person in enumerate(people)])
        together = np.concatenate(
            [np.zeros((rank.max() + 1, size)), rank == np.arange(rank.max() + 1)[:, None]], 1
        )
        each = np.concatenate([np.diag(self._lengths), np.zeros((size, len(people)))], axis=1)
        moves = np.concatenate([each, together]).T
        at = self._moved(found.u, np.broadcast_to(moves, (len(found.u), *moves.shape)))
        slopes = at.gradient.reshape(len(found.u), -1, 2, moves.shape[0])
        bent = (slopes[:, :, 0, size:] - slopes[:, :, 1, size:]) / (2 * _STEP)
        cross, blocks = (bent[:, :size] / self._lengths[:, None]).transpose(0, 2, 1), bent[:, size:]
        same = people[:, None] == people
        inner = np.where(same, blocks[:, rank].transpose(0, 2, 1), 0.0)
        return -np.linalg.solve(inner, cross)

    def _moved(self, u: np.ndarray, moves: np.ndarray) -> Expanded:
        # Forth and back along each move, (vector, coordinate, move).
        steps = _STEP * np.stack([moves, -moves], axis=-1).transpose(0, 2, 3, 1)
        return self._expand((u[:, None, None] + steps).reshape(-1, u.shape[1]))


def quadrature(
    density: MarginalDensity, psi: Float[np.ndarray, "population"], nodes: int = 15
) -> Float[np.ndarray, "subject"]:
    """Return the marginal log likelihood of each person by adaptive Gauss-Hermite quadrature.

    `nodes` to the power of the effects of a person are solved, so that it is for few effects, without
    occasions. Pinheiro & Bates (1995), doi:10.1080/10618600.1995.10474663.
    """
    target, size = density.target, density.size
    found = density.conditional(psi[None])
    subjects, effects = len(target.population.subjects), len(target.population.effects)
    best = found.u[0, size:].reshape(subjects, effects)
    blocks = found.at.curvature[0, size:, size:].reshape(subjects, effects, subjects, effects)
    own = blocks[np.arange(subjects), :, np.arange(subjects)]
    # root root' = H^-1 of each person.
    root = np.linalg.inv(np.linalg.cholesky(own)).transpose(0, 2, 1)
    x, weight = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.array(list(product(x, repeat=effects)))
    log_weight = np.log(np.array(list(product(weight, repeat=effects)))).sum(axis=1)
    scores = best[None] + np.einsum("sij,nj->nsi", root, points)
    u = np.concatenate([np.repeat(psi[None], len(points), axis=0), scores.reshape(len(points), -1)], axis=1)
    rows = target.rows_of_subjects
    density_of_rows = target.objective.look(theta_of(target, u)).density
    by_subject = np.stack(
        [density_of_rows[:, rows == number].sum(axis=1) for number in range(subjects)], axis=1
    )
    # The integral of exp(l - b^2/2) (2 pi)^(-k/2) db with b = best + root x.
    log_terms = by_subject - 0.5 * np.sum(scores**2, axis=2) + 0.5 * np.sum(points**2, axis=1)[:, None]
    log_scale = np.linalg.slogdet(root)[1] - 0.5 * effects * np.log(2 * np.pi)
    return logsumexp(log_terms + log_weight[:, None], axis=0) + log_scale
