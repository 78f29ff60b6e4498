"""What a solver or a controller that wraps another passes on."""

from __future__ import annotations

from typing import Any

from ..jax_setup import diffrax, eqx


class AbstractWrappedSolver(diffrax.AbstractAdaptiveSolver):
    """A solver around another: terms, interpolant and orders are those of `solver`."""

    solver: eqx.AbstractVar[diffrax.AbstractSolver]

    @property
    def term_structure(self) -> Any:
        """As the wrapped solver."""
        return self.solver.term_structure

    @property
    def interpolation_cls(self) -> Any:
        """As the wrapped solver: the share of a step is the same in every time."""
        return self.solver.interpolation_cls

    def order(self, terms: Any) -> int | None:
        """Return the order of the wrapped solver."""
        return self.solver.order(terms)

    def error_order(self, terms: Any) -> Any:
        """Return the order of the wrapped solver's error estimate."""
        return self.solver.error_order(terms)


class AbstractWrappedController(diffrax.AbstractAdaptiveStepSizeController):
    """A controller of steps around another: tolerances and norm are those of `controller`."""

    controller: eqx.AbstractVar[diffrax.AbstractAdaptiveStepSizeController]

    @property
    def rtol(self) -> Any:
        """Relative tolerance."""
        return self.controller.rtol

    @property
    def atol(self) -> Any:
        """Absolute tolerance."""
        return self.controller.atol

    @property
    def norm(self) -> Any:
        """Norm of the scaled error."""
        return self.controller.norm
