"""SBML text -> a checked libsbml document: what libsbml itself finds wrong, and its unit check."""

from __future__ import annotations

import re
from dataclasses import dataclass

import libsbml

from .findings import Findings
from .model_order import paths_through, sort_by_use
from .xml_scan import XmlOutline

#: "Cannot be fully checked": a literal or a parameter has no unit.
_CANNOT_BE_CHECKED = frozenset({99505, 99506, 99507, 99508, 99509})
_FIRST_UNIT_ERROR, _LAST_UNIT_ERROR = 10500, 10599
MAX_FUNCTION_HEIGHT, MAX_FUNCTION_STEPS = 20, 200_000
_NAMED = re.compile(r"(?:<\w+>|\bid|\bvariable|\bsymbol)(?: is)? ['\"]([A-Za-z_]\w*)['\"]")
_KIND = re.compile(r"<(\w+)>(?: with(?: the)? (?:id|variable|symbol))? ['\"]\w+['\"]")


@dataclass(frozen=True)
class SbmlText:
    """An SBML text that was scanned, and where complaints about it go.

    `written_by_user` says that its lines mean something to the user.
    """

    text: str
    outline: XmlOutline
    written_by_user: bool
    findings: Findings

    def note(self, error: libsbml.SBMLError) -> None:
        """Note what libsbml says, with the element and its line in the user's file."""
        message = _plain(error)
        id = self.element(error)
        kind = _KIND.search(message)
        line = error.getLine() or None if self.written_by_user and id is None else None
        kinds = (kind[1],) if kind else ()
        self.findings.error(f"{message} (libsbml {error.getErrorId()})", id, line, kinds=kinds)

    def note_errors(self, document: libsbml.SBMLDocument) -> bool:
        """Note every error of the document (not its warnings); say whether there was one."""
        errors = [item for item in _messages(document) if item.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
        for error in errors:
            self.note(error)
        return bool(errors)

    def element(self, error: libsbml.SBMLError) -> str | None:
        """Return the id of the element that an error speaks of: by its words, else by its line."""
        for id in (*_NAMED.findall(_plain(error)), self.outline.element_at(error.getLine())):
            if id is not None and self.findings.line_of(id) is not None:
                return id
        return None


def _messages(document: libsbml.SBMLDocument) -> list[libsbml.SBMLError]:
    return [document.getError(i) for i in range(document.getNumErrors())]


def _plain(error: libsbml.SBMLError) -> str:
    """Return the sentence that speaks of this model; the rule of the standard before it is left out."""
    lines = [" ".join(line.split()) for line in error.getMessage().splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("Reference:")]
    return said[-1] if said else "not valid SBML"


def read_document(source: SbmlText) -> libsbml.SBMLDocument | None:
    """Return the document, or None where libsbml finds a mistake, which is then in the findings.

    Units are not checked yet: that takes long for some formulas (`check_units`).
    """
    findings = source.findings
    for package, line in source.outline.required_packages.items():
        name = package.split("/level3/version1/")[-1].split("/")[0] if "/level3/" in package else package
        findings.refuse(f'the SBML package "{name}" ({package}), which the model requires', name, line)
    if findings.refusals:
        return None
    document = libsbml.readSBMLFromString(source.text)
    if source.note_errors(document):
        return None
    if document.getModel() is None:
        findings.error("the SBML holds no model")
        return None
    for category in (
        libsbml.LIBSBML_CAT_MODELING_PRACTICE,
        libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
    ):
        document.setConsistencyChecks(category, False)
        document.setConsistencyChecksForConversion(category, False)
    # Level 3 Version 2 has no such attribute: it would be lost on the way there.
    for reaction in document.getModel().getListOfReactions():
        if reaction.isSetFast() and reaction.getFast():
            findings.refuse("a fast reaction", reaction.getId(), kinds=("reaction",))
    if findings.refusals:
        return None
    if (document.getLevel(), document.getVersion()) not in ((3, 1), (3, 2)):
        _convert(document, source)
    _check_functions(document.getModel(), findings)
    if findings.errors:
        return None
    document.checkConsistency()
    return None if source.note_errors(document) else document


def _convert(document: libsbml.SBMLDocument, source: SbmlText) -> None:
    came_as = f"Level {document.getLevel()} Version {document.getVersion()}"
    if document.setLevelAndVersion(3, 2, False, True):
        source.findings.warn(f"SBML {came_as} was read as Level 3 Version 2")
    elif not source.note_errors(document):
        source.findings.error(f"SBML {came_as} cannot be brought to Level 3 Version 2")


def _check_functions(model: libsbml.Model, findings: Findings) -> None:
    # libsbml writes functions out as it checks them, along every path from call to call.
    uses = {item.getId(): _called(item.getBody()) for item in model.getListOfFunctionDefinitions()}
    for cycle in sort_by_use(uses)[1]:
        findings.error(f"functions call each other in a circle: {' calls '.join(cycle)}", cycle[0])
    id, height, steps = paths_through(uses)
    if height > MAX_FUNCTION_HEIGHT or steps > MAX_FUNCTION_STEPS:
        findings.error(
            f"the functions build on each other {height} high, along {steps:.3g} paths"
            f" ({MAX_FUNCTION_HEIGHT} and {MAX_FUNCTION_STEPS:,} are the limits)",
            id,
            hint="write some of them out",
        )


def _called(body: libsbml.ASTNode | None) -> list[str]:
    waiting, called = [body] if body is not None else [], []
    while waiting:
        node = waiting.pop()
        if node.getType() == libsbml.AST_FUNCTION:
            called.append(node.getName())
        waiting.extend(node.getChild(i) for i in range(node.getNumChildren()))
    return called


def check_units(document: libsbml.SBMLDocument, source: SbmlText, *, strict: bool) -> None:
    """Note units that do not fit; what cannot be checked is one warning, or mistakes with `strict`."""
    if not source.written_by_user:
        _note_empty_units(document.getModel(), source.findings)
    document.getErrorLog().clearLog()
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, True)
    document.checkConsistency()
    unchecked: set[str] = set()
    for error in _messages(document):
        number = error.getErrorId()
        cannot = number in _CANNOT_BE_CHECKED
        if not cannot and not _FIRST_UNIT_ERROR <= number <= _LAST_UNIT_ERROR:
            continue
        id = source.element(error)
        if strict:
            source.note(error)
        elif cannot:
            unchecked.add(id or str(error.getLine()))
        else:
            source.findings.warn(f"units{f' of {id}' if id else ''}: {_plain(error)}")
    if unchecked:
        source.findings.warn(
            f"the units of {len(unchecked)} elements cannot be fully checked: some numbers have none"
        )


def _note_empty_units(model: libsbml.Model, findings: Findings) -> None:
    # Antimony turns a unit that it does not know into one without content.
    for unit in model.getListOfUnitDefinitions():
        if unit.getNumUnits() == 0:
            id = unit.getId()
            findings.error(f'the unit "{id}" is not defined', id, hint=f"add: unit {id} = ...")
