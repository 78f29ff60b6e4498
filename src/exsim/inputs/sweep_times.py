"""Where bouts, food and doses lie in every draw of a sweep: inside the simulation, one bout after another.

For ranges the earliest start and the latest end of each are looked at: quantities vary on their own,
so these ends meet in some draw. For a table each row is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..moments import Moment
from ..spec import BoutSpec, RunSpec
from ..sweep_metrics import read_metric
from ..sweep_targets import Target
from .config_checks import ConfigFindings
from .toml_lines import KeyPath

# Times that were converted from other units differ in their last digits (hours).
_TOUCHING_H = 1e-9
_Hours = Float[np.ndarray, "row"]


@dataclass(frozen=True)
class _Reach:
    """Where something may lie, for each row: earliest and latest start, longest duration, in hours."""

    earliest: _Hours
    latest: _Hours
    longest: _Hours

    @property
    def end(self) -> _Hours:
        return self.latest + self.longest


class _Ranges:
    """The lowest and highest value of each key of a protocol: for each row of a table, or of all draws."""

    def __init__(self, targets: Sequence[Target], listed: Float[np.ndarray, "draw quantity"] | None) -> None:
        self.rows = 1 if listed is None else len(listed)
        self.listed = listed is not None
        self._held: dict[tuple[str, int, str], tuple[_Hours, _Hours]] = {}
        self._after_end: dict[tuple[str, int, str], bool] = {}
        for number, target in enumerate(targets):
            place = (target.path.kind, target.path.index, target.path.key)
            if listed is None:
                self._held[place] = (np.array([target.span[0]]), np.array([target.span[1]]))
            else:
                self._held[place] = (listed[:, number], listed[:, number])
            self._after_end[place] = target.after_end

    def varies(self, kind: str, *keys: str) -> bool:
        """Say whether one of these keys varies in any entry of a kind."""
        return any(place[0] == kind and place[2] in keys for place in self._held)

    def of(self, kind: str, index: int, key: str, nominal: float) -> tuple[_Hours, _Hours]:
        """Return lowest and highest value of a key."""
        return self._held.get((kind, index, key), (np.full(self.rows, nominal), np.full(self.rows, nominal)))

    def counts_from_end(self, kind: str, index: int, key: str, moment: Moment) -> bool:
        """Say whether a time counts from the end of the last bout."""
        return self._after_end.get((kind, index, key), moment.after_end)

    def where(self, wrong: np.ndarray) -> str:
        """Return the words for the first row that is wrong."""
        return f"in row {int(np.argmax(wrong)) + 1}" if self.listed else "in some draws"


def check_sweep_times(
    found: ConfigFindings,
    spec: RunSpec,
    targets: Sequence[Target],
    listed: Float[np.ndarray, "draw quantity"] | None,
) -> None:
    """Note bouts that overlap or leave the simulation in some draw, and what else leaves it.

    `listed` holds the rows of a table, in the units of the targets; None for a design of ranges.
    """
    ranges = _Ranges(targets, listed)
    until_h = spec.output.until.to("h")
    before = len(found.problems)
    bouts = [_bout_reach(ranges, index, bout) for index, bout in enumerate(spec.protocol.bout)]
    if ranges.varies("bout", "start", "duration"):
        for index, (bout, reach) in enumerate(zip(spec.protocol.bout, bouts, strict=True)):
            _check_bout(found, ranges, index, bout, reach, until_h)
        if len(found.problems) == before:
            _check_overlaps(found, ranges, spec, bouts)
        _check_output_times(found, spec)
    if len(found.problems) > before:
        return
    waits = [_wait_h(bout) for bout in spec.protocol.bout]
    ends = [reach.end + wait for reach, wait in zip(bouts, waits, strict=True)]
    firsts = [
        reach.earliest + wait + ranges.of("bout", index, "duration", bout.total_duration_h)[0]
        for index, (bout, reach, wait) in enumerate(zip(spec.protocol.bout, bouts, waits, strict=True))
    ]
    zero = np.zeros(ranges.rows)
    end = (np.max(firsts, axis=0), np.max(ends, axis=0)) if ends else (zero, zero)
    _check_given(found, ranges, spec, end, until_h)
    _check_looks(found, ranges, spec, end, until_h)


def _wait_h(bout: BoutSpec) -> float:
    return 0.0 if bout.repeat is None else (bout.repeat.times - 1) * bout.repeat.every.to("h")


def _bout_reach(ranges: _Ranges, index: int, bout: BoutSpec) -> _Reach:
    earliest, latest = ranges.of("bout", index, "start", bout.start.to("h"))
    _, longest = ranges.of("bout", index, "duration", bout.total_duration_h)
    return _Reach(earliest, latest, longest)


def _hours(values: _Hours, wrong: np.ndarray) -> str:
    return f"{float(values[int(np.argmax(wrong))]):.6g} h"


def _check_bout(
    found: ConfigFindings, ranges: _Ranges, index: int, bout: BoutSpec, reach: _Reach, until_h: float
) -> None:
    path: KeyPath = ("protocol", "bout", index)
    end = reach.end + _wait_h(bout)
    late = end > until_h + _TOUCHING_H
    if late.any():
        latest = float(np.max(end))
        message = f"{ranges.where(late)} bout {index} ends at {_hours(end, late)}, outside the simulation"
        hint = f'set output.until to "{latest:.6g} h" or more, or narrow its range'
        found.refuse(f"{message} (0 h to {until_h:.6g} h)", path, hint)
    early = reach.earliest < -_TOUCHING_H
    if early.any():
        message = f"{ranges.where(early)} bout {index} starts at {_hours(reach.earliest, early)}"
        found.refuse(f"{message}, before the simulation", path, "let it start at 0 h or later")
    empty = ranges.of("bout", index, "duration", bout.total_duration_h)[0] <= 0
    if empty.any():
        message = f"{ranges.where(empty)} bout {index} has no length"
        found.refuse(message, path, "a duration is more than 0 h")
    if bout.repeat is not None:
        every_h = bout.repeat.every.to("h")
        long = reach.longest > every_h + _TOUCHING_H
        if long.any():
            message = f"{ranges.where(long)} bout {index} lasts {_hours(reach.longest, long)}"
            hint = "repeat it less often or make it shorter"
            found.refuse(f"{message} and is repeated every {bout.repeat.every}", path, hint)


def _check_overlaps(found: ConfigFindings, ranges: _Ranges, spec: RunSpec, bouts: Sequence[_Reach]) -> None:
    windows = list(_windows(spec, bouts))
    if len(windows) < 2:
        return
    owners = np.array([index for index, _, _ in windows])
    starts, ends = np.array([item[1] for item in windows]), np.array([item[2] for item in windows])
    meeting = (
        _meeting_in_rows(owners, starts, ends)
        if ranges.listed
        else meeting_of_ranges(owners, starts[:, 0], ends[:, 0])
    )
    if meeting is not None:
        first, second = sorted((meeting.bout, meeting.other))
        where = f"in row {meeting.row + 1}" if ranges.listed else "in some draws"
        message = f"{where} bout {second} overlaps with bout {first}"
        hours = f"one starts at {meeting.start_h:.6g} h, the other ends at {meeting.end_h:.6g} h"
        hint = "bouts follow one another in every draw" + ("" if ranges.listed else ": narrow the ranges")
        found.refuse(f"{message}: {hours}", ("protocol", "bout", int(second)), hint)


def _windows(spec: RunSpec, bouts: Sequence[_Reach]) -> Iterator[tuple[int, _Hours, _Hours]]:
    # (bout, earliest start, latest end) of every repetition.
    for index, (bout, reach) in enumerate(zip(spec.protocol.bout, bouts, strict=True)):
        every_h = 0.0 if bout.repeat is None else bout.repeat.every.to("h")
        for repetition in range(1 if bout.repeat is None else bout.repeat.times):
            yield index, reach.earliest + repetition * every_h, reach.end + repetition * every_h


@dataclass(frozen=True)
class Meeting:
    """A bout that starts before another one has ended."""

    bout: int
    other: int
    start_h: float
    end_h: float
    row: int = 0


def meeting_of_ranges(owners: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Meeting | None:
    """Return two bouts of which one may start before the other has ended, or None.

    For each window, (window,): number of its bout, earliest start and latest end in hours.
    """
    # Repetitions of one bout move together: a window is held against the latest end of other bouts.
    latest: list[tuple[float, int]] = []
    for place in np.argsort(starts, kind="stable"):
        owner = int(owners[place])
        others = [item for item in latest if item[1] != owner]
        if others and starts[place] < others[0][0] - _TOUCHING_H:
            return Meeting(owner, others[0][1], float(starts[place]), others[0][0])
        # The latest ends of two different bouts are all that a later window can meet.
        mine = max([float(ends[place])] + [end for end, index in latest if index == owner])
        latest = sorted([*others, (mine, owner)], reverse=True)[:2]
    return None


def _meeting_in_rows(owners: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Meeting | None:
    for begin in range(0, starts.shape[1], _ROWS):
        start, end = starts[:, begin : begin + _ROWS], ends[:, begin : begin + _ROWS]
        order = np.argsort(start, axis=0, kind="stable")
        start, end = np.take_along_axis(start, order, 0), np.take_along_axis(end, order, 0)
        wrong = start[1:] < np.maximum.accumulate(end, axis=0)[:-1] - _TOUCHING_H
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=0)))
            place = int(np.argmax(wrong[:, row]))
            before = int(np.argmax(end[: place + 1, row]))
            bout, other = int(owners[order[place + 1, row]]), int(owners[order[before, row]])
            return Meeting(bout, other, float(start[place + 1, row]), float(end[before, row]), begin + row)
    return None


#: Rows of a table that are sorted at once.
_ROWS = 65_536


# ---- what else has a time ----------------------------------------------------------------------------


def _check_output_times(found: ConfigFindings, spec: RunSpec) -> None:
    for index, moment in enumerate(spec.output.times or ()):
        if moment.after_end:
            hint = "count them from the start of the simulation, or leave times out"
            message = f'"{moment}" is another time in every draw, since bouts vary in time'
            found.refuse(message, ("output", "times", index), hint)
            return


def _check_given(
    found: ConfigFindings, ranges: _Ranges, spec: RunSpec, end: tuple[_Hours, _Hours], until_h: float
) -> None:
    # Food, infusions and doses, where these or the end of the last bout vary.
    bouts_move = ranges.varies("bout", "start", "duration")
    moments = [
        ("intake", index, "start", item.start, item.duration)
        for index, item in enumerate(spec.protocol.intake)
    ]
    moments += [
        ("infusion", index, "start", item.start, item.duration)
        for index, item in enumerate(spec.protocol.infusion)
    ]
    moments += [("bolus", index, "time", item.time, None) for index, item in enumerate(spec.protocol.bolus)]
    for kind, index, key, moment, duration in moments:
        after_end = ranges.counts_from_end(kind, index, key, moment)
        if not (ranges.varies(kind, key, "duration") or (after_end and bouts_move)):
            continue
        low, high = ranges.of(kind, index, key, moment.offset.to("h"))
        nominal_h = 0.0 if duration is None else duration.to("h")
        shortest, longest = ranges.of(kind, index, "duration", nominal_h)
        if after_end:
            low, high = low + end[0], high + end[1]
        what = f"{kind} {index}"
        path: KeyPath = ("protocol", kind, index)
        early, late = low < -_TOUCHING_H, high + longest > until_h + _TOUCHING_H
        if early.any():
            message = f"{ranges.where(early)} {what} begins at {_hours(low, early)}"
            found.refuse(f"{message}, before the start of the simulation, 0 h", path)
        if late.any():
            message = f"{ranges.where(late)} {what} lasts to {_hours(high + longest, late)}"
            hint = f'set output.until to "{float(np.max(high + longest)):.6g} h" or more'
            found.refuse(f"{message}, outside the simulation (0 h to {until_h:.6g} h)", path, hint)
        if duration is not None and (shortest <= 0).any():
            message = f"{ranges.where(shortest <= 0)} {what} has no length"
            found.refuse(message, path, "a duration is more than 0 h")


def _check_looks(
    found: ConfigFindings, ranges: _Ranges, spec: RunSpec, end: tuple[_Hours, _Hours], until_h: float
) -> None:
    # Times at which a metric looks.
    assert spec.sweep is not None
    for analyte, words in spec.sweep.metrics.items():
        for index, word in enumerate(words):
            moment = read_metric(word).moment
            if moment is None:
                continue
            path: KeyPath = ("sweep", "metrics", analyte, index)
            if moment.after_end and not spec.protocol.bout:
                hint = 'count from the start, e.g. "value_at 2 h"'
                found.refuse(f'"{word}": there is no bout whose end it can count from', path, hint)
                continue
            offset_h = moment.offset.to("h")
            low = offset_h + (end[0] if moment.after_end else np.zeros(ranges.rows))
            high = offset_h + (end[1] if moment.after_end else np.zeros(ranges.rows))
            for wrong, at in ((low < -_TOUCHING_H, low), (high > until_h + _TOUCHING_H, high)):
                if wrong.any():
                    where = f"{ranges.where(wrong)} " if moment.after_end and len(end[0]) else ""
                    simulation = f"outside the simulation (0 h to {until_h:.6g} h)"
                    message = f'{where}"{word}" looks at {_hours(at, wrong)}, {simulation}'
                    found.refuse(message, path, "make the simulation longer, or look at another time")
                    break
