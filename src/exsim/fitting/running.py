"""fit(problem, settings) -> FitResult: search from many starts, look around the best, judge the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from jaxtyping import Float

from ..fit_problem import FitProblem, SearchSettings
from ..fit_result import Effort, Estimate, FitResult, FitStart, Profile, Verdict
from ..integrating import STATUS_TEXT, Status
from ..jax_setup import jax
from . import searching
from .curves import fit_curves
from .evaluating import Evaluator
from .identifiability import Information, agree, covariance, criteria, observed_information, read_information
from .objective import Objective, Vectors
from .profiling import Walk, interval_end, profile
from .searching import Box, Search
from .slopes import compare_slopes
from .starting import best_of, box_of, search_from_starts

#: Density by which a profile may pass the best before the search goes on from there.
_HIGHER = 0.05

#: What is told while a fit runs: a stage, how much of it is done, of how much, and a sentence.
Report = Callable[[str, int, int, str], None]


def fit(
    problem: FitProblem,
    settings: SearchSettings,
    evaluate: Evaluator | None = None,
    report: Report = lambda stage, done, whole, said: None,
) -> FitResult:
    """Fit a problem: the highest log posterior density from many starts, and what the data say around it.

    Raises InferenceError if the density is a number at no start, with the reasons counted. A budget that is
    spent and a gradient that differences do not confirm make the result one that is not `converged`, with the
    reason.
    """
    objective = Objective(problem) if evaluate is None else evaluate.objective
    evaluate = Evaluator(objective) if evaluate is None else evaluate
    return _Fit(problem, settings, objective, evaluate, report).run()


@dataclass
class _Fit:
    problem: FitProblem
    settings: SearchSettings
    objective: Objective
    evaluate: Evaluator
    report: Report
    efforts: dict[str, Effort] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def run(self) -> FitResult:
        box = box_of(self.objective)
        search, begun = self._search()
        self.efforts["search"] = searched = self.evaluate.effort()
        best, walks = self._profiles(box, best_of(search))
        self.efforts["profiles"] = self.evaluate.effort(searched)
        return self._result(box, search, begun, best, walks)

    def _spent(self) -> bool:
        budget = self.settings.budget_s
        return budget is not None and self.evaluate.elapsed_s > budget

    def _search(self) -> tuple[Search, Search]:
        settings = self.settings
        self.report("screening", 0, settings.starts, "")
        found, begun = search_from_starts(
            self.evaluate, settings, lambda starts: self._watch("search", starts)
        )
        if (found.ended == searching.STOPPED).any():
            self.reasons.append(f"the budget of {settings.budget_s:g} s was spent before the search ended")
        return found, begun

    def _watch(self, stage: str, whole: int) -> Callable[[Search], bool]:
        def watch(search: Search) -> bool:
            best = float(np.max(search.at.value))
            said = f"best log density {best:.4f}, {agree(search.at.value.tolist())} within 0.1 of it"
            self.report(stage, whole - len(search.running), whole, said)
            return self._spent()

        return watch

    def _profiles(self, box: Box, best: Search) -> tuple[Search, list[Walk]]:
        parameters = list(self.settings.profiled)
        walks: list[Walk] = []
        for _ in range(3):
            best = self._polish(box, best)
            if not parameters or self._spent():
                break
            self.report("profiles", 0, len(parameters), "")
            walks = profile(
                self.evaluate, best.vectors[0], best.at, box, parameters, lambda search: self._spent()
            )
            highest = max(walks, key=lambda walk: float(np.max(walk.values)))
            point = int(np.argmax(highest.values))
            if highest.values[point] <= best.at.value[0] + _HIGHER:
                break
            self.warnings.append(
                f"a profile found a higher log density, {highest.values[point]:.4f} over "
                f"{best.at.value[0]:.4f}: the search went on from there"
            )
            best = searching.begin(self.evaluate, highest.vectors[point][None])
        if any(walk.ended == "stopped" for walk in walks) or (parameters and not walks):
            self.reasons.append(
                f"the budget of {self.settings.budget_s:g} s was spent before the profiles ended"
            )
        return best, walks

    def _polish(self, box: Box, best: Search) -> Search:
        ended = np.array([searching.RUNNING], dtype=object)
        again = Search(best.vectors, best.at, best.iterations, ended)
        return searching.gauss_newton(
            self.evaluate, again, box, self.settings.iterations, lambda search: self._spent()
        )

    def _result(self, box: Box, search: Search, begun: Search, best: Search, walks: list[Walk]) -> FitResult:
        objective, scales, problem = self.objective, self.objective.scales, self.problem
        theta, at = best.vectors[0], best.at
        if best.ended[0] != searching.CONVERGED:
            self.reasons.append(f"the best start ended before it converged: {best.ended[0]}")
        check = self._check_gradient(box, best)
        with jax.enable_x64(True):
            known = np.asarray(objective.prior_information(theta))
        information = read_information(at.curvature[0] - np.diag(known), scales)
        on_bound = _on_bound(box, theta)
        observed = observed_information(self.evaluate, theta, box)
        spread, wrong = covariance(observed, best.at.curvature[0], on_bound != "")
        # Where the data alone do not tell a number there is no standard error, whatever its prior says.
        spread[information.moved] = spread[:, information.moved] = np.nan
        if wrong:
            self.warnings.append(wrong)
        values = self._values(theta[None])[0]
        self._warn(information, on_bound, _share_of_prior(observed, known, on_bound != ""))
        simulated, vectors = objective.solved(theta[None])
        looked = simulated.look(vectors)
        curves = fit_curves(objective, self.evaluate, theta, observed, box, self.settings.seed)
        likelihood = float(at.likelihood[0])
        free, rows = len(problem.free), len(problem.rows)
        aic, aicc, bic = criteria(likelihood, free, rows)
        return FitResult(
            names=scales.names,
            best=values,
            log_density=float(at.value[0]),
            log_likelihood=likelihood,
            starts=self._starts(search, begun),
            agreeing=agree(search.at.value.tolist()),
            estimates=self._estimates(
                values, theta, float(at.value[0]), spread, on_bound, information, walks
            ),
            directions=information.directions,
            told=information.told,
            profiles=tuple(self._joined(number, walks) for number in self.settings.profiled if walks),
            prediction=looked.prediction[0],
            residual=looked.residual[0],
            row_density=looked.density[0],
            gradient_check=check,
            aic=aic,
            aicc=aicc,
            bic=bic,
            converged=not self.reasons,
            reasons=tuple(self.reasons),
            warnings=tuple(self.warnings),
            efforts=self.efforts | {"whole": self.evaluate.effort()},
            covariance=spread,
            curves=curves,
            people=objective.people(theta),
        )

    def _values(self, theta: Vectors) -> Vectors:
        with jax.enable_x64(True):
            return self.objective.values(theta)[0]

    def _check_gradient(self, box: Box, best: Search) -> tuple[float, float]:
        theta, at = best.vectors[0], best.at
        moves = ~box.pressing(theta[None], at.gradient)[0] & (_on_bound(box, theta) == "")
        found = compare_slopes(self.evaluate, theta, at.curvature[0], moves, box, self.settings.seed)
        if not found.agree:
            self.reasons.append(
                f"the gradient beside the optimum, {found.by_gradient:.6g} in a random direction, is not "
                f"what differences give, {found.by_differences:.6g}"
            )
        return found.by_gradient, found.by_differences

    def _warn(self, information: Information, on_bound: np.ndarray, by_prior: np.ndarray) -> None:
        names = self.objective.scales.names
        for name, side in zip(names, on_bound.tolist(), strict=True):
            if side:
                self.warnings.append(f"{name} ends at its {side} bound: no standard error")
        moved = [name for name, is_moved in zip(names, information.moved, strict=True) if is_moved]
        if moved:
            flat = sum(direction.flat for direction in information.directions)
            told = f"; told is {', '.join(information.told)}" if information.told else ""
            self.warnings.append(
                f"the data alone do not tell {', '.join(moved)} ({flat} flat direction"
                f"{'s' if flat > 1 else ''} of {len(names)}){told}"
            )
        leaning = [name for name, share in zip(names, by_prior.tolist(), strict=True) if share > 0.5]
        if leaning:
            self.warnings.append(
                f"more than half of what is known of {', '.join(leaning)} is prior: their intervals are "
                "mostly that"
            )

    def _starts(self, search: Search, begun: Search) -> tuple[FitStart, ...]:
        before, after = self._values(begun.vectors), self._values(search.vectors)
        starts = []
        for number in range(len(before)):
            failed = search.ended[number] == searching.LOST
            status = Status(int(search.at.status[number]))
            ended = str(search.ended[number])
            if failed and status != Status.DONE:
                ended += f": {STATUS_TEXT[status]}"
            starts.append(
                FitStart(
                    number,
                    before[number],
                    after[number],
                    _or_nan(begun.at.value[number]),
                    _or_nan(search.at.value[number]),
                    int(search.iterations[number]),
                    ended,
                    failed,
                )
            )
        return tuple(starts)

    def _estimates(
        self,
        values: Float[np.ndarray, "parameter"],
        theta: Float[np.ndarray, "parameter"],
        top: float,
        spread: Float[np.ndarray, "parameter parameter"],
        on_bound: np.ndarray,
        information: Information,
        walks: list[Walk],
    ) -> tuple[Estimate, ...]:
        with jax.enable_x64(True):
            slope = self.objective.values(theta[None])[1][0]
        errors = np.sqrt(np.diag(spread))
        estimates = []
        for number, item in enumerate(self.problem.free):
            own = [walk for walk in walks if walk.parameter == number]
            moved = bool(information.moved[number])
            if own:
                ends = [interval_end(walk, top) for walk in own]
                lower, upper = (self._end(number, theta, end) for end in ends)
                finite = all(np.isfinite(end) for end in ends)
                verdict: Verdict = (
                    "structurally not" if moved else "identifiable" if finite else "practically not"
                )
            else:
                half = 1.959963984540054 * errors[number]
                lower, upper = (self._end(number, theta, theta[number] + s * half) for s in (-1, 1))
                verdict = "structurally not" if moved else "not profiled"
            estimates.append(
                Estimate(
                    name=item.name,
                    value=float(values[number]),
                    lower=lower,
                    upper=upper,
                    unit=item.unit,
                    standard_error=float(errors[number] * slope[number]),
                    at_bound=cast(Literal["", "lower", "upper"], str(on_bound[number])),
                    identifiable=verdict,
                )
            )
        return tuple(estimates)

    def _end(self, number: int, theta: np.ndarray, end: float) -> float:
        # An end of an interval, from the estimation scale to the unit: infinite stays so.
        if np.isinf(end):
            return float(end)
        moved = theta.copy()
        moved[number] = end
        return float(self._values(moved[None])[0, number])

    def _joined(self, number: int, walks: list[Walk]) -> Profile:
        down, up = (next(w for w in walks if (w.parameter, w.side) == (number, side)) for side in (-1, 1))
        theta = np.concatenate([down.vectors[::-1], up.vectors[1:]])
        vectors = self._values(theta)
        density = np.concatenate([down.values[::-1], up.values[1:]])
        return Profile(number, vectors[:, number], density, vectors)


def _on_bound(box: Box, theta: np.ndarray) -> np.ndarray:
    wide = np.where(np.isfinite(box.high - box.low), box.high - box.low, 1.0)
    near = 1e-6 * wide
    return np.where(theta <= box.low + near, "lower", np.where(theta >= box.high - near, "upper", ""))


def _share_of_prior(observed: np.ndarray, prior: np.ndarray, still: np.ndarray) -> np.ndarray:
    # How much of the precision of each number, the others free, its prior brings.
    share, free = np.zeros(len(prior)), np.flatnonzero(~still)
    inner = observed[np.ix_(free, free)]
    if len(free) and np.isfinite(inner).all() and np.linalg.eigvalsh(inner)[0] > 0:
        share[free] = prior[free] * np.diag(np.linalg.inv(inner))
    return share


def _or_nan(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")
