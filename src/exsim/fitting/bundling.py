"""FitProblem -> bundles of simulations, and the features that each row of the data is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from ..fit_problem import FitProblem, Quantity
from ..formula import names
from ..jax_setup import jax
from ..model import Model, compile_model
from ..protocol import Protocol, compile_protocol
from ..pruning import prune_model
from ..sweep_placement import driven_inputs
from ..sweep_terms import parameter_of
from ..workflows import parameter_values
from .features import OF_A_CURVE, Bundle, BundleNumbers, Kind

#: What a row compares: the feature that it is, and the one that it is held against ("" for none).
PARTS: dict[Quantity, tuple[Kind, Kind | None]] = {
    "level": ("value", None),
    "log2": ("value", None),
    "fold": ("value", "rest"),
    "peak_fold": ("peak", "rest"),
    "peak_level": ("peak", None),
    "time_of_peak": ("time_of_peak", None),
    "unchanged": ("furthest_fold", None),
    "ratio": ("value", "value"),
    "share_removed": ("rise", "rise"),
}


@dataclass(frozen=True)
class _Feature:
    simulation: int
    observable: int
    kind: Kind
    #: When, hours; 0 for what has no time.
    time_h: float = 0.0


@dataclass(frozen=True, eq=False)
class Bundled:
    """A bundle with its numbers, and where it stands in the problem."""

    bundle: Bundle
    numbers: BundleNumbers
    #: Places of its simulations in the problem, and of its targets in `FitProblem.placed`.
    simulations: Int[np.ndarray, "simulation"]
    targets: Int[np.ndarray, "target"]
    #: Places of its observables in the problem.
    observables: Int[np.ndarray, "observable"]
    #: Places of its features among all features.
    features: Int[np.ndarray, "feature"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is solved for a problem, and which features make each row."""

    bundles: tuple[Bundled, ...]
    #: Place of the feature of each row, and of the one that it is compared with (-1 for none).
    first: Int[np.ndarray, "row"]
    second: Int[np.ndarray, "row"]
    #: Simulation of each feature.
    simulation: Int[np.ndarray, "feature"]


def plan_features(problem: FitProblem) -> Plan:
    """Work out which features the rows need and which simulations are solved side by side."""
    model = compile_model(problem.model)
    places: dict[_Feature, int] = {}

    def place(feature: _Feature) -> int:
        return places.setdefault(feature, len(places))

    rows = problem.rows
    first, second = [], []
    for number, quantity in enumerate(rows.quantity):
        kind, other = PARTS[quantity]
        observable, simulation = int(rows.observable[number]), int(rows.simulation[number])
        at = 0.0 if kind not in ("value", "rise") else float(rows.time_h[number])
        first.append(place(_at(simulation, observable, kind, at)))
        if other is None:
            second.append(-1)
        elif other == "rest":
            second.append(place(_Feature(simulation, observable, "rest")))
        else:
            compared, at = int(rows.compared[number]), float(rows.compared_time_h[number])
            second.append(place(_at(compared, observable, other, at)))
    features = list(places)
    protocols = [compile_protocol(item.spec, model).without_names() for item in problem.simulations]
    forms: dict[Any, list[int]] = {}
    for simulation in sorted({feature.simulation for feature in features}):
        form = jax.tree.structure(protocols[simulation]), _driven(problem, model, simulation)
        forms.setdefault(form, []).append(simulation)
    bundles = tuple(
        _bundled(problem, model, simulations, features, [protocols[s] for s in simulations])
        for simulations in forms.values()
    )
    return Plan(
        bundles,
        np.array(first, dtype=np.int64),
        np.array(second, dtype=np.int64),
        np.array([feature.simulation for feature in features], dtype=np.int64),
    )


def _at(simulation: int, observable: int, kind: Kind, time_h: float) -> _Feature:
    # Before the start, and at it before anything is done, everything is at rest.
    if kind == "value" and time_h <= 0:
        return _Feature(simulation, observable, "rest")
    return _Feature(simulation, observable, kind, time_h)


def _targets(problem: FitProblem, simulations: Iterable[int]) -> list[int]:
    wanted = list(simulations)
    return [
        number
        for number, item in enumerate(problem.placed)
        if any(item.free[simulation] >= 0 for simulation in wanted)
    ]


def _driven(problem: FitProblem, model: Model, simulation: int) -> frozenset[str]:
    spec = problem.simulations[simulation].spec
    targets = [problem.placed[number].target for number in _targets(problem, [simulation])]
    return driven_inputs(model, compile_protocol(spec, model), targets)


def _bundled(
    problem: FitProblem,
    model: Model,
    simulations: list[int],
    features: list[_Feature],
    protocols: list[Protocol],
) -> Bundled:
    specs = tuple(problem.simulations[simulation].spec for simulation in simulations)
    targets = _targets(problem, simulations)
    mine = [number for number, feature in enumerate(features) if feature.simulation in simulations]
    asked = [features[number] for number in mine]
    observables = sorted({feature.observable for feature in asked})
    formulas = tuple(problem.observables[number].formula for number in observables)
    nominal = np.stack([parameter_values(spec, model) for spec in specs], axis=1)
    ids = [parameter_of(problem.placed[number].target.path, model.spec) for number in targets]
    changed = {id for id in ids if id is not None}
    same = (nominal == nominal[:, :1]).all(axis=1)
    known = {*model.state_ids, *model.rule_ids}
    pruned = compile_model(
        prune_model(
            model.spec,
            wanted=sorted({id for tree in formulas for id in names(tree)} & known),
            driven=_driven(problem, model, simulations[0]),
            changed=[
                id for id, one in zip(model.parameter_ids, same, strict=True) if id in changed or not one
            ],
            dosed=[bolus.state for protocol in protocols for bolus in protocol.boluses],
            values={
                id: float(row[0])
                for id, row, one in zip(model.parameter_ids, nominal, same, strict=True)
                if one and id not in changed
            },
        )
    )
    marks, last_h = _marks(asked, simulations, specs)
    kinds = tuple(feature.kind for feature in asked)
    bundle = Bundle(
        model=pruned,
        method=problem.method,
        max_steps=problem.max_steps,
        specs=specs,
        targets=tuple(problem.placed[number].target for number in targets),
        differs=tuple(bool(one) for one in ~same),
        observables=formulas,
        kinds=kinds,
    )
    width = max(map(len, marks))
    numbers = BundleNumbers(
        nominal=nominal,
        protocol=jax.tree.map(_side_by_side, *protocols),
        marks_h=np.array([[*own, *[own[-1]] * (width - len(own))] for own in marks]).T,
        last_h=np.array(last_h),
        until_h=np.float64(max(last_h)),
        rtol=np.float64(problem.rtol),
        atol=np.float64(problem.atol),
        simulation=np.array([simulations.index(feature.simulation) for feature in asked]),
        observable=np.array([observables.index(feature.observable) for feature in asked]),
        mark=np.array(
            [
                marks[simulations.index(feature.simulation)].index(feature.time_h)
                if feature.kind in ("value", "rise")
                else 0
                for feature in asked
            ]
        ),
    )
    return Bundled(
        bundle,
        numbers,
        np.array(simulations),
        np.array(targets, dtype=np.int64),
        np.array(observables),
        np.array(mine),
    )


def _marks(
    asked: list[_Feature], simulations: list[int], specs: tuple[Any, ...]
) -> tuple[list[list[float]], list[float]]:
    # The times at which each simulation is looked at, its end the last of them.
    marks, ends = [], []
    for simulation, spec in zip(simulations, specs, strict=True):
        own = [feature for feature in asked if feature.simulation == simulation]
        times = sorted({feature.time_h for feature in own if feature.kind in ("value", "rise")})
        if any(feature.kind in OF_A_CURVE for feature in own) or not times:
            times = sorted({*times, spec.output.until.to("h")})
        marks.append(times)
        ends.append(times[-1])
    return marks, ends


def _side_by_side(*leaves: Any) -> Any:
    # One number where all simulations have it, so that their edges may be shared.
    values = np.array([float(leaf) for leaf in leaves])
    return values[0] if (values == values[0]).all() else values
