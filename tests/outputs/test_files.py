"""Run folders: whole or not there, whatever fails and whenever."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exsim.errors import InputError, OutputError
from exsim.outputs import files
from exsim.outputs.files import prepare_run_folder, read_record, write_file, write_run

OLD = {"trajectory.nc": b"old trajectory", "summary.csv": b"old summary", "fit.nc": b"old fit"}
NEW = {"trajectory.nc": b"new trajectory", "summary.csv": b"new summary", "figure.png": b"new figure"}
RECORD = {"program": "exsim", "command": "simulate"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def without_record(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in found.items() if name != "run.json"}


def write_through_a_function(path: Path) -> None:
    path.write_bytes(NEW["trajectory.nc"])


def run_into(folder: Path, content=NEW, overwrite: bool = False) -> None:
    prepare_run_folder(folder, overwrite)
    write_run(folder, content, RECORD)


def test_a_run_folder_holds_its_files_and_a_record_with_their_hashes(tmp_path):
    folder = tmp_path / "runs" / "marathon"
    run_into(folder, {**NEW, "trajectory.nc": write_through_a_function})
    found = contents(folder)
    record = json.loads(found.pop("run.json"))
    assert found == NEW
    assert sorted(record["files"]) == sorted(NEW)
    assert record["files"]["figure.png"] == files.sha256_of(folder / "figure.png")


def test_row_114_existing_run_is_refused_without_overwrite_and_stays(tmp_path):
    run_into(tmp_path / "a", OLD)
    before = contents(tmp_path / "a")
    with pytest.raises(InputError, match=r"holds a run already(?s:.)*--overwrite") as caught:
        prepare_run_folder(tmp_path / "a")
    assert caught.value.exit_code == 3
    assert contents(tmp_path / "a") == before


def test_row_114_overwrite_replaces_a_run_and_all_its_files(tmp_path):
    run_into(tmp_path / "a", OLD)
    run_into(tmp_path / "a", NEW, overwrite=True)
    assert without_record(contents(tmp_path / "a")) == NEW


@pytest.mark.parametrize("record", [None, b"{}", b'{"program": "other"}', b"[" * 100_000, b"\xff"])
def test_row_114_overwrite_never_touches_what_exsim_did_not_write(tmp_path, record):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "summary.csv").write_bytes(b"years of work")
    if record is not None:
        (folder / "run.json").write_bytes(record)
    before = contents(folder)
    with pytest.raises(InputError, match="it is not a run"):
        prepare_run_folder(folder, overwrite=True)
    assert contents(folder) == before


def test_row_114_overwrite_keeps_what_others_put_beside_a_run(tmp_path):
    run_into(tmp_path / "a", OLD)
    (tmp_path / "a" / "notes.txt").write_bytes(b"mine")
    run_into(tmp_path / "a", NEW, overwrite=True)
    assert (tmp_path / "a" / "notes.txt").read_bytes() == b"mine"


def test_overwrite_never_reaches_outside_whatever_the_old_record_lists(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (tmp_path / "precious").write_bytes(b"x")
    (tmp_path / "linked").write_bytes(b"x")
    (folder / "link").symlink_to(tmp_path / "linked")
    listed = ["../precious", str(tmp_path / "precious"), "..", "link", "", 7]
    (folder / "run.json").write_text(json.dumps({"program": "exsim", "files": listed}))
    run_into(folder, NEW, overwrite=True)
    assert (tmp_path / "precious").exists()
    assert (tmp_path / "linked").exists()


def test_row_115_folder_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    # /proc takes no folders, not even from root.
    with pytest.raises(OutputError, match="could not be written") as caught:
        prepare_run_folder(Path("/proc/exsim-run"))
    assert caught.value.exit_code == 6


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="needs root to become another user")
def test_row_115_read_only_folder_is_refused_before_the_run(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir(mode=0o555)
    script = (
        "import os; from pathlib import Path; from exsim.outputs import files\n"
        f"os.chdir({str(tmp_path)!r}); os.setuid(65534); files.prepare_run_folder(Path('a'))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "OutputError" in result.stderr, result.stderr
    assert "Permission denied" in result.stderr


def test_row_116_output_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target", target_is_directory=True)
    with pytest.raises(InputError, match="is a link"):
        prepare_run_folder(tmp_path / "link", overwrite=True)
    assert contents(tmp_path / "target") == {}


def test_row_116_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(InputError, match="is a file"):
        prepare_run_folder(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_row_116_output_that_is_a_device_is_refused():
    with pytest.raises(InputError, match="a device"):
        prepare_run_folder(Path("/dev/null"), overwrite=True)


def test_row_116_output_that_is_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.bind("a")
        with pytest.raises(InputError, match="a socket"):
            prepare_run_folder(Path("a"))


def test_row_106_disk_too_full_is_refused_before_the_run_with_needed_and_free(tmp_path):
    with pytest.raises(
        OutputError, match=r"needs 1,000,000,000,000,000,000 bytes and the disk has [\d,]+ free"
    ):
        prepare_run_folder(tmp_path / "a", needed_bytes=10**18)


def test_row_125_leftover_partial_files_are_removed(tmp_path):
    run_into(tmp_path / "a", OLD)
    (tmp_path / "a" / "trajectory.nc.partial").write_bytes(b"half")
    prepare_run_folder(tmp_path / "a", overwrite=True)
    assert sorted(contents(tmp_path / "a")) == ["fit.nc", "run.json", "summary.csv", "trajectory.nc"]


class Failing:
    """Wraps the calls that touch the disk; the n-th raises, the others work."""

    def __init__(self, monkeypatch, error):
        self.left, self.error = None, error
        owners = {"fsync": os, "replace": os, "unlink": Path, "write_bytes": Path}
        for name, owner in owners.items():
            monkeypatch.setattr(owner, name, self.wrap(getattr(owner, name)))

    def wrap(self, real):
        def call(*args, **kwargs):
            if self.left is not None:
                self.left -= 1
                if self.left == -1:
                    raise self.error
            return real(*args, **kwargs)

        return call

    def until_none_fails(self, attempt):
        """Call `attempt()` with the n-th call failing, n = 0, 1, ...; yield after each failure."""
        for n in range(1000):
            self.left = n
            try:
                attempt()
            except OutputError:
                self.left = None
                yield
            else:
                self.left = None
                return
        raise AssertionError("1000 calls and no end")


class Killed(BaseException):
    """Nothing after the kill runs: `write_run` catches no such thing."""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("overwrite", [False, True])
def test_row_106_failure_at_any_call_leaves_the_old_run_or_nothing_under_final_names(
    tmp_path, monkeypatch, code, overwrite
):
    failing = Failing(monkeypatch, OSError(code, os.strerror(code)))
    folder = tmp_path / "a"
    if overwrite:
        run_into(folder, OLD)
    before = contents(folder)
    outcomes = []
    for _ in failing.until_none_fails(lambda: run_into(folder, NEW, overwrite)):
        found = contents(folder)
        found.pop("probe.partial", None)
        assert found == before or found == {} or without_record(found) == NEW
        outcomes.append(len(found))
        if overwrite and found != before:
            run_into(folder, OLD, overwrite=True)
            before = contents(folder)
        elif without_record(found) == NEW:
            break
    assert len(outcomes) > 10
    assert without_record(contents(folder)) == NEW


def test_row_107_a_kill_at_any_call_leaves_whole_files_and_a_folder_that_can_be_run_again(
    tmp_path, monkeypatch
):
    failing = Failing(monkeypatch, Killed())
    killed = 0
    for n in range(1000):
        folder = tmp_path / str(n)
        run_into(folder, OLD)
        failing.left = n
        try:
            run_into(folder, NEW, overwrite=True)
        except Killed:
            failing.left = None
            killed += 1
            found = contents(folder)
            for name, content in found.items():
                if not name.endswith(".partial") and name != "run.json":
                    assert content in (OLD.get(name), NEW.get(name))
            record = read_record(folder)
            if record is not None:
                # A folder with a record is a whole run, old or new.
                listed = {name: files.sha256_of(folder / name) for name in record["files"]}
                assert listed == record["files"]
            run_into(folder, NEW, overwrite=True)
            assert without_record(contents(folder)) == NEW
        else:
            failing.left = None
            break
    assert killed > 10


def test_a_single_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_file(tmp_path / "overlay.png", b"old")
    failing = Failing(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    failures = 0
    for _ in failing.until_none_fails(lambda: write_file(tmp_path / "overlay.png", b"new")):
        failures += 1
        assert contents(tmp_path)["overlay.png"] in (b"old", b"new")
        assert set(contents(tmp_path)) == {"overlay.png"}
    assert failures >= 3
    assert contents(tmp_path) == {"overlay.png": b"new"}


def test_a_name_that_is_not_plain_is_a_fault_of_the_caller(tmp_path):
    prepare_run_folder(tmp_path / "a")
    with pytest.raises(ValueError, match="not a plain file name"):
        write_run(tmp_path / "a", {"../x": b""}, RECORD)
    assert not (tmp_path / "x").exists()
    assert contents(tmp_path / "a") == {}
