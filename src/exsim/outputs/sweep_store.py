"""The store of a sweep: one writer for each shard, batch by batch, resumable after any kind of end.

A batch is written to temporary names, flushed, renamed, its folders flushed; then its line with the
checksums of its chunks goes into the journal and is flushed. What has no line was not made. NaN says
nothing: a failed draw is NaN too.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Problem
from . import files, sweep_journal
from .files import PARTIAL, output_error
from .sweep_chunks import ChunkEncoder
from .sweep_folder import (
    FOLDER_LOCK,
    JOURNAL_FOLDER,
    STORE_NAME,
    find_done_batches,
    holds_strangers,
    refuse_links,
    refuse_store_without_journal,
    remove_partials,
    remove_sweep,
)
from .sweep_journal import VERSIONS, BatchLine, Identity, JournalFile
from .sweep_layout import ArraySpec, Layout, chunk_path, count_files, estimate_bytes
from .sweep_lock import hold_lock

_FOLDER_WAIT_S = 60.0
_FLUSHES_AT_ONCE = 8


class SweepWriter:
    """Writes the batches of one shard. Several threads may call `write` at once, each with its own batch."""

    def __init__(
        self,
        folder: Path,
        encoder: ChunkEncoder,
        identity: Identity,
        shard: tuple[int, int],
        journal: JournalFile,
        pool: ThreadPoolExecutor,
    ) -> None:
        #: As the store has it: on resume `layout.batch_draws` is that of the first run.
        self.layout = encoder.layout
        self.folder = folder
        self.shard = shard
        self._encoder = encoder
        self._identity = identity
        self._journal = journal
        self._store = folder / STORE_NAME
        self._pool = pool
        self._one_line_at_a_time = threading.Lock()
        self._missing = set(self._find_missing())

    def missing_batches(self) -> tuple[int, ...]:
        """Return the batches of this shard that are not in the store."""
        return tuple(sorted(self._missing))

    def write(self, batch: int, values: Mapping[str, np.ndarray]) -> None:
        """Write one batch, all arrays, and flush it; then it is done, whatever happens later.

        `values` maps each array of the layout to shape (draws of the batch, ...), without the first axis for
        an array over "batch". Raises ValueError for a batch of another shard or values that do not
        fit, OutputError where the disk fails; then the batch is still missing and may be tried again.
        """
        if batch not in range(self.layout.batches) or batch % self.shard[1] != self.shard[0] - 1:
            raise ValueError(f"batch {batch} is not of shard {self.shard[0]}/{self.shard[1]}")
        chunks = self._encoder.encode(batch, values)
        paths = {spec.name: self._path_of(spec, batch) for spec in self.layout.arrays}
        partials = {name: path.with_name(path.name + PARTIAL) for name, path in paths.items()}
        sums = {name: (hashlib.sha256(chunk).hexdigest(), len(chunk)) for name, chunk in chunks.items()}
        try:
            self._do_at_once(lambda name: files.write_through(partials[name], chunks[name]), chunks)
            for name, path in paths.items():
                os.replace(partials[name], path)
            self._do_at_once(lambda name: files.flush_folder(paths[name].parent), chunks)
            with self._one_line_at_a_time:
                self._journal.append_batch(BatchLine(batch, sums))
                self._missing.discard(batch)
        except BaseException as error:
            # A signal too: what is not whole goes at once.
            files.remove_quietly(partials.values())
            if isinstance(error, OSError):
                raise output_error(self._store, error, self._count_needed_bytes(chunks)) from error
            raise

    def is_complete(self) -> bool:
        """Return whether all batches of all shards are in the store. Raises InputError."""
        return len(find_done_batches(self.folder, self._identity)) == self.layout.batches

    def read_versions(self) -> list[Mapping[str, Any]]:
        """Return the versions of programs that wrote into the store, each once."""
        found: list[Mapping[str, Any]] = []
        for path in sweep_journal.find_journals(self.folder / JOURNAL_FOLDER):
            found += sweep_journal.read_journal(path, self._identity).versions
        return [versions for at, versions in enumerate(found) if versions not in found[:at]]

    def _find_missing(self) -> Iterator[int]:
        """Yield this shard's batches without a line whose checksums the chunks have; damaged chunks go."""
        lines = sweep_journal.read_lines(self.folder / JOURNAL_FOLDER, self._identity)
        for batch in range(self.shard[0] - 1, self.layout.batches, self.shard[1]):
            known = lines.get(batch, [])
            if not any(self._is_whole(line) for line in known):
                if known:
                    self._remove_chunks(batch)
                yield batch

    def _is_whole(self, line: BatchLine) -> bool:
        for spec in self.layout.arrays:
            try:
                with open(self._path_of(spec, line.batch), "rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                # Not there, or the disk cannot read it any more: it is made again.
                return False
            if found != line.chunks.get(spec.name, ("", 0))[0]:
                return False
        return True

    def _remove_chunks(self, batch: int) -> None:
        try:
            for spec in self.layout.arrays:
                self._path_of(spec, batch).unlink(missing_ok=True)
        except OSError as error:
            raise output_error(self._store, error) from error

    def _do_at_once(self, act: Callable[[str], None], names: Iterable[str]) -> None:
        # Disks flush many files at once in about the time of one. An error is raised when all have ended.
        calls: list[Future[None]] = []
        try:
            for name in names:
                calls.append(self._pool.submit(act, name))
            wait(calls)
        finally:
            # A signal ends the waiting, and not the calls.
            wait(calls)
        for call in calls:
            call.result()

    def _path_of(self, spec: ArraySpec, batch: int) -> Path:
        return self._store / chunk_path(spec.name, len(spec.dims), batch)

    def _count_needed_bytes(self, chunks: Mapping[str, bytes]) -> int:
        return sum(len(chunk) for chunk in chunks.values()) * max(len(self._missing), 1)


@contextmanager
def open_writer(
    folder: Path,
    layout: Layout,
    identity: Mapping[str, Any],
    shard: tuple[int, int] = (1, 1),
    resume: bool = False,
    overwrite: bool = False,
    break_lock: bool = False,
    other_versions: bool = False,
) -> Iterator[SweepWriter]:
    """Open the store of a sweep in a run folder for shard (I, N): the batches b with b % N == I - 1.

    `identity` is all that decides the numbers, in JSON: config, hashes of model and data, seed, device,
    and under "versions" the programs, which may differ where `other_versions`. The first shard makes
    the store, others join it. Going on with a shard that began before takes `resume`, which
    verifies the checksum of every chunk. Raises InputError where the folder holds something else or a
    sweep of something else; OutputError where another process writes this shard (its host and number are
    named) or the disk is full or not to be written.
    """
    index, count = shard
    if not 1 <= index <= count:
        raise InputError(Problem(f"shard {index}/{count} does not exist", hint="give I/N with 1 <= I <= N"))
    if overwrite and (resume or count > 1):
        what = "--resume" if resume else "--shard: one shard would remove what the others wrote"
        hint = "remove the folder, or run once with --overwrite and without --shard"
        raise InputError(Problem(f"--overwrite does not go with {what}", str(folder), hint=hint))
    content = sweep_journal.to_plain_json(identity)
    journal_folder = folder / JOURNAL_FOLDER
    _prepare_folder(folder, layout, overwrite)
    with ExitStack() as stack:
        with hold_folder(folder, break_lock):
            _refuse_other_counts(journal_folder, count, break_lock)
            lock = journal_folder / f"shard-{index}-of-{count}.lock"
            stack.enter_context(hold_lock(lock, f"shard {index}/{count}", break_lock))
            try:
                files.remove_remains(folder)
                remove_partials(folder, shard)
                if overwrite:
                    files.remove_run(folder)
                    remove_sweep(folder, keep=lock)
            except OSError as error:
                raise output_error(folder, error) from error
            found = sweep_journal.read_identity(journal_folder)
            if found is not None:
                _refuse_to_join(folder, found, content, layout, shard, resume, other_versions)
                layout = replace(layout, batch_draws=found.batch_draws)
            encoder = ChunkEncoder(layout)
            if found is None:
                found = _make_identity(content, encoder)
                sweep_journal.write_identity(journal_folder, found)
            _write_skeleton(folder, encoder, found)
            journal = stack.enter_context(
                sweep_journal.open_journal(journal_folder, shard, found, content.get(VERSIONS, {}))
            )
        pool = stack.enter_context(ThreadPoolExecutor(_FLUSHES_AT_ONCE, "exsim-flush"))
        writer = SweepWriter(folder, encoder, found, shard, journal, pool)
        missing = len(writer.missing_batches())
        files.refuse_full_disk(folder, estimate_bytes(layout, missing), count_files(layout, missing))
        yield writer


@contextmanager
def hold_folder(folder: Path, break_lock: bool = False) -> Iterator[None]:
    """Be the only one that begins or ends a sweep in `folder`: hold it while `run.json` is written."""
    with hold_lock(folder / FOLDER_LOCK, "the folder", break_lock, _FOLDER_WAIT_S):
        yield


def _prepare_folder(folder: Path, layout: Layout, overwrite: bool) -> None:
    """Make the folder and its journal, where nothing stands that exsim must not touch."""
    files.refuse_what_is_not_a_folder(folder)
    try:
        refuse_links(folder)
        with files.no_empty_folders_left([folder]):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(folder / JOURNAL_FOLDER / sweep_journal.IDENTITY_NAME):
                if holds_strangers(folder):
                    files.prepare_run_folder(folder, overwrite)
                refuse_store_without_journal(folder)
                files.refuse_full_disk(folder, estimate_bytes(layout), count_files(layout))
            (folder / JOURNAL_FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(folder, error, estimate_bytes(layout)) from error


def _refuse_other_counts(journal_folder: Path, count: int, break_lock: bool) -> None:
    # The shards of 4 and those of 2 share batches: one count at a time.
    for lock in sorted(journal_folder.glob("shard-*-of-*.lock")):
        other = lock.stem.removeprefix("shard-").replace("-of-", "/")
        if other.partition("/")[2] != str(count):
            with hold_lock(lock, f"shard {other} of the same sweep", break_lock):
                pass


def _refuse_to_join(
    folder: Path,
    found: Identity,
    content: Mapping[str, Any],
    layout: Layout,
    shard: tuple[int, int],
    resume: bool,
    other_versions: bool,
) -> None:
    journal_folder = folder / JOURNAL_FOLDER
    count = f"-of-{shard[1]}.jsonl"
    began = [path.name for path in sweep_journal.find_journals(journal_folder)]
    others = [name for name in began if not name.endswith(count)]
    if not resume and (others or sweep_journal.journal_name(shard) in began):
        done = len(find_done_batches(folder, found))
        raise InputError(
            Problem(
                f"the folder holds a sweep already ({done} of {found.batches} batches are done)",
                file=str(folder),
                hint="give --resume to go on with it, --overwrite to replace it, or another folder",
            )
        )
    place = journal_folder / sweep_journal.IDENTITY_NAME
    sweep_journal.refuse_other_identity(found, content, layout.describe(), place, other_versions)


def _make_identity(content: Mapping[str, Any], encoder: ChunkEncoder) -> Identity:
    layout = encoder.layout
    sums = {path: hashlib.sha256(text).hexdigest() for path, text in encoder.skeleton.items()}
    return Identity(content, layout.describe(), layout.batch_draws, sums)


def _write_skeleton(folder: Path, encoder: ChunkEncoder, identity: Identity) -> None:
    """Write the files of an empty store where they are missing or not as the first shard wrote them."""
    store = folder / STORE_NAME
    try:
        wanted = [path for path, sha256 in identity.skeleton.items() if _sum_of(store / path) != sha256]
        for path in wanted:
            content = encoder.skeleton.get(path, b"")
            if hashlib.sha256(content).hexdigest() != identity.skeleton[path]:
                raise InputError(
                    Problem(
                        "this file of the store is not what the sweep was begun with",
                        file=str(store / path),
                        hint="give --overwrite to make the sweep again, or another folder with --out",
                    )
                )
            files.write_file(store / path, content)
        if wanted:
            for parent in (store, folder, folder.absolute().parent):
                files.flush_folder(parent)
    except OSError as error:
        raise output_error(store, error) from error


def _sum_of(path: Path) -> str | None:
    try:
        return files.sha256_of(path)
    except FileNotFoundError:
        return None
