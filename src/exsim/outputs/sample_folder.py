"""The folder of a sampling run: `posterior.nc`, a table and pictures, complete or not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import Content, write_run
from .population_tables import classes_csv, individuals_csv
from .sample_tables import sample_facts, sample_summary_csv

if TYPE_CHECKING:
    from ..fit_problem import FitProblem
    from ..sample_result import SampleResult


def write_sample_folder(
    folder: Path,
    problem: FitProblem,
    result: SampleResult,
    record: Mapping[str, Any],
    title: str = "",
) -> list[str]:
    """Write all that sampling leaves into `folder`, which has been prepared; return the names of the files.

    `record` (`exsim.outputs.run_record.build_record`) gets the facts of the draws under `sample`, the failed
    solves of the stress report by reason, and the warnings. `title` heads the pictures; without it the name
    of the config does. Raises OutputError.
    """
    files = sample_files(problem, result, title)
    said = list(record.get("warnings", ()))
    whole = {
        **record,
        "failures": result.stress.failed,
        "warnings": said + [warning for warning in result.warnings if warning not in said],
        "sample": sample_facts(result),
    }
    write_run(folder, files, whole)
    return [*files, "run.json"]


def sample_files(problem: FitProblem, result: SampleResult, title: str = "") -> dict[str, Content]:
    """Return the files of a sampling run by name, for `exsim.outputs.files.write_run`.

    Numbers that one `prior_posterior.png` cannot show follow in `prior_posterior_2.png` and so on.
    """
    from ..sample_datasets import posterior_tree
    from .netcdf import write_posterior

    return {
        "posterior.nc": partial(write_posterior, posterior_tree(problem, result, title)),
        "summary.csv": sample_summary_csv(result),
        **_tables_of_people(result),
        **dict(_pictures(problem, result, title)),
    }


def _tables_of_people(result: SampleResult) -> dict[str, Content]:
    people = result.people
    if people is None:
        return {}
    classes: dict[str, Content] = {"classes.csv": classes_csv(people)} if people.classes else {}
    return {"individuals.csv": individuals_csv(result, people), **classes}


def _pictures(problem: FitProblem, result: SampleResult, title: str) -> Iterator[tuple[str, Content]]:
    from . import sample_plots as plots

    drawn = {
        "bands.png": plots.bands_figure,
        "trace.png": plots.trace_figure,
        "pairs.png": plots.pairs_figure,
    }
    if result.people is not None:
        drawn["vpc.png"] = plots.vpc_figure
    for name, draw in drawn.items():
        yield name, partial(plots.save_figure, draw(problem, result, title))
    for number, figure in enumerate(plots.prior_posterior_figures(problem, result, title), start=1):
        name = "prior_posterior.png" if number == 1 else f"prior_posterior_{number}.png"
        yield name, partial(plots.save_figure, figure)
