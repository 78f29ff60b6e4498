"""Searches from many starts: which of them are gone on with, and what is said where none can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ..errors import InferenceError
from ..fit_problem import SearchSettings
from ..integrating import STATUS_TEXT, Status
from ..jax_setup import jax
from ..priors import draw_starts
from . import searching
from .evaluating import Evaluator
from .objective import Objective
from .searching import Box, Search, Watch

#: Vectors that are screened for each start of a hybrid fit.
SCREENED = 2


def box_of(objective: Objective) -> Box:
    """Return the bounds of an objective on its estimation scale, and the longest step there."""
    low, high = objective.scales.box()
    longest = {"log": searching.LONGEST, "logit": searching.LONGEST, "log10": searching.LONGEST / np.log(10)}
    return Box(low, high, np.array([longest.get(name, np.inf) for name in objective.scales.scales]))


def search_from_starts(
    evaluate: Evaluator,
    settings: SearchSettings,
    watch: Callable[[int], Watch] = lambda starts: lambda search: False,
) -> tuple[Search, Search]:
    """Return where all starts end, and where they began; `watch` is made for the number of them.

    Raises InferenceError, with the reasons counted, where the density is a number at none of them.
    """
    objective = evaluate.objective
    box = box_of(objective)
    screened = settings.starts * (SCREENED if settings.optimiser == "hybrid" else 1)
    nominal = np.array([item.nominal for item in objective.problem.free])
    with jax.enable_x64(True):
        starts = draw_starts(
            screened, settings.seed, nominal, objective.scales, objective.priors, settings.draw_starts
        )
    begun = searching.begin(evaluate, box.inside(starts))
    if not np.isfinite(begun.at.value).any():
        raise InferenceError(_nowhere(objective, begun))
    if settings.optimiser == "hybrid":
        # The nominal values first, then the highest of the others, in the order in which they were drawn.
        order = np.argsort(-begun.at.value[1:], kind="stable")[: settings.starts - 1] + 1
        begun = some_of(begun, np.concatenate([[0], np.sort(order)]))
    method = {"hybrid": "gauss_newton"}.get(settings.optimiser, settings.optimiser)
    climb = getattr(searching, method)
    return climb(evaluate, begun, box, settings.iterations, watch(len(begun.vectors))), begun


def best_of(search: Search) -> Search:
    """Return the highest of all starts."""
    return some_of(search, np.array([int(np.argmax(search.at.value))]))


def some_of(search: Search, places: np.ndarray) -> Search:
    """Return some of the starts."""
    return Search(search.vectors[places], search.at[places], search.iterations[places], search.ended[places])


def _nowhere(objective: Objective, begun: Search) -> str:
    counted = Counter(
        STATUS_TEXT[Status(code)] if code != Status.DONE else "a prediction is no number, or cannot be"
        for code in begun.at.status.tolist()
    )
    reasons = "\n".join(f"  {count} x {reason}" for reason, count in counted.most_common())
    return (
        f"the log density is a number at none of {len(begun.vectors)} starts:\n{reasons}\n"
        f"  {why_none(objective, begun.vectors[0])}\n"
        "  Way out: look at the bounds and at the noise of [[observable]], or simulate one condition alone."
    )


def why_none(objective: Objective, theta: Float[np.ndarray, "parameter"]) -> str:
    """Return "at release_gain = 12, k = 0.3 IL6 has no density" for a vector without a log density."""
    with jax.enable_x64(True):
        values = objective.values(theta[None])[0][0]
    names = objective.scales.names
    at = ", ".join(f"{name} = {value:.4g}" for name, value in zip(names, values.tolist(), strict=True))
    simulated, vectors = objective.solved(theta[None])
    density = np.asarray(simulated.look(vectors).density[0])
    problem = simulated.problem
    lost = dict.fromkeys(problem.rows.observable[~np.isfinite(density)].tolist())
    where = ", ".join(problem.observables[number].name for number in lost) or "a gradient"
    return f"at {at}: no density for {where}"
