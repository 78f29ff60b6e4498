"""A config for a fit, as far as it can be checked without model and data: files, noise, what is free.

Each check takes what of the file could be read, so that a mistake in one place does not hide others.
"""

from __future__ import annotations

from typing import Any

from ..choices import Family
from ..errors import did_you_mean
from ..fit_spec import (
    ConditionSpec,
    DataSpec,
    EstimatedSpec,
    FitParameterSpec,
    FitSettings,
    ObservableSpec,
)
from ..free_names import free_path
from ..spec import SolverSpec
from .config_checks import ConfigFindings, partly_read
from .toml_lines import KeyPath

#: Keys of [data] that go with a table of measurements, and with one of evidence.
_OF_FILE = (
    "sep", "decimal", "strict", "clock", "plasma_volume", "baseline", "molar_mass", "ignore"
)  # fmt: skip
_OF_EVIDENCE = ("use", "sd")
#: The noise that goes with what a batch has: see `exsim.batch_scales`.
BATCH_NOISE: dict[str, Family] = {
    "factor": "lognormal",
    "offset": "normal",
    "factor and offset": "normal",
}
#: Keys that a prior takes.
_OF_PRIOR = {
    "lognormal": ("median", "sd", "cv"),
    "normal": ("mean", "sd", "cv"),
    "uniform": (),
    "loguniform": (),
    "none": (),
}


def check_fit(found: ConfigFindings, values: dict[str, Any]) -> None:
    """Note what is wrong with the tables of a fit."""
    data = partly_read(DataSpec, values.get("data"), ("file", "evidence"))
    evidence = data is not None and data.evidence is not None
    if data is not None:
        _check_data(found, data, values)
    observables = _entries(values.get("observable"), ("observable",), ObservableSpec)
    _check_conditions(found, values)
    _check_observables(found, observables, values, evidence)
    fit = values.get("fit")
    if isinstance(fit, dict):
        _check_free(found, fit)
        settings = partly_read(FitSettings, fit, ("study_sd",), free=["x"])
        if settings is not None and settings.study_sd is not None:
            for path, item in observables:
                if item.batch is not None:
                    message = f"a batch has a {item.batch} of its own already, and study_sd gives it another"
                    found.refuse(message, (*path, "batch"), "leave out batch, or fit.study_sd")
    solver = partly_read(SolverSpec, values.get("solver"), ("precision",))
    if solver is not None and solver.precision == "float32":
        found.refuse("a fit is computed in float64", ("solver", "precision"), "leave precision out")


def _entries(rows: Any, path: KeyPath, form: type[Any]) -> list[tuple[KeyPath, Any]]:
    # The entries of a list of tables that could be read whole.
    read = [
        ((*path, index), partly_read(form, item, tuple(form.model_fields)))
        for index, item in enumerate(rows if isinstance(rows, list) else [])
    ]
    return [(place, item) for place, item in read if item is not None]


# ---- files and conditions ----------------------------------------------------------------------------


def _check_data(found: ConfigFindings, data: DataSpec, values: dict[str, Any]) -> None:
    given = values["data"]
    if data.file is None and data.evidence is None:
        hint = 'write file = "measured.csv", or evidence = "evidence.csv"'
        found.refuse("neither a table of measurements nor one of evidence", ("data",), hint)
        return
    if data.file is not None and data.evidence is not None:
        hint = "keep one of them"
        found.refuse("both a table of measurements and one of evidence", ("data", "evidence"), hint)
        return
    name, key = (data.file, "file") if data.evidence is None else (data.evidence, "evidence")
    if not is_plain_path(str(name)):
        hint = 'write a path relative to the config, e.g. "measured.csv"'
        found.refuse(f'"{str(name)[:60]}" is not a file that a config can name', ("data", key), hint)
    other = _OF_EVIDENCE if key == "file" else _OF_FILE
    for word in other:
        said = partly_read(DataSpec, given, (word,)) if word in given else None
        if said is not None and getattr(said, word) != getattr(DataSpec(), word):
            found.refuse(f"{word} is not for a table given as {key}", ("data", word), "leave it out")
    if key == "evidence":
        for table in ("observable", "condition"):
            if values.get(table):
                found.refuse(f"the table of evidence says every {table}", (table,), "leave it out")


def is_plain_path(text: str) -> bool:
    """Say whether a text is a relative path, which is all that a config may name."""
    outside = text.startswith(("/", "\\", "~")) or text[1:2] == ":" or "://" in text
    return bool(text) and "\x00" not in text and not outside and len(text) <= 1000


def _check_conditions(found: ConfigFindings, values: dict[str, Any]) -> None:
    rows = values.get("condition")
    first: dict[str, int] = {}
    own = bool(values.get("protocol"))
    used = not rows
    for index, item in enumerate(rows if isinstance(rows, list) else []):
        condition = partly_read(ConditionSpec, item, ("name", "protocol"))
        if condition is None:
            used = True
            continue
        if condition.name in first:
            place = f"condition.{first[condition.name]}"
            found.refuse(f'"{condition.name}" is {place} already', ("condition", index, "name"), "keep one")
        first.setdefault(condition.name, index)
        used = used or condition.protocol is None
        if condition.protocol is not None and not is_plain_path(condition.protocol):
            hint = 'write a path relative to the config, or a shipped name such as "marathon"'
            message = f'"{condition.protocol[:60]}" is not a config that a config can name'
            found.refuse(message, ("condition", index, "protocol"), hint)
    if own and not used:
        found.warn("no condition takes it: each has a protocol of its own", ("protocol",))


# ---- noise -------------------------------------------------------------------------------------------


def _check_observables(
    found: ConfigFindings, entries: list[tuple[KeyPath, Any]], values: dict[str, Any], evidence: bool
) -> None:
    if not values.get("observable") and not evidence:
        hint = 'write [[observable]] with analyte = "IL6", noise = "lognormal", sd = 0.2'
        found.refuse("the config does not say what was measured", ("observable",), hint)
    data = partly_read(DataSpec, values.get("data"), ("ignore",))
    ignored = () if data is None else data.ignore
    first: dict[str, KeyPath] = {}
    for path, item in entries:
        if item.analyte in first:
            place = ".".join(str(part) for part in first[item.analyte])
            found.refuse(f'"{item.analyte}" is {place} already', (*path, "analyte"), "keep one of them")
        first.setdefault(item.analyte, path)
        if item.analyte in ignored:
            message = f'"{item.analyte}" is among the analytes that data.ignore leaves out'
            found.refuse(message, (*path, "analyte"), "leave it out of one of them")
        _check_noise(found, path, item)
        if item.unit is not None and item.formula is None:
            hint = "leave it out: the model has the unit of its own quantities, the data have theirs"
            found.refuse("unit is for a formula", (*path, "unit"), hint)
        wanted = None if item.batch is None else BATCH_NOISE[item.batch]
        if wanted is not None and item.noise != wanted:
            message = f'batch = "{item.batch}" goes with {wanted} noise, not with {item.noise}'
            found.refuse(message, (*path, "batch"), f'write noise = "{wanted}", or another batch')


def _check_noise(found: ConfigFindings, path: KeyPath, item: ObservableSpec) -> None:
    if item.noise == "additive_proportional":
        if item.proportional is None:
            hint = 'write proportional = 0.15, or take noise = "normal"'
            found.refuse("additive_proportional needs a proportional part", (*path, "noise"), hint)
        if item.sd == "data":
            hint = 'write sd = "3 pg/mL", or take noise = "normal"'
            message = "the sd of the data is the whole of their noise: nothing is left in proportion"
            found.refuse(message, (*path, "sd"), hint)
    elif item.proportional is not None:
        hint = 'leave it out, or take noise = "additive_proportional"'
        found.refuse(f"proportional is not for {item.noise} noise", (*path, "proportional"), hint)
    if item.proportional == "data":
        hint = "write a number, 0.15, or { lower = 0.02, upper = 1.0 }"
        found.refuse("data give no proportional part", (*path, "proportional"), hint)
    if item.noise != "student_t" and item.degrees is not None:
        found.refuse(f"degrees is not for {item.noise} noise", (*path, "degrees"), "leave it out")
    elif item.degrees is not None and item.degrees <= 2:
        message = f"a t of {item.degrees:g} degrees of freedom has no standard deviation"
        found.refuse(message, (*path, "degrees"), "take more than 2")
    for key in ("sd", "proportional"):
        number = getattr(item, key)
        if isinstance(number, EstimatedSpec):
            lower = number.lower if isinstance(number.lower, float) else number.lower.magnitude
            if lower <= 0:
                hint = "noise that runs to 0 explains anything: give a lower bound above 0"
                found.refuse(f"the lower bound of {key} is {lower:g}", (*path, key, "lower"), hint)


# ---- what is free ------------------------------------------------------------------------------------


def _check_free(found: ConfigFindings, fit: dict[str, Any]) -> None:
    settings = partly_read(FitSettings, fit, ("free",))
    if settings is None:
        return
    if not settings.free:
        hint = 'write free = ["release_gain"]'
        found.refuse("nothing is free", ("fit", "free"), hint)
    seen: dict[Any, str] = {}
    for index, name in enumerate(settings.free):
        target = free_path(name)
        if target in seen:
            found.refuse(f'"{name}" is free already', ("fit", "free", index), "keep one of them")
        seen.setdefault(target, name)
    first: dict[Any, KeyPath] = {}
    for path, item in _entries(fit.get("parameter"), ("fit", "parameter"), FitParameterSpec):
        if item.path not in seen:
            hint = f"add it to fit.free, or leave it out. {did_you_mean(item.name, list(settings.free))}"
            found.refuse(f'"{item.name}" is not free', (*path, "name"), hint)
        elif item.path in first:
            place = ".".join(str(part) for part in first[item.path])
            found.refuse(f'"{item.name}" is {place} already', (*path, "name"), "keep one of them")
        first.setdefault(item.path, path)
        _check_prior(found, path, item)
    _check_profile(found, fit)


def _check_prior(found: ConfigFindings, path: KeyPath, item: FitParameterSpec) -> None:
    given = [key for key in ("median", "mean", "sd", "cv") if getattr(item, key) is not None]
    if item.prior is None:
        for key in given:
            hint = 'write prior = "lognormal" or "normal", or leave it out'
            found.refuse(f"{key} is for a prior, and none is named", (*path, key), hint)
        return
    for key in given:
        if key not in _OF_PRIOR[item.prior]:
            takes = ", ".join(_OF_PRIOR[item.prior])
            hint = f"leave it out: it takes {takes}" if takes else "leave it out: its bounds are all it has"
            found.refuse(f"{key} is not for prior = {item.prior}", (*path, key), hint)
    if item.prior in ("normal", "lognormal") and (item.sd is None) == (item.cv is None):
        wanted = "sd = 0.5 (of the logarithm)" if item.prior == "lognormal" else 'sd with the unit, "10 kg"'
        message = "neither sd nor cv" if item.sd is None else "both sd and cv"
        found.refuse(f"{item.name}: {message}", (*path, "prior"), f"write {wanted}, or cv = 0.3")


def _check_profile(found: ConfigFindings, fit: dict[str, Any]) -> None:
    settings = partly_read(FitSettings, fit, ("profile",), free=["x"])
    names = () if settings is None or isinstance(settings.profile, bool) else settings.profile
    for index, name in enumerate(names):
        if name in names[:index]:
            found.refuse(f'"{name}" is given twice', ("fit", "profile", index), "keep one of them")
