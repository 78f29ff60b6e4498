"""sample(target, settings) -> SampleResult: stress, search, warm-up, draws, and what they predict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..choices import Sampler
from ..errors import InferenceError
from ..fit_problem import SampleSettings
from ..fit_result import Effort
from ..fitting import Evaluator, Expanded, why_none
from ..fitting.curves import curves_of
from ..fitting.evaluating import Journal
from ..integrating import STATUS_TEXT, Status
from ..posterior_complaints import complaints, doubts
from ..posterior_statistics import diagnose, loo
from ..sample_result import SampleResult, Stress
from .chains import MOST_DRAWS, Chains, Drawn
from .density import Target, Whitening, theta_of
from .hierarchy import PopulationTarget
from .many_chains import ManyChains
from .people import find_people
from .predictive import data_of
from .starting import begin

#: A call makes draws for about so long: what a kill loses, and what Ctrl-C waits for.
_CALL_S = 2.0
#: A solve may take so many times the steps of any solve at a draw from the prior, and so many at least.
_MORE_STEPS, _FEWEST_STEPS = 4, 500
#: How often a chain may look for a place to begin.
TRIES = 100
#: Draws whose curves are drawn.
_CURVES = 512

_SAMPLERS: dict[Sampler, type[Chains]] = {"nuts": Chains, "chees": ManyChains}

#: What is told while sampling goes on: a stage, how much of it is done, of how much, and a sentence.
Report = Callable[[str, int, int, str], None]


def sample(
    target: Target,
    settings: SampleSettings,
    journal: Journal | None = None,
    report: Report = lambda stage, done, whole, said: None,
) -> SampleResult:
    """Sample a posterior; KeyboardInterrupt ends it with the draws that are there.

    With a journal, draws that an earlier run left are taken from it, and go on as if never stopped. Raises
    InferenceError if no start has a density, and KeyboardInterrupt before the first draw is kept.
    """
    return _Sampling(target, settings, journal, report).run()


@dataclass
class _Sampling:
    target: Target
    settings: SampleSettings
    journal: Journal | None
    report: Report
    efforts: dict[str, Effort] = field(default_factory=dict)

    def run(self) -> SampleResult:
        records = iter(()) if self.journal is None else self.journal.records()
        begun = next(records, None)
        if begun is None:
            begun = self._begin()
            self._keep(begun)
        if isinstance(self.target, PopulationTarget):
            self.target = self.target.centred_by(begun["centring"])
        settings = self.settings
        steps = min(int(begun["steps"]), self.target.objective.problem.max_steps)
        chains = _SAMPLERS[settings.sampler](
            self.target.within(steps),
            Whitening(begun["center"], begun["root"], self.target.objective.rows),
            settings.chains,
            settings.warmup,
            settings.seed,
            settings.target_acceptance,
            settings.max_depth,
        )
        states = chains.begin(begun["z"])
        parts: list[Drawn] = []
        seconds, last = 0.0, None
        for last in records:
            parts.append(Drawn(*(last[name] for name in Drawn.__dataclass_fields__)))
            seconds += float(last["seconds"])
        if last is not None:
            states = chains.restore(states, last)
        seconds += self._draw(chains, states, parts)
        drawn = Drawn.together(parts, 1)
        self._count("draws", seconds, int(drawn.leapfrogs.sum()))
        self._count("search", float(begun["search_s"]), int(begun["search_gradients"]))
        kept = Drawn(*(getattr(drawn, name)[:, settings.warmup :] for name in Drawn.__dataclass_fields__))
        return self._result(begun, kept)

    def _keep(self, record: dict[str, np.ndarray]) -> None:
        if self.journal is not None:
            self.journal.append(record)

    def _count(self, stage: str, seconds: float, gradients: int) -> None:
        simulations = sum(len(item.simulations) for item in self.target.objective.plan.bundles)
        self.efforts[stage] = Effort(seconds, gradients, gradients * simulations)

    def _begin(self) -> dict[str, np.ndarray]:
        """Return all that is known before the first draw, for the journal."""
        settings, rng = self.settings, np.random.default_rng(self.settings.seed)
        self.report("search", 0, settings.search.starts, "")
        evaluate = Evaluator(self.target.objective)
        self.target, center, root = begin(self.target, evaluate, settings.search)
        target = self.target
        searched = evaluate.effort()
        self.report("stress", 0, settings.stress, "")
        begun = time.monotonic()
        prior = target.draw_prior(settings.stress, rng)
        stressed = target.objective.expand(theta_of(target, prior))
        stress_s = time.monotonic() - begun
        return {
            "centring": np.zeros((0, 0)) if target.centring is None else target.centring,
            "prior": prior,
            "stress_status": stressed.status,
            "stress_value": stressed.value,
            "steps": np.array(_steps(stressed)),
            "stress_s": np.array(stress_s),
            "center": center,
            "root": root,
            "z": self._starts(center, root, rng),
            "search_s": np.array(searched.seconds),
            "search_gradients": np.array(searched.gradients),
        }

    def _starts(self, center: np.ndarray, root: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # Spread as the posterior is about, each where the density is a number.
        chains = self.settings.chains
        z = np.zeros((chains, len(center)))
        missing = np.arange(chains)
        for _ in range(TRIES):
            z[missing] = rng.standard_normal((len(missing), len(center)))
            found = self.target.objective.expand(theta_of(self.target, center + z[missing] @ root.T))
            missing = missing[~np.isfinite(found.value)]
            if not len(missing):
                return z
        lost = theta_of(self.target, center + z[missing[:1]] @ root.T)[0]
        raise InferenceError(
            f"{len(missing)} of {chains} chains found no place to begin in {TRIES} tries about the highest "
            f"density:\n  {why_none(self.target.objective, lost)}\n"
            "  Way out: narrower priors or bounds, or simulate one condition alone with such values."
        )

    def _draw(self, chains: Chains, states: list[object], parts: list[Drawn]) -> float:
        # Draws are added to `parts`; returns the seconds that they took.
        whole = self.settings.warmup + self.settings.draws
        done, seconds, size = sum(part.z.shape[1] for part in parts), 0.0, 1
        try:
            while done < whole:
                begun = time.monotonic()
                warming = done < self.settings.warmup
                ends = self.settings.warmup if warming else whole
                states, drawn = chains.advance(states, min(size, ends - done))
                took = time.monotonic() - begun
                count = drawn.z.shape[1]
                parts.append(drawn)
                done, seconds = done + count, seconds + took
                record = {name: getattr(drawn, name) for name in Drawn.__dataclass_fields__}
                self._keep({**record, **chains.arrays(states), "seconds": np.array(took)})
                # The first call compiles.
                if len(parts) > 1:
                    size = int(np.clip(_CALL_S * count / took, 1, min(2 * count + 1, MOST_DRAWS)))
                diverging = int(drawn.diverging.sum())
                self.report("warm-up" if warming else "draws", done, whole, f"{diverging} diverging")
        except KeyboardInterrupt:
            if done <= self.settings.warmup:
                raise
        return seconds

    def _result(self, begun: dict[str, np.ndarray], drawn: Drawn) -> SampleResult:
        target, settings, objective = self.target, self.settings, self.target.objective
        self.report("predictions", 0, drawn.z.shape[0] * drawn.z.shape[1], "")
        shape = drawn.z.shape[:2]
        u = begun["center"] + drawn.z.reshape(-1, drawn.z.shape[2]) @ begun["root"].T
        theta, rng = theta_of(self.target, u), np.random.default_rng([settings.seed, 1])
        looked, prior_looked = objective.look(theta), objective.look(theta_of(self.target, begun["prior"]))
        draws = target.values(u).reshape(*shape, -1)
        prior = target.values(begun["prior"])
        diagnosis = diagnose(draws, prior, [item.scale for item in target.numbers], drawn.energy)
        saturated = drawn.leapfrogs >= 2**settings.max_depth - 1
        some = np.linspace(0, len(theta) - 1, min(len(theta), _CURVES)).astype(int)
        log_likelihood = looked.density.reshape(*shape, -1)
        result = SampleResult(
            numbers=target.numbers,
            draws=draws,
            prior=prior,
            log_density=drawn.log_density,
            energy=drawn.energy,
            acceptance=drawn.acceptance,
            step_size=drawn.step_size,
            leapfrogs=drawn.leapfrogs,
            diverging=drawn.diverging,
            saturated=saturated,
            prediction=looked.prediction.reshape(*shape, -1),
            predictive=data_of(objective.problem, looked, rng).reshape(*shape, -1),
            log_likelihood=log_likelihood,
            prior_predictive=data_of(objective.problem, prior_looked, rng),
            diagnosis=diagnosis,
            stress=_stress(begun),
            reasons=(),
            warnings=(),
            curves=curves_of(
                objective,
                theta[some],
                np.full(len(some), 1 / len(some)),
                lambda curves: np.nanmedian(curves, axis=1),
            ),
            seed=settings.seed,
            asked=settings.draws,
            efforts=self.efforts,
            loo=loo(log_likelihood, draws),
            people=find_people(target, u, settings.seed) if isinstance(target, PopulationTarget) else None,
        )
        return replace(result, reasons=complaints(result), warnings=doubts(result))


def _steps(stressed: Expanded) -> int:
    # Of a move to absurd rates no chain waits for the end: it would be rejected anyway.
    done = stressed.status == Status.DONE
    return max(_FEWEST_STEPS, _MORE_STEPS * int(stressed.steps[done].max(initial=0)))


def _stress(begun: dict[str, np.ndarray]) -> Stress:
    status, value = begun["stress_status"], begun["stress_value"]
    failed = Counter(STATUS_TEXT[Status(code)] for code in status[status != Status.DONE].tolist())
    nothing = int(np.count_nonzero((status == Status.DONE) & ~np.isfinite(value)))
    if nothing:
        failed["a prediction is no number, or cannot be"] = nothing
    return Stress(len(status), dict(failed.most_common()), float(begun["stress_s"]))
