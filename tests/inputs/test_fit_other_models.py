"""Fits of models from elsewhere: units that cannot be written, parameters of the measurement alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from exsim.api import FitStudy, read_study
from exsim.errors import ConfigError

from .fit_files import HEADER, read, table_text

#: `share` is a parameter of what was measured, and nothing in the model depends on it.
MODEL = """model spread
  unit year = 31557600 second; unit per_year = 1 / 31557600 second; unit time_unit = year;
  k = 0.3 per_year; share = 0.1;
  y = 10; y' = -k * y;
end
"""
OBSERVABLE = '[[observable]]\nanalyte = "sick"\nformula = "share * y"\nunit = "percent"\nnoise = "normal"\n'
FIT = '[fit]\nfree = ["k"]\n[[fit.parameter]]\nname = "k"\n'
ROWS = ("A,own,8766,h,sick,0.7,percent", "A,own,17532,h,sick,0.5,percent")
HEAD = '# How fast?\nschema = 1\nmodel = "spread.ant"\n'


def _read(folder: Path, bounds: str, parameter: str = "") -> FitStudy:
    (folder / "spread.ant").write_text(MODEL, encoding="utf-8")
    text = (
        HEAD
        + parameter
        + '[data]\nfile = "measured.csv"\n'
        + OBSERVABLE
        + 'sd = "1 percent"\n'
        + FIT
        + bounds
    )
    return read(folder, text, table_text(*ROWS, header=HEADER))


def test_a_bound_in_a_unit_that_cannot_be_written_is_a_plain_number(tmp_path: Path) -> None:
    (number,) = _read(tmp_path, "lower = 0.01\nupper = 1.5\n").problem.free
    assert (number.unit, number.low, number.high, number.nominal) == ("per_year", 0.01, 1.5, 0.3)


def test_a_value_in_a_unit_that_cannot_be_written_is_a_plain_number(tmp_path: Path) -> None:
    study = _read(tmp_path, "lower = 0.01\nupper = 1.5\n", "[parameter]\nk = 0.2\n")
    assert study.problem.free[0].nominal == 0.2


@pytest.mark.parametrize("where", ["bound", "value"])
def test_another_unit_for_it_is_refused_with_the_way_out(where: str, tmp_path: Path) -> None:
    upper, value = ('"1 1/h"', "0.2") if where == "bound" else ("1.5", '"1 1/h"')
    with pytest.raises(ConfigError, match='write a plain number: it is taken in "per_year"'):
        _read(tmp_path, f"lower = 0.01\nupper = {upper}\n", f"[parameter]\nk = {value}\n")


def test_what_a_formula_of_the_measurement_takes_is_no_value_without_effect(tmp_path: Path) -> None:
    study = _read(tmp_path, "lower = 0.01\nupper = 1.5\n", "[parameter]\nshare = 0.2\n")
    assert not [line for line in study.warnings if "share" in line]


def test_a_run_of_the_same_model_says_that_the_value_has_no_effect(tmp_path: Path) -> None:
    (tmp_path / "spread.ant").write_text(MODEL, encoding="utf-8")
    (tmp_path / "run.toml").write_text(
        HEAD + '[parameter]\nshare = 0.2\nk = 0.2\n[output]\nuntil = "9000 h"\n', encoding="utf-8"
    )
    (line,) = [line for line in read_study(tmp_path / "run.toml").warnings if "share" in line]
    assert "the value has no effect" in line
