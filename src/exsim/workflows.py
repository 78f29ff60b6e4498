"""Pure glue: a checked config and a model -> a labelled run. Reads and writes no file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from .datasets import trajectory_dataset
from .errors import Problem, RefusedError, SolveError
from .formula import names
from .jax_setup import jax, jnp
from .model import Model, compile_model
from .model_spec import ModelCard, ModelSpec
from .protocol import Protocol, compile_protocol
from .settling import at_rest, start_of
from .solving import STATUS_TEXT, Status, Trajectory, solve
from .spec import RunSpec, SolverSpec
from .version import __version__

#: Said of every run of more than one bout.
NO_ADAPTATION = "repeated bouts are repeated acute bouts: there is no training adaptation"

#: What a second try tightens the tolerances by when a concentration fell below zero.
TIGHTENED = 1e-2


@dataclass(frozen=True)
class Run:
    """One finished simulation: the labelled curves and what is worth recording about them."""

    dataset: xr.Dataset
    #: Method that was used, steps, status and times, for the record.
    solver: dict[str, Any]
    warnings: tuple[str, ...]


def run_simulation(spec: RunSpec, model_spec: ModelSpec, name: str, title: str = "") -> Run:
    """Simulate one checked config and return its labelled curves.

    `name` and `title` are put on the curves; without a title the model's own stands there.
    Raises SolveError, with the time reached and what to do, if the end is not reached, and
    RefusedError for a model without states.
    """
    if not model_spec.states:
        raise RefusedError(
            Problem(
                f"the model {model_spec.name} has nothing that changes with time",
                hint="give it a species with a reaction, or a rate rule",
            )
        )
    model = compile_model(model_spec)
    protocol = compile_protocol(spec, model)
    parameters = parameter_values(spec, model)
    check_start(model, parameters)
    rest = resting_levels(model, parameters)
    if model.spec.settles:
        _check_settled(model, rest)
    started = time.monotonic(), time.process_time()
    trajectory, method, warnings = _solve_with_fallbacks(
        model, protocol, parameters, output_times_h(spec, protocol), spec.solver
    )
    if sum(bout.times for bout in protocol.bouts) > 1:
        warnings.append(NO_ADAPTATION)
    solver = {
        "method": method,
        "rtol": spec.solver.rtol,
        "atol": spec.solver.atol,
        "precision": spec.solver.precision,
        "steps": int(trajectory.steps),
        "rejected_steps": int(trajectory.rejected_steps),
        # Values between -atol and 0 are kept as they are, and counted.
        "values_below_zero": sum(int((curve < 0).sum()) for _, curve in _amounts(model, trajectory)),
        "status": STATUS_TEXT[Status(int(trajectory.status))],
        "wall_s": time.monotonic() - started[0],
        "cpu_s": time.process_time() - started[1],
    }
    attributes = {"config": name, "exsim_version": __version__} | ({"title": title} if title else {})
    dataset = trajectory_dataset(model, protocol, trajectory, rest, attributes)
    return Run(dataset, solver, (*model_spec.warnings, *warnings))


def output_times_h(spec: RunSpec, protocol: Protocol) -> np.ndarray:
    """Return the output times of a config in hours, 0 first, the end of the simulation last.

    A grid (`every`) is joined by the start and the end of every bout, infusion and intake, since "at
    the finish" is when papers measure.
    """
    until = spec.output.until.to("h")
    joined = [0.0, until]
    if spec.output.times is not None:
        end_h = spec.protocol.end_h
        times = np.array([item.hours(end_h) for item in spec.output.times])
    else:
        every = spec.output.every.to("h")
        times = np.arange(int(np.floor(until / every * (1 + 1e-12))) + 1) * every
        windows = [window for bout in protocol.bouts for window in bout.repetitions()]
        windows += [protocol.window(infusion) for infusion in protocol.infusions]
        joined += [float(edge) for window in windows for edge in window]
    new = [t for t in joined if 0.0 <= t <= until and not np.isclose(times, t, rtol=1e-12, atol=1e-12).any()]
    return np.unique(np.concatenate([times, new]))


def resting_levels(model: Model, parameters: np.ndarray) -> dict[str, float]:
    """Return every state and rule before anything is done, by id, in the units of the model."""
    ids = (*model.state_ids, *model.rule_ids)
    if model.spec.settles:
        with jax.enable_x64(True):
            rows = [jnp.asarray(value) for value in parameters]
            constants = model.constants(jnp, rows)
            found = at_rest(model, rows, constants, start_of(model, rows, constants, (), np.float64))
            return {id: float(found.named(id)) for id in ids}
    with np.errstate(all="ignore"):
        at_start = model.start(np, list(parameters), [0.0] * len(model.input_ids))
        return {id: float(at_start.named(id)) for id in ids}


def parameter_values(spec: RunSpec, model: Model) -> np.ndarray:
    """Return the parameters of the model with those that the config replaces, in the model's units.

    `[parameter]` entries, the subject's properties and the levels measured at rest each replace one.
    """
    card = model.spec.card
    replaced = {id: _in_unit(value, model.units[id]) for id, value in spec.parameter.items()}
    if card is not None:
        properties, baselines = dict(card.subject), dict(card.baselines)
        given = {
            "body_mass": spec.subject.body_mass,
            "muscle_glycogen": spec.subject.muscle_glycogen,
        }
        for name, value in given.items():
            if value is not None and name in properties:
                replaced[properties[name]] = _in_unit(value, model.units[properties[name]])
        for analyte, level in spec.subject.baseline.items():
            replaced[baselines[analyte]] = _in_unit(level, model.units[baselines[analyte]])
    return model.nominal(replaced)


def _in_unit(value: Any, unit: str) -> float:
    return float(value) if isinstance(value, int | float) else value.to(unit)


def check_start(model: Model, parameters: np.ndarray) -> None:
    """Raise SolveError if a rate law or rule is not a number at time 0, with the values in it."""
    with np.errstate(all="ignore"):
        at_start = model.start(np, list(parameters), [0.0] * len(model.input_ids))
        places = [(f"reaction {item.id}", item.rate) for item in model.spec.reactions]
        places += [(f"rule for {item.id}", item.value) for item in model.spec.assignments]
        places += [(f"rate of {item.id}", item.rate) for item in model.spec.states]
        for place, tree in places:
            value = at_start(tree)
            if not np.all(np.isfinite(value)):
                inside = ", ".join(f"{id} = {float(at_start.named(id)):g}" for id in sorted(names(tree)))
                raise SolveError(
                    f"{place} is {float(value)} at the start, with {inside}.\n"
                    "  Check the formula and these values: 0/0, log of 0 or a power of a negative number.",
                    Status.NOT_FINITE,
                    0.0,
                )


def _check_settled(model: Model, rest: dict[str, float]) -> None:
    lost = [id for id in model.state_ids if not np.isfinite(rest[id])]
    if lost:
        raise SolveError(
            f"{STATUS_TEXT[Status.NO_STEADY_STATE]}: with nothing done, {model.spec.name} does not settle.\n"
            '  Way out: write initial_state = "rest" to begin at the values of the model file, or look for a'
            " state that is made and never removed.",
            Status.NO_STEADY_STATE,
            0.0,
        )


def _solve_with_fallbacks(
    model: Model, protocol: Protocol, parameters: np.ndarray, times_h: np.ndarray, solver: SolverSpec
) -> tuple[Trajectory, str, list[str]]:
    warnings: list[str] = []
    method = "tsit5" if solver.method == "auto" else solver.method
    values = parameters.astype(solver.precision)

    def attempt(tightening: float = 1.0) -> Trajectory:
        return solve(
            model,
            protocol,
            values,
            times_h,
            method=method,
            rtol=solver.rtol * tightening,
            atol=solver.atol * tightening,
            max_steps=solver.max_steps,
        )

    trajectory = attempt()
    if int(trajectory.status) == Status.STEP_BUDGET and solver.method == "auto":
        warnings.append(
            f"tsit5 spent {solver.max_steps} steps by {float(trajectory.reached_h):.4g} h; kvaerno5 took over"
        )
        method = "kvaerno5"
        trajectory = attempt()
    if int(trajectory.status) != Status.DONE:
        raise _failure(model, parameters, trajectory, method, solver)
    if _below_zero(model, trajectory, solver.atol):
        tighter = attempt(TIGHTENED)
        if int(tighter.status) == Status.DONE:
            trajectory, said = tighter, f"solved again with tolerances {1 / TIGHTENED:g} times tighter"
        else:
            said = f"kept, as with tighter tolerances {STATUS_TEXT[Status(int(tighter.status))]}"
        warnings.append(f"a species fell below zero: {said}")
        warnings += [
            f"{id} falls to {low:.3g} at {at:.4g} h whatever the tolerance: the model takes it below zero"
            for id, low, at in _below_zero(model, trajectory, solver.atol)
        ]
    return trajectory, method, warnings


def _amounts(model: Model, trajectory: Trajectory) -> list[tuple[str, np.ndarray]]:
    # The curves of what starts at zero or above and cannot be negative: species, and parameters with
    # a rate rule that a lab measures or a dose raises, as the card says.
    card = model.spec.card or ModelCard(title="")
    named = {item.id for item in card.observables} | {state for _, state in card.boluses}
    return [
        (state.id, curve)
        for state, curve in zip(model.spec.states, np.asarray(trajectory.states), strict=True)
        if (state.kind != "parameter" or state.id in named) and curve[0] >= 0
    ]


def _below_zero(model: Model, trajectory: Trajectory, atol: float) -> list[tuple[str, float, float]]:
    # What fell below -atol: (id, lowest value, time in hours).
    return [
        (id, float(curve.min()), float(trajectory.time_h[curve.argmin()]))
        for id, curve in _amounts(model, trajectory)
        if curve.min() < -atol
    ]


def _failure(
    model: Model,
    parameters: np.ndarray,
    trajectory: Trajectory,
    method: str,
    solver: SolverSpec,
) -> SolveError:
    status, reached_h = Status(int(trajectory.status)), float(trajectory.reached_h)
    states = [float(value) for value in trajectory.reached_states]
    largest = int(np.nanargmax(np.abs(states)))
    lines = [
        f"{method}: {STATUS_TEXT[status]}; {reached_h:.6g} h of {float(trajectory.time_h[-1]):g} h reached."
    ]
    lines.append(f"  Largest state there: {model.state_ids[largest]} = {states[largest]:.4g}.")
    if status == Status.STEP_BUDGET:
        fastest, rate = _fastest(model, parameters, states)
        lines.append(f"  Fastest state there: {fastest} (about {rate:.3g} per model time unit).")
        advice = (
            "raise solver.max_steps" if method == "kvaerno5" else 'set solver.method = "kvaerno5" (stiff)'
        )
        lines.append(f"  Way out: {advice}, or loosen solver.rtol (now {solver.rtol:g}).")
    else:
        lines.append(
            "  Way out: look at the rates of that state and at the parameters that the config replaces."
        )
    return SolveError("\n".join(lines), status, reached_h)


def _fastest(model: Model, parameters: np.ndarray, states: list[float]) -> tuple[str, float]:
    # The state whose own rate of change depends on itself most: the diagonal of the Jacobian.
    with np.errstate(all="ignore"):
        inputs = [0.0] * len(model.input_ids)
        constants = model.constants(np, list(parameters))
        rates = model.derivative(np, 0.0, inputs, states, constants)
        diagonal = []
        for index, value in enumerate(states):
            step = 1e-6 * max(abs(value), 1e-6)
            moved = [*states[:index], value + step, *states[index + 1 :]]
            shifted = model.derivative(np, 0.0, inputs, moved, constants)
            diagonal.append(abs(float(shifted[index]) - float(rates[index])) / step)
    index = int(np.nanargmax(diagonal))
    return model.state_ids[index], diagonal[index]
