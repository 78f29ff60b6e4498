"""`exsim models`: the list and the cards."""

import json

import pytest

from exsim.cli.models import models
from exsim.errors import ExsimError


@pytest.fixture
def output(capsys):
    """Return a function that runs the command and returns what it printed."""

    def run(name=None, json_output=False):
        assert models(name, json_output=json_output) == 0
        return capsys.readouterr().out

    return run


def test_the_list_names_every_shipped_model_with_its_analytes(output, root):
    names = {path.parent.name for path in (root / "models").glob("*/model.toml")}
    listed = json.loads(output(json_output=True))["models"]
    assert {item["name"] for item in listed} == names
    text = output()
    assert all(f"{item['name']}: {item['title']}" in text for item in listed)
    assert "IL1RA" in text


@pytest.mark.parametrize("name", ["il6_axis", "two_compartment"])
def test_a_card_gives_unit_source_and_grade_of_every_parameter(output, name):
    card = json.loads(output(name, json_output=True))
    assert len(card["parameter_list"]) == card["parameters"] > 0
    for parameter in card["parameter_list"]:
        assert parameter["unit"]
        assert parameter["source"]
        assert parameter["grade"] in ("measured", "fitted", "assumed")
    assert len(card["species"]) == card["states"]
    assert all(observable["unit"] for observable in card["observables"])


def test_the_card_as_text_shows_what_the_json_holds(output):
    card = json.loads(output("two_compartment", json_output=True))
    lines = output("two_compartment").splitlines()
    for parameter in card["parameter_list"]:
        (line,) = [line for line in lines if line.startswith(f"  {parameter['id']} ")]
        assert f"{parameter['value']:.6g}" in line
        assert parameter["source"] in line
        assert parameter["grade"] in line


def test_a_species_that_starts_at_a_parameter_shows_its_value(output):
    card = json.loads(output("il6_axis", json_output=True))
    rest = {parameter["id"]: parameter["value"] for parameter in card["parameter_list"]}["IL6_rest"]
    assert {species["id"]: species["initial"] for species in card["species"]}["IL6"] == rest


def test_an_unknown_model_is_an_error_with_a_way_out():
    with pytest.raises(ExsimError, match="il6_axis"):
        models("il6_axes", json_output=False)
