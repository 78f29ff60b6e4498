"""The coefficients against the order conditions that they have to meet."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.lanes.rosenbrock_tableau import RODAS4, RODAS5P, Tableau

METHODS = pytest.mark.parametrize("method", [RODAS4, RODAS5P], ids=["Rodas4", "Rodas5P"])


def _classical(method: Tableau):
    # Back from the form without products to alpha_ij, gamma_ij, b_i (Hairer & Wanner 1996, IV.7.24):
    # C = diag(1/gamma) - Gamma^-1, a = alpha Gamma^-1, m = b Gamma^-1.
    stages = method.stages
    inverse = np.eye(stages) / method.gamma - method.c
    gamma = np.linalg.inv(inverse)
    alpha = method.a @ gamma
    b = np.array(method.b) @ gamma
    return alpha, alpha + gamma, b, gamma


@METHODS
def test_weights_meet_the_conditions_of_linear_problems_up_to_the_order(method) -> None:
    _, beta, b, _ = _classical(method)
    power = np.ones(method.stages)
    for order in range(1, method.order + 1):
        np.testing.assert_allclose(b @ power, 1.0 / np.prod(np.arange(1.0, order + 1)), atol=1e-12)
        power = beta @ power


@METHODS
def test_weights_meet_the_quadrature_conditions_up_to_the_order(method) -> None:
    alpha, _, b, _ = _classical(method)
    nodes = alpha.sum(axis=1)
    # The linear one stands among those above: df/dt enters it.
    for order in range(2, method.order):
        np.testing.assert_allclose(b @ nodes**order, 1.0 / (order + 1), atol=1e-11)


@METHODS
def test_nodes_and_weights_of_time_are_the_row_sums(method) -> None:
    alpha, _, _, gamma = _classical(method)
    np.testing.assert_allclose(alpha.sum(axis=1), method.nodes, atol=1e-12)
    np.testing.assert_allclose(gamma.sum(axis=1), method.d, atol=1e-12)


@METHODS
def test_the_stability_function_vanishes_at_infinity(method) -> None:
    _, beta, b, _ = _classical(method)
    # R(z) = 1 + z b (I - z beta)^-1 1, so R(infinity) = 1 - b beta^-1 1.
    np.testing.assert_allclose(1 - b @ np.linalg.solve(beta, np.ones(method.stages)), 0.0, atol=1e-12)


@METHODS
def test_the_method_is_stable_on_the_imaginary_axis_and_left_of_it(method) -> None:
    _, beta, b, _ = _classical(method)
    one, unit = np.ones(method.stages), np.eye(method.stages)
    axis = 1j * np.concatenate([np.geomspace(1e-3, 1e6, 400)])
    for z in np.concatenate([axis, axis - 0.1, axis - 10.0]):
        # 1e-9: on the axis |R| is 1 up to rounding for small z.
        assert abs(1 + z * (b @ np.linalg.solve(unit - z * beta, one))) <= 1 + 1e-9
