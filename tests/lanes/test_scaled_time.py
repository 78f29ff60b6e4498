"""Segments of length 0, which bouts that touch or start at 0 leave, in every solver."""

from __future__ import annotations

import numpy as np
import pytest

from exsim.model import Model
from exsim.protocol import Bolus, Bout, Protocol
from exsim.solving import SOLVERS, Status, solve


@pytest.mark.parametrize("method", list(SOLVERS))
def test_segments_of_length_zero_change_nothing(turnover_model: Model, method: str) -> None:
    """Two bouts of 1 h that touch at 1 h, one starting at 0 h and a dose at the end of the other.

    y' = 2 u - 0.5 y: u is 0.8 for 2 h, then y = 5 more at 2 h.
    """

    def bout(start: float) -> Bout:
        return Bout(start_h=start, duration_h=1.0, rest_h=0.0, every_h=0.0, levels={"intensity": 0.8})

    protocol = Protocol((bout(0.0), bout(1.0)), (), (Bolus(time_h=2.0, amount=5.0, state="y"),))
    times = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
    run = solve(
        turnover_model, protocol, turnover_model.nominal(), times, method=method, rtol=1e-10, atol=1e-12
    )
    assert int(run.status) == Status.DONE
    during = np.minimum(times, 2.0)
    bouts = np.exp(-0.5 * times) + 3.2 * (1 - np.exp(-0.5 * during)) * np.exp(-0.5 * (times - during))
    dose = np.where(times >= 2.0, 5.0 * np.exp(-0.5 * (times - 2.0)), 0.0)
    np.testing.assert_allclose(np.asarray(run.states[0]), bouts + dose, rtol=1e-7)
