"""What a command sets up: how often Python looks for cyclic garbage, options of the compiler."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from exsim.cli.session import CPU_COMPILER_OPTIONS, FOR_OLDER, collect_rarely

#: jaxlib 0.10 takes one more, which no later version knows.
OPTIONS = (
    f"{CPU_COMPILER_OPTIONS} {FOR_OLDER}" if version("jaxlib").startswith("0.10.") else CPU_COMPILER_OPTIONS
)


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


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("pass", OPTIONS),
        ("os.environ['XLA_FLAGS'] = ''", ""),
        ("os.environ['XLA_FLAGS'] = '--mine'", "--mine"),
        ("sys.modules['jax'] = None", None),
    ],
)
def test_compiler_options_are_chosen_where_they_still_count_and_none_are_given(before, found) -> None:
    code = f"""if True:
        import os, sys
        from exsim.cli.session import choose_compiler_options
        assert "jax" not in sys.modules
        {before}
        choose_compiler_options()
        assert os.environ.get("XLA_FLAGS") == {found!r}, os.environ.get("XLA_FLAGS")
    """
    clean = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    subprocess.run([sys.executable, "-c", code], env=clean, check=True, timeout=120)
