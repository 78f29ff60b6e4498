"""The scale of a family of noise that has a known standard deviation; where data give that. No JAX."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float

from .choices import FAMILIES, Family
from .errors import did_you_mean

#: Numbers in any shapes that broadcast.
Known = Float[np.ndarray, "..."] | float
KnownNumbers = Float[np.ndarray, "row"]
KnownMarks = Bool[np.ndarray, "row"]

#: Above the most a t is a normal, and its constants lose their digits.
FEWEST_DEGREES, MOST_DEGREES = 0.1, 1e6


def known_sd(sd: KnownNumbers, sem: KnownNumbers, group_mean: KnownMarks) -> KnownNumbers:
    """Return the sd of each datum as the data give it, in its unit; shape (row,), NaN where they do not.

    That of one person's value is `sd`; that of a group mean is its standard error, `sem`. Neither is made
    from the other.
    """
    return np.where(group_mean, sem, sd)


def scale_from_sd(family: Family, sd: Known, value: Known, degrees: float = 4.0) -> Known:
    """Return the `scale` with which a family has the standard deviation `sd`; shapes broadcast.

    `sd` and `value` are in one unit. The scale of the log-normal is sqrt(log(1 + (sd / value)^2)), with
    `value` taken as the mean (Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions, 2nd ed.,
    1994-95, chapter 14); that of the Laplace sd / sqrt(2) (chapter 24); that of the t
    sd sqrt((degrees - 2) / degrees) (chapter 28). With `additive_proportional` it is sd, and the
    proportional part must then be 0.

    Raises ValueError for an unknown family, and for a t of 2 degrees or less: it has no sd.
    """
    check_noise(family, degrees)
    if family == "lognormal":
        return np.sqrt(np.log1p((sd / value) ** 2))
    if family == "laplace":
        return sd / math.sqrt(2)
    if family == "student_t":
        if degrees <= 2:
            raise ValueError(
                f"a t of {degrees:g} degrees of freedom has no standard deviation: take more than 2"
            )
        return sd * math.sqrt((degrees - 2) / degrees)
    return sd


def check_noise(family: str, degrees: float) -> None:
    """Raise ValueError for an unknown family, and for degrees of freedom outside 0.1 to a million."""
    if family not in FAMILIES:
        raise ValueError(f'unknown noise "{family}". {did_you_mean(family, FAMILIES)}')
    if not FEWEST_DEGREES <= degrees <= MOST_DEGREES:
        raise ValueError(
            f"degrees of freedom must be {FEWEST_DEGREES:g} to {MOST_DEGREES:g}, not {degrees!r}"
        )
