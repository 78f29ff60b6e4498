"""`exsim fit CONFIG`: parameters from lab data, with what the data can tell; a journal survives a kill."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import FitStudy, read_fit, search_settings
from ..errors import InputError, Problem
from ..evidence import Score, Summary, summarise
from ..outputs.files import Content, prepare_run_folder, read_record
from ..outputs.fit_journal import JOURNAL_NAME, FitJournal
from ..outputs.run_record import Stopwatch, build_record, versions
from ..outputs.sweep_lock import hold_lock
from .evidence_scores import (
    as_text,
    case_row,
    fitted_parameters,
    read_studies,
    score,
    scores_csv,
    simulate_all,
)
from .progress import say
from .session import choose_seed, start_jax

if TYPE_CHECKING:
    from ..fit_result import FitResult

#: Done, but not to be trusted.
EXIT_NOT_CONVERGED = 7
_LOCK_NAME = "fit.lock"


def fit(arguments: argparse.Namespace) -> int:
    """Fit, or go on with a fit that was stopped; nothing is computed before all input is checked."""
    watch = Stopwatch()
    study = read_fit(arguments.config, arguments.overrides)
    folder = arguments.out or Path("runs") / study.config.name
    said = not (arguments.quiet or arguments.json)
    begun = (folder / JOURNAL_NAME).exists()
    if arguments.resume and not begun and read_record(folder) is not None:
        if said:
            print(f"{folder}/  this fit is done")
        return 0
    if begun and not (arguments.resume or arguments.overwrite):
        hint = "give --resume to go on with it, --overwrite to begin anew, or another folder with --out"
        raise InputError(Problem("the folder holds a fit that was begun", str(folder), hint=hint))
    device, warnings = start_jax(arguments.device)
    warnings = [*warnings, *study.warnings]
    if said:
        for warning in warnings:
            say(f"warning: {warning}")
    overwrite = arguments.overwrite or (begun and arguments.resume)
    prepare_run_folder(folder, overwrite, keep=(JOURNAL_NAME, _LOCK_NAME))
    seed = _seed(study, folder, arguments.resume)
    with ExitStack() as stack:
        stack.enter_context(hold_lock(folder / _LOCK_NAME, "this fit"))
        journal = stack.enter_context(
            FitJournal(folder, _identity(study, seed, device), resume=arguments.resume)
        )
        result = _fitted(study, seed, journal, said)
        record = build_record(
            command="fit",
            config=study.config.spec.model_dump(mode="json", by_alias=True),
            input_hashes={
                str(study.config.path): study.config.sha256,
                **dict(study.problem.model.file_hashes),
                **study.data_hashes,
            },
            seed=seed,
            device=device,
            dtype="float64",
            solver={"method": study.problem.method, "rtol": study.problem.rtol, "atol": study.problem.atol},
            timing=watch.read() | {stage: effort.seconds for stage, effort in result.efforts.items()},
            warnings=warnings,
            repairs=study.repairs,
            title=study.config.spec.label or study.config.question,
        )
        scored = _score_evidence(study, result, said)
        files = _write(study, folder, result, record, scored)
        journal.remove()
    (folder / _LOCK_NAME).unlink(missing_ok=True)
    _print(study, folder, result, scored, files, arguments)
    return 0 if result.converged else EXIT_NOT_CONVERGED


def _seed(study: FitStudy, folder: Path, resume: bool) -> int:
    # A seed that was drawn is found again by what goes on.
    found = FitJournal.read_identity(folder) if resume and study.seed is None else None
    return choose_seed(study.seed if found is None else found.get("seed"))


def _identity(study: FitStudy, seed: int, device: str) -> dict[str, Any]:
    """Return all that decides the numbers of a fit."""
    said = study.config.spec.model_dump(mode="json", by_alias=True)
    for key in ("label", "seed", "sample"):
        said.pop(key, None)
    return {
        "config": said,
        "hashes": dict(study.problem.model.file_hashes) | study.data_hashes,
        "seed": seed,
        "device": device,
        "compiler": os.environ.get("XLA_FLAGS", ""),
        "versions": versions(),
    }


def _fitted(study: FitStudy, seed: int, journal: FitJournal, said: bool) -> FitResult:
    from ..fitting import Evaluator, Objective
    from ..fitting import fit as run_fit

    evaluate = Evaluator(Objective(study.problem), journal)
    if said:
        problem = study.problem
        say(
            f"{len(problem.rows)} data, {len(problem.free)} free numbers, {len(problem.simulations)} "
            f"simulation{'s' * (len(problem.simulations) != 1)}, {study.settings.starts} starts"
            + (f"; {journal.found} answers are there already" if journal.found else "")
        )
    return run_fit(study.problem, search_settings(study, seed), evaluate, _Teller(said))


class _Teller:
    """Says on stderr how a fit goes: one line redrawn on a terminal, a line every 30 s elsewhere."""

    def __init__(self, said: bool) -> None:
        self._said = said
        self._drawn = sys.stderr is not None and sys.stderr.isatty()
        self._every_s = 0.5 if self._drawn else 30.0
        self._last_s, self._began_s = time.monotonic(), time.monotonic()

    def __call__(self, stage: str, done: int, whole: int, what: str) -> None:
        """Say how far a stage is, if it is time to."""
        now = time.monotonic()
        if not self._said or now - self._last_s < self._every_s:
            return
        self._last_s = now
        line = (
            f"{stage}: {done} of {whole}" + (f", {what}" if what else "") + f" ({now - self._began_s:.0f} s)"
        )
        say(f"\r{line:<100}" if self._drawn else line, end="" if self._drawn else "\n")


@dataclass(frozen=True)
class _Scored:
    """A model against its evidence, with the values of the config and with those of the fit."""

    before: tuple[Summary, ...]
    scores: list[Score]
    after: tuple[Summary, ...]
    lines: list[str]


def _score_evidence(study: FitStudy, result: FitResult, said: bool) -> _Scored | None:
    # Of a fit to published evidence: all of its table, by the model alone, no study with a scale.
    evidence = study.config.spec.data.evidence
    if evidence is None:
        return None
    from ..fit_problem import fitted_model
    from ..inputs.evidence_table import read_evidence

    table = read_evidence(study.config.path.parent / evidence)
    found = []
    for model in (study.problem.model, fitted_model(study.problem, result.best)):
        runs = simulate_all(*read_studies(table, model), quiet=not said)
        scores = [score(case, runs) for case in table.cases]
        found.append((scores, summarise(scores, fitted_parameters(model))))
    (_, before), (scores, after) = found
    model = study.problem.model
    lines = [*as_text(model, table, scores, after, fitted_parameters(model)), *_changes(before, after), ""]
    return _Scored(before, scores, after, lines)


def _changes(before: tuple[Summary, ...], after: tuple[Summary, ...]) -> list[str]:
    pairs = [
        (old, new) for old, new in zip(before, after, strict=True) if new.median_abs_log_error is not None
    ]
    return [
        f"{new.use}: median |ln error| {_or_dash(old.median_abs_log_error)} with the values of the config, "
        f"{_or_dash(new.median_abs_log_error)} with those of the fit"
        for old, new in pairs
    ]


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _write(
    study: FitStudy, folder: Path, result: FitResult, record: dict[str, Any], scored: _Scored | None
) -> list[str]:
    from ..outputs.fit_folder import write_fit_folder

    more: dict[str, Content] = {}
    if scored is not None:
        more["scores.csv"] = scores_csv(scored.scores)
        record = record | {
            "evidence": {"before": list(map(asdict, scored.before)), "after": list(map(asdict, scored.after))}
        }
    return write_fit_folder(folder, study.problem, result, record, record["title"], more)


def _print(
    study: FitStudy,
    folder: Path,
    result: FitResult,
    scored: _Scored | None,
    files: list[str],
    arguments: argparse.Namespace,
) -> None:
    from ..outputs.fit_tables import fit_json
    from ..outputs.fit_text import fit_text

    if arguments.json:
        shown = {"folder": str(folder), **fit_json(study.problem, result)}
        if scored is not None:
            shown["evidence"] = [case_row(item) for item in scored.scores]
        print(json.dumps(shown))
    elif not arguments.quiet:
        for warning in result.warnings:
            say(f"warning: {warning}")
        if scored is not None:
            print("\n".join(scored.lines))
        print(fit_text(study.problem, result))
        print(f"{folder}/  {'  '.join(sorted(files))}\n")
