"""FOCEI and quadrature against published values; the slope of the marginal likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.fitting import Evaluator
from exsim.sampling.marginal import MarginalDensity, quadrature

from .populations import wang

#: -2 log likelihood without n log(2 pi) at ke = 0.5, omega^2 = 0.04: FOCEI, and the exact integral.
PUBLISHED = {"proportional": (39.458, 39.3548), "additive": (-2.059, -1.9896), "lognormal": (40.039, 40.0769)}


def _at(density: MarginalDensity, ke: float, omega: float) -> np.ndarray:
    scales, _, space = density.target.typical
    return np.append(space.coordinates(scales.theta(np.array([ke]))[None], 1e-9)[0], np.log(omega))


@pytest.mark.parametrize("noise", PUBLISHED)
def test_wangs_ten_subjects_have_the_published_likelihood(tmp_path, noise: str) -> None:
    target = wang(tmp_path, noise)
    density = MarginalDensity(target, Evaluator(target.objective))
    psi = _at(density, 0.5, 0.2)
    constant = 20 * np.log(2 * np.pi)
    focei, exact = PUBLISHED[noise]
    assert -2 * density(psi[None]).likelihood[0] - constant == pytest.approx(focei, abs=0.002)
    assert -2 * quadrature(density, psi).sum() - constant == pytest.approx(exact, abs=0.002)


def test_the_slope_is_that_of_differences_though_people_move(tmp_path) -> None:
    target = wang(tmp_path, "proportional")
    density = MarginalDensity(target, Evaluator(target.objective))
    psi, step = _at(density, 0.45, 0.3), 1e-3
    values = density(psi + step * np.concatenate([np.eye(2), -np.eye(2)])).value
    np.testing.assert_allclose(
        density(psi[None]).gradient[0], (values[:2] - values[2:]) / (2 * step), rtol=3e-3, atol=3e-3
    )
