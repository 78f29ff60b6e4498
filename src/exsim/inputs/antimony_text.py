"""Antimony text as statements: on which line each id stands, and what each formula names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .model_order import sort_by_use

#: The key under which the line of an algebraic rule is kept: it has no id.
ALGEBRAIC_RULE = "0 ="

_TOKEN = re.compile(
    r"```.*?(?:```|\Z)"
    r'|"[^"\n]*(?:"|$)'
    r"|/\*.*?(?:\*/|\Z)"
    r"|//[^\n]*|\#[^\n]*"
    r"|\\[ \t\r]*\n"
    r"|\n|;|[^\"`/#\\\n;]+|.",
    re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_NUMBER_WITH_UNIT = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s+[A-Za-z_]\w*")
_KEYWORDS = re.compile(
    r"^(?:(?:const|var|substanceOnly|species|compartment|formula|gene|DNA|operator|reaction)\b\s*)+"
)
ASSIGNED = re.compile(r"^\$?\s*([A-Za-z_]\w*)(?:\s+in\s+[A-Za-z_]\w*)?\s*(?:(')\s*=|(:=)|=(?!=))")
REACTION = re.compile(r"^(?:([A-Za-z_]\w*)(?:\s+in\s+\w+)?\s*:)?[^:=]*(?:->|=>)")
EVENT = re.compile(r"^(?:([A-Za-z_]\w*)(?:\s+in\s+\w+)?\s*:)?\s*at\b")
UNIT = re.compile(r"^unit\s+([A-Za-z_]\w*)\s*=")
MODEL = re.compile(r"^(?:model|module)\s+\*?\s*([A-Za-z_]\w*)")
FUNCTION = re.compile(r"^function\s+([A-Za-z_]\w*)")
SUBMODEL = re.compile(r"^([A-Za-z_]\w*)\s*:\s*([A-Za-z_]\w*)\s*\(")
_ALGEBRAIC = re.compile(r"^0\s*=")
IMPORT = re.compile(r"^import\b")


@dataclass(frozen=True)
class Statement:
    """One statement without comments and strings, and the line on which it begins."""

    text: str
    line: int
    #: True if it follows a `;` on the line where the statement before it stands.
    follows_semicolon: bool


@dataclass(frozen=True)
class AntimonyText:
    """The statements of an Antimony text, and the words of its code with their lines."""

    statements: tuple[Statement, ...]
    #: (word, line) in their order, outside comments and strings.
    words: tuple[tuple[str, int], ...]

    @cached_property
    def _first_use(self) -> dict[str, int]:
        first: dict[str, int] = {}
        for word, line in self.words:
            first.setdefault(word, line)
        return first

    @cached_property
    def _definitions(self) -> dict[str, int]:
        lines: dict[str, int] = {}
        for id, line, *_ in assignments(self):
            lines.setdefault(id, line)
        reactions = events = 0
        for item in self.statements:
            if event := EVENT.match(item.text):
                lines.setdefault(event[1] or f"_E{events}", item.line)
                events += not event[1]
            elif reaction := REACTION.match(item.text):
                lines.setdefault(reaction[1] or f"_J{reactions}", item.line)
                reactions += not reaction[1]
            elif function := FUNCTION.match(item.text):
                lines.setdefault(function[1], item.line)
            elif _ALGEBRAIC.match(item.text):
                lines.setdefault(ALGEBRAIC_RULE, item.line)
        return lines

    @cached_property
    def _rules(self) -> dict[tuple[str, str], int]:
        kinds = {"=": "initialAssignment", ":=": "assignmentRule", "'=": "rateRule"}
        return {(kinds[kind], id): line for id, line, kind, _ in reversed(assignments(self))}

    def line_of(self, id: str, *kinds: str) -> int | None:
        """Return the line that defines an id, else the first that uses it, else None.

        Of several definitions the one that SBML calls by a name of `kinds`, such as "rateRule".
        """
        for kind in kinds:
            if (kind, id) in self._rules:
                return self._rules[kind, id]
        name = id.split(".")[-1]
        return self._definitions.get(id) or self._first_use.get(id) or self._first_use.get(name)

    def defines(self, id: str) -> bool:
        """Whether a statement gives an id a value, a rule, a rate law or a trigger."""
        return id in self._definitions

    def cycle(self) -> list[str] | None:
        """Return ids that need each other in a circle (closed: a, b, a), or None."""
        cycles = sort_by_use(self._uses)[1]
        return cycles[0] if cycles else None

    @cached_property
    def _uses(self) -> dict[str, list[str]]:
        """What the value, rule or rate law of each id names, each as often as it is named there."""
        uses: dict[str, list[str]] = {}
        formulas = [(id, formula) for id, _, kind, formula in assignments(self) if kind != "'="]
        for id, formula in [*formulas, *((id, law) for id, _, law in reactions(self))]:
            uses.setdefault(id, []).extend(_WORD.findall(_NUMBER_WITH_UNIT.sub(" ", formula)))
        return uses

    @cached_property
    def building_blocks(self) -> dict[str, dict[str, list[str]]]:
        """What rules, functions and units are made of: kind -> id -> ids, each as often as it is named."""
        functions: dict[str, list[str]] = {}
        units: dict[str, list[str]] = {}
        body: list[str] | None = None
        for item in self.statements:
            if match := FUNCTION.match(item.text):
                body = functions.setdefault(match[1], [])
            elif item.text == "end":
                body = None
            elif body is not None:
                body.extend(_WORD.findall(item.text))
            elif match := UNIT.match(item.text):
                units.setdefault(match[1], []).extend(_WORD.findall(item.text[match.end() :]))
        return {"rules": self._uses, "functions": functions, "units": units}

    def line_of_call(self, function: str) -> int | None:
        """Return the first line on which a function is called."""
        call = re.compile(rf"\b{re.escape(function)}\s*\(")
        for item in self.statements:
            if call.search(item.text):
                return item.line
        return None


def read_statements(text: str) -> AntimonyText:
    """Split an Antimony text into statements; comments and strings are left out."""
    statements: list[Statement] = []
    words: list[tuple[str, int]] = []
    pending, begun, line, after_semicolon = "", 1, 1, False

    def finish(semicolon: bool) -> None:
        nonlocal pending, after_semicolon
        # An empty statement after `;` is kept: it is a reaction's missing rate law.
        if pending.strip() or semicolon:
            statements.append(Statement(pending.strip(), begun, after_semicolon))
        pending, after_semicolon = "", semicolon

    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == ";":
            finish(semicolon=True)
        elif token == "\n":
            # An event may go on after its colon and after a comma.
            if not (pending.rstrip().endswith((",", ":")) and EVENT.match(pending.lstrip())):
                finish(semicolon=False)
        elif token.startswith(("//", "/*", "#", "```", '"', "\\")):
            pending += '""' if token[0] in '"`' else " "
        else:
            if not pending.strip():
                begun = line
            pending += token
            words.extend((word[0], line) for word in _WORD.finditer(token))
        line += token.count("\n")
    finish(semicolon=False)
    return AntimonyText(tuple(statements), tuple(words))


def assignments(text: AntimonyText) -> list[tuple[str, int, str, str]]:
    """Return (id, line, "=" or ":=" or "'=", formula) of every assignment outside events and functions."""
    found: list[tuple[str, int, str, str]] = []
    in_function = False
    for item in text.statements:
        if in_function:
            in_function = item.text != "end"
        elif FUNCTION.match(item.text):
            in_function = True
        elif not _is_other(item.text):
            for part in _split_list(_KEYWORDS.sub("", item.text)):
                if match := ASSIGNED.match(part):
                    kind = "'=" if match[2] else match[3] or "="
                    found.append((match[1], item.line, kind, part[match.end() :]))
    return found


def _is_other(statement: str) -> bool:
    patterns = (EVENT, REACTION, UNIT, MODEL, SUBMODEL, IMPORT)
    return any(pattern.match(statement) for pattern in patterns)


def _split_list(text: str) -> list[str]:
    """Split a declaration at its commas, those inside brackets left alone."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return [*parts, current.strip()]


def reactions(text: AntimonyText) -> list[tuple[str, int, str]]:
    """Return (id, line, rate law or "") of every reaction that has a name."""
    found = []
    for item, after in pairwise((*text.statements, Statement("", 0, False))):
        match = REACTION.match(item.text)
        if match and match[1] and not EVENT.match(item.text):
            has_law = after.follows_semicolon and not ASSIGNED.match(after.text)
            found.append((match[1], item.line, after.text if has_law else ""))
    return found
