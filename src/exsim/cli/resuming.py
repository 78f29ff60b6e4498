"""What a long command with a journal does first: is the folder free, which seed, what decides the numbers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, Problem
from ..inputs.config import LoadedFit
from ..outputs.files import prepare_run_folder, read_record
from ..outputs.journal import JOURNAL_NAMES, Journal
from ..outputs.run_record import versions
from ..outputs.sweep_lock import hold_lock
from .session import choose_seed


def is_done(folder: Path, command: str, arguments: argparse.Namespace) -> bool:
    """Return whether --resume finds all of it there.

    Raises InputError where something was begun and neither --resume nor --overwrite says what to do with it.
    """
    begun = (folder / JOURNAL_NAMES[command]).exists()
    if begun and not (arguments.resume or arguments.overwrite):
        hint = "give --resume to go on with it, --overwrite to begin anew, or another folder with --out"
        raise InputError(Problem(f"the folder holds a {command} that was begun", str(folder), hint=hint))
    return arguments.resume and not begun and read_record(folder) is not None


@contextmanager
def journal_of(
    folder: Path,
    command: str,
    arguments: argparse.Namespace,
    config: LoadedFit,
    hashes: Mapping[str, str],
    seed: int | None,
    device: str,
) -> Iterator[tuple[Journal, int]]:
    """Hold the folder with its journal, and yield that and the seed; a seed that was drawn is found again.

    The lock goes when the command ends well; the journal is for the command to remove. Raises InputError
    where the journal is of something else, OutputError where the folder cannot be used.
    """
    name, lock = JOURNAL_NAMES[command], f"{command}.lock"
    begun = (folder / name).exists()
    prepare_run_folder(folder, arguments.overwrite or (begun and arguments.resume), keep=(name, lock))
    found = Journal.read_identity(folder, command) if arguments.resume and seed is None else None
    chosen = choose_seed(seed if found is None else found.get("seed"))
    said = config.spec.model_dump(mode="json", by_alias=True)
    # What changes no number of this command.
    for key in ("label", "seed", *(["sample"] if command == "fit" else [])):
        said.pop(key, None)
    identity: dict[str, Any] = {
        "config": said,
        "hashes": dict(hashes),
        "seed": chosen,
        "device": device,
        "compiler": os.environ.get("XLA_FLAGS", ""),
        "versions": versions(),
    }
    with ExitStack() as stack:
        stack.enter_context(hold_lock(folder / lock, f"this {command}"))
        yield stack.enter_context(Journal(folder, command, identity, resume=arguments.resume)), chosen
    (folder / lock).unlink(missing_ok=True)
