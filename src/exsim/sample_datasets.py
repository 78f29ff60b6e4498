"""Draws from a posterior as labelled groups, under the names that ArviZ has for them. No JAX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import xarray as xr

from .fit_datasets import row_units, texts
from .version import __version__

if TYPE_CHECKING:
    from .fit_problem import FitProblem
    from .sample_result import SampledNumber, SampleResult

_PLAIN, _OF_ROW = "1", "see row_unit"
_DRAWS = ("chain", "draw")
#: Names that a variable cannot have, since a dimension has them.
_TAKEN = ("chain", "draw")

Variable = tuple[Any, ...]


def posterior_tree(problem: FitProblem, result: SampleResult, title: str = "") -> xr.DataTree:
    """Return draws, what they predict and how they were come by, as the groups that ArviZ reads.

    `posterior` and `prior` have a variable for every number, with its `units`, `long_name` and `name`. The
    others have one, `value`, over the rows of the data: `observed_data` (NaN beyond a limit; `limit` and
    `censoring` lie beside it), `log_likelihood`, `posterior_predictive` and `prior_predictive` (a datum with
    its noise; `prediction` is without); of a population `predictions` too, whose draws are sets of new people
    in one chain. `sample_stats` tells how each draw was come by. The draws from the prior are one chain.
    Attributes of the root and of `posterior` say whence all comes; lists are JSON.
    """
    attributes = _attributes(problem, result, title)
    rows = _row_coordinates(problem)
    count = {"chain": result.draws.shape[0], "draw": result.draws.shape[1]}
    from_prior = {"chain": 1, "draw": len(result.prior)}
    predicted = {
        "value": _of_rows(result.predictive, _OF_ROW, "a datum at this draw, with its noise"),
        "prediction": _of_rows(result.prediction, _OF_ROW, "what the model says at this draw"),
    }
    groups = {
        "posterior": _labelled(_numbers(result.numbers, result.draws), count, {}).assign_attrs(attributes),
        "log_likelihood": _labelled(
            {"value": _of_rows(result.log_likelihood, _PLAIN, "log likelihood of a row")}, count, rows
        ),
        "posterior_predictive": _labelled(predicted, count, rows),
        "observed_data": _labelled(
            {"value": ("row", problem.rows.value, _about("measured", _OF_ROW))}, {}, rows
        ),
        "prior": _labelled(_numbers(result.numbers, result.prior[None]), from_prior, {}),
        "prior_predictive": _labelled(
            {"value": _of_rows(result.prior_predictive[None], _OF_ROW, "a datum at a draw from the prior")},
            from_prior,
            rows,
        ),
        "sample_stats": _labelled(_statistics(result), count, {}),
    }
    if result.people is not None:
        new = result.people.new_data[None]
        what = {"value": _of_rows(new, _OF_ROW, "a datum of a new person in the place of this one")}
        groups["predictions"] = _labelled(what, {"chain": 1, "draw": new.shape[1]}, rows)
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def variable_name(name: str) -> str:
    """Return the name of a number's variable: its own, but for "/" and "%" and those that a dimension has.

    These are written as in a URL ("scale[A%2FB]"), so that `number_name` gives the number's name back.
    """
    if name in _TAKEN:
        return f"%{ord(name[0]):02X}{name[1:]}"
    return "".join(quote(letter, safe="") if letter in "/%" else letter for letter in name)


def number_name(variable: str) -> str:
    """Return the name of the number that a variable holds."""
    return unquote(variable)


def _attributes(problem: FitProblem, result: SampleResult, title: str) -> dict[str, Any]:
    return {
        "model": problem.model.name,
        "config": problem.name,
        "title": title or problem.name,
        "exsim_version": __version__,
        "seed": result.seed,
        "complete": int(result.complete),
        "asked": result.asked,
        "trusted": int(result.trusted),
        "reasons": json.dumps(result.reasons, ensure_ascii=False),
        "warnings": json.dumps(result.warnings, ensure_ascii=False),
        "names": 'a "/" or "%" in the name of a number is written as in a URL; its attribute `name` is whole',
    }


def _labelled(variables: dict[str, Variable], sizes: dict[str, int], rows: dict[str, Variable]) -> xr.Dataset:
    places = {name: (name, np.arange(size), {"units": _PLAIN}) for name, size in sizes.items()}
    return xr.Dataset(variables, {**places, **rows})


def _about(what: str, units: str) -> dict[str, str]:
    return {"units": units, "long_name": what}


def _of_rows(values: np.ndarray, units: str, what: str) -> Variable:
    return (*_DRAWS, "row"), values, _about(what, units)


def _numbers(numbers: tuple[SampledNumber, ...], draws: np.ndarray) -> dict[str, Variable]:
    return {
        variable_name(item.name): (
            _DRAWS,
            draws[:, :, n],
            _about(item.label, item.unit) | {"name": item.name, "scale": item.scale, "role": item.role},
        )
        for n, item in enumerate(numbers)
    }


def _statistics(result: SampleResult) -> dict[str, Variable]:
    def each(values: np.ndarray, what: str) -> Variable:
        return _DRAWS, values, _about(what, _PLAIN)

    return {
        "diverging": each(result.diverging, "whether the trajectory diverged"),
        "energy": each(result.energy, "energy of the draw"),
        "lp": each(result.log_density, "log posterior density"),
        "acceptance_rate": each(result.acceptance, "mean acceptance along the trajectory"),
        "step_size": each(result.step_size, "step size"),
        "n_steps": each(result.leapfrogs, "leapfrog steps"),
        "reached_max_treedepth": each(
            result.saturated, "whether the trajectory was cut at the largest length"
        ),
    }


def _row_coordinates(problem: FitProblem) -> dict[str, Variable]:
    rows = problem.rows

    def named(words: Any) -> Variable:
        return "row", texts(words)

    return {
        "row": ("row", np.arange(len(rows)), {"units": _PLAIN}),
        "time_h": ("row", rows.time_h, _about("hours after time 0 of the simulation", "h")),
        "observable": named(problem.observables[o].name for o in rows.observable.tolist()),
        "simulation": named(problem.simulations[s].name for s in rows.simulation.tolist()),
        "condition": named(rows.condition),
        "subject": named(rows.subject),
        "quantity": named(rows.quantity),
        "row_unit": named(row_units(problem)),
        "limit": ("row", rows.limit, _about("limit of a row beyond one", _OF_ROW)),
        "censoring": ("row", rows.censoring, _about("-1 below the limit, 0 measured, 1 above it", _PLAIN)),
        "line": ("row", rows.line, _about("line in the file of the data", _PLAIN)),
    }
