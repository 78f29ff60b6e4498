"""Several posteriors of the same data, compared by what each predicts of rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, Problem
from ..posterior_statistics import Ranked, loo, ranking
from .netcdf import read_posterior

if TYPE_CHECKING:
    import xarray as xr

    from ..sample_result import Loo

#: What of the rows must be the same in all.
_SAME = ("value", "limit", "censoring", "time_h", "observable", "condition", "subject", "quantity")


def compare_posteriors(paths: Sequence[Path]) -> tuple[Ranked, ...]:
    """Return the models of several `posterior.nc` in the order of their LOO, the best first.

    Raises InputError where the files are not of the same rows of data, or one has too few draws; OSError.
    """
    first, models = None, {}
    for path in paths:
        tree = read_posterior(path)
        data = tree["observed_data"].to_dataset()
        first = data if first is None else first
        if not _same_rows(first, data):
            raise InputError(
                Problem(
                    f"its data are not those of {paths[0]}: the two cannot be compared",
                    file=str(path),
                    hint="compare models that were sampled with the same data file and the same observables",
                )
            )
        models[str(path)] = _loo_of(path, tree)
    return ranking(models)


def _loo_of(path: Path, tree: xr.DataTree) -> Loo:
    posterior = tree["posterior"].to_dataset()
    draws = np.stack([posterior[name].values for name in posterior.data_vars], axis=-1)
    found = loo(tree["log_likelihood"].to_dataset()["value"].values, draws)
    if found is None:
        raise InputError(Problem("it has too few draws to compare it", file=str(path), hint="draw more"))
    return found


def _same_rows(one: xr.Dataset, other: xr.Dataset) -> bool:
    return all(one[name].equals(other[name]) for name in _SAME)
