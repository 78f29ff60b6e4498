"""The folder of a fit: tables, `fit.nc` and pictures, complete or not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import Content, write_run
from .fit_tables import failures_by_reason, fit_facts, parameters_csv, starts_csv
from .population_tables import fitted_individuals_csv

if TYPE_CHECKING:
    from ..fit_problem import FitProblem
    from ..fit_result import FitResult


def write_fit_folder(
    folder: Path,
    problem: FitProblem,
    result: FitResult,
    record: Mapping[str, Any],
    title: str = "",
    more: Mapping[str, Content] | None = None,
) -> list[str]:
    """Write all that a fit leaves into `folder`, which has been prepared; return the names of the files.

    `more` are files that go with them.

    `record` (`exsim.outputs.run_record.build_record`) gets the numbers of the fit under `fit`, its failed
    starts by reason and its warnings. `title` heads the pictures; without it the name of the config does.
    Raises OutputError.
    """
    files = {**fit_files(problem, result, title), **(more or {})}
    said = list(record.get("warnings", ()))
    whole = {
        **record,
        "failures": failures_by_reason(result),
        "warnings": said + [warning for warning in result.warnings if warning not in said],
        "fit": fit_facts(result),
    }
    write_run(folder, files, whole)
    return [*files, "run.json"]


def fit_files(problem: FitProblem, result: FitResult, title: str = "") -> dict[str, Content]:
    """Return the files of a fit by name, for `exsim.outputs.files.write_run`."""
    from ..fit_datasets import fit_dataset
    from .netcdf import write_fit

    people = result.people
    return {
        "parameters.csv": parameters_csv(result),
        **({} if people is None else {"individuals.csv": fitted_individuals_csv(people)}),
        "starts.csv": starts_csv(problem, result),
        "fit.nc": partial(write_fit, fit_dataset(problem, result, title)),
        **dict(_pictures(problem, result, title)),
    }


def _pictures(problem: FitProblem, result: FitResult, title: str) -> Iterator[tuple[str, Content]]:
    from . import fit_plots as plots

    drawn = {
        "fit.png": plots.fit_figure,
        "residuals.png": plots.residuals_figure,
        "waterfall.png": plots.waterfall_figure,
    }
    if result.profiles:
        drawn["profiles.png"] = plots.profiles_figure
    if result.directions:
        drawn["directions.png"] = plots.directions_figure
    for name, draw in drawn.items():
        yield name, partial(plots.save_figure, draw(problem, result, title))
