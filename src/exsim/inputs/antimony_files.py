"""Antimony text -> SBML Level 3 Version 2, with messages that name lines of the text."""

from __future__ import annotations

import importlib.util
import re
import threading

from ..errors import ModelFileError, Problem
from .antimony_checks import MAX_TEXT_BYTES, check_antimony
from .antimony_text import AntimonyText, read_statements
from .findings import Findings

# The loader keeps its state in global variables.
_LOADER = threading.Lock()
_CREATED_BY = re.compile(r"<!--[^>]*Created by libAntimony[^>]*-->\s*")
_PLACE = re.compile(r"Error in model string,\s*line (\d+):\s*", re.IGNORECASE)
_NO_FUNCTION = re.compile(r"'(\w+)' was used as a function")
_NOISE = re.compile(r"flatten|SBML error\(s\) when creating module", re.IGNORECASE)


def antimony_is_installed() -> bool:
    """Whether the antimony package is there (it has no wheels for Linux on ARM)."""
    return importlib.util.find_spec("antimony") is not None


def antimony_to_sbml(text: str, file: str = "model.ant") -> str:
    """Return the SBML (Level 3 Version 2) that an Antimony text stands for.

    The same text gives the same SBML: the loader's comment about its own version is left out.
    Raises ModelFileError with the lines of the text, RefusedError for more than one model.
    """
    findings = Findings(file)
    sbml, _ = convert_antimony(text, findings)
    findings.raise_if_any()
    assert sbml is not None
    return sbml


def convert_antimony(text: str, findings: Findings) -> tuple[str | None, AntimonyText | None]:
    """Return (SBML, statements); SBML is None where the text must not be loaded or does not load."""
    if len(text.encode()) > MAX_TEXT_BYTES:
        findings.error(
            f"the file has {len(text.encode()) / 1e6:.1f} MB; {MAX_TEXT_BYTES / 1e6:.0f} MB are the limit"
        )
        return None, None
    if "\x00" in text:
        findings.error(
            "the file holds a NUL character: it is not text", line=text[: text.index("\x00")].count("\n") + 1
        )
        return None, None
    statements = read_statements(text)
    findings.line_of = statements.line_of
    check_antimony(text, statements, findings)
    if findings.errors or findings.refusals:
        return None, statements
    return _load(text, statements, findings), statements


def _load(text: str, statements: AntimonyText, findings: Findings) -> str | None:
    try:
        import antimony
    except ImportError as error:
        raise ModelFileError(
            Problem(
                "the antimony package is not installed here, so that a .ant file cannot be read",
                findings.file,
                hint="give the .xml (SBML) of the model instead",
            )
        ) from error
    with _LOADER:
        antimony.clearPreviousLoads()
        try:
            loaded = antimony.loadAntimonyString(text)
            sbml = antimony.getSBMLString(antimony.getMainModuleName()) if loaded >= 0 else None
            if not sbml:
                _explain(antimony.getLastError() or "the text cannot be read", statements, findings)
                return None
            return _CREATED_BY.sub("", sbml)
        except UnicodeDecodeError as error:
            # The loader quotes a piece of the text that ends inside a character.
            _explain(error.object.decode("utf-8", "replace"), statements, findings)
            return None
        finally:
            antimony.clearPreviousLoads()
            antimony.freeAll()


def _explain(message: str, statements: AntimonyText, findings: Findings) -> None:
    """Note the loader's words: each once, with the line on which the thing really stands."""
    line: int | None = None
    if place := _PLACE.search(message):
        line = int(place[1])
    words = _PLACE.sub("", message).strip()
    if match := _NO_FUNCTION.search(words):
        name = match[1]
        findings.error(
            f'"{name}" is used as a function, but there is no function of that name',
            name,
            statements.line_of_call(name) or line,
            "define it above the model: function name(x) ... end",
        )
        return
    if words.startswith("Loop detected") and (cycle := statements.cycle()):
        findings.error(
            f"a cycle among rules or values: {' needs '.join(cycle)}",
            cycle[0],
            hint="one of them must have a value of its own",
        )
        return
    sentences = _sentences(words)
    for sentence in sentences:
        id = next((word for word in re.findall(r"'(\w+)'", sentence) if statements.defines(word)), None)
        findings.error(sentence, id, line if len(sentences) == 1 and "\n" not in words else None)


def _sentences(words: str) -> list[str]:
    """Return what a message says of this model: each once, without the standard's rules and flattening."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", words):
        lines = [" ".join(line.split()) for line in paragraph.strip().splitlines()]
        if not lines or _NOISE.search(paragraph):
            continue
        found.append(lines[-1])
    return list(dict.fromkeys(found)) or [" ".join(words.split())]
