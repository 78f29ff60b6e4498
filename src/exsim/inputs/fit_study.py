"""A config for a fit, with its model and its data -> FitProblem; every complaint at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..errors import ConfigError, EvidenceError, InputError, LabDataError, did_you_mean
from ..fit_problem import FitProblem, FitRows, FreeNumber, Observable, PlacedTarget, Simulation
from ..formula import names
from ..measurements import LabData
from ..model_spec import ModelSpec
from ..population import Population
from ..population_numbers import population_numbers
from ..spec import Method
from .config_checks import ConfigFindings
from .fit_conditions import Condition, read_conditions
from .fit_data import kinds_of, read_measurements, scales_of_rows
from .fit_evidence import evidence_rows, read_evidence_of_fit
from .fit_observables import check_kinds, read_observables, with_noise
from .fit_places import place_targets
from .fit_rows import (
    check_batches,
    make_rows,
    make_simulations,
    wanted_simulations,
    with_batch_numbers,
    with_study_factors,
)
from .fit_targets import FreeTarget, check_bout_bounds, read_free_targets
from .people_table import read_people
from .population import read_population
from .population_classes import with_classes
from .sample_checks import check_blanks, check_sampled

if TYPE_CHECKING:
    from .config import LoadedFit

#: The method of a config, and that of lanes that stands for it.
_METHODS: dict[Method, Literal["tsit5", "rodas"]] = {"auto": "tsit5", "tsit5": "tsit5", "kvaerno5": "rodas"}


@dataclass(frozen=True, eq=False)
class FitInputs:
    """What a config for a fit amounts to, and what is to be said of it in the record."""

    problem: FitProblem
    #: Places, among the numbers that a fit finds, of those that are profiled.
    profiled: tuple[int, ...]
    warnings: tuple[str, ...]
    repairs: tuple[str, ...]
    #: SHA-256 of the tables and of the run configs, by the name that the config gives them.
    file_hashes: dict[str, str]
    #: How people differ; None where the config does not say.
    population: Population | None = None


@dataclass(frozen=True, eq=False)
class _Parts:
    # What the data make of a problem.
    free: list[FreeNumber]
    placed: list[PlacedTarget]
    simulations: tuple[Simulation, ...]
    observables: list[Observable]
    rows: FitRows
    repairs: tuple[str, ...]
    targets: Sequence[FreeTarget]
    population: Population | None = None

    @property
    def reported(self) -> Sequence[FreeNumber]:
        """The numbers that a fit finds: of people who differ those of their population."""
        return self.free if self.population is None else population_numbers(self.free, self.population)

    @property
    def decided(self) -> list[FreeNumber]:
        """The numbers that nothing but data and their own priors decide; an effect counts as one."""
        effects = () if self.population is None else self.population.effects
        own = {place for item in effects for place in item.places.tolist()[1:]}
        return [item for place, item in enumerate(self.free) if place not in own]


def read_fit_inputs(config: LoadedFit, model: ModelSpec, *, sampled: bool = False) -> FitInputs:
    """Read what a config for a fit names and return the problem that it poses.

    `sampled` says that it is to be sampled, which wants more of it (`exsim.inputs.sample_checks`).

    Raises ConfigError with all that does not fit the model or the data, in the config, in the run
    configs of its conditions and in the tables; LabDataError or EvidenceError where it is in the tables
    alone.
    """
    assert config.source is not None
    found = ConfigFindings(config.source, warnings=list(config.warnings))
    hashes: dict[str, str] = {}
    read = _of_table if config.spec.data.evidence is None else _of_evidence
    parts = read(found, config, model, hashes)
    profiled: tuple[int, ...] = ()
    if parts is not None:
        if sampled or parts.population is not None:
            rows, observables = with_batch_numbers(parts.rows, parts.free, parts.observables)
            parts = replace(parts, rows=rows, observables=observables)
        profiled = _profiled(found, config, parts.reported)
        _check_numbers(found, parts, sampled=sampled)
        if sampled:
            check_sampled(found, config.spec, parts.targets)
        if sampled or parts.population is not None:
            check_blanks(found, config.spec)
    if parts is None or found.problems:
        raise _error(found, LabDataError if config.spec.data.evidence is None else EvidenceError)
    solver = config.spec.solver
    problem = FitProblem(
        name=config.name,
        model=model,
        free=tuple(parts.free),
        placed=tuple(parts.placed),
        simulations=parts.simulations,
        observables=tuple(parts.observables),
        rows=parts.rows,
        rtol=solver.rtol,
        atol=solver.atol,
        method=_METHODS[solver.method],
        max_steps=solver.max_steps,
    )
    return FitInputs(problem, profiled, tuple(found.warnings), parts.repairs, hashes, parts.population)


def _error(found: ConfigFindings, of_table: type[InputError]) -> InputError:
    file = found.source.file
    listed = sorted(found.problems, key=lambda item: (item.file != file, item.file or "", item.line or 0))
    elsewhere = all(item.file not in (file, None) and not str(item.file).endswith(".toml") for item in listed)
    return of_table(listed) if elsewhere else ConfigError(listed)


# ---- a table of measurements -------------------------------------------------------------------------


def _of_table(
    found: ConfigFindings, config: LoadedFit, model: ModelSpec, hashes: dict[str, str]
) -> _Parts | None:
    observed = read_observables(found, config, model)
    taken = {id for item in observed for id in names(item.formula)}
    conditions = read_conditions(found, config, model, hashes, taken)
    targets = read_free_targets(found, config, model, conditions, [item.formula for item in observed])
    check_bout_bounds(found, targets, conditions)
    table = read_measurements(found, config, model, conditions, observed, hashes)
    people = read_people(found, config, hashes)
    if table is None or len(observed) < len(config.spec.observable):
        # What a row is for its observable can be said only where both were read.
        return None
    measured = {item.spec.analyte: item for item in observed if item.spec.analyte in table.analyte}
    fits = [check_kinds(found, item, kinds_of(table, name)) for name, item in measured.items()]
    scales = scales_of_rows(found, table, measured)
    per_subject = config.spec.population is not None or any(item.per == "subject" for item in targets)
    wanted, simulation = wanted_simulations(table, conditions, per_subject=per_subject)
    places = [(item.condition, item.name, item.subject) for item in wanted]
    free, placed = place_targets(targets, places)
    _check_placed(found, targets, placed)
    population = read_population(found, config, people, table, wanted, targets, placed)
    made = [with_noise(found, item, kinds_of(table, name), free) for name, item in measured.items()]
    observables = [item for item in made if item is not None]
    if not all(fits) or len(observables) < len(measured):
        return None
    if population is not None and config.spec.population is not None:
        population = with_classes(found, population, config.spec.population, observables)
    rows = make_rows(table, conditions, measured, observables, simulation, scales)
    check_batches(found, table, rows, observables)
    _warn_of_moving_ends(found, table, targets, conditions)
    batches = {name: name for name in dict.fromkeys(rows.group) if name}
    rows = _with_studies(found, config, rows, free, batches)
    simulations = make_simulations(wanted, conditions, simulation, rows.time_h)
    repairs = table.repairs if people is None else (*table.repairs, *people.repairs)
    return _Parts(free, placed, simulations, observables, rows, repairs, targets, population)


def _check_placed(
    found: ConfigFindings, targets: Sequence[FreeTarget], placed: Sequence[PlacedTarget]
) -> None:
    for item, place in zip(targets, placed, strict=True):
        if all(number < 0 for number in place.free):
            hint = "leave it out of fit.free"
            found.refuse(f"no datum is of a condition in which {item.name} is free", item.path, hint)


def _warn_of_moving_ends(
    found: ConfigFindings, table: LabData, targets: Sequence[FreeTarget], conditions: Sequence[Condition]
) -> None:
    moving = [
        item
        for item in targets
        if item.target.path.kind == "bout" and item.target.path.key in ("start", "duration")
    ]
    late = table.after_end.any()
    for item in moving if late else ():
        found.warn(
            "the end of the bout moves with it, and times of the table count from there: they are taken"
            " from its end as the config has it",
            item.path,
        )


def _with_studies(
    found: ConfigFindings,
    config: LoadedFit,
    rows: FitRows,
    free: list[FreeNumber],
    studies: Mapping[str, str],
) -> FitRows:
    sd = config.spec.fit.study_sd
    if sd is None:
        return rows
    path = ("fit", "study_sd")
    column = "batch" if config.spec.data.evidence is None else "study"
    if not studies:
        hint = f"name the studies in a column {column}, or leave study_sd out"
        found.refuse("no row says which batch or study it is of", path, hint)
    elif "" in rows.group:
        found.warn(f"rows without a {column} have no factor of their own", path)
    return with_study_factors(rows, free, studies, sd)


# ---- a table of evidence -----------------------------------------------------------------------------


def _of_evidence(
    found: ConfigFindings, config: LoadedFit, model: ModelSpec, hashes: dict[str, str]
) -> _Parts | None:
    evidence = read_evidence_of_fit(found, config, model, hashes)
    if evidence is None:
        return None
    for index, item in enumerate(config.spec.fit.parameter):
        if item.per == "subject":
            path = ("fit", "parameter", index, "per")
            found.refuse("a table of evidence has groups, not subjects", path, 'write per = "condition"')
    targets = read_free_targets(found, config, model, evidence.conditions, [])
    check_bout_bounds(found, targets, evidence.conditions)
    simulations, observables, rows = evidence_rows(found, config, model, evidence)
    if found.problems:
        return None
    numbers = {item.name: number for number, item in enumerate(evidence.conditions)}
    free, placed = place_targets(targets, [(numbers[item.name], item.name, "") for item in simulations])
    _check_placed(found, targets, placed)
    rows = _with_studies(found, config, rows, free, evidence.studies)
    return _Parts(free, placed, simulations, observables, rows, evidence.table.repairs, targets)


# ---- numbers -----------------------------------------------------------------------------------------


def _profiled(found: ConfigFindings, config: LoadedFit, free: Sequence[FreeNumber]) -> tuple[int, ...]:
    asked = config.spec.fit.profile
    if isinstance(asked, bool):
        # The factors of studies are many, and nobody asks for them, unless by name.
        return tuple(place for place, item in enumerate(free) if asked and item.kind != "scale")
    places: list[int] = []
    known = list(dict.fromkeys(name for item in free for name in (item.name.partition("[")[0], item.name)))
    known = [name for name in known if name not in ("sd", "proportional", "scale")]
    for index, name in enumerate(asked):
        plain = name.removeprefix("parameter.")
        mine = [place for place, item in enumerate(free) if plain in (item.name, item.name.partition("[")[0])]
        if not mine:
            found.refuse(f'"{name}" is not free', ("fit", "profile", index), did_you_mean(plain, known))
        places += [place for place in mine if place not in places]
    return tuple(places)


def _check_numbers(found: ConfigFindings, parts: _Parts, *, sampled: bool) -> None:
    decided = parts.decided
    free, rows = len(decided), len(parts.rows)
    if free <= rows:
        return
    path = ("fit", "free")
    words = f"{free} numbers are free, and {rows} {'datum tells' if rows == 1 else 'data tell'} of them"
    # Between bounds a flat number has a prior, if it is sampled.
    without = [item.name for item in decided if item.prior is None and item.kind == "model"]
    if without and not sampled:
        hint = f"free fewer of them, or give them priors (without one: {', '.join(without[:8])})"
        found.refuse(words, path, hint)
    else:
        found.warn(f"{words}: what the data do not tell, the priors say", path)
