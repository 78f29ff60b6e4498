"""What sampling leaves as tables and numbers: `summary.csv`, and its part of `run.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .population_tables import population_facts
from .run_record import plain
from .tables import csv_bytes

if TYPE_CHECKING:
    from ..fit_problem import FitProblem
    from ..sample_result import SampleResult

#: Columns of a number's name and unit and of its `Diagnosis`.
SUMMARY_COLUMNS = (
    "name",
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "unit",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "mcse_mean",
    "contraction",
)


def sample_summary_csv(result: SampleResult) -> bytes:
    """Return `summary.csv`, a row for every number that has a posterior.

    `lower` and `upper` are the central 95 %; `mean` to `upper` and `mcse_mean` are in `unit`. Empty is what
    is not known.
    """
    return csv_bytes(SUMMARY_COLUMNS, _rows(result))


def sample_facts(result: SampleResult) -> dict[str, Any]:
    """Return what `run.json` says of sampling, as plain values: what was drawn, and whether to trust it.

    None stands for a number that does not exist, such as the R-hat of a single chain.
    """
    from ..posterior_statistics import unsure_rows

    chains, draws, _ = result.draws.shape
    left_out = result.loo
    return plain(
        {
            "trusted": result.trusted,
            "complete": result.complete,
            "reasons": result.reasons,
            "chains": chains,
            "draws": draws,
            "draws_asked": result.asked,
            "numbers": len(result.numbers),
            "measurements": result.log_likelihood.shape[2],
            "divergences": result.diverging.sum(axis=1),
            "cut_trajectories": result.saturated.sum(axis=1),
            "e_fmi": result.diagnosis.e_fmi,
            "acceptance": result.acceptance.mean(axis=1) if draws else None,
            "step_size": result.step_size[:, -1] if draws else None,
            "stress": asdict(result.stress),
            "loo": None
            if left_out is None
            else {
                "elpd": left_out.elpd,
                "se": left_out.se,
                "p_loo": left_out.p_loo,
                "rows_unsure": unsure_rows(left_out),
            },
            **({} if result.people is None else {"population": population_facts(result.people)}),
            "efforts": {stage: asdict(effort) for stage, effort in result.efforts.items()},
        }
    )


def sample_json(problem: FitProblem, result: SampleResult) -> dict[str, Any]:
    """Return what `exsim sample --json` prints, as plain values: the rows of `summary.csv` and the facts."""
    return plain(
        {
            "config": problem.name,
            "model": problem.model.name,
            "summary": [dict(zip(SUMMARY_COLUMNS, row, strict=True)) for row in _rows(result)],
            **sample_facts(result),
            "seed": result.seed,
            "failures": result.stress.failed,
            "warnings": result.warnings,
        }
    )


def _rows(result: SampleResult) -> Iterator[list[Any]]:
    for n, item in enumerate(result.numbers):
        said = {"name": item.name, "unit": item.unit}
        yield [
            said[column] if column in said else float(getattr(result.diagnosis, column)[n])
            for column in SUMMARY_COLUMNS
        ]
