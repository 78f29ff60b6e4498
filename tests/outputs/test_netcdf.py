"""trajectory.nc: what went in comes out."""

import numpy as np
import xarray as xr

from exsim.outputs.netcdf import read_trajectory, write_trajectory


def test_a_run_written_and_read_is_the_same_with_units_and_labels(tmp_path, make_run):
    ds = make_run()
    ds["IL6"].values[3] = np.nan
    write_trajectory(ds, tmp_path / "trajectory.nc")
    back = read_trajectory(tmp_path / "trajectory.nc")
    xr.testing.assert_identical(back, ds)
    assert back["time"].attrs["units"] == "h"
    assert back["IL6"].dtype == np.float64


def test_arrays_keep_every_byte_and_two_files_of_a_run_are_equal(tmp_path, make_run):
    ds = make_run()
    write_trajectory(ds, tmp_path / "a.nc")
    write_trajectory(ds, tmp_path / "b.nc")
    for name in ds.variables:
        assert read_trajectory(tmp_path / "a.nc")[name].values.tobytes() == ds[name].values.tobytes()
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_it_opens_with_plain_xarray_and_time_stays_a_number_of_hours(tmp_path, make_run):
    write_trajectory(make_run(until_h=8.0), tmp_path / "trajectory.nc")
    with xr.open_dataset(tmp_path / "trajectory.nc") as ds:
        assert float(ds["time"][-1]) == 8.0


def test_row_21_unicode_in_labels_is_kept(tmp_path, make_run):
    ds = make_run(title="Läufer β: IL‑6 nach 42 km", analytes=("IL6",))
    ds["IL6"].attrs["long_name"] = "IL-6 (µ, 血漿)"
    write_trajectory(ds, tmp_path / "trajectory.nc")
    back = read_trajectory(tmp_path / "trajectory.nc")
    assert back.attrs["title"] == ds.attrs["title"]
    assert back["IL6"].attrs["long_name"] == "IL-6 (µ, 血漿)"
