"""numbalsoda: LSODA on a right-hand side and a loop over the draws compiled by numba; and SciPy's LSODA."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .generated import Lines
from .problems import Problem, Run


def prepare(problem: Problem, rtol: float, atol: float) -> Run:
    """Compile the right-hand side and the loop over the draws, and return the run, split at the jumps."""
    import numba
    from numbalsoda import lsoda, lsoda_sig

    lines = Lines(problem.model)
    rates = numba.cfunc(lsoda_sig)(_module(lines, "t, y, dy, p").rates)
    address = rates.address
    data, start, parts = _arguments(problem, lines)
    outputs = len(problem.times_h)
    firsts = np.array([first for _, _, first in parts])
    wheres = np.concatenate([times for _, times, _ in parts])
    lengths = np.array([len(times) for _, times, _ in parts])
    levels = np.stack([inputs for inputs, _, _ in parts])

    @numba.njit
    def loop(start: Any, data: Any, levels: Any, wheres: Any, lengths: Any, firsts: Any) -> Any:
        draws, states = start.shape
        found = np.empty((draws, outputs, states))
        for draw in range(draws):
            y = start[draw].copy()
            numbers = data[draw].copy()
            begin = 0
            for part in range(len(lengths)):
                numbers[len(numbers) - levels.shape[1] :] = levels[part]
                times = wheres[begin : begin + lengths[part]]
                begin += lengths[part]
                values, _ = lsoda(address, y, times, numbers, rtol, atol, 100000)
                y = values[-1].copy()
                found[draw, firsts[part] : firsts[part] + lengths[part] - 2] = values[1:-1]
            found[draw, 0] = start[draw]
        return found

    arguments = (start, data, levels, wheres, lengths, firsts)
    loop(start[:1], data[:1], *arguments[2:])

    def run() -> np.ndarray:
        # The function of C calls back into `rates`, which must live as long.
        assert rates.address == address
        return loop(*arguments)

    return Run(run)


def prepare_scipy(problem: Problem, rtol: float, atol: float) -> Run:
    """Return the run of SciPy's LSODA on the same text as plain Python, split at the jumps."""
    from scipy.integrate import odeint

    lines = Lines(problem.model)
    rates = _module(lines, "y, t, p", returned=True).rates
    data, start, parts = _arguments(problem, lines)
    inputs_at = data.shape[1] - parts[0][0].size

    def run() -> np.ndarray:
        found = np.empty((problem.draws, len(problem.times_h), start.shape[1]))
        for draw, (y, numbers) in enumerate(zip(start, data, strict=True)):
            found[draw, 0] = y
            for inputs, times, first in parts:
                numbers[inputs_at:] = inputs
                values = odeint(rates, y, times, (numbers.tolist(),), rtol=rtol, atol=atol, mxstep=100_000)
                y = values[-1]
                found[draw, first : first + len(times) - 2] = values[1:-1]
        return found

    return Run(run)


def _arguments(
    problem: Problem, lines: Lines
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray, int]]]:
    # Per draw constants and room for the inputs, the start; per segment its inputs, where to stop (its two
    # ends and the outputs between), and the number of its first output.
    edges, inputs = problem.segments
    constants = [problem.constants[id] for id in lines.constants]
    data = np.stack([*constants, *np.zeros((inputs.shape[1], problem.draws))], axis=1)
    parts = []
    for begin, end, levels in zip(edges[:-1], edges[1:], inputs, strict=True):
        inside = np.flatnonzero((problem.times_h > begin) & (problem.times_h <= end))
        times = np.concatenate([[begin], problem.times_h[inside], [end]])
        # LSODA wants times that grow: an output on the end is asked for a hair before it.
        if len(inside) and times[-2] >= end:
            times[-2] = end - 1e-9 * (end - begin)
        parts.append((levels, times, int(inside[0]) if len(inside) else 0))
    return data, np.ascontiguousarray(problem.start), parts


def _module(lines: Lines, arguments: str, returned: bool = False) -> ModuleType:
    # The text becomes a module in a file of its own: numba and Python take it from there.
    states, constants = len(lines.rates), len(lines.constants)
    inputs = len(lines.model.input_ids)
    body = [f"y{i} = y[{i}]" for i in range(states)]
    body += [f"c{i} = p[{i}]" for i in range(constants)]
    body += [f"u{i} = p[{constants + i}]" for i in range(inputs)]
    body += lines.text
    if returned:
        body.append(f"return ({', '.join(lines.rates)},)")
    else:
        body += [f"dy[{i}] = {rate}" for i, rate in enumerate(lines.rates)]
    text = (
        "from math import exp, log, sqrt\n\n\ndef rates("
        + arguments
        + "):\n    "
        + "\n    ".join(body)
        + "\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated_rates.py"
        path.write_text(text, "utf-8")
        spec = importlib.util.spec_from_file_location("generated_rates", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
