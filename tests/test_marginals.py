"""Distributions of one quantity: their shape, their limits, their far tails."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from exsim.marginals import Marginal

CASES = [
    (Marginal("uniform", -1.0, 3.0), stats.uniform(-1.0, 4.0)),
    (Marginal("loguniform", 0.1, 20.0), stats.loguniform(0.1, 20.0)),
    (Marginal("normal", -math.inf, math.inf, 5.0, 2.0), stats.norm(5.0, 2.0)),
    (Marginal("normal", 4.0, 6.5, 5.0, 2.0), stats.truncnorm(-0.5, 0.75, 5.0, 2.0)),
    (Marginal("normal", 11.0, math.inf, 5.0, 2.0), stats.truncnorm(3.0, math.inf, 5.0, 2.0)),
    (Marginal("lognormal", 0.0, math.inf, math.log(60.0), 0.5), stats.lognorm(0.5, scale=60.0)),
]


@pytest.mark.parametrize(("marginal", "reference"), CASES, ids=lambda item: str(item)[:40])
def test_draws_have_the_distribution_that_was_asked_for(
    marginal: Marginal, reference: stats.rv_continuous
) -> None:
    # Seed 20261125; p > 0.001 of 10,000 draws.
    shares = np.random.default_rng(20261125).random(10_000)
    assert stats.kstest(marginal.values(shares), reference.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("marginal", "reference"), CASES, ids=lambda item: str(item)[:40])
def test_quantiles_are_those_of_scipy(marginal: Marginal, reference: stats.rv_continuous) -> None:
    shares = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-9])
    assert marginal.values(shares) == pytest.approx(reference.ppf(shares), rel=1e-9)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_far_tail_is_not_lost_to_rounding(side: float) -> None:
    # Beyond 30 standard deviations the tail falls as exp(-30 x): mean 30 + 1/30 - 2/30^3 (Mills' ratio).
    ends = (30.0, math.inf) if side > 0 else (-math.inf, -30.0)
    shares = (np.arange(100_000) + 0.5) / 100_000
    drawn = side * Marginal("normal", *ends).values(shares)
    assert drawn.min() > 30.0
    assert drawn.mean() - 30.0 == pytest.approx(1 / 30 - 2 / 30**3, rel=1e-3)
    assert len(np.unique(drawn)) == len(drawn)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["uniform", "loguniform", "normal", "lognormal"]),
    st.floats(1e-6, 1e3),
    st.floats(1e-3, 1e3),
    st.floats(-3.0, 3.0),
    st.floats(0.01, 5.0),
)
def test_no_draw_leaves_its_limits_and_more_share_is_never_less(
    kind: str, low: float, width: float, location: float, scale: float
) -> None:
    marginal = Marginal(kind, low, low + width, location, scale)  # type: ignore[arg-type]
    drawn = marginal.values(np.array([2.0**-60, 1e-9, 0.2, 0.5, 0.8, 1 - 2.0**-53]))
    assert np.all((drawn >= low) & (drawn <= low + width))
    assert np.all(np.diff(drawn) >= 0)


def test_the_share_between_two_values_is_that_of_the_draws() -> None:
    shares = np.random.default_rng(3).random(200_000)
    for marginal, _ in CASES:
        low, high = np.quantile(marginal.values(shares), [0.1, 0.7])
        assert marginal.share_between(float(low), float(high)) == pytest.approx(0.6, abs=0.005)
    assert CASES[2][0].share_between(3.0, 3.0) == 0.0


def test_truncation_says_what_it_keeps() -> None:
    assert Marginal("normal", 5.0, math.inf, 5.0, 2.0).kept == pytest.approx(0.5)
    assert Marginal("lognormal", 0.0, math.inf, 0.0, 1.0).kept == pytest.approx(1.0)
    assert Marginal("normal", 100.0, math.inf, 0.0, 1.0).kept == 0.0
