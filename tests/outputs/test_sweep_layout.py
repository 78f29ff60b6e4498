"""What a sweep keeps: the size of a batch, the number of files, and what cannot be a layout."""

import numpy as np
import pytest

from exsim.errors import InputError
from exsim.outputs.sweep_layout import (
    ArraySpec,
    Coordinate,
    Layout,
    choose_batch_draws,
    count_draw_bytes,
    count_files,
    estimate_bytes,
)
from exsim.outputs.sweep_store import open_writer


def metrics(number: int) -> tuple[ArraySpec, ...]:
    return tuple(ArraySpec(f"IL6_metric_{i}", "float64", units="pg/mL") for i in range(number))


@pytest.mark.parametrize("arrays", [1, 10, 40, 200])
def test_row_119_ten_million_draws_are_fewer_than_ten_thousand_files(arrays):
    specs = metrics(arrays)
    layout = Layout(10**7, choose_batch_draws(10**7, specs), specs)
    assert count_files(layout) < 10_000
    assert layout.batches >= 40


def test_row_119_ten_million_draws_have_an_index_under_ten_megabytes(tmp_path):
    # One batch of the largest store is written, and what it adds is counted for all.
    specs = (*metrics(60), ArraySpec("batch_done", "int32", ("batch",)))
    layout = Layout(10**7, choose_batch_draws(10**7, specs), specs, attributes={"varied": "x" * 20_000})
    folder = tmp_path / "a"

    def index_bytes() -> int:
        paths = [*(folder / "journal").iterdir(), *folder.rglob("zarr.json")]
        return sum(path.stat().st_size for path in paths)

    with open_writer(folder, layout, {"config": "x" * 5000}) as writer:
        empty = index_bytes()
        writer.write(0, {spec.name: np.zeros(layout.shape_of(spec, 0), spec.dtype) for spec in layout.arrays})
        whole = empty + (index_bytes() - empty) * layout.batches
    assert count_files(layout) < 10_000
    assert whole < 10_000_000


@pytest.mark.parametrize(
    ("draws", "wanted"), [(1, 4096), (4097, 4096), (10**5, 4096), (10**6, 16384), (10**7, 53248)]
)
def test_a_batch_grows_with_the_draws(draws, wanted):
    assert choose_batch_draws(draws, metrics(40)) == wanted


def test_a_batch_of_whole_curves_stays_small_in_memory():
    arrays = (ArraySpec("IL6", "float64", ("draw", "time")), ArraySpec("status", "int8"))
    coords = (Coordinate("time", np.linspace(0, 8, 4000), "h"),)
    assert count_draw_bytes(arrays, coords) == 32001
    assert choose_batch_draws(10**6, arrays, 32001) == 8192
    assert choose_batch_draws(10**6, arrays, 10**9) == 4096


def test_the_estimate_is_an_upper_bound_of_what_is_written(tmp_path):
    coords = (Coordinate("time", np.linspace(0, 8, 5), "h"),)
    specs = (*metrics(5), ArraySpec("IL6", "float32", ("draw", "time")), ArraySpec("n", "int32", ("batch",)))
    layout = Layout(2 * 4096 + 7, 4096, specs, coords)
    rng = np.random.default_rng(3)
    with open_writer(tmp_path / "a", layout, {}) as writer:
        for batch in range(3):
            shapes = {spec.name: (layout.shape_of(spec, batch), spec.dtype) for spec in specs}
            writer.write(
                batch, {name: rng.random(shape).astype(kind) for name, (shape, kind) in shapes.items()}
            )
    found = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(found) <= count_files(layout)
    size = sum(path.stat().st_size for path in found)
    assert size < estimate_bytes(layout) < 1.5 * size
    assert estimate_bytes(layout, 0) < estimate_bytes(layout, 1) < estimate_bytes(layout, 3)


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".x", "c", "draw", "zarr.json", "x" * 151, "x\n"])
def test_a_name_that_is_no_plain_one_is_a_fault_of_the_caller(name):
    with pytest.raises(ValueError, match="cannot be the name of an array"):
        ArraySpec(name, "int8")


def test_row_20_names_that_differ_by_case_only_are_refused():
    with pytest.raises(InputError, match='"IL6_peak" and "il6_peak" would be one folder'):
        Layout(1, 4096, (ArraySpec("IL6_peak", "float64"), ArraySpec("il6_peak", "float64")))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"dims": ("time",)}, "do not begin with draw or batch"),
        ({"dims": ("draw", "batch")}, "do not begin with draw or batch, once"),
        ({"dtype": "object"}, "dtype 'object' is none of"),
        ({"dims": ("draw", "time")}, "no coordinate for"),
    ],
)
def test_an_array_that_does_not_fit_is_a_fault_of_the_caller(spec, message):
    with pytest.raises(ValueError, match=message):
        Layout(1, 4096, (ArraySpec("x", **{"dtype": "int8", **spec}),))


@pytest.mark.parametrize(("draws", "batch_draws"), [(0, 4096), (1, 0), (1, 1000), (1, 4097)])
def test_row_117_a_batch_is_a_whole_number_of_blocks(draws, batch_draws):
    with pytest.raises(ValueError, match=r"at least one draw|multiple of 4096"):
        Layout(draws, batch_draws, metrics(1))
