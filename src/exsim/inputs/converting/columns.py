"""Which column of a foreign table is the subject's, the condition's, or one that a tidy table has too."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import Problem, did_you_mean
from .answers import Answers, simple
from .said import Said

_SUBJECTS = (
    "subject", "subjectid", "subjid", "subj", "id", "participant", "participantid", "person", "patient",
    "patientid", "volunteer",
)  # fmt: skip
#: Columns of a tidy table that are taken along under any spelling of capitals.
_TAKEN_ALONG = ("n", "batch", "replicate", "plasma_volume_change", "source")


def subject_column(names: Sequence[str], answers: Answers) -> str | None:
    """Return the column of the subjects; None where that has to be asked, which is noted."""
    named = answers.options.subject
    if named is not None:
        return named if named in names else None
    found = [name for name in names if simple(name) in _SUBJECTS]
    if len(found) != 1:
        question = "which column says who?"
        if found:
            question = f"which column says who: {', '.join(found)}?"
        answers.ask("subject", None, question, "COLUMN")
        return None
    return found[0]


def condition_column(names: Sequence[str], answers: Answers, file: str, line: int, said: Said) -> str | None:
    """Return the column of the conditions, None where one holds for all.

    A question where neither is known, a problem where both are.
    """
    options = answers.options
    found = options.condition_from or next((n for n in names if simple(n) == "condition"), None)
    if found is not None and options.condition is not None:
        hint = "leave --condition out, or take the column out of the table"
        said.problems.append(Problem("the conditions stand in a column", file, line, found, hint))
    if found is None and options.condition is None:
        question = (
            'under which condition? Name it as [[condition]] in the config does, "run" if there is none'
        )
        answers.ask("condition", None, question, "NAME")
    return found if found in names else None


def check_named(names: Sequence[str], answers: Answers, said: Said) -> None:
    """Note a problem for each column that an option names and the table lacks."""
    options = answers.options
    for option, name in (("--subject", options.subject), ("--condition-from", options.condition_from)):
        if name is not None and name not in names:
            hint = did_you_mean(name, names)
            said.problems.append(Problem(f'the table has no column "{name}"', f"{option} {name}", hint=hint))


def taken_along(names: Sequence[str], more: Sequence[str] = ()) -> dict[str, str]:
    """Return column of the tidy table -> column of this one, for what both have."""
    wanted = {name.casefold(): name for name in (*_TAKEN_ALONG, *more)}
    return {wanted[name.casefold()]: name for name in names if name.casefold() in wanted}
