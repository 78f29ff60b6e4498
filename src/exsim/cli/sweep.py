"""`exsim sweep CONFIG`: many draws of one config into a store that survives a kill; tables and pictures."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import Study, no_sweep, read_draws, read_study, sweep_seed
from ..errors import ConfigError, InputError, Problem, SolveError
from ..outputs.files import Content, write_run
from ..outputs.run_record import Stopwatch, build_record, versions
from .progress import Progress, duration_text, say
from .session import choose_seed, start_jax

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..outputs.sweep_layout import Layout
    from ..outputs.sweep_store import SweepWriter
    from ..sweeping import SweepPlan


def sweep(arguments: argparse.Namespace) -> int:
    """Run or go on with a sweep; nothing is computed before all input is checked."""
    watch = Stopwatch()
    study = read_study(arguments.config, arguments.overrides)
    if study.config.spec.sweep is None:
        raise no_sweep(study)
    shard = _shard(arguments.shard)
    folder = arguments.out or Path("runs") / study.config.name
    listed = read_draws(study)
    _refuse_early(folder, arguments)
    device, warnings = start_jax(arguments.device)

    from ..outputs.sweep_store import hold_folder, open_writer
    from ..sweep_arrays import sweep_layout
    from ..sweeping import plan_sweep
    from ..sweeping.cluster import require_dask

    spec = study.config.spec
    if study.config.spec.sweep.engine == "dask":
        require_dask()
    seed = _seed(study, folder, shard[1], arguments.overwrite)
    plan = plan_sweep(spec, study.model, study.config.name, seed, listed)
    layout = sweep_layout(plan, spec.label or study.config.question)
    identity = _identity(study, plan, device)
    warnings = [*warnings, *study.warnings, *plan.warnings]
    said = not (arguments.quiet or arguments.json)
    if said:
        for warning in warnings:
            say(f"warning: {warning}")
    with open_writer(
        folder,
        layout,
        identity,
        shard,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        break_lock=arguments.break_lock,
        other_versions=arguments.other_versions,
    ) as writer:
        rate = _make_batches(plan, writer, said, warnings)
        complete = writer.is_complete()
        used = writer.read_versions()
        if complete:
            with hold_folder(folder):
                tables = _finish(study, plan, folder, device, warnings, watch, rate, used)
    if arguments.json:
        print(json.dumps(_as_json(folder, complete, rate, tables if complete else None)))
    elif said and complete:
        print(_shown(tables["summary"]))
        _print_failures(tables["failures"], plan.design.draws)
        print(f"{folder}/  {'  '.join(sorted(tables['files']))}\n")
    elif said:
        print(f"{folder}/  this shard is done; the tables come with the last one")
    nothing = complete and sum(tables["failures"].values()) == plan.design.draws
    return SolveError.exit_code if nothing else 0


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        hint = "write e.g. --shard 1/4: the first of four"
        raise InputError(Problem(f'"{text}" is not I/N with 1 <= I <= N', "--shard", hint=hint))
    return int(index), int(count)


def _refuse_early(folder: Path, arguments: argparse.Namespace) -> None:
    # Before JAX is loaded and a pilot solved: the writer says it again, with the folder held.
    begun = (folder / "journal" / "identity.json").exists()
    alone = arguments.shard.endswith("/1")
    if begun and alone and not (arguments.resume or arguments.overwrite):
        hint = "give --resume to go on with it, --overwrite to begin anew, or another folder with --out"
        raise InputError(Problem("the folder holds a sweep already", str(folder), hint=hint))


def _seed(study: Study, folder: Path, shards: int, overwrite: bool) -> int:
    # A seed that was drawn is found again by what goes on in the identity of the store.
    from ..outputs.sweep_journal import read_identity

    given, sweep = sweep_seed(study), study.config.spec.sweep
    if given is None and sweep is not None and sweep.design in ("grid", "table"):
        # Nothing in them is left to chance.
        return 0
    if given is None and shards > 1:
        hint = "write seed = 7 under [sweep]: shards that each draw a seed would be different sweeps"
        raise ConfigError(Problem("shards need a seed", str(study.config.path), hint=hint))
    found = None if given is not None or overwrite else read_identity(folder / "journal")
    if found is not None and isinstance(found.content.get("seed"), int):
        return int(found.content["seed"])
    return choose_seed(given)


def _identity(study: Study, plan: SweepPlan, device: str) -> dict[str, Any]:
    """Return all that decides the numbers of the sweep."""
    from ..sweeping import tolerances

    config = study.config
    said = config.spec.model_dump(mode="json", by_alias=True)
    # How it is computed changes no number: another count of workers may go on.
    for key in ("engine", "workers"):
        said["sweep"].pop(key, None)
    for key in ("label", "seed"):
        said.pop(key, None)
    rtol, atol = tolerances(plan.spec)
    return {
        "config": said,
        "hashes": dict(study.model.file_hashes) | study.data_hashes,
        "seed": plan.seed,
        "device": device,
        "rtol": rtol,
        "atol": atol,
        "methods": [
            (task.method, task.shared_steps) for task in (plan.task, plan.stiff_task) if task is not None
        ],
        "compiler": _numbers_of(os.environ.get("XLA_FLAGS", "")),
        "versions": versions(),
    }


def _numbers_of(compiler_options: str) -> str:
    # How many devices the CPU plays changes no number.
    return re.sub(r"--xla_force_host_platform_device_count=\S*", "", compiler_options).strip()


def _make_batches(plan: SweepPlan, writer: SweepWriter, said: bool, warnings: list[str]) -> float | None:
    """Solve and write what is missing; return the draws a second, or None if nothing was."""
    from ..sweep_arrays import batch_arrays
    from ..sweeping import BLOCK_DRAWS, solve_batches, solve_draws
    from ..sweeping.cluster import solve_batches_on_dask

    def warn(text: str) -> None:
        warnings.append(text)
        if said:
            say(f"warning: {text}")

    layout = writer.layout
    missing = writer.missing_batches()
    if not missing:
        return None
    draws = {batch: layout.draws_of(batch) for batch in missing}
    mine = sum(map(len, draws.values()))
    workers = _workers(plan)
    if said:
        # One draw compiles, a block is timed.
        solve_draws(plan, 0, 1)
        tried = min(BLOCK_DRAWS, layout.draws)
        began = time.monotonic()
        solve_draws(plan, 0, tried)
        _say_estimate(layout, len(missing), mine, (time.monotonic() - began) / tried / workers)
    progress = Progress(mine, quiet=not said)
    parts = ((batch, span.start, span.stop) for batch, span in draws.items())
    on_dask = plan.sweep.engine == "dask"
    solved = (
        solve_batches_on_dask(plan, parts, workers, warn) if on_dask else solve_batches(plan, parts, workers)
    )
    with closing(solved) as batches:
        for batch, found in batches:
            writer.write(batch, batch_arrays(plan, layout, found))
            progress.add(len(draws[batch]))
    return progress.finish()


def _workers(plan: SweepPlan) -> int:
    if plan.sweep.workers:
        return plan.sweep.workers
    # The cores that a job was given, where the system tells.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say_estimate(layout: Layout, batches: int, draws: int, draw_s: float) -> None:
    from ..outputs.sweep_layout import estimate_bytes

    size = estimate_bytes(layout, batches) / 1e6
    takes = duration_text(draws * draw_s)
    say(f"{draws:,} draws in {batches} batches: about {takes}, {size:,.1f} MB on the disk")


def _finish(
    study: Study,
    plan: SweepPlan,
    folder: Path,
    device: str,
    warnings: list[str],
    watch: Stopwatch,
    rate: float | None,
    used: list[Mapping[str, Any]],
) -> dict[str, Any]:
    """Write tables, pictures and the record of a sweep of which every batch is there."""
    from ..outputs.sweep_reading import open_sweep
    from ..outputs.tables import csv_bytes
    from ..sensitivity import sensitivity_table
    from ..solving import STATUS_TEXT
    from ..sweep_tables import failure_counts, summary_table

    config = study.config
    with open_sweep(folder) as ds:
        summary = summary_table(ds)
        failures = failure_counts(ds, {int(status): text for status, text in STATUS_TEXT.items()})
        indices = sensitivity_table(ds)
        files: dict[str, Content] = {
            "summary.csv": csv_bytes(list(summary.columns), summary.itertuples(index=False, name=None)),
            "sensitivity.csv": csv_bytes(list(indices.columns), indices.itertuples(index=False, name=None)),
        }
        files |= dict(_figures(ds, indices))
        record = build_record(
            command="sweep",
            config=config.spec.model_dump(mode="json", by_alias=True),
            input_hashes={
                str(config.path): config.sha256,
                **dict(study.model.file_hashes),
                **study.data_hashes,
            },
            seed=plan.seed,
            device=device,
            dtype=plan.precision,
            solver={
                "method": plan.task.method,
                "second_method": None if plan.stiff_task is None else plan.stiff_task.method,
                "steps": "shared" if plan.task.shared_steps else "own",
                "states": list(plan.task.model.state_ids),
                "draws": plan.design.draws,
                "draws_per_s": rate,
            },
            timing=watch.read(),
            warnings=warnings,
            repairs=config.repairs,
            failures=failures,
            versions_used=used,
            title=config.spec.label or config.question,
        )
        write_run(folder, files, record)
    return {"summary": summary, "failures": failures, "files": ["run.json", "sweep.zarr", *files]}


def _figures(ds: xr.Dataset, indices: pd.DataFrame) -> Iterator[tuple[str, Content]]:
    from ..outputs.sweep_plots import bands_figure, save_figure, surface_figure, tornado_figure
    from ..sweep_labels import metrics, varied

    if metrics(ds) and varied(ds):
        yield "surface.png", partial(save_figure, surface_figure(ds))
        yield "tornado.png", partial(save_figure, tornado_figure(ds, indices))
    if any(str(name).endswith("_percentiles") for name in ds.data_vars):
        yield "bands.png", partial(save_figure, bands_figure(ds))


def _print_failures(failures: Mapping[str, int], draws: int) -> None:
    if failures:
        reasons = "; ".join(f"{count:,}: {reason}" for reason, count in failures.items())
        print(f"{sum(failures.values()):,} of {draws:,} draws failed and are left out ({reasons})")


def _shown(table: pd.DataFrame) -> str:
    columns = ["variable", "unit", "draws", "left_out", "p5", "median", "p95"]
    return table[columns].to_string(index=False, float_format=lambda x: f"{x:.4g}", na_rep="-")


def _as_json(
    folder: Path, complete: bool, rate: float | None, tables: Mapping[str, Any] | None
) -> dict[str, Any]:
    result: dict[str, Any] = {"folder": str(folder), "complete": complete, "draws_per_s": rate}
    if tables is not None:
        result["failures"] = tables["failures"]
        result["summary"] = json.loads(tables["summary"].to_json(orient="records"))
    return result
