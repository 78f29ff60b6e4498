"""jax.numpy for the right-hand side of lanes: the same functions, with what makes Hill terms fast on a CPU.

Hill terms spend most of a step in logarithms, and XLA's own takes 4.3 ns a number in float64 where the
one below takes 1.5 (AVX2; benchmarks/RESULTS.md). Most of the rest goes into what makes a power safe at
zero, which lanes do without where all bases are positive (`if_all_positive`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Array

from ..jax_setup import jax, jnp

# ln 2 in two parts, and the coefficients of the series of log((1 + s) / (1 - s)): fdlibm, e_log.c
# (Sun Microsystems 1993).
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_ODD = (
    6.666666666666735130e-01,
    2.857142874366239149e-01,
    1.818357216161805012e-01,
    1.479819860511658591e-01,
)
#: The bits of sqrt(1/2), so that the mantissa lies between it and sqrt(2).
_ROOT_BITS, _ONE_BITS, _MANTISSA = 0x3FE6A09E667F3BCD, 0x3FF0000000000000, 0xFFFFFFFFFFFFF
#: 2^52 as bits: an integer below 2^52 in their place is a float that is so much larger.
_WHOLE_BITS, _WHOLE = 0x4330000000000000, 2.0**52


@jax.custom_jvp
def log(value: Array) -> Array:
    """Return the natural logarithm, to 1 unit of the last digit; a number below 1e-307 counts as that.

    log(2^k m) = k ln 2 + log m with m in [sqrt(1/2), sqrt(2)), log m by the series of fdlibm. -inf at 0,
    NaN below; float32 takes JAX's own.
    """
    value = jnp.asarray(value)
    if value.dtype != np.float64:
        return jnp.log(value)
    bits = jax.lax.bitcast_convert_type(jnp.maximum(value, 1e-307), jnp.int64)
    shifted = bits + (_ONE_BITS - _ROOT_BITS)
    exponent = jax.lax.shift_right_logical(shifted, jnp.int64(52))
    k = jax.lax.bitcast_convert_type(exponent | jnp.int64(_WHOLE_BITS), jnp.float64) - (_WHOLE + 1023.0)
    mantissa = (shifted & jnp.int64(_MANTISSA)) + jnp.int64(_ROOT_BITS)
    f = jax.lax.bitcast_convert_type(mantissa, jnp.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (_EVEN[0] + w * (_EVEN[1] + w * _EVEN[2]))
    odd = z * (_ODD[0] + w * (_ODD[1] + w * (_ODD[2] + w * _ODD[3])))
    half = 0.5 * f * f
    result = k * _LN2_HIGH - ((half - (s * (half + even + odd) + k * _LN2_LOW)) - f)
    result = jnp.where(value < np.inf, result, value)
    return jnp.where(value > 0.0, result, jnp.where(value == 0.0, -np.inf, np.nan))


@log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log(primals[0]), tangents[0] / primals[0]


def if_all_positive(
    plain: Callable[[Array, Array], Array],
    guarded: Callable[[Array, Array], Array],
    base: Any,
    exponent: Any,
) -> Array:
    """Return plain(base, exponent) where every base is above zero, else guarded(base, exponent).

    Decided while the program runs, in float64 alone: what float32 saves is less than what a branch costs.
    """
    if jnp.result_type(base, exponent) != np.float64:
        return guarded(base, exponent)
    return jax.lax.cond(jnp.all(jnp.asarray(base) > 0), plain, guarded, base, exponent)


class _LaneNumpy(ModuleType):
    """Everything of jax.numpy but the logarithm; and a choice that is made while the program runs."""

    log = staticmethod(log)
    if_all_positive = staticmethod(if_all_positive)

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)


lane_numpy = _LaneNumpy("exsim.lanes.lane_numpy")
