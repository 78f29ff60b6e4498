"""`exsim fit CONFIG`: parameters from lab data, with what the data can tell; a journal survives a kill."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import FitStudy, read_fit, search_settings
from ..evidence import Score, Summary, summarise
from ..outputs.files import Content
from ..outputs.journal import Journal
from ..outputs.run_record import Stopwatch
from .evidence_scores import (
    as_text,
    case_row,
    fitted_parameters,
    read_studies,
    score,
    scores_csv,
    simulate_all,
)
from .progress import Teller, say
from .resuming import is_done, journal_of
from .session import start_jax
from .study_record import hashes_of, record_of

if TYPE_CHECKING:
    from ..fit_problem import FitProblem
    from ..fit_result import FitResult

#: Done, but not to be trusted.
EXIT_NOT_CONVERGED = 7


def fit(arguments: argparse.Namespace) -> int:
    """Fit, or go on with a fit that was stopped; nothing is computed before all input is checked."""
    watch = Stopwatch()
    study = read_fit(arguments.config, arguments.overrides)
    folder = arguments.out or Path("runs") / study.config.name
    said = not (arguments.quiet or arguments.json)
    if is_done(folder, "fit", arguments):
        if said:
            print(f"{folder}/  this fit is done")
        return 0
    device, warnings = start_jax(arguments.device)
    warnings = [*warnings, *study.warnings]
    if said:
        for warning in warnings:
            say(f"warning: {warning}")
    hashes = hashes_of(study)
    with journal_of(folder, "fit", arguments, study.config, hashes, study.seed, device) as (journal, seed):
        problem, result = _fitted(study, seed, journal, said)
        record = record_of(
            "fit",
            study,
            seed=seed,
            device=device,
            watch=watch,
            efforts=result.efforts,
            warnings=warnings,
        )
        scored = _score_evidence(study, result, said)
        files = _write(problem, folder, result, record, scored)
        journal.remove()
    _print(problem, folder, result, scored, files, arguments)
    return 0 if result.converged else EXIT_NOT_CONVERGED


def _fitted(study: FitStudy, seed: int, journal: Journal, said: bool) -> tuple[FitProblem, FitResult]:
    # The problem whose free numbers were found, and what was found.
    from ..fitting import Evaluator
    from ..fitting import fit as run_fit
    from ..sampling import objective_of

    objective = objective_of(study.problem, study.population)
    evaluate, problem = Evaluator(objective, journal), objective.problem
    if said:
        say(
            f"{len(problem.rows)} data, {len(problem.free)} free numbers, {len(problem.simulations)} "
            f"simulation{'s' * (len(problem.simulations) != 1)}, {study.settings.starts} starts"
            + (f"; {journal.found} answers are there already" if journal.found else "")
        )
    return problem, run_fit(problem, search_settings(study, seed), evaluate, Teller(said))


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
    problem: FitProblem, folder: Path, result: FitResult, record: dict[str, Any], scored: _Scored | None
) -> list[str]:
    from ..outputs.fit_folder import write_fit_folder

    more: dict[str, Content] = {}
    if scored is not None:
        more["scores.csv"] = scores_csv(scored.scores)
        record = record | {
            "evidence": {"before": list(map(asdict, scored.before)), "after": list(map(asdict, scored.after))}
        }
    return write_fit_folder(folder, problem, result, record, record["title"], more)


def _print(
    problem: FitProblem,
    folder: Path,
    result: FitResult,
    scored: _Scored | None,
    files: list[str],
    arguments: argparse.Namespace,
) -> None:
    from ..outputs.fit_tables import fit_json
    from ..outputs.fit_text import fit_text

    if arguments.json:
        shown = {"folder": str(folder), **fit_json(problem, result)}
        if scored is not None:
            shown["evidence"] = [case_row(item) for item in scored.scores]
        print(json.dumps(shown))
    elif not arguments.quiet:
        for warning in result.warnings:
            say(f"warning: {warning}")
        if scored is not None:
            print("\n".join(scored.lines))
        print(fit_text(problem, result))
        print(f"{folder}/  {'  '.join(sorted(files))}\n")
