"""exsim from Python: files in, labelled values out. The command line calls the same functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .inputs.config import LoadedConfig, check_against_model, read_config
from .inputs.model_files import load_model
from .model_spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    from .workflows import Run

__all__ = ["Study", "load_model", "read_draws", "read_study", "run_study", "simulate"]


@dataclass(frozen=True)
class Study:
    """A config and its model, both read and checked against each other; nothing computed yet."""

    config: LoadedConfig
    model: ModelSpec
    warnings: tuple[str, ...]

    @property
    def draws_file(self) -> Path | None:
        """The file of the draws of a table or posterior, or None."""
        sweep = self.config.spec.sweep
        return None if sweep is None or sweep.file is None else self.config.path.parent / sweep.file

    @property
    def data_hashes(self) -> dict[str, str]:
        """SHA-256 of the data files that the config names, by the name in it."""
        from .outputs.run_record import sha256_of

        path, sweep = self.draws_file, self.config.spec.sweep
        return {} if path is None or sweep is None else {str(sweep.file): sha256_of(path)}


def read_study(config: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Read a config with its model and check both.

    `overrides` are written as for `--set`: "protocol.bout.0.duration='4 h'". Raises ConfigError or
    ModelFileError with every problem of the file, RefusedError for a construct that is not done.
    """
    loaded = read_config(Path(config), overrides)
    model = load_model(loaded.spec.model, loaded.path.parent)
    return Study(loaded, model, tuple(check_against_model(loaded, model)))


def read_draws(study: Study) -> np.ndarray | None:
    """Return the draws that a sweep lists in a file, (draw, target), or None for a design.

    Raises ConfigError with every fault of the file.
    """
    from .inputs.sweep_table import read_listed_draws
    from .sweep_targets import resolve_targets

    spec, path = study.config.spec, study.draws_file
    if spec.sweep is None or path is None:
        return None
    return read_listed_draws(spec.sweep, path, resolve_targets(spec, study.model))


def run_study(study: Study) -> Run:
    """Simulate a study that was read. Raises SolveError if the end is not reached."""
    from .workflows import run_simulation

    config = study.config
    return run_simulation(config.spec, study.model, config.name, config.spec.label or config.question)


def simulate(config: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Simulate a config file and return its curves (`.dataset`, xarray), solver facts and warnings.

    Nothing is written. Raises as `read_study`, and SolveError if the end is not reached.
    """
    return run_study(read_study(config, overrides))
