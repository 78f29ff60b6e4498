"""The table of measurements of a fit, read as the config says, against its conditions and analytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from ..errors import LabDataError, Problem, nearest
from ..fit_spec import ClockSpec, DataSpec
from ..measurements import Kind, LabData
from ..model_spec import ModelCard, ModelSpec
from ..noise_sd import known_sd, scale_from_sd
from ..sweep_targets import measurable
from .config_checks import ConfigFindings
from .fit_conditions import Condition
from .fit_observables import Observed
from .lab_data import read_lab_data
from .lab_data_checks import BoutSpan
from .lab_data_text import listed

if TYPE_CHECKING:
    from .config import LoadedFit

# Halfway to a factor of 1,000 on a logarithm: levels at rest do not differ so much.
_FAR_FROM_REST = 30.0


class _Anyone(Mapping[str, BoutSpan]):
    """One span of bouts for conditions of any name: the config names none."""

    def __init__(self, span: BoutSpan) -> None:
        self._span = span

    def __getitem__(self, name: str) -> BoutSpan:
        return self._span

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(("",))

    def __len__(self) -> int:
        return 1


class _Clocks(Mapping[tuple[str, str], str]):
    """Date and time of time 0 by (subject, condition): the entry that says most of both."""

    def __init__(self, entries: Sequence[ClockSpec]) -> None:
        self._zeros = {(item.subject, item.condition): item.zero for item in entries}

    def __getitem__(self, whose: tuple[str, str]) -> str:
        subject, condition = whose
        for key in ((subject, condition), (subject, None), (None, condition), (None, None)):
            if key in self._zeros:
                return self._zeros[key]
        raise KeyError(whose)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((subject or "", condition or "") for subject, condition in self._zeros)

    def __len__(self) -> int:
        return len(self._zeros)

    def values(self) -> list[str]:  # type: ignore[override]
        return list(self._zeros.values())


def read_measurements(
    found: ConfigFindings,
    config: LoadedFit,
    model: ModelSpec,
    conditions: Sequence[Condition],
    observed: Sequence[Observed],
    hashes: dict[str, str],
) -> LabData | None:
    """Return the table of a config; None, with all that is wrong noted, where it cannot be used."""
    data = config.spec.data
    assert data.file is not None
    known = dict(measurable(model))
    known |= {item.spec.analyte: item.analyte for item in observed}
    alone = len(conditions) == 1 and not conditions[0].name
    bouts: Mapping[str, BoutSpan] = {item.name: item.bouts for item in conditions}
    if alone:
        bouts = _Anyone(conditions[0].bouts)
    path = config.path.parent / data.file
    if not path.exists():
        beside = sorted(item.name for suffix in ("csv", "tsv") for item in path.parent.glob(f"*.{suffix}"))
        match = nearest(path.name, beside)
        hint = f'Did you mean "{match}"?' if match else "the path is counted from the folder of the config"
        found.refuse(f'there is no table "{data.file}"', ("data", "file"), hint)
        return None
    try:
        table = read_lab_data(
            path,
            known,
            sep=data.sep,
            decimal=data.decimal,
            strict=data.strict,
            clock=_Clocks(data.clock) if data.clock else None,
            plasma_volume=data.plasma_volume,
            bouts=bouts,
            baseline=data.baseline,
            lognormal=[item.spec.analyte for item in observed if item.spec.noise == "lognormal"],
            molar_mass={name: mass.to("g/mol") for name, mass in data.molar_mass.items()},
            ignore=data.ignore,
        )
    except LabDataError as error:
        found.problems += error.problems
        return None
    hashes[data.file] = table.sha256
    found.warnings += table.warnings
    before = len(found.problems)
    _check_observed(found, table, config)
    if alone:
        _check_one_condition(found, table)
    if len(found.problems) > before:
        return None
    _warn_of_the_unused(found, table, data, conditions, observed)
    found.warnings += _off_at_rest(table, model)
    return table


def _check_observed(found: ConfigFindings, table: LabData, config: LoadedFit) -> None:
    wanted = {item.analyte for item in config.spec.observable}
    for analyte in dict.fromkeys(table.analyte):
        if analyte in wanted:
            continue
        lines = [line for of_kind in kinds_of(table, analyte).values() for line in of_kind]
        hint = f'add [[observable]] with analyte = "{analyte}", or write ignore = ["{analyte}"] under [data]'
        message = f"{analyte} was measured ({listed(sorted(lines))}) and has no [[observable]]"
        found.refuse(message, ("data", "file"), hint)


def _check_one_condition(found: ConfigFindings, table: LabData) -> None:
    names = list(dict.fromkeys(table.condition))
    if len(names) > 1:
        shown = ", ".join(f'"{name}"' for name in names[:6])
        message = f"the table has {len(names)} conditions ({shown}) and the config none"
        hint = f'write [[condition]] with name = "{names[0]}" and protocol = "...", one for each'
        found.refuse(message, ("data", "file"), hint)


def _warn_of_the_unused(
    found: ConfigFindings,
    table: LabData,
    data: DataSpec,
    conditions: Sequence[Condition],
    observed: Sequence[Observed],
) -> None:
    for condition in conditions:
        if condition.name and condition.name not in table.condition:
            found.warn(f'no row of the table is of "{condition.name}"', condition.path)
    for item in observed:
        if item.spec.analyte not in table.analyte:
            found.warn(f"no row of the table is of {item.spec.analyte}", item.path)


def _off_at_rest(table: LabData, model: ModelSpec) -> list[str]:
    # A unit that is a factor of 1,000 off shows where both sides are at rest.
    card = model.card or ModelCard(model.name)
    values = {item.id: item.value for item in model.parameters}
    notes = []
    for analyte, id in card.baselines:
        rest = values.get(id) or 0.0
        levels = [
            value
            for name, value, kind, baseline in zip(
                table.analyte, table.value.tolist(), table.kind, table.baseline.tolist(), strict=True
            )
            if name == analyte and kind == "level" and baseline and value > 0
        ]
        if not levels or rest <= 0:
            continue
        ratio = median(levels) / rest
        if not 1 / _FAR_FROM_REST < ratio < _FAR_FROM_REST:
            unit = table.unit[table.analyte.index(analyte)]
            notes.append(
                f"{table.path}: the median of {analyte} at rest, {median(levels):.3g} {unit}, is"
                f" {ratio:.3g} times that of the model: is a unit wrong (ng for pg)?"
            )
    return notes


# ---- kinds and spreads -------------------------------------------------------------------------------


def kinds_of(table: LabData, analyte: str) -> dict[Kind, list[int]]:
    """Return the kinds of value of an analyte, with the lines of each."""
    kinds: dict[Kind, list[int]] = {}
    for name, kind, line in zip(table.analyte, table.kind, table.line.tolist(), strict=True):
        if name == analyte:
            kinds.setdefault(kind, []).append(line)
    return kinds


def scales_of_rows(found: ConfigFindings, table: LabData, observed: Mapping[str, Observed]) -> np.ndarray:
    """Return the noise scale that the data give each row, (row,); NaN where its observable has it.

    Rows whose sd is wanted and not there are noted, with their lines.
    """
    spread = known_sd(table.sd, table.sem, table.group_mean)
    scales = np.full(len(table), np.nan)
    at = np.where(np.isnan(table.value), table.limit, table.value)
    missing: dict[tuple[str, str], list[int]] = {}
    for row, analyte in enumerate(table.analyte):
        item = observed[analyte]
        if item.spec.sd != "data":
            continue
        if np.isnan(spread[row]):
            column = "sem" if table.group_mean[row] else "sd"
            missing.setdefault((analyte, column), []).append(int(table.line[row]))
            continue
        scales[row] = scale_from_sd(item.spec.noise, spread[row], at[row], item.degrees)
    for (analyte, column), lines in missing.items():
        what = "the standard error of a group mean" if column == "sem" else "the standard deviation"
        hint = f"give it in column {column}, or estimate it: sd = {{ lower = ..., upper = ... }}"
        message = f'sd = "data", and {what} of {analyte} is not there on {listed(lines)}'
        found.problems.append(Problem(message, str(table.path), lines[0], column, hint))
    return scales
