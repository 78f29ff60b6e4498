"""A config -> TOML text that reads back as an equal one; the JSON Schema of a config, for editors."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from ..fit_spec import FitSpec
from ..spec import ConfigSpec, RunSpec
from ..toml_text import toml_text


def to_toml(spec: ConfigSpec) -> str:
    """Return a config as TOML, defaults written out; reading it gives an equal RunSpec or FitSpec."""
    return toml_text(spec.model_dump(mode="json", by_alias=True, exclude_none=True))


def config_schema_text() -> str:
    """Return the JSON Schema of a config, as it stands in schema/exsim.schema.json."""
    either: TypeAdapter[RunSpec | FitSpec] = TypeAdapter(RunSpec | FitSpec)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of exsim: a run or a sweep, or a fit",
    } | either.json_schema(by_alias=True)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
