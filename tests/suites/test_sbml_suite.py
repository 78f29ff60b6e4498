"""The SBML semantic test cases: every number right by the suite's own rule, or refused by name beforehand."""

from __future__ import annotations

import contextlib
import csv
from dataclasses import dataclass
from pathlib import Path

import libsbml
import numpy as np
import pytest

from exsim.errors import RefusedError
from exsim.evaluation import Evaluator
from exsim.inputs.model_files import load_model
from exsim.model import Model, compile_model
from exsim.protocol import Protocol
from exsim.solving import Status, Trajectory, solve

#: Cases right by the rule, of those of each tier; the others are refused by name.
REACHED = {"A-basic": 52, "B-events": 3, "C-advanced": 21}
CASES = 127
#: One of each kind, for every run of the tests: boundary and constant species, several volumes, local
#: parameters, functions, rules of each sort, initial assignments, time, conversion factors, no volume.
FEW = (
    "00009",
    "00054",
    "00059",
    "00120",
    "00289",
    "00325",
    "00514",
    "00688",
    "00864",
    "00976",
    "01306",
    "00491",
)


@dataclass(frozen=True)
class Settings:
    """What NNNNN-settings.txt says."""

    duration: float
    steps: int
    absolute: float
    relative: float
    amounts: frozenset[str]
    concentrations: frozenset[str]


def read_settings(path: Path) -> Settings:
    """Read the settings of a case."""
    pairs = (line.partition(":") for line in path.read_text().splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, _, value in pairs}

    def ids(key: str) -> frozenset[str]:
        return frozenset(id.strip() for id in values[key].split(",") if id.strip())

    return Settings(
        float(values["duration"]),
        int(values["steps"]),
        float(values["absolute"]),
        float(values["relative"]),
        ids("amount"),
        ids("concentration"),
    )


def integrate(model: Model, settings: Settings, times: np.ndarray) -> Trajectory | None:
    """Solve a case far below the tolerances of its rule; None for a model without states."""
    if not model.spec.states:
        return None
    trajectory = solve(
        model,
        Protocol(),
        model.nominal(),
        times * model.spec.time_unit_h,
        rtol=max(1e-12, settings.relative * 1e-4),
        atol=max(1e-14, settings.absolute * 1e-4),
    )
    assert int(trajectory.status) == Status.DONE, Status(int(trajectory.status)).name
    return trajectory


def curves(model: Model, trajectory: Trajectory | None, times: np.ndarray) -> Evaluator:
    """Return what every id of a model is at the model times of a trajectory."""
    constants = model.constants(np, list(model.nominal()))
    values = {id: np.full_like(times, np.asarray(value, dtype=float)) for id, value in constants.items()}
    formulas = {reaction.id: reaction.rate for reaction in model.spec.reactions}
    if trajectory is None:
        formulas |= {item.id: item.value for item in model.spec.assignments}
    else:
        values |= dict(zip(model.state_ids, map(np.asarray, trajectory.states), strict=True))
        values |= dict(zip(model.input_ids, map(np.asarray, trajectory.inputs), strict=True))
        values |= dict(zip(model.rule_ids, map(np.asarray, trajectory.rules), strict=True))
    return Evaluator(np, values, formulas, time=times)


def column(id: str, settings: Settings, sbml: libsbml.Model, at: Evaluator) -> np.ndarray:
    """Return a variable as the case wants it reported: a species as amount or as concentration."""
    values = np.asarray(at.named(id), dtype=float)
    species = sbml.getSpecies(id)
    if species is None:
        return values
    compartment = sbml.getCompartment(species.getCompartment())
    if compartment.isSetSpatialDimensions() and compartment.getSpatialDimensions() == 0:
        return values
    is_amount = species.getHasOnlySubstanceUnits()
    if id in settings.amounts and not is_amount:
        return values * at.named(species.getCompartment())
    if id in settings.concentrations and is_amount:
        return values / at.named(species.getCompartment())
    return values


def run_case(folder: Path, file: str) -> str:
    """Return "right", "refused", or what is wrong."""
    number = folder.name
    settings = read_settings(folder / f"{number}-settings.txt")
    try:
        spec = load_model(folder / file)
    except RefusedError as refusal:
        lines = [problem.line for problem in refusal.problems]
        return "refused" if all(lines) else f"refused without a line: {refusal}"
    model = compile_model(spec)
    times = np.linspace(0.0, settings.duration, settings.steps + 1)
    at = curves(model, integrate(model, settings, times), times)
    sbml = libsbml.readSBMLFromFile(str(folder / file)).getModel()
    with (folder / f"{number}-results.csv").open() as rows:
        header, *table = list(csv.reader(rows))
    expected = np.array([[float(cell) for cell in row] for row in table])
    for index, id in enumerate(header[1:], start=1):
        wanted = expected[:, index]
        found = np.broadcast_to(column(id.strip(), settings, sbml, at), wanted.shape)
        allowed = settings.absolute + settings.relative * np.abs(wanted)
        with np.errstate(invalid="ignore"):
            right = (
                (np.abs(found - wanted) <= allowed) | (found == wanted) | (np.isnan(found) & np.isnan(wanted))
            )
        if not right.all():
            worst = int(np.argmin(right))
            return f"{id} is {found[worst]!r} at {times[worst]:g}, {wanted[worst]!r} is right"
    return "right"


def manifest(suites: Path) -> list[dict[str, str]]:
    """Return the rows of the list of cases."""
    with (suites / "sbml" / "manifest.csv").open() as rows:
        return list(csv.DictReader(rows))


@pytest.mark.slow
def test_every_case_is_right_or_refused_by_name(suites: Path) -> None:
    cases = manifest(suites)
    assert len(cases) == CASES
    outcomes = {row["case"]: run_case(suites / "sbml" / "cases" / row["case"], row["model"]) for row in cases}
    wrong = {case: outcome for case, outcome in outcomes.items() if outcome not in ("right", "refused")}
    assert not wrong
    tiers = {row["case"]: row["tier"] for row in cases}
    right = [tiers[case] for case, outcome in outcomes.items() if outcome == "right"]
    for tier, count in REACHED.items():
        assert right.count(tier) >= count, f"{tier}: {right.count(tier)} right, {count} were"


def test_as_many_cases_as_before_are_read_and_the_others_refused(suites: Path) -> None:
    cases = manifest(suites)
    read: dict[str, int] = dict.fromkeys(REACHED, 0)
    for row in cases:
        with contextlib.suppress(RefusedError):
            load_model(suites / "sbml" / "cases" / row["case"] / row["model"])
            read[row["tier"]] += 1
    assert all(read[tier] >= count for tier, count in REACHED.items()), read


@pytest.mark.parametrize("case", FEW)
def test_a_case_of_each_kind_is_right(suites: Path, case: str) -> None:
    (row,) = (row for row in manifest(suites) if row["case"] == case)
    assert run_case(suites / "sbml" / "cases" / case, row["model"]) == "right"


def test_events_at_known_times_are_done_and_not_refused(suites: Path) -> None:
    timed = [
        row
        for row in manifest(suites)
        if row["tier"] == "B-events" and "EventTimeTrigger" in row["structure"]
    ]
    assert timed
    for row in timed:
        assert run_case(suites / "sbml" / "cases" / row["case"], row["model"]) == "right", row["case"]


@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_the_rule_of_the_suite_tells_right_from_wrong(kind: str, tmp_path: Path) -> None:
    """A case of our own, y' = -y from 1: the runner passes the exponential and not a straight line."""
    times = np.linspace(0.0, 2.0, 5)
    values = np.exp(-times) if kind == "right" else 1 - times
    (tmp_path / "m.xml").write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model>'
        '<listOfParameters><parameter id="y" value="1" constant="false"/></listOfParameters>'
        '<listOfRules><rateRule variable="y"><math xmlns="http://www.w3.org/1998/Math/MathML">'
        "<apply><minus/><ci>y</ci></apply></math></rateRule></listOfRules></model></sbml>"
    )
    lines = ["time,y", *(f"{t},{y}" for t, y in zip(times, values, strict=True))]
    (tmp_path / f"{tmp_path.name}-results.csv").write_text("\n".join(lines))
    (tmp_path / f"{tmp_path.name}-settings.txt").write_text(
        "start: 0\nduration: 2\nsteps: 4\nvariables: y\nabsolute: 1e-5\nrelative: 1e-5\n"
        "amount:\nconcentration:\n"
    )
    outcome = run_case(tmp_path, "m.xml")
    assert (outcome == "right") is (kind == "right"), outcome
