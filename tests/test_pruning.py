"""Pruning: what a protocol leaves at zero goes, what is wanted is unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exsim import load_model
from exsim.formula import Call, Expr, Name, Number, Time, names
from exsim.model import compile_model
from exsim.model_spec import (
    Assignment,
    Input,
    ModelSpec,
    Parameter,
    Reaction,
    State,
    TimedEvent,
    TimeSwitch,
)
from exsim.pruning import prune_model

BOUT = ("exercise_intensity", "whole_body_intensity", "active_muscle")
RUN = (*BOUT, "eccentric_load")
ZERO = Number(0.0)


@pytest.fixture(scope="module")
def il6_axis() -> ModelSpec:
    return load_model("il6_axis")


def _observed(model: ModelSpec) -> list[str]:
    return [item.id for item in model.card.observables]


def _ids(model: ModelSpec) -> list[str]:
    return [state.id for state in model.states]


def _state(id: str, rate: Expr, initial: Expr = ZERO) -> State:
    return State(id, "pg/mL", initial, rate, "concentration", "plasma")


def _model(*states: State, **parts) -> ModelSpec:
    parameters = parts.pop("parameters", (Parameter("k", 0.5, "1/h"), Parameter("n", 3.0, "dimensionless")))
    return ModelSpec("small", 1.0, parameters, states, **parts)


def _pruned(model: ModelSpec, **said) -> ModelSpec:
    return prune_model(model, **({"wanted": ["y"], "driven": (), "changed": (), "dosed": ()} | said))


def _times(*args: Expr) -> Expr:
    return Call("*", args)


DECAY = Call("neg", (_times(Name("k"), Name("y")),))


def test_a_marathon_without_lps_leaves_out_lps_and_what_responds_to_it(il6_axis: ModelSpec) -> None:
    pruned = _pruned(il6_axis, wanted=_observed(il6_axis), driven=RUN)
    gone = {"LPS", "LPS_response_1", "LPS_response_2", "LPS_response_3"}
    assert _ids(pruned) == [id for id in _ids(il6_axis) if id not in gone]
    assert not {"LPS_sensed", "left_by_il6", "left_by_il10"} & {item.id for item in pruned.assignments}


def test_cycling_damages_no_muscle(il6_axis: ModelSpec) -> None:
    running = _pruned(il6_axis, wanted=_observed(il6_axis), driven=RUN)
    cycling = _pruned(il6_axis, wanted=_observed(il6_axis), driven=BOUT)
    assert set(_ids(running)) - set(_ids(cycling)) == {"muscle_damage"}


def test_il6_alone_leaves_the_muscle_that_releases_it(il6_axis: ModelSpec) -> None:
    pruned = _pruned(il6_axis, wanted=["IL6"], driven=RUN)
    assert _ids(pruned) == ["glycogen", "IL6_drive", "IL6_release", "IL6"]
    assert set(_observed(pruned)) <= set(_ids(pruned))


def test_a_dose_of_lps_keeps_what_it_changes(il6_axis: ModelSpec) -> None:
    pruned = _pruned(il6_axis, wanted=_observed(il6_axis), driven=RUN, dosed=["LPS"])
    assert _ids(pruned) == _ids(il6_axis)
    alone = _pruned(il6_axis, wanted=["glycogen"], driven=RUN, dosed=["LPS"])
    assert _ids(alone) == ["glycogen", "LPS"]
    assert dict(alone.card.boluses) == {"LPS": "LPS"}


def test_parameters_and_inputs_keep_their_places(il6_axis: ModelSpec) -> None:
    whole, pruned = compile_model(il6_axis), compile_model(_pruned(il6_axis, wanted=["IL6"], driven=RUN))
    assert pruned.parameter_ids == whole.parameter_ids
    assert pruned.input_ids == whole.input_ids


def test_equal_questions_have_equal_answers(il6_axis: ModelSpec) -> None:
    first = _pruned(il6_axis, wanted=["IL6", "IL10"], driven=RUN)
    assert _pruned(il6_axis, wanted={"IL10", "IL6"}, driven=set(RUN)) == first


@pytest.mark.parametrize("wanted", [None, ["IL6"], ["TNF", "catecholamines"]])
def test_rates_and_rules_of_what_is_left_are_those_of_the_whole_model(il6_axis: ModelSpec, wanted) -> None:
    """At 10 drawn states and parameters (seed 6); what was left out is 0 in the whole model."""
    wanted = _observed(il6_axis) if wanted is None else wanted
    whole = compile_model(il6_axis)
    pruned = compile_model(_pruned(il6_axis, wanted=wanted, driven=RUN, changed=whole.parameter_ids))
    zero = set(whole.state_ids) - set(_ids(_pruned(il6_axis, wanted=_observed(il6_axis), driven=RUN)))
    chance = np.random.default_rng(6)
    for _ in range(10):
        parameters = list(whole.nominal() * chance.uniform(0.5, 2.0, len(whole.parameter_ids)))
        states = {id: 0.0 if id in zero else chance.uniform(0.1, 5.0) for id in whole.state_ids}
        inputs = [chance.uniform(0.1, 1.0) if id in RUN else 0.0 for id in whole.input_ids]

        def at(model, method, parameters=parameters, states=states, inputs=inputs):
            constants = model.constants(np, parameters)
            return getattr(model, method)(np, 1.0, inputs, [states[id] for id in model.state_ids], constants)

        expected = dict(zip(whole.state_ids, at(whole, "derivative"), strict=True))
        found = at(pruned, "derivative")
        np.testing.assert_allclose(found, [expected[id] for id in pruned.state_ids], rtol=1e-14)
        rules = at(whole, "computed")
        for id, value in at(pruned, "computed").items():
            np.testing.assert_allclose(value, rules[id], rtol=1e-14)


def test_a_solve_of_the_pruned_model_is_that_of_the_whole_one(root) -> None:
    from exsim.api import read_study
    from exsim.workflows import run_simulation

    rtol, observed = 1e-6, ["IL6", "IL10", "TNF", "cortisol"]
    study = read_study(root / "configs/simulate/marathon.toml", [f"solver.rtol={rtol}"])
    pruned = _pruned(study.model, wanted=observed, driven=RUN, changed=["body_mass"])
    assert len(pruned.states) < len(study.model.states)
    whole, small = (run_simulation(study.config.spec, model, "m").dataset for model in (study.model, pruned))
    for id in observed:
        error = np.abs(small[id].values - whole[id].values).max()
        assert error <= 10 * rtol * whole[id].values.max()


def test_a_wanted_state_that_stays_at_zero_remains_and_is_zero() -> None:
    model = _model(
        _state("y", Call("-", (Name("z"), _times(Name("k"), Name("y")))), Name("k")),
        _state("z", _times(Name("k"), Name("z"))),
    )
    pruned = _pruned(model, wanted=["y", "z"])
    assert [(state.id, state.rate) for state in pruned.states] == [
        ("y", Call("neg", (_times(Name("k"), Name("y")),))),
        ("z", Number(0.0)),
    ]


@pytest.mark.parametrize(
    ("rate", "stays"),
    [
        (_times(Name("k"), Call("^", (Name("z"), Name("n")))), True),
        (_times(Name("k"), Call("exp", (Name("z"),))), False),
        (Call("/", (Name("z"), Call("+", (Name("z"), Name("k"))))), True),
        (Call("/", (Name("z"), Name("z"))), False),
        (Call("^", (Name("z"), Number(-1.0))), False),
        (Call("max", (Call("sqrt", (Name("z"),)), Name("u"))), True),
        (Call("piecewise", (Name("k"), Call(">", (Name("u"), Number(0.0))), Name("z"))), True),
        (Call("piecewise", (Name("k"), Call("<=", (Name("u"), Number(0.0))), Name("z"))), False),
        (_times(Time(), Name("u")), True),
        (_times(Time(), Name("k")), False),
    ],
)
def test_a_rate_is_zero_by_its_structure_or_not_at_all(rate: Expr, stays: bool) -> None:
    model = _model(
        _state("y", Call("+", (DECAY, Name("z"))), Number(1.0)),
        _state("z", rate),
        inputs=(Input("u", "dimensionless"),),
    )
    assert ("z" not in _ids(_pruned(model))) == stays


def test_the_value_of_a_swept_parameter_is_not_that_of_the_model_file() -> None:
    model = _model(
        _state("y", Call("+", (DECAY, Name("z"))), Number(1.0)),
        _state("z", Call("-", (Name("made"), Name("z")))),
        parameters=(Parameter("k", 0.5, "1/h"), Parameter("made", 0.0, "pg/mL/h")),
    )
    assert _ids(_pruned(model)) == ["y"]
    assert _ids(_pruned(model, changed=["made"])) == ["y", "z"]
    assert _ids(_pruned(model, changed=["made"], values={"made": 2.0})) == ["y", "z"]
    assert _ids(_pruned(model, changed=["made"], values={"made": 0.0})) == ["y"]


def test_a_start_above_zero_is_seen_through_rules_and_computed_parameters() -> None:
    def model(level: float) -> ModelSpec:
        return _model(
            _state("y", Call("+", (DECAY, Name("z"))), Number(1.0)),
            _state("z", _times(Name("k"), Name("z")), Name("at rest")),
            parameters=(
                Parameter("k", 0.5, "1/h"),
                Parameter("level", level, "pg/mL"),
                Parameter("twice", None, "pg/mL", initial=_times(Number(2.0), Name("level"))),
            ),
            assignments=(Assignment("at rest", "pg/mL", Call("+", (Name("twice"), Name("u")))),),
            inputs=(Input("u", "pg/mL"),),
        )

    # The input is driven, but at rest at time 0.
    assert _ids(_pruned(model(0.0), driven=["u"])) == ["y"]
    kept = _pruned(model(1.0), driven=["u"])
    assert _ids(kept) == ["y", "z"]
    assert kept.parameters == model(1.0).parameters


def test_an_event_keeps_what_it_fills_and_loses_what_nobody_reads() -> None:
    model = _model(
        _state("y", Call("+", (DECAY, Name("filled"), Name("cleared"))), Number(1.0)),
        _state("filled", Number(0.0)),
        _state("cleared", Number(0.0)),
        _state("aside", Number(0.0)),
        events=(
            TimedEvent("meal", Name("n"), (("filled", Name("k")), ("cleared", Number(0.0)))),
            TimedEvent("other", Name("n"), (("aside", Number(1.0)),)),
        ),
    )
    pruned = _pruned(model)
    assert _ids(pruned) == ["y", "filled"]
    assert pruned.events == (TimedEvent("meal", Name("n"), (("filled", Name("k")),)),)


def test_an_event_time_keeps_what_it_follows_from() -> None:
    model = _model(
        _state("y", DECAY, Number(1.0)),
        parameters=(
            Parameter("k", 0.5, "1/h"),
            Parameter("late", None, "h", initial=Call("/", (Number(2.0), Name("k")))),
            Parameter("unused", None, "h", initial=Call("/", (Number(3.0), Name("k")))),
        ),
        events=(TimedEvent("dose", Name("late"), (("y", Number(5.0)),)),),
    )
    pruned = _pruned(model)
    assert [p.id for p in pruned.parameters] == ["k", "late"]
    assert compile_model(pruned).jump_times(np, compile_model(pruned).constants(np, [0.5])) == ([4.0], [])


def test_a_switch_goes_with_the_last_that_reads_it() -> None:
    model = _model(
        _state("y", _times(DECAY, Name("on")), Number(1.0)),
        _state("z", Name("elsewhere")),
        switches=(TimeSwitch("on", Name("n")), TimeSwitch("elsewhere", Name("k"))),
        reactions=(Reaction("r", DECAY, (("y", 1.0),)),),
    )
    pruned = _pruned(model)
    assert pruned.switches == (TimeSwitch("on", Name("n")),)
    assert pruned.reactions == ()


def test_a_truth_value_that_is_left_alone_in_a_sum_stays_a_number() -> None:
    model = _model(
        _state("y", Call("+", (Call(">", (Name("y"), Name("k"))), Name("z"))), Number(1.0)),
        _state("z", _times(Name("k"), Name("z"))),
    )
    pruned = compile_model(_pruned(model))
    rates = pruned.derivative(np, 0.0, [], [np.array([0.0, 1.0])], pruned.constants(np, [0.5, 3.0]))
    assert rates[0].dtype == np.float64
    assert rates[0].tolist() == [0.0, 1.0]


def test_a_model_of_which_nothing_would_remain_is_returned_as_it_is() -> None:
    model = _model(
        _state("y", DECAY), assignments=(Assignment("twice", "1/h", _times(Number(2.0), Name("k"))),)
    )
    assert _pruned(model, wanted=["twice"]) is model


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"wanted": ["x"]}, "small has no state or rule x"),
        ({"driven": ["y"]}, "small has no input y"),
        ({"dosed": ["k"]}, "small has no state k"),
        ({"changed": ["y"]}, "small has no parameter with a value y"),
        ({"values": {"y": 1.0}}, "small has no parameter with a value y"),
    ],
)
def test_an_id_that_the_model_lacks_is_named(said, words: str) -> None:
    with pytest.raises(KeyError, match=words):
        _pruned(_model(_state("y", DECAY)), **said)


def test_a_formula_deeper_than_the_stack_is_simplified() -> None:
    rate: Expr = DECAY
    for _ in range(3000):
        rate = Call("+", (rate, Name("z")))
    model = _model(_state("y", rate, Number(1.0)), _state("z", Name("z")))
    assert _pruned(model).states[0].rate == DECAY


STATES = ("a", "b", "c", "d")
_leaves = st.one_of(
    st.sampled_from(
        [*(Name(id) for id in STATES), Name("k"), Name("nil"), Name("u"), Name("off"), Name("r")]
    ),
    st.sampled_from([Number(0.0), Number(1.0), Number(2.0), Time()]),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda op, args: Call(op, tuple(args)),
            st.sampled_from(["+", "*", "min", "max"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(
            lambda op, a, b: Call(op, (a, b)), st.sampled_from(["-", "/", "^", ">", "<=", "=="]), inner, inner
        ),
        st.builds(
            lambda op, a: Call(op, (a,)), st.sampled_from(["neg", "abs", "sqrt", "sin", "exp", "tanh"]), inner
        ),
        st.builds(lambda v, c, w: Call("piecewise", (v, c, w)), inner, inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    rates=st.lists(st.one_of(st.just(Number(0.0)), _trees), min_size=4, max_size=4),
    starts=st.lists(st.sampled_from([Number(0.0), Name("nil"), Number(1.0)]), min_size=4, max_size=4),
    rule=_trees.filter(lambda tree: "r" not in names(tree)),
    wanted=st.sets(st.sampled_from([*STATES, "r"]), min_size=1),
    levels=st.lists(st.floats(0.1, 3.0), min_size=4, max_size=4),
    time=st.floats(0.1, 3.0),
)
def test_whatever_the_model_the_rates_of_what_is_left_are_unchanged(
    rates, starts, rule, wanted, levels, time
) -> None:
    """Where the whole model is a number: with zeros in place of what stays at zero there."""
    model = ModelSpec(
        "random",
        1.0,
        (Parameter("k", 0.5, "1/h"), Parameter("nil", 0.0, "1/h")),
        tuple(_state(id, rate, start) for id, rate, start in zip(STATES, rates, starts, strict=True)),
        assignments=(Assignment("r", "pg/mL", rule),),
        inputs=(Input("u", "dimensionless"), Input("off", "dimensionless")),
    )
    # What stays at zero is what is zero though every state is wanted.
    all_wanted = _pruned(model, wanted=STATES, driven=["u"])
    zero = {s.id for s in all_wanted.states if s.initial == s.rate == Number(0.0)}
    values = {id: 0.0 if id in zero else level for id, level in zip(STATES, levels, strict=True)}
    whole, pruned = compile_model(model), compile_model(_pruned(model, wanted=wanted, driven=["u"]))
    with np.errstate(all="ignore"):
        expected, found = (
            {
                **dict(zip(m.state_ids, m.derivative(np, *at, constants), strict=True)),
                **m.computed(np, *at, constants),
            }
            for m in (whole, pruned)
            for constants in [m.constants(np, [0.5, 0.0])]
            for at in [(time, [0.7, 0.0], [values[id] for id in m.state_ids])]
        )
    assert wanted <= found.keys()
    if not np.isfinite([float(value) for value in expected.values()]).all():
        return
    assert all(expected[id] == 0 for id in zero)
    for id, value in found.items():
        assert float(value) == pytest.approx(float(expected[id]), rel=1e-14, abs=0)


def test_leaving_out_nothing_leaves_the_formulas_as_they_are(il6_axis: ModelSpec) -> None:
    every = [item.id for item in (*il6_axis.states, *il6_axis.assignments)]
    pruned = _pruned(
        il6_axis,
        wanted=every,
        driven=[item.id for item in il6_axis.inputs],
        changed=[p.id for p in il6_axis.parameters],
        dosed=["LPS"],
    )
    assert pruned == replace(il6_axis, reactions=())
