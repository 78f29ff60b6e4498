"""A sweep on Dask: the same bytes as on threads, and a dead worker costs its range alone."""

from __future__ import annotations

import copy
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import dask
import numpy as np
import pytest

from exsim import load_model
from exsim.designs import listed_design
from exsim.errors import ConfigError, OutputError
from exsim.solving import Status
from exsim.spec import RunSpec
from exsim.sweeping import SweepPlan, cluster, plan_sweep, solve_batches

pytestmark = [
    # distributed closes sockets and event loops of its own when it is next collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Found = dict[int, dict[str, np.ndarray]]

DRAWS, BLOCK = 13_000, 4096
BATCHES = [(number, start, min(start + BLOCK, DRAWS)) for number, start in enumerate(range(0, DRAWS, BLOCK))]


def _plan() -> SweepPlan:
    spec = RunSpec.model_validate(
        {
            "schema": 1,
            "model": "two_compartment",
            "protocol": {
                "infusion": [{"target": "IL6", "rate": "5 ug/h", "start": "0 h", "duration": "3 h"}],
            },
            "output": {"until": "6 h", "every": "10 min"},
            "sweep": {
                "design": "random",
                "draws": DRAWS,
                "vary": [
                    {"target": "parameter.clearance", "range": ["6 L/h", "24 L/h"]},
                    {"target": "parameter.exchange", "range": ["3 L/h", "12 L/h"]},
                ],
                "metrics": {"IL6": ["peak", "time_of_peak"]},
                "bands": ["IL6"],
            },
        }
    )
    return plan_sweep(spec, load_model("two_compartment"), "two", 7)


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    return _plan()


@pytest.fixture(scope="module")
def on_threads(plan: SweepPlan) -> Found:
    found = dict(solve_batches(plan, BATCHES, 2))
    assert found[0]["IL6_peak"].std() > 10.0  # pg/mL
    return found


def _assert_same(found: Found, wanted: Found) -> None:
    assert found.keys() == wanted.keys()
    for batch, arrays in wanted.items():
        assert found[batch].keys() == arrays.keys()
        for name, array in arrays.items():
            other = found[batch][name]
            assert (other.dtype, other.shape) == (array.dtype, array.shape), (batch, name)
            assert other.tobytes() == array.tobytes(), (batch, name)


def _children() -> set[int]:
    """Return the processes that this one began and that live."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            text = (folder / "cmdline").read_text()
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z" and "spawn_main" in text:
            found.add(int(folder.name))
    return found


# ---- a plan that travels --------------------------------------------------------------------------------


def test_a_plan_that_travelled_is_the_same(plan: SweepPlan) -> None:
    arrived = copy.deepcopy(cluster._Parcel.of(plan)).plan()
    assert (arrived.task, arrived.stiff_task, arrived.model) == (plan.task, plan.stiff_task, plan.model)
    np.testing.assert_array_equal(arrived.design.draw(5000, 5010), plan.design.draw(5000, 5010))


def test_a_plan_that_travelled_has_the_hashes_of_its_process(plan: SweepPlan) -> None:
    parcel = copy.deepcopy(cluster._Parcel.of(plan))
    rate = next(state.rate for state in parcel.parts["task"].model.spec.states if hasattr(state.rate, "args"))
    right = hash(rate)
    object.__setattr__(rate, "_hash", right + 1)  # as another process, with another seed, would have it
    rates = [hash(state.rate) for state in parcel.plan().task.model.spec.states]
    assert right in rates
    assert right + 1 not in rates


def test_draws_of_a_table_travel(plan: SweepPlan) -> None:
    rows = np.random.default_rng(1).uniform(5.0, 10.0, (50, 2))
    sweep = plan.sweep.model_copy(update={"design": "table", "file": "people.csv"})
    table = replace(plan, sweep=sweep, design=listed_design("table", plan.design.columns, rows))
    np.testing.assert_array_equal(cluster._Parcel.of(table).plan().design.draw(0, 50), rows)


def test_a_worker_with_another_jax_is_refused(plan: SweepPlan) -> None:
    parcel = cluster._Parcel.of(plan)
    with pytest.raises(OutputError, match=r"jax \S+, not 0\.0\.1"):
        replace(parcel, versions=parcel.versions | {"jax": "0.0.1"}).settle()


# ---- the cluster ----------------------------------------------------------------------------------------


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r'pip install "exsim\[cluster\]"'):
        cluster.require_dask()


def test_a_scheduler_that_does_not_answer_is_named(plan: SweepPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    address = "tcp://127.0.0.1:9"
    with dask.config.set({"scheduler-address": address}), pytest.raises(OutputError, match=address):
        next(cluster.solve_batches_on_dask(plan, BATCHES, 2, warn=pytest.fail))


def test_two_worker_processes_give_the_bytes_of_threads(plan: SweepPlan, on_threads: Found) -> None:
    found = dict(cluster.solve_batches_on_dask(plan, BATCHES, 2, warn=pytest.fail))
    _assert_same(found, on_threads)
    assert not _children()


@pytest.mark.slow
def test_row_120_the_batch_of_a_worker_that_is_killed_is_done_again(
    plan: SweepPlan, on_threads: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = str(tmp_path / "begun")

    def killed_once(parcel, start, stop):
        from exsim.sweeping.cluster import _solve_range

        if start == BLOCK and not os.path.exists(begun):
            os.close(os.open(begun, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)
        return _solve_range(parcel, start, stop)

    monkeypatch.setattr(cluster, "_solve_range", killed_once)
    found = dict(cluster.solve_batches_on_dask(plan, BATCHES, 2, warn=pytest.fail))
    assert os.path.exists(begun)
    _assert_same(found, on_threads)


@pytest.mark.slow
def test_row_120_a_range_that_always_kills_is_tried_three_times_then_marked_and_named(
    plan: SweepPlan, on_threads: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path)

    def killed(parcel, start, stop):
        from exsim.sweeping.cluster import _solve_range

        if start == BLOCK:
            os.close(os.open(os.path.join(folder, str(os.getpid())), os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)
        return _solve_range(parcel, start, stop)

    monkeypatch.setattr(cluster, "_solve_range", killed)
    said: list[str] = []
    found = dict(cluster.solve_batches_on_dask(plan, BATCHES, 2, said.append))
    assert len(os.listdir(folder)) == 3
    assert len(said) == 1
    assert "draws 4096 to 8191" in said[0]
    lost, wanted = found.pop(1), on_threads[1]
    _assert_same(found, {batch: arrays for batch, arrays in on_threads.items() if batch != 1})
    assert {name: (a.dtype, a.shape) for name, a in lost.items()} == {
        name: (a.dtype, a.shape) for name, a in wanted.items()
    }
    assert set(lost["status"]) == {Status.WORKER_LOST}
    assert np.isnan(lost["IL6_peak"]).all()
    np.testing.assert_array_equal(lost["parameter.clearance"], wanted["parameter.clearance"])


@pytest.mark.slow
def test_the_scheduler_of_the_settings_is_used_and_left_running(plan: SweepPlan, on_threads: Found) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as running:
        with dask.config.set({"scheduler-address": running.scheduler_address}):
            batches = cluster.solve_batches_on_dask(plan, BATCHES, 1, warn=pytest.fail)
            first, arrays = next(batches)
            assert len(_children()) == 1
            found = {first: arrays} | dict(batches)
        assert running.status.name == "running"
    _assert_same(found, on_threads)


@pytest.mark.slow
def test_who_stops_early_leaves_no_process(plan: SweepPlan) -> None:
    batches = cluster.solve_batches_on_dask(plan, BATCHES, 2, warn=pytest.fail)
    next(batches)
    assert len(_children()) == 2
    batches.close()
    assert not _children()
