"""A config against its model: what the model lacks, computes, or does not take."""

from __future__ import annotations

from pathlib import Path

from exsim.errors import ConfigError
from exsim.formula import Name
from exsim.inputs.config import LoadedConfig, check_against_model, read_config
from exsim.inputs.model_files import load_model
from exsim.model_spec import DriverCard, Input, ModelCard, ModelSpec, Parameter, State

MARATHON = """# What does a marathon do?
schema = 1
model = "il6_axis"

[subject]
body_mass = "72 kg"

[[protocol.bout]]
start = "0 h"
duration = "3.43 h"
intensity = 0.80
modality = "running"

[output]
until = "8 h"
every = "2 min"
"""


def _write(folder: Path, text: str, name: str = "run.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _checked(folder: Path, text: str, model: ModelSpec) -> tuple[list[str], str]:
    config: LoadedConfig = read_config(_write(folder, text))
    try:
        return check_against_model(config, model), ""
    except ConfigError as error:
        return [], str(error)


def _bare_model(*, card: ModelCard | None = None) -> ModelSpec:
    state = State("A", "ng", Name("A0"), Name("k"), "amount", "V")
    parameters = (Parameter("k", 1.0, "ng/h"), Parameter("A0", 1.0, "ng"), Parameter("V", 2.0, "L"))
    unused = Parameter("unused", 1.0, "dimensionless")
    computed = Parameter("start", None, "ng", initial=Name("A0"))
    inputs = (Input("dose", "ng/h"),)
    return ModelSpec("bare", 1.0, (*parameters, unused, computed), (state,), inputs=inputs, card=card)


def test_bouts_and_food_that_drive_nothing_are_refused(tmp_path: Path) -> None:
    text = MARATHON.replace('[subject]\nbody_mass = "72 kg"\n', "")
    text += '[[protocol.intake]]\ncarbohydrate = "60 g/h"\nstart = "0 h"\nduration = "1 h"\n'
    _, message = _checked(tmp_path, text, _bare_model())
    assert "exercise drives nothing in this model" in message
    assert "carbohydrate drives nothing in this model" in message


def test_what_the_subject_has_and_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    text = 'schema = 1\nmodel = "il6_axis"\n[subject]\nbody_mass = "70 kg"\n[output]\nuntil = "1 h"\n'
    _, message = _checked(tmp_path, text, _bare_model())
    assert 'the model "bare" does not take body_mass' in message


def test_a_value_that_nothing_depends_on_is_a_warning(tmp_path: Path) -> None:
    text = 'schema = 1\nmodel = "il6_axis"\n[parameter]\nunused = 2.0\n[output]\nuntil = "1 h"\n'
    warnings, _ = _checked(tmp_path, text, _bare_model())
    assert len(warnings) == 1
    assert "nothing in the model depends on it" in warnings[0]


def test_the_default_bout_of_a_model_cannot_be_set_in_silence(tmp_path: Path) -> None:
    text = MARATHON + '[parameter]\nbout_duration = "2 h"\n'
    warnings, _ = _checked(tmp_path, text, load_model("il6_axis"))
    assert len(warnings) == 1
    assert "the value has no effect" in warnings[0]


def test_an_initial_assignment_cannot_be_replaced_and_a_volume_is_positive(tmp_path: Path) -> None:
    text = 'schema = 1\nmodel = "il6_axis"\n[parameter]\nstart = "2 ng"\nV = "0 L"\n[output]\nuntil = "1 h"\n'
    _, message = _checked(tmp_path, text, _bare_model())
    assert "start is computed by the initial assignment for start" in message
    assert "the volume of the compartment V must be more than 0" in message


def test_a_dose_per_kg_needs_a_model_that_knows_the_body_mass(tmp_path: Path) -> None:
    card = ModelCard("bare", drivers=(DriverCard("dose", "infusion", "drug"),), boluses=(("drug", "A"),))
    text = (
        'schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "1 h"\n'
        '[[protocol.bolus]]\ntarget = "drug"\ntime = "0 h"\ndose = "{}"\n'
        '[[protocol.infusion]]\ntarget = "drug"\nstart = "0 h"\nduration = "1 h"\nrate = "{}"\n'
    )
    assert _checked(tmp_path, text.format("2 ug", "1 ug/min"), _bare_model(card=card)) == ([], "")
    _, message = _checked(tmp_path, text.format("2 ug/kg", "1 ug/kg/min"), _bare_model(card=card))
    assert message.count("depends on body mass, which the model lacks") == 2
    with_mass = ModelCard("bare", card.description, card.drivers, card.boluses, subject=(("body_mass", "V"),))
    assert _checked(tmp_path, text.format("2 ug/kg", "1 ug/kg/min"), _bare_model(card=with_mass)) == ([], "")


def test_a_dose_in_a_wrong_unit_is_told_the_units_that_are_taken(tmp_path: Path) -> None:
    text = MARATHON + '[[protocol.bolus]]\ntarget = "LPS"\ndose = "4 IU"\ntime = "0 h"\n'
    text += '[[protocol.infusion]]\ntarget = "IL6"\nrate = "5 ug"\nstart = "0 h"\nduration = "1 h"\n'
    _, message = _checked(tmp_path, text, load_model("il6_axis"))
    assert '"IU" is a biological activity, but a mass is wanted (ng/kg or ng)' in message
    assert 'write e.g. "4 ng/kg"' in message
    assert "a mass per time is wanted (ng/h or ng/h per kg of body mass)" in message
    assert 'write e.g. "5 ng/h"' in message


def test_one_value_set_in_two_places_is_refused(tmp_path: Path) -> None:
    text = (
        MARATHON
        + "[parameter]\nbody_mass = '80 kg'\nIL6_rest = '2 pg/mL'\n[subject.baseline]\nIL6 = '1 pg/mL'\n"
    )
    _, message = _checked(tmp_path, text, load_model("il6_axis"))
    assert "body_mass is set by subject.body_mass as well" in message
    assert "parameter.IL6_rest sets the same level" in message
