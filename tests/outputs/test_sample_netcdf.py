"""posterior.nc: groups that ArviZ reads, names and units as users know them, equal byte for byte."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from exsim.errors import InputError
from exsim.fit_result import Effort
from exsim.outputs.netcdf import read_posterior, write_posterior
from exsim.outputs.posterior_comparison import compare_posteriors
from exsim.sample_datasets import number_name, posterior_tree, variable_name

from .sample_cases import every_kind_sample, large_sample, part_of, small_sample, troubled_sample

GROUPS = {
    "posterior",
    "log_likelihood",
    "posterior_predictive",
    "observed_data",
    "prior",
    "prior_predictive",
    "sample_stats",
}


@pytest.fixture
def stored(tmp_path):
    """Return a function that writes draws and returns the path."""

    def store(problem, result, name="posterior.nc"):
        write_posterior(posterior_tree(problem, result, "What?"), tmp_path / name)
        return tmp_path / name

    return store


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The file of the large sample."""
    path = tmp_path_factory.mktemp("draws") / "posterior.nc"
    write_posterior(posterior_tree(*large_sample(), "What?"), path)
    return path


@pytest.fixture(scope="module")
def arviz():
    """ArviZ, without what it says of its next version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz

    return arviz


def test_draws_written_and_read_are_the_same(large):
    problem, result = large_sample()
    back = read_posterior(large)
    xr.testing.assert_identical(back, posterior_tree(problem, result, "What?"))
    assert set(back.children) == GROUPS


def test_draws_are_found_by_name_with_their_unit_and_label(large):
    _, result = large_sample()
    posterior = read_posterior(large)["posterior"]
    assert list(posterior.data_vars) == [item.name for item in result.numbers]
    gain = posterior["release_gain[cycling_60min]"]
    np.testing.assert_array_equal(gain, result.draws[:, :, 21])
    assert gain.dims == ("chain", "draw")
    assert (gain.attrs["units"], gain.attrs["role"]) == ("ng/h/kg", "parameter")
    assert posterior["half_life"].attrs["long_name"] == "half-life of IL-6 in plasma"


def test_rows_carry_what_was_measured_where_and_beyond_which_limit(large):
    problem, result = large_sample()
    tree = read_posterior(large)
    data = tree["observed_data"]
    np.testing.assert_array_equal(data["value"], problem.rows.value)
    np.testing.assert_array_equal(data["limit"], problem.rows.limit)
    np.testing.assert_array_equal(data["censoring"], problem.rows.censoring)
    for group, values in (
        ("log_likelihood", result.log_likelihood),
        ("posterior_predictive", result.predictive),
        ("prior_predictive", result.prior_predictive[None]),
    ):
        np.testing.assert_array_equal(tree[group]["value"], values)
        of_tnf = tree[group].to_dataset()["value"]
        of_tnf = of_tnf.where(of_tnf["observable"] == "TNF", drop=True)
        assert set(of_tnf["row_unit"].values) == {"pg/mL"}
        assert set(of_tnf["condition"].values) == {"marathon", "cycling_60min"}
        assert of_tnf["time_h"].attrs["units"] == "h"
        assert "S07" in of_tnf["subject"].values


def test_how_each_draw_was_come_by_is_there(stored):
    problem, result = troubled_sample()
    stats = read_posterior(stored(problem, result))["sample_stats"]
    assert int(stats["diverging"].sum()) == 11
    assert int(stats["reached_max_treedepth"].sum()) == 40
    for name, values in (
        ("energy", result.energy),
        ("lp", result.log_density),
        ("acceptance_rate", result.acceptance),
        ("step_size", result.step_size),
        ("n_steps", result.leapfrogs),
    ):
        np.testing.assert_array_equal(stats[name], values)


def test_the_file_says_whence_it_comes_and_whether_to_trust_it(stored):
    problem, result = troubled_sample()
    tree = read_posterior(stored(problem, result))
    for attributes in (tree.attrs, tree["posterior"].attrs):
        assert (attributes["model"], attributes["config"]) == ("il6_axis", "il6_from_plasma")
        assert (attributes["title"], attributes["seed"]) == ("What?", 1)
        assert (attributes["complete"], attributes["trusted"], attributes["asked"]) == (0, 0, 1000)
        assert json.loads(attributes["reasons"]) == list(result.reasons)


def test_arviz_reads_groups_names_and_statistics(large, arviz):
    _, result = large_sample()
    data = arviz.from_netcdf(str(large))
    table = arviz.summary(data, var_names=["sd[IL6]", "k_LPS"], round_to=12)
    assert list(table.index) == ["sd[IL6]", "k_LPS"]
    places = [[item.name for item in result.numbers].index(name) for name in table.index]
    for column in ("r_hat", "ess_bulk", "mcse_mean"):
        wanted = getattr(result.diagnosis, column)[places]
        np.testing.assert_allclose(np.asarray(table[column], dtype=float), wanted, rtol=1e-9)
    np.testing.assert_allclose(arviz.bfmi(data), result.diagnosis.e_fmi)


def test_arviz_finds_the_same_leave_one_out(large, arviz):
    _, result = large_sample()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        found = arviz.loo(arviz.from_netcdf(str(large)), pointwise=True)
    np.testing.assert_allclose(np.asarray(found.pareto_k), result.loo.pareto_k, rtol=1e-6)
    # ArviZ 1.x has shorter names.
    elpd, parameters = (getattr(found, f"{name}_loo", getattr(found, name, None)) for name in ("elpd", "p"))
    assert (elpd, found.se, parameters) == pytest.approx((result.loo.elpd, result.loo.se, result.loo.p_loo))


@pytest.mark.parametrize(
    "names", [("scale[A/B 50 %]", "chain", "draw"), ("a%2Fb", "k[Läufer β/2, 血漿 #1]", "k[S1]")]
)
def test_row_21_a_name_that_a_file_cannot_hold_is_found_again(stored, names):
    problem, result = small_sample()
    numbers = tuple(
        replace(item, name=name, label="µ-Rate") for item, name in zip(result.numbers, names, strict=True)
    )
    posterior = read_posterior(stored(problem, replace(result, numbers=numbers)))["posterior"]
    for n, name in enumerate(names):
        np.testing.assert_array_equal(posterior[variable_name(name)], result.draws[:, :, n])
        assert posterior[variable_name(name)].attrs["name"] == name
    assert [number_name(item) for item in posterior.data_vars] == list(names)


def test_usual_names_are_kept():
    for name in ("k[S1]", "sd[IL6]", "scale[Ostrowski 1998, J Physiol 508:949]", "release_gain"):
        assert variable_name(name) == name


def test_two_files_of_the_same_draws_are_equal_byte_for_byte(stored):
    problem, result = small_sample()
    later = replace(
        result, efforts={"sampling": Effort(1.0, 2, 4)}, stress=replace(result.stress, seconds=9.0)
    )
    one, other = stored(problem, result, "a.nc"), stored(problem, later, "b.nc")
    assert one.read_bytes() == other.read_bytes()


def test_an_interruption_before_the_first_draw_leaves_a_file(stored):
    problem, result = small_sample()
    back = read_posterior(stored(problem, part_of(result, draws=0)))
    assert dict(back["posterior"].sizes) == {"chain": 4, "draw": 0}
    assert back.attrs["complete"] == 0


def test_posteriors_of_the_same_data_are_ranked_by_leave_one_out(stored):
    problem, result = small_sample()
    better = stored(problem, result, "better.nc")
    worse = stored(problem, replace(result, log_likelihood=result.log_likelihood - 0.25), "worse.nc")
    first, second = compare_posteriors([worse, better])
    assert (first.name, second.name) == (str(better), str(worse))
    assert first.elpd == pytest.approx(result.loo.elpd)
    assert second.behind == pytest.approx(0.25 * len(problem.rows))
    assert second.behind_se == pytest.approx(0.0, abs=1e-6)


def test_posteriors_of_other_data_are_not_compared(stored):
    problem, result = small_sample()
    one = stored(problem, result, "one.nc")
    rows = replace(problem.rows, value=problem.rows.value * 1.1)
    other = stored(replace(problem, rows=rows), result, "other.nc")
    with pytest.raises(InputError, match="its data are not those of"):
        compare_posteriors([one, other])
    more = stored(*every_kind_sample(), "more.nc")
    with pytest.raises(InputError, match="its data are not those of"):
        compare_posteriors([one, more])


def test_a_posterior_of_a_few_draws_is_not_compared(stored):
    problem, result = small_sample()
    with pytest.raises(InputError, match="too few draws"):
        compare_posteriors([stored(problem, part_of(result, draws=3))])
