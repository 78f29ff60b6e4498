"""Units of SBML as text: what is shown says the same as what the model defines."""

from __future__ import annotations

import libsbml
import pytest

from exsim.inputs.sbml_units import render_units, time_unit_in_hours, unit_text
from exsim.inputs.shipped import shipped_folder, shipped_models
from exsim.units import factor

_BASE = {"kilogram": "kg", "metre": "m", "second": "s", "mole": "mol", "kelvin": "K", "dimensionless": ""}


def in_base_units(definition: libsbml.UnitDefinition) -> tuple[float, str]:
    """Return a definition as (number, base units), worked out by libsbml."""
    converted = libsbml.UnitDefinition.convertToSI(definition)
    number, above, below = 1.0, [], []
    for unit in converted.getListOfUnits():
        exponent = unit.getExponentAsDouble()
        number *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
        base = _BASE[libsbml.UnitKind_toString(unit.getKind())]
        if base and exponent:
            (above if exponent > 0 else below).append(f"{base}^{abs(round(exponent))}")
    return number, "/".join(["*".join(above) or "1", *below])


def definition(*units: tuple[str, float, int, float]) -> libsbml.UnitDefinition:
    """Return a unit definition from (kind, exponent, scale, multiplier)."""
    made = libsbml.UnitDefinition(3, 2)
    for kind, exponent, scale, multiplier in units:
        unit = made.createUnit()
        unit.setKind(libsbml.UnitKind_forName(kind))
        unit.setExponent(exponent)
        unit.setScale(scale)
        unit.setMultiplier(multiplier)
    return made


PG_PER_ML = (("gram", 1, -12, 1.0), ("litre", -1, -3, 1.0))
EXAMPLES = {
    "pg/mL": PG_PER_ML,
    "1/h": (("second", -1, 0, 3600.0),),
    "h": (("second", 1, 3, 3.6),),
    "min": (("second", 1, 0, 60.0),),
    "d": (("second", 1, 0, 86400.0),),
    "ng/h/kg": (("gram", 1, -9, 1.0), ("second", -1, 0, 3600.0), ("kilogram", -1, 0, 1.0)),
    "mL/min/kg": (("litre", 1, -3, 1.0), ("second", -1, 0, 60.0), ("gram", -1, 3, 1.0)),
    "nmol/L": (("mole", 1, -9, 1.0), ("litre", -1, 0, 1.0)),
    "ng/mL": (("gram", 1, -6, 1.0), ("litre", -1, 0, 1.0)),
    "mg/L": (("gram", 1, -3, 1.0), ("litre", -1, 0, 1.0)),
    "kg": (("kilogram", 1, 0, 1.0),),
    "L^2/h": (("litre", 2, 0, 1.0), ("second", -1, 0, 3600.0)),
    "dimensionless": (("dimensionless", 1, 0, 1.0),),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_definition_is_shown_as_a_physiologist_writes_it(text: str) -> None:
    made = definition(*EXAMPLES[text])
    assert render_units(made) == text
    number, base = in_base_units(made)
    assert factor(text, base if text != "dimensionless" else "dimensionless") == pytest.approx(
        number, rel=1e-12
    )


def test_ng_per_litre_is_shown_as_pg_per_millilitre() -> None:
    assert render_units(definition(("gram", 1, -9, 1.0), ("litre", -1, 0, 1.0))) == "pg/mL"


@pytest.mark.parametrize("name", shipped_models())
def test_every_unit_of_a_shipped_model_is_shown_as_what_it_is(name: str) -> None:
    document = libsbml.readSBMLFromFile(str(shipped_folder("models") / name / "model.xml"))
    model = document.getModel()
    definitions = list(model.getListOfUnitDefinitions())
    assert definitions
    for made in definitions:
        text = unit_text(made.getId(), made)
        number, base = in_base_units(made)
        assert factor(text, base) == pytest.approx(number, rel=1e-12), (made.getId(), text)


def test_an_id_that_spells_its_unit_is_kept_only_if_it_says_the_truth() -> None:
    assert unit_text("pg_per_mL", definition(*PG_PER_ML)) == "pg/mL"
    assert unit_text("ng_per_L", definition(*PG_PER_ML)) == "ng/L"
    assert unit_text("ng_per_mL", definition(*PG_PER_ML)) == "pg/mL"
    assert unit_text("foo_per_bar", definition(*PG_PER_ML)) == "pg/mL"


def test_a_unit_without_a_word_keeps_its_id_or_its_definition() -> None:
    odd = definition(("gram", 1, 0, 12.5))
    assert render_units(odd) is None
    assert unit_text("dozen_and_a_half", odd) == "dozen_and_a_half"
    assert "gram" in unit_text("", odd)


def test_no_unit_is_dimensionless() -> None:
    assert unit_text("", libsbml.UnitDefinition(3, 2)) == "dimensionless"


@pytest.mark.parametrize(
    ("units", "hours"),
    [
        ([("second", 1, 0, 3600.0)], 1.0),
        ([("second", 1, 3, 3.6)], 1.0),
        ([("second", 1, 0, 60.0)], 1 / 60),
        ([("second", 1, 0, 86400.0)], 24.0),
    ],
)
def test_the_unit_of_time_is_read_in_hours(units: list[tuple[str, float, int, float]], hours: float) -> None:
    document = libsbml.SBMLDocument(3, 2)
    model = document.createModel()
    made = definition(*units)
    made.setId("tick")
    model.addUnitDefinition(made)
    model.setTimeUnits("tick")
    assert time_unit_in_hours(model) == pytest.approx(hours, rel=1e-14)


def test_a_unit_of_time_that_is_none_is_an_error() -> None:
    document = libsbml.SBMLDocument(3, 2)
    model = document.createModel()
    model.setTimeUnits("litre")
    with pytest.raises(ValueError, match="litre"):
        time_unit_in_hours(model)
