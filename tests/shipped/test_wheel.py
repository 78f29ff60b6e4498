"""Models and configs travel in the wheel: `pip install` alone gives the shipped models."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest


def test_the_folders_that_travel_are_there(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    travelling = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert travelling == {"models": "exsim/shipped/models", "configs": "exsim/shipped/configs"}
    for folder in travelling:
        assert any((root / folder).iterdir())


@pytest.mark.slow
def test_an_installed_copy_finds_its_models_and_configs(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("build", reason="needs build and hatchling")
    pytest.importorskip("hatchling", reason="needs build and hatchling")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(root)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    code = (
        "import json, exsim\n"
        "from exsim.inputs.shipped import shipped_configs, shipped_models\n"
        "spec = exsim.load_model('il6_axis')\n"
        "print(json.dumps([exsim.__file__, shipped_models(), shipped_configs(), len(spec.states)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "", "HOME": str(tmp_path)},
    )
    file, models, configs, states = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed)
    assert set(models) == {path.name for path in (root / "models").iterdir()}
    assert set(configs) == {
        path.relative_to(root / "configs").as_posix() for path in (root / "configs").rglob("*.toml")
    }
    assert states > 10
