"""What is said of chains and of rows left out: against closed forms, in both lines of ArviZ. No JAX."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from exsim.posterior_statistics import (
    contraction,
    diagnose,
    e_fmi,
    ess,
    loo,
    mcse_mean,
    on_scale,
    r_hat,
    ranking,
    unsure_rows,
)
from exsim.sample_result import Loo


def chains(numbers=2, count=4, draws=500, seed=0):
    return np.random.default_rng(seed).standard_normal((count, draws, numbers))


def autoregressive(share, count=4, draws=4000, seed=3):
    """Chains of unit variance in which each draw keeps a share of the one before."""
    z = np.random.default_rng(seed).standard_normal((count, draws))
    x = z.copy()
    for n in range(1, draws):
        x[:, n] = share * x[:, n - 1] + math.sqrt(1 - share**2) * z[:, n]
    return x[:, :, None]


def split_r_hat(values):
    halves = values.reshape(2 * len(values), -1)
    within, between = halves.var(axis=1, ddof=1).mean(), halves.mean(axis=1).var(ddof=1)
    return math.sqrt((halves.shape[1] - 1) / halves.shape[1] + between / within)


def rank_normalised(values):
    ranks = rankdata(values).reshape(values.shape)
    return norm.ppf((ranks - 0.375) / (values.size + 0.25))


def test_r_hat_is_the_larger_of_that_of_the_ranks_and_that_of_the_folded_ranks():
    draws = chains(1)
    draws[1] += 0.3
    draws[2] *= 1.7
    values = draws[:, :, 0]
    folded = np.abs(values - np.median(values))
    wanted = max(split_r_hat(rank_normalised(part)) for part in (values, folded))
    np.testing.assert_allclose(r_hat(draws), wanted, rtol=1e-9)


def test_a_chain_that_is_elsewhere_has_an_r_hat_far_from_one_and_its_number_alone():
    draws = chains(3)
    draws[2, :, 1] += 5.0
    found = r_hat(draws)
    assert found[1] > 1.3
    assert (found[[0, 2]] < 1.01).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_the_effective_sample_size_is_that_of_an_autoregressive_chain(share):
    draws = autoregressive(share)
    wanted = draws.size * (1 - share) / (1 + share)
    for kind in ("mean", "bulk"):
        # The estimate of a long memory is itself unsure.
        assert ess(draws, kind)[0] == pytest.approx(wanted, rel=0.1 if share < 0.9 else 0.25)
    assert ess(draws, "tail")[0] > 0.5 * wanted


def test_the_tails_are_the_outer_five_per_cent_whatever_arviz_takes_by_itself():
    draws = chains(1, draws=1000)
    low, high = np.quantile(draws, [0.05, 0.95])
    tails = [np.asarray(draws <= end, dtype=float) for end in (low, high)]
    assert ess(draws, "tail")[0] == pytest.approx(min(ess(part, "mean")[0] for part in tails), rel=0.01)


def test_the_error_of_the_mean_is_the_spread_over_the_root_of_the_effective_draws():
    draws = autoregressive(0.6)
    wanted = draws.std(ddof=1) / math.sqrt(ess(draws, "mean")[0])
    assert mcse_mean(draws)[0] == pytest.approx(wanted, rel=0.01)


def test_the_missing_information_is_told_chain_by_chain():
    energy = chains(1)[:, :, 0]
    energy[1] = np.cumsum(energy[1])
    wanted = (np.diff(energy) ** 2).mean(axis=1) / energy.var(axis=1)
    np.testing.assert_allclose(e_fmi(energy), wanted, rtol=0.01)
    assert e_fmi(energy)[1] < 0.1


def test_what_never_moves_or_is_not_finite_or_too_short_has_no_statistics():
    draws = chains(3)
    draws[:, :, 1] = 2.0
    draws[0, 3, 2] = math.nan
    for found in (r_hat(draws), ess(draws, "bulk"), ess(draws, "tail"), mcse_mean(draws)):
        np.testing.assert_array_equal(np.isfinite(found), [True, False, False])
    assert np.isnan(r_hat(draws[:, :3])).all()
    assert np.isnan(ess(draws[:, :3], "bulk")).all()
    assert np.isnan(e_fmi(draws[:, :3, 0])).all()


def test_a_single_chain_has_an_effective_sample_size_and_no_r_hat():
    draws = chains(2, count=1)
    assert np.isnan(r_hat(draws)).all()
    assert (ess(draws, "bulk") > 300).all()


def test_a_known_normal_posterior_is_told_with_its_contraction_on_the_scale_of_the_number():
    rng = np.random.default_rng(4)
    z = rng.standard_normal((4, 2000, 3))
    draws = np.stack(
        [np.exp(1.0 + 0.1 * z[..., 0]), 3.0 + 0.2 * z[..., 1], 10.0 ** (0.3 * z[..., 2])], axis=-1
    )
    y = rng.standard_normal((4000, 3))
    prior = np.stack([np.exp(0.5 * y[:, 0]), 1.0 * y[:, 1], 10.0 ** (0.3 * y[:, 2])], axis=-1)
    found = diagnose(draws, prior, ["log", "linear", "log10"], z[..., 0])
    np.testing.assert_allclose(found.contraction, [0.96, 0.96, 0.0], atol=0.05)
    np.testing.assert_allclose(found.median, [math.e, 3.0, 1.0], rtol=0.02)
    np.testing.assert_allclose(found.lower, [math.exp(1 - 0.196), 3 - 0.392, 10**-0.588], rtol=0.04)
    np.testing.assert_allclose(found.upper, [math.exp(1 + 0.196), 3 + 0.392, 10**0.588], rtol=0.04)
    np.testing.assert_allclose(found.mean[1], 3.0, atol=4 * found.mcse_mean[1])
    np.testing.assert_allclose(found.sd[1], 0.2, rtol=0.03)
    assert (found.r_hat < 1.01).all()


def test_a_number_without_a_prior_of_its_own_has_no_contraction():
    posterior = chains(4)[0]
    prior = np.stack(
        [np.full(50, math.nan), np.full(50, 2.0), np.linspace(-1, 1, 50), np.linspace(1, 2, 50)], 1
    )
    found = contraction(posterior, prior, ["linear", "linear", "log", "logit"])
    np.testing.assert_array_equal(np.isnan(found), [True, True, True, False])


def test_no_draws_have_no_statistics():
    found = diagnose(chains(2)[:, :0], chains(2)[0], ["log", "linear"], np.zeros((4, 0)))
    for name in ("mean", "sd", "median", "lower", "upper", "r_hat", "ess_bulk", "contraction", "e_fmi"):
        assert np.isnan(getattr(found, name)).all(), name


def test_the_scale_of_zero_and_below_is_no_number_and_no_warning():
    assert not np.isfinite(on_scale("log", np.array([0.0, -1.0]))).any()
    np.testing.assert_array_equal(on_scale("logit", np.array([0.2])), [0.2])


def normal_means(count=30, draws=2000, outlier=0.0, seed=7):
    """Measurements of one mean with a spread of 1 and a flat prior: rows, log likelihoods, draws."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(count)
    y[0] += outlier
    draws = y.mean() + rng.standard_normal((4, draws, 1)) / math.sqrt(count)
    return y, norm.logpdf(y, draws, 1.0), draws


def test_what_is_predicted_of_rows_left_out_is_that_of_the_closed_form():
    y, log_likelihood, draws = normal_means()
    others = (y.sum() - y) / (len(y) - 1)
    wanted = norm.logpdf(y, others, math.sqrt(1 + 1 / (len(y) - 1)))
    found = loo(log_likelihood, draws)
    np.testing.assert_allclose(found.pointwise, wanted, atol=0.02)
    assert found.elpd == pytest.approx(wanted.sum(), abs=0.05)
    assert found.se == pytest.approx(math.sqrt(len(y)) * wanted.std(), rel=0.02)
    whole = norm.logpdf(y, y.mean(), math.sqrt(1 + 1 / len(y)))
    assert found.p_loo == pytest.approx((whole - wanted).sum(), abs=0.05)
    assert unsure_rows(found) == 0


def test_a_row_that_moves_the_posterior_has_a_large_pareto_k():
    _, log_likelihood, draws = normal_means(count=4, outlier=9.0)
    found = loo(log_likelihood, draws)
    assert found.pareto_k[0] > 0.7
    assert unsure_rows(found) >= 1


def test_rows_that_do_not_tell_draws_apart_are_sure_and_leave_the_others_as_they_are():
    _, log_likelihood, draws = normal_means()
    alone = loo(log_likelihood, draws)
    rest = np.full((*draws.shape[:2], 1), -1.0)
    far = -1e-89 * np.abs(draws)
    # The largest weights belong to one draw that a stuck chain repeats.
    repeated = rest.copy()
    repeated[0] = -4.0
    found = loo(np.concatenate([log_likelihood, rest, far, repeated], axis=2), draws)
    np.testing.assert_allclose(found.pointwise[:-3], alone.pointwise, rtol=1e-12)
    np.testing.assert_allclose(found.pareto_k[:-3], alone.pareto_k, rtol=1e-12)
    np.testing.assert_array_equal(found.pareto_k[-3:], 0.0)
    harmonic = -math.log(0.25 * math.exp(4.0) + 0.75 * math.exp(1.0))
    np.testing.assert_allclose(found.pointwise[-3:], [-1.0, 0.0, harmonic], atol=1e-12)


def test_a_row_that_is_impossible_at_a_draw_is_not_sure():
    _, log_likelihood, draws = normal_means()
    log_likelihood[0, 0, 3] = -math.inf
    found = loo(log_likelihood, draws)
    assert found.pareto_k[3] == math.inf
    assert np.isfinite(found.pareto_k[[0, 1, 2, 4]]).all()


def test_too_few_draws_or_no_rows_predict_nothing():
    _, log_likelihood, draws = normal_means()
    assert loo(log_likelihood[:, :6], draws[:, :6]) is None
    assert loo(log_likelihood[:, :7], draws[:, :7]) is not None
    assert loo(log_likelihood[:, :, :0], draws) is None


def test_models_are_ranked_with_the_error_of_their_difference():
    rng = np.random.default_rng(1)
    points = rng.standard_normal(40)
    gap = 0.5 + 0.1 * rng.standard_normal(40)

    def model(pointwise, k=0.1):
        return Loo(float(pointwise.sum()), 1.0, 2.0, pointwise, np.full(40, k))

    best, worse = ranking({"without IL-10": model(points - gap, 0.9), "with": model(points)})
    assert (best.name, best.behind, best.behind_se, best.unsure) == ("with", 0.0, 0.0, 0)
    assert worse.behind == pytest.approx(gap.sum())
    assert worse.behind_se == pytest.approx(math.sqrt(40) * gap.std())
    assert worse.unsure == 40


def test_arviz_is_loaded_when_it_is_asked_and_its_news_are_not_the_users():
    script = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "import numpy as np, exsim.posterior_statistics as found, exsim.posterior_complaints\n"
        "print('arviz' in sys.modules)\n"
        "found.r_hat(np.random.default_rng(0).standard_normal((4, 10, 1)))\n"
        "print('arviz' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert done.stderr == ""
