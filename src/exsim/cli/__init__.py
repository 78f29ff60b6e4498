"""The command line: the only part that prints or exits. Each command loads what it needs, when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ._main import run
from .session import collect_rarely


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (FAULTS section 1: 0 done, 3 bad input, ...)."""
    collect_rarely()
    return run(sys.argv[1:] if argv is None else list(argv))
