"""Why draws are not trusted: each reason is said once, by name and by chain, the worst first."""

from dataclasses import replace

import numpy as np
import pytest

from exsim.posterior_complaints import complaints, doubts, worst_known

from .outputs.sample_cases import judged, large_sample, part_of, small_sample, troubled_sample


def said(result, words):
    (sentence,) = [reason for reason in result.reasons if words in reason]
    return sentence


def changed(change, name="draws"):
    """The small sample with one of its arrays changed in place, and judged anew."""
    _, result = small_sample()
    values = getattr(result, name).copy()
    change(values)
    return judged(replace(result, **{name: values}))


def test_draws_of_a_known_posterior_are_trusted():
    for _, result in (small_sample(), large_sample()):
        assert result.reasons == ()
        assert result.trusted


def test_reasons_stand_in_the_order_of_their_weight():
    _, result = troubled_sample()
    order = (
        "chain 3 of 4 is stuck",
        "do not agree",
        "diverged",
        "in the bulk",
        "E-FMI",
        "largest length",
        "interrupted",
    )
    places = [next(n for n, reason in enumerate(result.reasons) if words in reason) for words in order]
    assert places == sorted(places)


def test_row_100_divergences_are_counted_by_chain_with_the_way_out():
    def diverge(values):
        values[1, :3] = values[3, 7] = True

    assert said(changed(diverge, "diverging"), "diverged") == (
        "4 of 2000 draws diverged after warm-up (0.2 %: 3 in chain 2, 1 in chain 4): raise "
        "target_acceptance, or give a wide parameter a tighter prior"
    )


def test_row_101_a_number_of_which_chains_disagree_is_named_with_its_r_hat():
    def move(values):
        values[0, :, 1] *= np.exp(0.15)

    result = changed(move)
    assert said(result, "R-hat").startswith(
        f"the chains do not agree: R-hat of induction_il10 ({result.diagnosis.r_hat[1]:.4g})"
    )
    assert "release_gain" not in said(result, "R-hat")


def test_row_101_too_few_effective_draws_are_told_for_bulk_and_tail():
    result = part_of(small_sample()[1], draws=80)
    assert "in the bulk: " in said(result, "in the bulk")
    assert f"release_gain ({result.diagnosis.ess_tail[0]:.0f})" in said(result, "in the tail")


def test_row_101_poor_energy_is_told_by_chain():
    def wander(values):
        values[1] = np.cumsum(values[1] - values[1].mean())

    assert "in chain 2 (" in said(changed(wander, "energy"), "E-FMI")


def test_row_101_trajectories_cut_at_the_largest_tree_are_counted_by_chain():
    def cut(values):
        values[3, :40] = True

    assert said(changed(cut, "saturated"), "largest length").startswith("40 of 2000 trajectories were cut")


def stand_still(values):
    values[2] = values[2, :1]


def go_away(values):
    values[1, :, 2] *= 4.0


def part(values):
    values[2:, :, 0] *= 3.0


@pytest.mark.parametrize(
    ("change", "stuck"),
    [(stand_still, [3]), (go_away, [2]), (part, [1, 2, 3, 4])],
)
def test_row_102_a_stuck_chain_is_named_and_the_others_are_not(change, stuck):
    result = changed(change)
    named = [int(reason.split()[1]) for reason in result.reasons if "stuck" in reason]
    assert named == stuck


def test_row_102_what_is_wrong_with_a_chain_is_said():
    assert said(changed(stand_still), "stuck") == "chain 3 of 4 is stuck or apart: it never moves"
    away = said(changed(go_away), "stuck")
    assert away.startswith("chain 2 of 4 is stuck or apart: its sd[IL6] is about ")


def test_row_102_a_chain_that_accepts_nothing_is_stuck_wherever_it_is():
    def refuse(values):
        values[0] = 0.004

    assert "chain 1 of 4" in said(changed(refuse, "acceptance"), "it accepts 0.4 %")


def test_row_102_of_two_chains_that_lie_apart_both_are_named():
    two = part_of(small_sample()[1], chains=2)
    draws = two.draws.copy()
    go_away(draws)
    reasons = judged(replace(two, draws=draws)).reasons
    assert [reason.split()[1] for reason in reasons if "stuck" in reason] == ["1", "2"]


def test_a_number_that_no_chain_moves_is_named():
    def freeze(values):
        values[:, :, 1] = 0.2

    assert said(changed(freeze), "no chain ever moves") == "no chain ever moves induction_il10"


def test_chains_that_stand_still_in_places_of_their_own_are_all_named():
    def freeze(values):
        values[:] = values[:, :1]

    result = changed(freeze)
    assert [reason.split()[1] for reason in result.reasons if "never moves" in reason] == ["1", "2", "3", "4"]
    assert not result.trusted


def test_row_103_missing_draws_are_told():
    result = part_of(small_sample()[1], draws=450)
    assert result.reasons == ("interrupted: 450 of 500 draws of each chain are there",)


@pytest.mark.parametrize("draws", [0, 1, 3])
def test_too_few_draws_have_that_reason_and_no_other(draws):
    result = part_of(small_sample()[1], draws=draws)
    assert (
        result.reasons[0]
        == f"{draws} draw{'s' * (draws != 1)} of each chain: too few to say anything of them"
    )
    assert len(result.reasons) == 2


def test_a_single_chain_is_not_trusted_and_says_so():
    reasons = part_of(small_sample()[1], chains=1).reasons
    assert reasons[-1] == "a single chain: nothing tells whether it found the whole posterior"
    assert not any("R-hat" in reason or "stuck" in reason for reason in reasons)


def test_row_105_a_posterior_that_is_its_prior_is_named_with_its_contraction():
    _, result = large_sample()
    (sentence,) = [warning for warning in doubts(result) if "prior" in warning]
    assert sentence.startswith(
        "the posterior of V_IL6 (-0.11), release_gain[cycling_60min] (-0.02) is their prior"
    )
    assert doubts(small_sample()[1]) == ()


def test_rows_of_which_leave_one_out_is_not_sure_are_counted():
    _, result = small_sample()
    shaky = result.loo.pareto_k.copy()
    shaky[[1, 5]] = 0.9, np.inf
    warned = doubts(replace(result, loo=replace(result.loo, pareto_k=shaky)))
    assert warned[0].startswith("2 of 12 rows move the posterior so much")


def test_a_number_that_does_not_exist_at_some_draws_is_named_with_their_count():
    def lose(values):
        values[0, :3, 2] = np.nan

    result = changed(lose)
    assert "no number for sd[IL6] (3)" in result.warnings[0]
    assert result.reasons == ("there are draws that are no number of sd[IL6]",)


def test_a_derived_number_that_does_not_exist_everywhere_is_no_reason_to_distrust_the_draws():
    _, result = large_sample()
    draws = result.draws.copy()
    draws[0, :3, [item.name for item in result.numbers].index("half_life")] = np.nan
    result = judged(replace(result, draws=draws))
    assert result.trusted
    assert "no number for half_life (3)" in result.warnings[-1]


def test_the_worst_known_number_comes_first():
    def move(values):
        values[0, :, 1] *= np.exp(0.2)

    result = changed(move)
    assert worst_known(result)[0] == 1
    one = part_of(result, chains=1)
    assert worst_known(one)[0] == np.argmin(np.minimum(one.diagnosis.ess_bulk, one.diagnosis.ess_tail))


def test_reasons_do_not_depend_on_what_was_said_before():
    _, result = troubled_sample()
    assert complaints(replace(result, reasons=(), warnings=())) == result.reasons
