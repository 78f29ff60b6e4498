"""The journal of a fit: what was answered is found again, what was cut off by a kill is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exsim.errors import InputError
from exsim.outputs.journal import JOURNAL_NAMES, Journal

IDENTITY = {"seed": 7, "config": {"starts": 4}}


def _record(number: int) -> dict[str, np.ndarray]:
    return {"vectors": np.full((2, 3), float(number)), "value": np.array([0.1, -np.inf])}


def _written(folder: Path, count: int) -> Path:
    with Journal(folder, "fit", IDENTITY, resume=False) as journal:
        for number in range(count):
            journal.append(_record(number))
    return folder / JOURNAL_NAMES["fit"]


def test_answers_come_back_in_their_order_to_the_last_bit(tmp_path: Path) -> None:
    _written(tmp_path, 3)
    with Journal(tmp_path, "fit", IDENTITY, resume=True) as journal:
        found = list(journal.records())
    assert journal.found == 3
    for number, record in enumerate(found):
        for name, values in _record(number).items():
            assert record[name].tobytes() == values.tobytes()


def test_what_a_kill_left_half_written_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    path = _written(tmp_path, 2)
    whole = path.read_bytes()
    one = len(_written(tmp_path, 1).read_bytes())
    for length in {one + 1, one + 8, one + 39, one + 40, one + 100, len(whole) - 1}:
        path.write_bytes(whole[:length])
        with Journal(tmp_path, "fit", IDENTITY, resume=True) as journal:
            assert journal.found == 1
            journal.append(_record(9))
        with Journal(tmp_path, "fit", IDENTITY, resume=True) as journal:
            assert [record["vectors"][0, 0] for record in journal.records()] == [0.0, 9.0]


def test_a_record_with_a_wrong_bit_ends_what_is_believed(tmp_path: Path) -> None:
    path = _written(tmp_path, 3)
    text = bytearray(path.read_bytes())
    text[-10] ^= 1
    path.write_bytes(bytes(text))
    with Journal(tmp_path, "fit", IDENTITY, resume=True) as journal:
        assert journal.found == 2


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    _written(tmp_path, 3)
    with Journal(tmp_path, "fit", IDENTITY, resume=False) as journal:
        assert journal.found == 0


def test_a_journal_of_another_fit_is_refused_with_what_differs(tmp_path: Path) -> None:
    _written(tmp_path, 1)
    with pytest.raises(InputError, match="seed is 7 there and 8 here") as caught:
        Journal(tmp_path, "fit", IDENTITY | {"seed": 8}, resume=True)
    assert "--overwrite" in str(caught.value)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAMES["fit"]).write_text("a diary\n" * 10)
    with pytest.raises(InputError, match="is not a journal of exsim"):
        Journal(tmp_path, "fit", IDENTITY, resume=True)


def test_a_head_that_was_cut_off_is_no_journal_yet(tmp_path: Path) -> None:
    path = _written(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:-3])
    with Journal(tmp_path, "fit", IDENTITY, resume=True) as journal:
        assert journal.found == 0


def test_a_seed_that_was_drawn_is_found_again(tmp_path: Path) -> None:
    assert Journal.read_identity(tmp_path, "fit") is None
    _written(tmp_path, 1)
    found = Journal.read_identity(tmp_path, "fit")
    assert found is not None
    assert found["seed"] == 7


def test_it_goes_when_the_fit_is_whole(tmp_path: Path) -> None:
    with Journal(tmp_path, "fit", IDENTITY, resume=False) as journal:
        journal.remove()
    assert list(tmp_path.iterdir()) == []
