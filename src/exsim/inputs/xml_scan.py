"""A first look at an SBML text with a streaming parser, before libsbml sees it.

libsbml dies on deeply nested formulas and takes entity declarations as they come, so that depth,
size and declarations are checked here. Nothing is expanded, fetched or kept in memory.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from xml.parsers import expat

from .antimony_text import ALGEBRAIC_RULE
from .findings import Findings
from .mathml_structure import MathmlStructure

MAX_FILE_BYTES = 100_000_000
MAX_DEPTH = 500
MAX_FORMULA_NODES = 100_000

_MATHML = "http://www.w3.org/1998/Math/MathML"
_ELEMENTS = frozenset(
    {"parameter", "species", "compartment", "reaction", "event", "functionDefinition", "unitDefinition"}
    | {"assignmentRule", "rateRule", "algebraicRule", "initialAssignment", "model"}
)
_ID_ATTRIBUTES = ("id", "variable", "symbol")


@dataclass
class XmlOutline:
    """What the scan learned: how many elements of a kind there are, and where each id stands."""

    #: Number of elements by local name.
    counts: dict[str, int] = field(default_factory=dict)
    #: (local name, id) -> line; for rules and initial assignments the id is the variable.
    lines: dict[tuple[str, str], int] = field(default_factory=dict)
    #: id -> line of the first element that carries it.
    first_lines: dict[str, int] = field(default_factory=dict)
    #: (line, id) of the elements that errors speak of, in their order; "" ends one without an id.
    elements: list[tuple[int, str]] = field(default_factory=list)
    #: Namespace of a package that the model cannot be read without -> line.
    required_packages: dict[str, int] = field(default_factory=dict)

    def element_at(self, line: int) -> str | None:
        """Return the id of the element of the model that encloses a line of the XML, or None."""
        index = bisect_right(self.elements, (line, "\uffff")) - 1
        return self.elements[index][1] or None if index >= 0 and line > 0 else None

    def line_of(self, id: str, *kinds: str) -> int | None:
        """Return the line of the element of these kinds (any, if none is named) with an id."""
        for kind in kinds:
            if (kind, id) in self.lines:
                return self.lines[kind, id]
        return self.first_lines.get(id)


class _Stop(Exception):
    """The text must not go on to libsbml."""


class _Scan:
    def __init__(self, findings: Findings, with_lines: bool) -> None:
        self.outline = XmlOutline()
        self._with_lines = with_lines
        self._findings = findings
        self._depth = 0
        self._math: MathmlStructure | None = None
        self._math_nodes = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def stop(self, message: str, hint: str | None = None) -> None:
        line = self.parser.CurrentLineNumber if self._with_lines else None
        self._findings.error(message, line=line, hint=hint)
        raise _Stop

    def _doctype(self, *_: object) -> None:
        self.stop(
            "a DOCTYPE is refused: it can declare entities that grow without bound or read other files",
            "delete the <!DOCTYPE ...> declaration; SBML needs none",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        namespace, _, local = name.rpartition(" ")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.stop(
                f"elements are nested more than {MAX_DEPTH} deep", "split the formula into assignment rules"
            )
        if self._math is not None or (namespace == _MATHML and local == "math"):
            self._in_formula(local if namespace == _MATHML else name)
            return
        self.outline.counts[local] = self.outline.counts.get(local, 0) + 1
        if local in _ELEMENTS:
            id = next((attributes[name] for name in _ID_ATTRIBUTES if name in attributes), "")
            self.outline.elements.append((line, "" if local == "model" else id))
        for attribute in _ID_ATTRIBUTES:
            if attribute in attributes:
                id = attributes[attribute]
                self.outline.lines.setdefault((local, id), line)
                self.outline.first_lines.setdefault(id, line)
        if local == "algebraicRule":
            self.outline.first_lines.setdefault(ALGEBRAIC_RULE, line)
        if local == "sbml":
            for attribute, value in attributes.items():
                package, _, word = attribute.rpartition(" ")
                if word == "required" and package and value.strip() in ("true", "1"):
                    self.outline.required_packages[package] = line

    def _in_formula(self, element: str) -> None:
        if self._math is None:
            self._math, self._math_nodes = MathmlStructure(), 0
        if (wrong := self._math.start(element)) is not None:
            self.stop(f"a formula is not put together as MathML asks: {wrong}")
        self._math_nodes += 1
        if self._math_nodes > MAX_FORMULA_NODES:
            self.stop(
                f"a formula has more than {MAX_FORMULA_NODES:,} parts", "split it into assignment rules"
            )

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._math is not None:
            if (wrong := self._math.end()) is not None:
                self.stop(f"a formula is not put together as MathML asks: {wrong}")
            if self._math.finished:
                self._math = None


def scan_xml(data: bytes, findings: Findings, *, written_by_user: bool = True) -> XmlOutline | None:
    """Scan the bytes of an SBML file; None if it must not be read, with the reason in `findings`.

    Lines are given only for what the user wrote, not for SBML that was made from another file.
    """
    if len(data) > MAX_FILE_BYTES:
        findings.error(f"the file has {len(data) / 1e6:.0f} MB; {MAX_FILE_BYTES / 1e6:.0f} MB are the limit")
        return None
    scan = _Scan(findings, written_by_user)
    try:
        scan.parser.Parse(data, True)
    except _Stop:
        return None
    except expat.ExpatError as error:
        findings.error(
            f"not well-formed XML: {expat.ErrorString(error.code)}, at column {error.offset + 1}",
            line=error.lineno,
        )
        return None
    except (LookupError, ValueError) as error:
        findings.error(
            f"the encoding that the XML names cannot be read: {error}", hint="save the file as UTF-8"
        )
        return None
    if "sbml" not in scan.outline.counts:
        findings.error("this is XML but not SBML: there is no <sbml> element", line=1)
        return None
    return scan.outline
