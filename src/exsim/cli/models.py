"""`exsim models [NAME]`: the shipped models; the card of one."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..api import load_model
from ..formula import Expr, Name, Number
from ..inputs.shipped import shipped_models
from ..model_spec import DRIVERS, ModelCard, ModelSpec


def models(name: str | None, *, json_output: bool) -> int:
    """Print the list of shipped models, or the card of the model `name`; exit code 0."""
    if name is None:
        listed = [_listing(load_model(each, Path.cwd())) for each in shipped_models()]
        print(json.dumps({"models": listed}) if json_output else "\n".join(_list_text(listed)))
        return 0
    model = load_model(name, Path.cwd())
    print(json.dumps(_card(model)) if json_output else "\n".join(_card_text(model)))
    return 0


def _card_of(model: ModelSpec) -> ModelCard:
    return model.card or ModelCard(title=model.name)


def _listing(model: ModelSpec) -> dict[str, Any]:
    card = _card_of(model)
    return {
        "name": model.name,
        "title": card.title,
        "states": len(model.states),
        "parameters": len(model.parameters),
        "grades": dict(Counter(entry.grade for _, entry in card.parameters)),
        "analytes": [observable.analyte for observable in card.observables],
    }


def _list_text(listed: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for item in listed:
        grades = ", ".join(f"{count} {grade}" for grade, count in sorted(item["grades"].items()))
        lines += [
            f"{item['name']}: {item['title']}",
            f"  {item['states']} states, {item['parameters']} parameters ({grades or 'no card'})",
            f"  analytes: {', '.join(item['analytes']) or 'none'}",
        ]
    return [*lines, "", "The card of one: exsim models NAME"] if lines else ["no model is shipped"]


def _card(model: ModelSpec) -> dict[str, Any]:
    """Return the whole card: inputs, species, observables and every parameter with its source."""
    card = _card_of(model)
    entries = dict(card.parameters)
    named: list[Any] = [*model.states, *model.assignments, *model.parameters, *model.inputs]
    units = {item.id: item.unit for item in named}
    values = {parameter.id: parameter.value for parameter in model.parameters}
    return {
        **_listing(model),
        "description": card.description.strip(),
        "inputs": [
            {"input": d.input, "driver": d.driver, "target": d.target, "meaning": DRIVERS[d.driver]}
            for d in card.drivers
        ],
        "boluses": [{"target": target, "state": state} for target, state in card.boluses],
        "species": [
            {
                "id": state.id,
                "unit": state.unit,
                "initial": _initial(state.initial, values),
            }
            for state in model.states
        ],
        "observables": [
            {"analyte": o.analyte, "id": o.id, "label": o.label, "unit": units[o.id]}
            for o in card.observables
        ],
        "modalities": [
            {
                "name": name,
                "active_muscle_kg": modality.active_muscle_kg,
                "eccentric_load": modality.eccentric_load,
                "whole_body_fraction": modality.whole_body_fraction,
                "source": modality.source,
                "grade": modality.grade,
            }
            for name, modality in card.modalities
        ],
        "parameter_list": [
            {"id": parameter.id, "value": parameter.value, "unit": parameter.unit}
            | (
                {}
                if parameter.id not in entries
                else {
                    "label": entries[parameter.id].label,
                    "source": entries[parameter.id].source,
                    "tag": entries[parameter.id].tag,
                    "grade": entries[parameter.id].grade,
                    "note": entries[parameter.id].note,
                }
            )
            for parameter in model.parameters
        ],
    }


def _initial(tree: Expr, values: dict[str, float | None]) -> float | None:
    # A number, or the parameter that holds it; None where a formula computes it.
    if isinstance(tree, Number):
        return tree.value
    return values.get(tree.id) if isinstance(tree, Name) else None


def _card_text(model: ModelSpec) -> list[str]:
    card = _card(model)
    lines = [f"{card['name']}: {card['title']}"]
    lines += textwrap.wrap(card["description"], 100)
    lines += ["", "A protocol may drive", *_columns([_input_row(item) for item in card["inputs"]])]
    lines += [f"  bolus of {item['target']} into {item['state']}" for item in card["boluses"]]
    rows = [(s["id"], _value(s["initial"], "computed"), s["unit"]) for s in card["species"]]
    lines += ["", f"Species and other states ({len(rows)}): id, value at the start, unit", *_columns(rows)]
    rows = [(o["analyte"], o["unit"], o["label"]) for o in card["observables"]]
    lines += ["", "Observables", *_columns(rows)]
    if card["modalities"]:
        lines += ["", "Kinds of exercise: muscle at work (kg), eccentric share, whole-body share, grade"]
        lines += _columns(
            (
                m["name"],
                f"{m['active_muscle_kg']:g}",
                f"{m['eccentric_load']:g}",
                f"{m['whole_body_fraction']:g}",
                m["grade"],
            )
            for m in card["modalities"]
        )
    grades = ", ".join(f"{count} {grade}" for grade, count in sorted(card["grades"].items()))
    lines += ["", f"Parameters ({len(card['parameter_list'])}: {grades or 'no card'})"]
    lines += _columns(
        (
            p["id"],
            _value(p["value"], "computed"),
            p["unit"],
            p.get("grade", "-"),
            p.get("tag", "-"),
            _source(p),
        )
        for p in card["parameter_list"]
    )
    return lines


def _input_row(item: dict[str, Any]) -> tuple[str, str]:
    target = f" of {item['target']}" if item["target"] else ""
    return item["input"], f"{item['driver']}{target}: {item['meaning']}"


def _value(value: float | None, absent: str) -> str:
    return absent if value is None else f"{value:.6g}"


def _source(parameter: dict[str, Any]) -> str:
    return "; ".join(
        part for part in (parameter.get("label"), parameter.get("source"), parameter.get("note")) if part
    )


def _columns(rows: Iterable[Sequence[str]]) -> list[str]:
    # Aligned columns; the last runs on.
    listed = [tuple(row) for row in rows]
    if not listed:
        return ["  none"]
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]) - 1)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()
        for row in listed
    ]
