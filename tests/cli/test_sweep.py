"""`exsim sweep`: what it prints and leaves behind, shards, going on, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exsim.cli import main
from exsim.outputs.sweep_reading import open_sweep

pytestmark = pytest.mark.usefixtures("sweeps")

Chunks = Callable[[Path], dict[str, bytes]]


def _record(folder: str) -> dict:
    return json.loads((Path(folder) / "run.json").read_text())


def _rows(folder: str) -> list[dict[str, str]]:
    with open(Path(folder) / "summary.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_leaves_a_store_tables_pictures_and_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "sweep.toml"]) == 0
    printed = capsys.readouterr()
    folder = Path("runs/sweep")
    names = {path.name for path in folder.iterdir()}
    written = {"run.json", "summary.csv", "sensitivity.csv", "surface.png", "tornado.png", "sweep.zarr"}
    assert written <= names
    assert not list(folder.rglob("*.partial"))
    assert "y_peak" in printed.out
    assert "runs/sweep/" in printed.out
    assert "300 draws in 1 batches" in printed.err
    record = _record("runs/sweep")
    assert (record["command"], record["seed"], record["dtype"]) == ("sweep", 7, "float64")
    assert record["device"].startswith("cpu")
    assert record["failures"] == {}
    assert record["config"]["sweep"]["draws"] == 300
    assert record["solver"] == record["solver"] | {"method": "tsit5", "steps": "shared", "draws": 300}
    assert record["solver"]["second_method"] == "rodas"
    assert record["solver"]["draws_per_s"] > 0
    assert {"sweep.toml", "relax.ant"} <= {Path(name).name for name in record["input_hashes"]}
    assert set(record["files"]) == written - {"run.json", "sweep.zarr"}
    with open_sweep(folder) as ds:
        # y relaxes from 1 to 1/k: y(t) = 1/k + (1 - 1/k) e^(-k t).
        k = ds["parameter.k"].values
        np.testing.assert_allclose(ds["y_at_2_h"], 1 / k + (1 - 1 / k) * np.exp(-2 * k), rtol=1e-5)
        assert ds.sizes["draw"] == 300
        assert ds["y_peak"].attrs["units"]
    by_name = {row["variable"]: row for row in _rows("runs/sweep")}
    assert int(by_name["y_peak"]["draws"]) == 300
    assert int(by_name["y_peak"]["left_out"]) == 0


def test_draws_that_fail_are_counted_by_reason_and_left_out_of_the_summary(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sweep", "grows.toml", "--out", "out"]) == 0
    printed = capsys.readouterr()
    with open_sweep(Path("out")) as ds:
        status, k = ds["status"].values, ds["parameter.k"].values
        peak = ds["y_peak"].values
    # y = 1 / (1 - k t) has no value at 4 h where k is 0.25 or more.
    failed = k >= 0.25
    assert 100 < failed.sum() < 200
    assert np.array_equal(status != 0, failed)
    assert np.array_equal(np.isnan(peak), failed)
    record = _record("out")
    assert record["failures"] == {"a state grew without bound or is not a number": int(failed.sum())}
    row = _rows("out")[0]
    assert (int(row["draws"]), int(row["left_out"])) == (300, failed.sum())
    assert float(row["max"]) == pytest.approx(np.nanmax(peak))
    assert float(row["median"]) == pytest.approx(np.nanmedian(peak))
    assert f"{failed.sum()} of 300 draws failed and are left out" in printed.out
    assert f"{failed.sum()}: a state grew without bound" in printed.out


def test_json_is_one_object_on_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "grows.toml", "--out", "out", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    answer = json.loads(printed.out)
    assert answer["complete"] is True
    assert answer["folder"] == "out"
    assert answer["failures"] == _record("out")["failures"]
    assert [row["variable"] for row in answer["summary"]] == ["y_peak", "y_fold"]
    assert answer["draws_per_s"] > 0


def test_quiet_prints_nothing_and_the_record_keeps_the_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "sweep.toml", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert _record("runs/sweep")["warnings"]


def test_values_of_the_sweep_can_be_set_from_the_command_line() -> None:
    assert main(["sweep", "sweep.toml", "--quiet", "--set", "sweep.draws=70"]) == 0
    assert _record("runs/sweep")["solver"]["draws"] == 70


def test_a_seed_that_was_drawn_is_recorded_and_found_again(tmp_path: Path, chunks: Chunks) -> None:
    text = (tmp_path / "sweep.toml").read_text().replace("seed = 7\n", "")
    (tmp_path / "sweep.toml").write_text(text)
    assert main(["sweep", "sweep.toml", "--quiet", "--out", "one"]) == 0
    seed, before = _record("one")["seed"], chunks(Path("one"))
    assert main(["sweep", "sweep.toml", "--quiet", "--out", "one", "--resume"]) == 0
    assert _record("one")["seed"] == seed
    assert chunks(Path("one")) == before
    assert main(["sweep", "sweep.toml", "--quiet", "--out", "one", "--overwrite"]) == 0
    assert _record("one")["seed"] != seed
    assert (
        main(["sweep", "sweep.toml", "--quiet", "--out", "one", "--overwrite", "--set", f"sweep.seed={seed}"])
        == 0
    )
    assert chunks(Path("one")) == before


THREE_BATCHES = ["--quiet", "--set", "sweep.draws=9000"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, chunks: Chunks) -> dict[str, bytes]:
    """Return the bytes of a sweep of three batches."""
    from .conftest import write_sweeps

    folder = tmp_path_factory.mktemp("whole")
    write_sweeps(folder)
    assert main(["sweep", str(folder / "sweep.toml"), "--out", str(folder / "out"), *THREE_BATCHES]) == 0
    return chunks(folder / "out")


def test_shards_in_any_order_give_the_bytes_of_one_run(
    whole: dict[str, bytes], chunks: Chunks, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["sweep", "sweep.toml", "--out", "out", "--set", "sweep.draws=9000"]
    for shard in ("3/4", "4/4", "1/4"):
        assert main([*call, "--shard", shard]) == 0
        assert "this shard is done" in capsys.readouterr().out
        assert not Path("out/run.json").exists()
    assert main([*call, "--shard", "2/4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert chunks(Path("out")) == whole
    assert _record("out")["failures"] == {}


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_threads_changes_no_byte(whole: dict[str, bytes], chunks: Chunks, workers: int) -> None:
    call = ["sweep", "sweep.toml", "--out", "out", *THREE_BATCHES, "--set", f"sweep.workers={workers}"]
    assert main(call) == 0
    assert chunks(Path("out")) == whole


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shard", "0/4"], '"0/4" is not I/N'),
        (["--shard", "5/4"], "1 <= I <= N"),
        (["--shard", "one"], "write e.g. --shard 1/4"),
        (["--set", "sweep.metrics.y=['top']"], '"top" is not a metric'),
        (["--set", "sweep.draws=0"], "sweep.draws"),
        (["--set", "sweep.vary.0.target='parameter.q'"], '"q"'),
    ],
)
def test_what_cannot_be_done_is_exit_3_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main(["sweep", "sweep.toml", *arguments]) == 3
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_config_without_a_sweep_is_exit_3_with_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tmp_path / "sweep.toml").read_text()
    (tmp_path / "plain.toml").write_text(text.partition("[sweep]")[0])
    assert main(["sweep", "plain.toml", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["exit_code"] == 3
    assert answer["problems"][0]["message"] == "the config holds no [sweep]"
    assert "[[sweep.vary]]" in answer["problems"][0]["hint"]


def test_shards_without_a_seed_would_be_different_sweeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tmp_path / "sweep.toml").read_text().replace("seed = 7\n", "")
    (tmp_path / "sweep.toml").write_text(text)
    assert main(["sweep", "sweep.toml", "--shard", "1/2"]) == 3
    assert "shards need a seed" in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_exit_6_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import jax

    if jax.default_backend() == "gpu":
        pytest.skip("there is a GPU here")
    before = sorted(tmp_path.rglob("*"))
    assert main(["sweep", "sweep.toml", "--device", "gpu"]) == 6
    assert "sees no GPU" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_of_one_draw_ends_well() -> None:
    assert main(["sweep", "sweep.toml", "--out", "one", "--quiet", "--set", "sweep.draws=1"]) == 0
    assert int(_rows("one")[0]["draws"]) == 1


def test_a_sweep_without_one_draw_that_ends_is_exit_5_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tmp_path / "grows.toml").read_text().replace("[0.05, 0.5]", "[0.4, 0.5]")
    (tmp_path / "grows.toml").write_text(text)
    assert main(["sweep", "grows.toml", "--set", "sweep.draws=20"]) == 5
    assert "20 of 20 draws failed and are left out" in capsys.readouterr().out
    assert _record("runs/grows")["failures"] == {"a state grew without bound or is not a number": 20}


def test_the_shards_of_a_grid_need_no_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (tmp_path / "sweep.toml").read_text().replace("seed = 7\n", "").replace("draws = 300\n", "")
    text = text.replace('"random"', '"grid"').replace("[0.3, 3.0]", "[0.3, 3.0]\npoints = 12")
    (tmp_path / "sweep.toml").write_text(text)
    assert main(["sweep", "sweep.toml", "--shard", "2/2", "--quiet"]) == 0
    assert main(["sweep", "sweep.toml", "--shard", "1/2"]) == 0
    assert "y_peak" in capsys.readouterr().out
