"""Designs: what each promises of its draws, and that a draw does not depend on how draws are cut up."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SALib.analyze import sobol as sobol_analysis
from SALib.sample import sobol as sobol_sample
from scipy import stats
from scipy.stats import qmc

from exsim.designs import (
    BLOCK_DRAWS,
    Design,
    correlation_factor,
    grid_design,
    latin_hypercube_design,
    listed_design,
    random_design,
    saltelli_design,
    sobol_design,
    sweep_design,
)
from exsim.marginals import Marginal
from exsim.sweep_spec import SweepSpec, TargetPath
from exsim.sweep_targets import Target

NAMES = ("a", "b", "c")
CUBE = (Marginal("uniform", 0.0, 1.0),) * 3
MIXED = (
    Marginal("lognormal", 0.0, math.inf, 1.0, 0.5),
    Marginal("normal", -1.0, 2.0, 0.0, 1.0),
    Marginal("loguniform", 0.1, 10.0),
)
FACTOR = correlation_factor(NAMES, [("a", "b", 0.6), ("b", "c", -0.4)])
LEVELS = [tuple(map(float, range(size))) for size in (20, 30, 17)]
Maker = Callable[..., Design]

MAKERS: dict[str, Maker] = {
    "random": lambda draws, seed=7: random_design(draws, NAMES, MIXED, seed, FACTOR),
    "latin-hypercube": lambda draws, seed=7: latin_hypercube_design(draws, NAMES, MIXED, seed, FACTOR),
    "sobol": lambda draws, seed=7: sobol_design(draws, NAMES, MIXED, seed, FACTOR),
    "saltelli": lambda draws, seed=7: saltelli_design(2048, NAMES, MIXED, seed),
    "grid": lambda draws, seed=7: grid_design(
        NAMES, [tuple(map(float, range(size))) for size in (20, 30, 17)]
    ),
}


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=0, max_size=5))
def test_a_draw_is_the_same_to_the_last_bit_however_draws_are_cut(name: str, cuts: list[int]) -> None:
    design = MAKERS[name](10_000)
    whole = design.draw(0, design.draws)
    edges = sorted({0, design.draws, *(min(cut, design.draws) for cut in cuts)})
    pieces = [design.draw(a, b) for a, b in pairwise(edges)]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", MAKERS)
def test_a_design_made_again_gives_the_same_draws(name: str) -> None:
    assert (
        MAKERS[name](9_000).draw(5_000, 5_010).tobytes()
        == MAKERS[name](9_000).draw(0, 6_000)[5_000:5_010].tobytes()
    )


@pytest.mark.parametrize("name", ["random", "latin-hypercube", "sobol", "saltelli"])
def test_another_seed_gives_other_draws(name: str) -> None:
    assert not np.any(MAKERS[name](5_000, 1).draw(0, 100) == MAKERS[name](5_000, 2).draw(0, 100))


def test_draws_that_a_design_does_not_have_are_refused() -> None:
    design = MAKERS["random"](100)
    assert design.draw(100, 100).shape == (0, 3)
    for start, stop in ((0, 101), (-1, 5), (7, 6)):
        with pytest.raises(IndexError):
            design.draw(start, stop)


def test_the_random_stream_is_the_same_in_every_version() -> None:
    drawn = random_design(10_000, NAMES, CUBE, 7).draw(4_000, 4_200)
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:16] == "d78a4e3f3329a8ba"
    strata = latin_hypercube_design(10_000, NAMES, CUBE, 7).draw(4_000, 4_200)
    assert hashlib.sha256(strata.tobytes()).hexdigest()[:16] == "ef8ad188962597c3"


@pytest.mark.parametrize("make", [random_design, latin_hypercube_design, sobol_design])
def test_every_quantity_has_its_own_distribution(make: Maker) -> None:
    drawn = make(20_000, NAMES, MIXED, 11).draw(0, 20_000)
    references = (
        stats.lognorm(0.5, scale=math.e),
        stats.truncnorm(-1.0, 2.0),
        stats.loguniform(0.1, 10.0),
    )
    for column, reference in zip(drawn.T, references, strict=True):
        assert stats.kstest(column, reference.cdf).pvalue > 1e-3


@pytest.mark.parametrize("make", [random_design, latin_hypercube_design, sobol_design])
def test_correlations_hold_and_leave_the_distributions_alone(make: Maker) -> None:
    drawn = make(1 << 15, NAMES, MIXED, 5, FACTOR).draw(0, 1 << 15)
    scores = stats.norm.ppf((stats.rankdata(drawn, axis=0) - 0.5) / len(drawn))
    found = np.corrcoef(scores.T)
    # Seed 5; the standard error of a coefficient is at most 1 / sqrt(32768) = 0.0055.
    assert found[0, 1] == pytest.approx(0.6, abs=0.02)
    assert found[1, 2] == pytest.approx(-0.4, abs=0.02)
    assert found[0, 2] == pytest.approx(0.0, abs=0.02)
    assert stats.kstest(drawn[:, 1], stats.truncnorm(-1.0, 2.0).cdf).pvalue > 1e-3


def test_quantities_of_an_uncorrelated_design_do_not_depend_on_each_other() -> None:
    for make in (random_design, latin_hypercube_design):
        found = np.corrcoef(make(100_000, NAMES, CUBE, 3).draw(0, 100_000).T)
        assert np.abs(found - np.eye(3)).max() < 0.013


def test_a_correlation_that_is_impossible_has_no_factor() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        correlation_factor(NAMES, [("a", "b", 0.9), ("b", "c", 0.9), ("a", "c", -0.9)])
    assert correlation_factor(NAMES, []) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9_000), st.integers(0, 2**63 - 1))
def test_a_latin_hypercube_has_one_draw_in_every_stratum(draws: int, seed: int) -> None:
    drawn = latin_hypercube_design(draws, NAMES, CUBE, seed).draw(0, draws)
    strata = np.sort(np.floor(drawn * draws).astype(int), axis=0)
    assert np.array_equal(strata, np.tile(np.arange(draws)[:, None], 3))


def test_the_strata_of_a_latin_hypercube_come_in_no_order() -> None:
    # Spearman's rho of the number of a draw and its stratum: standard error 1 / sqrt(50,000) = 0.0045.
    drawn = latin_hypercube_design(50_000, NAMES, CUBE, 1).draw(0, 50_000)
    for column in drawn.T:
        assert abs(stats.spearmanr(np.arange(50_000), column).statistic) < 0.02
        assert abs(stats.spearmanr(column[1:], column[:-1]).statistic) < 0.02


def test_sobol_points_are_those_of_scipy() -> None:
    drawn = sobol_design(10_000, NAMES, CUBE, 42).draw(0, 8192)
    expected = qmc.Sobol(3, rng=np.random.default_rng(42)).random(8192)
    assert np.array_equal(drawn, expected + 2.0**-31)


def test_sobol_points_fill_the_cube_better_than_chance() -> None:
    even = qmc.discrepancy(sobol_design(1024, NAMES, CUBE, 0).draw(0, 1024))
    chance = qmc.discrepancy(random_design(1024, NAMES, CUBE, 0).draw(0, 1024))
    assert even < 0.05 * chance


def test_a_sobol_design_of_one_draw_or_far_out_is_made() -> None:
    assert sobol_design(1, NAMES, CUBE, 0).draw(0, 1).shape == (1, 3)
    design = sobol_design(3_000_000, NAMES, CUBE, 1)
    late = qmc.Sobol(3, rng=np.random.default_rng(1)).fast_forward(2_999_990).random(10)
    assert np.array_equal(design.draw(2_999_990, 3_000_000), late + 2.0**-31)


def test_saltelli_draws_are_those_of_salib_in_its_order() -> None:
    problem = {"num_vars": 3, "names": list(NAMES), "bounds": [[0.0, 1.0]] * 3}
    expected = sobol_sample.sample(problem, 1024, calc_second_order=False, seed=np.random.default_rng(8))
    design = saltelli_design(1024, NAMES, CUBE, 8)
    assert design.draws == 1024 * 5
    assert np.array_equal(design.draw(0, design.draws), expected + 2.0**-31)


def test_salib_finds_the_indices_of_a_known_function_from_saltelli_draws() -> None:
    # y = a + 2 b of two standard normals: first-order and total indices 1/5, 4/5 and 0.
    problem = {"num_vars": 3, "names": list(NAMES), "bounds": [[0.0, 1.0]] * 3}
    normal = (Marginal("normal", -math.inf, math.inf),) * 3
    drawn = saltelli_design(2048, NAMES, normal, 3).draw(0, 2048 * 5)
    found = sobol_analysis.analyze(
        problem, drawn[:, 0] + 2 * drawn[:, 1], calc_second_order=False, num_resamples=10, seed=1
    )
    assert found["S1"] == pytest.approx([0.2, 0.8, 0.0], abs=0.02)
    assert found["ST"] == pytest.approx([0.2, 0.8, 0.0], abs=0.02)


def test_a_grid_has_every_combination_and_its_last_quantity_varies_fastest() -> None:
    design = grid_design(("a", "b"), [(1.0, 2.0, 3.0), (10.0, 20.0)])
    assert design.draws == 6
    assert design.grid_shape == (3, 2)
    drawn = design.draw(0, 6)
    assert drawn.tolist() == [[1, 10], [1, 20], [2, 10], [2, 20], [3, 10], [3, 20]]
    assert np.array_equal(drawn[:, 1].reshape(design.grid_shape)[0], [10.0, 20.0])


def test_a_huge_grid_takes_no_memory() -> None:
    design = grid_design(("a", "b", "c"), [tuple(map(float, range(1000)))] * 3)
    assert design.draw(10**9 - 1, 10**9).tolist() == [[999.0, 999.0, 999.0]]


def test_a_huge_latin_hypercube_takes_no_memory() -> None:
    drawn = latin_hypercube_design(10**9, NAMES, CUBE, 1).draw(10**9 - 10, 10**9)
    assert np.all((drawn > 0) & (drawn < 1))


def test_listed_draws_are_given_as_they_stand() -> None:
    rows = np.arange(30_000.0).reshape(10_000, 3)
    assert np.array_equal(
        listed_design("table", NAMES, rows).draw(BLOCK_DRAWS - 3, 9_999), rows[BLOCK_DRAWS - 3 : 9_999]
    )


def test_a_sweep_names_its_design() -> None:
    targets = [
        Target("parameter.a", TargetPath("parameter", "a"), "1/h", 1.0, "a", (0.0, 9.0), CUBE[0]),
        Target("parameter.b", TargetPath("parameter", "b"), "1/h", 1.0, "b", (0.0, 9.0), CUBE[0]),
    ]
    correlation = [{"between": ["parameter.a", "parameter.b"], "coefficient": 0.99}]
    for word in ("random", "sobol", "latin-hypercube"):
        sweep = SweepSpec.model_validate({"design": word, "draws": 4096, "correlation": correlation})
        design = sweep_design(sweep, targets, 7)
        assert (design.kind, design.draws) == (word, 4096)
        assert design.columns == ("parameter.a", "parameter.b")
        assert np.corrcoef(design.draw(0, 4096).T)[0, 1] > 0.95
    sweep = SweepSpec.model_validate({"design": "saltelli", "draws": 8})
    assert sweep_design(sweep, targets, 7).draws == 8 * 4
    rows = np.ones((5, 2))
    assert sweep_design(SweepSpec.model_validate({"design": "table"}), targets, 7, rows).draws == 5
    levels = [replace(target, levels=(1.0, 2.0), marginal=None) for target in targets]
    assert sweep_design(SweepSpec.model_validate({"design": "grid"}), levels, 7).grid_shape == (2, 2)
