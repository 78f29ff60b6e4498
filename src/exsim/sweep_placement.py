"""The values of draws -> parameters and protocol of as many lanes: where each varied quantity acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from .dosing import convert_dose
from .model import Model
from .model_spec import ModelCard
from .protocol import Bolus, Bout, Infusion, Protocol, compile_protocol
from .shapes import PerLane
from .spec import RunSpec
from .sweep_targets import Target
from .sweep_terms import parameter_of
from .units import Quantity
from .workflows import parameter_values

Parameters = Float[np.ndarray, "parameter draw"]


@dataclass(frozen=True)
class _Drawn:
    # Values of the varied keys of one entry of the protocol, and the unit of each.
    values: dict[str, PerLane]
    units: dict[str, str]
    after_end: dict[str, bool]


def place_draws(
    model: Model, spec: RunSpec, targets: Sequence[Target], values: Float[np.ndarray, "draw quantity"]
) -> tuple[Parameters, Protocol]:
    """Return what the model takes for draws whose quantities have these values.

    `values` has the columns of `targets`, each in its unit. Returns the parameters, shape (parameter,
    draw), in the model's units, and the protocol: leaves that differ between draws are arrays (draw,),
    the others plain numbers. A dose per kg of body mass is worked out with the mass of each draw. The
    whole-body intensity follows a varied intensity unless the config gives it or varies it too.
    """
    nominal = parameter_values(spec, model)
    parameters = np.repeat(nominal[:, None], len(values), axis=1)
    rows: list[Any] = list(nominal)
    columns = np.ascontiguousarray(values.T)
    for target, column in zip(targets, columns, strict=True):
        id = parameter_of(target.path, model.spec)
        if id is not None:
            row = model.parameter_ids.index(id)
            parameters[row], rows[row] = column, column
    return parameters, place_protocol(model, spec, targets, list(columns), rows)


def place_protocol(
    model: Model, spec: RunSpec, targets: Sequence[Target], columns: Sequence[PerLane], rows: Sequence[Any]
) -> Protocol:
    """Return the protocol of `place_draws`; the column of each target may be traced.

    `rows` are the parameters of the model, each one number or one a draw. Targets that are not of the
    protocol are passed over.
    """
    entries: dict[tuple[str, int], _Drawn] = {}
    for target, column in zip(targets, columns, strict=True):
        if parameter_of(target.path, model.spec) is not None:
            continue
        place = (target.path.kind, target.path.index)
        entry = entries.setdefault(place, _Drawn({}, {}, {}))
        entry.values[target.path.key] = column
        entry.units[target.path.key] = target.unit
        entry.after_end[target.path.key] = target.after_end
    return _placed(model, spec, entries, _body_mass_kg(model, rows))


def _body_mass_kg(model: Model, rows: Sequence[Any]) -> PerLane:
    subject = {} if model.spec.card is None else dict(model.spec.card.subject)
    if "body_mass" not in subject:
        return np.float64(np.nan)
    at_start = model.start(np, rows, [0.0] * len(model.input_ids))
    return np.float64(1.0) * at_start.named(subject["body_mass"])


def _placed(
    model: Model, spec: RunSpec, entries: dict[tuple[str, int], _Drawn], mass_kg: PerLane
) -> Protocol:
    protocol, card = compile_protocol(spec, model), model.spec.card or ModelCard(model.spec.name)
    nothing = _Drawn({}, {}, {})
    bouts = tuple(
        _placed_bout(bout, entries.get(("bout", index), nothing), spec, index, card)
        for index, bout in enumerate(protocol.bouts)
    )
    # In the order of `compile_protocol`: infusions, then every intake for each input that it drives.
    fed = sum(driver.driver == "carbohydrate" for driver in card.drivers)
    places = [("infusion", index) for index in range(len(spec.protocol.infusion))]
    places += [("intake", index) for index in range(len(spec.protocol.intake)) for _ in range(fed)]
    infusions = tuple(
        _placed_infusion(item, entries.get(place, nothing), model, mass_kg)
        for item, place in zip(protocol.infusions, places, strict=True)
    )
    boluses = tuple(
        _placed_bolus(item, entries.get(("bolus", index), nothing), model, mass_kg)
        for index, item in enumerate(protocol.boluses)
    )
    return Protocol(bouts, infusions, boluses)


def _placed_bout(bout: Bout, drawn: _Drawn, spec: RunSpec, index: int, card: ModelCard) -> Bout:
    said = spec.protocol.bout[index]
    levels = dict(bout.levels)
    levels |= {
        key: drawn.values[key]
        for key in ("intensity", "whole_body_intensity", "active_muscle")
        if key in drawn.values
    }
    follows = said.whole_body_intensity is None and "whole_body_intensity" not in drawn.values
    if "intensity" in drawn.values and follows:
        legs = said.legs if said.modality == "knee_extension" else 1
        share = dict(card.modalities)[said.modality].whole_body_fraction * legs
        levels["whole_body_intensity"] = drawn.values["intensity"] * share
    return replace(
        bout,
        start_h=drawn.values.get("start", bout.start_h),
        duration_h=drawn.values.get("duration", bout.duration_h),
        levels=levels,
    )


def _placed_infusion(item: Infusion, drawn: _Drawn, model: Model, mass_kg: PerLane) -> Infusion:
    key = "rate" if "rate" in drawn.values else "carbohydrate"
    level, power = _dose(drawn, key, item.level, item.mass_power, model.units[item.input])
    return replace(
        item,
        start_h=drawn.values.get("start", item.start_h),
        duration_h=drawn.values.get("duration", item.duration_h),
        level=_per_subject(level, power, mass_kg),
        mass_power=0,
        after_end=drawn.after_end.get("start", item.after_end),
    )


def _placed_bolus(item: Bolus, drawn: _Drawn, model: Model, mass_kg: PerLane) -> Bolus:
    amount, power = _dose(drawn, "dose", item.amount, item.mass_power, model.units[item.state])
    return replace(
        item,
        time_h=drawn.values.get("time", item.time_h),
        amount=_per_subject(amount, power, mass_kg),
        mass_power=0,
        after_end=drawn.after_end.get("time", item.after_end),
    )


def _dose(drawn: _Drawn, key: str, nominal: PerLane, power: int, unit: str) -> tuple[PerLane, int]:
    if key not in drawn.values:
        return nominal, power

    scale, power = convert_dose(Quantity(1.0, drawn.units[key]), unit)
    return drawn.values[key] * scale, power


def _per_subject(amount: PerLane, power: int, mass_kg: PerLane) -> PerLane:
    return amount if power == 0 else amount * mass_kg**power


def driven_inputs(model: Model, protocol: Protocol, targets: Sequence[Target] = ()) -> frozenset[str]:
    """Return the ids of the inputs that a protocol drives, or may once its `targets` take other values."""
    card = model.spec.card
    varied = {(target.path.index, target.path.key) for target in targets if target.path.kind == "bout"}

    def drives(driver: str) -> bool:
        return any(
            bool(np.any(np.asarray(bout.levels.get(driver, 0.0)) != 0.0))
            or (index, driver) in varied
            or (driver == "whole_body_intensity" and (index, "intensity") in varied)
            for index, bout in enumerate(protocol.bouts)
        )

    drivers = [] if card is None else [item for item in card.drivers if not item.target]
    by_bouts = {item.input for item in drivers if drives(item.driver)}
    return frozenset(by_bouts | {item.input for item in protocol.infusions})
