"""TOML -> RunSpec: every complaint at once, each with file, line and a way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..errors import ConfigError, Problem
from ..spec import SCHEMA_VERSION, RunSpec
from .config_checks import meaning_problems
from .config_problems import structure_problems
from .config_source import ConfigSource, apply_overrides, parse, read_source
from .config_text import to_toml
from .model_checks import check_against_model
from .run_names import check_run_name, colliding_names
from .shipped import shipped_configs, shipped_folder
from .sweep_checks import check_sweep

__all__ = ["LoadedConfig", "check_against_model", "read_config", "refuse_colliding_names", "to_toml"]


@dataclass(frozen=True)
class LoadedConfig:
    """A config that was read and found right: what it says, and the file as it stood."""

    spec: RunSpec
    path: Path
    #: Name of the run: the file's name without its ending.
    name: str
    text: str
    sha256: str
    repairs: tuple[str, ...] = ()
    #: What is improbable in it.
    warnings: tuple[str, ...] = ()
    source: ConfigSource | None = None

    @property
    def question(self) -> str:
        """The comment that the file opens with: the question that the config answers, or ""."""
        first = self.text.lstrip().partition("\n")[0]
        return first.lstrip("# ").strip() if first.startswith("#") and not first.startswith("#:") else ""


def read_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read a run configuration, check all that can be known without its model.

    `path` may also be the name of a shipped config, such as "marathon", where no file has that name.
    `overrides` are `--set` strings such as "protocol.bout.0.duration='4 h'" or "solver.rtol=1e-8".
    Raises ConfigError with every problem of the file.
    """
    path = _found(Path(path))
    name = check_run_name(path.stem, str(path))
    source = read_source(path)
    source, values, problems = apply_overrides(source, parse(source), overrides)
    _check_version(source, values.get("schema"))
    spec = None
    try:
        spec = RunSpec.model_validate(values)
    except ValidationError as error:
        problems += structure_problems(source, values, error.errors(include_url=False))
    found = meaning_problems(source, values)
    check_sweep(found, values)
    problems += found.problems
    if problems or spec is None:
        raise ConfigError(sorted(problems, key=lambda item: (item.file != source.file, item.line or 0)))
    return LoadedConfig(
        spec, path, name, source.text, source.sha256, source.repairs, tuple(found.warnings), source
    )


def _found(path: Path) -> Path:
    # A file goes before a shipped config. No two of these have one name: a test sees to it.
    if path.exists() or path.name != str(path):
        return path
    name = next((item for item in shipped_configs() if item.rpartition("/")[2] == f"{path}.toml"), None)
    return path if name is None else shipped_folder("configs") / name


def _check_version(source: ConfigSource, version: object) -> None:
    # What a later version calls its keys is not known here: nothing else is reported.
    if type(version) is int and version > SCHEMA_VERSION:
        hint = f"this exsim reads schema {SCHEMA_VERSION}: install a later exsim"
        raise ConfigError(source.problem(f"the config is written for schema {version}", ("schema",), hint))


def refuse_colliding_names(configs: Sequence[LoadedConfig]) -> None:
    """Raise ConfigError where two configs have names that meet on some file systems."""
    problems = [
        Problem(
            f'the names "{first}" and "{second}" are one name on some file systems',
            hint="rename one of the config files, or run them with --out in different folders",
        )
        for first, second in colliding_names([config.name for config in configs])
    ]
    if problems:
        raise ConfigError(problems)
