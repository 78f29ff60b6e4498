"""Tsitouras' 5(4) pair with the tableau unrolled over a tuple of lane vectors.

Tsitouras, Ch. (2011) Runge-Kutta pairs of order 5(4) satisfying only the first column
simplifying assumption. Comput. Math. Appl. 62:770-775, doi 10.1016/j.camwa.2011.06.002.

diffrax's own `Tsit5` stacks the stages in arrays and contracts them with the tableau; here every
stage is a sum of a few terms per species, which XLA fuses with the right-hand side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from jaxtyping import Array

from ..jax_setup import diffrax, eqx, jax

Lanes = tuple[Array, ...]

# The coefficients are those that diffrax ships, as Python floats.
_TABLEAU = diffrax.Tsit5.tableau
A = tuple(tuple(float(a) for a in row) for row in _TABLEAU.a_lower)
B_ERROR = tuple(float(b) for b in _TABLEAU.b_error)
C = tuple(float(c) for c in _TABLEAU.c)

# Weights of the stages in the interpolant of order 4, as polynomials in the share theta of the
# step: theta, theta^2, theta^3, theta^4 (Tsitouras 2011, section 5, multiplied out).
B_THETA = (
    (1.0, -2.763706197274826, 2.9132554618219126, -1.0530884977290216),
    (0.0, 0.13169999999999998, -0.2234, 0.1017),
    (0.0, 3.9302962368947516, -5.941033872131505, 2.490627285651252793),
    (0.0, -12.411077166933676, 30.33818863028232, -16.54810288924490272),
    (0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928122),
    (0.0, -27.896526289197286, 65.09189467479366, -34.87065786149660974),
    (0.0, 1.5, -4.0, 2.5),
)


def _weighted(weights: Sequence[Any], stages: Sequence[Lanes]) -> Lanes:
    """Return the sum of the stages with these weights, species by species."""
    terms = [(w, k) for w, k in zip(weights, stages, strict=True) if not (isinstance(w, float) and w == 0.0)]
    first_weight, first = terms[0]
    total = [first_weight * k for k in first]
    for weight, stage in terms[1:]:
        total = [t + weight * k for t, k in zip(total, stage, strict=True)]
    return tuple(total)


def _plus(y: Lanes, change: Lanes) -> Lanes:
    return tuple(a + b for a, b in zip(y, change, strict=True))


class LaneInterpolation(diffrax.AbstractLocalInterpolation):
    """The interpolant of one step; `stages` already hold the step size."""

    t0: Any
    t1: Any
    y0: Lanes
    stages: tuple[Lanes, ...]

    def evaluate(self, t0: Any, t1: Any | None = None, left: bool = True) -> Lanes:
        """Return the state at `t0`, or its change from `t0` to `t1`."""
        if t1 is not None:
            return tuple(b - a for a, b in zip(self.evaluate(t0), self.evaluate(t1), strict=True))
        return _between((t0 - self.t0) / (self.t1 - self.t0), self.y0, self.stages)


# This and `_unrolled` are jitted by themselves: diffrax traces the body of its loop three times,
# these parts only once.
@jax.jit
def _between(theta: Array, y0: Lanes, stages: tuple[Lanes, ...]) -> Lanes:
    # Species by species, so that what is not looked at is not computed.
    weights = [theta * (a + theta * (b + theta * (c + theta * d))) for a, b, c, d in B_THETA]
    return _plus(y0, _weighted(weights, stages))


class LaneTsit5(diffrax.AbstractAdaptiveSolver):
    """Explicit, order 5, for states that are tuples of lane vectors.

    The last stage is not carried over as the first of the next step: with few lanes the branch and
    the carried copy cost more than the one evaluation that they save.
    """

    term_structure: ClassVar = diffrax.AbstractTerm
    interpolation_cls: ClassVar[Callable[..., LaneInterpolation]] = LaneInterpolation

    def order(self, terms: Any) -> int:
        """Return the order of the solution that is carried on."""
        return 5

    def init(self, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any) -> None:
        """Return nothing: no step needs what another has computed."""

    def func(self, terms: Any, t0: Any, y0: Lanes, args: Any) -> Lanes:
        """Return the derivative."""
        return terms.vf(t0, y0, args)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any, solver_state: None, made_jump: Any
    ) -> tuple[Lanes, Lanes, dict[str, Any], None, Any]:
        """Make one step from `t0` to `t1`; both may differ from lane to lane."""
        y1, error, dense_info = _unrolled(terms, t0, t1, y0, args)
        return y1, error, dense_info, None, diffrax.RESULTS.successful


@eqx.filter_jit
def _unrolled(terms: Any, t0: Any, t1: Any, y0: Lanes, args: Any) -> tuple[Lanes, Lanes, dict[str, Any]]:
    h = t1 - t0
    stages = [tuple(h * f for f in terms.vf(t0, y0, args))]
    y1 = y0
    for row, c in zip(A, C, strict=True):
        # Made once and kept: else XLA computes the sums again in everything that reads them.
        y1 = jax.lax.optimization_barrier(_plus(y0, _weighted(row, stages)))
        stages.append(tuple(h * f for f in terms.vf(t0 + c * h, y1, args)))
    return y1, _weighted(B_ERROR, stages), {"y0": y0, "stages": tuple(stages)}
