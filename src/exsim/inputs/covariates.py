"""A column of the table of people -> a covariate as it enters: log(x / reference), x - reference, 0 and 1."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from jaxtyping import Float

from ..choices import ScaleName
from ..errors import LabDataError, did_you_mean
from ..population import CovariateForm
from ..sample_spec import CovariateSpec
from .config_checks import ConfigFindings
from .lab_data_cells import is_missing, number
from .lab_data_text import Complaints, cut
from .people_table import People
from .toml_lines import KeyPath

Values = Float[np.ndarray, "subject"]

#: One sd of the prior that moves the logarithm of an effect further than this is hardly meant.
_FAR = 3.0
_MISSING = "nothing is known of this subject"


@dataclass(frozen=True, eq=False)
class Entered:
    """A covariate as it enters an effect."""

    values: Values
    form: CovariateForm
    #: Of a category: the reference and the other level.
    levels: tuple[str, str] = ("", "")


def read_covariate(
    found: ConfigFindings,
    path: KeyPath,
    item: CovariateSpec,
    people: People,
    subjects: Sequence[str],
    scale: ScaleName,
) -> Entered | None:
    """Return a covariate of the subjects as it enters an effect on that scale, (subject,), no unit.

    A power is on the logarithm of the scale, natural or of 10, so that its coefficient is the exponent.
    None, with all that is wrong noted, where it cannot be had; subjects without a row are left out of that.
    `path` is where the config speaks of it.
    """
    rows = [people.rows[name] for name in subjects if name in people.rows]
    texts = {row: people.cells[item.name][row] for row in rows}
    form, levels = _form(item, people, scale), None
    if form == "power" and scale not in ("log", "log10"):
        message = f"a power is for an effect on a logarithm, and {item.on} is on a {scale} scale"
        found.refuse(message, (*path, "form"), 'write form = "linear"')
        return None
    if form != "category" and isinstance(item.reference, str):
        message = f'"{cut(item.reference)}" is no number, and {item.name} is one'
        found.refuse(message, (*path, "reference"), 'write a number, or form = "category"')
        return None
    complaints = Complaints(str(people.path))
    heading = people.headings[item.name]
    for row, text in texts.items():
        if is_missing(text):
            hint = f"fill it in, or leave the covariate {item.name} out"
            complaints.add(people.lines[row], heading, _MISSING, hint)
    given = {row: text for row, text in texts.items() if not is_missing(text)}
    if form == "category":
        own = list(given.values())
        levels = None if complaints.total else _levels(found, path, item, own, len(subjects))
        whole = None if levels is None else np.array([float(level != levels[0]) for level in own])
    else:
        values = _read(item, people, given, form, complaints)
        whole = None if complaints.total else _numbers(found, path, item, values, form, len(subjects))
    found.problems += complaints.problems()
    if whole is None or len(whole) < len(subjects):
        return None
    if scale in ("log", "log10"):
        _warn_of_reach(found, path, item, float(np.abs(whole).max()))
    if form == "power" and scale == "log10":
        whole = whole / math.log(10)
    return Entered(whole, form, ("", "") if levels is None else levels)


def _form(item: CovariateSpec, people: People, scale: ScaleName) -> CovariateForm:
    if item.form is not None:
        return item.form
    given = [text for text in people.cells[item.name] if not is_missing(text)]
    if given and not any(_is_number(text, people.decimal) for text in given):
        return "category"
    return "power" if scale in ("log", "log10") else "linear"


def _is_number(text: str, decimal: str) -> bool:
    try:
        number(text, decimal)
    except LabDataError:
        return False
    return True


def _warn_of_reach(found: ConfigFindings, path: KeyPath, item: CovariateSpec, furthest: float) -> None:
    # An age in years has a coefficient far below 1: a prior that does not know makes absurd people.
    reach = item.sd * furthest
    if reach > _FAR:
        factor = math.exp(min(reach, 700.0))
        message = (
            f"one sd of its prior lets {item.name} alone move {item.on} by a factor of {factor:.1g}:"
            f" is {item.sd:g} meant, and not {1 / furthest:.1g}?"
        )
        found.warn(message, (*path, "sd"))


# ---- numbers -----------------------------------------------------------------------------------------


def _read(
    item: CovariateSpec, people: People, texts: dict[int, str], form: CovariateForm, complaints: Complaints
) -> list[float]:
    heading = people.headings[item.name]
    values = []
    for row, text in texts.items():
        try:
            value = number(text, people.decimal)
        except LabDataError as error:
            problem = error.problems[0]
            hint = problem.hint if "decimal" in str(problem.hint) else None
            hint = hint or f'write a number; its unit may stand in the header: "{item.name} [kg]"'
            complaints.add(people.lines[row], heading, problem.message, hint)
            continue
        if form == "power" and value <= 0:
            message = f"{cut(text)} has no logarithm, which a power of it takes"
            hint = f'write form = "linear" for {item.name}, or "category" if it names a group'
            complaints.add(people.lines[row], heading, message, hint)
        values.append(value)
    return values


def _numbers(
    found: ConfigFindings,
    path: KeyPath,
    item: CovariateSpec,
    values: Sequence[float],
    form: CovariateForm,
    people: int,
) -> Values | None:
    # Of people without a row, which have their own complaint, nothing is known here.
    if len(set(values)) == 1 < len(values) == people:
        message = f"{item.name} is {values[0]:g} for all: it explains no difference"
        found.refuse(message, (*path, "name"), "leave the covariate out")
        return None
    if not values:
        return None
    reference = median(values) if item.reference is None else item.reference
    assert isinstance(reference, float)
    if form == "power" and reference <= 0:
        message = f"{reference:g} has no logarithm, which a power takes"
        found.refuse(message, (*path, "reference"), "write a number above 0, e.g. a typical one")
        return None
    if not min(values) <= reference <= max(values):
        message = (
            f"nobody is like the reference, {reference:g}: people have {min(values):g} to {max(values):g}"
        )
        found.warn(message, (*path, "reference"))
    x = np.array(values)
    return np.log(x / reference) if form == "power" else x - reference


# ---- categories --------------------------------------------------------------------------------------


def _levels(
    found: ConfigFindings, path: KeyPath, item: CovariateSpec, levels: Sequence[str], people: int
) -> tuple[str, str] | None:
    # The reference and the other level.
    times = Counter(levels)
    shown = ", ".join(f'"{cut(level)}"' for level in list(times)[:8])
    if not times:
        return None
    if len(times) > 2:
        message = f"{item.name} has {len(times)} levels ({shown}): a category has two"
        hint = "join levels, or make a column for each that says yes or no"
        found.refuse(message, (*path, "name"), hint)
        return None
    if len(times) == 1 < len(levels) == people:
        message = f"{item.name} is {shown} for all: it explains no difference"
        found.refuse(message, (*path, "name"), "leave the covariate out")
        return None
    reference = times.most_common(1)[0][0]
    if item.reference is not None:
        wanted = item.reference
        own = [level for level in times if level == wanted or _same_number(level, wanted)]
        if not own:
            written = wanted if isinstance(wanted, str) else f"{wanted:g}"
            message = f'"{cut(written)}" is no level of {item.name}'
            found.refuse(message, (*path, "reference"), did_you_mean(written, list(times)))
            return None
        reference = own[0]
    return reference, next((level for level in times if level != reference), "")


def _same_number(level: str, wanted: float | str) -> bool:
    return isinstance(wanted, float) and _is_number(level, ".") and float(level) == wanted
