"""On which scale a parameter is estimated: linear, log, log10 or logit, and between which bounds.

An optimiser or sampler moves a vector theta of plain numbers; the model takes values x in their units:

| scale | x(theta) | bounds | log dx/dtheta |
|---|---|---|---|
| `linear` | theta | any, or none | 0 |
| `log` | exp(theta) | not below 0 | theta |
| `log10` | 10^theta | not below 0 | theta log 10 + log log 10 |
| `logit` | low + (high - low) / (1 + exp(-theta)) | both | log(high - low) + log p + log(1 - p) |

with p = 1 / (1 + exp(-theta)). The logit never leaves its bounds; on the other scales they are a box for the
optimiser (`Scales.box`). A density of x is one of theta once dx/dtheta is multiplied in: Carpenter et al.
(2017), doi:10.18637/jss.v076.i01, and the Stan Reference Manual, "Constraint Transforms". Kinetic
parameters are estimated best on a logarithm: Raue et al. (2013), doi:10.1371/journal.pone.0074335.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Bool, Float

from .choices import SCALES, ScaleName
from .errors import did_you_mean
from .jax_setup import jax, jnp

__all__ = ["SCALES", "ScaleName", "Scales"]

Vector = Float[Array, "parameter"] | Float[np.ndarray, "parameter"]
HostVector = Float[np.ndarray, "parameter"]


@dataclass(frozen=True)
class Scales:
    """The estimated parameters in their order: name, scale, and bounds `low` < `high` in the unit of each.

    `low` may be -inf (0 on a logarithm) and `high` inf, for none. Hashable and without arrays, so that it may
    be a static argument. Raises ValueError, with the name of the parameter, for bounds that its scale
    cannot have.
    """

    names: tuple[str, ...]
    scales: tuple[ScaleName, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.scales) == len(self.low) == len(self.high):
            raise ValueError(
                f"{len(self.names)} names, {len(self.scales)} scales, {len(self.low)} lower and "
                f"{len(self.high)} upper bounds: give one of each for every parameter"
            )
        for row in zip(self.names, self.scales, self.low, self.high, strict=True):
            _check(*row)

    def __len__(self) -> int:
        return len(self.names)

    def values(self, theta: Vector) -> Float[Array, "parameter"]:
        """Return the values in their units of a vector on the estimation scale; shape (parameter,)."""
        theta = jnp.asarray(theta)
        low, span, high = self._logit_bounds()
        # Each scale sees the parameters of its own only: what overflows on another has no say in a gradient.
        on_log, on_log10, on_logit = (self._on(name, theta) for name in ("log", "log10", "logit"))
        share = span * jax.nn.sigmoid(-jnp.abs(on_logit))
        # Counted from the nearer bound, so that rounding never passes one.
        between = jnp.where(on_logit > 0, high - share, low + share)
        return self._choose(theta, jnp.exp(on_log), jnp.power(10.0, on_log10), between)

    def theta(self, values: Vector) -> HostVector:
        """Return the vector on the estimation scale of values in their units; shape (parameter,).

        For the host, not traced: it is where a nominal enters.

        Raises ValueError, with every parameter at fault, for values outside their bounds, not finite, or
        where the scale ends: at 0 on a logarithm, at a bound on the logit.
        """
        x = np.asarray(values, dtype=np.float64)
        if x.shape != (len(self),):
            raise ValueError(f"{x.size} values for {len(self)} parameters")
        wrong = [
            f"{name} = {value:.6g} must lie {_place(scale, low, high)}"
            for name, scale, low, high, value in zip(
                self.names, self.scales, self.low, self.high, x.tolist(), strict=True
            )
            if not _inside(scale, low, high, value)
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return np.array(
            [_to_theta(*row) for row in zip(self.scales, self.low, self.high, x.tolist(), strict=True)],
            dtype=np.float64,
        )

    def log_jacobian(self, theta: Vector) -> Float[Array, "parameter"]:
        """Return log |dx / dtheta| of each parameter; shape (parameter,).

        Added to the log density of values it makes the log density of theta; a sampler wants it, the
        most probable values do not.
        """
        theta = jnp.asarray(theta)
        on_logit = self._on("logit", theta)
        _, span, _ = self._logit_bounds()
        slope = jnp.log(span) + jax.nn.log_sigmoid(on_logit) + jax.nn.log_sigmoid(-on_logit)
        on_log10 = self._on("log10", theta) * math.log(10) + math.log(math.log(10))
        return self._choose(jnp.zeros_like(theta), self._on("log", theta), on_log10, slope)

    def box(self) -> tuple[HostVector, HostVector]:
        """Return the bounds on the estimation scale, (parameter,) each; infinite for none and the logit."""
        ends = [
            [_end(scale, bound, side) for scale, bound in zip(self.scales, bounds, strict=True)]
            for side, bounds in ((-math.inf, self.low), (math.inf, self.high))
        ]
        return np.array(ends[0], dtype=np.float64), np.array(ends[1], dtype=np.float64)

    def _mask(self, scale: str) -> Bool[np.ndarray, "parameter"]:
        return np.array([name == scale for name in self.scales], dtype=bool)

    def _on(self, scale: str, theta: Vector) -> Vector:
        return jnp.where(self._mask(scale), theta, 0.0)

    def _logit_bounds(self) -> tuple[HostVector, HostVector, HostVector]:
        inside = self._mask("logit")
        low, high = np.where(inside, self.low, 0.0), np.where(inside, self.high, 1.0)
        return low, high - low, high

    def _choose(self, linear: Vector, log: Vector, log10: Vector, logit: Vector) -> Vector:
        chosen = jnp.where(self._mask("log"), log, linear)
        chosen = jnp.where(self._mask("log10"), log10, chosen)
        return jnp.where(self._mask("logit"), logit, chosen)


def _check(name: str, scale: str, low: float, high: float) -> None:
    if scale not in SCALES:
        raise ValueError(f'{name}: unknown scale "{scale}". {did_you_mean(scale, SCALES)}')
    if not low < high or low == math.inf or high == -math.inf:
        raise ValueError(f"{name}: the lower bound, {low:g}, must be below the upper, {high:g}")
    if scale in ("log", "log10") and low < 0:
        raise ValueError(f"{name}: the lower bound on a {scale} scale must not be below 0, and is {low:g}")
    if scale == "logit" and not math.isfinite(high - low):
        raise ValueError(f"{name}: a logit scale needs two finite bounds, not {low:g} to {high:g}")


def _inside(scale: str, low: float, high: float, value: float) -> bool:
    if not math.isfinite(value) or (scale in ("log", "log10") and value <= 0):
        return False
    return low < value < high if scale == "logit" else low <= value <= high


def _place(scale: str, low: float, high: float) -> str:
    if scale == "logit":
        return f"between {low:g} and {high:g}, and not on them (logit scale)"
    above = f" and above 0 ({scale} scale)" if scale != "linear" and low == 0 else ""
    return f"from {low:g} to {high:g}{above}"


def _to_theta(scale: str, low: float, high: float, value: float) -> float:
    if scale == "log":
        return math.log(value)
    if scale == "log10":
        return math.log10(value)
    return value if scale == "linear" else math.log(value - low) - math.log(high - value)


def _end(scale: str, bound: float, side: float) -> float:
    if scale == "logit":
        return side
    if scale == "linear" or math.isinf(bound):
        return bound
    if bound == 0:
        return -math.inf
    return math.log(bound) if scale == "log" else math.log10(bound)
