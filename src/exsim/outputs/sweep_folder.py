"""What of a run folder is a sweep's, what of it is whole, and what an interrupted one left there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, Problem
from . import sweep_journal
from .files import PARTIAL, flush_folder
from .sweep_journal import IDENTITY_NAME, Identity
from .sweep_layout import chunk_path
from .sweep_lock import OWNER

STORE_NAME = "sweep.zarr"
JOURNAL_FOLDER = "journal"
#: Held while a shard begins, and while the record of the whole sweep is written.
FOLDER_LOCK = "sweep.lock"

_OWN_NAMES = (STORE_NAME, JOURNAL_FOLDER, FOLDER_LOCK, FOLDER_LOCK + OWNER)
_METADATA = "zarr.json"
_CHUNK = re.compile(r"c(\.[0-9]+)+")
_IN_JOURNAL = re.compile(r"identity\.json|shard-[0-9]+-of-[0-9]+\.(jsonl|lock|lock\.owner)")


def find_done_batches(folder: Path, identity: Identity) -> set[int]:
    """Return the batches that have a line in a journal and all their chunks, each in its full length.

    Raises InputError for a broken journal.
    """
    done = set()
    arrays = {name: len(dims) for name, (_, *dims) in identity.layout["arrays"].items()}
    for batch, lines in sweep_journal.read_lines(folder / JOURNAL_FOLDER, identity).items():
        paths = {name: folder / STORE_NAME / chunk_path(name, dims, batch) for name, dims in arrays.items()}
        with suppress(OSError):
            sizes = {name: path.stat().st_size for name, path in paths.items()}
            if any(sizes == {name: size for name, (_, size) in line.chunks.items()} for line in lines):
                done.add(batch)
    return done


def refuse_links(folder: Path) -> None:
    """Raise InputError where a part of a sweep is a link: what it points to is not a run's."""
    for name in _OWN_NAMES:
        if (folder / name).is_symlink():
            hint = "remove the link, or choose another folder with --out"
            raise InputError(Problem("this part of the output is a link", str(folder / name), hint=hint))


def holds_strangers(folder: Path) -> bool:
    """Return whether a folder without a sweep holds more than what a sweep that begins puts there."""
    journal = folder / JOURNAL_FOLDER
    names = [entry.name for entry in folder.iterdir() if entry.name not in _OWN_NAMES]
    if journal.is_dir():
        names += [entry.name for entry in journal.iterdir() if not _IN_JOURNAL.fullmatch(entry.name)]
    elif journal.exists():
        return True
    return any(not name.endswith(PARTIAL) for name in names)


def refuse_store_without_journal(folder: Path) -> None:
    """Raise InputError where a store stands in a folder in which no journal says that exsim wrote it."""
    if (folder / STORE_NAME).exists():
        raise InputError(
            Problem(
                f"{STORE_NAME} stands here without {JOURNAL_FOLDER}/{IDENTITY_NAME}: it is no sweep of exsim",
                file=str(folder),
                hint="choose another folder with --out; exsim overwrites only what it wrote",
            )
        )


def remove_partials(folder: Path, shard: tuple[int, int]) -> None:
    """Remove what was left under temporary names, but for the batches of other shards. Raises OSError."""
    for path in [*(folder / JOURNAL_FOLDER).glob(f"*{PARTIAL}"), *(folder / STORE_NAME).rglob(f"*{PARTIAL}")]:
        name = path.name.removesuffix(PARTIAL)
        batch = int(name.split(".")[1]) if _CHUNK.fullmatch(name) else shard[0] - 1
        if batch % shard[1] == shard[0] - 1 and path.is_file():
            path.unlink()


def remove_sweep(folder: Path, keep: Path) -> None:
    """Remove the sweep in `folder`, but for the lock `keep`: first the journals, last its identity.

    A kill leaves a sweep of which less is done. Raises InputError, before anything is removed, where
    among its files stands one that exsim did not write; OSError.
    """
    journal, store = folder / JOURNAL_FOLDER, folder / STORE_NAME
    chunks = list(_find_store_files(store))
    notes = [path for path in journal.iterdir() if path not in (keep, journal / IDENTITY_NAME)]
    for path in notes:
        if not _is_plain(path) or not _IN_JOURNAL.fullmatch(path.name.removesuffix(PARTIAL)):
            raise _stranger(path)
    for path in notes:
        path.unlink()
    flush_folder(journal)
    for path in chunks:
        path.unlink()
    if store.exists():
        for array in store.iterdir():
            array.rmdir()
        store.rmdir()
    flush_folder(folder)
    (journal / IDENTITY_NAME).unlink(missing_ok=True)
    flush_folder(journal)


def _find_store_files(store: Path) -> Iterator[Path]:
    if not store.exists():
        return
    for entry in store.iterdir():
        inside = [entry] if entry.is_symlink() or not entry.is_dir() else list(entry.iterdir())
        for path in inside:
            name = path.name.removesuffix(PARTIAL)
            known = name == _METADATA or (path is not entry and _CHUNK.fullmatch(name))
            if not known or not _is_plain(path):
                raise _stranger(path)
            yield path


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _stranger(path: Path) -> InputError:
    hint = "move it away; exsim overwrites only what it wrote"
    return InputError(Problem("exsim did not write this, and it stands in a sweep", str(path), hint=hint))
