"""TOML -> RunSpec or FitSpec: every complaint at once, each with file, line and a way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from ..errors import ConfigError, Problem
from ..fit_spec import FIT_TABLES, FitSpec
from ..spec import SCHEMA_VERSION, ConfigSpec, RunSpec
from .config_checks import ConfigFindings, meaning_problems
from .config_problems import structure_problems
from .config_source import ConfigSource, apply_overrides, parse, read_source
from .config_text import to_toml
from .fit_checks import check_fit
from .fit_conditions import check_condition_files
from .model_checks import check_against_model
from .population_checks import check_population
from .run_names import check_run_name, colliding_names
from .shipped import shipped_configs, shipped_folder
from .sweep_checks import check_sweep

__all__ = [
    "Loaded",
    "LoadedConfig",
    "LoadedFit",
    "check_against_model",
    "is_fit_config",
    "is_sample_config",
    "read_config",
    "read_fit_config",
    "refuse_colliding_names",
    "to_toml",
]

_Spec = TypeVar("_Spec", bound=ConfigSpec)


@dataclass(frozen=True)
class Loaded(Generic[_Spec]):
    """A config that was read and found right: what it says, and the file as it stood."""

    spec: _Spec
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


LoadedConfig = Loaded[RunSpec]
LoadedFit = Loaded[FitSpec]


def read_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read a run configuration, check all that can be known without its model.

    `path` may also be the name of a shipped config, such as "marathon", where no file has that name.
    `overrides` are `--set` strings such as "protocol.bout.0.duration='4 h'" or "solver.rtol=1e-8".
    Raises ConfigError with every problem of the file.
    """
    draft = _draft(path, overrides)
    if draft.is_fit:
        tables = ", ".join(f"[{name}]" for name in FIT_TABLES if name in draft.values)
        message = f"this is a config for exsim fit and exsim sample (it has {tables})"
        raise ConfigError(draft.source.problem(message, (), f"run exsim fit {draft.path}"))
    return _checked(draft, RunSpec, check_sweep)


def read_fit_config(
    path: Path, overrides: Sequence[str] = (), folder: Literal["fit", "sample"] = "fit"
) -> LoadedFit:
    """Read a config for a fit, check all that can be known without its model and its data.

    `path` and `overrides` as in `read_config`; of two shipped configs of one name that of `folder` is meant.
    Raises ConfigError with every problem of the file and of the
    run configs that its conditions name.
    """
    draft = _draft(path, overrides, folder)
    if not draft.is_fit:
        hint = (
            'add [data] with file = "measured.csv", [[observable]] with analyte, noise and sd, and [fit] with'
            ' free = ["release_gain"]'
        )
        raise ConfigError(draft.source.problem("the config says nothing of a fit", (), hint))

    def check(found: ConfigFindings, values: dict[str, Any]) -> None:
        check_fit(found, values)
        check_population(found, values)
        check_condition_files(found, values, read_config)

    return _checked(draft, FitSpec, check)


def is_fit_config(path: Path) -> bool:
    """Say whether a config is one for a fit. Raises ConfigError for a file that cannot be read."""
    return _draft(path, ()).is_fit


def is_sample_config(path: Path) -> bool:
    """Say whether a config holds [sample]. Raises ConfigError for a file that cannot be read."""
    return "sample" in _draft(path, ()).values


@dataclass(frozen=True)
class _Draft:
    # A config as TOML has it.
    path: Path
    name: str
    source: ConfigSource
    values: dict[str, Any]
    problems: tuple[Problem, ...]

    @property
    def is_fit(self) -> bool:
        return any(table in self.values for table in FIT_TABLES)


def _draft(path: Path, overrides: Sequence[str], folder: str = "simulate") -> _Draft:
    path = _found(Path(path), folder)
    name = check_run_name(path.stem, str(path))
    source = read_source(path)
    source, values, problems = apply_overrides(source, parse(source), overrides)
    _check_version(source, values.get("schema"))
    return _Draft(path, name, source, values, tuple(problems))


def _checked(
    draft: _Draft, form: type[_Spec], check_more: Callable[[ConfigFindings, dict[str, Any]], None]
) -> Loaded[_Spec]:
    source, values, problems = draft.source, draft.values, list(draft.problems)
    spec = None
    try:
        spec = form.model_validate(values)
    except ValidationError as error:
        problems += structure_problems(source, values, error.errors(include_url=False), form)
    found = meaning_problems(source, values)
    check_more(found, values)
    problems += found.problems
    if problems or spec is None:
        raise ConfigError(sorted(problems, key=lambda item: (item.file != source.file, item.line or 0)))
    return Loaded(
        spec,
        draft.path,
        draft.name,
        source.text,
        source.sha256,
        source.repairs,
        tuple(found.warnings),
        source,
    )


def _found(path: Path, folder: str) -> Path:
    # A file goes before a shipped config, and of two of one name that of the folder.
    if path.exists() or path.name != str(path):
        return path
    named = [item for item in shipped_configs() if item.rpartition("/")[2] == f"{path}.toml"]
    own = next((item for item in named if item.startswith(f"{folder}/")), named[0] if named else None)
    return path if own is None else shipped_folder("configs") / own


def _check_version(source: ConfigSource, version: object) -> None:
    # What a later version calls its keys is not known here: nothing else is reported.
    if type(version) is int and version > SCHEMA_VERSION:
        hint = f"this exsim reads schema {SCHEMA_VERSION}: install a later exsim"
        raise ConfigError(source.problem(f"the config is written for schema {version}", ("schema",), hint))


def refuse_colliding_names(configs: Sequence[Loaded[Any]]) -> None:
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
