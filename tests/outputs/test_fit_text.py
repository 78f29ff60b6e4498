"""The report of a fit on the terminal: what it says, and what it does not say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exsim.fit_result import Direction, Effort
from exsim.outputs.fit_text import agreement_text, fit_text, flat_texts, interval_text

from .fit_cases import large_fit, small_fit
from .fit_closed_form import free_number


def row_of(text, name):
    line = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    return " ".join(line.split())


def test_every_estimate_has_a_line_with_value_interval_unit_and_verdict():
    problem, result = small_fit()
    text = fit_text(problem, result)
    assert row_of(text, "release_gain") == "release_gain 1094 737.5 to 1622 ng/h/kg identifiable"


def test_columns_line_up_however_long_the_names_are():
    header, *lines = fit_text(*large_fit()).splitlines()[:26]
    for column in ("value", "95 % interval"):
        edge = header.index(column) + len(column)
        assert all(line[edge - 1] != " " and line[edge] == " " for line in lines), column
    assert all(line[: header.index("unit")].endswith("  ") for line in lines)


def test_row_89_what_is_not_identifiable_is_said_in_words_and_has_no_end():
    problem, result = large_fit()
    text = fit_text(problem, result)
    assert row_of(text, "k_LPS") == "k_LPS 0.9363 no end 1/h structurally not identifiable"
    assert row_of(text, "action_rate").endswith("above 1.06 1/h practically not identifiable")


def test_row_90_an_estimate_at_a_bound_says_so():
    problem, result = large_fit()
    assert row_of(fit_text(problem, result), "k_IL10").endswith("at its upper bound")


def test_of_two_numbers_that_only_move_together_the_product_is_told():
    problem, result = large_fit()
    text = fit_text(problem, result)
    assert (
        "only the product release_gain * V_IL6 is told by the data, not release_gain and V_IL6 apart" in text
    )
    assert "k_LPS is not told by the data" in text
    assert "the data tell 22 of 25 directions" in text


def flat_problem(scales, *vectors):
    problem, result = small_fit()
    names = ("a", "b", "c", "d")[: len(scales)]
    free = tuple(free_number(name, scale, kind="noise") for name, scale in zip(names, scales, strict=True))
    directions = tuple(
        Direction(0.0, np.array(vector) / np.linalg.norm(vector), "", True) for vector in vectors
    )
    return replace(problem, free=free), replace(result, directions=directions)


@pytest.mark.parametrize(
    ("scales", "vector", "said"),
    [
        (("log", "log"), (1.0, -1.0), "only the product a * b is told"),
        (("log", "log"), (1.0, 1.0), "only the ratio a / b is told"),
        (("log", "log"), (1.0, -2.0), "only a * b^0.5 is told"),
        (("log", "log10"), (math.log(10), -1.0), "only the product a * b is told"),
        (("linear", "linear"), (1.0, -1.0), "only a + b is told"),
        (("linear", "linear"), (1.0, 2.0), "only a - 0.5 * b is told"),
        (("log", "linear"), (1.0, 1.0), "the data do not tell a, b apart"),
        (("log", "log", "log"), (1.0, 1.0, 1.0), "the data do not tell a, b, c apart"),
        (("log", "log"), (0.0, 1.0), "b is not told by the data"),
    ],
)
def test_a_flat_direction_is_said_in_words(scales, vector, said):
    (sentence,) = flat_texts(*flat_problem(scales, vector))
    assert sentence.startswith(said)


def test_several_flat_directions_are_told_by_their_simplest_parts_whatever_mixture_the_eigenvectors_are():
    one, other = np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
    sentences = flat_texts(*flat_problem(("log",) * 4, one + 0.7 * other, one - other))
    assert sorted(sentence.split(" is told")[0] for sentence in sentences) == [
        "only the product a * b",
        "only the ratio c / d",
    ]


def test_two_numbers_of_which_nothing_is_told_are_both_named():
    sentences = flat_texts(*flat_problem(("log", "log"), (1.0, 1.0), (1.0, -1.0)))
    assert sorted(sentence.split(" ")[0] for sentence in sentences) == ["a", "b"]
    assert all("is not told by the data" in sentence for sentence in sentences)


def test_a_fit_that_tells_everything_says_nothing_of_directions():
    problem, result = small_fit()
    assert flat_texts(problem, result) == []
    assert "directions" not in fit_text(problem, result)


def test_row_93_it_says_how_many_starts_agree_and_why_others_failed():
    problem, result = large_fit()
    assert agreement_text(result) in fit_text(problem, result)
    assert agreement_text(result) == (
        "23 of 64 starts agree within 0.1 of the best log density; "
        "5 failed (3: the density is not finite at the start, 2: the solver ran out of its step budget)"
    )


def test_one_start_is_in_the_singular():
    _, result = small_fit()
    alone = replace(result, starts=result.starts[:1], agreeing=1)
    assert agreement_text(alone).startswith("1 of 1 start agrees within")


def test_row_94_a_fit_that_is_not_converged_opens_with_that():
    problem, result = small_fit()
    text = fit_text(problem, replace(result, converged=False, reasons=("the budget was spent",)))
    assert text.splitlines()[:2] == ["NOT CONVERGED", "  the budget was spent"]


def test_scores_are_listed_and_one_that_does_not_exist_is_a_dash():
    problem, result = small_fit()
    text = fit_text(problem, replace(result, aicc=math.inf))
    assert "AIC 22.22, AICc -, BIC 23.68" in text


def test_row_97_both_slopes_of_the_gradient_check_are_there():
    problem, result = small_fit()
    text = fit_text(problem, replace(result, gradient_check=(1.2e-5, 0.4)))
    assert "1.2e-05 by the gradient, 0.4 by differences" in text


def test_censored_rows_are_counted():
    problem, result = large_fit()
    assert "520 measurements (40 beyond a limit), 25 free numbers" in fit_text(problem, result)


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (1.0, 2.5, "1 to 2.5"),
        (-math.inf, 2.5, "below 2.5"),
        (1.0, math.inf, "above 1"),
        (-math.inf, math.inf, "no end"),
        (math.nan, math.nan, "-"),
        (1.0, math.nan, "-"),
    ],
)
def test_an_interval_in_words(lower, upper, said):
    _, result = small_fit()
    assert interval_text(replace(result.estimates[0], lower=lower, upper=upper)) == said


def test_each_stage_says_how_long_it_took_and_how_much_it_solved():
    problem, result = small_fit()
    done = {"search": Effort(12.5, 1000, 51_000), "whole": Effort(0.0, 0, 0)}
    text = fit_text(problem, replace(result, efforts=done))
    assert "search: 12.5 s, 80 gradients/s (1,000 in all), 4,080 trajectories/s" in text
    assert "whole: 0.0 s, nan gradients/s" in text
