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
from ..spec import RunSpec
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

_SWEEP_EXAMPLES = {
    "target": 'target = "parameter.release_gain"',
    "between": 'between = ["parameter.CL_IL6", "parameter.V_IL6"]',
    "coefficient": "coefficient = 0.5",
}

#: Tables inside an entry of a list, which no [header] of their own can name.
_INLINE_TABLES = {
    "repeat": 'repeat = { every = "24 h", times = 7 }',
    "intervals": 'intervals = { work = "4 min", rest = "3 min", repeats = 4 }',
}


def structure_problems(
    source: ConfigSource, values: dict[str, Any], errors: list[ErrorDetails]
) -> list[Problem]:
    """Return one problem for each complaint; a key that was misspelt is not missing as well."""
    hinted = errors[:_MOST_HINTS]
    misspelt = {
        (*error["loc"][:-1], match)
        for error in hinted
        if error["type"] == "extra_forbidden"
        and (match := nearest(str(error["loc"][-1]), _known_keys(error["loc"][:-1]))) is not None
    }
    problems = [
        _problem(source, values, error, hints=number < _MOST_HINTS)
        for number, error in enumerate(errors)
        if not (error["type"] == "missing" and error["loc"] in misspelt)
    ]
    return sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0))


def _problem(source: ConfigSource, values: dict[str, Any], error: ErrorDetails, *, hints: bool) -> Problem:
    path = _within(values, error["loc"])
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    key = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return source.problem(f'unknown key "{key}"', path, _hint_for_unknown(path) if hints else None)
    if kind == "missing":
        where = _in_table(path[:-1]) if len(path) > 1 else "at the top of the file"
        examples = _EXAMPLES | (_SWEEP_EXAMPLES if path[0] == "sweep" else {})
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
    if names[:1] == ["sweep"] and names[1:] in (["vary"], ["correlation"]):
        return f"under [[{'.'.join(names)}]]"
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


def _hint_for_unknown(path: KeyPath) -> str:
    known = _known_keys(path[:-1])
    key = str(path[-1])
    if nearest(key, known) is None:
        for table, keys in _tables(RunSpec):
            if key in keys:
                return f"it belongs {_in_table(tuple(table.split('.')))}"
    return did_you_mean(key, known)


def _known_keys(path: KeyPath) -> list[str]:
    """Return the keys of the table at a path of a config; none where it takes any key."""
    model: type[BaseModel] | None = RunSpec
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
