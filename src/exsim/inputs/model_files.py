"""load_model: the name of a shipped model, a folder, or an Antimony or SBML file -> ModelSpec.

Nothing in a model file is run, no file but the model's own is read, and nothing is computed
before all of it has been checked.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ModelFileError, Problem, nearest
from ..model_spec import ModelCard, ModelSpec
from .antimony_files import antimony_is_installed, antimony_to_sbml, convert_antimony
from .findings import Findings
from .model_card import CardFile, complete_card, read_card
from .model_limits import check_elements
from .sbml import model_from_sbml
from .sbml_document import SbmlText
from .shipped import shipped_folder, shipped_model, shipped_models
from .xml_scan import MAX_FILE_BYTES, scan_xml

ANTIMONY, SBML, CARD = "model.ant", "model.xml", "model.toml"
#: The card of a model file NAME.ant is NAME.card.toml: NAME.toml may be a config beside it.
CARD_SUFFIX = ".card.toml"
_SUFFIXES = (".ant", ".xml", ".sbml")


@dataclass(frozen=True)
class _Files:
    """Where a model lies: its name, the file that says it, its card if there is one."""

    name: str
    model: Path
    card: Path | None
    shipped: bool


def load_model(
    name_or_path: str | Path, base_dir: str | Path | None = None, *, strict_units: bool | None = None
) -> ModelSpec:
    """Read a model with its card and return it checked and normalised.

    `name_or_path` is the name of a shipped model, a folder with model.ant or model.xml (and
    model.toml), or a file NAME.ant, .xml or .sbml (and NAME.card.toml); a relative path counts from
    `base_dir`. With `strict_units` (the default for shipped models) units that do not fit or cannot be
    checked, and parameters without a card entry, are mistakes; else they are warnings of the
    ModelSpec. Raises ModelFileError with every problem and its line, RefusedError for constructs that
    exsim does not do.
    """
    files = _find(name_or_path, Path(base_dir) if base_dir is not None else Path())
    strict = files.shipped if strict_units is None else strict_units
    findings = Findings(str(files.model))
    data = _read(files.model)
    hashes = [(files.model.name, hashlib.sha256(data).hexdigest())]
    card, card_findings = None, Findings(str(files.card))
    if files.card is not None:
        card_data = _read(files.card)
        hashes.append((files.card.name, hashlib.sha256(card_data).hexdigest()))
        card = read_card(card_data, card_findings)
    driven = card.driven if card is not None else frozenset()
    model = _read_model(files, data, driven, findings, strict)
    completed = _complete(card, model, card_findings, strict)
    _raise_together(findings, card_findings)
    assert model is not None
    return replace(
        model,
        card=completed,
        warnings=(*findings.warnings, *card_findings.warnings),
        file_hashes=tuple(hashes),
    )


def _complete(
    card: CardFile | None, model: ModelSpec | None, findings: Findings, strict: bool
) -> ModelCard | None:
    if card is None or model is None:
        return None
    return complete_card(card, model, findings, strict=strict)


def _raise_together(findings: Findings, card_findings: Findings) -> None:
    if findings.errors and card_findings.errors:
        raise ModelFileError([*findings.errors, *findings.refusals, *card_findings.errors])
    card_findings.raise_if_any()
    findings.raise_if_any()


def _read_model(
    files: _Files, data: bytes, driven: frozenset[str], findings: Findings, strict: bool
) -> ModelSpec | None:
    by_user = files.model.suffix != ".ant"
    if not by_user:
        text = _decode(data, findings)
        sbml, _ = convert_antimony(text, findings) if text is not None else (None, None)
        if sbml is None:
            return None
        data = sbml.encode()
    outline = scan_xml(data, findings, written_by_user=by_user)
    if outline is None:
        return None
    if by_user:
        findings.line_of = outline.line_of
    check_elements(outline, findings)
    if findings.errors:
        return None
    sbml = _decode(data, findings)
    if sbml is None:
        return None
    source = SbmlText(sbml, outline, by_user, findings)
    return model_from_sbml(source, files.name, driven, strict_units=strict)


def _decode(data: bytes, findings: Findings) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        findings.error("the file is UTF-16", line=1, hint="save it as UTF-8")
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        findings.error(f"byte {error.start} is not UTF-8", line=line, hint="save the file as UTF-8")
        return None


def _find(name_or_path: str | Path, base: Path) -> _Files:
    text = str(name_or_path)
    looks_like_a_name = isinstance(name_or_path, str) and not any(sign in text for sign in "/\\.")
    if looks_like_a_name and (folder := shipped_model(text)) is not None:
        return _in_folder(folder, text, shipped=True)
    path = base / Path(name_or_path).expanduser()
    if path.is_dir():
        return _in_folder(path, path.resolve().name, shipped=False)
    if not path.is_file():
        raise ModelFileError(_not_found(text, path, looks_like_a_name))
    if path.suffix not in _SUFFIXES:
        raise ModelFileError(
            Problem(f'a model file ends in {", ".join(_SUFFIXES)}, not "{path.suffix}"', str(path))
        )
    beside = path.with_name(CARD) if path.stem == "model" else path.with_suffix(CARD_SUFFIX)
    name = path.resolve().parent.name if path.stem == "model" else path.stem
    return _Files(name, path, beside if beside.is_file() else None, shipped=False)


def model_of_card(path: Path) -> Path | None:
    """Return the folder or file of the model that a card is of; None for a file that is no card."""
    if path.name == CARD:
        return path.parent if any((path.parent / name).is_file() for name in (ANTIMONY, SBML)) else None
    if not path.name.endswith(CARD_SUFFIX):
        return None
    files = [path.with_name(path.name.removesuffix(CARD_SUFFIX) + suffix) for suffix in _SUFFIXES]
    return next((file for file in files if file.is_file()), files[0])


def _not_found(text: str, path: Path, looks_like_a_name: bool) -> Problem:
    known = ", ".join(shipped_models()) or "none"
    if not looks_like_a_name:
        return Problem("there is no such model file or folder", str(path), hint=f"shipped models: {known}")
    match = nearest(text, shipped_models())
    guess = f'Did you mean "{match}"?  ' if match else ""
    return Problem(f'there is no model "{text}"', hint=f"{guess}(shipped: {known}; or give a path)")


def _in_folder(folder: Path, name: str, *, shipped: bool) -> _Files:
    antimony, sbml, card = folder / ANTIMONY, folder / SBML, folder / CARD
    if antimony.is_file() and (antimony_is_installed() or not sbml.is_file()):
        model = antimony
    elif sbml.is_file():
        model = sbml
    else:
        raise ModelFileError(Problem(f"the folder has no {ANTIMONY} and no {SBML}", str(folder)))
    return _Files(name, model, card if card.is_file() else None, shipped)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(
                Problem(
                    f"the file is larger than {MAX_FILE_BYTES / 1e6:.0f} MB, which is the limit", str(path)
                )
            )
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(Problem(f"cannot be read: {error.strerror}", str(path))) from error


def write_sbml_beside(folder: Path) -> Path:
    """Write the model.xml of a model folder anew from its model.ant; return its path."""
    text = (folder / ANTIMONY).read_text(encoding="utf-8")
    path = folder / SBML
    path.write_text(antimony_to_sbml(text, str(folder / ANTIMONY)), encoding="utf-8", newline="\n")
    return path


if __name__ == "__main__":
    # python -m exsim.inputs.model_files [FOLDER...]: the SBML of the shipped models, or of these folders.
    for chosen in sys.argv[1:] or [str(shipped_folder("models") / name) for name in shipped_models()]:
        write_sbml_beside(Path(chosen))
