"""What `exsim sample` says on the terminal: what is wrong with the draws, then what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .columns import aligned, number_text
from .fit_text import effort_text
from .population_text import population_text

if TYPE_CHECKING:
    from ..fit_problem import FitProblem
    from ..sample_result import SampleResult

#: What the report of draws that may not be trusted begins with.
NOT_TRUSTED = "NOT TO BE TRUSTED"
_DIMENSIONLESS = ("", "1", "dimensionless")


def sample_text(problem: FitProblem, result: SampleResult) -> str:
    """Return the report of sampling: a row for every number, and sentences on what it rests on.

    Draws that may not be trusted open with the reasons, the worst first. The warnings of the result are not
    in it: they go to stderr.
    """
    verdict = [] if result.trusted else [NOT_TRUSTED, *(f"  {reason}" for reason in result.reasons)]
    of_people = "" if result.people is None else population_text(result, result.people)
    parts = ["\n".join(verdict), _table(result), of_people, "\n".join(_quality(problem, result))]
    return "\n\n".join(part for part in parts if part)


def stress_text(result: SampleResult) -> str:
    """Return "3 of 100 draws from the prior failed (2: the state is not finite, 1: ...)"."""
    stress, failed = result.stress, sum(result.stress.failed.values())
    if not failed:
        return f"{stress.draws} draws from the prior: every solve succeeded"
    most = sorted(stress.failed.items(), key=lambda item: -item[1])
    reasons = ", ".join(f"{count}: {why}" for why, count in most if count)
    return f"{failed} of {stress.draws} draws from the prior failed ({reasons})"


def loo_text(result: SampleResult) -> str:
    """Return "LOO: elpd -9.07 ± 4.52, p_loo 0.924; 1 of 12 rows with Pareto k over 0.7"."""
    from ..posterior_statistics import MOST_PARETO_K, unsure_rows

    found = result.loo
    if found is None:
        return "LOO: too few draws"
    text = f"LOO: elpd {number_text(found.elpd)} ± {number_text(found.se)}, p_loo {number_text(found.p_loo)}"
    rows = f"{len(found.pareto_k)} row{'s' * (len(found.pareto_k) != 1)}"
    return f"{text}; {unsure_rows(found)} of {rows} with Pareto k over {MOST_PARETO_K:g}"


def _table(result: SampleResult) -> str:
    said = result.diagnosis
    rows = [
        ("number", "mean", "sd", "median", "95 % interval", "unit", "R-hat", "ESS", "tail", "contraction")
    ]
    for n, item in enumerate(result.numbers):
        ends = said.lower[n], said.upper[n]
        rows.append(
            (
                item.name,
                number_text(said.mean[n]),
                number_text(said.sd[n]),
                number_text(said.median[n]),
                " to ".join(map(number_text, ends)) if all(map(math.isfinite, ends)) else "-",
                "" if item.unit in _DIMENSIONLESS else item.unit,
                _fixed(said.r_hat[n], 3),
                _fixed(said.ess_bulk[n], 0),
                _fixed(said.ess_tail[n], 0),
                _fixed(said.contraction[n], 2),
            )
        )
    return aligned(rows, [False, True, True, True, True, False, True, True, True, True])


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _quality(problem: FitProblem, result: SampleResult) -> Iterator[str]:
    chains, draws, _ = result.draws.shape
    rows = len(problem.rows)
    beyond = int((problem.rows.censoring != 0).sum())
    limits = f" ({beyond} beyond a limit)" if beyond else ""
    asked = "" if result.complete else f" of {result.asked} asked"
    yield (
        f"{chains} chain{'s' * (chains != 1)} of {draws} draw{'s' * (draws != 1)}{asked}, "
        f"{rows} measurement{'s' * (rows != 1)}{limits}"
    )
    count = int(result.diverging.sum())
    yield f"{count} divergence{'s' * (count != 1)} after warm-up"
    yield stress_text(result)
    yield loo_text(result)
    yield from (effort_text(stage, effort) for stage, effort in result.efforts.items())
