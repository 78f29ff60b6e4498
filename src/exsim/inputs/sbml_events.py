"""SBML events -> assignments at known times; an event that waits for a state is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..evaluation import Evaluator
from ..formula import Call, Expr, Number, names
from ..model_spec import TimedEvent
from .findings import Findings
from .sbml_formulas import RawEvent
from .sbml_model import Draft
from .time_analysis import COMPARISONS, NotLinear, TimeAnalysis, Turn

#: A time that no simulation reaches.
NEVER = 1e300
#: "Just after the start": `time > 0` is false at 0 and true at once after it.
JUST_AFTER_START = 1e-30


class _NoKnownTime(Exception):
    """The trigger does not turn true at a time that is known beforehand; the message says why."""


def timed_events(
    events: list[RawEvent], draft: Draft, analysis: TimeAnalysis, findings: Findings
) -> tuple[TimedEvent, ...]:
    """Return the events with their times. What has none is refused, with the event's id and line."""
    timed: list[tuple[TimedEvent, RawEvent]] = []
    for event in events:
        try:
            time = _trigger_time(event.trigger, analysis)
        except _NoKnownTime as reason:
            findings.refuse(
                f"the event {event.id}: {reason}",
                event.id,
                hint="exsim does events at times that follow from parameters, such as at (time >= x)",
            )
            continue
        timed.append((TimedEvent(event.id, time, event.assignments, not event.initially_true), event))
    return _merged(timed, draft, findings)


def _trigger_time(trigger: Expr, analysis: TimeAnalysis) -> Expr:
    """Return the one time at which a trigger turns true: a conjunction of comparisons with time."""
    terms = trigger.args if isinstance(trigger, Call) and trigger.op == "and" else (trigger,)
    turns: list[Turn] = []
    conditions: list[Expr] = []
    for term in terms:
        depends = analysis.dependence(term)
        if depends == "state":
            raise _NoKnownTime("its trigger depends on a state")
        if depends == "nothing":
            conditions.append(analysis.written_out(term))
        elif isinstance(term, Call) and term.op in COMPARISONS:
            try:
                turns.append(analysis.turn(term))
            except NotLinear:
                raise _NoKnownTime("its trigger is not a plain comparison with time") from None
        else:
            raise _NoKnownTime("its trigger is not a plain comparison with time")
    return _when(turns, conditions)


def _when(turns: list[Turn], conditions: list[Expr]) -> Expr:
    rising = [turn for turn in turns if turn.rising]
    if len(rising) == 1 and not conditions and len(turns) == 1:
        return _after(rising[0])
    # It cannot fire before the start, so that the first moment is 0 or the last of the turns.
    time: Expr = Number(0.0)
    if rising:
        time = Call("max", (Number(0.0), *(_after(turn) for turn in rising)))
    holds = [Call("<" if turn.strict else "<=", (time, turn.at)) for turn in turns if not turn.rising]
    wanted = [*holds, *conditions]
    if not wanted:
        return time
    condition = wanted[0] if len(wanted) == 1 else Call("and", tuple(wanted))
    return Call("piecewise", (time, condition, Number(NEVER)))


def _after(turn: Turn) -> Expr:
    if not turn.strict:
        return turn.at
    if isinstance(turn.at, Number):
        return Number(JUST_AFTER_START) if turn.at.value == 0 else turn.at
    at_start = Call("==", (turn.at, Number(0.0)))
    return Call("piecewise", (Number(JUST_AFTER_START), at_start, turn.at))


def _merged(
    timed: list[tuple[TimedEvent, RawEvent]], draft: Draft, findings: Findings
) -> tuple[TimedEvent, ...]:
    """Bring events of the same moment together: each sees the values from before all of them."""
    merged: list[tuple[TimedEvent, float, bool]] = []
    for event, raw in timed:
        # What is due before the start happens at the start.
        moment = max(_nominal(event.time, draft), 0.0)
        for index, (other, its_moment, from_trigger_time) in enumerate(merged):
            if moment != its_moment or moment >= NEVER:
                continue
            targets, its_targets = dict(event.assignments).keys(), dict(other.assignments).keys()
            reads, its_reads = _reads(event), _reads(other)
            if targets & its_targets:
                findings.refuse(
                    f"the events {other.id} and {event.id} assign {', '.join(sorted(targets & its_targets))}"
                    " at the same time: which is last is left open by SBML",
                    event.id,
                )
            if not (reads & its_targets or its_reads & targets):
                continue
            alike = event.time == other.time and event.fires_at_start == other.fires_at_start
            if alike and raw.values_from_trigger_time and from_trigger_time:
                together = replace(other, assignments=other.assignments + event.assignments)
                merged[index] = together, its_moment, True
                break
            findings.refuse(
                f"the events {other.id} and {event.id} happen at the same time and use each other's values",
                event.id,
            )
        else:
            merged.append((event, moment, raw.values_from_trigger_time))
    return tuple(event for event, _, _ in merged)


def _reads(event: TimedEvent) -> frozenset[str]:
    return frozenset().union(*(names(tree) for _, tree in event.assignments))


def _nominal(time: Expr, draft: Draft) -> float:
    with np.errstate(all="ignore"):
        return float(Evaluator(np, {}, draft.formulas_at_start(), time=0.0)(time))
