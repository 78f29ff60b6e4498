"""What pydantic found wrong with a config -> problems in the words of the field, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ..errors import Problem, did_you_mean, nearest
from ..fields import shown
from ..moments import Moment
from ..spec import ConfigSpec
from .config_source import ConfigSource
from .toml_lines import KeyPath

#: The nearest key is looked for in this many complaints: 50 are shown, and each look takes time.
_MOST_HINTS = 200
_WANTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "an array",
}
_EXAMPLES = {
    "schema": "schema = 1",
    "model": 'model = "il6_axis"',
    "output": '[output] with until = "8 h"',
    "until": 'until = "8 h"',
    "start": 'start = "0 h"',
    "duration": 'duration = "60 min"',
    "intensity": "intensity = 0.8",
    "work": 'work = "4 min"',
    "rest": 'rest = "3 min"',
    "repeats": "repeats = 4",
    "every": 'every = "24 h"',
    "times": "times = 7",
    "carbohydrate": 'carbohydrate = "60 g/h"',
    "target": 'target = "IL6"',
    "rate": 'rate = "8 ug/h"',
    "dose": 'dose = "0.06 ng/kg"',
    "time": 'time = "2.5 h"',
}

#: Examples of keys whose meaning depends on their table.
_EXAMPLES_IN = {
    "sweep": {
        "target": 'target = "parameter.release_gain"',
        "between": 'between = ["parameter.CL_IL6", "parameter.V_IL6"]',
        "coefficient": "coefficient = 0.5",
    },
    "condition": {"name": 'name = "race"'},
    "observable": {
        "analyte": 'analyte = "IL6"',
        "noise": 'noise = "lognormal"',
        "sd": 'sd = 0.2, sd = "data", or sd = { lower = 0.02, upper = 2.0 }',
        "lower": "lower = 0.02",
        "upper": "upper = 2.0",
    },
    "data": {"data": '[data] with file = "measured.csv"', "zero": 'zero = "2024-05-04T09:00+02:00"'},
    "fit": {
        "fit": '[fit] with free = ["release_gain"]',
        "free": 'free = ["release_gain"]',
        "name": 'name = "release_gain"',
    },
    "population": {
        "parameter": 'parameter = "release_gain"',
        "name": 'name = "body_mass"',
        "on": 'on = "release_gain"',
        "analyte": 'analyte = "IL6"',
        "below": "below = 20",
    },
}

#: Lists of tables, [[...]]; those of a protocol are another.
_LISTS = (
    ("sweep", "vary"),
    ("sweep", "correlation"),
    ("condition",),
    ("observable",),
    ("fit", "parameter"),
    ("data", "clock"),
    ("population", "effect"),
    ("population", "covariate"),
    ("population", "class"),
)

#: Tables inside an entry of a list, which no [header] of their own can name.
_INLINE_TABLES = {
    "sd": "sd = { lower = 0.02, upper = 2.0 }",
    "proportional": "proportional = { lower = 0.02, upper = 1.0 }",
    "between": "between = { halfcauchy = 5 }",
    "within": "within = { halfnormal = 0.2 }",
    "repeat": 'repeat = { every = "24 h", times = 7 }',
    "intervals": 'intervals = { work = "4 min", rest = "3 min", repeats = 4 }',
}


def structure_problems(
    source: ConfigSource, values: dict[str, Any], errors: list[ErrorDetails], form: type[ConfigSpec]
) -> list[Problem]:
    """Return one problem for each complaint; a key that was misspelt is not missing as well.

    `form` is what the values were read as.
    """
    places = [_without_tags(error["loc"]) for error in errors]
    misspelt = {
        (*place[:-1], match)
        for error, place in zip(errors[:_MOST_HINTS], places, strict=False)
        if error["type"] == "extra_forbidden"
        and (match := nearest(str(place[-1]), _known_keys(place[:-1], form))) is not None
    }
    problems = [
        _problem(source, values, error, place, form if number < _MOST_HINTS else None)
        for number, (error, place) in enumerate(zip(errors, places, strict=True))
        if not (error["type"] == "missing" and place in misspelt)
    ]
    return sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0))


def _without_tags(place: KeyPath) -> KeyPath:
    # A value that may be of several kinds has the kind, "<given>", in its place.
    return tuple(part for part in place if not (isinstance(part, str) and re.fullmatch(r"<\w+>", part)))


def _problem(
    source: ConfigSource,
    values: dict[str, Any],
    error: ErrorDetails,
    place: KeyPath,
    form: type[ConfigSpec] | None,
) -> Problem:
    path = _within(values, place)
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    key = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return source.problem(f'unknown key "{key}"', path, _hint_for_unknown(path, form) if form else None)
    if kind == "missing":
        where = _in_table(path[:-1]) if len(path) > 1 else "at the top of the file"
        examples = _EXAMPLES | _EXAMPLES_IN.get(str(path[0]), {})
        return source.problem(f'"{key}" is missing', path, f"write {examples.get(key, key)} {where}")
    if kind == "exsim":
        hint = _hint_for_dotted_id(path, found) or context["hint"]
        return source.problem(context["message"], path, hint)
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        hint = f"(accepted: {context['expected']})"
        if isinstance(found, str) and choices:
            hint = did_you_mean(found, choices)
        return source.problem(f"{shown(found)} is not one of the choices", path, hint)
    if kind in _WANTED:
        what = (
            "a table" if isinstance(found, dict) else "an array" if isinstance(found, list) else shown(found)
        )
        return source.problem(
            f"found {what}, wanted {_WANTED[kind]}", path, _hint_for_type(kind, found, path)
        )
    if kind == "finite_number":
        return source.problem(f"{shown(found)} is not a finite number", path)
    limits = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for name, words in limits.items():
        if name in context:
            return source.problem(
                f"{shown(found)} is out of range", path, f"it must be {words} {context[name]:g}"
            )
    if kind == "string_too_short":
        return source.problem("the text is empty", path)
    return source.problem(f"found {shown(found)}: {error['msg'][:1].lower()}{error['msg'][1:]}", path)


def _within(values: Any, path: KeyPath) -> KeyPath:
    # Cut off what pydantic adds inside a plain value; a last key that is missing stays.
    for length, part in enumerate(path):
        if isinstance(values, dict):
            if part not in values:
                return path[: length + 1]
            values = values[part]
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return path[:length]
    return path


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)


def _in_table(path: KeyPath) -> str:
    """Say where in a file a table stands: under [a], under [[a.b]] or inside { } of an entry of a list."""
    names = [str(part) for part in path if isinstance(part, str)]
    if tuple(names) in _LISTS:
        return f"under [[{'.'.join(names)}]]"
    if tuple(names[:-1]) in _LISTS and names[-1] in _INLINE_TABLES:
        return f"in {names[-1]} = {{ ... }}"
    if tuple(names[:-1]) in _LISTS:
        return f"under [{'.'.join(names)}]"
    if names[:1] != ["protocol"] or len(names) < 2:
        return f"under [{_dotted(path)}]"
    if len(names) == 2:
        return f"under [[{'.'.join(names)}]]"
    return f"in {names[-1]} = {{ ... }}"


def _hint_for_type(kind: str, found: Any, path: KeyPath) -> str | None:
    if kind in ("float_type", "int_type") and isinstance(found, str):
        return "write it without quotes"
    if kind == "int_type" and isinstance(found, float) and found.is_integer():
        return f"write {found:.0f}"
    if kind == "tuple_type" and isinstance(found, dict):
        return f"write [[{_dotted(path)}]], one for each"
    if kind == "tuple_type" and isinstance(found, str):
        parts = ", ".join(f'"{part.strip()}"' for part in found.split(","))
        return f"write {path[-1]} = [{parts}]" if len(found) <= 60 else "write each in quotes, inside [ ]"
    if kind == "model_type" and path[-1] in _INLINE_TABLES:
        return f"write {_INLINE_TABLES[str(path[-1])]}"
    if kind in ("model_type", "dict_type"):
        return f"write it as a table, [{_dotted(path)}]" if not isinstance(path[-1], int) else None
    return None


def _hint_for_dotted_id(path: KeyPath, found: Any) -> str | None:
    # `R1.k = "3 1/h"` under [parameter] is read by TOML as a table R1 that holds k.
    if path[:1] == ("parameter",) and isinstance(found, dict) and len(found) == 1:
        return f'an id that holds a dot stands in quotes: "{path[-1]}.{next(iter(found))}"'
    return None


def _hint_for_unknown(path: KeyPath, form: type[ConfigSpec]) -> str:
    known = _known_keys(path[:-1], form)
    key = str(path[-1])
    if len(path) == 1 and "fit" in known and key in ("output", "sweep"):
        return "leave it out: a fit looks at the times of its data, and every [[condition]] is solved once"
    if nearest(key, known) is None:
        # A table below the one in which it stands is what was meant, before any other.
        near = f"{path[0]}."
        for table, keys in sorted(_tables(form), key=lambda item: not item[0].startswith(near)):
            if key in keys:
                return f"it belongs {_in_table(tuple(table.split('.')))}"
    return did_you_mean(key, known)


def _known_keys(path: KeyPath, form: type[BaseModel]) -> list[str]:
    """Return the keys of the table at a path of a config; none where it takes any key."""
    model: type[BaseModel] | None = form
    for part in path:
        if isinstance(part, str) and model is not None:
            model = _fields(model).get(part)
    return list(_fields(model)) if model is not None else []


def _fields(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    # key -> the table that it holds, or None for a plain value
    return {field.alias or name: _table_in(field.annotation) for name, field in model.model_fields.items()}


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None if annotation is Moment else annotation
    return next((found for inner in get_args(annotation) if (found := _table_in(inner)) is not None), None)


def _tables(model: type[BaseModel], name: str = "") -> Iterator[tuple[str, list[str]]]:
    for key, table in _fields(model).items():
        if table is not None:
            yield f"{name}{key}", list(_fields(table))
            yield from _tables(table, f"{name}{key}.")
