"""exsim from Python: files in, labelled values out. The command line calls the same functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError, Problem
from .fit_problem import SAMPLER_DEFAULTS, FitProblem, SampleSettings, SearchSettings
from .fit_spec import FitSettings
from .inputs.config import LoadedConfig, LoadedFit, check_against_model, read_config, read_fit_config
from .inputs.fit_study import read_fit_inputs
from .inputs.model_files import load_model
from .model_spec import ModelSpec, begun_as
from .population import Population
from .sample_spec import SampleSpec

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from .fit_result import FitResult
    from .sample_result import SampleResult
    from .workflows import Run

__all__ = [
    "FitStudy",
    "SampleStudy",
    "Study",
    "fit",
    "load_model",
    "read_draws",
    "read_fit",
    "read_sample",
    "read_study",
    "run_study",
    "sample",
    "search_settings",
    "simulate",
    "sweep",
    "sweep_seed",
]


@dataclass(frozen=True)
class Study:
    """A config and its model, both read and checked against each other; nothing computed yet."""

    config: LoadedConfig
    model: ModelSpec
    warnings: tuple[str, ...]

    @property
    def draws_file(self) -> Path | None:
        """The file of the draws of a table or posterior, or None."""
        sweep = self.config.spec.sweep
        return None if sweep is None or sweep.file is None else self.config.path.parent / sweep.file

    @property
    def data_hashes(self) -> dict[str, str]:
        """SHA-256 of the data files that the config names, by the name in it."""
        from .outputs.run_record import sha256_of

        path, sweep = self.draws_file, self.config.spec.sweep
        return {} if path is None or sweep is None else {str(sweep.file): sha256_of(path)}


def read_study(config: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Read a config with its model and check both.

    `overrides` are written as for `--set`: "protocol.bout.0.duration='4 h'". Raises ConfigError or
    ModelFileError with every problem of the file, RefusedError for a construct that is not done.
    """
    loaded = read_config(Path(config), overrides)
    model = begun_as(load_model(loaded.spec.model, loaded.path.parent), loaded.spec.initial_state)
    return Study(loaded, model, tuple(check_against_model(loaded, model)))


def read_draws(study: Study) -> np.ndarray | None:
    """Return the draws that a sweep lists in a file, (draw, target), or None for a design.

    Raises ConfigError with every fault of the file.
    """
    from .inputs.sweep_table import read_listed_draws
    from .sweep_targets import resolve_targets

    spec, path = study.config.spec, study.draws_file
    if spec.sweep is None or path is None:
        return None
    return read_listed_draws(spec.sweep, path, resolve_targets(spec, study.model))


def run_study(study: Study) -> Run:
    """Simulate a study that was read. Raises SolveError if the end is not reached."""
    from .workflows import run_simulation

    config = study.config
    return run_simulation(config.spec, study.model, config.name, config.spec.label or config.question)


def simulate(config: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Simulate a config file and return its curves (`.dataset`, xarray), solver facts and warnings.

    Nothing is written. Raises as `read_study`, and SolveError if the end is not reached.
    """
    return run_study(read_study(config, overrides))


def sweep_seed(study: Study) -> int | None:
    """Return the seed of a sweep, that of `[sweep]` before that of the config; None if there is none."""
    spec = study.config.spec
    return spec.seed if spec.sweep is None or spec.sweep.seed is None else spec.sweep.seed


def sweep(config: str | Path, overrides: Sequence[str] = ()) -> xr.Dataset:
    """Solve all draws of a config with a `[sweep]` and return them as one Dataset, in memory.

    The variables are those of the store of `exsim sweep`: targets, metrics, `status`, curves, percentiles,
    each with its units. A failed draw has NaN and its status. Nothing is written: for a sweep that is
    large or long, or that must survive a kill, use the command. A seed that the config lacks is drawn and
    is among the attributes. Raises as `read_study`, and ConfigError where there is no `[sweep]`.
    """
    import secrets

    from .sweep_arrays import memory_dataset
    from .sweeping import plan_sweep

    study = read_study(config, overrides)
    spec = study.config.spec
    if spec.sweep is None:
        raise no_sweep(study)
    seed = sweep_seed(study)
    seed = secrets.randbelow(2**63) if seed is None else seed
    plan = plan_sweep(spec, study.model, study.config.name, seed, read_draws(study))
    return memory_dataset(plan, spec.label or study.config.question)


def no_sweep(study: Study) -> ConfigError:
    """Return what to raise where a config holds no `[sweep]`."""
    hint = 'add [sweep] with draws = 1000, [[sweep.vary]] and [sweep.metrics] with IL6 = ["peak"]'
    return ConfigError(Problem("the config holds no [sweep]", str(study.config.path), hint=hint))


@dataclass(frozen=True, eq=False)
class FitStudy:
    """A config for a fit with its model and its data, all read and checked; nothing computed yet."""

    config: LoadedFit
    #: With a number for each person where people differ: `exsim.sampling.objective_of` integrates them out.
    problem: FitProblem
    #: How people differ; None where the config does not say.
    population: Population | None
    settings: FitSettings
    #: Places, among the numbers that the fit finds, of those whose profile is asked for.
    profiled: tuple[int, ...]
    warnings: tuple[str, ...]
    #: What was changed in reading config and table.
    repairs: tuple[str, ...]
    #: SHA-256 of the table and of the run configs of the conditions, by the names that the config gives them.
    data_hashes: dict[str, str]

    @property
    def seed(self) -> int | None:
        """The seed of the fit, that of `[fit]` before that of the config; None if there is none."""
        return self.config.spec.seed if self.settings.seed is None else self.settings.seed


def read_fit(config: str | Path, overrides: Sequence[str] = ()) -> FitStudy:
    """Read a config for a fit with its model, the run configs of its conditions and its data; check all.

    `overrides` are written as for `--set`: "fit.starts=8". Raises ConfigError, ModelFileError or
    LabDataError with every problem, RefusedError for a construct of the model that is not done.
    """
    loaded = read_fit_config(Path(config), overrides)
    model = begun_as(load_model(loaded.spec.model, loaded.path.parent), loaded.spec.initial_state)
    inputs = read_fit_inputs(loaded, model)
    return FitStudy(
        config=loaded,
        problem=inputs.problem,
        population=inputs.population,
        settings=loaded.spec.fit,
        profiled=inputs.profiled,
        warnings=(*inputs.warnings, *model.warnings),
        repairs=(*loaded.repairs, *inputs.repairs),
        data_hashes=inputs.file_hashes,
    )


def search_settings(study: FitStudy, seed: int) -> SearchSettings:
    """Return how a fit that was read is searched for, as `exsim.fitting.fit` takes it."""
    return replace(_search_settings(study.settings, seed), profiled=study.profiled)


def _search_settings(asked: FitSettings, seed: int) -> SearchSettings:
    return SearchSettings(
        starts=asked.starts,
        optimiser=asked.optimiser,
        iterations=asked.iterations,
        budget_s=None if asked.budget is None else asked.budget.to("s"),
        seed=seed,
        draw_starts=asked.draw_starts,
    )


def fit(config: str | Path, overrides: Sequence[str] = ()) -> FitResult:
    """Fit a config to its data and return what was found: estimates, intervals, what the data tell.

    Nothing is written: for a fit that must survive a kill, use the command. A seed that the config lacks is
    drawn and is among the warnings. Raises as `read_fit`, and InferenceError where the density is a number
    at no start.
    """
    import secrets

    from .fitting import Evaluator
    from .fitting import fit as run_fit
    from .sampling import objective_of

    study = read_fit(config, overrides)
    seed, said = study.seed, study.warnings
    if seed is None:
        seed = secrets.randbelow(2**63)
        said = (*said, f"the config has no seed: {seed} was drawn")
    objective = objective_of(study.problem, study.population)
    result = run_fit(objective.problem, search_settings(study, seed), Evaluator(objective))
    return replace(result, warnings=(*said, *result.warnings))


@dataclass(frozen=True, eq=False)
class SampleStudy:
    """A config whose posterior is to be sampled, with its model and its data, all read and checked."""

    config: LoadedFit
    problem: FitProblem
    #: With seed 0 where there is none: see `with_seed`.
    settings: SampleSettings
    #: How people differ; None where the config does not say.
    population: Population | None
    warnings: tuple[str, ...]
    #: What was changed in reading config and tables.
    repairs: tuple[str, ...]
    #: SHA-256 of the tables and of the run configs of the conditions, by the names in the config.
    data_hashes: dict[str, str]
    #: That of `[sample]` before that of the config, and that of `[fit]` where neither is; None for none.
    seed: int | None

    def with_seed(self, seed: int) -> SampleStudy:
        """Return the same study with this seed."""
        return replace(self, seed=seed, settings=_sample_settings(self.config, seed))


def read_sample(config: str | Path, overrides: Sequence[str] = ()) -> SampleStudy:
    """Read a config for a fit as one to sample, with all that it names; check all.

    `overrides` are written as for `--set`: "sample.draws=100". Raises as `read_fit`, and ConfigError for
    numbers without a proper prior and for batches whose factors are solved in closed form.
    """
    loaded = read_fit_config(Path(config), overrides, "sample")
    model = begun_as(load_model(loaded.spec.model, loaded.path.parent), loaded.spec.initial_state)
    inputs = read_fit_inputs(loaded, model, sampled=True)
    spec = loaded.spec
    seeds = (None if spec.sample is None else spec.sample.seed, spec.seed, spec.fit.seed)
    seed = next((item for item in seeds if item is not None), None)
    return SampleStudy(
        config=loaded,
        problem=inputs.problem,
        settings=_sample_settings(loaded, seed or 0),
        population=inputs.population,
        warnings=(*inputs.warnings, *model.warnings),
        repairs=(*loaded.repairs, *inputs.repairs),
        data_hashes=inputs.file_hashes,
        seed=seed,
    )


def _sample_settings(config: LoadedFit, seed: int) -> SampleSettings:
    asked, fit = config.spec.sample or SampleSpec(), config.spec.fit
    usual = SAMPLER_DEFAULTS[asked.sampler]
    return SampleSettings(
        search=_search_settings(fit, seed if fit.seed is None else fit.seed),
        chains=usual.chains if asked.chains is None else asked.chains,
        warmup=usual.warmup if asked.warmup is None else asked.warmup,
        draws=usual.draws if asked.draws is None else asked.draws,
        target_acceptance=usual.target_acceptance
        if asked.target_acceptance is None
        else asked.target_acceptance,
        max_depth=asked.max_depth,
        seed=seed,
        stress=asked.stress,
        sampler=asked.sampler,
    )


def sample(config: str | Path, overrides: Sequence[str] = ()) -> SampleResult:
    """Sample the posterior of a config for a fit, of what all share or of people who differ.

    Nothing is written: for draws that must survive a kill, use the command. A seed that the config lacks is
    drawn and is among the warnings. `reasons` of the result say why the draws may not be trusted. Raises as
    `read_sample`, and InferenceError where no chain finds a place to begin.
    """
    import secrets

    from .sampling import sample as run_sample
    from .sampling import target_of

    study = read_sample(config, overrides)
    said = study.warnings
    if study.seed is None:
        study = study.with_seed(secrets.randbelow(2**63))
        said = (*said, f"the config has no seed: {study.seed} was drawn")
    result = run_sample(target_of(study.problem, study.population), study.settings)
    return replace(result, warnings=(*said, *result.warnings))
