"""What il6_axis must show: the marathon, and how exercise and IL-6 keep LPS from raising TNF.

The bounds come from the papers that models/il6_axis/evidence.csv names; they are not to be loosened.
The scores on that table are in test_validation.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from exsim.workflows import Run

FINISH_H = 3.43
LPS_H = 2.5


@pytest.fixture(scope="module")
def marathon(simulated: Callable[..., Run]) -> xr.Dataset:
    return simulated("marathon").dataset


def _at(run: xr.Dataset, id: str, time_h: float) -> float:
    return float(np.interp(time_h, run["time"], run[id]))


def _fold(run: xr.Dataset, id: str, time_h: float) -> float:
    return _at(run, id, time_h) / float(run[id][0])


def _peak(run: xr.Dataset, id: str) -> tuple[float, float]:
    """Return the highest value over rest, and when it is reached, hours after the finish."""
    place = int(np.argmax(run[id].values))
    return float(run[id][place] / run[id][0]), float(run["time"][place]) - FINISH_H


def test_il6_at_the_finish_of_a_marathon_and_two_hours_later(marathon: xr.Dataset) -> None:
    finish = _fold(marathon, "IL6", FINISH_H)
    assert 60 <= finish <= 130
    assert 0.15 <= _fold(marathon, "IL6", FINISH_H + 2) / finish <= 0.35


def test_il10_at_the_finish_of_a_marathon(marathon: xr.Dataset) -> None:
    assert 27 / 1.5 <= _fold(marathon, "IL10", FINISH_H) <= 27 * 1.5


def test_il1ra_peaks_one_to_two_hours_after_a_marathon(marathon: xr.Dataset) -> None:
    fold, after_h = _peak(marathon, "IL1RA")
    assert 39 / 1.5 <= fold <= 39 * 1.5
    assert 1.0 <= after_h <= 2.0


def test_tnf_and_its_receptor_peak_in_the_first_hour_after_a_marathon(marathon: xr.Dataset) -> None:
    tnf, tnf_after_h = _peak(marathon, "TNF")
    receptor, receptor_after_h = _peak(marathon, "sTNFR1")
    assert 1.8 <= tnf <= 2.9
    assert 0.0 <= tnf_after_h <= 1.0
    assert 2.0 <= receptor <= 3.4
    assert 0.0 <= receptor_after_h <= 1.2


@pytest.mark.parametrize("analyte", ["IL6", "IL1RA", "IL10", "TNF", "sTNFR1"])
def test_four_hours_after_a_marathon_all_are_below_their_peak_and_falling(
    marathon: xr.Dataset, analyte: str
) -> None:
    after_h = FINISH_H + 4
    assert _fold(marathon, analyte, after_h) < _peak(marathon, analyte)[0]
    late = marathon[analyte].sel(time=slice(after_h - 0.1, after_h + 0.1))
    assert bool((late.diff("time") < 0).all())


def test_il6_has_not_come_back_to_rest_four_hours_after_a_marathon(marathon: xr.Dataset) -> None:
    assert _fold(marathon, "IL6", FINISH_H + 4) >= 1.5


def _rise(run: xr.Dataset) -> float:
    """Return the highest TNF after LPS minus that at LPS, pg/mL."""
    return float(run["TNF"].sel(time=slice(LPS_H, None)).max()) - _at(run, "TNF", LPS_H)


def test_lps_at_rest_raises_tnf(simulated: Callable[..., Run]) -> None:
    run = simulated("lps_0.06_rest").dataset
    assert float(run["TNF"].max()) >= 1.5 * float(run["TNF"][0])


@pytest.mark.parametrize("config", ["lps_0.06_cycling", "lps_0.06_il6_infusion"])
def test_cycling_and_an_il6_infusion_each_take_most_of_the_rise_away(
    simulated: Callable[..., Run], config: str
) -> None:
    assert _rise(simulated(config).dataset) <= 0.3 * _rise(simulated("lps_0.06_rest").dataset)


def test_an_il6_infusion_reaches_140_and_alone_leaves_tnf_where_it_is(simulated: Callable[..., Run]) -> None:
    run = simulated("il6_infusion_3h").dataset
    assert float(run["IL6"].max()) == pytest.approx(140, rel=0.05)
    assert float(np.abs(run["TNF"] / run["TNF"][0] - 1).max()) < 0.05
