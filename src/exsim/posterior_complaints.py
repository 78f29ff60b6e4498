"""Why draws may not be trusted, in words: chains that disagree or stand still, divergences, too few draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from .posterior_statistics import FEWEST_DRAWS, MOST_PARETO_K, on_scale, unsure_rows
from .sample_result import SampleResult

#: From here on chains disagree, and below here draws are too few: Vehtari et al. (2021),
#: doi:10.1214/20-BA1221.
MOST_R_HAT, LEAST_ESS = 1.01, 400.0
#: Betancourt (2016), arXiv:1604.00695.
LEAST_E_FMI = 0.3
#: Under this the posterior of a number is its prior.
LEAST_CONTRACTION = 0.1
#: A chain is stuck that accepts less, whose spread is a smaller share of that of the others, or whose mean
#: lies farther from theirs, in standard deviations within a chain.
_LEAST_ACCEPTANCE, _LEAST_SPREAD, _FARTHEST = 0.05, 0.02, 2.0
_MOST_NAMED = 5


def complaints(result: SampleResult) -> tuple[str, ...]:
    """Return the reasons why the draws may not be trusted, the worst first; none where they may.

    All but `reasons` and `warnings` of the result is read.
    """
    chains, draws, _ = result.draws.shape
    missing = (
        [] if result.complete else [f"interrupted: {draws} of {result.asked} draws of each chain are there"]
    )
    if draws < FEWEST_DRAWS:
        few = f"{draws} draw{'s' * (draws != 1)} of each chain: too few to say anything of them"
        return (few, *missing)
    return (
        *_stuck(result),
        *_disagreeing(result),
        *_diverging(result),
        *_few(result),
        *_energy(result),
        *_saturated(result),
        *(["a single chain: nothing tells whether it found the whole posterior"] if chains == 1 else []),
        *missing,
    )


def doubts(result: SampleResult) -> tuple[str, ...]:
    """Return what a reader should know of draws, trusted or not: what the data do not tell, unsure rows."""
    found = []
    low = [
        (result.numbers[n].name, f"{result.diagnosis.contraction[n]:.2f}")
        for n in np.argsort(result.diagnosis.contraction, kind="stable")
        if result.numbers[n].role == "parameter" and result.diagnosis.contraction[n] < LEAST_CONTRACTION
    ]
    if low:
        found.append(
            f"the posterior of {_listed(low)} is {'its' if len(low) == 1 else 'their'} prior "
            f"(contraction under {LEAST_CONTRACTION:g}): the data tell next to nothing of "
            f"{'it' if len(low) == 1 else 'them'}"
        )
    if result.loo is not None and (unsure := unsure_rows(result.loo)):
        found.append(
            f"{unsure} of {len(result.loo.pareto_k)} rows move the posterior so much that what LOO says "
            f"of {'it' if unsure == 1 else 'them'} is not sure (Pareto k over {MOST_PARETO_K:g})"
        )
    lost = (~np.isfinite(result.draws)).sum(axis=(0, 1)).tolist()
    if any(lost):
        counts = [(item.name, str(n)) for item, n in zip(result.numbers, lost, strict=True) if n]
        found.append(
            f"at some of {result.diverging.size} draws there is no number for {_listed(counts)}: they are "
            "left without statistics"
        )
    return tuple(found)


def worst_known(result: SampleResult) -> Int[np.ndarray, "number"]:
    """Return the places of the numbers, those first that the chains know worst by R-hat and ESS."""
    said = result.diagnosis
    few = LEAST_ESS / np.minimum(said.ess_bulk, said.ess_tail)
    # What only one of them knows has that one; what never moves has neither, and stands first.
    badness = np.fmax((said.r_hat - 1.0) / (MOST_R_HAT - 1.0), few)
    return np.argsort(-np.where(np.isnan(badness), np.inf, badness), kind="stable")


def _stuck(result: SampleResult) -> Iterator[str]:
    sampled = [n for n, item in enumerate(result.numbers) if item.role == "parameter"]
    if not sampled or not np.isfinite(result.draws[:, :, sampled]).all():
        return
    x = np.stack([on_scale(result.numbers[n].scale, result.draws[:, :, n]) for n in sampled], axis=-1)
    if not np.isfinite(x).all():
        return
    means, spreads = x.mean(axis=1), x.std(axis=1)
    for chain in range(len(x)):
        signs = []
        acceptance = float(result.acceptance[chain].mean())
        others = np.arange(len(x)) != chain
        usual = np.median(spreads[others], axis=0) if others.any() else np.zeros(len(sampled))
        if not np.ptp(x[chain], axis=0).any():
            signs.append("it never moves")
        elif (spreads[chain] < _LEAST_SPREAD * usual).any():
            signs.append("it hardly moves")
        if acceptance < _LEAST_ACCEPTANCE:
            signs.append(f"it accepts {100 * acceptance:.1f} % of what is proposed")
        away = _distance(means, spreads, chain)
        if away.max() > _FARTHEST:
            n = int(away.argmax())
            own, theirs = (np.median(result.draws[who, :, sampled[n]]) for who in (chain, others))
            item = result.numbers[sampled[n]]
            signs.append(f"its {item.name} is about {own:.4g}, that of the other chains {theirs:.4g}")
        if signs:
            yield f"chain {chain + 1} of {len(x)} is stuck or apart: {', '.join(signs)}"


def _distance(
    means: Float[np.ndarray, "chain number"], spreads: Float[np.ndarray, "chain number"], chain: int
) -> Float[np.ndarray, "number"]:
    """Return how far a chain is from the nearer half of the others, in standard deviations within chains.

    The nearer half, so that one chain that is lost does not make the others look lost.
    """
    others = np.arange(len(means)) != chain
    if not others.any():
        return np.zeros(means.shape[1])
    within = np.median(spreads, axis=0)
    away = np.sort(np.abs(means[others] - means[chain]), axis=0)[(int(others.sum()) + 1) // 2 - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away > 0, away / within, 0.0)


def _disagreeing(result: SampleResult) -> Iterator[str]:
    r_hat = result.diagnosis.r_hat
    if found := _worst(result, r_hat >= MOST_R_HAT, r_hat, r_hat, "{:.4g}"):
        yield f"the chains do not agree: R-hat of {found} (should be under {MOST_R_HAT:g})"
    sampled = [(n, item.name) for n, item in enumerate(result.numbers) if item.role == "parameter"]
    for words, bad in (
        ("no chain ever moves", np.ptp(result.draws, axis=(0, 1)) == 0),
        ("there are draws that are no number of", ~np.isfinite(result.draws).all(axis=(0, 1))),
    ):
        if names := [name for n, name in sampled if bad[n]]:
            yield f"{words} {', '.join(names[:_MOST_NAMED])}{_more(len(names))}"


def _diverging(result: SampleResult) -> Iterator[str]:
    count, all_draws = int(result.diverging.sum()), result.diverging.size
    if count:
        by_chain = result.diverging.sum(axis=1).tolist()
        where = ", ".join(f"{n} in chain {chain + 1}" for chain, n in enumerate(by_chain) if n)
        yield (
            f"{count} of {all_draws} draws diverged after warm-up ({100 * count / all_draws:.2g} %: {where})"
            ": raise target_acceptance, or give a wide parameter a tighter prior"
        )


def _few(result: SampleResult) -> Iterator[str]:
    for part, values in (("bulk", result.diagnosis.ess_bulk), ("tail", result.diagnosis.ess_tail)):
        if found := _worst(result, values < LEAST_ESS, -values, values, "{:.0f}"):
            enough = f"(should be {LEAST_ESS:g} or more): draw more"
            yield f"too few effective draws in the {part}: {found} {enough}"


def _energy(result: SampleResult) -> Iterator[str]:
    low = [(chain, value) for chain, value in enumerate(result.diagnosis.e_fmi) if value < LEAST_E_FMI]
    if low:
        where = ", ".join(f"{value:.2f} in chain {chain + 1}" for chain, value in low)
        yield f"the sampler sees little of the tails: E-FMI {where} (should be {LEAST_E_FMI:g} or more)"


def _saturated(result: SampleResult) -> Iterator[str]:
    count = int(result.saturated.sum())
    if count:
        by_chain = result.saturated.sum(axis=1).tolist()
        where = ", ".join(f"{n} in chain {chain + 1}" for chain, n in enumerate(by_chain) if n)
        yield (
            f"{count} of {result.saturated.size} trajectories were cut at their largest length ({where}): "
            "the posterior is much narrower in one direction than in another"
        )


def _worst(result: SampleResult, bad: np.ndarray, badness: np.ndarray, values: np.ndarray, form: str) -> str:
    chosen = sorted(np.flatnonzero(bad).tolist(), key=lambda n: -badness[n])
    return _listed([(result.numbers[n].name, form.format(values[n])) for n in chosen])


def _listed(said: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({value})" for name, value in said[:_MOST_NAMED]) + _more(len(said))


def _more(count: int) -> str:
    return f" and {count - _MOST_NAMED} more" if count > _MOST_NAMED else ""
