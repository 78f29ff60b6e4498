"""SBML -> ModelSpec: one form for every model, checked by numbers and not by shapes alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exsim.errors import RefusedError
from exsim.formula import Call, Name, Number
from exsim.inputs.model_files import load_model
from exsim.model import Model, compile_model
from exsim.model_spec import ModelSpec, TimeSwitch


def load(folder: Path, text: str) -> ModelSpec:
    path = folder / "m.ant"
    path.write_text(f"model m\n{text}\nend\n")
    return load_model(path)


def at_start(model: Model) -> dict[str, float]:
    evaluate = model.start(np, list(model.nominal()), [0.0] * len(model.input_ids))
    ids = [
        *model.state_ids,
        *(item.id for item in model.spec.assignments),
        *(p.id for p in model.spec.parameters),
    ]
    return {id: float(evaluate.named(id)) for id in ids}


def rates(model: Model, time: float = 0.0, inputs: tuple[float, ...] = ()) -> dict[str, float]:
    parameters = list(model.nominal())
    constants = model.constants(np, parameters)
    states = model.initial_state(np, parameters)
    values = model.derivative(np, time, list(inputs) or [0.0] * len(model.input_ids), states, constants)
    return {id: float(rate) for id, rate in zip(model.state_ids, values, strict=True)}


TWO_VOLUMES = """
  compartment a = 2, b = 5
  species S in a = 3
  substanceOnly species T in b = 4
  k = 0.5
  J: S -> 3 T; k * S * a
"""


def test_a_concentration_changes_by_its_volume_and_an_amount_does_not(tmp_path: Path) -> None:
    spec = load(tmp_path, TWO_VOLUMES)
    assert {state.id: state.kind for state in spec.states} == {"S": "concentration", "T": "amount"}
    assert {state.id: state.compartment for state in spec.states} == {"S": "a", "T": "b"}
    # J = 0.5 * 3 * 2 = 3 of substance per time: S falls by 3 / 2, T rises by 3 * 3.
    assert rates(compile_model(spec)) == pytest.approx({"S": -1.5, "T": 9.0})


def test_a_reaction_keeps_its_rate_and_its_net_stoichiometry(tmp_path: Path) -> None:
    spec = load(tmp_path, TWO_VOLUMES + "  K: 2 S + T -> S + $B; k * T\n  species $B in a = 1\n")
    assert {item.id: dict(item.stoichiometry) for item in spec.reactions} == {
        "J": {"S": -1.0, "T": 3.0},
        "K": {"S": -1.0, "T": -1.0},
    }


def test_an_amount_given_to_a_concentration_is_divided_by_the_volume(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    path.write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model>'
        '<listOfCompartments><compartment id="c" size="4" constant="true"/></listOfCompartments>'
        "<listOfSpecies>"
        '<species id="S" compartment="c" initialAmount="6" hasOnlySubstanceUnits="false"'
        ' boundaryCondition="false" constant="false"/>'
        '<species id="T" compartment="c" initialConcentration="6" hasOnlySubstanceUnits="true"'
        ' boundaryCondition="false" constant="false"/>'
        '<species id="K" compartment="c" initialAmount="2" hasOnlySubstanceUnits="false"'
        ' boundaryCondition="true" constant="true"/>'
        "</listOfSpecies></model></sbml>"
    )
    spec = load_model(path)
    assert at_start(compile_model(spec)) == pytest.approx({"S": 1.5, "T": 24.0, "K": 0.5, "c": 4.0})
    assert [state.id for state in spec.states] == ["S", "T"]


def test_local_parameters_are_named_after_their_reaction(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    law = '<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>k</ci></math>'
    reactions = "".join(
        f'<reaction id="{id}" reversible="false"><listOfProducts>'
        f'<speciesReference species="S" stoichiometry="1" constant="true"/></listOfProducts>'
        f"<kineticLaw>{law}<listOfLocalParameters>"
        f'<localParameter id="k" value="{value}"/></listOfLocalParameters></kineticLaw></reaction>'
        for id, value in (("J1", 2), ("J2", 5))
    )
    path.write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model>'
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>'
        "<listOfSpecies>"
        '<species id="S" compartment="c" initialAmount="0" hasOnlySubstanceUnits="true"'
        ' boundaryCondition="false" constant="false"/></listOfSpecies>'
        '<listOfParameters><parameter id="k" value="100" constant="true"/></listOfParameters>'
        f"<listOfReactions>{reactions}</listOfReactions></model></sbml>"
    )
    spec = load_model(path)
    assert {p.id: p.value for p in spec.parameters} == {"c": 1.0, "k": 100.0, "J1.k": 2.0, "J2.k": 5.0}
    assert rates(compile_model(spec)) == {"S": 7.0}


def test_initial_assignments_may_depend_on_each_other_on_rules_and_on_species(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "  compartment c = 2 * base\n  base = 3\n  species S in c = twice\n  twice = 2 * rule\n"
        "  rule := base + time\n  J: S -> ; S\n  late = S / base",
    )
    assert at_start(compile_model(spec)) == pytest.approx(
        {"c": 6.0, "base": 3.0, "S": 6.0, "twice": 6.0, "rule": 3.0, "late": 2.0}
    )


def test_rules_come_in_the_order_in_which_they_are_needed(tmp_path: Path) -> None:
    spec = load(tmp_path, "  a := b + 1\n  b := c * 2\n  c := y\n  y = 1; y' = -a")
    assert [item.id for item in spec.assignments] == ["c", "b", "a"]


def test_a_reaction_named_in_a_rule_becomes_a_computed_quantity(tmp_path: Path) -> None:
    spec = load(tmp_path, "  compartment c = 1\n  species S in c = 4\n  J: S -> ; 3 * S\n  flux := 2 * J")
    model = compile_model(spec)
    assert at_start(model)["flux"] == 24.0
    assert at_start(model)["J"] == 12.0


def test_a_boundary_species_is_not_changed_by_its_reactions_but_by_its_rule(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "  compartment c = 1\n  species $B in c = 4\n  species $R in c = 1\n  species S in c = 0\n"
        "  J: B + R -> S; B\n  R' = 7",
    )
    assert rates(compile_model(spec)) == {"B": 0.0, "R": 7.0, "S": 4.0}


def test_conversion_factors_scale_what_a_reaction_does_to_a_species(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    law = '<math xmlns="http://www.w3.org/1998/Math/MathML"><cn>3</cn></math>'
    path.write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">'
        '<model conversionFactor="cf">'
        '<listOfCompartments><compartment id="c" size="2" constant="true"/></listOfCompartments>'
        "<listOfSpecies>"
        '<species id="S" compartment="c" initialAmount="0" hasOnlySubstanceUnits="true"'
        ' boundaryCondition="false" constant="false"/>'
        '<species id="T" compartment="c" initialConcentration="0" hasOnlySubstanceUnits="false"'
        ' boundaryCondition="false" constant="false" conversionFactor="own"/></listOfSpecies>'
        '<listOfParameters><parameter id="cf" value="10" constant="true"/>'
        '<parameter id="own" value="100" constant="true"/></listOfParameters>'
        '<listOfReactions><reaction id="J" reversible="false"><listOfProducts>'
        '<speciesReference species="S" stoichiometry="1" constant="true"/>'
        '<speciesReference species="T" stoichiometry="2" constant="true"/>'
        f"</listOfProducts><kineticLaw>{law}</kineticLaw></reaction></listOfReactions></model></sbml>"
    )
    assert rates(compile_model(load_model(path))) == pytest.approx({"S": 30.0, "T": 300.0})


def test_a_parameter_that_an_event_assigns_becomes_a_state_that_rests(tmp_path: Path) -> None:
    spec = load(tmp_path, "  k = 2; t_on = 3\n  y = 1; y' = k\n  E: at (time >= t_on + 1): k = 5 * k")
    (state,) = (state for state in spec.states if state.id == "k")
    assert (state.kind, state.compartment, state.rate, state.initial) == (
        "parameter",
        None,
        Number(0.0),
        Number(2.0),
    )
    (event,) = spec.events
    assert event.time == Call("+", (Name("t_on"), Number(1.0)))
    assert event.assignments == (("k", Call("*", (Number(5.0), Name("k")))),)
    assert event.fires_at_start is False


@pytest.mark.parametrize(
    "trigger",
    [
        "time >= t1",
        "t1 <= time",
        "time > t1",
        "time - t1 >= 0",
        "t1 - time < 0",
        "2 * time >= t1 + time",
        "time / 2 >= t1 / 2",
        "clock >= t1",
        "!(0 > 1) && time >= t1",
        "time >= t1 && time >= 0.5 && time < t1 + 3",
    ],
)
def test_a_known_time_is_found_in_every_way_of_writing_it(tmp_path: Path, trigger: str) -> None:
    spec = load(tmp_path, f"  t1 = 1.5; clock := time\n  y = 1; y' = 0\n  E: at ({trigger}): y = 2")
    model = compile_model(spec)
    times, _ = model.jump_times(np, model.constants(np, list(model.nominal())))
    assert times == [pytest.approx(1.5)]


@pytest.mark.parametrize("trigger", ["time >= 3 && time < 2", "time < 2", "1 > 2"])
def test_a_trigger_that_never_turns_true_never_fires(tmp_path: Path, trigger: str) -> None:
    from exsim.protocol import Protocol
    from exsim.solving import solve

    model = compile_model(load(tmp_path, f"  y = 1; y' = 0\n  E: at ({trigger}): y = 2"))
    trajectory = solve(model, Protocol(), model.nominal(), np.array([0.0, 2.5, 5.0]))
    np.testing.assert_array_equal(np.asarray(trajectory.states[0]), [1.0, 1.0, 1.0])


def test_comparisons_with_time_in_rates_become_switches_and_elsewhere_stay(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "  t1 = 1; t2 = 2\n  on := piecewise(1, time >= t1 && time < t2, 0)\n"
        "  shown := piecewise(1, time > t1, 0)\n"
        "  y = on; y' = on - y * piecewise(2, t1 < time, 3)",
    )
    assert spec.switches == (TimeSwitch("switch.1", Name("t1")), TimeSwitch("switch.2", Name("t2")))
    model = compile_model(spec)
    assert model.input_ids == ("switch.1", "switch.2")
    assert rates(model, 0.5, (0.0, 0.0)) == {"y": 0.0}
    rules = {item.id: item.value for item in spec.assignments}
    constants = model.constants(np, list(model.nominal()))
    for inputs, time, expected in (((0.0, 0.0), 0.5, 0.0), ((1.0, 0.0), 1.5, 1.0), ((1.0, 1.0), 2.5, 0.0)):
        assert float(model.computed(np, time, list(inputs), [0.0], constants)["on"]) == expected
    assert "switch" not in str(rules["shown"])


def test_what_a_switch_holds_at_time_0_enters_the_start(tmp_path: Path) -> None:
    """Switches are off in the formulas of the start, so that the comparison itself must stand there."""
    spec = load(tmp_path, "  t1 = 0\n  on := piecewise(4, time >= t1, 1)\n  y = 2 * on; y' = on")
    assert at_start(compile_model(spec))["y"] == 8.0


def test_logic_with_switches_survives(tmp_path: Path) -> None:
    spec = load(tmp_path, "  y = 0; y' = piecewise(1, (time > 1 || y > 5) && !(time > 3), 2, time > 4, 0)\n")
    model = compile_model(spec)
    expected = {(0, 0, 0): 0.0, (1, 0, 0): 1.0, (1, 1, 0): 0.0, (1, 1, 1): 2.0}
    for inputs, rate in expected.items():
        assert rates(model, 0.0, tuple(float(x) for x in inputs)) == {"y": rate}


def test_a_rate_that_jumps_with_a_state_is_a_warning(tmp_path: Path) -> None:
    spec = load(tmp_path, "  y = 0; y' = piecewise(1, y > 5, 2)")
    assert any("jumps where a state crosses" in warning for warning in spec.warnings)


def test_a_model_without_a_unit_of_time_is_read_in_hours_with_a_warning(tmp_path: Path) -> None:
    spec = load(tmp_path, "  y = 0; y' = 1")
    assert spec.time_unit_h == 1.0
    assert "the model names no unit of time: hours are taken" in spec.warnings


def test_a_model_in_minutes_says_so(tmp_path: Path) -> None:
    spec = load(tmp_path, "  unit time_unit = 60 second\n  y = 0; y' = 1")
    assert spec.time_unit_h == pytest.approx(1 / 60)


def test_sbml_level_2_is_read_with_its_own_defaults(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    path.write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="m">'
        '<listOfCompartments><compartment id="c" size="2"/></listOfCompartments>'
        '<listOfSpecies><species id="S" compartment="c" initialAmount="4"/></listOfSpecies>'
        '<listOfParameters><parameter id="k" value="3"/></listOfParameters><listOfReactions>'
        '<reaction id="J"><listOfReactants><speciesReference species="S"/></listOfReactants><kineticLaw>'
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>k</ci><ci>S</ci></apply></math>'
        "</kineticLaw></reaction></listOfReactions></model></sbml>"
    )
    spec = load_model(path)
    assert spec.time_unit_h == pytest.approx(1 / 3600)
    # S starts at 4 / 2; the reaction takes 3 * 2 of substance per time from 2 litres.
    assert at_start(compile_model(spec))["S"] == 2.0
    assert rates(compile_model(spec)) == {"S": -3.0}


def test_two_readings_of_one_file_are_equal_and_hash_alike(tmp_path: Path) -> None:
    first, second = load(tmp_path, TWO_VOLUMES), load(tmp_path, TWO_VOLUMES)
    assert first == second
    assert hash(first) == hash(second)


def test_one_refused_construct_does_not_hide_the_others_and_each_delay_has_a_way_out(tmp_path: Path) -> None:
    text = """model m
      species A; A = 1; k = 1;
      J: A -> ; k*A*(1 + piecewise(1, sin(time) > 0.5, 0));
      E: at 1 after (A < 0.5): A = 1;
      F: at (A < 0.2): A = 2;
      B = 1
      B' = ceil(time);
      D = delay(A, 2);
    end
    """
    (tmp_path / "many.ant").write_text(text)
    with pytest.raises(RefusedError) as caught:
        load_model(tmp_path / "many.ant")
    found = {(problem.line, problem.key): problem for problem in caught.value.problems}
    assert set(found) == {(3, "J"), (4, "E"), (5, "F"), (7, "B"), (8, "D")}
    assert len(caught.value.problems) == 6  # The delay of E, and what its trigger waits for.
    hints = {problem.message: problem.hint for problem in caught.value.problems}
    assert "x + delay" in (hints["an event with a delay"] or "")
    assert "transit compartments" in (hints["delay in the formula of D"] or "")
