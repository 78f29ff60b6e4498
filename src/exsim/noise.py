"""How far a measurement may lie from its prediction: log densities, of values and of values beyond a limit.

Every family is a symmetric distribution about 0, shifted to the prediction f and stretched by `scale`:

| family | score z of a value y | `scale` |
|---|---|---|
| `normal` | (y - f) / scale | standard deviation (sd), in the unit of y |
| `lognormal` | (log y - log f) / scale; f is the median | sd of the natural logarithm |
| `additive_proportional` | (y - f) / sqrt(scale^2 + (proportional f)^2) | the additive sd, in the unit of y |
| `laplace` | (y - f) / scale | mean absolute deviation, in the unit of y: sd / sqrt(2) |
| `student_t` | (y - f) / scale | sd sqrt((degrees - 2) / degrees), in the unit of y |

Normal, log-normal, Laplace, t: Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions (2nd ed.,
1994-95), chapters 13, 14, 24, 28. Two independent errors add as variances: Lavielle, Mixed Effects Models
for the Population Approach (2014), doi:10.1201/b17203. The t against outliers: Lange, Little & Taylor
(1989), doi:10.1080/01621459.1989.10478852. A value below a limit counts with the probability of lying
there: Tobin (1958), doi:10.2307/1907382; Beal (2001), method M3, doi:10.1023/A:1012299115260.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .choices import FAMILIES, Family
from .jax_setup import jax, jnp
from .measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from .noise_sd import check_noise, known_sd, scale_from_sd

__all__ = [
    "FAMILIES",
    "Family",
    "check_noise",
    "known_sd",
    "log_density",
    "log_share_below_normal",
    "scale_from_sd",
]

#: One number a row, in any shapes that broadcast.
Rows = Float[Array, "..."] | Float[np.ndarray, "..."] | float
Marks = Int[Array, "..."] | Int[np.ndarray, "..."] | int
Results = Float[Array, "..."]

#: A size from here on counts as not finite, one up to `SMALLEST` as 0: no square leaves the range of a float.
LARGEST, SMALLEST = 1e100, 1e-50

#: Left of it the normal tail is worked out by its asymptotic series, with these factors (-1)^n (2n - 1)!!.
_FAR = -10.0
_SERIES = tuple(float((-1) ** n * math.prod(range(1, 2 * n, 2))) for n in range(16))
#: A tail of the t below about exp(-20) is worked out on its logarithm.
_FAR_EXPONENT = 20.0
_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(32)


def log_density(
    family: Family,
    prediction: Rows,
    value: Rows,
    limit: Rows,
    censoring: Marks,
    scale: Rows,
    proportional: Rows = 0.0,
    degrees: float = 4.0,
) -> Results:
    """Return the log density of each measurement given its prediction; all shapes broadcast.

    A row MEASURED counts with the density of `value`, in 1 / its unit (the log-normal's Jacobian 1 / y is in
    it); a row BELOW_LIMIT (of quantification, LLOQ) with the log probability of lying below `limit`, a row
    ABOVE_LIMIT of lying above it. The one of `value` and `limit` that a row does not need may be NaN. `scale`
    is told for each family at the top of the module; `proportional`, a fraction of the prediction, is read by
    `additive_proportional` alone, and `degrees` of freedom by `student_t`: a plain number, never traced.

    -inf, with a gradient of zero, where prediction, datum, `scale` or `proportional` is not finite (below
    `LARGEST` in size), where the sd is not above 0 (`SMALLEST`), and where the log-normal cannot be: a
    measured value, or its prediction, at or below 0. A log-normal prediction at or below 0 lies surely below
    a limit above 0 and counts 0, which is what it tends to; so does any above a limit that is not above 0.

    Raises ValueError for an unknown family, and for degrees outside 0.1 to a million.
    """
    check_noise(family, degrees)
    marks = jnp.asarray(censoring)
    rows = standardise(family, prediction, value, limit, censoring, scale, proportional)
    jacobian = -jnp.log(rows.sd)
    if family == "lognormal":
        jacobian -= jnp.log(rows.datum)
    density = _log_standard_density(family, rows.score, degrees) + jacobian
    # All are symmetric, so that P(Y > y) is F(-z).
    beyond = log_share_below(family, jnp.where(marks == ABOVE_LIMIT, -rows.score, rows.score), degrees)
    return jnp.where(rows.usable, jnp.where(marks == MEASURED, density, beyond), rows.otherwise)


class Standardised(NamedTuple):
    """Rows as scores of their family; a row that is not `usable` has numbers that do no harm."""

    usable: Bool[Array, "..."]
    #: What a row that is not usable counts: -inf, or 0 where the datum is sure.
    otherwise: Results
    prediction: Results
    #: The value, or the limit of a censored row.
    datum: Results
    #: `scale`, or what it makes together with `proportional`.
    sd: Results
    score: Results


def standardise(
    family: Family,
    prediction: Rows,
    value: Rows,
    limit: Rows,
    censoring: Marks,
    scale: Rows,
    proportional: Rows = 0.0,
) -> Standardised:
    """Return the score z of each row, as at the top of the module; arguments as in `log_density`."""
    f, s, part = jnp.asarray(prediction), jnp.asarray(scale), jnp.asarray(proportional)
    marks = jnp.asarray(censoring)
    measured, below, above = marks == MEASURED, marks == BELOW_LIMIT, marks == ABOVE_LIMIT
    y = jnp.where(measured, value, limit)

    sd = s
    usable = _finite(f) & _finite(y) & _finite(s) & (measured | below | above)
    if family == "additive_proportional":
        usable &= _finite(part) & _finite(part * f) & (s >= 0)
        # The branch not taken is worked out too, and has its say in a gradient: it gets harmless numbers.
        variance = (
            jnp.where(usable, s, 1.0) ** 2 + (jnp.where(usable, part, 0.0) * jnp.where(usable, f, 0.0)) ** 2
        )
        sd = jnp.sqrt(jnp.where(variance > SMALLEST**2, variance, SMALLEST**2))
    usable &= sd > SMALLEST
    otherwise = jnp.asarray(-jnp.inf)
    if family == "lognormal":
        sure = jnp.where(above, y <= 0, below & (y > 0) & (f <= SMALLEST))
        otherwise = jnp.where(usable & sure, 0.0, otherwise)
        usable &= (y > 0) & (f > SMALLEST)

    f, y, sd = jnp.where(usable, f, 1.0), jnp.where(usable, y, 1.0), jnp.where(usable, sd, 1.0)
    score = (jnp.log(y) - jnp.log(f) if family == "lognormal" else y - f) / sd
    return Standardised(usable, otherwise, f, y, sd, score)


def _finite(numbers: Results) -> Bool[Array, "..."]:
    return jnp.abs(numbers) < LARGEST


def _log_standard_density(family: Family, z: Results, degrees: float) -> Results:
    if family == "laplace":
        return -jnp.abs(z) - math.log(2)
    if family == "student_t":
        return _log_density_t(z, degrees)
    return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)


def log_share_below(family: Family, z: Results, degrees: float) -> Results:
    """Return the logarithm of the distribution function of a family at the score z, of any shape."""
    if family == "laplace":
        low, high = jnp.where(z < 0, z, 0.0), jnp.where(z < 0, 0.0, z)
        return jnp.where(z < 0, low - math.log(2), jnp.log1p(-0.5 * jnp.exp(-high)))
    if family == "student_t":
        return _log_share_below_t(z, degrees)
    return log_share_below_normal(z)


def log_share_below_normal(z: Results) -> Results:
    """Return the logarithm of the standard normal distribution function at z, of any shape.

    Far to the left by the asymptotic series phi(z) / -z (1 - 1/z^2 + 3/z^4 - 15/z^6 ...) (Abramowitz & Stegun
    26.2.12; DLMF 7.12.1). There `jax.scipy.special.log_ndtr` is right but for its derivative, which is a
    difference of large numbers: 1.0 in the place of 1e10 at z = -1e10.
    """
    far = z < _FAR
    left, right = jnp.where(far, z, _FAR), jnp.where(far, _FAR, z)
    series = jnp.polyval(jnp.asarray(_SERIES[::-1]), left**-2.0)
    tail = -0.5 * left**2 - jnp.log(-left) - 0.5 * math.log(2 * math.pi) + jnp.log(series)
    return jnp.where(far, tail, jax.scipy.special.log_ndtr(right))


def _log_density_t(z: Results, degrees: float) -> Results:
    half = 0.5 * degrees
    constant = math.lgamma(half + 0.5) - math.lgamma(half) - 0.5 * math.log(degrees * math.pi)
    return constant - (half + 0.5) * jnp.log1p(z**2 / degrees)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _log_share_below_t(z: Results, degrees: float) -> Results:
    """Return the logarithm of the distribution function of Student's t at z, of any shape.

    With x = degrees / (degrees + z^2) and a = degrees / 2, F(-|z|) = I_x(a, 1/2) / 2 (Johnson, Kotz &
    Balakrishnan, chapter 28), or by I_x(a, b) = 1 - I_(1-x)(b, a) (DLMF 8.17.4) near the middle. Far out,
    DLMF 8.17.1 with u = x exp(-r/a) is I_x(a, 1/2) = x^a / (a B(a, 1/2)) times the integral over r > 0 of
    exp(-r) (1 - x exp(-r/a))^(-1/2): Gauss-Laguerre (DLMF 3.5(v)).
    """
    betainc = jax.scipy.special.betainc
    a = 0.5 * degrees
    odds = z**2 / degrees
    log_x = -jnp.log1p(odds)
    far, near = -a * log_x > _FAR_EXPONENT, jnp.abs(z) < 1
    x = jnp.where(far | near, 0.5, 1 / (1 + odds))
    y = jnp.where(near, odds / (1 + odds), 0.5)
    lower = jnp.where(near, 1 - betainc(0.5, a, y), betainc(a, 0.5, x))

    # 1 - x exp(-r/a), without the difference of two numbers near 1.
    rest = -jnp.expm1(jnp.expand_dims(jnp.where(far, log_x, -1.0), -1) - _NODES / a)
    integral = jnp.sum(_WEIGHTS / jnp.sqrt(rest), axis=-1)
    log_beta = math.lgamma(a) + 0.5 * math.log(math.pi) - math.lgamma(a + 0.5)
    tail = jnp.where(far, a * log_x - math.log(a) - log_beta + jnp.log(integral), jnp.log(lower)) - math.log(
        2
    )
    return jnp.where(z > 0, jnp.log1p(-jnp.exp(jnp.where(z > 0, tail, -1.0))), tail)


@_log_share_below_t.defjvp
def _derivative_of_share_t(
    degrees: float, at: tuple[Results], along: tuple[Results]
) -> tuple[Results, Results]:
    # F' is the density f, so that (log F)' = exp(log f - log F).
    share = _log_share_below_t(at[0], degrees)
    return share, jnp.exp(_log_density_t(at[0], degrees) - share) * along[0]
