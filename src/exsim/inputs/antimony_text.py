"""Antimony text before it is loaded: statements with their lines, and what Antimony would let pass.

Antimony reads files that the text imports, keeps the last of two values for one id, and turns a
misspelt name into a parameter without a value, all without a word. This module finds the first
two, keeps deep nesting from the loader, and knows on which line of the file each id stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .findings import Findings
from .model_order import paths_through, sort_by_use

MAX_TEXT_BYTES = 2_000_000
#: The loader's time grows with the square of a statement's length.
MAX_STATEMENT_CHARACTERS = 10_000
#: Operators that nest when they are repeated; the loader dies on a few thousand.
MAX_NESTING_OPERATORS = 400
MAX_OPEN_BRACKETS = 300
#: Antimony follows every path from rule to rule, a million a second; longer ones take it longer.
MAX_HEIGHT = {"rules": 130, "functions": 20, "units": 20}
MAX_PATH_STEPS = {"rules": 5_000_000, "functions": 200_000, "units": 10_000}

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
_UNIT_OF_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s+[A-Za-z_]\w*")
_KEYWORDS = re.compile(
    r"^(?:(?:const|var|substanceOnly|species|compartment|formula|gene|DNA|operator|reaction)\b\s*)+"
)
_ASSIGNED = re.compile(r"^\$?\s*([A-Za-z_]\w*)(?:\s+in\s+[A-Za-z_]\w*)?\s*(?:(')\s*=|(:=)|=(?!=))")
_DECLARED = re.compile(r"^\$?\s*([A-Za-z_]\w*)\b")
_REACTION = re.compile(r"^(?:([A-Za-z_]\w*)(?:\s+in\s+\w+)?\s*:)?[^:=]*(?:->|=>)")
_EVENT = re.compile(r"^(?:([A-Za-z_]\w*)(?:\s+in\s+\w+)?\s*:)?\s*at\b")
_UNIT = re.compile(r"^unit\s+([A-Za-z_]\w*)\s*=")
_MODEL = re.compile(r"^(?:model|module)\s+\*?\s*([A-Za-z_]\w*)")
_FUNCTION = re.compile(r"^function\s+([A-Za-z_]\w*)")
_SUBMODEL = re.compile(r"^([A-Za-z_]\w*)\s*:\s*([A-Za-z_]\w*)\s*\(")
_ALGEBRAIC = re.compile(r"^0\s*=")
_STRANGE = re.compile(r"[^\x20-\x7e\t\r\n]")
_IMPORT = re.compile(r"^import\b")


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
        for id, line, *_ in _assignments(self):
            lines.setdefault(id, line)
        reactions = events = 0
        for item in self.statements:
            if event := _EVENT.match(item.text):
                lines.setdefault(event[1] or f"_E{events}", item.line)
                events += not event[1]
            elif reaction := _REACTION.match(item.text):
                lines.setdefault(reaction[1] or f"_J{reactions}", item.line)
                reactions += not reaction[1]
            elif function := _FUNCTION.match(item.text):
                lines.setdefault(function[1], item.line)
            elif _ALGEBRAIC.match(item.text):
                lines.setdefault(ALGEBRAIC_RULE, item.line)
        return lines

    @cached_property
    def _rules(self) -> dict[tuple[str, str], int]:
        kinds = {"=": "initialAssignment", ":=": "assignmentRule", "'=": "rateRule"}
        return {(kinds[kind], id): line for id, line, kind, _ in reversed(_assignments(self))}

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
        """What the value or rule of each id names, each as often as it is named there."""
        uses: dict[str, list[str]] = {}
        for id, _, kind, formula in _assignments(self):
            if kind != "'=":
                uses.setdefault(id, []).extend(_WORD.findall(_UNIT_OF_NUMBER.sub(" ", formula)))
        return uses

    @cached_property
    def building_blocks(self) -> dict[str, dict[str, list[str]]]:
        """What rules, functions and units are made of: kind -> id -> ids, each as often as it is named."""
        functions: dict[str, list[str]] = {}
        units: dict[str, list[str]] = {}
        body: list[str] | None = None
        for item in self.statements:
            if match := _FUNCTION.match(item.text):
                body = functions.setdefault(match[1], [])
            elif item.text == "end":
                body = None
            elif body is not None:
                body.extend(_WORD.findall(item.text))
            elif match := _UNIT.match(item.text):
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
            if not (pending.rstrip().endswith((",", ":")) and _EVENT.match(pending.lstrip())):
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


def _assignments(text: AntimonyText) -> list[tuple[str, int, str, str]]:
    """Return (id, line, "=" or ":=" or "'=", formula) of every assignment outside events and functions."""
    found: list[tuple[str, int, str, str]] = []
    in_function = False
    for item in text.statements:
        if in_function:
            in_function = item.text != "end"
        elif _FUNCTION.match(item.text):
            in_function = True
        elif not _is_other(item.text):
            for part in _split_list(_KEYWORDS.sub("", item.text)):
                if match := _ASSIGNED.match(part):
                    kind = "'=" if match[2] else match[3] or "="
                    found.append((match[1], item.line, kind, part[match.end() :]))
    return found


def _is_other(statement: str) -> bool:
    patterns = (_EVENT, _REACTION, _UNIT, _MODEL, _SUBMODEL, _IMPORT)
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


def check_antimony(text: AntimonyText, findings: Findings) -> None:
    """Note what must not reach the loader, and what it would pass over in silence."""
    models: list[str] = []
    for item in text.statements:
        if strange := _STRANGE.search(item.text):
            line = item.line + item.text.count("\n", 0, strange.start())
            findings.error(
                f'the character "{strange[0]}" ({strange[0]!a}) is not part of Antimony',
                line=line,
                hint="ids are of ASCII letters, digits and _; other letters may stand in comments",
            )
        if _IMPORT.match(item.text):
            findings.error(
                "import is refused: a model file may not read other files",
                "import",
                item.line,
                "copy what is needed into this file",
            )
        if (match := _MODEL.match(item.text)) and models:
            findings.refuse(f'a second model, "{match[1]}": one file holds one model', match[1], item.line)
        if match:
            models.append(match[1])
        elif (match := _SUBMODEL.match(item.text)) and not _EVENT.match(item.text) and match[2] != "at":
            findings.refuse(
                f'submodel "{match[1]}" of "{match[2]}" (SBML package comp)',
                match[1],
                item.line,
                "write the model out in full",
            )
        _check_size(item, findings)
    if len(models) < 2:
        _check_repeated(text, findings)
        _check_paths(text, findings)


def _check_paths(text: AntimonyText, findings: Findings) -> None:
    for kind, uses in text.building_blocks.items():
        id, height, steps = paths_through(uses)
        highest, most = MAX_HEIGHT[kind], MAX_PATH_STEPS[kind]
        if height > highest or steps > most:
            findings.error(
                f"the {kind} build on each other {height} high, along {steps:.3g} paths: Antimony would take"
                f" too long ({highest} and {most:,} are the limits)",
                id,
                hint="write some of them out, or give the model as SBML"
                if kind == "rules"
                else "write some of them out",
            )


def _check_size(item: Statement, findings: Findings) -> None:
    if len(item.text) > MAX_STATEMENT_CHARACTERS:
        findings.error(
            f"a statement has {len(item.text):,} characters; {MAX_STATEMENT_CHARACTERS:,} are the limit",
            line=item.line,
            hint="split the formula into assignment rules",
        )
    nesting = sum(item.text.count(sign) for sign in "-/^!")
    brackets = item.text.count("(")
    if nesting > MAX_NESTING_OPERATORS or brackets > MAX_OPEN_BRACKETS:
        findings.error(
            f"a formula is too deep: {nesting} of - / ^ ! and {brackets} brackets"
            f" ({MAX_NESTING_OPERATORS} and {MAX_OPEN_BRACKETS} are the limits)",
            line=item.line,
            hint="split the formula into assignment rules",
        )


def _check_repeated(text: AntimonyText, findings: Findings) -> None:
    seen: dict[str, tuple[int, str]] = {}
    given = [entry[:3] for entry in _assignments(text)]
    for id, line, kind in sorted([*given, *_rate_laws(text)], key=lambda entry: entry[1]):
        if id in seen:
            first_line, first_kind = seen[id]
            # A value and a rate rule belong together: start and slope.
            if {kind, first_kind} == {"=", "'="}:
                continue
            findings.error(
                f'"{id}" is given twice: first on line {first_line}, again here',
                id,
                line,
                "keep one of the two; Antimony would take the last without a word",
            )
        else:
            seen[id] = line, kind
    for pattern, word in ((_UNIT, "unit"), (_EVENT, "event")):
        lines: dict[str, int] = {}
        for item in text.statements:
            if (match := pattern.match(item.text)) and match[1]:
                if match[1] in lines:
                    first = lines[match[1]]
                    message = f'the {word} "{match[1]}" is given twice: first on line {first}, again here'
                    findings.error(message, match[1], item.line)
                lines.setdefault(match[1], item.line)


def _rate_laws(text: AntimonyText) -> list[tuple[str, int, str]]:
    """Return (reaction id, line, "rate law") of every named reaction whose rate law is not empty."""
    found = []
    for item, after in pairwise((*text.statements, Statement("", 0, False))):
        match = _REACTION.match(item.text)
        if not match or not match[1] or _EVENT.match(item.text):
            continue
        has_law = after.follows_semicolon and after.text and not _ASSIGNED.match(after.text)
        found.append((match[1], item.line, "rate law" if has_law else "reaction"))
    return [entry for entry in found if entry[2] == "rate law" or _twice(found, entry[0])]


def _twice(found: list[tuple[str, int, str]], id: str) -> bool:
    return sum(entry[0] == id for entry in found) > 1
