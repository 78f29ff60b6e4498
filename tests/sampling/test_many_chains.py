"""ChEES: a known posterior, and draws that are the same however the chains were stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exsim.fit_problem import SampleSettings, SearchSettings
from exsim.fitting import Objective
from exsim.sampling import SharedTarget, sample
from exsim.sampling.density import Whitening
from exsim.sampling.many_chains import ManyChains

from ..fitting.fit_models import rise_problem
from .test_running import Kept

MANY = SampleSettings(
    SearchSettings(starts=2), 32, warmup=200, draws=250, target_acceptance=0.651, stress=32, sampler="chees"
)


def test_a_normal_posterior_of_a_logarithm_is_found_by_many_chains(tmp_path) -> None:
    # y is in proportion to release: log release is normal with the mean of the log residuals, sd 0.1 / 5^0.5.
    problem = rise_problem(tmp_path, ("release",))
    result = sample(SharedTarget(Objective(problem)), MANY)
    draws, (error,) = np.log(result.draws[:, :, 0]), result.diagnosis.mcse_mean / 4.0
    assert result.trusted, result.reasons
    assert draws.mean() == pytest.approx(np.log(4.0), abs=4 * error)
    assert draws.std() == pytest.approx(0.1 / 5**0.5, rel=0.08)
    # All chains of a group take the same steps, and groups learn by themselves.
    assert (result.leapfrogs[:16] == result.leapfrogs[0]).all()
    assert (result.step_size[16:] == result.step_size[16]).all()
    assert result.step_size[0, 0] != result.step_size[16, 0]
    # What was learned stays as it is.
    assert (result.step_size == result.step_size[:, :1]).all()


@pytest.mark.parametrize(("chains", "sizes"), [(8, [8]), (17, [8, 9]), (20, [10, 10]), (40, [13, 13, 14])])
def test_no_group_is_too_small_to_learn(chains: int, sizes: list[int], tmp_path) -> None:
    target = SharedTarget(Objective(rise_problem(tmp_path)))
    at = Whitening(np.zeros(2), np.eye(2), target.objective.rows)
    made = ManyChains(target, at, chains, 10, 1, 0.651, 10)
    assert [group.stop - group.start for group in made.groups] == sizes


def test_many_chains_go_on_to_the_same_draws(tmp_path) -> None:
    target = SharedTarget(Objective(rise_problem(tmp_path)))
    settings, journal = replace(MANY, chains=16, warmup=40, draws=20), Kept()
    whole = sample(target, settings, journal)
    calls = len(journal.written)
    assert calls > 4
    # In the warm-up, with the adaptation half done.
    again = sample(target, settings, Kept(journal.written[: calls // 2]))
    np.testing.assert_array_equal(again.draws, whole.draws)
