"""How well chains know a posterior, and how well it predicts: the only place that asks ArviZ.

ArviZ 0.23 (Python 3.11) and 1.x agree in what is used here but for the names of two functions. It takes a
second to load, so that it is imported where it is asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from .sample_result import Diagnosis, Loo

#: With fewer draws of each chain nothing is said of them.
FEWEST_DRAWS = 4
#: Over this what is said of a row left out is not sure: Vehtari et al. (2024), arXiv:1507.02646.
MOST_PARETO_K = 0.7
#: A tail of weights needs five draws, and is a fifth of all.
_FEWEST_FOR_LOO = 25
#: The ends of the central 95 %, and the tails whose effective sample size counts.
_CENTRAL, _TAILS = (0.025, 0.975), (0.05, 0.95)
#: Log weights that differ by less are the same.
_SAME = 1e-10

Draws = Float[np.ndarray, "chain draw number"]
Each = Float[np.ndarray, "number"]


def r_hat(draws: Draws) -> Each:
    """Return the rank-normalised split R-hat: Vehtari et al. (2021), doi:10.1214/20-BA1221.

    NaN for a number that never moves or is not finite, for fewer than four draws, and for a single chain.
    """
    if draws.shape[0] < 2:
        return np.full(draws.shape[2], np.nan)
    return _each(draws, "rhat", method="rank")


def ess(draws: Draws, kind: Literal["bulk", "tail", "mean"]) -> Each:
    """Return the effective sample size of the bulk, of the 5 % and 95 % tails, or for the mean.

    NaN as `r_hat`, but that a single chain has one.
    """
    return _each(draws, "ess", method=kind, **({"prob": _TAILS} if kind == "tail" else {}))


def mcse_mean(draws: Draws) -> Each:
    """Return the Monte Carlo standard error of the mean, in the unit of each number; NaN as `ess`."""
    return _each(draws, "mcse", method="mean")


def e_fmi(energy: Float[np.ndarray, "chain draw"]) -> Float[np.ndarray, "chain"]:
    """Return the energy's Bayesian fraction of missing information: Betancourt (2016), arXiv:1604.00695.

    NaN for fewer than four draws, and for an energy that never changes.
    """
    if energy.shape[1] < FEWEST_DRAWS:
        return np.full(len(energy), np.nan)
    with _arviz() as az:
        return np.asarray(az.bfmi(energy), dtype=float)


def diagnose(
    draws: Draws,
    prior: Float[np.ndarray, "priordraw number"],
    scales: Sequence[str],
    energy: Float[np.ndarray, "chain draw"],
) -> Diagnosis:
    """Return each number's posterior in short, and how well the chains know it.

    `draws` and `prior` are in the units of the numbers; `scales` says by number where its contraction is
    taken: "log" and "log10" on the logarithm, all others as it is.
    """
    pooled = draws.reshape(-1, draws.shape[2])
    if not len(pooled):
        pooled = np.full((1, draws.shape[2]), np.nan)
    lower, median, upper = np.quantile(pooled, [_CENTRAL[0], 0.5, _CENTRAL[1]], axis=0)
    return Diagnosis(
        mean=pooled.mean(axis=0),
        sd=pooled.std(axis=0, ddof=1) if len(pooled) > 1 else np.full(draws.shape[2], np.nan),
        median=median,
        lower=lower,
        upper=upper,
        r_hat=r_hat(draws),
        ess_bulk=ess(draws, "bulk"),
        ess_tail=ess(draws, "tail"),
        mcse_mean=mcse_mean(draws),
        contraction=contraction(pooled, prior, scales),
        e_fmi=e_fmi(energy),
    )


def contraction(
    posterior: Float[np.ndarray, "draw number"],
    prior: Float[np.ndarray, "priordraw number"],
    scales: Sequence[str],
) -> Each:
    """Return 1 - var(posterior) / var(prior) on the scale of each number.

    Near 1 where the data tell a number, near 0 where its posterior is its prior. NaN for a prior without
    spread, for fewer than two draws, and for draws without a place on the scale.
    """
    found = np.full(len(scales), np.nan)
    if min(len(posterior), len(prior)) < 2:
        return found
    for n, scale in enumerate(scales):
        before, after = (on_scale(scale, part[:, n]) for part in (prior, posterior))
        if np.isfinite(before).all() and np.isfinite(after).all() and np.ptp(before) > 0:
            found[n] = 1.0 - np.var(after, ddof=1) / np.var(before, ddof=1)
    return found


def on_scale(scale: str, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Return numbers as their scale shows them: the logarithm for "log" and "log10"; else as they are."""
    if scale not in ("log", "log10"):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values)


def loo(log_likelihood: Float[np.ndarray, "chain draw row"], draws: Draws) -> Loo | None:
    """Return what the posterior predicts of each row left out, by Pareto-smoothed importance sampling.

    Vehtari et al. (2017), doi:10.1007/s11222-016-9696-4. The tail that is smoothed depends on the effective
    sample size of `draws`. None for fewer than 25 draws, or without rows.
    """
    chains, each, count = log_likelihood.shape
    samples = chains * each
    if samples < _FEWEST_FOR_LOO or not count:
        return None
    rows = log_likelihood.reshape(samples, count).T
    efficiency = _efficiency(draws)
    # Where the largest weights are all the same there is no tail, and both lines of ArviZ stumble.
    tail = int(np.ceil(min(samples / 5, 3 * np.sqrt(samples / efficiency)))) + 1
    largest = np.partition(-rows, samples - tail, axis=1)[:, samples - tail :]
    finite = np.isfinite(rows).all(axis=1)
    tailed = finite & (np.ptp(np.where(finite[:, None], largest, 0.0), axis=1) > _SAME)
    with np.errstate(invalid="ignore"):
        log_weights = -rows - logsumexp(-rows, axis=1, keepdims=True)
    pareto_k = np.where(finite, 0.0, np.inf)
    if tailed.any():
        log_weights[tailed], found = _smoothed(rows[tailed], efficiency)
        pareto_k[tailed] = np.where(np.isnan(found), np.inf, found)
    pointwise = logsumexp(log_weights + rows, axis=1)
    whole = logsumexp(rows, axis=1) - np.log(samples)
    return Loo(
        elpd=float(pointwise.sum()),
        se=float(np.sqrt(count * pointwise.var())),
        p_loo=float((whole - pointwise).sum()),
        pointwise=pointwise,
        pareto_k=pareto_k,
    )


@dataclass(frozen=True)
class Ranked:
    """One of several models of the same data, by what it predicts of rows left out."""

    name: str
    elpd: float
    se: float
    p_loo: float
    #: What is missing to the elpd of the best, and the standard error of this difference.
    behind: float
    behind_se: float
    #: Rows with a Pareto k over 0.7, of which what is said is not sure.
    unsure: int


def ranking(models: Mapping[str, Loo]) -> tuple[Ranked, ...]:
    """Return models of the same rows, the best elpd first.

    The standard error of a difference is that of its rows: Vehtari et al. (2017), equation 24.
    """
    names = sorted(models, key=lambda name: -models[name].elpd)
    found = []
    for name in names:
        item = models[name]
        missing = models[names[0]].pointwise - item.pointwise
        found.append(
            Ranked(
                name,
                item.elpd,
                item.se,
                item.p_loo,
                float(missing.sum()),
                float(np.sqrt(len(missing) * missing.var())),
                unsure_rows(item),
            )
        )
    return tuple(found)


def unsure_rows(found: Loo) -> int:
    """Return how many rows have a Pareto k over 0.7."""
    return int((found.pareto_k > MOST_PARETO_K).sum())


def _efficiency(draws: Draws) -> float:
    # As ArviZ has it: the mean over numbers of effective per real draws; 1 where it is not known.
    found = ess(draws, "mean") / (draws.shape[0] * draws.shape[1])
    known = found[np.isfinite(found)]
    return float(known.mean()) if known.size and draws.shape[0] > 1 else 1.0


def _smoothed(rows: Float[np.ndarray, "row sample"], efficiency: float) -> tuple[Any, Any]:
    with _arviz() as az:
        if hasattr(az, "psislw"):
            return az.psislw(-rows, reff=efficiency)
        from arviz_stats.base import array_stats

        return array_stats.psislw(rows, r_eff=efficiency, axis=-1)


def _each(draws: Draws, name: str, **how: Any) -> Each:
    """Return a statistic of ArviZ of each number; NaN for what never moves and what is not finite."""
    found = np.full(draws.shape[2], np.nan)
    if draws.shape[1] < FEWEST_DRAWS:
        return found
    with _arviz() as az:
        for n in range(draws.shape[2]):
            own = np.ascontiguousarray(draws[:, :, n])
            if np.isfinite(own).all() and np.ptp(own) > 0:
                found[n] = float(getattr(az, name)(own, **how))
    return found


@contextmanager
def _arviz() -> Iterator[Any]:
    """Give ArviZ, whose warnings (of its next version, of what comes out as NaN) are not the user's."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import arviz

        yield arviz
