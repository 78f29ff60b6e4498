"""model.toml: what it says, and every complaint about it with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from exsim.errors import ModelFileError
from exsim.inputs.model_card import SUBJECT_PROPERTIES, read_card
from exsim.inputs.model_files import load_model
from exsim.model_spec import DRIVERS, DriverCard, ModalityCard, ModelCard, ObservableCard, ParameterCard

MODEL = """model m
  unit time_unit = 3600 second; unit hour = 3600 second; unit kg = 1e3 gram
  unit L = litre; unit L_per_h = litre / 3600 second; unit per_h = 1 / 3600 second
  unit g_per_h = gram / 3600 second
  load = 0 dimensionless
  drip = 0 g_per_h
  body_mass = 70 kg
  clearance = 12 L_per_h
  exponent = 0.75 dimensionless
  rest = 1 dimensionless
  y = rest; y has dimensionless
  y' = 1 per_h * (load - y)
  shown := 2 dimensionless * y; shown has dimensionless
end
"""
CARD = """title = "A model"
description = '''
What it is.'''

[[input]]
id = "load"
driver = "intensity"

[[input]]
id = "drip"
driver = "infusion"
target = "drug"

[[bolus]]
target = "drug"
state = "y"

[[observable]]
analyte = "Y"
id = "shown"
label = "twice y"

[modality.running]
active_muscle = "12 kg"
eccentric_load = 1
whole_body_fraction = 0.9
source = "a book"
grade = "assumed"

[baseline]
Y = "rest"

[subject]
body_mass = "body_mass"

[parameter.clearance]
label = "clearance"
source = "a paper"
tag = "read"
grade = "measured"
note = "of plasma"
bounds = ["100 mL/min", "100 L/h"]
prior_log_sd = 0.3

[parameter.exponent]
label = "exponent"
source = "a paper"
tag = "none"
grade = "assumed"
bounds = [0.5, "1"]
"""


def load(folder: Path, card: str = CARD, model: str = MODEL, strict: bool = False) -> ModelCard:
    (folder / "model.ant").write_text(model)
    (folder / "model.toml").write_text(card, encoding="utf-8")
    found = load_model(folder, strict_units=strict).card
    assert found is not None
    return found


def refused(folder: Path, card: str, strict: bool = False) -> list[tuple[int | None, str]]:
    with pytest.raises(ModelFileError) as caught:
        load(folder, card, strict=strict)
    assert all(Path(problem.file or "").name == "model.toml" for problem in caught.value.problems)
    return [
        (problem.line, f"{problem.key}: {problem.message} {problem.hint or ''}")
        for problem in caught.value.problems
    ]


def line_in(card: str, text: str) -> int:
    return card[: card.index(text)].count("\n") + 1


def test_a_card_is_read_whole(tmp_path: Path) -> None:
    card = load(tmp_path)
    assert card == ModelCard(
        title="A model",
        description="What it is.",
        drivers=(DriverCard("load", "intensity"), DriverCard("drip", "infusion", "drug")),
        boluses=(("drug", "y"),),
        observables=(ObservableCard("Y", "shown", "twice y", True),),
        modalities=(("running", ModalityCard(12.0, 1.0, 0.9, "a book", "assumed")),),
        baselines=(("Y", "rest"),),
        subject=(("body_mass", "body_mass"),),
        parameters=(
            (
                "clearance",
                ParameterCard("clearance", "a paper", "read", "measured", "of plasma", (6.0, 100.0), 0.3),
            ),
            ("exponent", ParameterCard("exponent", "a paper", "none", "assumed", "", (0.5, 1.0), None)),
        ),
    )


WRONG = {
    "unknown key": ('label = "twice y"', 'labell = "twice y"', 'Did you mean "label"'),
    "unknown table": ("[baseline]", "[baselines]", 'Did you mean "baseline"'),
    "unknown driver": ('driver = "intensity"', 'driver = "intensitty"', "intensity"),
    "unknown grade": ('grade = "measured"', 'grade = "guessed"', "measured"),
    "unknown tag": ('tag = "read"', 'tag = "maybe"', "unverified"),
    "number as text": ("prior_log_sd = 0.3", 'prior_log_sd = "0.3"', "number"),
    "negative sd": ("prior_log_sd = 0.3", "prior_log_sd = -0.3", "greater than 0"),
    "infinite sd": ("prior_log_sd = 0.3", "prior_log_sd = inf", "finite"),
    "true for a number": ("eccentric_load = 1", "eccentric_load = true", "number"),
    "fraction over 1": ("whole_body_fraction = 0.9", "whole_body_fraction = 1.9", "less than or equal to 1"),
    "input that is not there": ('id = "load"', 'id = "lod"', 'no parameter "lod" Did you mean "load"'),
    "state that is not there": ('state = "y"', 'state = "yy"', 'no state "yy" Did you mean "y"'),
    "observable that is not there": ('id = "shown"', 'id = "show"', 'Did you mean "shown"'),
    "baseline that is not there": ('Y = "rest"', 'Y = "test"', 'Did you mean "rest"'),
    "baseline of no observable": ('Y = "rest"', 'Z = "rest"', '"Z" is not an observable'),
    "subject property": ('body_mass = "body_mass"', 'bodymass = "body_mass"', 'Did you mean "body_mass"'),
    "modality": ("[modality.running]", "[modality.runing]", 'Did you mean "running"'),
    "infusion without target": ('target = "drug"\n\n[[bolus]]', "\n[[bolus]]", "an infusion needs a target"),
    "target without infusion": (
        'driver = "intensity"',
        'driver = "intensity"\ntarget = "x"',
        "only an infusion",
    ),
    "parameter that is not there": (
        "[parameter.clearance]",
        "[parameter.clearence]",
        'Did you mean "clearance"',
    ),
    "bounds without a unit": ('"100 mL/min", "100 L/h"', "6.0, 100.0", "has no unit"),
    "bounds of another dimension": ('"100 L/h"]', '"100 L"]', "a bound of clearance"),
    "bounds the wrong way round": ('"100 mL/min", "100 L/h"', '"100 L/h", "1 L/h"', "not below the upper"),
    "value outside its bounds": ('"100 mL/min", "100 L/h"', '"20 L/h", "100 L/h"', "12 L/h lies outside"),
    "muscle that is no mass": ('active_muscle = "12 kg"', 'active_muscle = "12 L"', "a volume"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_in_a_card_is_named_with_its_line(tmp_path: Path, kind: str) -> None:
    old, new, words = WRONG[kind]
    assert old in CARD
    found = refused(tmp_path, card := CARD.replace(old, new, 1))
    matching = [line for line, message in found if words in message]
    assert matching, found
    near = line_in(card, new.strip().splitlines()[-1] if new.strip() else "")
    assert matching[0] is not None
    assert abs(matching[0] - near) <= (4 if "infusion" in kind else 0)


def test_a_missing_key_is_named_with_the_line_of_its_table(tmp_path: Path) -> None:
    found = refused(tmp_path, CARD.replace('source = "a book"\n', ""))
    assert found == [
        (line_in(CARD, "[modality.running]"), 'modality.running.source: the key "source" is missing ')
    ]


def test_a_thing_given_twice_is_named(tmp_path: Path) -> None:
    twice = CARD + '\n[[input]]\nid = "load"\ndriver = "intensity"\n'
    messages = [message for _, message in refused(tmp_path, twice)]
    assert len(messages) == 2
    assert all("given twice" in message for message in messages)


def test_every_problem_of_a_card_comes_in_one_raise(tmp_path: Path) -> None:
    card = CARD
    for kind in ("unknown key", "unknown driver", "unknown grade", "negative sd"):
        card = card.replace(*WRONG[kind][:2], 1)
    assert len(refused(tmp_path, card)) >= 4


def test_a_shipped_model_needs_an_entry_for_every_parameter(tmp_path: Path) -> None:
    messages = [message for _, message in refused(tmp_path, CARD, strict=True)]
    assert sorted(message.split('"')[1] for message in messages) == ["body_mass", "rest"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'title = "a\n', "not TOML"),
        (b'title = "a"\ntitle = "b"\n', "not TOML"),
        (b'title = "\xe9"\n', "not UTF-8"),
        (b"a = " + b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        (b"#" * 1_000_001, "1 MB is the limit"),
        (b"", 'the key "title" is missing'),
    ],
)
def test_a_broken_card_is_refused_without_a_traceback(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "model.ant").write_text(MODEL)
    (tmp_path / "model.toml").write_bytes(data)
    with pytest.raises(ModelFileError, match=words):
        load_model(tmp_path)


def test_the_drivers_of_a_card_are_those_that_a_protocol_has(tmp_path: Path) -> None:
    from exsim.inputs.findings import Findings

    for driver in DRIVERS:
        text = f'title = "t"\n[[input]]\nid = "a"\ndriver = "{driver}"\n'
        assert read_card(text.encode(), Findings("model.toml")) is not None
    assert SUBJECT_PROPERTIES == ("body_mass", "muscle_glycogen")
