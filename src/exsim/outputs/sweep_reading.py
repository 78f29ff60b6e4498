"""A sweep as a labelled dataset, whole or as far as it has come."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from ..errors import InputError, Problem
from . import sweep_journal
from .sweep_folder import JOURNAL_FOLDER, STORE_NAME, find_done_batches


def open_sweep(folder: Path) -> xr.Dataset:
    """Open the sweep in a run folder (or its `sweep.zarr`); values are read when they are used.

    The attributes `batches`, `batches_done` and `batch_draws` say how far it has come: draws that are not
    made are NaN, or -1 in whole numbers (`status` too). Nothing is masked. Raises InputError where there
    is no sweep.
    """
    folder = folder.parent if folder.name == STORE_NAME else folder
    store = folder / STORE_NAME
    identity = sweep_journal.read_identity(folder / JOURNAL_FOLDER)
    if identity is None or not (store / "zarr.json").is_file():
        hint = f"give a folder that exsim sweep wrote: it has {STORE_NAME} and {JOURNAL_FOLDER}/ in it"
        raise InputError(Problem("there is no sweep here", file=str(folder), hint=hint))
    done = find_done_batches(folder, identity)
    try:
        ds = xr.open_zarr(
            store, chunks=None, consolidated=True, zarr_format=3, mask_and_scale=False, decode_times=False
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "exsim sweep --resume with the config of the sweep mends it"
        problem = Problem(f"the store cannot be opened: {error}", file=str(store), hint=hint)
        raise InputError(problem) from error
    return ds.assign_attrs(batches=identity.batches, batches_done=len(done), batch_draws=identity.batch_draws)
