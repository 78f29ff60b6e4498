"""The `[sweep]` of a config, as far as it can be checked without the model: design, entries, correlations.

Each check takes what of the table could be read, so that a mistake in one place does not hide others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import did_you_mean
from ..sweep_metrics import read_metric
from ..sweep_spec import MAX_DRAWS, CorrelationSpec, SweepSpec, VarySpec
from .config_checks import ConfigFindings, partly_read
from .toml_lines import KeyPath

_LISTED = ("table", "posterior")
_EXAMPLE = 'e.g. [[sweep.vary]] with target = "parameter.release_gain", distribution = "lognormal", sd = 0.5'
#: Keys of an entry that go with what.
_KEYS_OF = {
    "range": ("range", "distribution"),
    "lognormal": ("distribution", "median", "sd", "cv", "lower", "upper"),
    "normal": ("distribution", "mean", "sd", "cv", "lower", "upper"),
    "grid": ("range", "points", "values", "distribution"),
    "table": ("unit",),
    "posterior": ("unit",),
}


def check_sweep(found: ConfigFindings, values: dict[str, Any]) -> None:
    """Note what is wrong with the `[sweep]` of a config, if it has one."""
    table = values.get("sweep")
    if not isinstance(table, dict):
        return
    entries = _entries(table, "vary", VarySpec)
    chosen = partly_read(SweepSpec, table, ("design",))
    sweep = partly_read(SweepSpec, table, ("design", "draws", "file"))
    if not table.get("vary"):
        found.refuse("the sweep does not say what varies", ("sweep",), f"write {_EXAMPLE}")
    _check_twice(found, entries)
    if chosen is not None:
        for path, vary in entries:
            _check_entry(found, path, vary, chosen.design)
        _check_correlations(found, table, chosen.design, entries)
    if sweep is not None:
        _check_draws(found, sweep, entries, complete=len(entries) == len(table.get("vary", [])))
        _check_file(found, sweep)
    _check_kept(found, table)


def _entries(table: dict[str, Any], key: str, model: type[Any]) -> list[tuple[KeyPath, Any]]:
    # The entries of a list of tables that could be read whole.
    rows = table.get(key)
    read = [
        (("sweep", key, index), partly_read(model, item, tuple(model.model_fields)))
        for index, item in enumerate(rows if isinstance(rows, list) else [])
    ]
    return [(path, item) for path, item in read if item is not None]


def _check_twice(found: ConfigFindings, entries: list[tuple[KeyPath, VarySpec]]) -> None:
    first: dict[Any, KeyPath] = {}
    for path, vary in entries:
        if vary.path in first:
            place = ".".join(str(part) for part in first[vary.path])
            found.refuse(f'"{vary.target}" varies in {place} already', (*path, "target"), "keep one of them")
        first.setdefault(vary.path, path)


def _check_entry(found: ConfigFindings, path: KeyPath, vary: VarySpec, design: str) -> None:
    given = [key for key in VarySpec.model_fields if key != "target" and getattr(vary, key) is not None]
    kind = design if design in _KEYS_OF else _kind(vary)
    if kind is None:
        hint = 'write range = [lowest, highest], or distribution = "lognormal" and sd = 0.5'
        found.refuse(f"{vary.target}: neither a range nor a distribution", (*path, "target"), hint)
        return
    why = {
        "range": "a range needs no more",
        "grid": "a grid has values, or a range with points",
        "table": "the file says it",
        "posterior": "the file says it",
    }
    for key in given:
        if key not in _KEYS_OF[kind]:
            what = f"the design {design}" if kind == design else f"a {kind}"
            hint = "leave it out: " + why.get(kind, f"it takes {', '.join(_KEYS_OF[kind])}")
            if key in ("values", "points") and kind != design:
                hint = 'leave it out, or write design = "grid"'
            found.refuse(f"{key} is not for {what}", (*path, key), hint)
    if kind == "grid":
        _check_grid_entry(found, path, vary)
    elif kind in ("normal", "lognormal") and (vary.sd is None) == (vary.cv is None):
        wanted = "sd = 0.5 (of the logarithm)" if kind == "lognormal" else 'sd with the unit, "10 kg"'
        message = "neither sd nor cv" if vary.sd is None else "both sd and cv"
        found.refuse(f"{vary.target}: {message}", (*path, "distribution"), f"write {wanted}, or cv = 0.3")
    elif kind == "range" and vary.distribution not in (None, "uniform", "loguniform"):
        hint = "leave out the range (lower and upper limit it), or the distribution"
        found.refuse(f"a {vary.distribution} distribution has no range", (*path, "range"), hint)


def _kind(vary: VarySpec) -> str | None:
    if vary.range is not None:
        return "range"
    if vary.distribution in ("uniform", "loguniform"):
        return None
    return vary.distribution


def _check_grid_entry(found: ConfigFindings, path: KeyPath, vary: VarySpec) -> None:
    ways = 'write values = ["1 h", "2 h"], or range = ["1 h", "6 h"] with points = 12'
    if vary.distribution in ("normal", "lognormal"):
        found.refuse(f"a grid has no {vary.distribution} distribution", (*path, "distribution"), ways)
    if vary.values is None and vary.range is None:
        found.refuse(f"{vary.target}: neither values nor a range", (*path, "target"), ways)
    elif vary.values is not None and (vary.range is not None or vary.points is not None):
        found.refuse(f"{vary.target}: both values and a range", (*path, "values"), "keep one of them")
    elif vary.values is not None and not vary.values:
        found.refuse("no values", (*path, "values"), ways)
    elif vary.range is not None and vary.points is None:
        found.refuse(f"{vary.target}: how many points?", (*path, "range"), "write e.g. points = 12")


# ---- how many ----------------------------------------------------------------------------------------


def _check_draws(
    found: ConfigFindings, sweep: SweepSpec, entries: list[tuple[KeyPath, VarySpec]], *, complete: bool
) -> None:
    place: KeyPath = ("sweep", "draws")
    if sweep.design in ("grid", "table"):
        if sweep.draws is not None:
            what = "the values of the grid" if sweep.design == "grid" else "the rows of the file"
            found.refuse(f"{what} say how many draws there are", place, "leave draws out")
        if sweep.design == "grid" and complete:
            _check_grid_size(found, entries)
    elif sweep.draws is None:
        if sweep.design != "posterior":
            found.refuse(f"how many draws? The design {sweep.design} needs it", place, "write draws = 10_000")
    elif sweep.design == "saltelli":
        if sweep.draws & (sweep.draws - 1):
            below, above = 1 << (sweep.draws.bit_length() - 1), 1 << sweep.draws.bit_length()
            message = f"{sweep.draws:,} base draws are not a power of two, on which the indices rest"
            found.refuse(message, place, f"write {below} or {above}")
        total = sweep.draws * (len(entries) + 2)
        if complete and total > MAX_DRAWS:
            message = f"{sweep.draws:,} base draws of {len(entries)} targets are {total:,} draws"
            found.refuse(message, place, f"at most {MAX_DRAWS:,}")


def _check_grid_size(found: ConfigFindings, entries: list[tuple[KeyPath, VarySpec]]) -> None:
    sizes = [len(vary.values) if vary.values is not None else vary.points or 1 for _, vary in entries]
    total = math.prod(sizes)
    if total > MAX_DRAWS:
        product = " x ".join(f"{size:,}" for size in sizes)
        shown = f"{total:,}" if total < 10**15 else f"{total:.3g}"
        hint = f"at most {MAX_DRAWS:,}: take fewer points, or a sobol design"
        found.refuse(f"{product} = {shown} draws", ("sweep", "vary"), hint)


def _check_file(found: ConfigFindings, sweep: SweepSpec) -> None:
    place: KeyPath = ("sweep", "file")
    if sweep.design not in _LISTED:
        if sweep.file is not None:
            hint = 'leave it out, or write design = "table"'
            found.refuse(f"the design {sweep.design} reads no file", place, hint)
        return
    example = "draws.csv" if sweep.design == "table" else "posterior.nc"
    if sweep.file is None:
        found.refuse(f"which {sweep.design}? file is missing", place, f'write file = "{example}"')
    elif (
        not sweep.file
        or "\x00" in sweep.file
        or "://" in sweep.file
        or sweep.file.startswith(("/", "\\", "~"))
        or sweep.file[1:2] == ":"
        or len(sweep.file) > 1000
    ):
        found.refuse(
            f'"{sweep.file[:60]}" is not a file that a config can name',
            place,
            f'write a path relative to the config, e.g. "{example}"',
        )


# ---- correlations ------------------------------------------------------------------------------------


def _check_correlations(
    found: ConfigFindings, table: dict[str, Any], design: str, entries: list[tuple[KeyPath, VarySpec]]
) -> None:
    pairs = _entries(table, "correlation", CorrelationSpec)
    if pairs and design in ("grid", "saltelli", *_LISTED):
        hint = "leave it out, or write design = " + '"sobol", "latin-hypercube" or "random"'
        if design in _LISTED:
            hint = "leave it out: the draws in the file are correlated as they are"
        found.refuse(f"the design {design} takes no correlation", ("sweep", "correlation"), hint)
        return
    targets = [vary.target for _, vary in entries]
    used: dict[frozenset[str], KeyPath] = {}
    before = len(found.problems)
    for path, pair in pairs:
        for name in pair.between:
            if name not in targets:
                hint = did_you_mean(name, targets)
                found.refuse(f'"{name}" does not vary in this sweep', (*path, "between"), hint)
        names = frozenset(pair.between)
        if len(names) == 1:
            found.refuse("a target with itself", (*path, "between"), "name two targets")
        elif names in used:
            place = ".".join(str(part) for part in used[names])
            found.refuse(f"that pair has a correlation in {place} already", path, "keep one of them")
        used.setdefault(names, path)
    if pairs and len(found.problems) == before:
        _check_definite(found, targets, pairs)


def _check_definite(
    found: ConfigFindings, targets: list[str], pairs: list[tuple[KeyPath, CorrelationSpec]]
) -> None:
    matrix = np.eye(len(targets))
    for _, pair in pairs:
        i, j = (targets.index(name) for name in pair.between)
        matrix[i, j] = matrix[j, i] = pair.coefficient
    lowest, vectors = np.linalg.eigh(matrix)
    if lowest[0] > 1e-10:
        return
    # What takes part in the direction of negative variance contradicts each other.
    share = np.abs(vectors[:, 0])
    clashing = {targets[k] for k in np.flatnonzero(share > 0.05 * share.max())}
    inside = [(path, pair) for path, pair in pairs if set(pair.between) <= clashing]
    shown = "; ".join(f"{pair.between[0]} and {pair.between[1]} {pair.coefficient:g}" for _, pair in inside)
    fits = math.floor(100 * 0.99 / (1.0 - lowest[0])) / 100
    found.refuse(
        f"these correlations contradict each other, no draws can have them: {shown}",
        (*inside[0][0], "coefficient"),
        f"weaken one; with all of them times {fits:g} there are such draws",
    )


# ---- what is kept ------------------------------------------------------------------------------------


def _check_kept(found: ConfigFindings, table: dict[str, Any]) -> None:
    if not any(table.get(key) for key in ("metrics", "bands", "trajectories")):
        hint = 'write [sweep.metrics] with IL6 = ["peak", "fold"]'
        found.refuse("the sweep does not say what to keep", ("sweep",), hint)
    metrics = partly_read(SweepSpec, table, ("metrics",))
    seen: dict[str, str] = {}
    for analyte, words in {} if metrics is None else metrics.metrics.items():
        path: KeyPath = ("sweep", "metrics", analyte)
        if not words:
            found.refuse(f"no metrics of {analyte}", path, 'write e.g. ["peak", "fold"], or leave it out')
        for index, word in enumerate(words):
            variable = read_metric(word).variable(analyte)
            if variable in seen:
                same = f'"{word}" is given twice' if seen[variable] == word else f'"{word}" is the same'
                found.refuse(f"{same} ({variable})", (*path, index), "keep one of them")
            seen[variable] = word
    for key in ("bands", "trajectories"):
        listed = partly_read(SweepSpec, table, (key,))
        names = () if listed is None else getattr(listed, key)
        for index, name in enumerate(names):
            if name in names[:index]:
                found.refuse(f'"{name}" is given twice', ("sweep", key, index), "keep one of them")
