"""Many solves as one kernel: the arrays that it reads, the call, and its results by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float, Int

from ..errors import Problem, RefusedError
from ..jax_setup import eqx, jax, jnp
from ..model import Model
from ..protocol import Protocol
from ..shapes import OutputTimes, OverTime
from .kernel import run_block
from .preparing import pad_lanes, prepare
from .recording import KeepCurves, KeepMetrics, summaries_of
from .tables import Results

#: Parameters of a model, in its order, of many solves.
LaneParameters = Float[Array, "parameter lane"] | Float[np.ndarray, "parameter lane"]

#: Threads of a warp.
_WARP = 32


class FusedTrajectories(eqx.Module):
    """Many solves: the observed quantities at the output times, and how each solve ended.

    Values are NaN from where a failed solve stopped.
    """

    #: Ids of the states and rules that were observed.
    ids: tuple[str, ...] = eqx.field(static=True)
    time_h: OverTime
    #: One row per observed id.
    values: Float[Array, "observed time lane"]
    #: `exsim.solving.Status` of each lane.
    status: Int[Array, "lane"]
    steps: Int[Array, "lane"]
    rejected_steps: Int[Array, "lane"]
    #: The last good time of each lane, hours.
    reached_h: Float[Array, "lane"]


class FusedSummaries(eqx.Module):
    """Many solves as the numbers of `exsim.summaries` alone, and how each solve ended.

    A failed solve has NaN in all of them.
    """

    #: By `<analyte>_<column of the summary>`.
    metrics: dict[str, Float[Array, "lane"]]
    status: Int[Array, "lane"]
    steps: Int[Array, "lane"]
    rejected_steps: Int[Array, "lane"]
    reached_h: Float[Array, "lane"]


@dataclass(frozen=True)
class Plan:
    """What a compiled program is found by, besides the shapes of its numbers."""

    model: Model
    recorder: KeepCurves | KeepMetrics
    #: Ids of the states or rules that the recorder takes.
    recorded: tuple[str, ...]
    max_steps: int
    block: int
    interpret: bool


def solve_fused(
    model: Model,
    protocol: Protocol,
    parameters: LaneParameters,
    times_h: OutputTimes,
    observed: Sequence[str] | None = None,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    max_steps: int = 100_000,
    block: int = _WARP,
    interpret: bool = False,
) -> FusedTrajectories:
    """Integrate a model for many parameter draws in one GPU kernel; return its curves at `times_h`.

    `observed` are ids of states and rules, all states unless given; the other arguments are those of
    `exsim.solving.solve` with tsit5. A number of the protocol may be one for all lanes or one a lane.
    `block` lanes (a power of two) form one block of threads; `interpret` runs the kernel operation by
    operation on any machine, to test it. There are no gradients. Raises RefusedError where there is no
    CUDA GPU to run on, ValueError for a block that is no power of two, KeyError for an unknown id, and
    NotImplementedError for a model with a factorial, the one function that the kernel language lacks.
    """
    ids = model.state_ids if observed is None else _checked_ids(model, observed)
    plan = Plan(model, KeepCurves(), ids, max_steps, _checked_block(block), interpret)
    return _run(_trajectories, plan, protocol, parameters, times_h, rtol, atol)


def summarise_fused(
    model: Model,
    protocol: Protocol,
    parameters: LaneParameters,
    times_h: OutputTimes,
    analytes: Sequence[str],
    *,
    falling: Sequence[str] = (),
    rtol: float = 1e-6,
    atol: float = 1e-9,
    max_steps: int = 100_000,
    block: int = _WARP,
    interpret: bool = False,
) -> FusedSummaries:
    """Integrate a model for many parameter draws in one GPU kernel; return the metrics of `analytes`.

    The metrics are those of `exsim.summaries.summarise` on the values at `times_h`, reduced inside
    the kernel. An analyte is the id of a state or a rule; one that is `falling` has its lowest value
    as its peak. The rest as for `solve_fused`.
    """
    ids = _checked_ids(model, analytes)
    recorder = KeepMetrics(tuple(id in _checked_ids(model, falling) for id in ids))
    plan = Plan(model, recorder, ids, max_steps, _checked_block(block), interpret)
    return _run(_summaries, plan, protocol, parameters, times_h, rtol, atol)


def lower_for_cuda(
    model: Model,
    protocol: Protocol,
    parameters: LaneParameters,
    times_h: OutputTimes,
    analytes: Sequence[str] = (),
    *,
    block: int = _WARP,
) -> Any:
    """Return the kernel lowered for CUDA (`.as_text()` shows it), which needs no GPU.

    Of `solve_fused`, or of `summarise_fused` where there are `analytes`. Raises as they do, but for
    the missing GPU.
    """
    recorder = KeepMetrics((False,) * len(analytes)) if analytes else KeepCurves()
    plan = Plan(model, recorder, tuple(analytes) or model.state_ids, 100_000, _checked_block(block), False)
    program = _summaries if analytes else _trajectories
    with jax.enable_x64(parameters.dtype == np.float64):
        traced = program.trace(plan, *_as_numbers(protocol, parameters, times_h, 1e-6, 1e-9))
        return traced.lower(lowering_platforms=("cuda",))


def _checked_ids(model: Model, ids: Sequence[str]) -> tuple[str, ...]:
    for id in ids:
        if id not in (*model.state_ids, *model.rule_ids):
            raise KeyError(f"{model.spec.name} has no state or rule {id}")
    return tuple(ids)


def _checked_block(block: int) -> int:
    if block < 2 or block & (block - 1):
        raise ValueError(f"a block has a power of two lanes, at least 2, not {block}")
    return block


def _run(
    program: Callable[..., Any],
    plan: Plan,
    protocol: Protocol,
    parameters: LaneParameters,
    times_h: OutputTimes,
    rtol: float,
    atol: float,
) -> Any:
    if not plan.interpret and jax.default_backend() != "gpu":
        raise RefusedError(
            Problem(
                f"the fused kernel runs on a CUDA GPU, and JAX has only {jax.default_backend()} here",
                hint="install exsim[cuda12] or exsim[cuda13] on a machine with a GPU, or solve in lanes",
            )
        )
    with jax.enable_x64(parameters.dtype == np.float64):
        return program(plan, *_as_numbers(protocol, parameters, times_h, rtol, atol))


def _as_numbers(
    protocol: Protocol, parameters: LaneParameters, times_h: OutputTimes, rtol: float, atol: float
) -> tuple[Any, ...]:
    # As the compiled programs take them, in the precision of the parameters.
    def convert(value: Any) -> Any:
        if isinstance(value, jax.Array):
            return value.astype(parameters.dtype)
        return np.asarray(value, parameters.dtype)

    numbers = (protocol.without_names(), parameters, times_h, np.array([rtol, atol]))
    return jax.tree.map(convert, numbers)


@partial(jax.jit, static_argnums=0)
def _trajectories(
    plan: Plan, protocol: Protocol, parameters: Array, times_h: Array, tolerances: Array
) -> FusedTrajectories:
    results = _integrate(plan, protocol, parameters, times_h, tolerances)
    return FusedTrajectories(plan.recorded, times_h, results.kept, *_endings(plan, results))


@partial(jax.jit, static_argnums=0)
def _summaries(
    plan: Plan, protocol: Protocol, parameters: Array, times_h: Array, tolerances: Array
) -> FusedSummaries:
    results = _integrate(plan, protocol, parameters, times_h, tolerances)
    metrics = {
        f"{analyte}_{name}": values
        for analyte, kept in zip(plan.recorded, results.kept, strict=True)
        for name, values in summaries_of(kept, protocol, times_h[-1]).items()
    }
    return FusedSummaries(metrics, *_endings(plan, results))


def _endings(plan: Plan, results: Results) -> tuple[Array, Array, Array, Array]:
    reached_h = results.reached * plan.model.spec.time_unit_h
    return results.status, results.steps, results.rejected_steps, reached_h


def _integrate(
    plan: Plan, protocol: Protocol, parameters: Array, times_h: Array, tolerances: Array
) -> Results:
    lanes = parameters.shape[1]
    padded = -(-lanes // plan.block) * plan.block
    system, operands = prepare(
        plan.model, protocol, parameters, times_h, tolerances, plan.recorded, contract=not plan.interpret
    )
    kept = plan.recorder.shape(len(plan.recorded), len(times_h))
    counts = jax.ShapeDtypeStruct((padded,), jnp.int32)
    results = Results(
        kept=jax.ShapeDtypeStruct((*kept, padded), parameters.dtype),
        status=counts,
        steps=counts,
        rejected_steps=counts,
        reached=jax.ShapeDtypeStruct((padded,), parameters.dtype),
    )
    operands = pad_lanes(operands, padded)
    blocks = partial(_block_of, plan.block, padded)
    call = pl.pallas_call(
        partial(run_block, system, plan.recorder, plan.max_steps),
        out_shape=results,
        grid=(padded // plan.block,),
        in_specs=[jax.tree.map(blocks, operands)],
        out_specs=jax.tree.map(blocks, results),
        interpret=plan.interpret,
        compiler_params=plgpu.CompilerParams(num_warps=max(1, plan.block // _WARP), num_stages=1),
        name="fused_solve",
    )
    return jax.tree.map(lambda values: values[..., :lanes], call(operands))


def _block_of(block: int, padded: int, table: Any) -> pl.BlockSpec:
    # One block of the lanes, or all of a table that the lanes share.
    shape = (*table.shape[:-1], block if table.shape[-1] == padded else 1)
    rows = (0,) * (len(shape) - 1)
    return pl.BlockSpec(shape, lambda i: (*rows, i if shape[-1] > 1 else 0))
