"""FAULTS rows 55 to 61: model files that are broken, hostile or not done. One test a row at least."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from exsim.errors import ExsimError, ModelFileError, RefusedError
from exsim.inputs.model_files import load_model

SBML = '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"'
MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'


def antimony(folder: Path, text: str) -> Path:
    path = folder / "m.ant"
    path.write_text(text, encoding="utf-8")
    return path


def sbml(folder: Path, inside: str, attributes: str = "") -> Path:
    path = folder / "m.xml"
    path.write_text(f"{SBML}{attributes}>\n<model>\n{inside}\n</model>\n</sbml>\n", encoding="utf-8")
    return path


def parameters(*ids: str) -> str:
    rows = [f'<parameter id="{id}" value="2" constant="false"/>' for id in ids]
    return f"<listOfParameters>{''.join(rows)}</listOfParameters>"


def refused(path: Path, kind: type[ExsimError] = ModelFileError) -> str:
    with pytest.raises(kind) as caught:
        load_model(path)
    assert caught.value.exit_code == {ModelFileError: 3, RefusedError: 4}[kind]
    return str(caught.value).replace(str(path), "FILE")


def test_row_55_malformed_xml_names_the_line(tmp_path: Path) -> None:
    path = sbml(tmp_path, "<listOfParameters>\n<parameter>\n</listOfParameters>")
    assert "FILE:5\n  not well-formed XML: mismatched tag" in refused(path)


def test_row_56_invalid_sbml_gives_every_error_with_its_line(tmp_path: Path) -> None:
    path = sbml(
        tmp_path,
        '<listOfParameters>\n<parameter id="a" value="1"/>\n<parameter id="b" constant="perhaps"/>\n'
        "</listOfParameters>",
    )
    message = refused(path)
    assert "FILE:4  a\n  The required attribute 'constant' is missing" in message
    assert "FILE:5" in message


def test_row_56_libsbml_warnings_are_not_errors(tmp_path: Path) -> None:
    model = load_model(sbml(tmp_path, parameters("a")))
    assert any("cannot be fully checked" in warning for warning in model.warnings)


def test_row_57_an_entity_bomb_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    doubled = "".join(f'<!ENTITY {b} "&{a};&{a};&{a};&{a};">' for a, b in pairwise("abcdefghi"))
    declaration = f'<!ENTITY a "aaaaaaaaaa">{doubled}'
    path.write_text(
        f'<?xml version="1.0"?>\n<!DOCTYPE sbml [{declaration}]>\n{SBML}><notes>&i;</notes></sbml>'
    )
    started = time.process_time()
    assert "FILE:2\n  a DOCTYPE is refused" in refused(path)
    assert time.process_time() - started < 1.0


def test_row_58_an_external_entity_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("<listOfParameters/>")
    path = tmp_path / "m.xml"
    path.write_text(
        f'<!DOCTYPE sbml [<!ENTITY x SYSTEM "{secret.as_uri()}">]>\n{SBML}><model>&x;</model></sbml>'
    )
    assert "FILE:1\n  a DOCTYPE is refused" in refused(path)


@pytest.mark.parametrize("depth", [501, 200_000])
def test_row_59_deep_mathml_is_refused_before_libsbml_sees_it(tmp_path: Path, depth: int) -> None:
    formula = "<apply><minus/>" * depth + "<cn>1</cn>" + "</apply>" * depth
    rule = f'\n<assignmentRule variable="a">{MATH}{formula}</math></assignmentRule>'
    path = sbml(tmp_path, f"{parameters('a')}<listOfRules>{rule}</listOfRules>")
    started = time.process_time()
    assert "FILE:4\n  elements are nested more than 500 deep" in refused(path)
    assert time.process_time() - started < 2.0


def test_row_59_a_file_over_100_mb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    with path.open("wb") as file:
        file.truncate(100_000_001)
    assert "larger than 100 MB" in refused(path)


@pytest.mark.parametrize(
    "body",
    [
        "<lambda><times/><bvar><ci>x</ci></bvar><ci>x</ci></lambda>",
        "<lambda><bvar><ci>x</ci></bvar><ci>x</ci><ci>x</ci></lambda>",
        "<lambda><bvar><ci>x</ci></bvar></lambda>",
    ],
)
def test_row_59_formulas_that_would_end_the_process_are_refused(tmp_path: Path, body: str) -> None:
    function = (
        f'<listOfFunctionDefinitions>\n<functionDefinition id="f">{MATH}{body}</math></functionDefinition>'
    )
    path = sbml(tmp_path, f"{function}</listOfFunctionDefinitions>")
    assert "FILE:4\n  a formula is not put together as MathML asks" in refused(path)


def test_row_60_a_model_of_100_000_species_is_refused_with_an_estimate(tmp_path: Path) -> None:
    rows = "\n".join(
        f'<species id="S{i}" compartment="c" initialAmount="1" hasOnlySubstanceUnits="false"'
        ' boundaryCondition="false" constant="false"/>'
        for i in range(100_000)
    )
    path = sbml(
        tmp_path,
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>'
        f"<listOfSpecies>{rows}</listOfSpecies>",
    )
    message = refused(path)
    assert "100,000 species" in message
    assert "min" in message


ROW_61 = {
    "an algebraic rule": "a = 1; b = 2\n  0 = a + b",
    "delay in the formula of J": "J: S -> ; delay(S, 3)",
    "an event with a delay": "a = 1\n  E: at 2 after (time > 3): a = 2",
    "an event with a priority": "a = 1\n  E: at (time > 3), priority = 2: a = 2",
    "its trigger depends on a state": "a = 1\n  E: at (S > 3): a = 2",
    "a compartment whose size a rule changes": "c' = 1",
    "a compartment whose size an event changes": "E: at (time > 3): c = 2",
    "a second model": "end\nmodel other\n  a = 1",
    "submodel": "A: other()",
    "floor of time in a rate": "a = 1\n  a' = floor(time)",
    "a function of time in a rate": "a = 1\n  a' = piecewise(1, sin(time) > 0, 2)",
}


@pytest.mark.parametrize("construct", ROW_61)
def test_row_61_antimony_constructs_are_refused_by_name_and_line(tmp_path: Path, construct: str) -> None:
    path = antimony(
        tmp_path, f"model m\n  compartment c = 1\n  species S in c = 2\n  {ROW_61[construct]}\nend\n"
    )
    with pytest.raises(RefusedError) as caught:
        load_model(path)
    (problem,) = (item for item in caught.value.problems if construct in item.message)
    last_line = 3 + ROW_61[construct].count("\n") + 1
    assert problem.line == last_line if "end" not in ROW_61[construct] else problem.line == 5


def test_row_61_rate_of_is_refused_by_name(tmp_path: Path) -> None:
    path = antimony(tmp_path, "model m\n  a = 1; a' = 2\n  b = 1\n  b' = rateOf(a)\nend\n")
    assert "FILE:4  b\n  rateOf in the formula of b" in refused(path, RefusedError)


@pytest.mark.parametrize("package", ["comp", "fbc", "distrib"])
def test_row_61_a_required_package_is_refused_by_name(tmp_path: Path, package: str) -> None:
    namespace = f"http://www.sbml.org/sbml/level3/version1/{package}/version1"
    path = sbml(tmp_path, "", f' xmlns:{package}="{namespace}" {package}:required="true"')
    assert f'FILE:1  {package}\n  the SBML package "{package}"' in refused(path, RefusedError)


def test_row_61_an_unknown_required_package_is_refused(tmp_path: Path) -> None:
    path = sbml(tmp_path, "", ' xmlns:x="http://example.org/x" x:required="true"')
    assert "http://example.org/x" in refused(path, RefusedError)


@pytest.mark.parametrize(
    "level", ['level3/version1/core" level="3" version="1', 'level2/version4" level="2" version="4']
)
def test_row_61_a_fast_reaction_is_refused_in_every_level_that_has_them(tmp_path: Path, level: str) -> None:
    path = tmp_path / "m.xml"
    constant = ' constant="true"' if "level3" in level else ""
    path.write_text(
        f'<sbml xmlns="http://www.sbml.org/sbml/{level}"><model>\n'
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>\n'
        '<listOfSpecies><species id="S" compartment="c" initialAmount="1" hasOnlySubstanceUnits="true"'
        ' boundaryCondition="false" constant="false"/></listOfSpecies>\n'
        '<listOfReactions><reaction id="J" fast="true" reversible="false"><listOfReactants>'
        f'<speciesReference species="S" stoichiometry="1"{constant}/></listOfReactants>'
        f"<kineticLaw>{MATH}<ci>S</ci></math></kineticLaw></reaction></listOfReactions></model></sbml>"
    )
    assert "FILE:4  J\n  a fast reaction" in refused(path, RefusedError)


STOICHIOMETRY = {
    "that changes": '<listOfRules><rateRule variable="n">{math}</rateRule></listOfRules>',
    "that an initial assignment computes": (
        '<listOfInitialAssignments><initialAssignment symbol="n">{math}</initialAssignment>'
        "</listOfInitialAssignments>"
    ),
    "in a formula": (
        '<listOfRules><assignmentRule variable="a"><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>n</ci></math>'
        "</assignmentRule></listOfRules>"
    ),
}


@pytest.mark.parametrize("kind", STOICHIOMETRY)
def test_row_61_a_stoichiometry_that_is_no_plain_number_is_refused(tmp_path: Path, kind: str) -> None:
    path = sbml(
        tmp_path,
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>\n'
        '<listOfSpecies><species id="S" compartment="c" initialAmount="1" hasOnlySubstanceUnits="true"'
        f' boundaryCondition="false" constant="false"/></listOfSpecies>{parameters("a")}\n'
        + STOICHIOMETRY[kind].format(math=f"{MATH}<cn>1</cn></math>")
        + '<listOfReactions><reaction id="J" reversible="false">\n<listOfReactants>'
        '<speciesReference id="n" species="S" stoichiometry="1" constant="false"/></listOfReactants>'
        f"<kineticLaw>{MATH}<ci>S</ci></math></kineticLaw></reaction></listOfReactions>",
    )
    assert f"a stoichiometry {kind}" in refused(path, RefusedError)
