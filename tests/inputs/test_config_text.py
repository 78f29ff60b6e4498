"""A config written as TOML and read again; the JSON Schema for editors."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exsim.inputs.config import read_config
from exsim.inputs.config_text import config_schema_text, to_toml
from exsim.spec import RunSpec


def _write(folder: Path, text: str, name: str = "run.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_config_written_as_toml_and_read_again_is_equal(root: Path, tmp_path: Path) -> None:
    paths = sorted((root / "configs" / "simulate").glob("*.toml"))
    assert len(paths) > 20
    for path in paths:
        spec = read_config(path).spec
        assert read_config(_write(tmp_path, to_toml(spec), path.name)).spec == spec, path


_names = st.text(alphabet="abcXYZ_.-é\"\\' \x7f\t走", min_size=1, max_size=8)
_quantities = st.builds(
    lambda number, unit: f"{number!r} {unit}",
    st.floats(1e-9, 1e9),
    st.sampled_from(["L/h", "kg", "1/h", "%"]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        _names, st.one_of(_quantities, st.floats(allow_nan=False, allow_infinity=False)), max_size=4
    ),
    _names,
)
def test_any_names_and_numbers_survive_being_written_and_read(
    tmp_path: Path, parameters: dict[str, str | float], label: str
) -> None:
    spec = RunSpec.model_validate(
        {
            "schema": 1,
            "model": "il6_axis",
            "label": label,
            "parameter": parameters,
            "output": {"until": "1 h"},
        }
    )
    assert read_config(_write(tmp_path, to_toml(spec))).spec == spec


def test_the_exported_schema_is_current(root: Path) -> None:
    path = root / "schema" / "exsim.schema.json"
    assert path.read_text(encoding="utf-8") == config_schema_text(), (
        "the form of a config has changed: write exsim.inputs.config_text.config_schema_text() to "
        "schema/exsim.schema.json"
    )
