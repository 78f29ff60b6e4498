"""The structure of a model and elimination in it."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.formula import Call, Name, Number, Time
from exsim.lanes.elimination import (
    Sparsity,
    factorise,
    model_sparsity,
    plan_elimination,
    substitute_back,
    substitute_forward,
)
from exsim.model import compile_model
from exsim.model_spec import Assignment, ModelSpec, Parameter, State


def _state(id, rate):
    return State(id, "pg/mL", Number(1.0), rate, "concentration", "plasma")


def test_a_rate_depends_on_what_its_rules_depend_on() -> None:
    rules = (
        Assignment("effect", "1/h", Call("*", (Name("k"), Name("inner")))),
        Assignment("inner", "dimensionless", Call("/", (Name("b"), Name("b")))),
    )
    states = (
        _state("a", Call("*", (Name("effect"), Name("a")))),
        _state("b", Call("neg", (Name("b"),))),
        _state("c", Name("k")),
    )
    spec = ModelSpec(
        name="chain",
        time_unit_h=1.0,
        parameters=(Parameter("k", 1.0, "1/h"),),
        states=states,
        assignments=rules,
    )
    assert model_sparsity(compile_model(spec)) == Sparsity(((0, 1), (1,), ()), uses_time=False)


def test_time_in_a_rule_counts_as_time_in_the_rate() -> None:
    rules = (Assignment("clock", "h", Call("sin", (Time(),))),)
    states = (_state("a", Name("clock")),)
    spec = ModelSpec(name="clock", time_unit_h=1.0, parameters=(), states=states, assignments=rules)
    assert model_sparsity(compile_model(spec)).uses_time


@pytest.mark.parametrize("seed", range(5))
def test_factors_solve_a_random_sparse_system(seed) -> None:
    chance = np.random.default_rng(seed)
    count = 9
    pattern = chance.random((count, count)) < 0.25
    matrix = np.where(pattern, chance.normal(size=(count, count)), 0.0) + 4.0 * np.eye(count)
    right = chance.normal(size=count)
    plan = plan_elimination(tuple(tuple(np.flatnonzero(row).tolist()) for row in pattern))
    places = {(i, j): matrix[i, j] for i in range(count) for j in range(count) if matrix[i, j]}
    factors = factorise(plan, places)
    solved = substitute_back(plan, factors, substitute_forward(plan, factors, list(right)))
    np.testing.assert_allclose(solved, np.linalg.solve(matrix, right), rtol=1e-12)
    # Every place is one that the plan has foreseen.
    foreseen = {(k, k) for k in plan.order}
    foreseen |= {(i, k) for k in plan.order for i in plan.below[k]}
    foreseen |= {(k, j) for k in plan.order for j in plan.right[k]}
    assert set(factors) <= foreseen


def test_an_arrow_is_eliminated_from_its_tips_without_fill_in() -> None:
    arrow = ((0, 1, 2, 3, 4), (0, 1), (0, 2), (0, 3), (0, 4))
    plan = plan_elimination(arrow)
    assert plan.order.index(0) >= 3
    assert sum(map(len, plan.below)) == 4
