"""fit.nc: all of a fit in one file, with units, under any name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from exsim.fit_datasets import fit_dataset
from exsim.fit_result import Effort
from exsim.outputs.netcdf import read_fit, write_fit

from .fit_cases import EVERY_KIND, fit_of, large_fit, small_fit


@pytest.fixture
def stored(tmp_path):
    """Return a function that writes a fit and reads it back."""

    def store(problem, result, title=""):
        write_fit(fit_dataset(problem, result, title), tmp_path / "fit.nc")
        return read_fit(tmp_path / "fit.nc")

    return store


def test_a_fit_written_and_read_is_the_same(stored):
    problem, result = large_fit()
    xr.testing.assert_identical(stored(problem, result), fit_dataset(problem, result))


def test_it_opens_with_plain_xarray_and_every_number_has_units(tmp_path):
    write_fit(fit_dataset(*large_fit()), tmp_path / "fit.nc")
    with xr.open_dataset(tmp_path / "fit.nc") as ds:
        bare = [
            name
            for name, item in ds.variables.items()
            if "units" not in item.attrs and item.dtype.kind in "fi"
        ]
        assert bare == []
        assert ds["curve_time"].attrs["units"] == "h"
        assert list(ds["parameter_unit"].values[:2]) == ["ng/h/kg", "L/h"]


def test_estimates_are_found_by_the_name_of_their_parameter(stored):
    problem, result = large_fit()
    ds = stored(problem, result)
    assert float(ds["estimate"].sel(parameter="CL_IL6")) == result.estimates[1].value
    assert float(ds["upper"].sel(parameter="action_rate")) == np.inf
    assert str(ds["identifiable"].sel(parameter="k_LPS").values) == "structurally not"


def test_covariance_directions_profiles_and_starts_keep_every_digit(stored):
    problem, result = large_fit()
    ds = stored(problem, result)
    np.testing.assert_array_equal(ds["covariance"], result.covariance)
    np.testing.assert_array_equal(ds["eigenvector"], [item.vector for item in result.directions])
    np.testing.assert_array_equal(ds["profile_log_density"][1], result.profiles[1].density)
    np.testing.assert_array_equal(ds["start_reached"], [item.reached for item in result.starts])
    assert int(ds["start_failed"].sum()) == 5


def test_rows_carry_what_was_measured_and_what_the_fit_says_of_it(stored):
    problem, result = large_fit()
    ds = stored(problem, result)
    np.testing.assert_array_equal(ds["row_prediction"], result.prediction)
    np.testing.assert_array_equal(ds["row_value"], problem.rows.value)
    np.testing.assert_array_equal(ds["row_censoring"], problem.rows.censoring)
    assert list(np.unique(ds["row_observable"])) == ["IL10", "IL1RA", "IL6", "TNF"]
    assert list(np.unique(ds["row_factor"])) == ["", "scale[Ostrowski 1998, J Physiol 508:949]"]


def test_rows_of_every_kind_have_their_own_unit(stored):
    ds = stored(*fit_of(EVERY_KIND))
    units = dict(zip(ds["row_quantity"].values, ds["row_unit"].values, strict=True))
    assert units["level"] == "pg/mL"
    assert units["time_of_peak"] == "h"
    assert {units[name] for name in ("fold", "peak_fold", "ratio", "unchanged")} == {"dimensionless"}


def test_curves_are_found_by_simulation_and_observable_and_bouts_are_listed(stored):
    problem, result = small_fit()
    ds = stored(problem, result)
    curve = ds["curve"].sel(simulation="race", observable="IL6")
    np.testing.assert_array_equal(curve, result.curves.value[0, 0])
    assert json.loads(ds.attrs["bouts_h"]) == {"race": [[0.0, 3.43]]}


def test_row_21_names_with_brackets_and_letters_of_any_kind_survive(stored):
    problem, result = small_fit()
    name = "release_gain[Läufer β/2, 血漿 #1]"
    free = (replace(problem.free[0], name=name, label="µ-Rate"), *problem.free[1:])
    ds = stored(replace(problem, free=free), replace(result, warnings=("höher als 血漿",)))
    assert float(ds["estimate"].sel(parameter=name)) == result.best[0]
    assert str(ds["parameter_label"].values[0]) == "µ-Rate"
    assert json.loads(ds.attrs["warnings"]) == ["höher als 血漿"]


def test_what_a_fit_has_not_got_is_left_out(stored):
    problem, result = small_fit()
    bare = replace(result, profiles=(), directions=(), curves=None, covariance=None)
    ds = stored(problem, bare)
    assert not {"profile_value", "eigenvalue", "curve", "covariance"} & set(ds.variables)
    assert {"profile_point", "direction", "simulation", "other_parameter"}.isdisjoint(ds.sizes)


def test_two_files_of_a_fit_are_equal_byte_for_byte(tmp_path):
    problem, result = small_fit()
    for name, seconds in (("a.nc", 1.0), ("b.nc", 2.0)):
        write_fit(
            fit_dataset(problem, replace(result, efforts={"search": Effort(seconds, 2, 4)})), tmp_path / name
        )
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_a_number_without_a_profile_among_others_is_nan(stored):
    problem, result = small_fit()
    ds = stored(problem, replace(result, profiles=result.profiles[2:]))
    assert np.isnan(ds["profile_value"].values[:2]).all()
    assert np.isfinite(ds["profile_value"].values[2]).all()
