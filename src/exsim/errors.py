"""The exception family: every error names its place, what was found and the way out.

ExsimError
├── InputError(problems)           exit 3: a file that the user wrote is wrong
│   ├── ConfigError
│   ├── ModelFileError
│   ├── EvidenceError
│   ├── LabDataError
│   └── UnitError
├── RefusedError(problems)         exit 4: a construct that exsim does not do, by name
├── SolveError(status, time_h)     exit 5: the integration did not reach the end
├── InferenceError                 exit 5: no vector at which a fit could begin
└── OutputError                    exit 6: storage or device
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_PROBLEMS_SHOWN = 50


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one file: where, what was found, what to do.

    `line` is 1-based and None where it is not known (a wrong line is worse than none);
    `key` is the dotted key, element id or column.
    """

    message: str
    file: str | None = None
    line: int | None = None
    key: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        head = "  ".join(part for part in (place, self.key) if part)
        body = self.message if not self.hint else f"{self.message}\n  {self.hint}"
        return f"{head}\n  {body}" if head else body


class ExsimError(Exception):
    """Anything that exsim raises on purpose; `exit_code` is what the command line returns."""

    exit_code: int = 1


class _ProblemsError(ExsimError):
    problems: tuple[Problem, ...]

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        shown = [str(problem) for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        hidden = len(self.problems) - len(shown)
        if hidden > 0:
            shown.append(f"... and {hidden} more")
        super().__init__("\n".join(shown))


class InputError(_ProblemsError):
    """A file that the user wrote is wrong; `problems` holds all that was found in it."""

    exit_code = 3


class ConfigError(InputError):
    """A run configuration (TOML) is wrong."""


class ModelFileError(InputError):
    """A model file (Antimony, SBML or its card) is wrong."""


class EvidenceError(InputError):
    """A table of published evidence is wrong."""


class LabDataError(InputError):
    """A table of measurements from a lab is wrong."""


class UnitError(InputError):
    """A quantity has no unit, an unknown unit, or a unit of the wrong dimension."""


class RefusedError(_ProblemsError):
    """A construct that is legal but that exsim does not do: refused by name, never ignored."""

    exit_code = 4


class SolveError(ExsimError):
    """The integration stopped before the end.

    `status` is a `exsim.solving.Status`, `time_h` the last good time in hours.
    """

    exit_code = 5

    def __init__(self, message: str, status: int, time_h: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.time_h = time_h


class InferenceError(ExsimError):
    """A fit or a sampler could not begin: there is no vector at which the density is a number."""

    exit_code = 5


class OutputError(ExsimError):
    """An output could not be written, or a device is not there."""

    exit_code = 6


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that the user most likely meant, or None."""
    import difflib

    lowered = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    if not matches and len(word) >= 3:
        # "knee" for knee_extension
        matches = [name for name in lowered if name.startswith(word.lower())]
        return lowered[matches[0]] if len(matches) == 1 else None
    return lowered[matches[0]] if matches else None


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return the hint for an unknown word: the nearest known one, and the list of all."""
    match = nearest(word, known)
    accepted = f"(accepted: {', '.join(sorted(known))})" if known else "(accepted: nothing)"
    return f'Did you mean "{match}"?  {accepted}' if match else accepted
