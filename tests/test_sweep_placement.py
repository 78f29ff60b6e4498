"""Draws placed in parameters and protocol: a draw is what a config with its values says."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exsim.inputs.model_files import load_model
from exsim.jax_setup import jax
from exsim.model import Model, compile_model
from exsim.protocol import Protocol, compile_protocol
from exsim.spec import RunSpec
from exsim.sweep_placement import place_draws
from exsim.sweep_targets import resolve_targets
from exsim.workflows import parameter_values

BASE: dict[str, Any] = {
    "schema": 1,
    "model": "il6_axis",
    "subject": {"body_mass": "80 kg"},
    "protocol": {
        "bout": [
            {"start": "0 h", "duration": "2 h", "intensity": 0.6, "modality": "knee_extension", "legs": 1},
            {"start": "5 h", "duration": "1 h", "intensity": 0.4, "whole_body_intensity": 0.3},
        ],
        "intake": [{"carbohydrate": "60 g/h", "start": "0 h", "duration": "1 h"}],
        "infusion": [
            {"target": "IL6", "rate": "1 ug/h", "start": "end + 30 min", "duration": "1 h"},
            {"target": "IL6", "rate": "20 ng/kg/h", "start": "1 h", "duration": "1 h"},
        ],
        "bolus": [{"target": "LPS", "dose": "4 ng", "time": "1 h"}],
    },
    "output": {"until": "12 h"},
}


@pytest.fixture(scope="module")
def model() -> Model:
    return compile_model(load_model("il6_axis"))


def _placed(
    model: Model, vary: list[dict[str, Any]], values: list[list[float]]
) -> tuple[np.ndarray, Protocol]:
    spec = RunSpec.model_validate(BASE | {"sweep": {"draws": 8, "vary": vary}})
    targets = resolve_targets(spec, model.spec)
    return place_draws(model, spec, targets, np.array(values, dtype=np.float64))


def _one(model: Model, values: dict[str, Any]) -> tuple[np.ndarray, Protocol]:
    # A config as a single run takes it; doses are not yet multiplied with the body mass.
    spec = RunSpec.model_validate(values)
    return parameter_values(spec, model), compile_protocol(spec, model)


def _replaced(path: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(BASE)
    inner: Any = values
    *parts, last = path.split(".")
    for part in parts:
        inner = inner[int(part)] if part.isdigit() else inner.setdefault(part, {})
    inner[last] = value
    return values


@pytest.mark.parametrize(
    ("target", "vary_range", "number", "written"),
    [
        ("parameter.CL_IL6", ["1 L/h", "90 L/h"], 55.0, "55 L/h"),
        ("subject.muscle_glycogen", [0.2, 1.0], 0.5, 0.5),
        ("subject.baseline.IL10", ["0.5 pg/mL", "3 pg/mL"], 2.0, "2 pg/mL"),
        ("protocol.bout.0.start", ["0 h", "1 h"], 0.25, "15 min"),
        ("protocol.bout.0.duration", ["1 h", "3 h"], 2.5, "2.5 h"),
        ("protocol.bout.0.intensity", [0.1, 0.9], 0.7, 0.7),
        ("protocol.bout.1.intensity", [0.1, 0.9], 0.7, 0.7),
        ("protocol.bout.0.whole_body_intensity", [0.1, 0.9], 0.2, 0.2),
        ("protocol.bout.1.active_muscle", ["1 kg", "20 kg"], 9.0, "9 kg"),
        ("protocol.intake.0.carbohydrate", ["0 g/h", "90 g/h"], 30.0, "30 g/h"),
        ("protocol.intake.0.start", ["0 h", "3 h"], 2.0, "2 h"),
        ("protocol.infusion.0.rate", ["0 ug/h", "9 ug/h"], 2.0, "2 ug/h"),
        ("protocol.infusion.0.start", ["end", "end + 3 h"], 1.0, "end + 1 h"),
        ("protocol.infusion.1.duration", ["1 h", "3 h"], 2.0, "2 h"),
        ("protocol.bolus.0.time", ["1 h", "3 h"], 2.0, "120 min"),
        ("protocol.bolus.0.dose", ["1 ng", "9 ng"], 5.0, "5 ng"),
    ],
)
def test_a_draw_is_what_a_config_with_its_value_says(
    model: Model, target: str, vary_range: list[Any], number: float, written: Any
) -> None:
    parameters, protocol = _placed(model, [{"target": target, "range": vary_range}], [[number], [number]])
    expected, single = _one(model, _replaced(target, written))
    assert parameters.shape == (len(expected), 2)
    assert np.array_equal(parameters[:, 1], expected)
    # A dose per kg of a person of 80 kg.
    per_kg = _times_mass(single, 80.0)
    found, wanted = jax.tree.leaves(protocol), jax.tree.leaves(per_kg)
    assert len(found) == len(wanted)
    for leaf, value in zip(found, wanted, strict=True):
        assert np.broadcast_to(leaf, (2,))[1] == pytest.approx(value, rel=1e-14)
    assert jax.tree.structure(protocol) == jax.tree.structure(per_kg)


def _times_mass(protocol: Protocol, mass_kg: float) -> Protocol:
    return replace(
        protocol,
        infusions=tuple(
            replace(item, level=item.level * mass_kg**item.mass_power, mass_power=0)
            for item in protocol.infusions
        ),
        boluses=tuple(
            replace(item, amount=item.amount * mass_kg**item.mass_power, mass_power=0)
            for item in protocol.boluses
        ),
    )


def test_only_what_varies_is_an_array(model: Model) -> None:
    vary = [{"target": "protocol.bout.1.duration", "range": ["1 h", "2 h"]}]
    _, protocol = _placed(model, vary, [[1.0], [1.5], [2.0]])
    assert protocol.bouts[1].duration_h.shape == (3,)
    others = [leaf for leaf in jax.tree.leaves(protocol) if np.ndim(leaf)]
    assert len(others) == 1


def test_a_dose_per_kg_follows_a_varied_body_mass(model: Model) -> None:
    vary = [
        {"target": "subject.body_mass", "range": ["50 kg", "100 kg"]},
        {"target": "protocol.infusion.0.rate", "range": ["1 ug/h", "9 ug/h"]},
    ]
    parameters, protocol = _placed(model, vary, [[50.0, 1.0], [100.0, 2.0]])
    assert parameters[model.parameter_ids.index("body_mass")].tolist() == [50.0, 100.0]
    # 20 ng/kg/h; an absolute rate stays; LPS acts per kg: 4 ng are 0.08 and 0.04 ng/kg.
    assert np.asarray(protocol.infusions[1].level) == pytest.approx([1000.0, 2000.0])
    assert np.asarray(protocol.infusions[0].level) == pytest.approx([1000.0, 2000.0])
    assert np.asarray(protocol.boluses[0].amount) == pytest.approx([0.08, 0.04])
    assert {item.mass_power for item in (*protocol.infusions, *protocol.boluses)} == {0}


def test_whole_body_intensity_follows_a_varied_intensity_unless_it_is_given(model: Model) -> None:
    vary = [{"target": f"protocol.bout.{number}.intensity", "range": [0.1, 0.9]} for number in (0, 1)]
    _, protocol = _placed(model, vary, [[0.5, 0.5], [0.8, 0.8]])
    share = dict(model.spec.card.modalities)["knee_extension"].whole_body_fraction  # type: ignore[union-attr]
    assert protocol.bouts[0].levels["whole_body_intensity"] == pytest.approx(share * np.array([0.5, 0.8]))
    assert protocol.bouts[1].levels["whole_body_intensity"] == 0.3
    vary.append({"target": "protocol.bout.0.whole_body_intensity", "range": [0.1, 0.9]})
    _, protocol = _placed(model, vary, [[0.5, 0.5, 0.2], [0.8, 0.8, 0.3]])
    assert protocol.bouts[0].levels["whole_body_intensity"].tolist() == [0.2, 0.3]
