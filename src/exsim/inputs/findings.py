"""What was found wrong while a model file is read: gathered, and raised once, all together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import ModelFileError, Problem, RefusedError

#: (element id, kinds of element) -> line in the file that the user wrote, or None.
LineOf = Callable[..., int | None]


def _no_line(*_: str) -> None:
    return None


@dataclass
class Findings:
    """Everything that is wrong with one model file, in the order in which it was found.

    `file` is the path as shown to the user; `line_of` gives the line of an element in that file.
    """

    file: str
    line_of: LineOf = _no_line
    errors: list[Problem] = field(default_factory=list)
    refusals: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(
        self,
        message: str,
        key: str | None = None,
        line: int | None = None,
        hint: str | None = None,
        kinds: tuple[str, ...] = (),
    ) -> None:
        """Note a mistake (exit 3).

        The line is looked up from the key where it is not given; `kinds` are the SBML elements (such
        as "rateRule") whose line is wanted where several carry the key.
        """
        self._note(self.errors, message, key, line, hint, kinds)

    def refuse(
        self,
        message: str,
        key: str | None = None,
        line: int | None = None,
        hint: str | None = None,
        kinds: tuple[str, ...] = (),
    ) -> None:
        """Note a legal construct that exsim does not do (exit 4); the line as in `error`."""
        self._note(self.refusals, message, key, line, hint, kinds)

    def warn(self, message: str) -> None:
        """Note something for the record of the run; each message once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def _note(
        self,
        where: list[Problem],
        message: str,
        key: str | None,
        line: int | None,
        hint: str | None,
        kinds: tuple[str, ...],
    ) -> None:
        if line is None and key is not None:
            line = self.line_of(key, *kinds)
        problem = Problem(message, self.file, line, key, hint)
        if problem not in where:
            where.append(problem)

    def raise_if_any(self) -> None:
        """Raise all that was noted: ModelFileError if there is a mistake, else RefusedError."""
        if self.errors:
            raise ModelFileError(_by_line([*self.errors, *self.refusals]))
        if self.refusals:
            raise RefusedError(_by_line(self.refusals))


def _by_line(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.line or 0)
