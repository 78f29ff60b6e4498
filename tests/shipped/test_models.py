"""Every folder in models/: read strictly, in step with its SBML, its card and its reference curves."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from exsim import load_model
from exsim.api import simulate
from exsim.inputs.antimony_files import antimony_to_sbml
from exsim.inputs.shipped import shipped_folder, shipped_models

FOLDER = shipped_folder("models")
#: The reference curves are given to 12 digits.
REFERENCE = 1e-9


def test_every_folder_is_a_shipped_model() -> None:
    assert shipped_models() == tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))
    assert len(shipped_models()) >= 2


@pytest.mark.parametrize("name", shipped_models())
def test_it_loads_strictly_and_without_a_warning(name: str) -> None:
    assert load_model(FOLDER / name, strict_units=True).warnings == ()


@pytest.mark.parametrize("name", shipped_models())
def test_its_sbml_is_what_its_antimony_says(name: str) -> None:
    text = (FOLDER / name / "model.ant").read_text(encoding="utf-8")
    assert antimony_to_sbml(text) == (FOLDER / name / "model.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", shipped_models())
def test_both_of_its_files_give_the_same_model(name: str) -> None:
    by_antimony = load_model(FOLDER / name / "model.ant", strict_units=True)
    by_sbml = load_model(FOLDER / name / "model.xml", strict_units=True)
    assert by_antimony == by_sbml


@pytest.mark.parametrize("name", shipped_models())
def test_every_number_of_it_has_a_source_and_a_grade(name: str) -> None:
    spec = load_model(name)
    assert spec.card is not None
    cards = dict(spec.card.parameters)
    assert set(cards) == {parameter.id for parameter in spec.parameters}
    for id, card in cards.items():
        assert card.source.strip(), id
        assert card.label.strip(), id
        assert card.grade in ("measured", "fitted", "assumed"), id
        assert card.tag in ("read", "unverified", "none"), id


@pytest.mark.parametrize("name", [n for n in shipped_models() if (FOLDER / n / "reference.csv").is_file()])
def test_it_reproduces_its_reference_curves(name: str, root: Path, tmp_path: Path) -> None:
    """The marathon as libRoadRunner computes it, at tight tolerances."""
    with (FOLDER / name / "reference.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    reference = np.array([[float(cell) for cell in row] for row in rows])
    times = ", ".join(f"'{time!r} h'" for time in reference[:, 0].tolist())
    overrides = ["solver.rtol=1e-12", "solver.atol=1e-13", f"output.times=[{times}]"]
    run = simulate(root / "configs" / "simulate" / "marathon.toml", overrides).dataset
    np.testing.assert_allclose(np.asarray(run["time"]), reference[:, 0], atol=1e-12)
    for column, id in enumerate(head[1:], start=1):
        peak = np.abs(reference[:, column]).max()
        np.testing.assert_allclose(
            np.asarray(run[id]) / peak, reference[:, column] / peak, rtol=0, atol=REFERENCE, err_msg=id
        )
    assert len(head) > 10
    assert os.listdir(tmp_path) == []
