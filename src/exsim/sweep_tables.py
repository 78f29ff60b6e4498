"""Tables of a sweep: every metric over its draws, and how many draws failed and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .sweep_labels import DONE, NOT_MADE, done_draws, draw_count, metrics, read_draws

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.50, "p75": 0.75, "p95": 0.95}

SWEEP_SUMMARY_COLUMNS = (
    "variable",
    "analyte",
    "metric",
    "unit",
    "draws",
    "left_out",
    "not_defined",
    "mean",
    "sd",
    *_QUANTILES,
    "min",
    "max",
)


def summary_table(ds: xr.Dataset) -> pd.DataFrame:
    """Return the summary of a sweep: a row per metric, the columns of `SWEEP_SUMMARY_COLUMNS`.

    `draws` counts all draws, `left_out` those that failed or are not solved yet, `not_defined` those
    that were solved but have no such number (what never leaves rest has no time of a peak). The other
    columns are over the rest of the draws, in the unit of the metric: empty (NaN) for none of them, and
    `sd` (with n - 1) for one. Quantiles are exact, interpolated linearly.

    One metric is in memory at a time: about 18 bytes a draw (10^7 draws: 180 MB).
    """
    import pandas as pd

    draws, done = draw_count(ds), done_draws(ds)
    solved = int(np.count_nonzero(done))
    rows = []
    for item in metrics(ds):
        labels = {
            "variable": item.variable,
            "analyte": item.analyte,
            "metric": item.metric,
            "unit": item.unit,
        }
        numbers = _numbers(ds, item.variable, done)
        rows.append(labels | {"draws": draws, "left_out": draws - solved} | numbers)
    return pd.DataFrame(rows, columns=list(SWEEP_SUMMARY_COLUMNS))


def _numbers(ds: xr.Dataset, variable: str, done: np.ndarray) -> dict[str, int | float]:
    """Return the columns of one metric; its values live no longer than this call."""
    values = read_draws(ds, variable)
    values = values[done & np.isfinite(values)].astype(np.float64, copy=False)
    undefined = int(np.count_nonzero(done)) - values.size
    if values.size == 0:
        return {"not_defined": undefined}
    found = {"mean": values.mean(), "sd": values.std(ddof=1) if values.size > 1 else np.nan}
    found |= {"min": values.min(), "max": values.max()}
    # Last, because it reorders the values in place instead of in a copy.
    levels = np.quantile(values, list(_QUANTILES.values()), overwrite_input=True)
    found |= dict(zip(_QUANTILES, levels, strict=True))
    return {"not_defined": undefined} | {name: float(number) for name, number in found.items()}


def failure_counts(ds: xr.Dataset, reasons: Mapping[int, str]) -> dict[str, int]:
    """Return how many draws failed, by the text of the reason, the most frequent first.

    `reasons` says what each status means (`exsim.solving.STATUS_TEXT`); a status that it lacks is
    counted under its number, and draws that no run has reached yet as such. Draws that were solved are
    not in it: no failures, no entries.
    """
    codes, counts = np.unique(read_draws(ds, "status"), return_counts=True)
    found = [(int(code), int(count)) for code, count in zip(codes, counts, strict=True) if code != DONE]
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    texts = {NOT_MADE: "not solved yet"} | dict(reasons)
    return {texts.get(code, f"status {code}"): count for code, count in found}
