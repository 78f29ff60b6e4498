"""What a fit leaves as tables and numbers: `parameters.csv`, `starts.csv`, and its part of `run.json`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from .population_tables import shrinkage_by_effect
from .run_record import plain
from .tables import csv_bytes

if TYPE_CHECKING:
    from ..fit_problem import FitProblem
    from ..fit_result import Estimate, FitResult

PARAMETER_COLUMNS = (
    "parameter",
    "value",
    "lower",
    "upper",
    "unit",
    "standard_error",
    "at_bound",
    "identifiable",
)
#: Columns of `starts.csv`, before a begun and a reached value of every free number.
START_COLUMNS = (
    "start",
    "begun_log_density",
    "reached_log_density",
    "distance_to_best",
    "iterations",
    "ended",
    "failed",
)


def parameters_csv(result: FitResult) -> bytes:
    """Return `parameters.csv`, a row for every free number.

    `lower` and `upper` are the 95 % interval: inf or -inf where the data give no end. Empty is what is
    not known.
    """
    return csv_bytes(PARAMETER_COLUMNS, map(_parameter_row, result.estimates), infinities=True)


def starts_csv(problem: FitProblem, result: FitResult) -> bytes:
    """Return `starts.csv`, a row for every start in the order in which they were made.

    Log densities are natural logarithms, the distance is what is missing to the best, values are in the
    unit that their column names. A start that failed has none of what it did not reach.
    """
    columns = [
        *START_COLUMNS,
        *(f"{end} {item.name} ({item.unit})" for item in problem.free for end in ("begun", "reached")),
    ]
    rows = (
        [
            start.number,
            start.begun_density,
            start.reached_density,
            result.log_density - start.reached_density,
            start.iterations,
            start.ended,
            start.failed,
            *np.stack([start.begun, start.reached], axis=1).ravel().tolist(),
        ]
        for start in result.starts
    )
    return csv_bytes(columns, rows, infinities=True)


def fit_facts(result: FitResult) -> dict[str, Any]:
    """Return what `run.json` says of a fit, as plain values: how good it is, and whether to trust it.

    None stands for a number that does not exist, such as the AICc of as many data as parameters.
    """
    gradient, differences = result.gradient_check
    return plain(
        {
            "converged": result.converged,
            "reasons": result.reasons,
            "log_density": result.log_density,
            "log_likelihood": result.log_likelihood,
            "aic": result.aic,
            "aicc": result.aicc,
            "bic": result.bic,
            "free_numbers": len(result.names),
            "measurements": len(result.prediction),
            "starts": len(result.starts),
            "starts_agreeing": result.agreeing,
            "starts_ended": dict(Counter(start.ended for start in result.starts if not start.failed)),
            "gradient_check": {"gradient": gradient, "differences": differences},
            "fisher_rank": sum(not direction.flat for direction in result.directions),
            "fisher_eigenvalues": [direction.eigenvalue for direction in result.directions],
            "flat_directions": [direction.combination for direction in result.directions if direction.flat],
            "not_identifiable": {
                item.name: item.identifiable
                for item in result.estimates
                if item.identifiable in ("practically not", "structurally not")
            },
            "at_bound": {item.name: item.at_bound for item in result.estimates if item.at_bound},
            **({} if result.people is None else {"shrinkage": shrinkage_by_effect(result.people)}),
            "efforts": {stage: asdict(effort) for stage, effort in result.efforts.items()},
        }
    )


def failures_by_reason(result: FitResult) -> dict[str, int]:
    """Return how many starts failed, by reason, the most frequent first."""
    return dict(Counter(start.ended for start in result.starts if start.failed).most_common())


def fit_json(problem: FitProblem, result: FitResult) -> dict[str, Any]:
    """Return what `exsim fit --json` prints, as plain values: the rows of `parameters.csv` and the facts.

    None is an end of an interval that the data do not give, and a number that means nothing.
    """
    return plain(
        {
            "config": problem.name,
            "model": problem.model.name,
            "parameters": [
                dict(zip(PARAMETER_COLUMNS, _parameter_row(item), strict=True)) for item in result.estimates
            ],
            **fit_facts(result),
            "failures": failures_by_reason(result),
            "warnings": result.warnings,
        }
    )


def _parameter_row(item: Estimate) -> tuple[Any, ...]:
    return (
        item.name,
        item.value,
        item.lower,
        item.upper,
        item.unit,
        item.standard_error,
        item.at_bound,
        item.identifiable,
    )
