"""Finished sampling in closed form: independent draws from a normal posterior over the problems of fits.

On the scales of estimation the posterior is normal about the best fit, so that its mean, spread, contraction
and effective sample size are known; the logarithm of every prediction is linear in the numbers.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np
from scipy.special import log_ndtr

from exsim.fit_result import Effort
from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT
from exsim.posterior_complaints import complaints, doubts
from exsim.posterior_statistics import diagnose, loo
from exsim.sample_result import SampledNumber, SampleResult, Stress

from .fit_cases import EVERY_KIND, fit_of, large_fit, small_fit
from .fit_closed_form import to_theta, to_value

#: Spread of the prior about the nominal values, on the scales of estimation.
PRIOR_SD = 0.5
#: What a result has of each draw.
OF_DRAWS = (
    "draws", "log_density", "energy", "acceptance", "step_size", "leapfrogs", "diverging", "saturated",
    "prediction", "predictive", "log_likelihood",
)  # fmt: skip


def judged(result):
    """The result with its diagnosis, leave-one-out and complaints worked out anew."""
    scales = [item.scale for item in result.numbers]
    result = replace(
        result,
        diagnosis=diagnose(result.draws, result.prior, scales, result.energy),
        loo=loo(result.log_likelihood, result.draws),
    )
    return replace(result, reasons=complaints(result), warnings=doubts(result))


def sample_of(problem, fit, spread, correlation=0.0, chains=4, draws=500, prior_draws=1000, seed=1):
    """Draws about the best of a fit; `spread` by number, `correlation` of the first two."""
    rng = np.random.default_rng(seed)
    free, rows = problem.free, problem.rows
    numbers = tuple(SampledNumber(item.name, item.label, item.unit, item.scale) for item in free)
    best = np.array([to_theta(item, value) for item, value in zip(free, fit.best, strict=True)])
    covariance = np.diag(np.asarray(spread, dtype=float) ** 2)
    covariance[0, 1] = covariance[1, 0] = correlation * spread[0] * spread[1]
    away = rng.standard_normal((chains, draws, len(free))) @ np.linalg.cholesky(covariance).T
    nominal = np.array([to_theta(item, item.nominal) for item in free])
    before = nominal + PRIOR_SD * rng.standard_normal((prior_draws, len(free)))

    def values(theta):
        columns = [to_value(item, theta[..., n]) for n, item in enumerate(free)]
        return np.stack(columns, axis=-1)

    slopes = 0.2 * rng.standard_normal((len(rows), len(free))) / math.sqrt(len(free))
    sd = np.where(np.isfinite(rows.scale), rows.scale, 0.3)
    normal = np.array([problem.observables[o].family != "lognormal" for o in rows.observable])

    def predictions(theta):
        return fit.prediction * np.exp(theta @ slopes.T)

    def noisy(mean):
        z = sd * rng.standard_normal(mean.shape)
        return np.where(normal, mean + z, mean * np.exp(z))

    prediction = predictions(away)
    value = np.where(rows.censoring == 0, rows.value, rows.limit)
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = np.where(normal, value - prediction, np.log(value / prediction)) / sd
    likelihood = -0.5 * residual**2 - np.log(sd * math.sqrt(2 * math.pi))
    likelihood = np.where(rows.censoring == BELOW_LIMIT, log_ndtr(residual), likelihood)
    likelihood = np.where(rows.censoring == ABOVE_LIMIT, log_ndtr(-residual), likelihood)
    log_density = -0.5 * np.einsum("cdi,ij,cdj->cd", away, np.linalg.inv(covariance), away)
    result = SampleResult(
        numbers=numbers,
        draws=values(best + away),
        prior=values(before),
        log_density=log_density,
        energy=-log_density + 0.5 * rng.chisquare(len(free), log_density.shape),
        acceptance=0.7 + 0.3 * rng.random(log_density.shape),
        step_size=np.full(log_density.shape, 0.4),
        leapfrogs=np.full(log_density.shape, 7),
        diverging=np.zeros(log_density.shape, dtype=bool),
        saturated=np.zeros(log_density.shape, dtype=bool),
        prediction=prediction,
        predictive=noisy(prediction),
        log_likelihood=likelihood,
        prior_predictive=noisy(predictions(before - best)),
        diagnosis=diagnose(values(best + away), values(before), [item.scale for item in free], log_density),
        stress=Stress(100, {"the solver ran out of its step budget": 2, "the state is not finite": 1}, 1.5),
        reasons=(),
        warnings=(),
        curves=fit.curves,
        seed=seed,
        asked=draws,
        efforts={"warm-up": Effort(20.0, 4000, 4000), "sampling": Effort(10.0, 6000, 6000)},
    )
    return judged(result)


@cache
def small_sample():
    """One condition, three numbers of which two move together, all told by the data: (problem, result)."""
    problem, fit = small_fit()
    return problem, sample_of(problem, fit, [0.1, 0.15, 0.2], correlation=0.9)


@cache
def large_sample():
    """20 simulations, 27 numbers of every role and scale, three of which the data do not tell."""
    problem, fit = large_fit()
    spread = np.linspace(0.05, 0.4, len(problem.free))
    for name in ("k_LPS", "V_IL6", "release_gain[cycling_60min]"):
        spread[[item.name for item in problem.free].index(name)] = PRIOR_SD
    result = sample_of(problem, fit, spread, correlation=-0.95, draws=250)
    clearance, volume = result.draws[:, :, 1], result.draws[:, :, 2]
    more = (
        SampledNumber("half_life", "half-life of IL-6 in plasma", "h", "log", "derived"),
        SampledNumber("release_gain[S01]", "release of IL-6 of a person", "ng/h/kg", "log", "individual"),
    )
    extra = np.stack([math.log(2) * volume / clearance, result.draws[:, :, 0] * 1.1], axis=-1)
    prior = np.stack([np.full(len(result.prior), math.nan), result.prior[:, 0]], axis=-1)
    result = replace(
        result,
        numbers=result.numbers + more,
        draws=np.concatenate([result.draws, extra], axis=-1),
        prior=np.concatenate([result.prior, prior], axis=-1),
    )
    return problem, judged(result)


@cache
def troubled_sample():
    """The small one with all that can go wrong: a stuck chain, divergences, deep trees, an interruption."""
    problem, result = small_sample()
    draws, energy, acceptance = result.draws.copy(), result.energy.copy(), result.acceptance.copy()
    draws[2] = draws[2, :1] * 1.8
    energy[1] = np.cumsum(np.random.default_rng(2).standard_normal(energy.shape[1]))
    acceptance[2] = 0.01
    diverging, saturated = result.diverging.copy(), result.saturated.copy()
    diverging[0, 10:16] = diverging[2, ::100] = True
    saturated[3, :40] = True
    changed = replace(
        result,
        draws=draws,
        energy=energy,
        acceptance=acceptance,
        diverging=diverging,
        saturated=saturated,
        asked=1000,
    )
    return problem, judged(changed)


@cache
def every_kind_sample():
    """Rows of every kind, few draws."""
    problem, fit = fit_of(EVERY_KIND)
    return problem, sample_of(problem, fit, [0.1, 0.1], draws=100, prior_draws=100)


def part_of(result, chains=4, draws=500):
    """The first chains of a result, and of each the first draws, as an interruption leaves them."""
    cut = {name: getattr(result, name)[:chains, :draws] for name in OF_DRAWS}
    return judged(replace(result, **cut))
