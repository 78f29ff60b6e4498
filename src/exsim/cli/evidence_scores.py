"""Evidence against the runs of a model: each config once, each case scored, the tables that are printed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import Study, run_study
from ..errors import ConfigError, Problem, SolveError
from ..evidence import NOT_SCORED, Score, Summary, needs, not_scored, score_case
from ..evidence_case import EvidenceCase, EvidenceTable, describe, short_study, target_text
from ..inputs.config import check_against_model, read_config
from ..model_spec import ModelSpec, begun_as
from ..outputs.tables import csv_bytes

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class EvidenceRuns:
    """The runs of the configs that the evidence names, and why there is none for some."""

    datasets: dict[Path, xr.Dataset]
    #: path -> why the config could not be run with this model
    missing: dict[Path, str]
    #: How many of those are numerical failures.
    failed_solves: int
    warnings: tuple[str, ...]


def read_studies(table: EvidenceTable, model: ModelSpec) -> tuple[dict[Path, Study], dict[Path, str]]:
    """Return every config that a case needs, once, and why there is none for some.

    One that is no config at all stops everything (ConfigError); one that asks what this model lacks is
    left for its cases to say.
    """
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
            own = begun_as(model, config.spec.initial_state)
            studies[path] = Study(config, own, tuple(check_against_model(config, own)))
        except ConfigError as error:
            refused[path] = f"{path.name} does not fit the model: {error.problems[0].message}"
    if problems:
        raise ConfigError(problems)
    return studies, refused


def _paths(cases: Iterable[EvidenceCase]) -> list[Path]:
    wanted = [case for case in cases if not needs(case)]
    paths = [path for case in wanted for path in (case.config_path, case.compare_path) if path is not None]
    return list(dict.fromkeys(paths))


def simulate_all(studies: dict[Path, Study], refused: dict[Path, str], *, quiet: bool) -> EvidenceRuns:
    """Run every config; what cannot be solved is left for its cases to say."""
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
    return EvidenceRuns(datasets, missing, len(missing) - len(refused), tuple(dict.fromkeys(warnings)))


def score(case: EvidenceCase, runs: EvidenceRuns) -> Score:
    """Return the score of one case; one whose config could not be run says why."""
    reason = needs(case)
    if reason or case.config_path is None:
        return not_scored(case, reason)
    for path in (case.config_path, case.compare_path):
        if path in runs.missing:
            return not_scored(case, runs.missing[path])
    compared = None if case.compare_path is None else runs.datasets[case.compare_path]
    return score_case(case, runs.datasets[case.config_path], compared)


def fitted_parameters(model: ModelSpec) -> int | None:
    """Return how many parameters the card grades as fitted; None without a card."""
    if model.card is None:
        return None
    return sum(card.grade == "fitted" for _, card in model.card.parameters)


def case_row(score: Score) -> dict[str, Any]:
    """Return what `scores.csv` and `--json` say of a case."""
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


def scores_csv(scores: Sequence[Score]) -> bytes:
    """Return the table of all cases."""
    rows = [case_row(score) for score in scores]
    return csv_bytes(list(rows[0]), [list(row.values()) for row in rows])


def as_text(
    model: ModelSpec,
    table: EvidenceTable,
    scores: Sequence[Score],
    summaries: Sequence[Summary],
    fitted: int | None,
) -> list[str]:
    """Return the lines of the tables and summaries, by use."""
    lines = [f"{model.name} against {table.path.name}: {len(scores)} cases"]
    for summary in (item for item in summaries if item.cases):
        lines += ["", summary.use.upper(), *_table([s for s in scores if s.case.use == summary.use])]
        lines += summary_lines(summary, fitted)
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


def summary_lines(summary: Summary, fitted: int | None) -> list[str]:
    """Return what is said of the cases of one use."""
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
