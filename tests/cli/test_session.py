"""What a command sets up: how often Python looks for cyclic garbage."""

from __future__ import annotations

import gc

import pytest

from exsim.cli.session import collect_rarely


@pytest.fixture
def _thresholds_as_before():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_thresholds_as_before")
def test_garbage_is_looked_for_rarely_but_still_collected() -> None:
    collect_rarely()
    assert gc.isenabled()
    youngest, *_ = gc.get_threshold()
    assert 10_000 < youngest <= 1_000_000
    before = gc.get_stats()[0]["collections"]
    for _ in range(2 * youngest):
        cycle: list = []
        cycle.append(cycle)
    assert gc.get_stats()[0]["collections"] > before
