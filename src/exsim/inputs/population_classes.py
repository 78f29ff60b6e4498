"""[[population.class]] of a config: classes of responses, against its observables and their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import ConfigError, did_you_mean
from ..fit_problem import Observable
from ..fit_spec import ObservableSpec
from ..population import Population, ResponseClass
from ..sample_spec import ClassSpec, PopulationSpec
from ..sweep_terms import number_in
from .config_checks import ConfigFindings, partly_read
from .toml_lines import KeyPath


def check_classes(found: ConfigFindings, population: dict[str, Any], observables: Any) -> None:
    """Note classes of what is no observable, and names that two of them have."""
    rows = observables if isinstance(observables, list) else []
    read = [partly_read(ObservableSpec, row, ("analyte",), noise="normal", sd="data") for row in rows]
    known = [item.analyte for item in read if item is not None]
    first: dict[str, int] = {}
    classes = population.get("class")
    for index, values in enumerate(classes if isinstance(classes, list) else []):
        path: KeyPath = ("population", "class", index)
        named = partly_read(ClassSpec, values, ("name",), analyte="any", below=1.0)
        if named is not None and named.name in first:
            message = f'"{named.name}" is population.class.{first[named.name]} already'
            found.refuse(message, (*path, "name"), "give each class a name of its own")
        elif named is not None:
            first[named.name] = index
        item = partly_read(ClassSpec, values, ("analyte",), name="any", below=1.0)
        # An observable that could not be read is not unknown.
        if item is not None and len(known) == len(rows) and item.analyte not in known:
            message = f'"{item.analyte}" is no [[observable]]'
            found.refuse(message, (*path, "analyte"), did_you_mean(item.analyte, known))


def with_classes(
    found: ConfigFindings, population: Population, spec: PopulationSpec, observables: Sequence[Observable]
) -> Population:
    """Return a population with its classes of responses, thresholds in the units of their observables.

    What is wrong is noted.
    """
    units = {item.name: item.unit for item in observables}
    made = []
    for index, item in enumerate(spec.classes):
        path: KeyPath = ("population", "class", index)
        if item.analyte not in units:
            message = f"no row of the table is of {item.analyte}"
            found.refuse(message, (*path, "analyte"), "leave the class out, or measure it")
            continue
        unit = "dimensionless" if item.quantity == "peak_fold" else units[item.analyte]
        try:
            below = number_in(item.below, unit)
        except ConfigError as error:
            problem = error.problems[0]
            found.refuse(problem.message, (*path, "below"), problem.hint)
            continue
        if item.quantity == "peak_fold" and below <= 1:
            found.warn(f"no peak over rest is below {below:g}: a fold is 1 at least", (*path, "below"))
        made.append(ResponseClass(item.name, item.analyte, item.quantity, below))
    return replace(population, classes=tuple(made))
