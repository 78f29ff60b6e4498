"""`exsim check FILE...`: every problem of configs, models, evidence and lab data; nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import MAX_PROBLEMS_SHOWN, InputError, Problem, RefusedError
from ..inputs.config import check_against_model, is_fit_config, is_sample_config, read_config
from ..inputs.model_files import ANTIMONY, CARD_SUFFIX, SBML, load_model, model_of_card
from ..inputs.shipped import shipped_models
from ..model_spec import ModelSpec

EXIT_OK, EXIT_INPUT, EXIT_REFUSED = 0, 3, 4


@dataclass(frozen=True)
class Checked:
    """What was found in one file. `refused` is true where only constructs that exsim does not do were."""

    file: str
    kind: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    refused: bool = False


def check(paths: Sequence[Path], model: str, *, json_output: bool = False, quiet: bool = False) -> int:
    """Print what is wrong with each file; return 0, 3 (a mistake) or 4 (refused constructs alone).

    Tables of measurements are held against the analytes of `model`. With `quiet` nothing is printed of
    what is improbable or right.
    """
    results = [check_file(path, model) for given in paths for path in _files(Path(given))]
    wrong = [result for result in results if result.problems]
    code = EXIT_OK
    if wrong:
        code = EXIT_REFUSED if all(result.refused for result in wrong) else EXIT_INPUT
    if json_output:
        print(json.dumps({"exit_code": code, "files": [asdict(result) for result in results]}))
        return code
    for result in results:
        _show(result, quiet)
    return code


def check_file(path: Path, model: str) -> Checked:
    """Read one file with all that it needs and return what is wrong with it."""
    kind = _kind(path)
    try:
        return Checked(str(path), kind, warnings=_warnings(path, kind, model))
    except (InputError, RefusedError) as error:
        return Checked(str(path), kind, error.problems, refused=isinstance(error, RefusedError))


def _files(path: Path) -> list[Path]:
    # A folder that holds no model stands for the configs in it.
    if path.is_dir() and _kind(path) != "model":
        return sorted(file for file in path.glob("*.toml") if not file.name.endswith(CARD_SUFFIX)) or [path]
    return [path]


def _kind(path: Path) -> str:
    if model_of_card(path) is not None or any((path / name).is_file() for name in (ANTIMONY, SBML)):
        return "model"
    if str(path) in shipped_models() and not path.exists():
        return "model"
    if path.suffix == ".csv":
        return "evidence" if _is_evidence(path) else "data"
    return {".ant": "model", ".xml": "model", ".sbml": "model", ".tsv": "data"}.get(path.suffix, "config")


def _is_evidence(path: Path) -> bool:
    # By the columns that the one has and the other has not; what has neither, or cannot be read, by none.
    from ..inputs.evidence_table import COLUMNS as EVIDENCE
    from ..inputs.lab_data import COLUMNS as DATA

    try:
        with path.open("rb") as stream:
            header = set(stream.readline(10_000).decode("utf-8-sig", "replace").strip().split(","))
    except OSError:
        return False
    return len(header & (set(EVIDENCE) - set(DATA))) > len(header & (set(DATA) - set(EVIDENCE)))


def _warnings(path: Path, kind: str, model_name: str) -> tuple[str, ...]:
    if kind == "model":
        return load_model(model_of_card(path) or str(path)).warnings
    if kind == "evidence":
        from ..inputs.evidence_table import read_evidence

        return read_evidence(path).warnings
    if kind == "data":
        from ..inputs.lab_data import read_lab_data
        from ..sweep_targets import measurable

        data = read_lab_data(path, measurable(_loaded(model_name, Path())))
        return (*data.warnings, *data.repairs)
    if is_fit_config(path):
        from ..api import read_fit, read_sample

        return (read_sample if is_sample_config(path) else read_fit)(path).warnings
    config = read_config(path)
    model = _loaded(config.spec.model, config.path.parent)
    return (*check_against_model(config, model), *model.warnings)


@lru_cache(maxsize=8)
def _loaded(model: str, folder: Path) -> ModelSpec:
    return load_model(model, folder)


def _show(result: Checked, quiet: bool) -> None:
    for problem in result.problems[:MAX_PROBLEMS_SHOWN]:
        print(problem)
    hidden = len(result.problems) - MAX_PROBLEMS_SHOWN
    if hidden > 0:
        print(f"... and {hidden} more")
    if quiet:
        return
    for warning in result.warnings:
        print(f"warning: {warning}")
    count = len(result.problems)
    found = "ok" if not count else f"{count} problem{'s' if count > 1 else ''}"
    print(f"{result.file}: {result.kind}, {found}")
