"""What a sampler made of a posterior, and how long each part took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exsim.posterior_statistics import ess, mcse_mean


@dataclass(frozen=True)
class Drawn:
    """Draws of the logarithms of the free numbers, and wall times."""

    #: (chain, draw, number), those of the warm-up left out.
    draws: np.ndarray
    #: Until the first draw: compiling, and what a sampler does to find where to begin.
    begin_s: float
    warmup_s: float
    draws_s: float
    #: Gradients of all kept draws.
    leapfrogs: int

    @property
    def least_ess(self) -> float:
        """The smallest bulk effective sample size."""
        return float(ess(self.draws, "bulk").min())

    @property
    def moments(self) -> np.ndarray:
        """Mean and standard deviation of each number; shape (2, number)."""
        pooled = self.draws.reshape(-1, self.draws.shape[2])
        return np.stack([pooled.mean(axis=0), pooled.std(axis=0, ddof=1)])

    @property
    def moment_errors(self) -> np.ndarray:
        """Monte Carlo standard errors of `moments`; that of the sd by the delta method from its square."""
        mean, sd = self.moments
        of_square = mcse_mean((self.draws - mean) ** 2)
        return np.stack([mcse_mean(self.draws), of_square / (2 * sd)])


def distance(one: Drawn, other: Drawn) -> float:
    """Return how far the most distant mean or sd of two posteriors lies, in Monte Carlo standard errors."""
    error = np.hypot(one.moment_errors, other.moment_errors)
    return float(np.max(np.abs(one.moments - other.moments) / error))


#: (draws of the warm-up, kept draws) of each chain -> what was drawn.
Sampler = Callable[[int, int], Drawn]
