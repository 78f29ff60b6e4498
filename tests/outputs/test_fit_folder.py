"""The folder of a fit: what is in it, and that it is complete or not there."""

import errno
import json
import os
import struct
import subprocess
import sys
from dataclasses import replace

import pytest
import xarray as xr

from exsim.errors import OutputError
from exsim.outputs.files import prepare_run_folder, read_record
from exsim.outputs.fit_folder import fit_files, write_fit_folder
from exsim.outputs.fit_tables import parameters_csv

from .fit_cases import large_fit, small_fit

RECORD = {"command": "fit", "warnings": ["float32 was asked for"], "failures": {}}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a large fit."""
    folder = tmp_path_factory.mktemp("runs") / "il6"
    prepare_run_folder(folder)
    names = write_fit_folder(folder, *large_fit(), RECORD, "What does plasma IL-6 tell?")
    return folder, names


def test_a_fit_leaves_tables_a_dataset_pictures_and_its_record(written):
    folder, names = written
    assert sorted(names) == sorted(path.name for path in folder.iterdir())
    assert set(names) == {
        "parameters.csv",
        "starts.csv",
        "fit.nc",
        "fit.png",
        "residuals.png",
        "waterfall.png",
        "profiles.png",
        "directions.png",
        "run.json",
    }


def test_the_record_lists_the_files_the_numbers_of_the_fit_and_what_failed(written):
    record = read_record(written[0])
    assert len(record["files"]) == 8
    assert record["fit"]["starts_agreeing"] == 23
    assert record["failures"] == {
        "the density is not finite at the start": 3,
        "the solver ran out of its step budget": 2,
    }
    assert record["warnings"] == ["float32 was asked for", *large_fit()[1].warnings]


def test_the_tables_and_the_dataset_are_those_of_the_fit(written):
    folder, _ = written
    assert (folder / "parameters.csv").read_bytes() == parameters_csv(large_fit()[1])
    with xr.open_dataset(folder / "fit.nc") as ds:
        assert ds.attrs["title"] == "What does plasma IL-6 tell?"
        assert ds.sizes["start"] == 64


def test_pictures_are_sharp(written):
    for path in written[0].glob("*.png"):
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert width >= 1000
        assert height >= 600


def test_what_a_fit_has_not_got_has_no_picture():
    problem, result = small_fit()
    files = fit_files(problem, replace(result, profiles=(), directions=()))
    assert set(files) == {
        "parameters.csv",
        "starts.csv",
        "fit.nc",
        "fit.png",
        "residuals.png",
        "waterfall.png",
    }


def test_a_warning_that_the_record_has_already_is_not_said_twice(tmp_path):
    problem, result = small_fit()
    prepare_run_folder(tmp_path / "a")
    said = {"command": "fit", "warnings": ["few data"]}
    write_fit_folder(tmp_path / "a", problem, replace(result, warnings=("few data",)), said)
    assert json.loads((tmp_path / "a" / "run.json").read_text())["warnings"] == ["few data"]


def test_a_full_disk_leaves_no_part_of_a_fit(tmp_path, monkeypatch):
    problem, result = small_fit()
    prepare_run_folder(tmp_path / "a")
    calls = iter(range(100))

    def full(*_):
        if next(calls) >= 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_fit_folder(tmp_path / "a", problem, result, RECORD)
    assert list((tmp_path / "a").iterdir()) == []


def test_tables_and_text_load_neither_matplotlib_nor_jax():
    script = (
        "import sys, exsim.outputs.fit_folder, exsim.outputs.fit_text, exsim.outputs.fit_tables\n"
        "print({'matplotlib', 'jax', 'xarray'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
