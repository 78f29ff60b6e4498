"""What was known before the data: prior densities of values and of theta, and where searches start.

A prior is an `exsim.marginals.Marginal` of the value x in its unit. On its own scale u, which is log x for
loguniform and lognormal and x for the others, it is uniform or normal, truncated to `low` <= x <= `high`
and normalised:

| prior | log p(x) within its limits |
|---|---|
| uniform | -log(high - low) |
| loguniform | -log x - log log(high / low) |
| normal | log phi((x - location) / scale) - log scale - log kept |
| lognormal | log phi((log x - location) / scale) - log scale - log kept - log x |

with phi the standard normal density and `kept` its share between the limits: Johnson, Kotz & Balakrishnan,
Continuous Univariate Distributions (2nd ed., 1994-95), chapters 13 (section 10.1), 14 and 26. The density of
theta, the vector that is estimated, is that of x times |dx / dtheta| (`exsim.scales`), so that a lognormal
prior on a log scale is exactly a normal of theta. A prior of None is flat on the estimation scale: it has
no Jacobian, and no limits but the box of the `Scales`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Array, Bool, Float

from .errors import did_you_mean
from .jax_setup import jax, jnp
from .marginals import Marginal
from .scales import HostVector, Scales, Vector

Priors = Sequence[Marginal | None]
Starts = Float[np.ndarray, "start parameter"]

StartMethod = Literal["latin-hypercube", "prior"]
START_METHODS: tuple[StartMethod, ...] = get_args(StartMethod)

#: By so much may rounding pass a limit: exp(log(low)) may be below low.
_SLACK = 1e-12
#: A start keeps this share of the width away from its bounds.
_MARGIN = 1e-6
#: The central 99 % of a prior.
_CENTRAL = np.array([0.005, 0.995])


def log_prior(values: Vector, priors: Priors) -> Float[Array, "parameter"]:
    """Return the log density of each value, in 1 / its unit; 0 for a prior of None; shape (parameter,).

    -inf, with a gradient of zero, outside the limits of a prior.

    Raises ValueError where there is not one prior for each value.
    """
    x = jnp.asarray(values)
    table = _Table.of(priors, len(x))
    inside = table.inside(_own(x, table.logs))
    safe = jnp.where(inside & ~table.flat, x, 1.0)
    own = _own(safe, table.logs)
    density = table.log_density(own) - jnp.where(table.logs, own, 0.0)
    return jnp.where(table.flat, 0.0, jnp.where(inside, density, -jnp.inf))


def log_prior_theta(theta: Vector, scales: Scales, priors: Priors) -> Float[Array, ""]:
    """Return the log density of a vector on the estimation scale, of all parameters together.

    `scales` and `priors` are static. -inf, with a gradient of zero, where a value lies outside the limits of
    its prior (rounding apart, so that theta may be on them), or where theta is not finite. The box of
    `scales` is not looked at.

    Raises ValueError where there is not one prior for each parameter.
    """
    terms, inside = _terms(jnp.asarray(theta), scales, _Table.of(priors, len(scales)))
    return jnp.where(jnp.all(inside), jnp.sum(terms), -jnp.inf)


def prior_information(theta: Vector, scales: Scales, priors: Priors) -> Float[Array, "parameter"]:
    """Return how sharply the prior bends: minus the second derivative of its log density by each theta.

    Shape (parameter,): a prior knows no correlations. 0 where it bends up (a uniform on a logarithm is
    straight), outside its limits, and for None.

    Raises ValueError where there is not one prior for each parameter.
    """
    theta, table = jnp.asarray(theta), _Table.of(priors, len(scales))
    every = jnp.ones_like(theta)

    # Each term depends on its own theta alone: the sum along a row of ones is the diagonal.
    def slope(at: Vector) -> Vector:
        return jax.jvp(lambda to: _terms(to, scales, table)[0], (at,), (every,))[1]

    return jnp.maximum(-jax.jvp(slope, (theta,), (every,))[1], 0.0)


class _Table(NamedTuple):
    """Priors as columns, (parameter,) each; limits, location and scale are on the own scale of each."""

    flat: Bool[np.ndarray, "parameter"]
    logs: Bool[np.ndarray, "parameter"]
    normal: Bool[np.ndarray, "parameter"]
    low: HostVector
    high: HostVector
    location: HostVector
    scale: HostVector
    constant: HostVector

    @classmethod
    def of(cls, priors: Priors, count: int) -> _Table:
        if len(priors) != count:
            raise ValueError(f"{len(priors)} priors for {count} parameters")
        rows = np.array([_row(prior) for prior in priors], dtype=np.float64).reshape(count, 5)
        kinds = [None if prior is None else prior.kind for prior in priors]
        return cls(
            np.array([kind is None for kind in kinds], dtype=bool),
            np.array([kind in ("loguniform", "lognormal") for kind in kinds], dtype=bool),
            np.array([kind in ("normal", "lognormal") for kind in kinds], dtype=bool),
            *rows.T,
        )

    def inside(self, own: Vector) -> Bool[Array, "parameter"]:
        # NaN and, within infinite limits, infinity are not inside.
        low = self.low - _SLACK * np.maximum(1.0, np.abs(self.low))
        high = self.high + _SLACK * np.maximum(1.0, np.abs(self.high))
        return self.flat | (jnp.isfinite(own) & (own >= low) & (own <= high))

    def log_density(self, own: Vector) -> Float[Array, "parameter"]:
        # Of u, not of x.
        score = (own - self.location) / self.scale
        return self.constant - jnp.where(self.normal, 0.5 * score**2, 0.0)


def _row(prior: Marginal | None) -> tuple[float, float, float, float, float]:
    if prior is None:
        return -math.inf, math.inf, 0.0, 1.0, 0.0
    low, high = prior.low, prior.high
    if prior.kind in ("loguniform", "lognormal"):
        low, high = (math.log(end) if end > 0 else -math.inf for end in (low, high))
    if prior.kind in ("uniform", "loguniform"):
        return low, high, 0.0, 1.0, -math.log(high - low)
    kept = _log_mass((low - prior.location) / prior.scale, (high - prior.location) / prior.scale)
    constant = -math.log(prior.scale) - 0.5 * math.log(2 * math.pi) - kept
    return low, high, prior.location, prior.scale, constant


def _log_mass(low: float, high: float) -> float:
    # log P(low < z < high) of a standard normal, in the tail where it does not underflow.
    from scipy.special import log_ndtr

    if low > 0:
        low, high = -high, -low
    return float(log_ndtr(high) + np.log(-np.expm1(log_ndtr(low) - log_ndtr(high))))


def _own(x: Vector, logs: Bool[np.ndarray, "parameter"]) -> Vector:
    # u of x, NaN for what has no logarithm; not differentiated there.
    return jnp.where(logs, jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), jnp.nan), x)


def _terms(
    theta: Vector, scales: Scales, table: _Table
) -> tuple[Float[Array, "parameter"], Bool[Array, "parameter"]]:
    inside = jnp.isfinite(theta) & table.inside(_own_of_theta(theta, scales, table))
    # What lies outside is worked out too, and has its say in a gradient: 0 is harmless on every scale.
    safe = jnp.where(inside, theta, 0.0)
    own = jnp.where(inside, _own_of_theta(safe, scales, table), 0.0)
    jacobian = scales.log_jacobian(safe) - jnp.where(table.logs, own, 0.0)
    return jnp.where(table.flat, 0.0, table.log_density(own) + jacobian), inside


def _own_of_theta(theta: Vector, scales: Scales, table: _Table) -> Vector:
    # From a logarithm to a logarithm without the exponential, which would overflow and round.
    factor = np.array([{"log": 1.0, "log10": math.log(10)}.get(scale, 0.0) for scale in scales.scales])
    direct = table.logs & (factor > 0)
    x = scales.values(jnp.where(direct | table.flat, 0.0, theta))
    return jnp.where(direct, factor * theta, _own(x, table.logs))


def draw_starts(
    count: int,
    seed: int,
    nominal: Vector,
    scales: Scales,
    priors: Priors,
    method: StartMethod = "latin-hypercube",
) -> Starts:
    """Return where searches start, on the estimation scale; shape (start, parameter). For the host.

    The first start is `nominal`, values in their units, moved inside the bounds of `scales` where it is not.
    The others are a Latin hypercube (McKay, Beckman & Conover 1979, doi:10.1080/00401706.1979.10489755) of
    `count` - 1 points, a function of `count` and `seed` alone. They are spread evenly

    * by "latin-hypercube": between the bounds, on the estimation scale (on that of the value for a logit). A
      parameter without one of them: over the central 99 % of its prior; without a prior, a factor of 10, or
      on a linear scale max(1, |nominal|), to both sides of the nominal.
    * by "prior": over the shares of each prior, truncated to the bounds; of a flat one as above.

    Raises ValueError, with the name of the parameter, for a nominal that is no finite number or has no
    logarithm, and for a prior that lies outside the bounds; for an unknown method, and a count below 1.
    """
    from scipy.stats import qmc

    if method not in START_METHODS:
        raise ValueError(f'unknown method "{method}". {did_you_mean(method, START_METHODS)}')
    if count < 1:
        raise ValueError(f"at least one start is needed, not {count}")
    if len(priors) != len(scales):
        raise ValueError(f"{len(priors)} priors for {len(scales)} parameters")
    first = _inside(np.asarray(nominal, dtype=np.float64), scales)
    starts = np.tile(first, (count, 1))
    if count == 1 or len(scales) == 0:
        return starts
    engine = qmc.LatinHypercube(len(scales), rng=np.random.default_rng(seed))
    # A share of 0 or 1 is an end of a prior, which may be infinite.
    shares = np.clip(engine.random(count - 1), _SLACK, 1 - _SLACK)
    for place, prior in enumerate(priors):
        many = _copies(scales, place, count - 1)
        known = None if prior is None else _truncated(prior, _copies(scales, place, 1))
        if method == "prior" and known is not None:
            starts[1:, place] = _inside(known.values(shares[:, place]), many)
        elif scales.scales[place] == "logit":
            values = scales.low[place] + shares[:, place] * (scales.high[place] - scales.low[place])
            starts[1:, place] = _inside(values, many)
        else:
            low, high = _range(scales, place, known, float(first[place]))
            starts[1:, place] = low + shares[:, place] * (high - low)
    return np.clip(starts, *_inner_box(scales))


def support(scales: Scales, priors: Priors) -> tuple[HostVector, HostVector]:
    """Return between which theta the density is above 0: the box of the scales and the limits of the priors.

    Shape (parameter,) each, infinite where nothing ends it. Raises ValueError for a prior outside its bounds.
    """
    low, high = (ends.copy() for ends in scales.box())
    for place, prior in enumerate(priors):
        if prior is not None:
            one = _copies(scales, place, 1)
            known = _truncated(prior, one)
            if known.low > one.low[0]:
                low[place] = one.theta(np.array([known.low]))[0]
            if known.high < one.high[0]:
                high[place] = one.theta(np.array([known.high]))[0]
    return low, high


def draw_priors(
    count: int, rng: np.random.Generator, scales: Scales, priors: Priors
) -> Float[np.ndarray, "draw parameter"]:
    """Return draws of theta from the priors, within the bounds; shape (draw, parameter).

    One of None is flat on the estimation scale, from bound to bound. Raises ValueError where it has none.
    """
    shares = rng.uniform(_SLACK, 1 - _SLACK, (count, len(scales)))
    low, high = support(scales, priors)
    drawn = low + shares * np.where(np.isfinite(high - low), high - low, 0.0)
    for place, prior in enumerate(priors):
        if prior is not None:
            known = _truncated(prior, _copies(scales, place, 1))
            drawn[:, place] = _inside(known.values(shares[:, place]), _copies(scales, place, count))
        elif not np.isfinite(high[place] - low[place]):
            raise ValueError(f"{scales.names[place]}: flat between bounds that are not there is no prior")
    return np.clip(drawn, low, high)


def _copies(scales: Scales, place: int, count: int) -> Scales:
    names, kinds = (scales.names[place],), (scales.scales[place],)
    return Scales(names * count, kinds * count, (scales.low[place],) * count, (scales.high[place],) * count)


def _truncated(prior: Marginal, one: Scales) -> Marginal:
    low, high = max(prior.low, one.low[0]), min(prior.high, one.high[0])
    if not low < high:
        raise ValueError(
            f"{one.names[0]}: its prior, from {prior.low:g} to {prior.high:g}, lies outside its bounds, "
            f"from {one.low[0]:g} to {one.high[0]:g}"
        )
    return replace(prior, low=low, high=high)


def _range(scales: Scales, place: int, prior: Marginal | None, nominal: float) -> tuple[float, float]:
    """Return between which theta a parameter that is not on a logit starts."""
    low, high = (float(ends[place]) for ends in scales.box())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    if prior is not None:
        low, high = _inside(prior.values(_CENTRAL), _copies(scales, place, 2)).tolist()
        return low, high
    width = {"log": math.log(10), "log10": 1.0}.get(scales.scales[place], max(1.0, abs(nominal)))
    return max(low, nominal - width), min(high, nominal + width)


def _inside(values: HostVector, scales: Scales) -> HostVector:
    """Return the theta of values, moved inside the bounds where they are not."""
    low, high = np.array(scales.low), np.array(scales.high)
    margin = np.where(_logit(scales), _MARGIN * (high - low), 0.0)
    moved = np.clip(values, low + margin, high - margin)
    # An infinite value is a mistake, not far outside.
    return np.clip(scales.theta(np.where(np.isfinite(values), moved, np.nan)), *_inner_box(scales))


def _inner_box(scales: Scales) -> tuple[HostVector, HostVector]:
    """Return the box a little narrower; a logit, which has none, keeps away from its ends as well."""
    low, high = scales.box()
    sizes = [np.where(np.isfinite(ends), np.abs(ends), 1.0) for ends in (low, high)]
    width = np.where(np.isfinite(high - low), high - low, np.maximum(1.0, np.maximum(*sizes)))
    end = math.log((1 - _MARGIN) / _MARGIN)
    return (
        np.where(_logit(scales), -end, low + _MARGIN * width),
        np.where(_logit(scales), end, high - _MARGIN * width),
    )


def _logit(scales: Scales) -> Bool[np.ndarray, "parameter"]:
    return np.array([scale == "logit" for scale in scales.scales], dtype=bool)
