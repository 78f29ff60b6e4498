"""The report of sampling on the terminal: what is wrong first, then numbers in columns that line up."""

from dataclasses import replace

import pytest

from exsim.outputs.sample_text import sample_text
from exsim.sample_result import Stress

from .sample_cases import large_sample, part_of, small_sample, troubled_sample


def row_of(text, name):
    line = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    return " ".join(line.split())


def test_row_101_draws_that_are_not_trusted_open_with_every_reason():
    problem, result = troubled_sample()
    lines = sample_text(problem, result).splitlines()
    assert lines[0] == "NOT TO BE TRUSTED"
    assert lines[1 : 1 + len(result.reasons)] == [f"  {reason}" for reason in result.reasons]


def test_draws_that_are_trusted_open_with_the_table():
    problem, result = small_sample()
    text = sample_text(problem, result)
    assert text.startswith("number ")
    assert "TRUSTED" not in text


def test_every_number_has_its_mean_interval_and_how_well_it_is_known():
    problem, result = small_sample()
    said = result.diagnosis
    assert row_of(sample_text(problem, result), "release_gain") == (
        f"release_gain {said.mean[0]:.4g} {said.sd[0]:.4g} {said.median[0]:.4g} "
        f"{said.lower[0]:.4g} to {said.upper[0]:.4g} ng/h/kg "
        f"{said.r_hat[0]:.3f} {said.ess_bulk[0]:.0f} {said.ess_tail[0]:.0f} {said.contraction[0]:.2f}"
    )


def test_columns_line_up_however_long_the_names_are():
    header, *lines = sample_text(*large_sample()).splitlines()[:28]
    for column in ("mean", "95 % interval", "R-hat"):
        edge = header.index(column) + len(column)
        assert all(line[edge - 1] != " " and line[edge] == " " for line in lines), column
    assert row_of("\n".join(lines), "half_life").endswith(" -")


def test_below_the_table_stand_draws_divergences_failures_and_speed():
    problem, result = troubled_sample()
    lines = sample_text(problem, result).splitlines()[-6:]
    assert lines[0] == "4 chains of 500 draws of 1000 asked, 12 measurements"
    assert lines[1] == "11 divergences after warm-up"
    assert lines[2] == (
        "3 of 100 draws from the prior failed (2: the solver ran out of its step budget, "
        "1: the state is not finite)"
    )
    assert lines[3] == (
        f"LOO: elpd {result.loo.elpd:.4g} ± {result.loo.se:.4g}, p_loo {result.loo.p_loo:.4g}; "
        "0 of 12 rows with Pareto k over 0.7"
    )
    assert lines[5] == "sampling: 10.0 s, 600 gradients/s (6,000 in all), 600 trajectories/s"


def test_censored_rows_are_counted():
    assert "520 measurements (40 beyond a limit)" in sample_text(*large_sample())


def test_a_stress_report_without_failures_says_so():
    problem, result = small_sample()
    text = sample_text(problem, replace(result, stress=Stress(50, {})))
    assert "50 draws from the prior: every solve succeeded" in text


@pytest.mark.parametrize("draws", [0, 1, 3])
def test_a_few_draws_are_told_without_statistics(draws):
    problem, result = small_sample()
    text = sample_text(problem, part_of(result, draws=draws))
    assert "too few to say anything of them" in text.splitlines()[1]
    assert "LOO: too few draws" in text
    assert row_of(text, "sd[IL6]").split()[-3:] == ["-", "-", "-"] if draws == 0 else True
