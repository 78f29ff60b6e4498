"""run.json: everything that is needed to run it again, as plain JSON."""

import json
import time
from importlib import metadata

import jax.numpy as jnp
import numpy as np

from exsim.outputs.run_record import Stopwatch, build_record, to_json

GIVEN = {
    "command": "simulate",
    "config": {"model": "il6_axis", "solver": {"rtol": 1e-6}},
    "input_hashes": {"marathon.toml": "0" * 64},
    "seed": 7,
    "device": "cpu",
    "dtype": "float64",
    "solver": {"method": "tsit5", "steps": 120},
    "timing": {"wall_s": 1.0, "cpu_s": 1.5},
}


def test_record_holds_what_the_contract_names():
    record = json.loads(to_json(build_record(**GIVEN, warnings=["w"], repairs=["BOM taken off"])))
    for name, value in GIVEN.items():
        assert record[name] == value
    assert record["program"] == "exsim"
    assert record["warnings"] == ["w"]
    assert record["repairs"] == ["BOM taken off"]
    assert record["failures"] == {}
    assert record["versions"]["jax"] == metadata.version("jax")
    assert {"python", "exsim", "diffrax", "numpy"} <= set(record["versions"])


def test_numbers_that_are_not_finite_become_null_wherever_they_stand():
    value = {"a": np.nan, "b": [np.inf, {"c": -np.inf}], "d": np.array([1.0, np.nan]), "e": jnp.float32(2.5)}
    assert json.loads(to_json(value)) == {"a": None, "b": [None, {"c": None}], "d": [1.0, None], "e": 2.5}


def test_row_21_unicode_stays_readable():
    assert "Läufer".encode() in to_json({"title": "Läufer"})


def test_row_123_durations_come_from_the_monotonic_clock(monkeypatch):
    watch = Stopwatch()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400.0)
    sum(range(200_000))
    read = watch.read()
    assert 0 < read["wall_s"] < 10
    assert 0 <= read["cpu_s"] < 10
