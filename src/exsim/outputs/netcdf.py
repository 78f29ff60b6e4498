"""trajectory.nc, fit.nc and posterior.nc: a run as NetCDF, opened by xarray, R, MATLAB and Panoply alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def write_trajectory(ds: xr.Dataset, path: Path) -> None:
    """Write a run to `path`: every array as it is in memory, units and labels beside it.

    The arrays are stored as they are (no compression, no fill value), so that the same run gives
    the same array bytes. Raises OSError.
    """
    encoding = {name: {"_FillValue": None} for name in ds.variables}
    ds.to_netcdf(path, engine="h5netcdf", format="NETCDF4", encoding=encoding)


def read_trajectory(path: Path) -> xr.Dataset:
    """Read a run that `write_trajectory` wrote, all of it into memory. Raises OSError."""
    import xarray as xr

    # Times are hours as numbers, not dates.
    return xr.load_dataset(path, engine="h5netcdf", decode_times=False)


#: A fit (`exsim.fit_datasets.fit_dataset`) is stored and read in the same way.
write_fit, read_fit = write_trajectory, read_trajectory


def write_posterior(tree: xr.DataTree, path: Path) -> None:
    """Write draws (`exsim.sample_datasets.posterior_tree`) to `path`, as they are. Raises OSError.

    `arviz.from_netcdf` reads the file in both its lines, 0.23 and 1.x.
    """
    encoding = {node.path: {name: {"_FillValue": None} for name in node.variables} for node in tree.leaves}
    tree.to_netcdf(path, engine="h5netcdf", format="NETCDF4", encoding=encoding)


def read_posterior(path: Path) -> xr.DataTree:
    """Read draws that `write_posterior` wrote, all of them into memory. Raises OSError."""
    import xarray as xr

    with xr.open_datatree(path, engine="h5netcdf", decode_times=False) as tree:
        return tree.load()
