"""How far a long command has come, on stderr: one line redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time

#: Seconds between two lines where they cannot be redrawn, and between two drawings where they can.
_PLAIN_EVERY_S, _DRAWN_EVERY_S = 30.0, 0.5


def say(line: str, end: str = "\n") -> None:
    """Print a line on stderr, and go on where nobody can read it: a closed pipe ends no long command."""
    if sys.stderr is None:
        return
    try:
        print(line, end=end, file=sys.stderr, flush=True)
    except OSError:
        # What waits in the buffer would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class Progress:
    """Counts draws and says how many there are, how fast they come and how long it will take.

    Durations are read from the monotonic clock: a system clock that jumps does no harm.
    """

    def __init__(self, total: int, done_before: int = 0, *, quiet: bool = False) -> None:
        self._total, self._before, self._done = total, done_before, done_before
        self._quiet = quiet
        self._drawn = sys.stderr is not None and sys.stderr.isatty()
        self._began_s = time.monotonic()
        self._said_s = self._began_s if not self._drawn else -1e9

    def add(self, draws: int) -> None:
        """Note that so many more draws are done; say so if it is time to."""
        self._done += draws
        now = time.monotonic()
        if now - self._said_s >= (_DRAWN_EVERY_S if self._drawn else _PLAIN_EVERY_S):
            self._said_s = now
            self._say(end="\r" if self._drawn else "\n")

    def finish(self) -> float:
        """Say the last word; return the draws a second since the beginning."""
        if self._drawn:
            self._say(end="\n")
        return self._rate()

    def _rate(self) -> float:
        return (self._done - self._before) / max(time.monotonic() - self._began_s, 1e-9)

    def _say(self, end: str) -> None:
        if self._quiet:
            return
        rate = self._rate()
        left = duration_text((self._total - self._done) / rate) if rate > 0 else "?"
        share = 100 * self._done / self._total
        line = f"{self._done:,} of {self._total:,} draws ({share:.0f} %), {rate:,.0f} draws/s, {left} left"
        if self._drawn:
            # A line that is wider than the terminal could not be drawn again.
            width = shutil.get_terminal_size().columns - 1
            line = f"{line[:width]:<{width}}"
        say(line, end=end)


class Teller:
    """Says on stderr how a search goes: one line redrawn on a terminal, a line every 30 s elsewhere."""

    def __init__(self, said: bool) -> None:
        self._said = said
        self._drawn = sys.stderr is not None and sys.stderr.isatty()
        self._every_s = _DRAWN_EVERY_S if self._drawn else _PLAIN_EVERY_S
        self._last_s, self._began_s = time.monotonic(), time.monotonic()

    def __call__(self, stage: str, done: int, whole: int, what: str) -> None:
        """Say how far a stage is, if it is time to."""
        now = time.monotonic()
        if not self._said or now - self._last_s < self._every_s:
            return
        self._last_s = now
        line = (
            f"{stage}: {done} of {whole}" + (f", {what}" if what else "") + f" ({now - self._began_s:.0f} s)"
        )
        say(f"\r{line:<100}" if self._drawn else line, end="" if self._drawn else "\n")


def duration_text(seconds: float) -> str:
    """Return a duration for a reader: "45 s", "12 min", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
