"""`exsim validate MODEL [--evidence FILE]`: the model against published numbers, case by case."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import Study, load_model, run_study
from ..errors import ConfigError, EvidenceError, Problem, SolveError
from ..evidence import NOT_SCORED, Score, Summary, needs, not_scored, score_case, summarise
from ..evidence_case import EvidenceCase, EvidenceTable, describe, short_study, target_text
from ..inputs.config import check_against_model, read_config
from ..inputs.evidence_table import read_evidence
from ..inputs.shipped import shipped_folder, shipped_models
from ..model_spec import ModelSpec
from ..outputs.files import Content, no_empty_folders_left, prepare_run_folder, read_record, write_run
from ..outputs.run_record import Stopwatch, build_record
from ..outputs.tables import csv_bytes
from ..version import __version__
from .session import start_jax

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class _Runs:
    """The runs of the configs that the evidence names, and why there is none for some."""

    datasets: dict[Path, xr.Dataset]
    #: path -> why the config could not be run with this model
    missing: dict[Path, str]
    #: How many of those are numerical failures.
    failed_solves: int
    warnings: tuple[str, ...]


def validate(
    model: str, evidence: Path | None, *, json_output: bool, out_dir: Path | None, quiet: bool = False
) -> int:
    """Score a model on a table of evidence; print, and write table, forest of errors and record.

    Returns 0, or 5 if a simulation failed. All input is read before anything is computed.
    """
    watch = Stopwatch()
    spec = load_model(model, Path.cwd())
    table = read_evidence(evidence or _evidence_of(model))
    studies, refused = _read_studies(table, spec)
    folder = out_dir or Path("runs") / f"validate-{spec.name}"
    with no_empty_folders_left([folder]):
        _prepare(folder)
        device, warnings = start_jax("auto")
        runs = _simulate_all(studies, refused, quiet=json_output or quiet)
    scores = [_score(case, runs) for case in table.cases]
    fitted = _fitted_parameters(spec)
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
        print("\n".join(_as_text(spec, table, scores, summaries, fitted)))
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


def _read_studies(table: EvidenceTable, model: ModelSpec) -> tuple[dict[Path, Study], dict[Path, str]]:
    # Every config that a case needs, once. One that is no config at all stops everything; one that
    # asks what this model lacks is left for its cases to say.
    studies: dict[Path, Study] = {}
    refused: dict[Path, str] = {}
    problems: list[Problem] = []
    for path in _paths(table.cases):
        try:
            config = read_config(path, ())
        except ConfigError as error:
            problems += error.problems
            continue
        try:
            studies[path] = Study(config, model, tuple(check_against_model(config, model)))
        except ConfigError as error:
            refused[path] = f"{path.name} does not fit the model: {error.problems[0].message}"
    if problems:
        raise ConfigError(problems)
    return studies, refused


def _paths(cases: Iterable[EvidenceCase]) -> list[Path]:
    wanted = [case for case in cases if not needs(case)]
    paths = [path for case in wanted for path in (case.config_path, case.compare_path) if path is not None]
    return list(dict.fromkeys(paths))


def _prepare(folder: Path) -> None:
    # An earlier validation is replaced; any other run is refused.
    earlier = read_record(folder)
    prepare_run_folder(folder, overwrite=earlier is not None and earlier.get("command") == "validate")


def _simulate_all(studies: dict[Path, Study], refused: dict[Path, str], *, quiet: bool) -> _Runs:
    datasets: dict[Path, xr.Dataset] = {}
    missing = dict(refused)
    warnings: list[str] = []
    for number, (path, study) in enumerate(studies.items(), start=1):
        if not quiet and sys.stderr.isatty():
            print(f"\r\033[K{number}/{len(studies)} {study.config.name}", end="", file=sys.stderr, flush=True)
        try:
            run = run_study(study)
        except SolveError as error:
            missing[path] = f"{path.name} could not be solved: {str(error).splitlines()[0]}"
            continue
        datasets[path] = run.dataset
        warnings += [f"{study.config.name}: {warning}" for warning in (*study.warnings, *run.warnings)]
    if not quiet and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return _Runs(datasets, missing, len(missing) - len(refused), tuple(dict.fromkeys(warnings)))


def _score(case: EvidenceCase, runs: _Runs) -> Score:
    reason = needs(case)
    if reason or case.config_path is None:
        return not_scored(case, reason)
    for path in (case.config_path, case.compare_path):
        if path in runs.missing:
            return not_scored(case, runs.missing[path])
    compared = None if case.compare_path is None else runs.datasets[case.compare_path]
    return score_case(case, runs.datasets[case.config_path], compared)


def _fitted_parameters(model: ModelSpec) -> int | None:
    if model.card is None:
        return None
    return sum(card.grade == "fitted" for _, card in model.card.parameters)


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
    rows = [_case_row(score) for score in scores]
    table_csv = csv_bytes(list(rows[0]), [list(row.values()) for row in rows])
    files: dict[str, Content] = {"scores.csv": table_csv, "forest.png": partial(save_figure, figure)}
    write_run(folder, files, record)


def _case_row(score: Score) -> dict[str, Any]:
    case = score.case
    return {
        "id": case.id,
        "use": case.use,
        "study": case.study,
        "config": case.config,
        "compare_config": case.compare_config,
        "analyte": case.analyte,
        "quantity": case.quantity,
        "time_h": case.time_h,
        "target": case.value,
        "low": case.low,
        "high": case.high,
        "unit": case.unit,
        "model": score.model,
        "log_fold_error": score.log_fold_error,
        "verdict": score.verdict,
        "reason": score.reason,
    }


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
        "cases": [_case_row(score) for score in scores],
        "summary": [{k: _finite(v) for k, v in asdict(summary).items()} for summary in summaries],
        "fitted_parameters": fitted,
        "folder": str(folder),
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(
    model: ModelSpec,
    table: EvidenceTable,
    scores: Sequence[Score],
    summaries: Sequence[Summary],
    fitted: int | None,
) -> list[str]:
    lines = [f"{model.name} against {table.path.name}: {len(scores)} cases"]
    for summary in (item for item in summaries if item.cases):
        lines += ["", summary.use.upper(), *_table([s for s in scores if s.case.use == summary.use])]
        lines += _summary_lines(summary, fitted)
    others = [score for score in scores if score.case.use not in ("calibrate", "predict")]
    if others:
        lines += ["", "NOT TO SCORE", *_table(others)]
    return [*lines, ""]


def _table(scores: Sequence[Score]) -> list[str]:
    head = ("id", "study", "what", "target", "model", "ln error", "verdict")
    rows = [head, *(_text_row(score) for score in scores)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    right = {4, 5}
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, [*widths, 0], strict=True))
        ).rstrip()
        for row in rows
    ]


def _text_row(score: Score) -> tuple[str, ...]:
    case = score.case
    verdict = score.verdict if not score.reason else f"{score.verdict}: {score.reason}"
    return (
        case.id,
        short_study(case)[:24],
        describe(case),
        f"{target_text(case)} {case.unit}".strip(),
        "-" if score.model is None else f"{score.model:.4g}",
        "-" if score.log_fold_error is None else f"{score.log_fold_error:+.2f}",
        verdict,
    )


def _summary_lines(summary: Summary, fitted: int | None) -> list[str]:
    lines = []
    if summary.median_abs_log_error is not None and summary.share_within_2x is not None:
        median = summary.median_abs_log_error
        lines.append(
            f"  {summary.log_cases} with a log-fold error: median |ln error| {median:.3f}"
            f" (a factor of {math.exp(median):.2f}),"
            f" {summary.share_within_2x:.0%} within a factor of 2"
        )
    if summary.share_inside is not None:
        lines.append(f"  {summary.interval_cases} judged by an interval: {summary.share_inside:.0%} inside")
    if summary.scored < summary.cases:
        lines.append(f"  {summary.cases - summary.scored} {NOT_SCORED}")
    if summary.parameters_per_number is not None:
        lines.append(
            f"  {fitted} fitted parameters for {summary.scored} numbers:"
            f" {summary.parameters_per_number:.2f} per number"
        )
    return lines
