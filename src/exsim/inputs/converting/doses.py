"""Doses of an event table, as the config of the protocol has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

_MOST_SHOWN = 6


class Dose(NamedTuple):
    """One dose, in the units of its table; what is 0 is not given."""

    compartment: str
    time: float
    amount: float
    rate: float = 0.0
    duration: float = 0.0
    interval: float = 0.0
    additional: float = 0.0
    steady_state: float = 0.0


def dose_warnings(doses: Mapping[Dose, Sequence[str]], time_unit: str) -> list[str]:
    """Return one warning that lists the doses, each as a config has it, or none.

    A tidy table holds measurements alone: what was given belongs to the protocol of its condition.
    """
    if not doses:
        return []
    count = sum(map(len, doses.values()))
    lines = [
        f"{count:,} dose{'s are' if count > 1 else ' is'} not in the table: what was given belongs into "
        "the config, with units"
    ]
    for dose, subjects in list(doses.items())[:_MOST_SHOWN]:
        people = sorted(set(subjects))
        shown = ", ".join(people[:5]) + (f" and {len(people) - 5} more" if len(people) > 5 else "")
        lines.append(f"  # {shown}{_repeats(dose, time_unit)}\n{_as_config(dose, time_unit)}")
    if len(doses) > _MOST_SHOWN:
        lines.append(f"  and {len(doses) - _MOST_SHOWN} other doses")
    return ["\n".join(lines)]


def _repeats(dose: Dose, unit: str) -> str:
    parts = ""
    if dose.additional:
        parts += f"; then {dose.additional:g} more, every {dose.interval:g} {unit}: a table each"
    if dose.steady_state:
        parts += "; given until steady (SS): write the doses that led there"
    return parts


def _as_config(dose: Dose, unit: str) -> str:
    compartment = f"   # CMT {dose.compartment}" if dose.compartment else ""
    if dose.rate < 0:
        return (
            f"  [[protocol.infusion]]\n"
            f'  target = "..."{compartment}\n'
            f'  rate = "..."   # AMT {dose.amount:g}, RATE {dose.rate:g}: a model made its rate\n'
            f'  start = "{dose.time:g} {unit}"\n'
            f'  duration = "..."'
        )
    if not (dose.rate or dose.duration):
        return (
            f"  [[protocol.bolus]]\n"
            f'  target = "..."{compartment}\n'
            f'  dose = "{dose.amount:g} ..."\n'
            f'  time = "{dose.time:g} {unit}"'
        )
    duration = dose.duration or dose.amount / dose.rate
    rate = dose.rate or dose.amount / dose.duration
    return (
        f"  [[protocol.infusion]]\n"
        f'  target = "..."{compartment}\n'
        f'  rate = "{rate:.6g} .../{unit}"\n'
        f'  start = "{dose.time:g} {unit}"\n'
        f'  duration = "{duration:.6g} {unit}"'
    )
