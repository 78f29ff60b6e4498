"""How much a row of data tells of its prediction and of its noise: Fisher information, Gauss-Newton steps.

Every family of `exsim.noise` has a location f, and a spread sd made of `scale` and `proportional`; let z be
the score of a row, and c = 1 / f for the log-normal, else 1. Derivatives are by (f, scale, proportional):

| row | information |
|---|---|
| measured | location share (c e_f / sd)(c e_f / sd)^T + spread share (sd' / sd)(sd' / sd)^T, expected |
| beyond a limit | max(0, -(log F)''(z)) z' z'^T, with z' = -(c e_f + z sd') / sd |

| family | location share | spread share |
|---|---|---|
| normal, log-normal, additive and proportional | 1 | 2 |
| Laplace | 1 | 1 |
| t with nu degrees | (nu + 1) / (nu + 3) | 2 nu / (nu + 3) |

Normal with a spread that depends on the location: Kay, Fundamentals of Statistical Signal Processing:
Estimation Theory (1993), eq. 3.31; shares of any location-scale family: Lehmann & Casella, Theory of Point
Estimation (2nd ed., 1998), doi:10.1007/b98854, chapter 2; those of the t: Lange, Little & Taylor (1989),
doi:10.1080/01621459.1989.10478852. A censored row has the curvature in its score alone, the generalised
Gauss-Newton of Schraudolph (2002), doi:10.1162/08997660260028683: positive where F is log-concave, as it is
for all but the far tail of the t (Bagnoli & Bergstrom, 2005, doi:10.1007/s00199-004-0514-4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxtyping import Array, Float

from .jax_setup import jax, jnp
from .measurements import ABOVE_LIMIT, MEASURED
from .noise import Family, Marks, Results, Rows, check_noise, log_share_below, standardise

#: By prediction, scale and proportional part, in this order.
Factors = Float[Array, "... 3"]


class RowInformation(NamedTuple):
    """The information of rows on (prediction, scale, proportional), as two factors of shape (..., 3).

    It is location location^T + spread spread^T, so that it is never negative.
    """

    location: Factors
    spread: Factors


def row_information(
    family: Family,
    prediction: Rows,
    value: Rows,
    limit: Rows,
    censoring: Marks,
    scale: Rows,
    proportional: Rows = 0.0,
    degrees: float = 4.0,
) -> RowInformation:
    """Return the information of each row; arguments as in `exsim.noise.log_density`, all shapes broadcast.

    Measured rows have the expected Fisher information, rows beyond a limit the generalised Gauss-Newton
    matrix of minus their log density, with a `spread` of 0. Rows that count -inf there, and rows that are
    surely beyond their limit, have 0. Always finite, though the square of a factor need not be for numbers
    near the ends of what `log_density` takes.

    Raises ValueError for an unknown family, and for degrees outside 0.1 to a million.
    """
    check_noise(family, degrees)
    rows = standardise(family, prediction, value, limit, censoring, scale, proportional)
    f, sd, z = rows.prediction, rows.sd, rows.score
    zero, one = jnp.zeros_like(z), jnp.ones_like(z)
    along_f = jnp.stack([1 / f if family == "lognormal" else one, zero, zero], axis=-1)
    along_sd = jnp.stack([zero, one, zero], axis=-1)
    if family == "additive_proportional":
        s, part = jnp.where(rows.usable, scale, 1.0), jnp.where(rows.usable, proportional, 0.0)
        share = part * f / sd
        along_sd = jnp.stack([part * share, s / sd, f * share], axis=-1)

    of_location, of_spread = _shares(family, degrees)
    marks = jnp.asarray(censoring)
    bend = _curvature(family, jnp.where(marks == ABOVE_LIMIT, -z, z), degrees)
    used, measured = rows.usable[..., None], (rows.usable & (marks == MEASURED))[..., None]
    beyond = -jnp.sqrt(bend)[..., None] * (along_f + z[..., None] * along_sd)
    location = jnp.where(measured, math.sqrt(of_location) * along_f, jnp.where(used, beyond, 0.0))
    spread = jnp.where(measured, math.sqrt(of_spread) * along_sd, 0.0)
    return RowInformation(location / sd[..., None], spread / sd[..., None])


def standardised_residual(
    family: Family,
    prediction: Rows,
    value: Rows,
    limit: Rows,
    censoring: Marks,
    scale: Rows,
    proportional: Rows = 0.0,
) -> Results:
    """Return the score z of each row, for pictures; arguments as in `exsim.noise.log_density`.

    That is (y - f) / sd, of a log-normal (log y - log f) / scale: the number whose law is the standard one of
    the family (for a Laplace and a t in units of `scale`, not of the standard deviation). A censored row has
    the score of its limit, whichever side of it the datum lies on. NaN where there is no score, that is for
    rows that count -inf or are sure whatever the noise.
    """
    rows = standardise(family, prediction, value, limit, censoring, scale, proportional)
    return jnp.where(rows.usable, rows.score, jnp.nan)


def _shares(family: Family, degrees: float) -> tuple[float, float]:
    if family == "laplace":
        return 1.0, 1.0
    if family == "student_t":
        return (degrees + 1) / (degrees + 3), 2 * degrees / (degrees + 3)
    return 1.0, 2.0


def _curvature(family: Family, z: Results, degrees: float) -> Results:
    # max(0, -(log F)''): of its tails `log_share_below` knows the derivatives.
    def log_share(at: Results) -> Results:
        return log_share_below(family, at, degrees)

    def derivative(at: Results) -> Results:
        return jax.jvp(log_share, (at,), (jnp.ones_like(at),))[1]

    return jnp.maximum(-jax.jvp(derivative, (z,), (jnp.ones_like(z),))[1], 0.0)
