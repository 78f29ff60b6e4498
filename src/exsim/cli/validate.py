"""`exsim validate MODEL [--evidence FILE]`: the model against published numbers, case by case."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import Study, load_model
from ..errors import EvidenceError, Problem, SolveError
from ..evidence import Score, Summary, summarise
from ..evidence_case import EvidenceTable
from ..inputs.evidence_table import read_evidence
from ..inputs.shipped import shipped_folder, shipped_models
from ..model_spec import ModelSpec
from ..outputs.files import Content, no_empty_folders_left, prepare_run_folder, read_record, write_run
from ..outputs.run_record import Stopwatch, build_record
from ..version import __version__
from .evidence_scores import (
    as_text,
    case_row,
    fitted_parameters,
    read_studies,
    score,
    scores_csv,
    simulate_all,
)
from .session import start_jax

if TYPE_CHECKING:
    pass


def validate(
    model: str, evidence: Path | None, *, json_output: bool, out_dir: Path | None, quiet: bool = False
) -> int:
    """Score a model on a table of evidence; print, and write table, forest of errors and record.

    Returns 0, or 5 if a simulation failed. All input is read before anything is computed.
    """
    watch = Stopwatch()
    spec = load_model(model, Path.cwd())
    table = read_evidence(evidence or _evidence_of(model))
    studies, refused = read_studies(table, spec)
    folder = out_dir or Path("runs") / f"validate-{spec.name}"
    with no_empty_folders_left([folder]):
        _prepare(folder)
        device, warnings = start_jax("auto")
        runs = simulate_all(studies, refused, quiet=json_output or quiet)
    scores = [score(case, runs) for case in table.cases]
    fitted = fitted_parameters(spec)
    summaries = summarise(scores, fitted)
    record = build_record(
        command="validate",
        config={"model": model, "evidence": str(table.path)},
        input_hashes=_hashes(table, spec, studies),
        seed=None,
        device=device,
        dtype="float64",
        solver={"failed": {str(path): reason for path, reason in runs.missing.items()}},
        timing=watch.read(),
        warnings=[*warnings, *table.warnings, *runs.warnings],
        repairs=table.repairs,
        failures={"not solved": runs.failed_solves},
        summary=[asdict(summary) for summary in summaries],
        title=f"{spec.name} against {table.path.name}",
    )
    _write(folder, spec, table, scores, record)
    if json_output:
        print(json.dumps(_as_json(spec, table, scores, summaries, fitted, folder)))
    elif not quiet:
        for warning in record["warnings"]:
            print(f"warning: {warning}", file=sys.stderr)
        print("\n".join(as_text(spec, table, scores, summaries, fitted)))
        print(f"{folder}/  scores.csv  forest.png  run.json")
    return SolveError.exit_code if runs.failed_solves else 0


def _evidence_of(model: str) -> Path:
    # A shipped model by name, else the model's folder or the folder of its file.
    path = shipped_folder("models") / model if model in shipped_models() else Path(model)
    found = (path if path.is_dir() else path.parent) / "evidence.csv"
    if not found.is_file():
        message = f'the model "{model}" has no evidence.csv beside it'
        raise EvidenceError(Problem(message, file=str(found), hint="name a table with --evidence FILE"))
    return found


def _prepare(folder: Path) -> None:
    # An earlier validation is replaced; any other run is refused.
    earlier = read_record(folder)
    prepare_run_folder(folder, overwrite=earlier is not None and earlier.get("command") == "validate")


def _hashes(table: EvidenceTable, model: ModelSpec, studies: dict[Path, Study]) -> dict[str, str]:
    configs = {str(path): study.config.sha256 for path, study in studies.items()}
    return {str(table.path): table.sha256, **configs, **dict(model.file_hashes)}


def _write(
    folder: Path, model: ModelSpec, table: EvidenceTable, scores: Sequence[Score], record: dict[str, Any]
) -> None:
    from ..outputs.evidence_plots import forest_figure
    from ..outputs.plot_style import save_figure

    source = f"evidence {table.path.name}  ·  exsim {__version__}"
    figure = forest_figure(scores, model.name, source)
    files: dict[str, Content] = {"scores.csv": scores_csv(scores), "forest.png": partial(save_figure, figure)}
    write_run(folder, files, record)


def _as_json(
    model: ModelSpec,
    table: EvidenceTable,
    scores: Sequence[Score],
    summaries: Sequence[Summary],
    fitted: int | None,
    folder: Path,
) -> dict[str, Any]:
    return {
        "model": model.name,
        "evidence": str(table.path),
        "cases": [case_row(score) for score in scores],
        "summary": [{k: _finite(v) for k, v in asdict(summary).items()} for summary in summaries],
        "fitted_parameters": fitted,
        "folder": str(folder),
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
