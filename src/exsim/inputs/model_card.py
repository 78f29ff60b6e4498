"""model.toml -> ModelCard: title, inputs, observables, and the source of every number.

Every complaint names the line of the card. The card is checked twice: on its own, and against
the model that it stands beside.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UnitError, did_you_mean
from ..model_spec import (
    DriverCard,
    Grade,
    ModalityCard,
    ModelCard,
    ModelSpec,
    ObservableCard,
    ParameterCard,
    Tag,
)
from ..units import Quantity
from .findings import Findings
from .toml_lines import line_of

MAX_CARD_BYTES = 1_000_000
SUBJECT_PROPERTIES = ("body_mass", "muscle_glycogen")
MODALITIES = ("running", "cycling", "knee_extension", "resistance")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Input(_Part):
    id: str
    driver: Literal[
        "intensity", "whole_body_intensity", "active_muscle", "eccentric_load", "carbohydrate", "infusion"
    ]
    target: str = ""


class _Bolus(_Part):
    target: str
    state: str


class _Observable(_Part):
    analyte: str
    id: str
    label: str
    plotted: bool = True


class _Modality(_Part):
    active_muscle: str
    eccentric_load: float = Field(ge=0.0)
    whole_body_fraction: float = Field(ge=0.0, le=1.0)
    source: str
    grade: Grade


class _Parameter(_Part):
    label: str
    source: str
    tag: Tag
    grade: Grade
    note: str = ""
    bounds: tuple[str | float, str | float] | None = Field(default=None, strict=False)
    prior_log_sd: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)


class _Card(_Part):
    title: str
    description: str = ""
    input: list[_Input] = Field(default_factory=list)
    bolus: list[_Bolus] = Field(default_factory=list)
    observable: list[_Observable] = Field(default_factory=list)
    modality: dict[str, _Modality] = Field(default_factory=dict)
    baseline: dict[str, str] = Field(default_factory=dict)
    subject: dict[str, str] = Field(default_factory=dict)
    parameter: dict[str, _Parameter] = Field(default_factory=dict)


class CardFile:
    """A card that was read and is right on its own; `text` is kept for the lines of later complaints."""

    def __init__(self, text: str, content: _Card) -> None:
        self.text = text
        self.content = content

    @property
    def driven(self) -> frozenset[str]:
        """Ids of the parameters that a protocol drives."""
        return frozenset(item.id for item in self.content.input)


def read_card(data: bytes, findings: Findings) -> CardFile | None:
    """Read the bytes of a model.toml; None where it is wrong, with every reason in `findings`."""
    if len(data) > MAX_CARD_BYTES:
        findings.error(f"the card has {len(data) / 1e6:.1f} MB; {MAX_CARD_BYTES / 1e6:.0f} MB is the limit")
        return None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        findings.error(
            f"byte {error.start} is not UTF-8",
            line=data[: error.start].count(b"\n") + 1,
            hint="save it as UTF-8",
        )
        return None
    except tomllib.TOMLDecodeError as error:
        findings.error(f"not TOML: {error}", line=_line_in(str(error)))
        return None
    except RecursionError:
        findings.error("the card is nested too deeply")
        return None
    try:
        card = _Card.model_validate(content)
    except ValidationError as error:
        for item in error.errors():
            _note(item, text, findings)
        return None
    return CardFile(text, card)


def _line_in(message: str) -> int | None:
    words = message.replace(",", " ").split()
    return int(words[words.index("line") + 1]) if "line" in words else None


def _note(error: Any, text: str, findings: Findings) -> None:
    path = tuple(part for part in error["loc"])
    line = next(
        (found for end in range(len(path), 0, -1) if (found := line_of(text, path[:end])) is not None), None
    )
    key = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        findings.error(f'unknown key "{path[-1]}"', key, line, did_you_mean(str(path[-1]), known))
    elif error["type"] == "missing":
        findings.error(f'the key "{path[-1]}" is missing', key, line)
    else:
        findings.error(f"{error['msg']}; found {error['input']!r}", key, line)


def _fields_at(path: tuple[str | int, ...]) -> list[str]:
    tables: dict[str, type[_Part]] = {
        "input": _Input,
        "bolus": _Bolus,
        "observable": _Observable,
        "modality": _Modality,
        "parameter": _Parameter,
    }
    return list(tables[str(path[0])].model_fields) if path else list(_Card.model_fields)


class _Check:
    """A card against its model: what it names must be there."""

    def __init__(self, card: CardFile, model: ModelSpec, findings: Findings) -> None:
        self.content, self.text, self.findings = card.content, card.text, findings
        self.parameters = {item.id: item for item in model.parameters}
        self.inputs = {item.id: item for item in model.inputs}
        self.states = {item.id: item for item in model.states}
        self.computed = {item.id: item for item in model.assignments}

    def wrong(self, message: str, path: tuple[str | int, ...], hint: str | None = None) -> None:
        key = ".".join(str(part) for part in path)
        self.findings.error(message, key, line_of(self.text, path), hint)

    def known(self, id: str, words: str, among: Iterable[str], path: tuple[str | int, ...]) -> bool:
        among = list(among)
        if id in among:
            return True
        self.wrong(
            f'the model has no {words} "{id}"', path, did_you_mean(id, among) if len(among) < 60 else None
        )
        return False

    def references(self) -> None:
        content = self.content
        for index, item in enumerate(content.input):
            if item.id not in self.inputs:
                self.known(item.id, "parameter", self.parameters, ("input", index, "id"))
            if (item.driver == "infusion") != bool(item.target):
                message = "an infusion needs a target" if not item.target else "only an infusion has a target"
                self.wrong(message, ("input", index), 'e.g. target = "IL6"' if not item.target else None)
        self.unique([(item.id, ("input", index, "id")) for index, item in enumerate(content.input)])
        self.unique(
            [
                ((item.driver, item.target), ("input", index, "driver"))
                for index, item in enumerate(content.input)
            ]
        )
        for index, bolus in enumerate(content.bolus):
            self.known(bolus.state, "state", self.states, ("bolus", index, "state"))
        self.unique([(item.target, ("bolus", index, "target")) for index, item in enumerate(content.bolus)])
        for index, seen in enumerate(content.observable):
            self.known(seen.id, "state or rule", [*self.states, *self.computed], ("observable", index, "id"))
        self.unique(
            [
                (item.analyte, ("observable", index, "analyte"))
                for index, item in enumerate(content.observable)
            ]
        )
        analytes = [item.analyte for item in content.observable]
        for analyte, parameter in content.baseline.items():
            self.known(parameter, "parameter", self.parameters, ("baseline", analyte))
            if analyte not in analytes:
                self.wrong(
                    f'"{analyte}" is not an observable',
                    ("baseline", analyte),
                    did_you_mean(analyte, analytes),
                )
        for property_, parameter in content.subject.items():
            self.known(parameter, "parameter", self.parameters, ("subject", property_))
            if property_ not in SUBJECT_PROPERTIES:
                hint = did_you_mean(property_, SUBJECT_PROPERTIES)
                self.wrong(f'"{property_}" is not a property of a subject', ("subject", property_), hint)
        for name in content.modality:
            if name not in MODALITIES:
                self.wrong(f'"{name}" is not a modality', ("modality", name), did_you_mean(name, MODALITIES))

    def unique(self, entries: list[tuple[Any, tuple[str | int, ...]]]) -> None:
        seen: set[Any] = set()
        for entry, path in entries:
            if entry in seen:
                shown = entry if isinstance(entry, str) else " ".join(part for part in entry if part)
                self.wrong(f'"{shown}" is given twice', path)
            seen.add(entry)

    def bounds(self, id: str, entry: _Parameter) -> tuple[float, float] | None:
        path = ("parameter", id, "bounds")
        if entry.bounds is None or id not in self.parameters:
            return None
        unit, value = self.parameters[id].unit, self.parameters[id].value
        numbers: list[float] = []
        for bound in entry.bounds:
            try:
                numbers.append(self.number(bound, unit))
            except (UnitError, ValueError) as error:
                self.wrong(f"a bound of {id}: {error}", path)
                return None
        lower, upper = numbers
        if not lower < upper:
            self.wrong(f"the lower bound {lower:g} is not below the upper {upper:g}", path)
        elif value is not None and not lower <= value <= upper:
            self.wrong(f"the value {value:g} {unit} lies outside the bounds {lower:g} to {upper:g}", path)
        return lower, upper

    @staticmethod
    def number(bound: str | float, unit: str) -> float:
        if isinstance(bound, str) and unit != "dimensionless":
            return Quantity.parse(bound).to(unit)
        if unit != "dimensionless":
            raise ValueError(f'{bound!r} has no unit; write it as text, e.g. "{bound} {unit}"')
        return float(bound.removesuffix("dimensionless") if isinstance(bound, str) else bound)

    def modalities(self) -> tuple[tuple[str, ModalityCard], ...]:
        cards = []
        for name, item in self.content.modality.items():
            try:
                muscle_kg = Quantity.parse(item.active_muscle).to("kg")
            except UnitError as error:
                self.wrong(str(error), ("modality", name, "active_muscle"))
                continue
            cards.append(
                (
                    name,
                    ModalityCard(
                        muscle_kg, item.eccentric_load, item.whole_body_fraction, item.source, item.grade
                    ),
                )
            )
        return tuple(cards)


def complete_card(card: CardFile, model: ModelSpec, findings: Findings, *, strict: bool) -> ModelCard:
    """Return the card of a model; what does not fit the model is noted in `findings`.

    With `strict` (shipped models) every parameter that has a value of its own needs an entry.
    """
    check = _Check(card, model, findings)
    check.references()
    content = card.content
    known = check.parameters
    for id in content.parameter:
        check.known(id, "parameter", known, ("parameter", id))
    if strict:
        for id in sorted(
            {id for id, item in known.items() if item.initial is None} - content.parameter.keys()
        ):
            findings.error(f'the parameter "{id}" has no entry in the card', id, hint=f"add [parameter.{id}]")
    parameters = tuple(
        (id, ParameterCard(e.label, e.source, e.tag, e.grade, e.note, check.bounds(id, e), e.prior_log_sd))
        for id, e in content.parameter.items()
    )
    return ModelCard(
        title=content.title,
        description=content.description.strip(),
        drivers=tuple(DriverCard(item.id, item.driver, item.target) for item in content.input),
        boluses=tuple((item.target, item.state) for item in content.bolus),
        observables=tuple(ObservableCard(o.analyte, o.id, o.label, o.plotted) for o in content.observable),
        modalities=check.modalities(),
        baselines=tuple(content.baseline.items()),
        subject=tuple(content.subject.items()),
        parameters=parameters,
    )
