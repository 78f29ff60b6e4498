"""What the user says of a table beyond what stands in it; what is still to be said, asked all at once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...errors import Problem, did_you_mean

_SIMPLE = re.compile(r"[\s_.\-–/()]+")
_MOST_ASKED = 20


@dataclass(frozen=True)
class ConvertOptions:
    """The options of `exsim convert`. A mapping with the key "" holds for all that no other key names."""

    #: Number or name in the table -> analyte of the model.
    analyte: Mapping[str, str] = field(default_factory=dict)
    #: Analytes, by number or name in the table, that are left out.
    ignore: tuple[str, ...] = ()
    condition: str | None = None
    #: Columns that hold the condition and the subject.
    condition_from: str | None = None
    subject: str | None = None
    #: Word for a time -> the time: "-0.5", "end", "end + 90 min".
    time: Mapping[str, str] = field(default_factory=dict)
    time_unit: str | None = None
    time_from: Literal["start", "end"] | None = None
    #: Analyte of the model -> unit, and lower limit of quantification.
    unit: Mapping[str, str] = field(default_factory=dict)
    lloq: Mapping[str, str] = field(default_factory=dict)
    sep: str | None = None
    decimal: Literal[".", ","] = "."


def simple(text: str) -> str:
    """Return a name as it is compared: "IL-6", "il_6" and "IL 6" are one, "α" is "alpha"."""
    plain = _SIMPLE.sub("", text).casefold()
    return plain.replace("α", "alpha").replace("β", "beta").replace("γ", "gamma")


class Answers:
    """What was said, what of it was needed, and what else has to be."""

    def __init__(self, options: ConvertOptions) -> None:
        self.options = options
        self._used: set[tuple[str, str]] = set()
        #: Option -> (column, what is asked, what to write, other ways out) of each question.
        self._asked: dict[str, list[tuple[str | None, str, str, str]]] = {}

    def find(self, option: Literal["analyte", "time", "unit", "lloq"], word: str) -> str | None:
        """Return what was said of a word, else what was said of all, else None."""
        said: Mapping[str, str] = getattr(self.options, option)
        key = next((key for key in said if key and simple(key) == simple(word)), "" if "" in said else None)
        if key is None:
            return None
        self._used.add((option, key))
        return said[key]

    def is_ignored(self, word: str) -> bool:
        """Return whether an analyte is to be left out."""
        key = next((key for key in self.options.ignore if simple(key) == simple(word)), None)
        if key is not None:
            self._used.add(("ignore", key))
        return key is not None

    def ask(self, option: str, column: str | None, question: str, write: str, other: str = "") -> None:
        """Note what the table does not tell; the same is asked once. `other` is another way out."""
        asked = self._asked.setdefault(option, [])
        if all(write != item[2] for item in asked):
            asked.append((column, question, write, other))

    @property
    def has_questions(self) -> bool:
        """Whether something was not told."""
        return bool(self._asked)

    def problems(self, file: str, line: int) -> list[Problem]:
        """Return every question with the options that answer it, and all of these in one line."""
        found, arguments = [], []
        for option, asked in self._asked.items():
            arguments += [_argument(option, write) for _, _, write, _ in asked]
            for column, question, write, other in asked[:_MOST_ASKED]:
                hint = f"give {_argument(option, write)}{f', or {other}' if other else ''}"
                found.append(Problem(question, file, line, column, hint))
        if len(found) > 1:
            whole = "all that was asked, to be filled in and given to exsim convert"
            found.append(Problem(whole, file, hint=" ".join(dict.fromkeys(arguments))))
        return found

    def unused(self, words: Mapping[str, Iterable[str]]) -> list[Problem]:
        """Return a problem for every word of an option that the table does not have.

        `words` are those that it has, by option.
        """
        found = []
        for option in ("analyte", "time", "unit", "lloq", "ignore"):
            for key in getattr(self.options, option):
                if key and (option, key) not in self._used:
                    hint = did_you_mean(key, sorted(set(words.get(option, ()))))
                    found.append(Problem(f'the table has no "{key}"', f"--{option} {key}", hint=hint))
        if "" in self.options.analyte and ("analyte", "") not in self._used:
            name = self.options.analyte[""]
            hint = f"write --analyte WORD={name}, WORD being what the table calls it"
            found.append(Problem("the table says what was measured", f"--analyte {name}", hint=hint))
        return found


def _argument(option: str, write: str) -> str:
    # NAME, TIME and UNIT stay as they are: they are for the user to replace.
    return f"--{option} {shlex.quote(write)}" if write else f"--{option}"
