"""The tables of a sweep: counts of what is left out and why, quantiles, memory."""

import json
import tracemalloc

import numpy as np
import pytest

from exsim.solving import STATUS_TEXT
from exsim.sweep_tables import SWEEP_SUMMARY_COLUMNS, failure_counts, summary_table


def test_a_row_per_metric_with_its_labels_and_numpys_numbers(make_sweep):
    ds = make_sweep(draws=2000)
    table = summary_table(ds).set_index("variable")
    assert tuple(summary_table(ds).columns) == SWEEP_SUMMARY_COLUMNS
    assert list(table.index[:2]) == ["IL6_peak", "IL6_fold"]
    values, row = ds["IL6_peak"].values, table.loc["IL6_peak"]
    assert (row["analyte"], row["metric"], row["unit"]) == ("IL6", "peak", "pg/mL")
    assert (row["draws"], row["left_out"], row["not_defined"]) == (2000, 0, 0)
    expected = np.percentile(values, [0, 5, 25, 50, 75, 95, 100])
    np.testing.assert_allclose(
        row[["min", "p5", "p25", "median", "p75", "p95", "max"]].to_numpy(float), expected, rtol=1e-12
    )
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert row["sd"] == pytest.approx(values.std(ddof=1), rel=1e-12)


def test_failed_draws_are_left_out_and_counted_even_if_they_hold_a_number(make_sweep):
    ds = make_sweep(draws=100)
    ds["status"].values[:7] = 3
    ds["IL6_peak"].values[:7] = 1e12
    row = summary_table(ds).set_index("variable").loc["IL6_peak"]
    assert (row["draws"], row["left_out"], row["not_defined"]) == (100, 7, 0)
    assert row["max"] == ds["IL6_peak"].values[7:].max()


def test_a_solved_draw_without_such_a_number_is_not_defined_and_not_failed(make_sweep):
    ds = make_sweep(draws=100)
    ds["IL6_time_of_peak_h"].values[:] = 2.0
    ds["IL6_time_of_peak_h"].values[:20] = np.nan
    ds["IL6_time_of_peak_h"].values[20] = np.inf
    ds["status"].values[:5] = 1
    row = summary_table(ds).set_index("variable").loc["IL6_time_of_peak_h"]
    assert (row["left_out"], row["not_defined"]) == (5, 16)
    assert row["mean"] == row["max"] == 2.0


@pytest.mark.parametrize(("draws", "fails"), [(0, 0.0), (40, 1.0)])
def test_no_draw_with_a_number_gives_empty_cells_and_no_warning(make_sweep, draws, fails):
    table = summary_table(make_sweep(draws=draws, fails=fails))
    assert (table["draws"] == draws).all()
    assert (table["left_out"] == draws).all()
    assert table[["mean", "sd", "p5", "median", "max"]].isna().all(axis=None)


def test_one_draw_has_a_mean_and_no_sd(make_sweep):
    row = summary_table(make_sweep(draws=1)).iloc[0]
    assert row["mean"] == row["p5"] == row["max"]
    assert np.isnan(row["sd"])


def test_failures_are_counted_by_reason_the_most_frequent_first(make_sweep):
    ds = make_sweep(draws=20)
    ds["status"].values[:9] = [3, 3, 3, 3, 1, 1, 77, 77, 77]
    counts = failure_counts(ds, STATUS_TEXT)
    assert counts == {STATUS_TEXT[3]: 4, "status 77": 3, STATUS_TEXT[1]: 2}
    assert list(counts.values()) == [4, 3, 2]


def test_draws_that_no_run_has_reached_are_counted_as_such(make_sweep):
    ds = make_sweep(draws=20)
    ds["status"].values[15:] = -1
    assert failure_counts(ds, STATUS_TEXT) == {"not solved yet": 5}
    assert set(summary_table(ds)["left_out"]) == {5}


def test_no_failures_no_reasons(make_sweep):
    assert failure_counts(make_sweep(draws=5), STATUS_TEXT) == {}


def test_a_store_is_read_one_metric_at_a_time_and_not_kept(make_sweep, tmp_path, monkeypatch):
    import xarray as xr

    monkeypatch.setattr("exsim.sweep_labels.PIECE", 1 << 16)
    draws = 400_000
    make_sweep(draws=draws, vary=2).chunk({"draw": 50_000}).to_zarr(
        tmp_path / "a.zarr", zarr_format=3, consolidated=False
    )

    def bytes_a_draw(metrics):
        ds = xr.open_dataset(tmp_path / "a.zarr", engine="zarr", chunks=None, consolidated=False)
        ds.attrs["metrics"] = json.dumps(json.loads(ds.attrs["metrics"])[:metrics])
        tracemalloc.start()
        table = summary_table(ds)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(table) == metrics
        return peak / draws

    bytes_a_draw(1)  # what is imported on the way does not count
    one, six = bytes_a_draw(1), bytes_a_draw(6)
    # Every metric that were kept would cost 8 bytes a draw.
    assert six - one < 4, f"{one:.0f} bytes a draw for one metric, {six:.0f} for six"
