"""ModelSpec -> Model: the right-hand side `f(t, inputs, species..., parameters...)` on lane vectors.

Every function here is elementwise: a state, an input or a parameter may be a number or an
array of lanes, and the same trace serves one solve, many lanes, or a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from .evaluation import Evaluator, Value, hoist
from .formula import Expr, names, uses_time
from .model_spec import Assignment, Input, ModelSpec, Parameter, State


@dataclass(frozen=True)
class Model:
    """A model in the form that the integrator takes. Holds no arrays; equal by its spec."""

    spec: ModelSpec

    def __repr__(self) -> str:
        return f"Model({self.spec.name}: {len(self.state_ids)} states, {len(self.parameter_ids)} parameters)"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # What notebooks and test tools show: the same line, not thousands of tree nodes.
        printer.text(repr(self))

    @cached_property
    def state_ids(self) -> tuple[str, ...]:
        """Ids of the states, in the order of every state tuple."""
        return tuple(state.id for state in self.spec.states)

    @cached_property
    def parameter_ids(self) -> tuple[str, ...]:
        """Ids of the parameters that have a value of their own, in the order of every parameter array."""
        return tuple(p.id for p in self.spec.parameters if p.initial is None)

    @cached_property
    def rule_ids(self) -> tuple[str, ...]:
        """Ids of what rules compute, in the order in which they are computed."""
        return tuple(item.id for item in self.spec.assignments)

    @cached_property
    def input_ids(self) -> tuple[str, ...]:
        """Ids of the inputs that a protocol drives, then of the switches in time."""
        return tuple(item.id for item in self.spec.inputs) + tuple(item.id for item in self.spec.switches)

    @cached_property
    def units(self) -> dict[str, str]:
        """Unit of every state, rule, parameter and input, by id."""
        spec = self.spec
        items: tuple[Parameter | Input | Assignment | State, ...] = (
            *spec.parameters,
            *spec.inputs,
            *spec.assignments,
            *spec.states,
        )
        return {item.id: item.unit for item in items}

    def nominal(self, replaced: Mapping[str, float] | None = None) -> np.ndarray:
        """Return the parameter values of the model file, some of them replaced; shape (parameter,).

        Raises KeyError for an id that is not among `parameter_ids`.
        """
        values = {p.id: p.value for p in self.spec.parameters if p.initial is None}
        unknown = set(replaced or {}) - set(values)
        if unknown:
            raise KeyError(f"{self.spec.name} has no parameter {', '.join(sorted(unknown))}")
        values.update(replaced or {})
        return np.array([values[id] for id in self.parameter_ids], dtype=np.float64)

    @cached_property
    def _initial_formulas(self) -> dict[str, Expr]:
        # What an id is at time 0: its initial assignment, its rule, or its number.
        formulas = {state.id: state.initial for state in self.spec.states}
        formulas.update({item.id: item.value for item in self.spec.assignments})
        formulas.update({p.id: p.initial for p in self.spec.parameters if p.initial is not None})
        return formulas

    @cached_property
    def fixed(self) -> frozenset[str]:
        """Ids of the parameters and of the rules that follow from them alone: the same at every time."""
        fixed = {p.id for p in self.spec.parameters}
        for item in self.spec.assignments:
            if names(item.value) <= fixed and not uses_time(item.value):
                fixed.add(item.id)
        return frozenset(fixed)

    @cached_property
    def _prepared(self) -> tuple[tuple[Expr, ...], dict[str, Expr], dict[str, Expr]]:
        # (derivatives, rules, parts hoisted out of both)
        moving = [item for item in self.spec.assignments if item.id not in self.fixed]
        trees, parts = hoist(
            [*(state.rate for state in self.spec.states), *(item.value for item in moving)], self.fixed
        )
        count = len(self.spec.states)
        rules = {item.id: tree for item, tree in zip(moving, trees[count:], strict=True)}
        return trees[:count], rules, parts

    def start(self, xp: ModuleType, parameters: Sequence[Value], inputs: Sequence[Value]) -> Evaluator:
        """Return the evaluator of everything at time 0, before the protocol starts."""
        values = dict(zip(self.parameter_ids, parameters, strict=True))
        values |= dict(zip(self.input_ids, inputs, strict=True))
        return Evaluator(xp, values, self._initial_formulas, time=0.0)

    def constants(self, xp: ModuleType, parameters: Sequence[Value]) -> dict[str, Value]:
        """Return all that does not change during a solve: parameters, and what follows from them."""
        at_start = self.start(xp, parameters, [0.0] * len(self.input_ids))
        # In the order of the model, never of a set: the compiled program is found again by its text.
        items: tuple[Parameter | Assignment, ...] = (*self.spec.parameters, *self.spec.assignments)
        values = {item.id: at_start.named(item.id) for item in items if item.id in self.fixed}
        _, _, parts = self._prepared
        evaluate = Evaluator(xp, values)
        return values | {id: evaluate(tree) for id, tree in parts.items()}

    def initial_state(self, xp: ModuleType, parameters: Sequence[Value]) -> tuple[Value, ...]:
        """Return the states at time 0 with every input at rest."""
        at_start = self.start(xp, parameters, [0.0] * len(self.input_ids))
        return tuple(at_start.named(id) for id in self.state_ids)

    def observer(
        self,
        xp: ModuleType,
        time: Value,
        inputs: Sequence[Value],
        states: Sequence[Value],
        constants: Mapping[str, Value],
    ) -> Evaluator:
        """Return the evaluator of any formula at a time of a solve."""
        values = dict(constants)
        values |= dict(zip(self.input_ids, inputs, strict=True))
        values |= dict(zip(self.state_ids, states, strict=True))
        return Evaluator(xp, values, self._prepared[1], time)

    def derivative(
        self,
        xp: ModuleType,
        time: Value,
        inputs: Sequence[Value],
        states: Sequence[Value],
        constants: Mapping[str, Value],
    ) -> tuple[Value, ...]:
        """Return d(state)/dt, per model time unit, in the order of `state_ids`."""
        evaluate = self.observer(xp, time, inputs, states, constants)
        return tuple(evaluate(tree) for tree in self._prepared[0])

    def computed(
        self,
        xp: ModuleType,
        time: Value,
        inputs: Sequence[Value],
        states: Sequence[Value],
        constants: Mapping[str, Value],
    ) -> dict[str, Value]:
        """Return the quantities that rules compute, by id."""
        evaluate = self.observer(xp, time, inputs, states, constants)
        return {item.id: evaluate.named(item.id) for item in self.spec.assignments}

    def assigned(
        self,
        xp: ModuleType,
        event: int,
        time: Value,
        inputs: Sequence[Value],
        states: Sequence[Value],
        constants: Mapping[str, Value],
    ) -> tuple[Value, ...]:
        """Return the states after event number `event`, from those before it."""
        evaluate = self.observer(xp, time, inputs, states, constants)
        new = {id: evaluate(tree) for id, tree in self.spec.events[event].assignments}
        return tuple(new.get(id, old) for id, old in zip(self.state_ids, states, strict=True))

    def jump_times(self, xp: ModuleType, constants: Mapping[str, Value]) -> tuple[list[Value], list[Value]]:
        """Return the times of the events and of the switches, in model time units."""
        evaluate = Evaluator(xp, constants)
        return (
            [evaluate(event.time) for event in self.spec.events],
            [evaluate(switch.threshold) for switch in self.spec.switches],
        )


@lru_cache(maxsize=64)
def compile_model(spec: ModelSpec) -> Model:
    """Return the model of a spec; the same object for an equal spec, so that nothing is traced twice."""
    return Model(spec)
