"""docs/configs.md holds every key of a config: no more, no less, and its examples are taken."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exsim.fit_spec import FitSpec
from exsim.intensity import SHARES, intensity_fraction
from exsim.moments import Moment
from exsim.spec import TALK_TEST_FRACTION_OF_VO2MAX, BoutSpec, RunSpec, SubjectSpec

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "configs.md").read_text(encoding="utf-8")
#: Tables whose keys the user chooses: text in the page, no rows.
FREE = ("parameter", "subject.baseline", "sweep.metrics", "data.molar_mass", "condition.parameter")
#: Tables whose keys are those of another: text in the page, no rows.
ALIKE = ("condition.subject", "observable.proportional", "population.effect.within")
#: Tables that may be written inline, in a row of the table that holds them.
INLINE = ("protocol.bout", "observable", "population.effect")
#: What a table needs beside the key that is tried.
REQUIRED: dict[str, dict[str, Any]] = {
    "": {"schema": 1, "model": "il6_axis", "output": {"until": "1 h"}},
    "subject": {},
    "protocol.bout": {"start": "0 h", "intensity": 0.5},
    "protocol.bout.intervals": {"work": "1 min", "rest": "1 min", "repeats": 2},
    "protocol.bout.repeat": {"every": "24 h", "times": 2},
    "protocol.intake": {"carbohydrate": "1 g/h", "start": "0 h", "duration": "1 h"},
    "protocol.infusion": {"target": "IL6", "rate": "1 ug/h", "start": "0 h", "duration": "1 h"},
    "protocol.bolus": {"target": "LPS", "dose": "1 ng/kg", "time": "0 h"},
    "output": {"until": "1 h"},
    "solver": {},
    "sweep": {},
    "sweep.vary": {"target": "parameter.release_gain"},
    "sweep.correlation": {"between": ["parameter.a", "parameter.b"], "coefficient": 0.1},
    "data": {},
    "data.clock": {"zero": "2024-05-04T09:00+02:00"},
    "condition": {"name": "race"},
    "observable": {"analyte": "IL6", "noise": "lognormal", "sd": 0.2},
    "observable.sd": {"lower": 0.02, "upper": 2.0},
    "fit": {"free": ["release_gain"]},
    "fit.parameter": {"name": "release_gain"},
    "sample": {},
    "population": {},
    "population.effect": {"parameter": "release_gain"},
    "population.effect.between": {},
    "population.covariate": {"name": "body_mass", "on": "release_gain"},
    "population.class": {"name": "low responder", "analyte": "IL6", "below": 20},
}


def _table_of(annotation: Any) -> type[BaseModel] | None:
    # The table that a field holds, in a list or alone; None for a plain value.
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None if annotation is Moment else annotation
    return next((found for inner in get_args(annotation) if (found := _table_of(inner)) is not None), None)


def _tables(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        inner = _table_of(field.annotation)
        if inner is not None:
            yield from _tables(inner, f"{path}.{field.alias or name}".lstrip("."))


TABLES = {
    path: table
    for path, table in (dict(_tables(FitSpec)) | dict(_tables(RunSpec))).items()
    if path not in ALIKE
}


def _plain_keys(path: str) -> dict[str, FieldInfo]:
    # The keys of a table that have a row in the page: a table of its own has a heading.
    free = {name.rpartition(".")[2] for name in FREE if name.rpartition(".")[0] == path}
    inline = path in INLINE
    return {
        field.alias or name: field
        for name, field in TABLES[path].model_fields.items()
        if name not in free
        and (inline or _table_of(field.annotation) is None or (path, name) == ("data", "clock"))
    }


def _rows(path: str) -> dict[str, tuple[str, str]]:
    """Return key -> (example, default) of the rows under the heading of a table."""
    heading = r"The top of the file" if not path else rf"`\[+{re.escape(path)}\]+`"
    section = re.search(rf"^#+ {heading}$(.*?)(?=^#|\Z)", PAGE, re.M | re.S)
    assert section, f"docs/configs.md has no heading for [{path}]"
    rows = re.findall(r"^\| `(\w+)` \| .+? \| `(.+?)` \| (.+?) \|$", section[1], re.M)
    return {key: (example, default) for key, example, default in rows}


@pytest.mark.parametrize("path", [path for path in TABLES if path != "protocol"])
def test_every_key_of_a_table_has_a_row_and_every_row_a_key(path: str) -> None:
    assert set(_rows(path)) == set(_plain_keys(path))


@pytest.mark.parametrize("path", FREE)
def test_tables_whose_keys_the_user_chooses_have_a_section(path: str) -> None:
    assert re.search(rf"^## `\[{re.escape(path)}\]`$", PAGE, re.M)


@pytest.mark.parametrize("path", [path for path in TABLES if path != "protocol"])
def test_every_example_is_taken_and_every_default_is_the_default(path: str) -> None:
    for key, (example, default) in _rows(path).items():
        field = _plain_keys(path)[key]
        values = tomllib.loads(example)
        assert list(values) == [key]
        TABLES[path].model_validate(REQUIRED[path] | values)
        assert (default == "required") == field.is_required(), key
        plain = field.default not in (None, ()) and not _table_of(field.annotation)
        if not field.is_required() and plain:
            shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            if isinstance(field.default, tuple):
                shown = json.dumps(list(field.default))
            assert default == f"`{shown}`", key


def test_intensities_become_the_fractions_of_the_table() -> None:
    person = SubjectSpec.model_validate(
        {
            "vo2max": "55 mL/kg/min",
            "resting_heart_rate": "55 beats/min",
            "maximal_heart_rate": "190 beats/min",
        }
    )
    rows = re.findall(r"^\| `(.+?)` \| (\w+) \| .+? \| ([\d.]+) \|$", PAGE, re.M)
    assert len(rows) >= 10
    for written, modality, fraction in rows:
        intensity = tomllib.loads(f"value = {written}")["value"]
        bout = BoutSpec.model_validate({"start": "0 h", "intensity": intensity, "modality": modality})
        assert intensity_fraction(bout, person) == pytest.approx(float(fraction), abs=6e-4), written


def test_every_way_to_write_an_intensity_is_named() -> None:
    for share in SHARES:
        assert f"%{share}" in PAGE.lower(), share
    for word in TALK_TEST_FRACTION_OF_VO2MAX:
        assert f'`"{word}"`' in PAGE
