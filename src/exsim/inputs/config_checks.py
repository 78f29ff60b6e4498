"""What a config means, checked before anything is computed: times, intensities, grids, the person.

Each check takes what of the file could be read, so that a mistake in one place does not hide
the mistakes in others. Impossible values are problems, improbable ones are warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import ConfigError, Problem, nearest
from ..fields import shown
from ..intensity import MAX_HEART_RATE, intensity_fraction
from ..moments import Moment
from ..spec import BolusSpec, BoutSpec, InfusionSpec, IntakeSpec, OutputSpec, SolverSpec, SubjectSpec
from .config_source import ConfigSource
from .shipped import shipped_models
from .toml_lines import KeyPath

MAX_OUTPUT_POINTS = 10_000_000
#: Stretches of work that one protocol may hold, intervals and repetitions counted.
MAX_STRETCHES = 2_000
# Times that were converted from other units differ in their last digits (hours).
_TOUCHING_H = 1e-9

#: Outside these a value of a person is impossible / improbable: in the unit, low and high.
_PERSON = {
    "body_mass": ("kg", (2.0, 650.0), (35.0, 200.0)),
    "vo2max": ("mL/kg/min", (5.0, 110.0), (15.0, 90.0)),
    "resting_heart_rate": ("1/min", (20.0, MAX_HEART_RATE.magnitude), (30.0, 110.0)),
    "maximal_heart_rate": ("1/min", (60.0, MAX_HEART_RATE.magnitude), (120.0, 220.0)),
}
_Bouts = list[tuple[KeyPath, dict[str, Any]]]
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass
class ConfigFindings:
    """Problems, which stop a run, and warnings, which go into its record."""

    source: ConfigSource
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: The table that the keys stand in.
    within: KeyPath = ()

    def refuse(self, message: str, path: KeyPath, hint: str | None = None) -> None:
        """Note what makes the run impossible."""
        self.problems.append(self.source.problem(message, (*self.within, *path), hint))

    def warn(self, message: str, path: KeyPath) -> None:
        """Note what is improbable, with its place."""
        problem = self.source.problem(message, (*self.within, *path))
        place = ":".join(str(part) for part in (problem.file, problem.line) if part is not None)
        self.warnings.append(f"{place} {problem.key}: {message}")

    def inside(self, *within: str | int) -> ConfigFindings:
        """Return findings that are noted here too, of keys that stand in a table of the config."""
        return ConfigFindings(self.source, self.problems, self.warnings, (*self.within, *within))


@dataclass(frozen=True)
class _Window:
    """One bout or repetition of a bout in hours, and where it stands in the file."""

    start_h: float
    end_h: float
    path: KeyPath
    repetition: int = 0

    def __str__(self) -> str:
        again = f", repetition {self.repetition + 1}" if self.repetition else ""
        return f"{'.'.join(map(str, self.path))}{again} ({self.start_h:.6g} h to {self.end_h:.6g} h)"


def meaning_problems(source: ConfigSource, values: dict[str, Any]) -> ConfigFindings:
    """Return what is impossible or improbable in the parts of a config that could be read."""
    found = ConfigFindings(source)
    protocol = values.get("protocol")
    protocol = protocol if isinstance(protocol, dict) else {}
    output = partly_read(OutputSpec, values.get("output"), ("until",))
    until_h = None if output is None else output.until.to("h")
    bouts: _Bouts = [(("protocol", "bout", index), item) for index, item in _entries(protocol, "bout")]
    if any(
        len(list(_entries(protocol, key))) > MAX_STRETCHES for key in ("bout", "intake", "infusion", "bolus")
    ):
        found.refuse(
            "the protocol is too long", ("protocol",), f"at most {MAX_STRETCHES:,} entries of each kind"
        )
        return found
    ends_h = _check_windows(found, bouts, until_h)
    _check_intensities(found, bouts, values.get("subject"))
    check_person(found, values.get("subject"), bouts)
    end_h = max(ends_h) if ends_h and len(ends_h) == len(bouts) else None
    clock = _Clock(
        found, until_h, end_h, has_bouts=bool(bouts) or not isinstance(protocol.get("bout", []), list)
    )
    _check_protocol_times(clock, protocol)
    _check_output(clock, values.get("output"))
    _check_rest(found, values)
    return found


def _entries(protocol: dict[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    entries = protocol.get(key)
    for index, item in enumerate(entries if isinstance(entries, list) else []):
        yield index, item if isinstance(item, dict) else {}


def partly_read(model: type[_Model], values: Any, keys: tuple[str, ...], **fill: Any) -> _Model | None:
    """Return a table read from some of its keys alone; None if these are wrong, missing or misspelt."""
    if not isinstance(values, dict):
        return None
    unknown = [str(key) for key in values if key not in model.model_fields]
    if any(nearest(key, list(model.model_fields)) in keys for key in unknown):
        return None
    try:
        return model.model_validate(fill | {key: values[key] for key in keys if key in values})
    except ValidationError:
        return None


# ---- bouts -------------------------------------------------------------------------------------------


def _check_windows(found: ConfigFindings, bouts: _Bouts, until_h: float | None) -> list[float]:
    # Returns when each bout ends, for those that could be read.
    windows: list[_Window] = []
    ends_h: list[float] = []
    stretches = 0
    for path, values in bouts:
        bout = partly_read(BoutSpec, values, ("start", "duration", "intervals", "repeat"), intensity=0.5)
        if bout is None or not _has_one_length(found, bout, path):
            continue
        ends_h.append(bout.end_h)
        times = 1 if bout.repeat is None else bout.repeat.times
        stretches += times * (1 if bout.intervals is None else bout.intervals.repeats)
        if stretches > MAX_STRETCHES:
            hint = f"at most {MAX_STRETCHES:,}: shorten the protocol"
            found.refuse(f"{stretches:,} stretches of work up to here", path, hint)
            return ends_h
        if bout.repeat is not None and bout.repeat.every.to("h") < bout.total_duration_h - _TOUCHING_H:
            found.refuse(
                f"the bout lasts {bout.total_duration_h:.6g} h and is repeated every"
                f" {bout.repeat.every}: it overlaps with itself",
                (*path, "repeat"),
                "repeat it less often or make it shorter",
            )
            continue
        wait_h = 0.0 if bout.repeat is None else bout.repeat.every.to("h")
        starts_h = [bout.start.to("h") + number * wait_h for number in range(times)]
        mine = [
            _Window(start, start + bout.total_duration_h, path, number)
            for number, start in enumerate(starts_h)
        ]
        _check_inside(found, mine, until_h)
        windows += mine
    _check_overlaps(found, windows)
    return ends_h


def _has_one_length(found: ConfigFindings, bout: BoutSpec, path: KeyPath) -> bool:
    if bout.duration is None and bout.intervals is None:
        hint = 'write duration = "60 min", or intervals = { work = "4 min", rest = "3 min", repeats = 4 }'
        found.refuse("the bout has neither duration nor intervals", (*path, "duration"), hint)
        return False
    if bout.duration is not None and bout.intervals is not None:
        total = f"{bout.total_duration_h:.6g} h"
        hint = f"leave the duration out: work and rest make up {total}"
        found.refuse("the bout has both duration and intervals", (*path, "duration"), hint)
        return False
    return True


def _check_inside(found: ConfigFindings, windows: list[_Window], until_h: float | None) -> None:
    for window in windows:
        if window.start_h < 0:
            found.refuse(f"{window} begins before the start of the simulation, 0 h", window.path)
            return
        if until_h is not None and window.end_h > until_h + _TOUCHING_H:
            hint = f'set output.until to "{window.end_h:.6g} h" or more'
            found.refuse(f"{window} lies outside the simulation (0 h to {until_h:.6g} h)", window.path, hint)
            return


def _check_overlaps(found: ConfigFindings, windows: list[_Window]) -> None:
    reported: set[tuple[KeyPath, KeyPath]] = set()
    last: _Window | None = None
    for window in sorted(windows, key=lambda item: (item.start_h, item.end_h)):
        if last is not None and window.start_h < last.end_h - _TOUCHING_H and last.path != window.path:
            first, second = sorted((last, window), key=lambda item: item.path[-1])
            if (first.path, second.path) not in reported:
                reported.add((first.path, second.path))
                found.refuse(f"{second} overlaps with {first}", second.path, "bouts follow one another")
        if last is None or window.end_h > last.end_h:
            last = window


def _check_intensities(found: ConfigFindings, bouts: _Bouts, subject: Any) -> None:
    for path, values in bouts:
        bout = partly_read(BoutSpec, values, ("intensity", "modality"), start="0 h")
        if bout is None:
            bout = _of_its_own_modality(values)
        if bout is None or "intensity" not in values:
            continue
        person = _person_for(bout, subject)
        if person is None:
            continue
        place = (*path, "intensity")
        try:
            fraction = intensity_fraction(bout, person)
        except ConfigError as error:
            found.refuse(error.problems[0].message, place, error.problems[0].hint)
            continue
        whole = partly_read(BoutSpec, values, ("duration",), start="0 h", intensity=0.5)
        lasts_h = 0.0 if whole is None else whole.total_duration_h
        if fraction == 0.0:
            found.warn("an intensity of 0 is no exercise", place)
        elif fraction > 0.9 and lasts_h > 1.0 and bout.modality in ("running", "cycling"):
            found.warn(f"{fraction:.0%} of VO2max for {lasts_h:.3g} h: nobody holds that for an hour", place)
        if lasts_h > 48.0:
            found.warn(f"one bout of {lasts_h:.4g} h", (*path, "duration"))
        if values.get("legs") == 1 and values.get("modality", "running") == bout.modality != "knee_extension":
            found.refuse(
                f"legs is for knee_extension, not for {bout.modality}", (*path, "legs"), "leave it out"
            )


def _of_its_own_modality(values: dict[str, Any]) -> BoutSpec | None:
    # Where the modality is wrong, the intensity is judged for one that its reference belongs to.
    text = str(values.get("intensity")).lower()
    own = {"wmax": "knee_extension", "1rm": "resistance"}
    modality = next((name for reference, name in own.items() if reference in text), "running")
    return partly_read(BoutSpec, values, ("intensity",), start="0 h", modality=modality)


def _person_for(bout: BoutSpec, subject: Any) -> SubjectSpec | None:
    # The subject as far as this intensity needs it; None where a value that it needs could not be read.
    keys = ("vo2max", "resting_heart_rate", "maximal_heart_rate")
    if not isinstance(bout.intensity, str):
        return SubjectSpec()
    return SubjectSpec() if subject is None else partly_read(SubjectSpec, subject, keys)


# ---- the person --------------------------------------------------------------------------------------


def check_person(found: ConfigFindings, subject: Any, bouts: _Bouts) -> None:
    """Note what is impossible or improbable in a person; `bouts` are those of the protocol, as read."""
    for name, (unit, possible, usual) in _PERSON.items():
        person = partly_read(SubjectSpec, subject, (name,))
        value = None if person is None else getattr(person, name)
        if value is None:
            continue
        number = value.to(unit)
        path: KeyPath = ("subject", name)
        if not possible[0] <= number <= possible[1]:
            found.refuse(f'"{value}" is impossible', path, f"{possible[0]:g} to {possible[1]:g} {unit}")
        elif not usual[0] <= number <= usual[1]:
            found.warn(f'"{value}" is improbable ({usual[0]:g} to {usual[1]:g} {unit})', path)
    rates = partly_read(SubjectSpec, subject, ("resting_heart_rate", "maximal_heart_rate"))
    if rates is not None and rates.resting_heart_rate is not None and rates.maximal_heart_rate is not None:
        low, high = rates.resting_heart_rate, rates.maximal_heart_rate
        if low.to("1/min") >= high.to("1/min"):
            found.refuse(
                f'"{low}" is not below maximal_heart_rate, "{high}"', ("subject", "resting_heart_rate")
            )
    body = partly_read(SubjectSpec, subject, ("body_mass",))
    for path, values in bouts:
        bout = partly_read(BoutSpec, values, ("active_muscle",), start="0 h", intensity=0.5)
        muscle = None if bout is None else bout.active_muscle
        if muscle is None or body is None or body.body_mass is None:
            continue
        if muscle.to("kg") >= body.body_mass.to("kg"):
            found.refuse(f'"{muscle}" of muscle in a body of "{body.body_mass}"', (*path, "active_muscle"))


# ---- times -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clock:
    """The simulation's end and the last bout's end in hours, as far as they are known."""

    found: ConfigFindings
    until_h: float | None
    end_h: float | None
    has_bouts: bool

    def hours(self, moment: Moment, path: KeyPath) -> float | None:
        """Return a moment in hours; None, with a problem noted, where there is no bout to count from."""
        if not moment.after_end:
            return moment.offset.to("h")
        if not self.has_bouts:
            hint = 'give the time from the start, e.g. "1.5 h", or add [[protocol.bout]]'
            self.found.refuse(f'"{moment}" counts from the end of a bout, and there is none', path, hint)
            return None
        return None if self.end_h is None else moment.hours(self.end_h)

    def check(self, what: str, start_h: float | None, length_h: float, path: KeyPath) -> None:
        """Note what begins before the simulation or ends after it."""
        if start_h is None:
            return
        window = f"{start_h:.6g} h" if length_h == 0 else f"{start_h:.6g} h to {start_h + length_h:.6g} h"
        if start_h < 0:
            self.found.refuse(f"{what} ({window}) begins before the start of the simulation, 0 h", path)
        elif self.until_h is not None and start_h + length_h > self.until_h + _TOUCHING_H:
            hint = f'set output.until to "{start_h + length_h:.6g} h" or more'
            simulation = f"0 h to {self.until_h:.6g} h"
            self.found.refuse(f"{what} ({window}) lies outside the simulation ({simulation})", path, hint)


def _check_protocol_times(clock: _Clock, protocol: dict[str, Any]) -> None:
    for index, values in _entries(protocol, "bolus"):
        path: KeyPath = ("protocol", "bolus", index, "time")
        bolus = partly_read(BolusSpec, values, ("time",), target="x", dose="0 g")
        if bolus is not None:
            clock.check("the bolus", clock.hours(bolus.time, path), 0.0, path)
    for index, values in _entries(protocol, "intake"):
        intake = partly_read(IntakeSpec, values, ("start", "duration"), carbohydrate="0 g/h")
        if intake is not None:
            path = ("protocol", "intake", index, "start")
            clock.check("the intake", clock.hours(intake.start, path), intake.duration.to("h"), path)
        fed = partly_read(IntakeSpec, values, ("carbohydrate",), start="0 h", duration="1 h")
        if fed is not None and fed.carbohydrate.to("g/h") > 120:
            place = ("protocol", "intake", index, "carbohydrate")
            clock.found.warn(
                f'"{fed.carbohydrate}" is more than the gut takes up (about 90 to 120 g/h)', place
            )
    for index, values in _entries(protocol, "infusion"):
        infusion = partly_read(InfusionSpec, values, ("start", "duration"), target="x", rate="0 g/h")
        if infusion is not None:
            path = ("protocol", "infusion", index, "start")
            clock.check("the infusion", clock.hours(infusion.start, path), infusion.duration.to("h"), path)


def _check_output(clock: _Clock, values: Any) -> None:
    grid = partly_read(OutputSpec, values, ("until", "every"))
    if grid is not None and "times" not in values:
        points = grid.output_points
        if points > MAX_OUTPUT_POINTS:
            found = f"{points:.3g} output times: {8e-9 * points:.3g} GB of memory and of file for each curve"
            hint = f'at most {MAX_OUTPUT_POINTS:.0e}; every = "{grid.until.to("h") / 1000:.2g} h" gives 1000'
            clock.found.refuse(found, ("output", "every"), hint)
        elif grid.every.to("h") > grid.until.to("h"):
            clock.found.warn(f'every, "{grid.every}", is longer than the simulation', ("output", "every"))
    listed = partly_read(OutputSpec, values, ("times", "sort"), until="1 h")
    if listed is None or listed.times is None:
        return
    if "every" in values and "times" in values:
        clock.found.warn("every is not used where times are given", ("output", "every"))
    if not listed.times:
        clock.found.refuse("no output times", ("output", "times"), 'leave it out, or write ["1 h", "2 h"]')
    last_h, last, seen = float("-inf"), None, set()
    for index, moment in enumerate(listed.times):
        path = ("output", "times", index)
        time_h = clock.hours(moment, path)
        if time_h is None:
            continue
        clock.check("the output time", time_h, 0.0, path)
        if time_h in seen:
            clock.found.refuse(f'"{moment}" is given twice', path, "leave one out")
        elif time_h < last_h and not listed.sort:
            clock.found.refuse(
                f'"{moment}" comes after "{last}"', path, "sort the times, or write sort = true"
            )
        seen.add(time_h)
        last_h, last = time_h, moment


# ---- the rest ----------------------------------------------------------------------------------------


def _check_rest(found: ConfigFindings, values: dict[str, Any]) -> None:
    solver = partly_read(SolverSpec, values.get("solver"), ("rtol", "precision"))
    if solver is not None and solver.precision == "float32" and solver.rtol < 1e-6:
        hint = 'write rtol = 1e-6 or more, or precision = "float64"'
        found.refuse(f"rtol {solver.rtol:g} cannot be reached in float32", ("solver", "rtol"), hint)
    model = values.get("model")
    if isinstance(model, str) and model:
        _check_model_reference(found, model)


def _check_model_reference(found: ConfigFindings, model: str) -> None:
    outside = "\x00" in model or "://" in model or model.startswith(("/", "\\", "~")) or model[1:2] == ":"
    hint = "write the name of a shipped model, or a path relative to the config"
    if outside or len(model) > 1000:
        found.refuse(f"{shown(model)} is not a model that a config can name", ("model",), hint)
    elif model not in shipped_models() and not (Path(found.source.file).parent / model).exists():
        known = shipped_models()
        match = nearest(model, known)
        guess = f'Did you mean "{match}"?  ' if match else ""
        hint = f"{guess}(shipped: {', '.join(known)}; or a path relative to the config)"
        found.refuse(f'there is no model "{model}"', ("model",), hint)
