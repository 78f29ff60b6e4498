"""What an Antimony text must not hold, and what Antimony would pass over in silence.

Antimony reads files that the text imports, keeps the last of two values for one id, and walks
without end along rules that meet. All of it is found here, with lines, before the text is loaded.
"""

from __future__ import annotations

import re
from collections import Counter

from .antimony_text import EVENT, MODEL, SUBMODEL, UNIT, AntimonyText, Statement, assignments, reactions
from .findings import Findings
from .model_order import paths_through

MAX_TEXT_BYTES = 2_000_000
#: The loader's time grows with the square of a statement's length.
MAX_STATEMENT_CHARACTERS = 10_000
#: Operators that nest when they are repeated; the loader dies on a few thousand.
MAX_NESTING_OPERATORS = 400
MAX_OPEN_BRACKETS = 300
#: Antimony follows every path from rule to rule, a million a second; longer ones take it longer.
MAX_HEIGHT = {"rules": 130, "functions": 20, "units": 20}
MAX_PATH_STEPS = {"rules": 5_000_000, "functions": 200_000, "units": 10_000}

_STRANGE = re.compile(r"[^\x20-\x7e\t\r\n]")
# Wherever it stands: whether the loader takes a place for a comment is not left to chance.
_IMPORT = re.compile(r"\bimport\b(?:\s|/\*.*?\*/)*[\"`]|\bimport\b[^\n]*[\"`]", re.DOTALL)


def check_antimony(source: str, text: AntimonyText, findings: Findings) -> None:
    """Note what must not reach the loader, and what it would pass over in silence.

    `source` is the text itself and `text` its statements.
    """
    models: list[str] = []
    for found in _IMPORT.finditer(source):
        findings.error(
            "import is refused: a model file may not read other files",
            "import",
            source.count("\n", 0, found.start()) + 1,
            "copy what is needed into this file (even in a comment these words are refused)",
        )
    for item in text.statements:
        if strange := _STRANGE.search(item.text):
            line = item.line + item.text.count("\n", 0, strange.start())
            findings.error(
                f'the character "{strange[0]}" ({strange[0]!a}) is not part of Antimony',
                line=line,
                hint="ids are of ASCII letters, digits and _; other letters may stand in comments",
            )
        if (match := MODEL.match(item.text)) and models:
            findings.refuse(f'a second model, "{match[1]}": one file holds one model', match[1], item.line)
        if match:
            models.append(match[1])
        elif (match := SUBMODEL.match(item.text)) and not EVENT.match(item.text) and match[2] != "at":
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
    given = [(id, line, kind) for id, line, kind, _ in assignments(text)]
    named = reactions(text)
    often = Counter(id for id, _, _ in named)
    # A reaction without a rate law may get it by an assignment further down.
    given += [(id, line, "rate law") for id, line, law in named if law or often[id] > 1]
    for id, line, kind in sorted(given, key=lambda entry: entry[1]):
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
    for pattern, word in ((UNIT, "unit"), (EVENT, "event")):
        lines: dict[str, int] = {}
        for item in text.statements:
            if (match := pattern.match(item.text)) and match[1]:
                if match[1] in lines:
                    first = lines[match[1]]
                    message = f'the {word} "{match[1]}" is given twice: first on line {first}, again here'
                    findings.error(message, match[1], item.line)
                lines.setdefault(match[1], item.line)
