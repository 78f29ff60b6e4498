"""`exsim report RUN_DIR`: one HTML page of a finished run, to read, to print and to mail."""

from __future__ import annotations

import json
from pathlib import Path

from ..outputs.report import write_report


def report(folder: Path, out: Path | None, *, json_output: bool) -> int:
    """Write the report and print where it lies; exit code 0."""
    path = write_report(folder, out)
    print(json.dumps({"report": str(path)}) if json_output else path)
    return 0
