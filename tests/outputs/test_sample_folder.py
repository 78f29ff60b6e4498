"""The folder of a sampling run: what is in it, and that it is complete or not there."""

import errno
import os
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from exsim.errors import OutputError
from exsim.outputs.files import prepare_run_folder, read_record
from exsim.outputs.netcdf import read_posterior
from exsim.outputs.sample_folder import sample_files, write_sample_folder
from exsim.outputs.sample_tables import sample_summary_csv

from .sample_cases import judged, part_of, small_sample, troubled_sample

RECORD = {"command": "sample", "warnings": ["float32 was asked for"], "failures": {}}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of draws that are not to be trusted."""
    folder = tmp_path_factory.mktemp("runs") / "il6"
    prepare_run_folder(folder)
    return folder, write_sample_folder(folder, *troubled_sample(), RECORD, "What does plasma IL-6 tell?")


def test_sampling_leaves_draws_a_table_pictures_and_its_record(written):
    folder, names = written
    assert sorted(names) == sorted(path.name for path in folder.iterdir())
    assert set(names) == {
        "posterior.nc",
        "summary.csv",
        "bands.png",
        "trace.png",
        "pairs.png",
        "prior_posterior.png",
        "run.json",
    }


def test_the_record_lists_the_files_the_facts_and_what_failed(written):
    record = read_record(written[0])
    _, result = troubled_sample()
    assert len(record["files"]) == 6
    assert record["sample"]["trusted"] is False
    assert record["sample"]["reasons"] == list(result.reasons)
    assert record["failures"] == result.stress.failed
    assert record["warnings"] == ["float32 was asked for", *result.warnings]


def test_the_files_are_those_of_the_draws(written):
    folder, _ = written
    assert (folder / "summary.csv").read_bytes() == sample_summary_csv(troubled_sample()[1])
    assert read_posterior(folder / "posterior.nc").attrs["title"] == "What does plasma IL-6 tell?"


def test_pictures_are_sharp(written):
    for path in written[0].glob("*.png"):
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert width >= 1000
        assert height >= 500


def test_many_numbers_have_further_sheets():
    problem, result = small_sample()
    times = 9
    many = replace(
        result,
        numbers=tuple(
            replace(item, name=f"{item.name}[{n}]") for n in range(times) for item in result.numbers
        ),
        draws=np.tile(result.draws, times),
        prior=np.tile(result.prior, times),
    )
    names = sample_files(problem, judged(many))
    assert [name for name in names if "prior" in name] == ["prior_posterior.png", "prior_posterior_2.png"]


def test_row_103_an_interruption_before_the_first_draw_leaves_a_whole_folder(tmp_path):
    problem, result = small_sample()
    prepare_run_folder(tmp_path / "a")
    write_sample_folder(tmp_path / "a", problem, part_of(result, draws=0), RECORD)
    assert read_record(tmp_path / "a")["sample"]["complete"] is False


def test_a_full_disk_leaves_no_part_of_a_run(tmp_path, monkeypatch):
    problem, result = small_sample()
    prepare_run_folder(tmp_path / "a")
    calls = iter(range(100))

    def full(*_):
        if next(calls) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_sample_folder(tmp_path / "a", problem, result, RECORD)
    assert list((tmp_path / "a").iterdir()) == []


def test_tables_and_text_load_neither_matplotlib_nor_jax_nor_arviz():
    script = (
        "import sys, exsim.outputs.sample_folder, exsim.outputs.sample_text, exsim.outputs.sample_tables\n"
        "print({'matplotlib', 'jax', 'xarray', 'arviz'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
