"""Draws from a file: a table of one's own (CSV) and a posterior (NetCDF), and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from exsim.errors import ConfigError
from exsim.inputs.config import check_against_model, read_config
from exsim.inputs.model_files import load_model
from exsim.inputs.sweep_table import read_listed_draws
from exsim.model_spec import ModelSpec
from exsim.sweep_targets import resolve_targets

CONFIG = """schema = 1
model = "il6_axis"
[[protocol.bout]]
start = "0 h"
duration = "2 h"
intensity = 0.7
[[protocol.bout]]
start = "4 h"
duration = "1 h"
intensity = 0.7
[output]
until = "8 h"
[sweep]
design = "{design}"
file = "{file}"
{head}
[[sweep.vary]]
target = "parameter.CL_IL6"
{unit}
[[sweep.vary]]
target = "protocol.bout.0.duration"
unit = "min"
[sweep.metrics]
IL6 = ["peak"]
"""
TABLE = "parameter.CL_IL6,protocol.bout.0.duration\n50,60\n60.5,90\n1e1,230\n"


@pytest.fixture(scope="module")
def model() -> ModelSpec:
    return load_model("il6_axis")


def _draws(
    folder: Path,
    model: ModelSpec,
    content: str | bytes | None,
    design: str = "table",
    head: str = "",
    unit: str = 'unit = "L/h"',
) -> np.ndarray:
    file = "draws.csv" if design == "table" else "posterior.nc"
    if content is not None:
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    path = folder / "run.toml"
    path.write_text(CONFIG.format(design=design, file=file, head=head, unit=unit), encoding="utf-8")
    config = read_config(path)
    check_against_model(config, model)
    assert config.spec.sweep is not None
    return read_listed_draws(config.spec.sweep, folder / file, resolve_targets(config.spec, model))


def test_a_table_is_read_in_the_units_of_the_targets(tmp_path: Path, model: ModelSpec) -> None:
    drawn = _draws(tmp_path, model, TABLE)
    assert drawn == pytest.approx(np.array([[50.0, 1.0], [60.5, 1.5], [10.0, 230 / 60]]))


def test_columns_may_stand_in_any_order_after_a_byte_order_mark(tmp_path: Path, model: ModelSpec) -> None:
    content = b"\xef\xbb\xbf" + b"protocol.bout.0.duration, parameter.CL_IL6\r\n60,50\r\n"
    assert _draws(tmp_path, model, content).tolist() == [[50.0, 1.0]]


def test_numbers_keep_their_last_digit(tmp_path: Path, model: ModelSpec) -> None:
    value = 0.1 + 0.2
    drawn = _draws(tmp_path, model, f"parameter.CL_IL6,protocol.bout.0.duration\n{value!r},60\n")
    assert drawn[0, 0] == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("the file is empty", "parameter.CL_IL6,protocol.bout.0.duration")),
        ("parameter.CL_IL6,protocol.bout.0.duration\n", ("a header and no rows",)),
        ("parameter.CL_IL6\n50\n", ('column "protocol.bout.0.duration" is missing',)),
        (
            "parameter.CL_IL,protocol.bout.0.duration\n50,60\n",
            ('column "parameter.CL_IL6" is missing', 'Did you mean "parameter.CL_IL"?'),
        ),
        (
            "parameter.CL_IL6,protocol.bout.0.duration,id\n50,60,1\n",
            ('column "id" does not vary in this sweep', "[[sweep.vary]]"),
        ),
        (
            "parameter.CL_IL6,parameter.CL_IL6,protocol.bout.0.duration\n50,50,60\n",
            ('column "parameter.CL_IL6" is given twice',),
        ),
        ("parameter.CL_IL6;protocol.bout.0.duration\n50;60\n", ("semicolons", "use commas")),
        (
            TABLE.replace("60.5", "nan"),
            ("draws.csv:3  parameter.CL_IL6", 'row 2: "nan" is not a finite number'),
        ),
        (TABLE.replace("60.5", "inf"), ("row 2", "is not a finite number")),
        (TABLE.replace("60.5", ""), ("row 2: the cell is empty",)),
        (TABLE.replace("60.5", "fast"), ('row 2: "fast" is not a finite number',)),
        (TABLE.replace("60.5,90", "true,true"), ("row 2",)),
        (TABLE.replace("60.5,90", "60.5,90,3"), ("draws.csv:3", "row 2: 3 cells, and the header has 2")),
        (TABLE.replace("60.5", "-60.5"), ("row 2: -60.5 L/h is impossible", "0 L/h or more")),
        (TABLE.replace("230", "241"), ("in row 3 bout 1 overlaps with bout 0", "ends at 4.01667 h")),
        (TABLE.replace("230", "0"), ("in row 3 bout 0 has no length",)),
        (b"\xff\xfe" + TABLE.encode("utf-16-le"), ("not UTF-8", "UTF-8")),
        (None, ("there is no such file", "sweep.file")),
    ],
)
def test_a_wrong_table_is_refused_with_row_and_column(
    tmp_path: Path, model: ModelSpec, content: str | bytes | None, words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        _draws(tmp_path, model, content)
    for word in words:
        assert word in str(caught.value)


def test_a_column_of_what_has_a_dimension_needs_a_unit(tmp_path: Path, model: ModelSpec) -> None:
    with pytest.raises(ConfigError, match=r'write unit = "L/h" in its \[\[sweep.vary\]\]'):
        _draws(tmp_path, model, TABLE, unit="")
    with pytest.raises(ConfigError, match='"kg" is a mass'):
        _draws(tmp_path, model, TABLE, unit='unit = "kg"')


def test_faults_of_many_cells_are_counted(tmp_path: Path, model: ModelSpec) -> None:
    content = "parameter.CL_IL6,protocol.bout.0.duration\n" + "x,60\n" * 100
    with pytest.raises(ConfigError, match="and 60 more cells"):
        _draws(tmp_path, model, content)


def _posterior(folder: Path, **variables: xr.DataArray) -> None:
    xr.Dataset(variables).to_netcdf(folder / "posterior.nc", group="posterior", engine="h5netcdf")


def _chains(values: np.ndarray, units: str = "", dims: tuple[str, ...] = ("chain", "draw")) -> xr.DataArray:
    return xr.DataArray(values, dims=dims, attrs={"units": units} if units else {})


CL = np.arange(10.0).reshape(2, 5) + 40.0
DURATIONS = np.full((2, 5), 60.0)


def test_a_posterior_is_read_chain_after_chain(tmp_path: Path, model: ModelSpec) -> None:
    _posterior(
        tmp_path,
        **{
            "CL_IL6": _chains(CL.T, "mL/h", ("draw", "chain")),
            "protocol.bout.0.duration": _chains(DURATIONS),
        },
        noise_IL6=_chains(DURATIONS),
    )
    drawn = _draws(tmp_path, model, None, "posterior", unit="")
    assert drawn[:, 0] == pytest.approx(np.arange(40.0, 50.0) / 1000)
    assert drawn[:, 1] == pytest.approx(1.0)


def test_draws_are_taken_evenly_from_a_posterior(tmp_path: Path, model: ModelSpec) -> None:
    _posterior(tmp_path, **{"parameter.CL_IL6": _chains(CL), "protocol.bout.0.duration": _chains(DURATIONS)})
    drawn = _draws(tmp_path, model, None, "posterior", head="draws = 4")
    assert drawn[:, 0].tolist() == [40.0, 42.0, 45.0, 47.0]
    with pytest.raises(ConfigError, match="11 draws are wanted, the posterior has 10"):
        _draws(tmp_path, model, None, "posterior", head="draws = 11")


def test_a_wrong_posterior_is_refused(tmp_path: Path, model: ModelSpec) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        _draws(tmp_path, model, None, "posterior")
    with pytest.raises(ConfigError, match="not NetCDF, or has no group posterior"):
        _draws(tmp_path, model, "not a posterior", "posterior")
    _posterior(tmp_path, CL_IL66=_chains(CL), duration=_chains(DURATIONS))
    with pytest.raises(
        ConfigError, match=r'(?s)no variable "CL_IL6".*Did you mean "CL_IL66".*bout.0.duration'
    ):
        _draws(tmp_path, model, None, "posterior")
    _posterior(
        tmp_path,
        **{"CL_IL6": _chains(CL, dims=("chain", "time")), "protocol.bout.0.duration": _chains(DURATIONS)},
    )
    with pytest.raises(ConfigError, match="has the dimensions chain, time: chain and draw are wanted"):
        _draws(tmp_path, model, None, "posterior")
    bad = CL.copy()
    bad[1, 2] = np.nan
    _posterior(tmp_path, **{"CL_IL6": _chains(bad), "protocol.bout.0.duration": _chains(DURATIONS)})
    with pytest.raises(ConfigError, match="row 8: nan L/h is impossible"):
        _draws(tmp_path, model, None, "posterior")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "posterior.nc", group="prior", engine="h5netcdf")
    with pytest.raises(ConfigError, match="no group posterior"):
        _draws(tmp_path, model, None, "posterior")
