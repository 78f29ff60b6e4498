"""Arrays and names -> xarray: the only labelling code. Every variable has its units."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .model import Model
from .model_spec import ObservableCard
from .protocol import Protocol
from .solving import Trajectory


def trajectory_dataset(
    model: Model,
    protocol: Protocol,
    trajectory: Trajectory,
    rest: Mapping[str, float],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Return a solve as a Dataset: dimension `time` in hours, a variable per species, rule and input.

    `rest` is the level of every state and rule before anything is done. Attributes of a variable:
    `units`, `long_name`, `role` (state, rule or input), `rest` and, for what a lab measures,
    `analyte` and `plotted`; what a lab measures comes first, in the order of the model's card.
    Attributes of the set: `model`, `title`, and what was done as JSON lists: `bouts`, `infusions`,
    `boluses`, with times in hours.
    """
    observables = {} if model.spec.card is None else {o.id: o for o in model.spec.card.observables}
    # To NumPy first: taking a JAX array apart compiles a program of its own.
    states, rules, inputs = (np.asarray(x) for x in (trajectory.states, trajectory.rules, trajectory.inputs))
    columns = [
        *(("state", id, values) for id, values in zip(model.state_ids, states, strict=True)),
        *(
            ("rule", id, values)
            for id, values in zip(model.rule_ids, rules, strict=True)
            if id in observables or id not in model.fixed
        ),
        *(("input", item.id, values) for item, values in zip(model.spec.inputs, inputs, strict=False)),
    ]
    order = list(observables)
    columns.sort(key=lambda column: order.index(column[1]) if column[1] in order else len(order))
    units = model.units
    return xr.Dataset(
        {
            id: ("time", values, _attributes(id, units[id], role, rest, observables.get(id)))
            for role, id, values in columns
        },
        coords={"time": ("time", np.asarray(trajectory.time_h), {"units": "h", "long_name": "time"})},
        attrs={
            "model": model.spec.name,
            "title": model.spec.name if model.spec.card is None else model.spec.card.title,
            "bouts": json.dumps(bout_table(protocol)),
            "infusions": json.dumps(infusion_table(protocol)),
            "boluses": json.dumps(bolus_table(protocol)),
            **attributes,
        },
    )


def _attributes(
    id: str, unit: str, role: str, rest: Mapping[str, float], observable: ObservableCard | None
) -> dict[str, Any]:
    attributes: dict[str, Any] = {"units": unit, "role": role, "long_name": id}
    if id in rest:
        attributes["rest"] = rest[id]
    if observable is not None:
        attributes |= {
            "long_name": observable.label,
            "analyte": observable.analyte,
            "plotted": int(observable.plotted),
        }
    return attributes


def bout_table(protocol: Protocol) -> list[dict[str, Any]]:
    """Return every bout, repetitions apart: start and end in hours, intensity, modality, intervals.

    `intervals` is how many times work is done, `work_h` and `rest_h` the hours of each (rest 0 for one).
    """
    rows = [
        {
            "start_h": float(start),
            "end_h": float(end),
            "intensity": float(bout.levels["intensity"]),
            "modality": bout.modality,
            "intervals": bout.intervals,
            "work_h": float(bout.duration_h - (bout.intervals - 1) * bout.rest_h) / bout.intervals,
            "rest_h": float(bout.rest_h) if bout.intervals > 1 else 0.0,
        }
        for bout in protocol.bouts
        for start, end in bout.repetitions()
    ]
    return sorted(rows, key=lambda row: row["start_h"])


def infusion_table(protocol: Protocol) -> list[dict[str, Any]]:
    """Return every infusion and intake: input, start and end in hours, level."""
    rows = []
    for item in protocol.infusions:
        start, end = (float(edge) for edge in protocol.window(item))
        rows.append({"input": item.input, "start_h": start, "end_h": end, "level": float(item.level)})
    return rows


def bolus_table(protocol: Protocol) -> list[dict[str, Any]]:
    """Return every bolus: target state, time in hours, amount."""
    return [
        {
            "target": item.state,
            "time_h": float(item.time_h) + (float(protocol.end_h) if item.after_end else 0.0),
            "dose": float(item.amount),
        }
        for item in protocol.boluses
    ]
