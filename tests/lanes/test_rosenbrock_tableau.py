"""The coefficients against the order conditions that they have to meet."""

from __future__ import annotations

import numpy as np

from exsim.lanes.rosenbrock_tableau import RODAS5P


def _classical():
    # Back from the form without products to alpha_ij, gamma_ij, b_i (Hairer & Wanner 1996, section IV.7):
    # C = diag(1/gamma) - Gamma^-1, a = alpha Gamma^-1, m = b Gamma^-1.
    stages = RODAS5P.stages
    inverse = np.eye(stages) / RODAS5P.gamma - RODAS5P.c
    gamma = np.linalg.inv(inverse)
    alpha = RODAS5P.a @ gamma
    b = np.array(RODAS5P.b) @ gamma
    return alpha, alpha + gamma, b, gamma


def test_weights_meet_the_conditions_of_linear_problems_up_to_the_order() -> None:
    _, beta, b, _ = _classical()
    power = np.ones(RODAS5P.stages)
    for order in range(1, RODAS5P.order + 1):
        np.testing.assert_allclose(b @ power, 1.0 / np.prod(np.arange(1.0, order + 1)), atol=1e-12)
        power = beta @ power


def test_weights_meet_the_quadrature_conditions_up_to_the_order() -> None:
    alpha, _, b, _ = _classical()
    nodes = alpha.sum(axis=1)
    # The linear one stands among those above: df/dt enters it.
    for order in range(2, RODAS5P.order):
        np.testing.assert_allclose(b @ nodes**order, 1.0 / (order + 1), atol=1e-11)


def test_nodes_and_weights_of_time_are_the_row_sums() -> None:
    alpha, _, _, gamma = _classical()
    np.testing.assert_allclose(alpha.sum(axis=1), RODAS5P.nodes, atol=1e-12)
    np.testing.assert_allclose(gamma.sum(axis=1), RODAS5P.d, atol=1e-12)


def test_the_stability_function_vanishes_at_infinity() -> None:
    _, beta, b, _ = _classical()
    # R(z) = 1 + z b (I - z beta)^-1 1, so R(infinity) = 1 - b beta^-1 1.
    np.testing.assert_allclose(1 - b @ np.linalg.solve(beta, np.ones(RODAS5P.stages)), 0.0, atol=1e-12)


def test_the_method_is_stable_on_the_imaginary_axis_and_left_of_it() -> None:
    _, beta, b, _ = _classical()
    one, unit = np.ones(RODAS5P.stages), np.eye(RODAS5P.stages)
    axis = 1j * np.concatenate([np.geomspace(1e-3, 1e6, 400)])
    for z in np.concatenate([axis, axis - 0.1, axis - 10.0]):
        # 1e-9: on the axis |R| is 1 up to rounding for small z.
        assert abs(1 + z * (b @ np.linalg.solve(unit - z * beta, one))) <= 1 + 1e-9
