"""A fit as a labelled dataset: estimates, what the data can tell, starts, rows and curves. No JAX."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .version import __version__

if TYPE_CHECKING:
    from .fit_problem import FitProblem
    from .fit_result import FitCurves, FitResult, Profile

#: `units` of what holds numbers of several free numbers or observables, each in its own.
_OF_PARAMETER, _OF_OBSERVABLE, _OF_ROW = "see parameter_unit", "see observable_unit", "see row_unit"
#: Of log densities and of numbers on the estimation scale.
_PLAIN = "1"

#: The unit of a row of data, where it is not that of its observable.
QUANTITY_UNITS = {
    "fold": "dimensionless",
    "log2": "dimensionless",
    "peak_fold": "dimensionless",
    "time_of_peak": "h",
    "ratio": "dimensionless",
    "unchanged": "dimensionless",
    "share_removed": "dimensionless",
}

Variable = tuple[Any, ...]


def fit_dataset(problem: FitProblem, result: FitResult, title: str = "") -> xr.Dataset:
    """Return a fit as one Dataset, for `fit.nc`.

    Dimensions: `parameter` (free numbers) and `other_parameter` (the same again, for matrices), `direction`
    (of the Fisher information, as the fit gives them), `profile_point`, `start`, `row` (of the data),
    `simulation`, `observable` and `time_point`. What a fit has not got (profiles, a covariance, curves) is
    left out. Every variable of numbers has `units`; where they differ along a dimension, `units` names the
    coordinate that holds them. Lists among the attributes are JSON.
    """
    variables = {
        **_estimates(problem, result),
        **_directions(result),
        **_profiles(result.profiles, len(problem.free)),
        **_starts(result),
        **_rows(problem, result),
        **({} if result.curves is None else _curves(result.curves)),
        **{
            name: ((), getattr(result, name), {"units": _PLAIN})
            for name in ("log_density", "log_likelihood", "aic", "aicc", "bic", "agreeing")
        },
    }
    names = [item.name for item in problem.free]
    coordinates: dict[str, Variable] = {
        "parameter": ("parameter", texts(names)),
        "parameter_label": ("parameter", texts(item.label for item in problem.free)),
        "parameter_unit": ("parameter", texts(item.unit for item in problem.free)),
        "parameter_scale": ("parameter", texts(item.scale for item in problem.free)),
        "other_parameter": ("other_parameter", texts(names)),
        "start": ("start", np.array([item.number for item in result.starts], dtype=np.int64), {"units": "1"}),
        "row_unit": ("row", texts(row_units(problem))),
    }
    if result.curves is not None:
        units = {item.name: item.unit for item in problem.observables}
        coordinates |= {
            "simulation": ("simulation", texts(result.curves.simulations)),
            "observable": ("observable", texts(result.curves.observables)),
            "observable_unit": (
                "observable",
                texts(units.get(name, "") for name in result.curves.observables),
            ),
        }
    there = {name for variable in variables.values() for name in np.atleast_1d(variable[0])}
    kept = {name: item for name, item in coordinates.items() if item[0] in there}
    return xr.Dataset(variables, kept, _attributes(problem, result, title))


def row_units(problem: FitProblem) -> tuple[str, ...]:
    """Return the unit of each row of the data: that of its observable, or of what it says of its curve."""
    rows = problem.rows
    return tuple(
        QUANTITY_UNITS.get(quantity, problem.observables[observable].unit)
        for quantity, observable in zip(rows.quantity, rows.observable.tolist(), strict=True)
    )


def _attributes(problem: FitProblem, result: FitResult, title: str) -> dict[str, Any]:
    bouts = {}
    if result.curves is not None:
        bouts = dict(zip(result.curves.simulations, result.curves.bouts_h, strict=True))
    return {
        "model": problem.model.name,
        "config": problem.name,
        "title": title or problem.name,
        "exsim_version": __version__,
        "converged": int(result.converged),
        "reasons": json.dumps(result.reasons, ensure_ascii=False),
        "warnings": json.dumps(result.warnings, ensure_ascii=False),
        "bouts_h": json.dumps(bouts, ensure_ascii=False),
    }


def texts(words: Iterable[str]) -> np.ndarray:
    """Return words as an array that NetCDF keeps as text of any length."""
    return np.array(list(words), dtype=object)


def _estimates(problem: FitProblem, result: FitResult) -> dict[str, Variable]:
    found, free = result.estimates, problem.free

    def numbers(values: Iterable[float], name: str) -> Variable:
        return "parameter", np.array(list(values), dtype=float), {"units": _OF_PARAMETER, "long_name": name}

    variables: dict[str, Variable] = {
        "estimate": numbers((item.value for item in found), "estimate"),
        "lower": numbers((item.lower for item in found), "lower end of the 95 % interval"),
        "upper": numbers((item.upper for item in found), "upper end of the 95 % interval"),
        "standard_error": numbers((item.standard_error for item in found), "standard error"),
        "nominal": numbers((item.nominal for item in free), "value of the config or of the model"),
        "lowest": numbers((item.low for item in free), "lower bound"),
        "highest": numbers((item.high for item in free), "upper bound"),
        "at_bound": ("parameter", texts(item.at_bound for item in found)),
        "identifiable": ("parameter", texts(item.identifiable for item in found)),
    }
    if result.covariance is not None:
        label = {"units": _PLAIN, "long_name": "covariance on the scales of estimation (parameter_scale)"}
        variables["covariance"] = (("parameter", "other_parameter"), result.covariance, label)
    return variables


def _directions(result: FitResult) -> dict[str, Variable]:
    found = result.directions
    if not found:
        return {}
    scale = "on the scales of estimation (parameter_scale)"
    values = np.array([item.eigenvalue for item in found], dtype=float)
    vectors = np.array([item.vector for item in found], dtype=float)
    about_vectors = {"units": _PLAIN, "long_name": f"eigenvector, {scale}"}
    return {
        "eigenvalue": ("direction", values, {"units": _PLAIN, "long_name": f"Fisher information {scale}"}),
        "eigenvector": (("direction", "parameter"), vectors, about_vectors),
        "combination": ("direction", texts(item.combination for item in found)),
        "flat": ("direction", np.array([item.flat for item in found], dtype=np.int8), {"units": _PLAIN}),
    }


def _profiles(profiles: Sequence[Profile], parameters: int) -> dict[str, Variable]:
    # A number without a profile is NaN throughout, a shorter one behind its end.
    points = max((len(item.values) for item in profiles), default=0)
    if not points:
        return {}
    values, densities = np.full((2, parameters, points), np.nan)
    vectors = np.full((parameters, points, parameters), np.nan)
    for item in profiles:
        values[item.parameter, : len(item.values)] = item.values
        densities[item.parameter, : len(item.values)] = item.density
        vectors[item.parameter, : len(item.values)] = item.vectors
    along = ("parameter", "profile_point")
    return {
        "profile_value": (along, values, {"units": _OF_PARAMETER}),
        "profile_log_density": (along, densities, {"units": _PLAIN}),
        "profile_vector": ((*along, "other_parameter"), vectors, {"units": _OF_PARAMETER}),
    }


def _starts(result: FitResult) -> dict[str, Variable]:
    found = result.starts
    if not found:
        return {}
    along = ("start", "parameter")

    def numbers(field: str, kind: type) -> Variable:
        return "start", np.array([getattr(item, field) for item in found], dtype=kind), {"units": _PLAIN}

    return {
        "start_begun": (along, np.array([item.begun for item in found]), {"units": _OF_PARAMETER}),
        "start_reached": (along, np.array([item.reached for item in found]), {"units": _OF_PARAMETER}),
        "start_begun_log_density": numbers("begun_density", float),
        "start_reached_log_density": numbers("reached_density", float),
        "start_iterations": numbers("iterations", np.int64),
        "start_failed": numbers("failed", np.int8),
        "start_ended": ("start", texts(item.ended for item in found)),
    }


def _rows(problem: FitProblem, result: FitResult) -> dict[str, Variable]:
    rows = problem.rows

    def numbers(values: np.ndarray, units: str, name: str) -> Variable:
        return "row", np.asarray(values), {"units": units, "long_name": name}

    def chosen(places: np.ndarray, names: Sequence[str]) -> Variable:
        return "row", texts(names[place] if place >= 0 else "" for place in places.tolist())

    simulations = [item.name for item in problem.simulations]
    return {
        "row_simulation": chosen(rows.simulation, simulations),
        "row_observable": chosen(rows.observable, [item.name for item in problem.observables]),
        "row_quantity": ("row", texts(rows.quantity)),
        "row_time": numbers(rows.time_h, "h", "hours after time 0 of the simulation"),
        "row_compared": chosen(rows.compared, simulations),
        "row_compared_time": numbers(rows.compared_time_h, "h", "time in the simulation compared with"),
        "row_value": numbers(rows.value, _OF_ROW, "measured"),
        "row_limit": numbers(rows.limit, _OF_ROW, "limit of a row beyond one"),
        "row_censoring": numbers(rows.censoring, _PLAIN, "-1 below the limit, 0 measured, 1 above it"),
        "row_scale": numbers(rows.scale, "of the noise", "noise scale that the data give"),
        "row_batch": numbers(rows.batch, _PLAIN, "batch within the observable, -1 for none"),
        "row_factor": chosen(rows.factor, [item.name for item in problem.free]),
        "row_subject": ("row", texts(rows.subject)),
        "row_condition": ("row", texts(rows.condition)),
        "row_group": ("row", texts(rows.group)),
        "row_line": numbers(rows.line, _PLAIN, "line in the file of the data"),
        "row_prediction": numbers(result.prediction, _OF_ROW, "prediction of the best fit"),
        "row_residual": numbers(result.residual, _PLAIN, "residual in units of the noise"),
        "row_log_density": numbers(result.row_density, _PLAIN, "log density of the row"),
    }


def _curves(curves: FitCurves) -> dict[str, Variable]:
    along = ("simulation", "observable", "time_point")

    def numbers(values: np.ndarray, name: str) -> Variable:
        return along, values, {"units": _OF_OBSERVABLE, "long_name": name}

    about_time = {"units": "h", "long_name": "hours after time 0 of the simulation"}
    return {
        "curve_time": (("simulation", "time_point"), curves.time_h, about_time),
        "curve": numbers(curves.value, "best fit"),
        "curve_lower": numbers(curves.lower, "lower end of the central 95 %"),
        "curve_upper": numbers(curves.upper, "upper end of the central 95 %"),
    }
