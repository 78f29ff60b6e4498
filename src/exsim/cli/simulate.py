"""`exsim simulate CONFIG...`: curves, a table and a picture of each bout; an overlay of several."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api import Study, read_study, run_study
from ..errors import ConfigError, Problem
from ..inputs.config import refuse_colliding_names
from ..outputs.files import no_empty_folders_left, prepare_run_folder, write_file, write_run
from ..outputs.run_record import Stopwatch, build_record
from ..run_labels import observables
from .session import choose_seed, start_jax

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..workflows import Run

#: Name of the figure of several runs, written beside their folders.
OVERLAY = "overlay.png"
#: So many states are drawn of a model that names no observables: one for each colour.
MOST_STATES_DRAWN = 7


def simulate(arguments: argparse.Namespace) -> int:
    """Run every config and write its folder; nothing is computed before all input is checked."""
    studies = _read_all(arguments.config, arguments.overrides)
    folders = _folders(studies, arguments.out)
    with no_empty_folders_left(folders):
        for folder in folders:
            prepare_run_folder(folder, overwrite=arguments.overwrite)
        device, warnings = start_jax(arguments.device)
        runs = []
        for study, folder in zip(studies, folders, strict=True):
            runs.append(_simulate_one(study, folder, device, warnings, arguments))
    if len(runs) > 1:
        from ..outputs.plots import overlay_figure, save_figure

        path = (arguments.out or Path("runs")) / OVERLAY
        write_file(
            path, partial(save_figure, overlay_figure([_with_analytes(run.dataset) for run, _ in runs]))
        )
    if arguments.json:
        print(json.dumps({"runs": [_as_json(*item) for item in zip(runs, folders, strict=True)]}))
    return 0


def _read_all(paths: list[Path], overrides: list[str]) -> list[Study]:
    # All problems of all files, not those of the first file alone.
    studies: list[Study] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            studies.append(read_study(path, overrides))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    refuse_colliding_names([study.config for study in studies])
    return studies


def _folders(studies: list[Study], out: Path | None) -> list[Path]:
    if len(studies) == 1 and out is not None:
        return [out]
    return [(out or Path("runs")) / study.config.name for study in studies]


def _simulate_one(
    study: Study, folder: Path, device: str, warnings: list[str], arguments: argparse.Namespace
) -> tuple[Run, pd.DataFrame]:
    from ..outputs.netcdf import write_trajectory
    from ..outputs.plots import run_figure, save_figure
    from ..outputs.tables import summary_csv
    from ..summaries import summary_table

    watch = Stopwatch()
    run = run_study(study)
    shown = _with_analytes(run.dataset)
    table = summary_table(shown)
    all_warnings = [*warnings, *study.warnings, *run.warnings]
    config = study.config
    record = build_record(
        command="simulate",
        config=config.spec.model_dump(mode="json", by_alias=True),
        input_hashes={str(config.path): config.sha256, **dict(study.model.file_hashes)},
        seed=choose_seed(config.spec.seed),
        device=device,
        dtype=config.spec.solver.precision,
        solver=run.solver,
        timing=watch.read(),
        warnings=all_warnings,
        repairs=config.repairs,
        title=config.spec.label or config.question,
    )
    write_run(
        folder,
        {
            "trajectory.nc": partial(write_trajectory, run.dataset),
            "summary.csv": summary_csv(table),
            "figure.png": partial(save_figure, run_figure(shown)),
        },
        record,
    )
    if arguments.quiet:
        return run, table
    for warning in all_warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if not arguments.json:
        if shown is not run.dataset:
            print("The model names no observables: these are its states.")
        print(_shown(table))
        print(f"{folder}/  trajectory.nc  summary.csv  figure.png  run.json\n")
    return run, table


def _with_analytes(ds: xr.Dataset) -> xr.Dataset:
    """Return a run as it is summed up and drawn: where the model names no observables, by its states."""
    states = [name for name, variable in ds.data_vars.items() if variable.attrs.get("role") == "state"]
    if observables(ds) or not states:
        return ds
    named = ds.copy()
    for number, name in enumerate(states):
        named[name].attrs |= {"analyte": str(name), "plotted": int(number < MOST_STATES_DRAWN)}
    return named


def _shown(table: pd.DataFrame) -> str:
    """Return the summary as a table for the terminal: four digits, a dash where there is no number."""
    return table.to_string(index=False, float_format=lambda x: f"{x:.4g}", na_rep="-")


def _as_json(result: tuple[Run, pd.DataFrame], folder: Path) -> dict[str, Any]:
    run, table = result
    return {
        "folder": str(folder),
        "config": run.dataset.attrs["config"],
        "solver": run.solver,
        "warnings": list(run.warnings),
        "summary": json.loads(table.to_json(orient="records")),
    }
