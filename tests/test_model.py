"""ModelSpec -> Model: the order of things, what is hoisted, lanes, and one object for equal specs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exsim import load_model
from exsim.evaluation import Evaluator
from exsim.formula import Call, Name, Number, Time
from exsim.model import Model, compile_model
from exsim.model_spec import Assignment, Input, ModelSpec, Parameter, State, TimedEvent, TimeSwitch


def _times(*args):
    return Call("*", args)


@pytest.fixture(scope="module")
def model() -> Model:
    """Return a model that has one of everything; `b` is 2 a and `fixed_rule` is a + b."""
    return compile_model(
        ModelSpec(
            name="one of everything",
            time_unit_h=1.0,
            parameters=(
                Parameter("a", 3.0, "1/h"),
                Parameter("b", None, "1/h", initial=_times(Number(2.0), Name("a"))),
                Parameter("level", 5.0, "pg/mL"),
            ),
            states=(
                State(
                    "y",
                    "pg/mL",
                    Name("start"),
                    _times(Call("neg", (Name("fixed_rule"),)), Name("y")),
                    "amount",
                ),
                State("z", "pg/mL", Number(1.0), Call("+", (Name("u"), Name("moving_rule"))), "parameter"),
            ),
            assignments=(
                Assignment("fixed_rule", "1/h", Call("+", (Name("a"), Name("b")))),
                Assignment("moving_rule", "pg/mL", _times(Name("a"), Call("+", (Name("y"), Name("late"))))),
                Assignment("clock", "h", Time()),
                Assignment("start", "pg/mL", _times(Number(2.0), Name("level"))),
            ),
            inputs=(Input("u", "pg/mL"),),
            events=(
                TimedEvent(
                    "gift", Call("+", (Name("a"), Number(1.0))), (("y", _times(Name("y"), Name("b"))),)
                ),
            ),
            switches=(TimeSwitch("late", _times(Name("a"), Number(2.0))),),
        )
    )


def test_ids_stand_in_the_order_of_the_file_and_computed_parameters_have_no_value(model: Model) -> None:
    assert model.state_ids == ("y", "z")
    assert model.parameter_ids == ("a", "level")
    assert model.rule_ids == ("fixed_rule", "moving_rule", "clock", "start")
    assert model.input_ids == ("u", "late")
    assert model.units["y"] == "pg/mL"


def test_values_are_replaced_by_id_and_a_wrong_id_is_not_lost(model: Model) -> None:
    assert model.nominal().tolist() == [3.0, 5.0]
    assert model.nominal({"level": 7.0}).tolist() == [3.0, 7.0]
    with pytest.raises(KeyError, match="levle"):
        model.nominal({"levle": 7.0})


def test_what_follows_from_parameters_alone_is_fixed_and_computed_once(model: Model) -> None:
    assert model.fixed == {"a", "b", "level", "fixed_rule", "start"}
    constants = model.constants(np, [3.0, 5.0])
    assert (constants["b"], constants["fixed_rule"], constants["start"]) == (6.0, 9.0, 10.0)


def test_states_start_where_initial_formulas_put_them(model: Model) -> None:
    assert model.initial_state(np, [3.0, 5.0]) == (10.0, 1.0)


def test_rates_and_rules_are_those_of_the_formulas(model: Model) -> None:
    constants = model.constants(np, [3.0, 5.0])
    inputs, states = [0.5, 1.0], [4.0, 2.0]
    assert model.derivative(np, 1.5, inputs, states, constants) == (-36.0, 0.5 + 3.0 * (4.0 + 1.0))
    computed = model.computed(np, 1.5, inputs, states, constants)
    assert computed == {"fixed_rule": 9.0, "moving_rule": 15.0, "clock": 1.5, "start": 10.0}


def test_an_event_changes_the_states_that_it_names(model: Model) -> None:
    constants = model.constants(np, [3.0, 5.0])
    assert model.assigned(np, 0, 4.0, [0.0, 0.0], [4.0, 2.0], constants) == (24.0, 2.0)


def test_jumps_come_at_times_that_follow_from_parameters(model: Model) -> None:
    assert model.jump_times(np, model.constants(np, [3.0, 5.0])) == ([4.0], [6.0])


def test_an_equal_spec_is_the_same_model(model: Model) -> None:
    assert compile_model(replace(model.spec)) is model
    assert compile_model(replace(model.spec, name="another")) is not model


@pytest.mark.parametrize("name", ["il6_axis", "two_compartment"])
def test_hoisting_changes_no_rate_of_a_shipped_model(name: str) -> None:
    """Against every formula as it stands in the file, at 10 drawn states (seed 4)."""
    model = compile_model(load_model(name))
    chance = np.random.default_rng(4)
    for _ in range(10):
        parameters = list(model.nominal() * chance.uniform(0.5, 2.0, len(model.parameter_ids)))
        states = list(chance.uniform(0.1, 5.0, len(model.state_ids)))
        inputs = list(chance.uniform(0.1, 1.0, len(model.input_ids)))
        values = dict(zip(model.parameter_ids, parameters, strict=True))
        values |= dict(zip(model.state_ids, states, strict=True)) | dict(
            zip(model.input_ids, inputs, strict=True)
        )
        plain = Evaluator(np, values, {rule.id: rule.value for rule in model.spec.assignments}, 1.0)
        expected = [float(plain(state.rate)) for state in model.spec.states]
        found = model.derivative(np, 1.0, inputs, states, model.constants(np, parameters))
        np.testing.assert_allclose(np.array(found, float), expected, rtol=1e-12)


def test_many_lanes_are_each_what_they_are_alone() -> None:
    model = compile_model(load_model("il6_axis"))
    chance = np.random.default_rng(5)
    lanes = 4
    parameters = model.nominal()[:, None] * chance.uniform(0.5, 2.0, (len(model.parameter_ids), lanes))
    states = chance.uniform(0.1, 5.0, (len(model.state_ids), lanes))
    inputs = chance.uniform(0.1, 1.0, (len(model.input_ids), lanes))
    together = model.derivative(np, 0.0, list(inputs), list(states), model.constants(np, list(parameters)))
    for lane in range(lanes):
        constants = model.constants(np, list(parameters[:, lane]))
        alone = model.derivative(np, 0.0, list(inputs[:, lane]), list(states[:, lane]), constants)
        np.testing.assert_allclose([np.broadcast_to(r, lanes)[lane] for r in together], alone, rtol=1e-14)


def test_a_model_is_shown_in_one_line(model: Model) -> None:
    assert repr(model) == "Model(one of everything: 2 states, 2 parameters)"
