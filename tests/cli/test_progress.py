"""What a long command says of how far it is."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import pytest

from exsim.cli import progress
from exsim.cli.progress import Progress, duration_text, say


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    made = _Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (99.4, "99 s"),
        (100.0, "2 min"),
        (5940.0, "99 min"),
        (6000.0, "1 h 40 min"),
        (90_000.0, "25 h 00 min"),
    ],
)
def test_durations_are_short_and_readable(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_elsewhere_than_on_a_terminal_a_plain_line_comes_every_half_minute(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(10_000)
    for _ in range(6):
        clock.now_s += 10
        shown.add(1000)
    assert shown.finish() == pytest.approx(100.0)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "3,000 of 10,000 draws (30 %), 100 draws/s, 70 s left",
        "6,000 of 10,000 draws (60 %), 100 draws/s, 40 s left",
    ]


def test_draws_that_were_done_before_count_for_the_share_and_not_for_the_rate(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(10_000, done_before=5000)
    clock.now_s += 50
    shown.add(1000)
    assert "6,000 of 10,000 draws (60 %), 20 draws/s, 3 min left" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_row_122_on_a_terminal_one_line_is_drawn_again_and_never_wider_than_it(
    clock: _Clock, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = Progress(10_000)
    for _ in range(5):
        clock.now_s += 1
        shown.add(1000)
    shown.finish()
    lines = terminal.getvalue().replace("\n", "\r").split("\r")
    assert len(lines) >= 6
    assert {len(line) for line in lines[:-1]} == {columns - 1}
    assert terminal.getvalue().count("\n") == 1
    assert "\x1b" not in terminal.getvalue()


def test_quiet_says_nothing_and_counts_all_the_same(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(100, quiet=True)
    clock.now_s += 100
    shown.add(50)
    assert shown.finish() == pytest.approx(0.5)
    assert capsys.readouterr() == ("", "")


def test_row_122_without_stderr_nothing_is_said(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    shown = Progress(100)
    clock.now_s += 100
    shown.add(50)
    assert shown.finish() == pytest.approx(0.5)


def test_row_122_a_pipe_that_was_closed_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        say("nobody reads this")
        # The pipe leads nowhere from now on, so that closing it fails no more.
        say("nor this")


def test_row_123_a_clock_that_is_set_back_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import time

    def set_back(*_: Any) -> float:
        raise AssertionError("a duration was read from the clock of the system")

    monkeypatch.setattr(time, "time", set_back)
    shown = Progress(10)
    shown.add(5)
    assert shown.finish() > 0
