"""Sweeps that are killed, at any call and at any moment, and then resumed: the same bytes.

The sweeps run in processes forked from one that has imported what they need, and that never runs one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")

COMMON = """
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
from exsim.errors import ExsimError, InputError
from exsim.outputs.sweep_layout import ArraySpec, Layout
from exsim.outputs.sweep_store import open_writer
assert "jax" not in sys.modules
ROOT = Path(sys.argv[1])
ARRAYS = (ArraySpec("peak", "float64", units="pg/mL"), ArraySpec("status", "int8"),
          ArraySpec("done", "int32", ("batch",)))

def sweep(folder, batches=2, seed=1, **options):
    layout = Layout(4096 * (batches - 1) + 9, 4096, ARRAYS)
    with open_writer(ROOT / folder, layout, {"seed": seed}, **options) as writer:
        for batch in writer.missing_batches():
            draws = np.array(layout.draws_of(batch))
            peak = np.where(draws % 7, np.sin(draws * seed), np.nan)
            writer.write(batch, {"peak": peak, "status": np.isnan(peak).astype("int8"),
                                 "done": np.array(np.isfinite(peak).sum(), "int32")})

def fork(call, *args, **options):
    pid = os.fork()
    if pid:
        return pid
    try:
        call(*args, **options)
    except ExsimError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

def end_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""

AT_RANDOM_MOMENTS = """
wanted, chance = int(sys.argv[2]), random.Random(int(sys.argv[3]))
begin = time.monotonic()
assert end_of(fork(sweep, "undisturbed", 8)) == 0
whole_s = time.monotonic() - begin
kills, midway, partials, folder = 0, 0, 0, 0
while kills < wanted:
    pid = fork(sweep, str(folder), 8, resume=True)
    time.sleep(chance.uniform(0, 1.1 * whole_s))
    os.kill(pid, signal.SIGKILL)
    code = end_of(pid)
    assert code in (0, -signal.SIGKILL), code
    if code == 0:
        folder += 1
        continue
    kills += 1
    journal = ROOT / str(folder) / "journal" / "shard-1-of-1.jsonl"
    midway += journal.exists() and journal.read_bytes().count(b"\\n") > 1
    partials += any((ROOT / str(folder)).rglob("*.partial"))
assert end_of(fork(sweep, str(folder), 8, resume=True)) == 0
print(json.dumps({"kills": kills, "midway": midway, "partials": partials, "folders": folder + 1}))
"""

AT_EACH_CALL = """
import threading
older, step = sys.argv[2] == "overwrite", int(sys.argv[3])

def kill_at(n):
    left, lock = [n], threading.Lock()
    def wrap(name, real):
        def call(*args, **kwargs):
            with lock:
                left[0] -= 1
                if left[0] < 0:
                    if name in ("write", "write_bytes"):
                        real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    os._exit(99)
            return real(*args, **kwargs)
        return call
    for name, owner in {"fsync": os, "replace": os, "write": os, "ftruncate": os,
                        "mkdir": Path, "unlink": Path, "rmdir": Path, "write_bytes": Path}.items():
        setattr(owner, name, wrap(name, getattr(owner, name)))

def killed(folder, n):
    kill_at(n)
    sweep(folder, overwrite=older)

assert end_of(fork(sweep, "undisturbed")) == 0
kills, overwritten = 0, 0
while True:
    folder = str(kills)
    if older:
        assert end_of(fork(sweep, folder, 3, seed=2)) == 0
    code = end_of(fork(killed, folder, kills * step))
    if code == 0:
        break
    assert code == 99, code
    code = end_of(fork(sweep, folder, resume=True))
    if code:
        assert code == 3 and older
        overwritten += 1
        # Before the new sweep is one, the older one can be gone on with, or overwritten.
        if kills % 2:
            assert end_of(fork(sweep, folder, 3, seed=2, resume=True)) == 0
        assert end_of(fork(sweep, folder, overwrite=True)) == 0
    kills += 1
print(json.dumps({"kills": kills, "overwritten": overwritten, "folders": kills}))
"""

TOGETHER = """
assert end_of(fork(sweep, "undisturbed", 8)) == 0
for round in range(int(sys.argv[2])):
    children = [fork(sweep, str(round), 8, shard=(index, 4)) for index in range(1, 5)]
    assert [end_of(pid) for pid in children] == [0] * 4
print(json.dumps({"folders": round + 1}))
"""

ONE_OUTPUT = """
assert end_of(fork(sweep, "undisturbed", 8)) == 0
ends = []
for round in range(int(sys.argv[2])):
    children = [fork(sweep, str(round), 8, resume=True) for _ in range(3)]
    ends += [sorted(end_of(pid) for pid in children)]
print(json.dumps({"folders": round + 1, "ends": ends}))
"""


def run(script: str, folder: Path, *args: object) -> dict:
    """Run a script that makes sweeps in `folder`; all of them must equal the undisturbed one."""
    call = [sys.executable, "-c", COMMON + script, str(folder), *map(str, args)]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    told = json.loads(result.stdout)
    wanted = stored(folder / "undisturbed")
    for number in range(told["folders"]):
        assert stored(folder / str(number)) == wanted, number
        assert not list((folder / str(number)).rglob("*.partial"))
    return told


def stored(folder: Path) -> dict[str, bytes]:
    store = folder / "sweep.zarr"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_row_107_killed_at_random_moments_and_resumed_the_bytes_are_those_of_a_run_without_a_kill(tmp_path):
    told = run(AT_RANDOM_MOMENTS, tmp_path, 15, 107)
    assert told["midway"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_row_107_killed_at_fifty_random_moments(tmp_path, seed):
    told = run(AT_RANDOM_MOMENTS, tmp_path, 50, seed)
    assert told["midway"] > 5


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("fresh", 5),
        ("overwrite", 7),
        pytest.param("fresh", 1, marks=pytest.mark.slow),
        pytest.param("overwrite", 1, marks=pytest.mark.slow),
    ],
)
def test_row_107_killed_at_each_call_that_changes_the_disk(tmp_path, kind, step):
    told = run(AT_EACH_CALL, tmp_path, kind, step)
    assert told["kills"] > 50 // step
    assert bool(told["overwritten"]) == (kind == "overwrite")


def test_four_shards_that_start_at_the_same_moment_make_one_store(tmp_path):
    run(TOGETHER, tmp_path, 5)


def test_row_112_of_three_processes_on_one_output_one_at_a_time_writes(tmp_path):
    told = run(ONE_OUTPUT, tmp_path, 5)
    # Each ended well (alone, or after the others) or with exit 6; one at least did the work.
    assert all(set(ends) <= {0, 6} and ends[0] == 0 for ends in told["ends"])
    assert any(6 in ends for ends in told["ends"])
