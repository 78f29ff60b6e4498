"""A real run through everything that is written of it."""

import io

import jax
import pandas as pd
import pytest
import xarray as xr

from exsim.outputs.files import prepare_run_folder, read_record, write_run
from exsim.outputs.netcdf import read_trajectory, write_trajectory
from exsim.outputs.plots import run_figure, save_figure
from exsim.outputs.tables import summary_csv
from exsim.summaries import summary_table


@pytest.fixture(scope="module")
def run(root):
    from exsim.api import simulate

    with jax.enable_x64(True):
        return simulate(root / "configs" / "simulate" / "marathon.toml").dataset


def test_the_files_of_a_real_run_hold_what_was_computed(tmp_path, run):
    folder = tmp_path / "marathon"
    prepare_run_folder(folder)
    table = summary_table(run)
    files = {
        "trajectory.nc": lambda path: write_trajectory(run, path),
        "summary.csv": summary_csv(table),
        "figure.png": lambda path: save_figure(run_figure(run), path),
    }
    write_run(folder, files, {"command": "simulate"})
    back = read_trajectory(folder / "trajectory.nc")
    xr.testing.assert_identical(back, run)
    assert all("units" in variable.attrs for variable in back.variables.values())
    written = pd.read_csv(io.BytesIO((folder / "summary.csv").read_bytes()))
    assert {"IL6", "IL1RA", "IL10", "TNF", "sTNFR1", "glycogen"} <= set(written["analyte"])
    assert set(read_record(folder)["files"]) == set(files)


def test_the_figure_of_a_real_marathon_shades_its_bout_and_names_its_cytokines(run):
    figure = run_figure(run)
    level, fold = figure.axes
    (span,) = level.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((0.0, 3.43))
    assert {text.get_text() for text in fold.texts} >= {"IL-6", "IL-1RA", "IL-10", "TNF", "sTNF-R1"}


def test_glycogen_of_a_real_marathon_has_its_trough_as_peak(run):
    row = summary_table(run).set_index("analyte").loc["glycogen"]
    assert row["peak"] == pytest.approx(float(run["glycogen"].min()))
    assert row["fold"] < 1.0
    assert row["auc_above_baseline"] < 0.0
