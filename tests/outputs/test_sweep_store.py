"""A store of a sweep: what it is, and how shards and threads fill it."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import xarray as xr

from exsim.errors import InputError
from exsim.outputs.sweep_journal import read_identity
from exsim.outputs.sweep_reading import open_sweep
from exsim.outputs.sweep_store import open_writer

from .sweep_stores import ARRAYS, DRAWS, IDENTITY, Failing, layout_of, stored, sweep, values_of

# What it is


def test_a_store_opens_with_plain_xarray_with_names_units_and_values(tmp_path):
    layout = layout_of()
    assert sweep(tmp_path / "a", layout)
    with xr.open_zarr(tmp_path / "a" / "sweep.zarr", chunks=None) as ds:
        assert dict(ds.sizes) == {"draw": DRAWS, "time": 2, "percentile": 3, "batch": 4}
        assert list(ds.data_vars) == [spec.name for spec in ARRAYS]
        assert ds.IL6_peak.attrs == {"units": "pg/mL", "long_name": "highest IL6"}
        assert ds.time.attrs["units"] == "h"
        assert ds.attrs["title"] == "A sweep"
        for batch in range(4):
            expected = values_of(layout, batch)
            draws = layout.draws_of(batch)
            for name in ("IL6_peak", "IL6", "status"):
                np.testing.assert_array_equal(ds[name][draws.start : draws.stop], expected[name])
            np.testing.assert_array_equal(ds.IL6_percentiles[batch], expected["IL6_percentiles"])
        assert ds.status.dtype == np.int8


def test_an_unfinished_store_says_how_far_it_has_come_and_marks_what_is_not_made(tmp_path):
    assert not sweep(tmp_path / "a", batches=1)
    ds = open_sweep(tmp_path / "a" / "sweep.zarr")
    assert (ds.attrs["batches"], ds.attrs["batches_done"], ds.attrs["batch_draws"]) == (4, 1, 4096)
    assert set(np.unique(ds.status[:4096])) == {0, 2}
    assert np.all(ds.status[4096:] == -1)
    assert np.all(np.isnan(ds.IL6_peak[4096:]))


def test_what_is_no_sweep_is_not_opened(tmp_path):
    with pytest.raises(InputError, match="there is no sweep here"):
        open_sweep(tmp_path)


def test_a_store_that_cannot_be_read_is_refused_with_a_way_out_that_works(tmp_path):
    sweep(tmp_path / "a")
    (tmp_path / "a" / "sweep.zarr" / "zarr.json").write_bytes(b"{}")
    with pytest.raises(InputError, match=r"the store cannot be opened(?s:.)*--resume"):
        open_sweep(tmp_path / "a")
    sweep(tmp_path / "a", resume=True)
    assert open_sweep(tmp_path / "a").attrs["batches_done"] == 4


def test_an_interrupt_in_the_middle_of_a_batch_leaves_a_sweep_that_goes_on(
    tmp_path, monkeypatch, undisturbed
):
    failing = Failing(monkeypatch, KeyboardInterrupt())

    def interrupt_at(call: int) -> None:
        with open_writer(tmp_path / "a", layout_of(), IDENTITY, resume=True) as writer:
            failing.left = call
            writer.write(0, values_of(writer.layout, 0))

    for call in range(0, 22, 3):
        with pytest.raises(KeyboardInterrupt):
            interrupt_at(call)
        failing.left = None
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_batches_written_by_threads_give_the_same_bytes(tmp_path, undisturbed):
    with open_writer(tmp_path / "a", layout_of(), IDENTITY) as writer:
        threads = [
            threading.Thread(target=writer.write, args=(batch, values_of(writer.layout, batch)))
            for batch in writer.missing_batches()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writer.missing_batches() == ()
    assert stored(tmp_path / "a") == undisturbed


def test_the_writer_needs_no_jax():
    script = "import sys, exsim.outputs.sweep_store, exsim.outputs.sweep_reading; print('jax' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


# Shards


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (3, 1, 4, 2)])
def test_four_shards_in_any_order_equal_one_run(tmp_path, undisturbed, order):
    whole = [sweep(tmp_path / "a", shard=(index, 4)) for index in order]
    assert whole == [False, False, False, True]
    assert stored(tmp_path / "a") == undisturbed


def test_a_shard_writes_its_own_batches_only(tmp_path):
    with open_writer(tmp_path / "a", layout_of(), IDENTITY, shard=(2, 3)) as writer:
        assert writer.missing_batches() == (1,)
        with pytest.raises(ValueError, match="batch 0 is not of shard 2/3"):
            writer.write(0, values_of(writer.layout, 0))


def test_another_number_of_shards_goes_on_with_what_is_there(tmp_path, undisturbed):
    sweep(tmp_path / "a", shard=(1, 4))
    with pytest.raises(InputError, match=r"sweep already \(1 of 4 batches"):
        sweep(tmp_path / "a", shard=(1, 2))
    sweep(tmp_path / "a", shard=(2, 2), resume=True)
    assert sweep(tmp_path / "a", resume=True)
    assert stored(tmp_path / "a") == undisturbed


def test_a_shard_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="shard 5/4 does not exist"):
        sweep(tmp_path / "a", shard=(5, 4))


def test_identity_is_kept_as_the_first_shard_wrote_it(tmp_path):
    sweep(tmp_path / "a", shard=(1, 2))
    first = read_identity(tmp_path / "a" / "journal")
    sweep(tmp_path / "a", shard=(2, 2))
    assert read_identity(tmp_path / "a" / "journal") == first
    assert first.content == IDENTITY
