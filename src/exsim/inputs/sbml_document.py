"""SBML text -> a checked libsbml document: what libsbml itself finds wrong, and its unit check."""

from __future__ import annotations

import re

import libsbml

from .findings import Findings
from .xml_scan import XmlOutline

#: "Cannot be fully checked": a literal or a parameter has no unit.
_CANNOT_BE_CHECKED = frozenset({99505, 99506, 99507, 99508, 99509})
_FIRST_UNIT_ERROR, _LAST_UNIT_ERROR = 10500, 10599
_NAMED = re.compile(r"\b(?:id|variable|symbol|name)(?:\s+is)?\s*=?\s*['\"]([A-Za-z_][\w]*)['\"]")
_QUOTED = re.compile(r"['\"<]([A-Za-z_]\w*)['\">]")


def read_document(
    sbml: str, outline: XmlOutline, findings: Findings, *, has_own_lines: bool, strict_units: bool
) -> libsbml.SBMLDocument | None:
    """Return the document, or None where libsbml finds a mistake, which is then in `findings`.

    `has_own_lines` says that the user wrote this XML, so that its lines mean something. With
    `strict_units` units that do not fit or cannot be checked are mistakes, else warnings.
    """
    for package, line in outline.required_packages.items():
        name = package.split("/level3/version1/")[-1].split("/")[0] if "/level3/" in package else package
        findings.refuse(f'the SBML package "{name}" ({package}), which the model requires', name, line)
    if findings.refusals:
        return None
    document = libsbml.readSBMLFromString(sbml)
    if _note_errors(document, outline, findings, has_own_lines):
        return None
    if document.getModel() is None:
        findings.error("the SBML holds no model")
        return None
    if (document.getLevel(), document.getVersion()) not in ((3, 1), (3, 2)):
        _convert(document, outline, findings, has_own_lines)
        if findings.errors:
            return None
    for category in (libsbml.LIBSBML_CAT_MODELING_PRACTICE, libsbml.LIBSBML_CAT_SBO_CONSISTENCY):
        document.setConsistencyChecks(category, False)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, True)
    document.checkConsistency()
    if _note_errors(document, outline, findings, has_own_lines):
        return None
    if not has_own_lines:
        _note_empty_units(document.getModel(), findings)
    _note_units(document, outline, findings, has_own_lines, strict_units)
    return None if findings.errors else document


def _note_empty_units(model: libsbml.Model, findings: Findings) -> None:
    # Antimony turns a unit that it does not know into one without content.
    for unit in model.getListOfUnitDefinitions():
        if unit.getNumUnits() == 0:
            findings.error(
                f'the unit "{unit.getId()}" is not defined',
                unit.getId(),
                hint=f"add: unit {unit.getId()} = ...",
            )


def _convert(
    document: libsbml.SBMLDocument, outline: XmlOutline, findings: Findings, has_own_lines: bool
) -> None:
    came_as = f"Level {document.getLevel()} Version {document.getVersion()}"
    if not document.setLevelAndVersion(3, 2, False, True):
        if not _note_errors(document, outline, findings, has_own_lines):
            findings.error(f"SBML {came_as} cannot be brought to Level 3 Version 2")
        return
    findings.warn(f"SBML {came_as} was read as Level 3 Version 2")


def _messages(document: libsbml.SBMLDocument) -> list[libsbml.SBMLError]:
    return [document.getError(i) for i in range(document.getNumErrors())]


def _note_errors(
    document: libsbml.SBMLDocument, outline: XmlOutline, findings: Findings, has_own_lines: bool
) -> bool:
    found = False
    for error in _messages(document):
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            _note(error, outline, findings, has_own_lines)
            found = True
    return found


def _note(error: libsbml.SBMLError, outline: XmlOutline, findings: Findings, has_own_lines: bool) -> None:
    message = _plain(error)
    id = _element(error, findings, outline)
    line = error.getLine() or None if has_own_lines else None
    findings.error(f"{message} (libsbml {error.getErrorId()})", id, line)


def _plain(error: libsbml.SBMLError) -> str:
    """Return the sentence that speaks of this model; the rule of the standard before it is left out."""
    lines = [" ".join(line.split()) for line in error.getMessage().splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("Reference:")]
    return said[-1] if said else "not valid SBML"


def _element(error: libsbml.SBMLError, findings: Findings, outline: XmlOutline) -> str | None:
    """Return the id of the element that an error speaks of: by its line, else by its words."""
    id = outline.element_at(error.getLine())
    if id is not None and findings.line_of(id) is not None:
        return id
    message = _plain(error)
    for pattern in (_NAMED, _QUOTED):
        for id in pattern.findall(message):
            if findings.line_of(id) is not None:
                return id
    return None


def _note_units(
    document: libsbml.SBMLDocument,
    outline: XmlOutline,
    findings: Findings,
    has_own_lines: bool,
    strict_units: bool,
) -> None:
    unchecked: set[str] = set()
    for error in _messages(document):
        number = error.getErrorId()
        if number in _CANNOT_BE_CHECKED:
            if strict_units:
                _note(error, outline, findings, has_own_lines)
            else:
                unchecked.add(_element(error, findings, outline) or str(error.getLine()))
        elif _FIRST_UNIT_ERROR <= number <= _LAST_UNIT_ERROR:
            if strict_units:
                _note(error, outline, findings, has_own_lines)
            else:
                id = _element(error, findings, outline)
                findings.warn(f"units{f' of {id}' if id else ''}: {_plain(error)}")
    if unchecked:
        findings.warn(
            f"the units of {len(unchecked)} elements cannot be fully checked: some numbers have none"
        )
