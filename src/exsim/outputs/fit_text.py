"""What `exsim fit` says on the terminal: estimates, what the data cannot tell, how far to trust the fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .columns import aligned, number_text
from .fit_tables import failures_by_reason
from .population_text import covariate_text, shrinkage_lines

if TYPE_CHECKING:
    from ..fit_problem import FitProblem, FreeNumber
    from ..fit_result import Effort, Estimate, FitResult

#: What a verdict is called.
VERDICTS = {
    "identifiable": "identifiable",
    "practically not": "practically not identifiable",
    "structurally not": "structurally not identifiable",
    "not profiled": "not profiled",
}
#: Of a direction, parts below this share of the largest are left out of words.
_LEAST_PART = 0.1
#: Two exponents whose ratio is this near to one are the same in words.
_ALIKE = 0.05
_MOST_NAMED = 5


def fit_text(problem: FitProblem, result: FitResult) -> str:
    """Return the report of a fit: a row for every estimate, and sentences on what it rests on.

    What the data do not tell has no end to its interval, and a fit that is not converged opens with that.
    The warnings of the result are not in it: they go to stderr.
    """
    parts = [
        "\n".join(_verdict_on_fit(result)),
        _table(problem, result),
        "\n".join(flat_texts(problem, result)),
        "\n".join(_people(result)),
        "\n".join(_quality(problem, result)),
    ]
    return "\n\n".join(part for part in parts if part)


def agreement_text(result: FitResult) -> str:
    """Return "23 of 64 starts agree within 0.1 of the best log density; 5 failed"."""
    count = len(result.starts)
    text = f"{result.agreeing} of {count} start{'s' * (count != 1)} agree{'s' * (result.agreeing == 1)}"
    text += " within 0.1 of the best log density"
    failed = failures_by_reason(result)
    if not failed:
        return text
    return f"{text}; {sum(failed.values())} failed ({', '.join(f'{n}: {why}' for why, n in failed.items())})"


def interval_text(item: Estimate) -> str:
    """Return a 95 % interval in words: "18.2 to 25.1", "above 0.31", "no end", "-" where it is not known."""
    below, above = math.isfinite(item.lower), math.isfinite(item.upper)
    if below and above:
        return f"{number_text(item.lower)} to {number_text(item.upper)}"
    if math.isnan(item.lower) or math.isnan(item.upper):
        return "-"
    if below:
        return f"above {number_text(item.lower)}"
    return f"below {number_text(item.upper)}" if above else "no end"


def flat_texts(problem: FitProblem, result: FitResult) -> list[str]:
    """Return a sentence for each direction that the data do not tell: "only the product A * B is told"."""
    flat = [np.asarray(item.vector, dtype=float) for item in result.directions if item.flat]
    if not flat:
        return []
    held = np.linalg.qr(np.array(flat).T)[0]
    return [_flat_text(problem.free, vector, held) for vector in _plainest(np.array(flat))]


def _plainest(basis: np.ndarray) -> list[np.ndarray]:
    """Return vectors of few parts that span the same: Gauss and Jordan's elimination with the largest pivots.

    Of several flat directions any mixture is flat too, and an eigenvector is an arbitrary one of them.
    """
    rows = basis.copy()
    for number in range(len(rows)):
        left = np.abs(rows[number:])
        pivot, column = np.unravel_index(left.argmax(), left.shape)
        rows[[number, number + pivot]] = rows[[number + pivot, number]]
        rows[number] /= rows[number, column]
        others = np.arange(len(rows)) != number
        rows[others] -= np.outer(rows[others, column], rows[number])
    return [row / np.abs(row).max() for row in rows]


def _flat_text(free: Sequence[FreeNumber], vector: np.ndarray, flat: np.ndarray) -> str:
    order = np.argsort(-np.abs(vector), kind="stable")
    parts = sorted(int(j) for j in order if abs(vector[j]) >= _LEAST_PART)
    names = [free[j].name for j in parts]
    if len(parts) == 1:
        return f"{names[0]} is not told by the data: no value of it fits better than another"
    if len(parts) == 2 and (told := _told(free, vector, parts, flat)):
        return f"only {told} is told by the data, not {names[0]} and {names[1]} apart"
    shown = [free[int(j)].name for j in order[: len(parts)]][:_MOST_NAMED]
    more = f" and {len(parts) - len(shown)} more" if len(parts) > len(shown) else ""
    together = "they can move together and the fit stays as it is"
    return f"the data do not tell {', '.join(shown)}{more} apart: {together}"


def _told(free: Sequence[FreeNumber], vector: np.ndarray, parts: Sequence[int], flat: np.ndarray) -> str:
    """Return what the data tell of two numbers of which one combination is flat, or "" where they do not.

    Along the flat direction (a, b) the combination (b, -a) keeps its value.
    """
    first, second = parts
    across = np.zeros(len(vector))
    across[first], across[second] = vector[second], -vector[first]
    across /= np.linalg.norm(across)
    if np.linalg.norm(flat.T @ across) > _LEAST_PART:
        return ""
    scales = {free[j].scale for j in parts}
    if not (scales <= {"log", "log10"} or scales == {"linear"}):
        return ""
    # On one logarithm, natural: a step on log10 is one of log(10).
    powers = [across[j] / (math.log(10) if free[j].scale == "log10" else 1.0) for j in parts]
    powers = [power / max(powers, key=abs) for power in powers]
    names = [free[j].name for j in parts]
    alike = abs(abs(powers[0]) - abs(powers[1])) < _ALIKE
    if scales == {"linear"}:
        signs = ["" if power > 0 else "-" for power in powers]
        sizes = ["" if abs(abs(power) - 1) < _ALIKE else f"{abs(power):.3g} * " for power in powers]
        middle = "-" if signs[1] else "+"
        return f"{signs[0]}{sizes[0]}{names[0]} {middle} {sizes[1]}{names[1]}"
    if alike and powers[0] * powers[1] > 0:
        return f"the product {names[0]} * {names[1]}"
    if alike:
        return f"the ratio {names[0]} / {names[1]}"
    return " * ".join(
        f"{n}^{p:.2g}" if abs(p - 1) > _ALIKE else n for n, p in zip(names, powers, strict=True)
    )


def _verdict_on_fit(result: FitResult) -> list[str]:
    return [] if result.converged else ["NOT CONVERGED", *(f"  {reason}" for reason in result.reasons)]


def _table(problem: FitProblem, result: FitResult) -> str:
    rows = [("parameter", "value", "95 % interval", "unit", "")]
    for item in result.estimates:
        said = VERDICTS[item.identifiable]
        if item.at_bound:
            bound = f"at its {item.at_bound} bound"
            said = bound if item.identifiable == "identifiable" else f"{bound}, {said}"
        unit = "" if item.unit in ("", "1", "dimensionless") else item.unit
        rows.append((item.name, number_text(item.value), interval_text(item), unit, said))
    return aligned(rows, (False, True, True, False, False))


def _people(result: FitResult) -> Iterator[str]:
    if result.people is not None:
        yield "people are integrated out (FOCEI); their values are in individuals.csv"
        yield from shrinkage_lines(result.people.effects, result.people.shrinkage)
        for item in result.people.covariates:
            found = result.estimates[item.number]
            yield covariate_text(item, (found.value, found.lower, found.upper))


def _quality(problem: FitProblem, result: FitResult) -> list[str]:
    free, rows = len(problem.free), len(problem.rows)
    beyond = int(np.count_nonzero(problem.rows.censoring))
    limits = f" ({beyond} beyond a limit)" if beyond else ""
    gradient, differences = result.gradient_check
    scores = {
        "log density": result.log_density,
        "log likelihood": result.log_likelihood,
        "AIC": result.aic,
        "AICc": result.aicc,
        "BIC": result.bic,
    }
    lines = [
        f"{rows} measurement{'s' * (rows != 1)}{limits}, {free} free number{'s' * (free != 1)}",
        agreement_text(result),
        ", ".join(f"{name} {number_text(value)}" for name, value in scores.items()),
        f"slope beside the best, one direction: {gradient:.3g} by the gradient, {differences:.3g} by "
        "differences",
    ]
    lines += [effort_text(stage, effort) for stage, effort in result.efforts.items()]
    if result.directions:
        rank = sum(not item.flat for item in result.directions)
        if rank < free:
            lines.append(f"the data tell {rank} of {free} directions (rank of the Fisher information)")
    return lines


def effort_text(stage: str, effort: Effort) -> str:
    """Return "search: 12.5 s, 80 gradients/s (1,000 in all), 4,080 trajectories/s"."""
    gradients, trajectories = (f"{rate:,.0f}" for rate in effort.rates())
    return (
        f"{stage}: {effort.seconds:.1f} s, {gradients} gradients/s ({effort.gradients:,} in all), "
        f"{trajectories} trajectories/s"
    )
