"""Sweeps for the command line: small models, processes that run the real command, bytes of a store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RELAX = "model relax\n  unit time_unit = 3600 second;\n  y = 1; k = 0.5;\n  y' = 1 - k * y;\nend\n"
GROWS = "model grows\n  unit time_unit = 3600 second;\n  y = 1; k = 0.1;\n  y' = k * y^2;\nend\n"
SWEEP = """# Does it relax?
schema = 1
model = "relax.ant"
[output]
until = "4 h"
every = "30 min"
[sweep]
draws = 300
design = "random"
seed = 7
[[sweep.vary]]
target = "parameter.k"
range = [0.3, 3.0]
[sweep.metrics]
y = ["peak", "value_at 2 h"]
"""
#: Each draw takes thousands of explicit steps: the sweep lasts some seconds.
BUSY = """schema = 1
model = "relax.ant"
[output]
until = "4 h"
every = "1 h"
[solver]
method = "tsit5"
[sweep]
draws = 49_000
design = "random"
seed = 7
[[sweep.vary]]
target = "parameter.k"
range = [900, 1000]
[sweep.metrics]
y = ["peak", "value_at 2 h"]
"""


@pytest.fixture
def sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with `sweep.toml`, `grows.toml` (some draws fail) and `busy.toml`."""
    write_sweeps(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_sweeps(folder: Path) -> None:
    """Write the models and the configs."""
    (folder / "relax.ant").write_text(RELAX)
    (folder / "grows.ant").write_text(GROWS)
    (folder / "sweep.toml").write_text(SWEEP)
    # y' = k y^2 from 1 has no value from t = 1/k on: k above 0.25 does not reach 4 h.
    grows = (
        SWEEP.replace("relax", "grows").replace("[0.3, 3.0]", "[0.05, 0.5]").replace("value_at 2 h", "fold")
    )
    (folder / "grows.toml").write_text(grows)
    (folder / "busy.toml").write_text(BUSY)


#: Becomes the command that follows, and hears SIGINT also where the tests run in the background of a shell.
HEARING = """if True:
    import os, signal, sys
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts `python -m exsim` with arguments in the working folder."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        call = [sys.executable, "-c", HEARING, sys.executable, "-m", "exsim", *arguments]
        # Colours, width and buffering are the test's to choose.
        process = subprocess.Popen(
            call,
            cwd=tmp_path,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def wait_for_batches() -> Callable[..., None]:
    """Return a function that waits until the journal of a sweep has the lines of so many batches."""

    def wait(process: subprocess.Popen[str], folder: Path, batches: int, timeout_s: float = 240.0) -> None:
        journal = folder / "journal" / "shard-1-of-1.jsonl"
        deadline = time.monotonic() + timeout_s
        while not journal.exists() or journal.read_bytes().count(b"\n") <= batches:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no batch was written"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def chunks() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads every file of a store, by its path in it."""

    def read(folder: Path) -> dict[str, bytes]:
        store = folder / "sweep.zarr"
        return {
            str(path.relative_to(store)): path.read_bytes()
            for path in sorted(store.rglob("*"))
            if path.is_file()
        }

    return read
