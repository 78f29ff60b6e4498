"""`exsim sample CONFIG`: the posterior of a fit by chains; what is drawn survives a kill and Ctrl-C."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..api import SampleStudy, read_sample
from ..outputs.journal import Journal
from ..outputs.run_record import Stopwatch
from ..sample_spec import SampleSpec
from .progress import Teller, say
from .resuming import is_done, journal_of
from .session import start_jax
from .stopping import EXIT_SIGINT
from .study_record import hashes_of, record_of

if TYPE_CHECKING:
    from ..sample_result import SampleResult

#: Done, but not to be trusted.
EXIT_NOT_TRUSTED = 7


def sample(arguments: argparse.Namespace) -> int:
    """Sample, or go on with what was stopped; nothing is computed before all input is checked."""
    watch = Stopwatch()
    study = read_sample(arguments.config, arguments.overrides)
    folder = arguments.out or Path("runs") / study.config.name
    said = not (arguments.quiet or arguments.json)
    if is_done(folder, "sample", arguments):
        if said:
            print(f"{folder}/  this posterior is done")
        return 0
    device, warnings = start_jax(arguments.device)
    warnings = [*warnings, *study.warnings]
    if said:
        for warning in warnings:
            say(f"warning: {warning}")
    from ..outputs.sample_folder import write_sample_folder

    problem = study.problem
    hashes = hashes_of(study)
    with journal_of(folder, "sample", arguments, study.config, hashes, study.seed, device) as (journal, seed):
        result = _sampled(study, seed, journal, said)
        record = record_of(
            "sample",
            study,
            seed=seed,
            device=device,
            watch=watch,
            efforts=result.efforts,
            warnings=warnings,
        )
        # What the config leaves open depends on the sampler.
        asked = asdict(study.with_seed(seed).settings)
        record["config"]["sample"] = {key: asked[key] for key in SampleSpec.model_fields}
        files = write_sample_folder(folder, problem, result, record, record["title"])
        if result.complete:
            journal.remove()
    _print(study, folder, result, files, arguments)
    if not result.complete:
        return EXIT_SIGINT
    return 0 if result.trusted else EXIT_NOT_TRUSTED


def _sampled(study: SampleStudy, seed: int, journal: Journal, said: bool) -> SampleResult:
    from ..sampling import sample as run_sample
    from ..sampling import target_of

    settings = study.settings
    if said:
        problem = study.problem
        say(
            f"{len(problem.rows)} data, {len(problem.free)} free numbers, {len(problem.simulations)} "
            f"simulation{'s' * (len(problem.simulations) != 1)}, {settings.chains} chains of "
            f"{settings.warmup} and {settings.draws} draws"
            + ("; some are there already" if journal.found > 1 else "")
        )
    seeded = study.with_seed(seed).settings
    return run_sample(target_of(study.problem, study.population), seeded, journal, Teller(said))


def _print(
    study: SampleStudy, folder: Path, result: SampleResult, files: list[str], arguments: argparse.Namespace
) -> None:
    from ..outputs.sample_tables import sample_json
    from ..outputs.sample_text import sample_text

    if arguments.json:
        print(json.dumps({"folder": str(folder), **sample_json(study.problem, result)}))
    elif not arguments.quiet:
        for warning in result.warnings:
            say(f"warning: {warning}")
        print(sample_text(study.problem, result))
        print(f"{folder}/  {'  '.join(sorted(files))}\n")
        if not result.complete:
            print("stopped: go on with --resume")
