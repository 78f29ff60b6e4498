"""How one quantity is spread over the draws of a sweep: uniform or normal, of it or its logarithm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

#: Left of this many standard deviations the normal tail is worked out on the logarithm.
_FAR = -5.0

Shares = Float[np.ndarray, "draw"]


@dataclass(frozen=True)
class Marginal:
    """A distribution of one quantity, in its unit, that no draw leaves: `low` <= draw <= `high`.

    `location` and `scale` are mean and standard deviation of a normal; of a lognormal, those of
    the logarithm. A uniform or loguniform has neither: it spans `low` to `high`.
    """

    kind: Literal["uniform", "loguniform", "normal", "lognormal"]
    low: float
    high: float
    location: float = 0.0
    scale: float = 1.0

    def values(self, shares: Shares) -> Shares:
        """Return the quantiles of shares in (0, 1) by the inverse distribution function; shape (draw,).

        The truncated normal is inverted on the logarithm of its tail where it lies far out.
        """
        if self.kind == "uniform":
            drawn = self.low + shares * (self.high - self.low)
        elif self.kind == "loguniform":
            low, high = math.log(self.low), math.log(self.high)
            drawn = np.exp(low + shares * (high - low))
        elif self.kind == "normal":
            scores = _truncated_normal(shares, *self._scores())
            drawn = self.location + self.scale * scores
        else:
            drawn = np.exp(self.location + self.scale * _truncated_normal(shares, *self._scores()))
        # Rounding may pass a bound by the last digit.
        return np.clip(drawn, self.low, self.high)

    def share_between(self, low: float, high: float) -> float:
        """Return the share of all draws that lie between two values."""
        inside = max(low, self.low), min(high, self.high)
        if inside[0] >= inside[1]:
            return 0.0
        return self._mass(*inside) / self.kept

    @property
    def kept(self) -> float:
        """The share of the distribution that truncation leaves."""
        return self._mass(self.low, self.high)

    def _mass(self, low: float, high: float) -> float:
        # The share between two values before truncation.
        if self.kind == "uniform":
            return (high - low) / (self.high - self.low)
        if self.kind == "loguniform":
            return math.log(high / low) / math.log(self.high / self.low)
        return _normal_mass(self._score(low), self._score(high))

    def _score(self, value: float) -> float:
        if math.isinf(value):
            return value
        if self.kind == "lognormal":
            value = math.log(value) if value > 0 else -math.inf
        return (value - self.location) / self.scale

    def _scores(self) -> tuple[float, float]:
        return self._score(self.low), self._score(self.high)


def _normal_mass(low: float, high: float) -> float:
    # P(low < z < high), on the side where it does not cancel.
    if low > 0:
        low, high = -high, -low
    return 0.5 * (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2)))


def _truncated_normal(shares: Shares, low: float, high: float) -> Shares:
    """Return quantiles of a standard normal between two scores, either of them infinite.

    With Phi the distribution function: z = Phi^-1(Phi(low) + share (Phi(high) - Phi(low))), in the left
    tail by symmetry, on the logarithm where Phi(high) is small (scipy.special.log_ndtr, ndtri_exp).
    """
    from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

    if low > 0:
        return -_truncated_normal(1.0 - shares, -high, -low)
    if high > _FAR:
        return np.asarray(ndtri(ndtr(low) + shares * (ndtr(high) - ndtr(low))))
    # log(Phi(low) (1 - share) + Phi(high) share)
    with np.errstate(divide="ignore"):
        logarithm = np.logaddexp(log_ndtr(low) + np.log1p(-shares), log_ndtr(high) + np.log(shares))
    return np.asarray(ndtri_exp(logarithm))
