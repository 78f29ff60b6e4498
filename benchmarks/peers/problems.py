"""What is integrated: a model, a protocol, many draws of its parameters; and the runs to check against."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from exsim import api
from exsim.formula import Call, Name, Number
from exsim.inputs.model_files import load_model
from exsim.jax_setup import jax, jnp
from exsim.model import Model, compile_model
from exsim.model_spec import Input, ModelSpec, Parameter, State
from exsim.protocol import Infusion, Protocol, build_schedule, compile_protocol
from exsim.solving import solve
from exsim.workflows import output_times_h, parameter_values

ROOT = Path(__file__).resolve().parents[2]
MARATHON = ROOT / "configs" / "simulate" / "marathon.toml"
SUITES = Path(os.environ.get("EXSIM_SUITES", ROOT.parent / "shared" / "suites"))
IL6_AXIS = ROOT / "models" / "il6_axis" / "model.xml"
MARATHON_NAME = "il6_axis, marathon"
TEN_STATE = SUITES / "speed" / "il6_ten_state.xml"

#: Lanes of the reference run, which takes ten times the steps of the others.
REFERENCE_GROUP = 64


@dataclass(frozen=True)
class Run:
    """A prepared run: `solve()` integrates all draws and is what is timed."""

    solve: Callable[[], Any]
    #: What `solve` gave, in the engine's own order -> (draw, time, state).
    states: Callable[[Any], np.ndarray] = np.asarray

    def __call__(self) -> np.ndarray:
        """Return the states of all draws, shape (draw, time, state)."""
        return self.states(self.solve())


@dataclass(frozen=True)
class Problem:
    """Many solves of one model under one protocol; times in hours, the models are in hours too."""

    name: str
    model: Model
    protocol: Protocol
    #: In the order of `model.parameter_ids`; shape (draw, parameter).
    parameters: np.ndarray
    #: Output times, the first of them 0.
    times_h: np.ndarray

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.parameters)

    def first(self, draws: int) -> Problem:
        """Return the same problem with the first draws only."""
        return replace(self, parameters=self.parameters[:draws])

    def sorted_by(self, key: np.ndarray) -> Problem:
        """Return the same draws in the order of a number of each."""
        return replace(self, parameters=self.parameters[np.argsort(key, kind="stable")])

    @cached_property
    def constants(self) -> dict[str, np.ndarray]:
        """All that does not change during a solve, by id; each of shape (draw,)."""
        values = self.model.constants(np, list(self.parameters.T))
        return {id: np.broadcast_to(np.asarray(value, float), self.draws) for id, value in values.items()}

    @cached_property
    def start(self) -> np.ndarray:
        """States at time 0; shape (draw, state)."""
        values = self.model.initial_state(np, list(self.parameters.T))
        return np.stack([np.broadcast_to(np.asarray(y, float), self.draws) for y in values], axis=1)

    @cached_property
    def segments(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges (segment + 1,) in hours between which the inputs are constant, and these (segment, input)."""
        with jax.enable_x64(True):
            first = {id: jnp.asarray(value[0]) for id, value in self.constants.items()}
            schedule = build_schedule(self.model, self.protocol, first, self.times_h[-1])
            edges = np.asarray(schedule.edges)
            levels = [np.asarray(level) for level in schedule.inputs]
        inputs = np.stack(levels, axis=1) if levels else np.zeros((len(edges) - 1, 0))
        lasts = np.diff(edges) > 0
        return np.append(edges[:-1][lasts], edges[-1]), np.ascontiguousarray(inputs[lasts])

    def reference(self) -> np.ndarray:
        """Return all draws at rtol 1e-12, by exsim's own lanes; shape (draw, time, state)."""
        found = []
        for begin in range(0, self.draws, REFERENCE_GROUP):
            lanes = self.parameters[begin : begin + REFERENCE_GROUP].T
            run = solve(self.model, self.protocol, lanes, self.times_h, rtol=1e-12, atol=1e-15)
            found.append(np.moveaxis(np.asarray(run.states), 2, 0))
        return np.concatenate(found).transpose(0, 2, 1)


def errors(states: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the error of each draw: the largest |y - ref| / max |ref| over its states and times."""
    reference = reference[: len(states)]
    scale = np.abs(reference).max(axis=1, keepdims=True)
    driven = scale > 0
    share = np.abs(states[: len(reference)] - reference) / np.where(driven, scale, 1.0)
    return np.where(driven, share, 0.0).max(axis=(1, 2))


def ten_state(draws: int) -> Problem:
    """Return the ten-state problem of the speed suite; the input `u` is driven from 1 to 4.5 h."""
    if not TEN_STATE.is_file():
        sys.exit(f"public test suites not found at {SUITES} (set EXSIM_SUITES)")
    spec = with_inputs(load_model(str(TEN_STATE), ROOT), ("u",))
    model = compile_model(spec)
    z = np.random.default_rng(0).standard_normal((draws, 25))
    window = Infusion(start_h=1.0, duration_h=3.5, level=1.0, input="u")
    parameters = model.nominal() * np.exp(0.5 * z)
    return Problem("ten states", model, Protocol(infusions=(window,)), parameters, np.linspace(0, 24, 100))


def with_inputs(spec: ModelSpec, ids: tuple[str, ...]) -> ModelSpec:
    """Return a model in which quantities that only events at known times set are inputs of a protocol."""
    return replace(
        spec,
        states=tuple(state for state in spec.states if state.id not in ids),
        inputs=(*spec.inputs, *(Input(id, "dimensionless") for id in ids)),
        events=(),
    )


def marathon(draws: int) -> Problem:
    """Return `il6_axis` in a marathon until 12 h; what was fitted or assumed varies with sigma 0.3."""
    study = api.read_study(MARATHON, ["output.until='12 h'", "output.every='6 min'"])
    model = compile_model(study.model)
    protocol = compile_protocol(study.config.spec, model)
    nominal = parameter_values(study.config.spec, model)
    cards = dict(study.model.card.parameters)
    # The bout that the SBML carries is not in it: the protocol takes its place.
    varied = [
        id in cards
        and cards[id].grade in ("fitted", "assumed")
        and not id.startswith("bout_")
        and nominal[index] > 0
        for index, id in enumerate(model.parameter_ids)
    ]
    z = np.random.default_rng(0).standard_normal((draws, len(nominal)))
    parameters = nominal * np.exp(0.3 * np.where(varied, z, 0.0))
    return Problem(MARATHON_NAME, model, protocol, parameters, output_times_h(study.config.spec, protocol))


def chain(states: int, draws: int) -> Problem:
    """Return a chain of compartments with one saturable step each, driven for 3.5 h; rates of about 2 /h."""
    one = Number(1.0)
    previous = Name("u")
    found = []
    for number in range(states):
        id = f"x{number}"
        made = Call("/", (Call("*", (Name("gain"), previous)), Call("+", (one, previous))))
        lost = Call("*", (Name(f"k{number}"), Name(id)))
        rate = Call("-", (Call("*", (Name(f"k{number}"), made)), lost))
        found.append(State(id, "dimensionless", Number(0.0), rate, "parameter"))
        previous = Name(id)
    parameters = [Parameter("gain", 2.0, "dimensionless")]
    parameters += [Parameter(f"k{number}", 2.0, "1/h") for number in range(states)]
    inputs = (Input("u", "dimensionless"),)
    model = compile_model(ModelSpec(f"chain{states}", 1.0, tuple(parameters), tuple(found), inputs=inputs))
    z = np.random.default_rng(0).standard_normal((draws, states + 1))
    window = Infusion(start_h=1.0, duration_h=3.5, level=1.0, input="u")
    values = model.nominal() * np.exp(0.5 * z)
    return Problem(
        f"chain of {states}", model, Protocol(infusions=(window,)), values, np.linspace(0, 24, 100)
    )
