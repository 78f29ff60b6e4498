"""[population] as far as it can be checked without model and data: names, files, what is said twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import did_you_mean
from ..fit_spec import DataSpec, FitParameterSpec, FitSettings
from ..free_names import free_path
from ..sample_spec import CovariateSpec, EffectSpec, PopulationSpec
from .config_checks import ConfigFindings, partly_read
from .fit_checks import is_plain_path
from .population_classes import check_classes
from .toml_lines import KeyPath

#: What tables call the numbers of noise and of studies.
_NOISE = re.compile(r"(?:sd|proportional|laplace_scale|t_scale|scale)(?:\[.*\])?", re.DOTALL)


def check_population(found: ConfigFindings, values: dict[str, Any]) -> None:
    """Note what is wrong with [population]."""
    population = values.get("population")
    if not isinstance(population, dict):
        return
    path: KeyPath = ("population",)
    data = partly_read(DataSpec, values.get("data"), ("evidence",))
    if data is not None and data.evidence is not None:
        found.refuse("a table of evidence has groups, not people", path, "leave [population] out")
    if not population.get("effect"):
        hint = 'write [[population.effect]] with parameter = "release_gain"'
        found.refuse("in nothing do people differ", (*path, "effect"), hint)
    effects = _effects(found, population, values.get("fit"))
    _check_covariates(found, population, [item.parameter for item in effects])
    _check_table(found, population)
    check_classes(found, population, values.get("observable"))
    said = partly_read(PopulationSpec, population, ("correlated",))
    if said is not None and said.correlated and len(effects) == 1:
        found.warn("one effect has no other to go together with", (*path, "correlated"))


def _effects(found: ConfigFindings, population: dict[str, Any], fit: Any) -> list[EffectSpec]:
    settings = partly_read(FitSettings, fit, ("free",))
    free = None if settings is None else {free_path(name): name for name in settings.free}
    effects: list[EffectSpec] = []
    first: dict[Any, int] = {}
    for index, values in enumerate(_list(population, "effect")):
        item = partly_read(EffectSpec, values, ("parameter",))
        if item is None:
            continue
        path: KeyPath = ("population", "effect", index, "parameter")
        if item.path in first:
            place = f"population.effect.{first[item.path]}"
            found.refuse(f'"{item.parameter}" is {place} already', path, "keep one of them")
        elif free is not None and item.path not in free:
            _refuse_unknown(found, item.parameter, path, list(free.values()))
        first.setdefault(item.path, index)
        effects.append(item)
    if isinstance(fit, dict):
        _check_per(found, fit, first)
    return effects


def _list(table: dict[str, Any], key: str) -> list[Any]:
    rows = table.get(key)
    return rows if isinstance(rows, list) else []


def _refuse_unknown(found: ConfigFindings, name: str, path: KeyPath, free: Sequence[str]) -> None:
    if _NOISE.fullmatch(name):
        hint = f"leave it out: a person has numbers of the model alone (accepted: {', '.join(free)})"
        found.refuse(f'"{name}" is a number of the noise, one for all', path, hint)
        return
    hint = f"add it to fit.free, or leave it out. {did_you_mean(name, free)}"
    found.refuse(f'"{name}" is not free', path, hint)


def _check_per(found: ConfigFindings, fit: dict[str, Any], effects: dict[Any, int]) -> None:
    for index, values in enumerate(_list(fit, "parameter")):
        item = partly_read(FitParameterSpec, values, ("name", "per"))
        if item is not None and item.per is not None and item.path in effects:
            message = f"{item.name} is one for each person already: population.effect.{effects[item.path]}"
            hint = "leave per out; within = 0.2 under the effect gives each condition of a person its own"
            found.refuse(message, ("fit", "parameter", index, "per"), hint)


def _check_covariates(found: ConfigFindings, population: dict[str, Any], effects: Sequence[str]) -> None:
    # An effect that could not be read is not unknown.
    whole = len(effects) == len(_list(population, "effect"))
    known = {free_path(name) for name in effects}
    first: dict[Any, int] = {}
    for index, values in enumerate(_list(population, "covariate")):
        item = partly_read(CovariateSpec, values, ("name", "on"))
        if item is None:
            continue
        path: KeyPath = ("population", "covariate", index)
        key = (item.name, item.path)
        if key in first:
            message = f'"{item.name}" on {item.on} is population.covariate.{first[key]} already'
            found.refuse(message, (*path, "name"), "keep one of them")
        first.setdefault(key, index)
        if whole and item.path not in known:
            hint = f"add a [[population.effect]] of it. {did_you_mean(item.on, effects)}"
            found.refuse(f'people do not differ in "{item.on}"', (*path, "on"), hint)


def _check_table(found: ConfigFindings, population: dict[str, Any]) -> None:
    table = partly_read(PopulationSpec, population, ("subjects",))
    if table is None:
        return
    if table.subjects is not None and not is_plain_path(table.subjects):
        hint = 'write a path relative to the config, e.g. "people.csv"'
        message = f'"{table.subjects[:60]}" is not a file that a config can name'
        found.refuse(message, ("population", "subjects"), hint)
    if table.subjects is None and _list(population, "covariate"):
        hint = 'write subjects = "people.csv" under [population]: columns subject, and one for each covariate'
        found.refuse("no table says what the people are like", ("population", "subjects"), hint)
