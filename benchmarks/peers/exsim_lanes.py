"""exsim: the blocks of a sweep, sorted into groups of lanes that share their steps, one after another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exsim.jax_setup import jax
from exsim.sweeping.block import BLOCK_DRAWS, CURVES, GROUP_LANES, BlockNumbers, BlockTask, solve_block
from exsim.sweeping.measuring import Measure

from .problems import Problem, Run


def prepare(
    problem: Problem,
    rtol: float,
    atol: float,
    width: int = GROUP_LANES,
    dtype: type = np.float64,
) -> Run:
    """Compile and return the run; all states are kept at all output times."""
    ids = problem.model.state_ids
    blocks = prepare_blocks(problem, rtol, atol, width, dtype, curves=ids)

    def states(found: list[dict[str, np.ndarray]]) -> np.ndarray:
        return np.concatenate([block[CURVES] for block in found])[: problem.draws].swapaxes(1, 2)

    return Run(blocks, states)


def prepare_peaks(problem: Problem, rtol: float, atol: float, dtype: type = np.float64) -> Run:
    """Compile and return the run that keeps the peak of each state only."""
    ids = problem.model.state_ids
    return Run(prepare_blocks(problem, rtol, atol, GROUP_LANES, dtype, peaks=ids))


def prepare_blocks(
    problem: Problem,
    rtol: float,
    atol: float,
    width: int,
    dtype: type,
    peaks: tuple[str, ...] = (),
    curves: tuple[str, ...] = (),
) -> Callable[[], list[dict[str, np.ndarray]]]:
    """Compile a block and return what solves one after another; of each it gives the results by name."""
    model = problem.model
    observed = peaks or curves
    task = BlockTask(
        model=model,
        method="tsit5",
        shared_steps=True,
        max_steps=100_000,
        varied=tuple(range(len(model.parameter_ids))),
        observed=observed,
        falling=(False,) * len(observed),
        measures=tuple(Measure(f"{id}_peak", id, "peak") for id in peaks),
        curves=curves,
        grid=None,
        width=width,
    )

    def numbers(first: int) -> BlockNumbers:
        rows = problem.parameters[first : first + BLOCK_DRAWS]
        padded = np.pad(rows, ((0, BLOCK_DRAWS - len(rows)), (0, 0)), mode="edge")
        return BlockNumbers(
            parameters=rows[0].astype(dtype),
            varied=padded.T.astype(dtype),
            protocol=jax.tree.map(lambda leaf: np.asarray(leaf, dtype), problem.protocol.without_names()),
            count=np.asarray(len(rows)),
            part=np.asarray(0),
            times_h=problem.times_h.astype(dtype),
            curve_times_h=problem.times_h.astype(dtype),
            until_h=np.asarray(problem.times_h[-1], dtype),
            rtol=np.asarray(rtol, dtype),
            atol=np.asarray(atol, dtype),
            lone_step_h=np.asarray(0.0, dtype),
        )

    with jax.enable_x64(dtype == np.float64):
        program = solve_block.lower(task, numbers(0)).compile()

    def solve() -> list[dict[str, np.ndarray]]:
        with jax.enable_x64(dtype == np.float64):
            found = [program(numbers(first)) for first in range(0, problem.draws, BLOCK_DRAWS)]
            return [{name: np.asarray(array) for name, array in block.items()} for block in found]

    return solve
