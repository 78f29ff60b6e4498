"""[population] of a config, with its free numbers, its data and its table of people -> Population."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError, Problem
from ..fit_problem import PlacedTarget
from ..measurements import LabData
from ..population import Covariate, Population, RandomEffect, Spread
from ..sample_spec import EffectSpec, PopulationSpec, SpreadSpec
from ..sweep_spec import PROTOCOL_KEYS, TargetPath
from ..sweep_terms import number_in
from .config_checks import ConfigFindings
from .covariates import read_covariate
from .fit_rows import Wanted
from .fit_targets import FreeTarget
from .lab_data_text import listed
from .people_table import People
from .toml_lines import KeyPath

if TYPE_CHECKING:
    from .config import LoadedFit

#: Typical sd between people of the natural logarithm of a number, where the config says none.
USUAL_SPREAD = 0.5
#: Names that one complaint lists.
_MOST_NAMES = 8


def read_population(
    found: ConfigFindings,
    config: LoadedFit,
    people: People | None,
    table: LabData,
    wanted: Sequence[Wanted],
    targets: Sequence[FreeTarget],
    placed: Sequence[PlacedTarget],
) -> Population | None:
    """Return how the people of the data differ; None without a [population], or where nothing can be made.

    `wanted` are the simulations in the order of the problem, `placed` says which free numbers act in them.
    What is wrong is noted.
    """
    spec = config.spec.population
    if spec is None:
        return None
    _check_rows(found, table)
    subjects = tuple(dict.fromkeys(table.subject))
    if len(subjects) < 2:
        message = f'the data are of one subject, "{subjects[0]}": nobody differs from anybody'
        found.refuse(message, ("population",), "leave [population] out, or measure more people")
    known = {item.target.path: place for place, item in enumerate(targets)}
    effects: list[RandomEffect] = []
    of_path: dict[TargetPath, int] = {}
    for index, item in enumerate(spec.effect):
        place = known.get(item.path)
        if place is not None:
            of_path[item.path] = len(effects)
            path: KeyPath = ("population", "effect", index)
            owned = _owned(placed[place], wanted, subjects)
            effects.append(_effect(found, path, item, targets[place], owned, len(subjects)))
    if people is not None:
        _check_people(found, people, subjects)
    covariates = _covariates(
        found, spec, people, subjects, of_path, [targets[known[path]] for path in of_path]
    )
    several = len(effects) > 1
    return Population(
        subjects=subjects,
        effects=tuple(effects),
        covariates=tuple(covariates),
        correlated=several if spec.correlated is None else spec.correlated and several,
    )


# ---- people ------------------------------------------------------------------------------------------


def _check_rows(found: ConfigFindings, table: LabData) -> None:
    groups = [int(line) for line, mean in zip(table.line, table.group_mean, strict=True) if mean]
    nobody = [
        int(line)
        for line, subject in zip(table.line, table.subject, strict=True)
        if not subject or subject.lower() == "group"
    ]
    for lines, column, what in (
        (groups, "n", "the mean of a group, which is of no person"),
        (nobody, "subject", "of no subject"),
    ):
        if lines:
            more = f" (and on {listed(lines[1:])})" if len(lines) > 1 else ""
            hint = "give each person's own values, or leave [population] out of the config"
            message = f"with [population] each row is one person's, and this is {what}{more}"
            found.problems.append(Problem(message, str(table.path), lines[0], column, hint))


def _check_people(found: ConfigFindings, people: People, subjects: Sequence[str]) -> None:
    missing = [name for name in subjects if name not in people.rows]
    if not missing:
        return
    shown = ", ".join(missing[:_MOST_NAMES])
    more = f" and {len(missing) - _MOST_NAMES:,} more" if len(missing) > _MOST_NAMES else ""
    unused = [name for name in people.rows if name not in subjects]
    rest = f", which is of {', '.join(unused[:_MOST_NAMES])} besides" if unused else ""
    message = f"no row is of {shown}{more}{rest}"
    hint = "add a row for each subject of the measurements, with the name as it is written there"
    found.problems.append(Problem(message, str(people.path), None, "subject", hint))


# ---- effects -----------------------------------------------------------------------------------------


def _owned(placed: PlacedTarget, wanted: Sequence[Wanted], subjects: Sequence[str]) -> list[tuple[int, int]]:
    # (subject, place of the number in FitProblem.free), by subject and then by condition.
    numbers = {name: number for number, name in enumerate(subjects)}
    found = sorted(
        (numbers[item.subject], item.condition, place)
        for item, place in zip(wanted, placed.free, strict=True)
        if place >= 0
    )
    return list(dict.fromkeys((subject, place) for subject, _, place in found))


def _effect(
    found: ConfigFindings,
    path: KeyPath,
    item: EffectSpec,
    target: FreeTarget,
    owned: Sequence[tuple[int, int]],
    people: int,
) -> RandomEffect:
    _check_protocol(found, (*path, "parameter"), target)
    having = len({subject for subject, _ in owned})
    if having < 2 <= people:
        message = f"{'one subject has' if having else 'no subject has'} a {target.name} of their own"
        hint = "leave the effect out: in all other conditions the config gives its value"
        found.refuse(message, (*path, "parameter"), hint)
    between = _spread(found, (*path, "between"), item.between, target)
    within = None if item.within is None else _spread(found, (*path, "within"), item.within, target)
    if within is not None and len(owned) == having:
        message = "no subject was measured in two conditions: occasions cannot be told from people"
        found.warn(message, (*path, "within"))
    return RandomEffect(
        name=target.name,
        label=target.target.label,
        unit=target.target.unit,
        places=np.array([place for _, place in owned], dtype=np.int64),
        subject=np.array([subject for subject, _ in owned], dtype=np.int64),
        typical=target.prior,
        between=between,
        within=within,
    )


def _check_protocol(found: ConfigFindings, path: KeyPath, target: FreeTarget) -> None:
    # What is done belongs to a condition: people share a typical value only where all do the same.
    starts = sorted({start for start in target.starts if start is not None})
    if target.target.path.kind in PROTOCOL_KEYS and not math.isclose(starts[0], starts[-1]):
        values = ", ".join(f"{start:.6g}" for start in starts[:5])
        unit = "" if target.target.unit == "dimensionless" else f" {target.target.unit}"
        message = f"{target.name} differs between conditions ({values}{unit}): people share no typical value"
        hint = 'leave the effect out, and write per = "condition" under [[fit.parameter]]'
        found.refuse(message, path, hint)


def _spread(found: ConfigFindings, path: KeyPath, given: SpreadSpec | None, target: FreeTarget) -> Spread:
    # On the estimation scale: a number on a logarithm or logit, in the unit of the quantity otherwise.
    if given is None:
        if target.scale not in ("log", "log10"):
            own = target.scale == "linear" and target.target.unit != "dimensionless"
            example = f'"... {target.target.unit}"' if own else "0.5"
            message = f"how much does {target.name} differ between people, on its {target.scale} scale?"
            found.refuse(message, path, f"write between = {example}: a typical sd between people")
        return Spread("halfnormal", USUAL_SPREAD / (math.log(10) if target.scale == "log10" else 1.0))
    unit = target.target.unit if target.scale == "linear" else "dimensionless"
    try:
        return Spread(given.kind, number_in(given.scale, unit))
    except ConfigError as error:
        problem = error.problems[0]
        hint = problem.hint
        if target.scale != "linear":
            hint = f"{target.name} is estimated on a {target.scale} scale, where an sd is a number: 0.3"
        found.refuse(problem.message, path, hint)
        return Spread(given.kind, 1.0)


# ---- covariates --------------------------------------------------------------------------------------


def _covariates(
    found: ConfigFindings,
    spec: PopulationSpec,
    people: People | None,
    subjects: Sequence[str],
    effects: dict[TargetPath, int],
    targets: Sequence[FreeTarget],
) -> list[Covariate]:
    if people is None:
        return []
    made = []
    for index, item in enumerate(spec.covariate):
        effect = effects.get(item.path)
        if effect is None or item.name not in people.cells:
            continue
        path: KeyPath = ("population", "covariate", index)
        entered = read_covariate(found, path, item, people, subjects, targets[effect].scale)
        if entered is not None:
            made.append(
                Covariate(
                    item.name,
                    effect,
                    entered.values,
                    item.sd,
                    entered.form,
                    people.unit_of(item.name),
                    entered.levels,
                )
            )
    return made
