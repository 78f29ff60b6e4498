"""Sobol indices and rank correlations against known answers, and pooled percentiles against exact ones."""

import math

import numpy as np
import pytest
import xarray as xr

from exsim.sensitivity import (
    PARTIAL_RANK,
    SENSITIVITY_COLUMNS,
    SPEARMAN,
    importance,
    pooled_quantiles,
    rank_correlations,
    sensitivity_table,
    sobol_indices,
)

#: Ishigami and Homma 1990 with a = 7, b = 0.1: first-order and total indices in closed form.
ISHIGAMI_FIRST, ISHIGAMI_TOTAL = (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437)


def ishigami(x):
    return np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def ishigami_sweep(blocks=4096):
    from SALib.sample import sobol

    names = ["a", "b", "c"]
    problem = {"num_vars": 3, "names": names, "bounds": [[-math.pi, math.pi]] * 3}
    x = sobol.sample(problem, blocks, calc_second_order=False, seed=3)
    ds = xr.Dataset({name: ("draw", x[:, n]) for n, name in enumerate(names)})
    ds["IL6_peak"] = ("draw", ishigami(x))
    ds["status"] = ("draw", np.zeros(len(x), np.int8))
    ds.attrs = {
        "varied": [{"target": name, "unit": "", "nominal": 0.0, "label": name} for name in names],
        "metrics": [
            {"variable": "IL6_peak", "analyte": "IL6", "metric": "peak", "unit": "", "label": "peak"}
        ],
        "design": "saltelli",
    }
    return ds


def values_of(table, index):
    return table[table["index"] == index].set_index("target")["value"].to_numpy()


def test_the_ishigami_function_has_its_published_indices():
    table = sensitivity_table(ishigami_sweep())
    assert tuple(table.columns) == SENSITIVITY_COLUMNS
    np.testing.assert_allclose(values_of(table, "first_order"), ISHIGAMI_FIRST, atol=0.01)
    np.testing.assert_allclose(values_of(table, "total"), ISHIGAMI_TOTAL, atol=0.01)


def test_intervals_of_sobol_indices_hold_the_published_values_and_narrow_with_draws():
    widths = []
    for blocks in (256, 4096):
        table = sensitivity_table(ishigami_sweep(blocks))
        expected = np.ravel(np.column_stack([ISHIGAMI_FIRST, ISHIGAMI_TOTAL]))
        assert np.all(table["lower"] <= expected + 1e-4)
        assert np.all(table["upper"] >= expected - 1e-4)
        widths.append((table["upper"] - table["lower"]).mean())
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.25)


def test_intervals_from_some_of_the_blocks_are_scaled_to_all_of_them(monkeypatch):
    blocks = ishigami_sweep(4096)["IL6_peak"].values.reshape(-1, 5)
    whole = sobol_indices(blocks)
    monkeypatch.setattr("exsim.sensitivity._MOST_RESAMPLED", 1024)
    some = sobol_indices(blocks)
    for all_of_them, part in zip(whole, some, strict=True):
        np.testing.assert_array_equal(part[:, 0], all_of_them[:, 0])
        np.testing.assert_allclose(
            part[:, 2] - part[:, 1], all_of_them[:, 2] - all_of_them[:, 1], rtol=0.35, atol=1e-4
        )


def test_the_same_draws_give_the_same_intervals_and_leave_numpys_global_state_alone():
    ds = ishigami_sweep(64)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = sensitivity_table(ds), sensitivity_table(ds)
    assert first.equals(second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_failed_draw_takes_its_whole_block_with_it_and_is_counted():
    ds = ishigami_sweep(1024)
    ds["status"].values[[7, 8, 503]] = 3
    ds["IL6_peak"].values[[7, 8, 503]] = np.nan
    table = sensitivity_table(ds)
    assert set(table["left_out"]) == {10}
    assert set(table["draws"]) == {1024 * 5 - 10}
    np.testing.assert_allclose(values_of(table, "total"), ISHIGAMI_TOTAL, atol=0.03)


def test_an_unfinished_block_at_the_end_is_left_out():
    table = sensitivity_table(ishigami_sweep(1024).isel(draw=slice(None, -2)))
    assert set(table["left_out"]) == {3}
    np.testing.assert_allclose(values_of(table, "first_order"), ISHIGAMI_FIRST, atol=0.03)


@pytest.mark.parametrize("change", ["constant", "few blocks", "all failed"])
def test_no_indices_rather_than_wrong_ones(change):
    ds = ishigami_sweep(8 if change == "few blocks" else 64)
    if change == "constant":
        ds["IL6_peak"].values[:] = 5.0
    if change == "all failed":
        ds["status"].values[:] = 1
    table = sensitivity_table(ds)
    assert len(table) == 6
    assert table["value"].isna().all()


def test_a_linear_model_has_the_rank_correlations_of_its_slopes():
    # For normal targets Pearson's r is slope over the root of the sum of squares, and Spearman's is
    # 6 / pi asin(r / 2) (Pearson 1907).
    rng = np.random.default_rng(5)
    x, slopes = rng.standard_normal((40_000, 3)), np.array([3.0, -2.0, 0.0])
    kind, found = rank_correlations(x, x @ slopes)
    r = slopes / np.sqrt(13.0)
    assert kind == SPEARMAN
    np.testing.assert_allclose(found[:, 0], 6 / np.pi * np.arcsin(r / 2), atol=0.02)
    assert np.all((found[:, 1] <= found[:, 0]) & (found[:, 0] <= found[:, 2]))


def test_rank_correlations_are_scipys_and_any_rising_change_of_scale_leaves_them_alone():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(6)
    x = rng.random((500, 2))
    y = x[:, 0] + rng.random(500)
    _, plain = rank_correlations(x, y)
    _, changed = rank_correlations(np.exp(5 * x), y**3)
    assert plain[0, 0] == pytest.approx(spearmanr(x[:, 0], y).statistic, rel=1e-12)
    np.testing.assert_allclose(changed, plain, rtol=1e-10)


def test_the_interval_of_a_rank_correlation_covers_the_truth_as_often_as_it_says():
    # 1,000 repeats, seed 11: 95 % within three binomial standard errors.
    rng = np.random.default_rng(11)
    truth, covered = 6 / np.pi * np.arcsin(0.6 / 2), 0
    for _ in range(1000):
        x = rng.standard_normal((80, 1))
        y = 0.6 * x[:, 0] + 0.8 * rng.standard_normal(80)
        _, ((_, low, high),) = rank_correlations(x, y)
        covered += low <= truth <= high
    assert abs(covered / 1000 - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 1000)


def test_of_targets_that_correlate_the_one_without_an_effect_has_no_partial_correlation():
    rng = np.random.default_rng(7)
    first = rng.standard_normal(5000)
    idle = 0.8 * first + 0.6 * rng.standard_normal(5000)
    y = first + 0.5 * rng.standard_normal(5000)
    kind, found = rank_correlations(np.stack([first, idle], 1), y)
    assert kind == PARTIAL_RANK
    # Of normal values 0.36 / sqrt(0.36 * 0.61) = 0.768; in ranks a little less.
    assert found[0, 0] == pytest.approx(0.768, abs=0.03)
    assert abs(found[1, 0]) < 0.05


def test_two_targets_that_are_one_have_no_partial_correlation_and_do_not_crash():
    x = np.random.default_rng(8).random(200)
    kind, found = rank_correlations(np.stack([x, x], 1), x**2)
    assert kind == PARTIAL_RANK
    assert np.isnan(found).all()


def test_a_target_that_does_not_vary_has_no_correlation_and_spoils_no_other():
    x = np.random.default_rng(9).random((100, 2))
    x[:, 1] = 4.0
    _, found = rank_correlations(x, x[:, 0])
    np.testing.assert_allclose(found[0], 1.0)
    assert np.isnan(found[1]).all()


def test_draws_without_the_metric_are_left_out_of_its_row_only(make_sweep):
    ds = make_sweep(draws=400, fails=0.05)
    ds["IL6_time_of_peak_h"].values[:40] = np.nan
    table = sensitivity_table(ds).groupby("variable")[["draws", "left_out"]].first()
    failed = int((ds["status"] != 0).sum())
    assert table.loc["IL6_peak", "draws"] == 400 - failed
    assert table.loc["IL6_peak", "left_out"] == failed
    assert table.loc["IL6_time_of_peak_h", "draws"] < 400 - failed


@pytest.mark.parametrize("draws", [0, 1, 3])
@pytest.mark.parametrize("design", ["random", "saltelli"])
def test_too_few_draws_give_empty_cells(make_sweep, draws, design):
    table = sensitivity_table(make_sweep(design, draws=draws))
    assert table["value"].isna().all()


def test_importance_sees_an_effect_that_rises_and_falls(make_sweep):
    ds = make_sweep(draws=3000, vary=3, shown=("IL6_peak",))
    ds["IL6_peak"].values[:] = (ds["protocol.bout.0.intensity"].values - 0.675) ** 2
    found = importance(ds)
    assert found[1] > 0.8
    assert max(found[0], found[2]) < 0.05


def batches_of(rng, sizes, shift=0.0):
    return [np.exp(rng.normal(shift * n, 0.8, (size, 3))) for n, size in enumerate(sizes)]


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_pooled_percentiles_lie_within_half_a_percent_of_the_exact_quantiles_in_rank(shift):
    sizes = (4096, 8192, 8192, 1000, 37)
    drawn = batches_of(np.random.default_rng(12), sizes, shift)
    tables = np.stack([np.percentile(batch, np.arange(101), axis=0) for batch in drawn])
    wanted = (0.05, 0.25, 0.5, 0.75, 0.95)
    pooled = pooled_quantiles(tables, np.array(sizes), wanted)
    everything = np.concatenate(drawn)
    ranks = np.stack([np.mean(everything <= level, axis=0) for level in pooled])
    error = np.abs(ranks - np.array(wanted)[:, None])
    assert np.median(error) < 0.005
    assert error.max() < 0.005


def test_of_one_batch_the_pooled_quantiles_are_its_percentiles():
    values = np.random.default_rng(13).lognormal(size=(300, 4))
    table = np.percentile(values, np.arange(101), axis=0)[None]
    found = pooled_quantiles(table, np.array([300]), (0.05, 0.5, 0.95))
    np.testing.assert_allclose(found, np.percentile(values, (5, 50, 95), axis=0), rtol=1e-9)


def test_batches_weigh_by_their_draws_and_those_without_any_not_at_all():
    low, high = np.linspace(0, 1, 101), np.linspace(10, 11, 101)
    tables = np.stack([low, high, np.full(101, np.nan)])[:, :, None]
    assert pooled_quantiles(tables, np.array([300, 100, 0]), (0.5,))[0, 0] == pytest.approx(2 / 3)
    assert pooled_quantiles(tables, np.array([100, 300, 50]), (0.5,))[0, 0] == pytest.approx(10 + 1 / 3)
    assert np.isnan(pooled_quantiles(tables, np.zeros(3), (0.5,))).all()


def test_equal_values_in_all_draws_pool_to_that_value():
    tables = np.ones((3, 101, 2))
    np.testing.assert_array_equal(pooled_quantiles(tables, np.array([5, 6, 7]), (0.05, 0.5)), 1.0)


def test_pooling_in_parts_of_time_changes_nothing():
    rng = np.random.default_rng(14)
    tables = np.sort(rng.random((700, 101, 150)), axis=1)
    weights = rng.integers(1, 9, 700)
    whole = pooled_quantiles(tables, weights, (0.25,))
    np.testing.assert_array_equal(
        whole[:, 113:123], pooled_quantiles(tables[:, :, 113:123], weights, (0.25,))
    )
