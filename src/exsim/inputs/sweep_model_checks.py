"""The `[sweep]` of a config against its model: targets, units, limits, times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError, InputError, UnitError, did_you_mean
from ..model_spec import ModelSpec
from ..sweep_metrics import read_metric
from ..sweep_spec import SweepSpec
from ..sweep_targets import Target, analytes, resolve_target
from ..sweep_terms import parameter_of
from ..units import factor
from .config_checks import ConfigFindings
from .sweep_table import read_listed_draws
from .sweep_times import check_sweep_times
from .toml_lines import KeyPath

if TYPE_CHECKING:
    from .config import LoadedConfig


def check_sweep_against_model(found: ConfigFindings, config: LoadedConfig, model: ModelSpec) -> None:
    """Note what of a config's `[sweep]` does not fit its model, its protocol or its file of draws."""
    sweep = config.spec.sweep
    if sweep is None:
        return
    targets: list[Target] = []
    for index, vary in enumerate(sweep.vary):
        try:
            targets.append(resolve_target(vary, config.spec, model))
        except ConfigError as error:
            problem = error.problems[0]
            if problem.key == "nominal":
                continue  # the config's own value is wrong, which is said where it stands
            found.refuse(problem.message, ("sweep", "vary", index, problem.key or "target"), problem.hint)
    _check_kept(found, sweep, model)
    if found.problems:
        return
    _check_one_place(found, model, targets)
    _check_bounds(found, model, targets)
    listed = None
    if sweep.file is not None:
        try:
            listed = read_listed_draws(sweep, config.path.parent / sweep.file, targets)
        except InputError as error:
            found.problems += error.problems
            return
    check_sweep_times(found, config.spec, targets, listed)


def _check_kept(found: ConfigFindings, sweep: SweepSpec, model: ModelSpec) -> None:
    known = analytes(model)
    # Ids of rules and states are taken too, but what a lab measures is proposed.
    proposed = [] if model.card is None else [item.analyte for item in model.card.observables]
    places: list[tuple[KeyPath, str]] = [(("sweep", "metrics", name), name) for name in sweep.metrics]
    for key in ("bands", "trajectories"):
        places += [(("sweep", key, index), name) for index, name in enumerate(getattr(sweep, key))]
    for path, name in places:
        if name not in known:
            hint = did_you_mean(name, proposed or list(known))
            found.refuse(f'the model "{model.name}" has no analyte "{name}"', path, hint)
    for analyte, words in sweep.metrics.items():
        for index, word in enumerate(words if analyte in known else ()):
            threshold = read_metric(word).threshold
            if threshold is None:
                continue
            path = ("sweep", "metrics", analyte, index)
            unit = known[analyte].unit or "dimensionless"
            try:
                factor(threshold.unit, unit)
            except UnitError as error:
                found.refuse(f'"{word}": {error.problems[0].message}', path, f'give it in "{unit}"')


def _check_one_place(found: ConfigFindings, model: ModelSpec, targets: list[Target]) -> None:
    # Two targets that set one parameter of the model.
    first: dict[str, str] = {}
    for index, target in enumerate(targets):
        id = parameter_of(target.path, model)
        if id is None:
            continue
        path: KeyPath = ("sweep", "vary", index, "target")
        if id in first:
            found.refuse(f"{target.text} and {first[id]} are both {id}", path, "keep one of them")
        first.setdefault(id, target.text)


def _check_bounds(found: ConfigFindings, model: ModelSpec, targets: list[Target]) -> None:
    units = {item.id: item.unit for item in model.parameters}
    cards = {} if model.card is None else dict(model.card.parameters)
    for index, target in enumerate(targets):
        id = parameter_of(target.path, model)
        path: KeyPath = ("sweep", "vary", index)
        if target.marginal is not None and target.marginal.kept < 0.5:
            share = f"{1 - target.marginal.kept:.0%}"
            found.warn(f"{share} of the distribution lies outside its limits and is cut off", path)
        bounds = cards[id].bounds if id is not None and id in cards else None
        if bounds is None or (target.marginal is None and not target.levels):
            continue
        outside = _share_outside(target, bounds)
        if outside > 0.01:
            limits = f"{bounds[0]:g} to {bounds[1]:g} {units[id or '']}"
            found.warn(f"{outside:.0%} of draws lie outside the bounds that the model gives ({limits})", path)


def _share_outside(target: Target, bounds: tuple[float, float]) -> float:
    if target.marginal is not None:
        return 1.0 - target.marginal.share_between(*bounds)
    levels = np.array(target.levels)
    return float(np.mean((levels < bounds[0]) | (levels > bounds[1])))
