"""A checked config with a `[sweep]` -> everything that its draws share: task, numbers, design."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..designs import Design, Draws, sweep_design
from ..errors import SolveError
from ..integrating import Status
from ..jax_setup import jax, jnp
from ..model import Model, compile_model
from ..model_spec import ModelSpec
from ..protocol import Protocol, build_schedule, compile_protocol
from ..pruning import prune_model
from ..spec import RunSpec
from ..summaries import falls
from ..sweep_metrics import Metric, read_metric
from ..sweep_placement import driven_inputs, place_draws
from ..sweep_spec import SweepSpec
from ..sweep_targets import Analyte, Target, analytes, resolve_targets
from ..sweep_terms import parameter_of
from ..workflows import output_times_h, parameter_values, run_simulation
from .block import BLOCK_DRAWS, GROUP_LANES, BlockNumbers, BlockTask, solve_block
from .measuring import NODES, Measure, OutputGrid

#: Tolerances of float32, a declared screening mode, where the config gives none: an error below 1e-3 of
#: each peak on the ten-state problem (benchmarks/RESULTS.md), where 1e-4 makes it 7e-3.
SCREENING_RTOL, SCREENING_ATOL = 3e-5, 1e-6
#: A lane that alone needs steps this many times shorter than the mean step of the nominal run is frozen.
LONE_STEP_FACTOR = 16
#: Steps of its own for each lane cost about so many times a shared one (selects in place of branches).
OWN_STEP_COST = 3
#: Draws that tell whether lanes share their steps.
PILOT_DRAWS = 256
#: Percentile bands are kept at so many of the output times at least, where there are as many.
BAND_TIMES = 97
#: The method that takes over what the explicit one cannot do: draws that ended so.
STIFF_METHOD = "rodas"
TRIED_AGAIN = (int(Status.STEP_BUDGET), int(Status.STEP_TOO_SMALL))
#: `[solver] method` -> what lanes do. An implicit method that iterates would couple them.
METHODS = {"auto": "tsit5", "tsit5": "tsit5", "kvaerno5": STIFF_METHOD}


@dataclass(frozen=True)
class Measured:
    """One metric of the sweep: the words of the config, and what is computed for them."""

    variable: str
    analyte: str
    word: str
    unit: str
    label: str
    measure: Measure


@dataclass(frozen=True)
class SweepPlan:
    """All that the draws of a sweep share. `solve_draws` of `exsim.sweeping.running` does the rest."""

    spec: RunSpec
    sweep: SweepSpec
    name: str
    #: As the file gives it; the task has what is left of it after pruning.
    model: Model
    targets: tuple[Target, ...]
    design: Design
    seed: int
    protocol: Protocol
    metrics: tuple[Measured, ...]
    #: Analytes whose curves or percentiles are kept, by name.
    curves: Mapping[str, Analyte]
    task: BlockTask
    #: The task of the draws that the explicit method could not do; None if there is no second try.
    stiff_task: BlockTask | None
    numbers: BlockNumbers
    warnings: tuple[str, ...]

    @property
    def precision(self) -> str:
        """Precision of the numbers: "float64" or "float32"."""
        return self.spec.solver.precision


def plan_sweep(
    spec: RunSpec, model_spec: ModelSpec, name: str, seed: int, listed: Draws | None = None
) -> SweepPlan:
    """Work out what the draws of a checked config share; solves the nominal run and a small pilot.

    `listed` holds the draws of a table or posterior. Raises SolveError if a rate law is no number at
    the start of the nominal run; that run may stop early, since draws may do what it cannot.
    """
    sweep = spec.sweep
    assert sweep is not None
    model = compile_model(model_spec)
    targets = resolve_targets(spec, model_spec)
    design = sweep_design(sweep, targets, seed, listed)
    known = analytes(model_spec)
    metrics = tuple(
        _measured(name, known[name], read_metric(text))
        for name, texts in sweep.metrics.items()
        for text in texts
    )
    curves = {name: known[name] for name in dict.fromkeys((*sweep.bands, *sweep.trajectories))}
    observed = tuple(
        dict.fromkeys([item.measure.id for item in metrics] + [item.id for item in curves.values()])
    )
    protocol = compile_protocol(spec, model)
    rows = sorted({row for target in targets if (row := _row(target, model)) is not None})
    pruned = _pruned(spec, model, targets, observed, rows)
    falling, steps, warnings = _nominal(spec, model_spec, name, observed)
    solver = spec.solver
    task = BlockTask(
        model=pruned,
        method=METHODS[solver.method],
        shared_steps=sweep.stepping != "own",
        max_steps=solver.max_steps,
        varied=tuple(rows),
        observed=observed,
        falling=falling,
        measures=tuple(item.measure for item in metrics),
        curves=tuple(item.id for item in curves.values()),
        grid=None,
        # Groups go one after another: an accelerator takes a block as one.
        width=GROUP_LANES if jax.default_backend() == "cpu" else BLOCK_DRAWS,
    )
    numbers = _numbers(spec, sweep, model, protocol, metrics, steps)
    plan = SweepPlan(
        spec,
        sweep,
        name,
        model,
        targets,
        design,
        seed,
        protocol,
        metrics,
        curves,
        task,
        None,
        numbers,
        warnings,
    )
    plan = replace(plan, task=replace(task, grid=_grid(plan)))
    return _with_pilot(plan, steps)


def block_numbers(plan: SweepPlan, values: Draws, task: BlockTask) -> BlockNumbers:
    """Return the numbers of draws with these values of the targets, (draw, target), padded to a block."""
    count, size = len(values), plan.task.draws
    padded = np.concatenate([values, np.repeat(values[-1:], size - count, axis=0)])
    parameters, protocol = place_draws(plan.model, plan.spec, plan.targets, padded)
    dtype = np.dtype(plan.precision)
    # Who holds up nobody, or is solved by what comes last, is not given up early.
    hasty = task.shared_steps and task.method != STIFF_METHOD
    return replace(
        plan.numbers,
        lone_step_h=plan.numbers.lone_step_h if hasty else np.zeros_like(plan.numbers.lone_step_h),
        varied=parameters[list(plan.task.varied)].astype(dtype),
        protocol=jax.tree.map(lambda leaf: np.asarray(leaf, dtype), protocol.without_names()),
        count=np.asarray(count),
    )


def _measured(name: str, analyte: Analyte, metric: Metric) -> Measured:
    variable = metric.variable(name)
    measure = Measure(
        variable,
        analyte.id,
        {"threshold": "time_above_h", "moment": "value_at"}.get(_given(metric), metric.column),
        level=0.0 if metric.threshold is None else metric.threshold.to(analyte.unit or "dimensionless"),
        time_h=0.0 if metric.moment is None else metric.moment.offset.to("h"),
        after_end=metric.moment is not None and metric.moment.after_end,
    )
    return Measured(
        variable, name, metric.word, metric.unit(analyte.unit), metric.label(analyte.label), measure
    )


def _given(metric: Metric) -> str:
    return "threshold" if metric.threshold is not None else "moment" if metric.moment is not None else ""


def _row(target: Target, model: Model) -> int | None:
    id = parameter_of(target.path, model.spec)
    return None if id is None else model.parameter_ids.index(id)


def _pruned(
    spec: RunSpec, model: Model, targets: tuple[Target, ...], observed: tuple[str, ...], rows: list[int]
) -> Model:
    protocol = compile_protocol(spec, model)
    nominal = parameter_values(spec, model)
    return compile_model(
        prune_model(
            model.spec,
            wanted=observed,
            driven=driven_inputs(model, protocol, targets),
            changed=[model.parameter_ids[row] for row in rows],
            dosed=[bolus.state for bolus in protocol.boluses],
            values={
                id: float(value)
                for row, (id, value) in enumerate(zip(model.parameter_ids, nominal, strict=True))
                if row not in rows
            },
        )
    )


def _nominal(
    spec: RunSpec, model_spec: ModelSpec, name: str, observed: tuple[str, ...]
) -> tuple[tuple[bool, ...], int | None, tuple[str, ...]]:
    # Which analytes fall in the nominal run, its steps, and what there is to say about it.
    try:
        run = run_simulation(spec, model_spec, name)
    except SolveError as error:
        if error.time_h == 0.0 and error.status == Status.NOT_FINITE:
            raise
        said = f"the nominal run stops early: {str(error).partition(chr(10))[0]}"
        return (False,) * len(observed), None, (said,)
    falling = []
    for id in observed:
        rest = run.dataset[id].attrs.get("rest")
        values = np.asarray(run.dataset[id].values, dtype=float)
        falling.append(bool(falls(values, None if rest is None else np.float64(rest))))
    return tuple(falling), int(run.solver["steps"]), run.warnings


def _numbers(
    spec: RunSpec,
    sweep: SweepSpec,
    model: Model,
    protocol: Protocol,
    metrics: tuple[Measured, ...],
    steps: int | None,
) -> BlockNumbers:
    solver, until_h = spec.solver, spec.output.until.to("h")
    dtype = np.dtype(solver.precision)
    rtol, atol = tolerances(spec)
    times_h = output_times_h(spec, protocol)
    # Among the output times: what is kept besides changes no metric.
    apart = 1 if sweep.trajectories else max(1, (len(times_h) - 1) // (BAND_TIMES - 1))
    curve_times_h = np.unique(np.append(times_h[::apart], times_h[-1]))
    asked = [item.measure for item in metrics if item.measure.kind == "value_at"]
    at_h = [item.time_h + (float(protocol.end_h) if item.after_end else 0.0) for item in asked]
    inside = [time for time in at_h if 0.0 <= time <= until_h]
    new = [t for t in inside if not np.isclose(times_h, t, rtol=1e-12, atol=1e-12).any()]
    return BlockNumbers(
        parameters=parameter_values(spec, model).astype(dtype),
        varied=np.zeros((0, BLOCK_DRAWS), dtype),
        protocol=protocol.without_names(),
        count=np.asarray(0),
        part=np.asarray(0),
        times_h=np.unique(np.concatenate([times_h, new])).astype(dtype),
        curve_times_h=curve_times_h.astype(dtype),
        until_h=np.asarray(until_h, dtype),
        rtol=np.asarray(rtol, dtype),
        atol=np.asarray(atol, dtype),
        # Where the second try exists, a lane may be given up early: it is not lost.
        lone_step_h=np.asarray(
            until_h / (LONE_STEP_FACTOR * steps) if steps and solver.method == "auto" else 0.0, dtype
        ),
    )


def tolerances(spec: RunSpec) -> tuple[float, float]:
    """Return (rtol, atol) of a sweep: those of the config, or of the screening mode for float32."""
    solver = spec.solver
    if solver.precision == "float64":
        return solver.rtol, solver.atol
    given = solver.model_fields_set
    return (
        solver.rtol if "rtol" in given else SCREENING_RTOL,
        solver.atol if "atol" in given else SCREENING_ATOL,
    )


def _grid(plan: SweepPlan) -> OutputGrid | None:
    # As many output times in a segment as the longest over the first block of draws needs.
    numbers = block_numbers(plan, plan.design.draw(0, min(BLOCK_DRAWS, plan.design.draws)), plan.task)

    @jax.jit
    def widths_h(numbers: BlockNumbers) -> Any:
        rows: list[Any] = list(jnp.unstack(numbers.parameters))
        for place, row in enumerate(plan.task.varied):
            rows[row] = numbers.varied[place]
        constants = plan.task.model.constants(jnp, rows)
        edges = build_schedule(plan.task.model, numbers.protocol, constants, numbers.until_h).edges
        return (edges[1:] - edges[:-1]) * plan.model.spec.time_unit_h

    with jax.enable_x64(plan.precision == "float64"):
        widths = np.asarray(widths_h(numbers))
    if widths.ndim == 1:
        return None
    every_h = plan.spec.output.every.to("h")
    if plan.spec.output.times is not None:
        every_h = plan.spec.output.until.to("h") / max(len(plan.spec.output.times), NODES)
    longest = widths.max(axis=1)
    return OutputGrid(
        tuple(1 if width <= 0 else max(NODES, math.ceil(width / every_h) + 1) for width in longest.tolist())
    )


def _with_pilot(plan: SweepPlan, steps: int | None) -> SweepPlan:
    """Return the plan with what a few draws decide: which method comes first, and who shares steps.

    By their steps and how they end alone, so that every process finds the same.
    """
    if plan.spec.solver.method != "auto" and plan.sweep.stepping != "auto":
        return plan
    values = plan.design.draw(0, min(PILOT_DRAWS, plan.design.draws))
    first, second, alone = plan.task, None, steps
    found = _tried(plan, first, values)
    if plan.spec.solver.method == "auto":
        second = replace(first, method=STIFF_METHOD)
        left = np.isin(found["status"], TRIED_AGAIN)
        if left.mean() > 0.5:
            # Nothing is gained by what most draws cannot do. The nominal run tells of explicit steps alone.
            first, second, alone = second, None, None
            found = _tried(plan, first, values)
        elif left.any():
            again = values[left]
            second = _stepping(plan, second, again, _tried(plan, second, again), None)
    return replace(plan, task=_stepping(plan, first, values, found, alone), stiff_task=second)


def _stepping(
    plan: SweepPlan, task: BlockTask, values: Draws, found: dict[str, np.ndarray], alone: int | None
) -> BlockTask:
    """Return the task with steps of its own for each lane, if lanes do different things at the same time.

    `found` is what `_tried` gave for `task`; `alone` are the steps of one draw by itself, where known.
    """
    together = found["steps"].mean()
    few = alone is not None and together <= 2 * OWN_STEP_COST * alone
    if plan.sweep.stepping != "auto" or few:
        return task
    own = replace(task, shared_steps=False)
    return task if together <= OWN_STEP_COST * _tried(plan, own, values)["steps"].mean() else own


def _tried(plan: SweepPlan, task: BlockTask, values: Draws) -> dict[str, np.ndarray]:
    with jax.enable_x64(plan.precision == "float64"):
        found = solve_block(task, block_numbers(plan, values, task))
        return {name: np.asarray(found[name])[: len(values)] for name in ("steps", "status")}
