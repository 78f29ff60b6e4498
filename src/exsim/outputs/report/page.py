"""A finished run -> one HTML page: doubts first, then tables and pictures, then how to do it again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError, Problem
from ...version import __version__
from ..files import REPORT_NAME, is_report, output_error, write_file
from . import html
from .done import config_text, how_it_was_computed, input_hashes, what_was_done
from .doubts import assurances, doubts
from .html import Html
from .reading import RunFolder, read_run
from .tables import facts, shown
from .words import DOUBTS, NOTES, TITLES, VERDICT_KINDS, caption_of


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of the run in `folder`, into it unless `out` names a file; return its path.

    An earlier report is replaced, another file never. Raises InputError where the folder holds no run or
    something else stands at `out`, OutputError.
    """
    path = folder / REPORT_NAME if out is None else out
    page = report_html(folder)
    _refuse_what_must_stay(path)
    write_file(path, page)
    return path


def report_html(folder: Path) -> bytes:
    """Return the report of the run in `folder` as a page of HTML. Raises InputError, OutputError."""
    run = read_run(folder)
    title = _title(run)
    return html.page(title, __version__, [*_head(run, title), *_results(run), *_again(run)])


def _refuse_what_must_stay(path: Path) -> None:
    try:
        kind = stat.S_IFMT(path.lstat().st_mode) if os.path.lexists(path) else 0
        if not kind or is_report(path):
            return
    except OSError as error:
        raise output_error(path, error) from error
    found = {stat.S_IFDIR: "is a folder", stat.S_IFLNK: "is a link"}.get(kind, "is not a report of exsim")
    hint = "choose another file with --out; exsim overwrites only what it wrote"
    raise InputError(Problem(f"{found}: no report is written over it", str(path), hint=hint))


# ---- the page ----------------------------------------------------------------------------------------


def _title(run: RunFolder) -> str:
    config = run.part("config")
    said = run.record.get("title") or config.get("label")
    return str(said or run.folder.resolve().name)


def _head(run: RunFolder, title: str) -> Iterator[Html]:
    started = dict(how_it_was_computed(run)).get("begun", "")
    model = dict(what_was_done(run)).get("model", "")
    yield html.heading(1, title, f"exsim {run.command} · model {model} · {started}")
    found = doubts(run)
    if found:
        yield html.box("bad", DOUBTS.get(run.command, DOUBTS[""]), found)
    elif good := assurances(run):
        yield html.box("good", "Nothing failed", good)
    warnings = [str(warning) for warning in run.listed("warnings")]
    if warnings:
        yield html.box("mild", "Warnings", warnings)


def _results(run: RunFolder) -> Iterator[Html]:
    yield html.heading(2, "What was found")
    said = list(facts(run))
    # Of a fit and a posterior the numbers and the pictures come first: how they were found is for later.
    later = {"fit": ["starts.csv"], "sample": []}.get(run.command)
    if said and later is None:
        yield html.pairs(said)
    yield from _tables(run, [name for name in run.tables if name not in (later or [])])
    for name, png in run.pictures.items():
        yield html.picture(name, png, caption_of(run.command, name))
    if later is not None:
        yield html.heading(2, "How the search went" if run.command == "fit" else "How the chains went")
        yield html.pairs(said)
        yield from _tables(run, [name for name in run.tables if name in later])


def _tables(run: RunFolder, names: list[str]) -> Iterator[Html]:
    for name in names:
        content, most = shown(run.command, name, run.tables[name])
        yield html.heading(3, TITLES.get((run.command, name), name))
        yield html.table(content, name, VERDICT_KINDS, most)
        if note := NOTES.get((run.command, name)):
            yield html.paragraph(note, "note")


def _again(run: RunFolder) -> Iterator[Html]:
    yield html.heading(2, "What was done")
    yield html.pairs(what_was_done(run))
    # What a validation was told is on the command line: there is no config.
    text = "" if run.command == "validate" else config_text(run)
    if text:
        yield html.heading(3, "The config as resolved")
        yield html.preformatted(text)
    yield html.heading(2, "How it was computed")
    yield html.pairs(how_it_was_computed(run))
    repairs = [str(repair) for repair in run.listed("repairs")]
    if repairs:
        yield html.box("mild", "Repaired in reading", repairs)
    yield html.heading(3, "Files that were read")
    yield html.hashes(input_hashes(run))
    yield html.heading(3, "Files that were written")
    yield html.hashes((str(name), str(digest)) for name, digest in run.part("files").items())
    yield html.footer(__version__)
