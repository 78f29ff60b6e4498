"""load_model: where a model is found, what is read of it, and what the shipped ones promise."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exsim.errors import ModelFileError
from exsim.inputs import antimony_files, model_files
from exsim.inputs.antimony_files import antimony_to_sbml
from exsim.inputs.model_files import load_model
from exsim.inputs.shipped import shipped_folder, shipped_models

GOOD = "model m\n  y = 1; y' = -y\nend\n"


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """Return a folder with a copy of two_compartment under another name."""
    folder = tmp_path / "mine"
    shutil.copytree(shipped_folder("models") / "two_compartment", folder)
    return folder


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_loads_without_a_warning(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert model.warnings == ()
    assert model.card is not None
    assert model.time_unit_h == 1.0


@pytest.mark.parametrize("name", shipped_models())
def test_every_parameter_of_a_shipped_model_says_where_it_comes_from(name: str) -> None:
    model = load_model(name)
    assert model.card is not None
    assert {item.id for item in model.parameters if item.initial is None} == set(dict(model.card.parameters))


@pytest.mark.parametrize("name", shipped_models())
def test_the_sbml_beside_a_shipped_model_is_what_its_antimony_says(name: str) -> None:
    """Made anew by `python -m exsim.inputs.model_files`."""
    folder = shipped_folder("models") / name
    text = (folder / "model.ant").read_text(encoding="utf-8")
    assert (folder / "model.xml").read_text(encoding="utf-8") == antimony_to_sbml(text)


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_the_same_from_its_sbml(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(shipped_folder("models") / name, folder)
    (folder / "model.ant").unlink()
    assert load_model(folder, strict_units=True) == load_model(name)


def test_without_the_antimony_package_the_sbml_is_read(
    own_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "antimony_is_installed", lambda: False)
    model = load_model(own_model)
    assert [name for name, _ in model.file_hashes] == ["model.xml", "model.toml"]


def test_without_the_antimony_package_an_antimony_file_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.ant").write_text(GOOD)
    monkeypatch.setitem(sys.modules, "antimony", None)
    with pytest.raises(ModelFileError, match=r"antimony package is not installed.*\n.*give the \.xml"):
        load_model(tmp_path / "m.ant")


def test_whether_antimony_is_installed_is_found_without_importing_it() -> None:
    assert antimony_files.antimony_is_installed()


def test_a_folder_a_file_and_a_relative_path_name_the_same_model(own_model: Path) -> None:
    by_folder = load_model(own_model)
    assert by_folder == load_model(own_model / "model.ant")
    assert by_folder == load_model("mine", own_model.parent)
    assert by_folder == load_model("mine/model.ant", own_model.parent)
    assert by_folder.name == "mine"


def test_a_shipped_name_wins_over_a_folder_only_where_it_is_a_plain_name(own_model: Path) -> None:
    base = own_model.parent
    own_model.rename(base / "two_compartment")
    assert load_model("two_compartment", base) == load_model("two_compartment")
    assert load_model("./two_compartment", base).card is not None


def test_the_hash_of_each_file_is_recorded(own_model: Path) -> None:
    hashes = dict(load_model(own_model).file_hashes)
    for file in ("model.ant", "model.toml"):
        assert hashes[file] == hashlib.sha256((own_model / file).read_bytes()).hexdigest()


def test_a_card_beside_a_file_of_another_name_has_that_name_and_a_config_beside_it_stays_a_config(
    own_model: Path,
) -> None:
    (own_model / "model.ant").rename(own_model / "other.ant")
    (own_model / "model.toml").rename(own_model / "other.card.toml")
    config = 'schema = 1\nmodel = "other.ant"\n[output]\nuntil = "1 h"\n'
    (own_model / "other.toml").write_text(config)
    model = load_model(own_model / "other.ant")
    assert model.name == "other"
    assert model.card is not None


def test_an_unknown_name_gets_the_nearest_shipped_one() -> None:
    with pytest.raises(ModelFileError, match=r'no model "two_compartmant"\n.*Did you mean "two_compartment"'):
        load_model("two_compartmant")


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such model file or folder"):
        load_model("nowhere/model.ant", tmp_path)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model\.ant and no model\.xml"):
        load_model(tmp_path)


def test_another_kind_of_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text(GOOD)
    with pytest.raises(ModelFileError, match=r'ends in \.ant, \.xml, \.sbml, not "\.txt"'):
        load_model(tmp_path / "m.txt")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing_but_the_hash(tmp_path: Path) -> None:
    (tmp_path / "m.ant").write_text(GOOD, newline="\n")
    plain = load_model(tmp_path / "m.ant")
    (tmp_path / "m.ant").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_model(tmp_path / "m.ant") == plain


def test_problems_of_the_model_and_of_its_card_come_together(own_model: Path) -> None:
    model = own_model / "model.ant"
    model.write_text(model.read_text().replace("clearance * IL6;", "clearence * IL6;"))
    card = own_model / "model.toml"
    card.write_text(card.read_text().replace('driver = "infusion"', 'driver = "infused"'))
    with pytest.raises(ModelFileError) as caught:
        load_model(own_model)
    assert {Path(problem.file or "").name for problem in caught.value.problems} == {"model.ant", "model.toml"}


def test_what_a_protocol_drives_is_an_input_and_its_default_events_are_left_out(own_model: Path) -> None:
    driven = load_model(own_model)
    assert [item.id for item in driven.inputs] == ["il6_infusion"]
    assert driven.events == ()
    assert "infusion_rate" in [item.id for item in driven.parameters]
    (own_model / "model.toml").unlink()
    alone = load_model(own_model)
    assert alone.inputs == ()
    assert [event.id for event in alone.events] == ["infusion_begins", "infusion_ends"]
    assert "il6_infusion" in [item.id for item in alone.states]


def test_an_event_that_assigns_a_driven_and_another_quantity_is_an_error(own_model: Path) -> None:
    model = own_model / "model.ant"
    model.write_text(
        model.read_text().replace(
            "il6_infusion = infusion_rate;", "il6_infusion = infusion_rate, clearance = 0;"
        )
    )
    with pytest.raises(ModelFileError, match="write two events"):
        load_model(own_model)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "il6_infusion = 0 ng_per_h;",
            "il6_infusion = 3 ng_per_h;",
            "must be 0 at rest, but has the value 3",
        ),
        ("il6_infusion = 0 ng_per_h;", "il6_infusion := 0 * infusion_rate;", "but a rule computes it"),
    ],
)
def test_a_driven_quantity_rests_at_0_and_has_no_rule(
    own_model: Path, old: str, new: str, words: str
) -> None:
    model = own_model / "model.ant"
    text = model.read_text().replace(old, new, 1)
    # The default events would assign what a rule computes.
    kept = [line for line in text.splitlines() if ":=" not in new or not line.strip().startswith("infusion_")]
    model.write_text("\n".join(kept).replace("infusion_rate;", "clearance;"))
    with pytest.raises(ModelFileError, match=words):
        load_model(own_model)


def test_reading_a_model_needs_neither_jax_nor_pandas(root: Path) -> None:
    code = (
        "import sys\nfrom exsim.inputs.model_files import load_model\nload_model('il6_axis')\n"
        "print(sorted({'jax', 'arviz', 'xarray', 'pandas', 'matplotlib', 'sympy'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_sbml_of_every_shipped_model_is_made_anew_by_one_command(own_model: Path, root: Path) -> None:
    (own_model / "model.xml").unlink()
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    subprocess.run(
        [sys.executable, "-m", "exsim.inputs.model_files", str(own_model)],
        check=True,
        env=environment,
        timeout=60,
    )
    text = (own_model / "model.ant").read_text(encoding="utf-8")
    assert (own_model / "model.xml").read_text(encoding="utf-8") == antimony_to_sbml(text)
