"""`exsim fit CONFIG`: parameters from lab data, with what the data can tell; a journal survives a kill."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import FitStudy, read_fit
from ..errors import InputError, Problem
from ..outputs.files import prepare_run_folder, read_record
from ..outputs.fit_journal import JOURNAL_NAME, FitJournal
from ..outputs.run_record import Stopwatch, build_record, versions
from ..outputs.sweep_lock import hold_lock
from .progress import say
from .session import choose_seed, start_jax

if TYPE_CHECKING:
    from ..fit_problem import SearchSettings
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
            timing=watch.read() | result.seconds,
            warnings=warnings,
            repairs=study.repairs,
            title=study.config.spec.label or study.config.question,
        )
        files = _write(study, folder, result, record)
        journal.remove()
    (folder / _LOCK_NAME).unlink(missing_ok=True)
    _print(study, folder, result, files, arguments)
    return 0 if result.converged else EXIT_NOT_CONVERGED


def _seed(study: FitStudy, folder: Path, resume: bool) -> int:
    # A seed that was drawn is found again by what goes on.
    found = FitJournal.read_identity(folder) if resume and study.seed is None else None
    return choose_seed(study.seed if found is None else found.get("seed"))


def _identity(study: FitStudy, seed: int, device: str) -> dict[str, Any]:
    """Return all that decides the numbers of a fit."""
    said = study.config.spec.model_dump(mode="json", by_alias=True)
    for key in ("label", "seed"):
        said.pop(key, None)
    return {
        "config": said,
        "hashes": dict(study.problem.model.file_hashes) | study.data_hashes,
        "seed": seed,
        "device": device,
        "compiler": os.environ.get("XLA_FLAGS", ""),
        "versions": versions(),
    }


def _settings(study: FitStudy, seed: int) -> SearchSettings:
    from ..fit_problem import SearchSettings

    asked = study.settings
    return SearchSettings(
        starts=asked.starts,
        optimiser=asked.optimiser,
        iterations=asked.iterations,
        budget_s=None if asked.budget is None else asked.budget.to("s"),
        seed=seed,
        draw_starts=asked.draw_starts,
        profiled=study.profiled,
    )


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
    return run_fit(study.problem, _settings(study, seed), evaluate, _Teller(said))


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


def _write(study: FitStudy, folder: Path, result: FitResult, record: dict[str, Any]) -> list[str]:
    from ..outputs.fit_folder import write_fit_folder

    return write_fit_folder(folder, study.problem, result, record, record["title"])


def _print(
    study: FitStudy, folder: Path, result: FitResult, files: list[str], arguments: argparse.Namespace
) -> None:
    from ..outputs.fit_tables import fit_json
    from ..outputs.fit_text import fit_text

    if arguments.json:
        print(json.dumps({"folder": str(folder), **fit_json(study.problem, result)}))
    elif not arguments.quiet:
        print(fit_text(study.problem, result))
        print(f"{folder}/  {'  '.join(sorted(files))}\n")
