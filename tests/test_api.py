"""exsim from Python: the public names, and files in, labelled values out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import exsim
from exsim.api import read_study, run_study
from exsim.errors import ConfigError, ModelFileError, SolveError

CONFIG = """# Is this read?
schema = 1
model = "here/one.ant"

[output]
until = "2 h"
every = "1 h"
"""
MODEL = """
model one
  unit time_unit = 3600 second;
  compartment plasma = 2;
  species C in plasma = 3;
  k = 0.5;
  gone: C -> ; k * C * plasma;
end
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "one.ant").write_text(MODEL, encoding="utf-8")
    path = tmp_path / "run.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_the_public_names_are_these() -> None:
    assert exsim.__all__ == ["__version__", "fit", "load_model", "sample", "simulate", "sweep"]
    assert set(exsim.__all__) <= set(dir(exsim))
    with pytest.raises(AttributeError, match="no attribute 'simulte'"):
        exsim.simulte  # noqa: B018


def test_importing_exsim_loads_nothing_heavy_and_reading_no_jax(root: Path, config: Path) -> None:
    code = (
        "import sys, exsim\n"
        "heavy = {'jax', 'diffrax', 'xarray', 'pandas', 'matplotlib', 'pydantic', 'pint', 'antimony'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "from exsim.api import read_study\n"
        "read_study(sys.argv[1])\n"
        "print(sorted({'jax', 'diffrax', 'xarray', 'pandas', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(config)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert done.stdout.split() == ["[]", "[]"]


def test_simulate_returns_curves_and_writes_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    run = exsim.simulate(config)
    np.testing.assert_allclose(run.dataset["C"], 3.0 * np.exp(-0.5 * run.dataset["time"]), rtol=1e-5)
    assert run.dataset.attrs["config"] == "run"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_path_counts_from_its_config_and_not_from_here(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert read_study(config).model.name == "one"


def test_overrides_are_written_as_on_the_command_line(config: Path) -> None:
    study = read_study(str(config), ["output.until='4 h'", "parameter.k=0.25"])
    assert study.config.spec.output.until.to("h") == 4.0
    run = run_study(study)
    assert float(run.dataset["C"][-1]) == pytest.approx(3.0 * np.exp(-1.0), rel=1e-5)


def test_errors_are_of_one_family_and_name_the_file(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        exsim.simulate(config, ["parameter.kk=1"])
    assert 'Did you mean "k"?' in str(wrong.value)
    with pytest.raises(SolveError, match="step budget"):
        exsim.simulate(config, ["solver.max_steps=2", "solver.method='tsit5'"])
    (tmp_path / "here" / "one.ant").unlink()
    with pytest.raises(ConfigError, match=r"one\.ant"):
        exsim.simulate(config)
    with pytest.raises(ModelFileError, match="one"):
        exsim.load_model("one")


SWEEP = """
[sweep]
draws = 40
design = "random"
[[sweep.vary]]
target = "parameter.k"
range = ["0.2 1/h", "1 1/h"]
[sweep.metrics]
C = ["baseline", "value_at 2 h"]
"""


def test_a_sweep_returns_all_draws_with_units_and_its_seed(config: Path) -> None:
    config.write_text(CONFIG + SWEEP.replace('"0.2 1/h", "1 1/h"', "0.2, 1.0"), encoding="utf-8")
    ds = exsim.sweep(config, ["seed=3"])
    assert dict(ds.sizes) == {"draw": 40}
    assert ds.attrs["seed"] == "3"
    assert set(np.asarray(ds.status)) == {0}
    # C' = -k C, C(0) = 3
    np.testing.assert_allclose(ds.C_at_2_h, 3 * np.exp(-2 * ds["parameter.k"]), rtol=1e-5)
    np.testing.assert_array_equal(ds.C_baseline, 3.0)


def test_a_config_without_a_sweep_is_refused_with_an_example(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \[sweep\](.|\n)*draws = 1000"):
        exsim.sweep(config)


FIT = """# Which rate do the levels give?
schema = 1
model = "here/one.ant"

[data]
file = "levels.csv"

[[observable]]
analyte = "C"
noise = "lognormal"
sd = 0.05

[fit]
free = ["k"]
starts = 3

[[fit.parameter]]
name = "k"
lower = 0.01
upper = 10.0
start = 2.0
"""


@pytest.fixture
def to_fit(config: Path) -> Path:
    # C' = -k C, C(0) = 3, k = 0.5
    rows = "".join(f"A,run,{t},h,C,{3 * np.exp(-0.5 * t):.6g},dimensionless\n" for t in (1, 2, 4))
    header = "subject,condition,time,time_unit,analyte,value,unit\n"
    (config.parent / "levels.csv").write_text(header + rows, encoding="utf-8")
    path = config.with_name("fit.toml")
    path.write_text(FIT, encoding="utf-8")
    return path


def test_a_fit_returns_estimates_and_records_the_seed_that_it_drew(to_fit: Path) -> None:
    before = sorted(to_fit.parent.rglob("*"))
    result = exsim.fit(to_fit)
    (k,) = result.estimates
    assert k.value == pytest.approx(0.5, rel=1e-3)
    # A normal of log k: 1.96 sd / sqrt(sum of t^2) to both sides.
    half = 1.96 * 0.05 / np.sqrt(1 + 4 + 16)
    assert k.lower == pytest.approx(0.5 - half, rel=2e-3)
    assert k.upper == pytest.approx(0.5 + half, rel=2e-3)
    assert result.converged
    assert any("the config has no seed" in warning for warning in result.warnings)
    assert sorted(to_fit.parent.rglob("*")) == before
    again = exsim.fit(to_fit, ["seed=5", "fit.profile=false"])
    assert not any("no seed" in warning for warning in again.warnings)
    assert again.estimates[0].identifiable == "not profiled"


def test_a_sample_returns_draws_and_records_the_seed_that_it_drew(to_fit: Path) -> None:
    before = sorted(to_fit.parent.rglob("*"))
    short = ["sample.chains=2", "sample.warmup=100", "sample.draws=50", "sample.stress=20"]
    result = exsim.sample(to_fit, short)
    # k is normal, of sd 0.05 / sqrt(sum of t^2); its prior, flat on a logarithm, hardly moves that.
    assert result.draws.shape == (2, 50, 1)
    assert result.diagnosis.mean[0] == pytest.approx(0.5, abs=0.01)
    assert result.diagnosis.sd[0] == pytest.approx(0.05 / np.sqrt(1 + 4 + 16), rel=0.4)
    assert not result.diverging.any()
    assert f"the config has no seed: {result.seed} was drawn" in result.warnings
    assert sorted(to_fit.parent.rglob("*")) == before
