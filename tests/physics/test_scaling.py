"""Nothing depends on the units chosen, on where time starts, or, in a linear model, on what else is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from exsim import load_model
from exsim.formula import Call, Number
from exsim.model import Model, compile_model
from exsim.protocol import Bolus, Infusion, Protocol
from exsim.solving import Status, solve
from exsim.spec import RunSpec
from exsim.units import factor
from exsim.workflows import run_simulation

AGREEMENT = 1e-9
TIGHT = {"rtol": 1e-12, "atol": 1e-14}
drawn = settings(
    max_examples=8, derandomize=True, deadline=None, database=None, phases=(Phase.generate, Phase.shrink)
)

#: Michaelis-Menten elimination of a substance that is infused and given at once.
SATURABLE = """
model saturable
  unit time_unit = {seconds} second;
  unit substance = {grams} gram; unit extent = {grams} gram; unit volume = {litres} litre;
  unit weight = {grams} gram; unit size = {litres} litre;
  unit rate = {grams} gram / ({seconds} second); unit level = {grams} gram / ({litres} litre);
  infusion = 0 rate;
  compartment plasma = {volume} size;
  v_max = {v_max} rate; k_m = {k_m} level;
  substanceOnly species dose in plasma = 0 weight;
  given: -> dose; infusion;
  eliminated: dose -> ; v_max * C / (k_m + C);
  C := dose / plasma;
  C has level;
end
"""
SATURABLE_CARD = """
title = "saturable elimination"
[[input]]
id = "infusion"
driver = "infusion"
target = "C"
[[bolus]]
target = "C"
state = "dose"
"""
#: Name of a choice of units: (seconds of the time unit, gram of the mass unit, litre of the volume unit).
UNITS = {
    "h, ng, L": (3600, 1e-9, 1.0),
    "min, ng, L": (60, 1e-9, 1.0),
    "h, ug, L": (3600, 1e-6, 1.0),
    "h, ng, mL": (3600, 1e-9, 1e-3),
    "min, pg, mL": (60, 1e-12, 1e-3),
}


@pytest.fixture(scope="module")
def saturable(read_text: Callable[..., Model]) -> dict[str, Model]:
    """Return the same model (3 L, at most 4 ug/h, half of it at 2 ug/L) in each choice of units."""
    models = {}
    for name, (seconds, grams, litres) in UNITS.items():
        text = SATURABLE.format(
            seconds=seconds,
            grams=grams,
            litres=litres,
            volume=3.0 / litres,
            v_max=4e-6 / grams * seconds / 3600,
            k_m=2e-6 / grams * litres,
        )
        models[name] = read_text(text, SATURABLE_CARD)
    return models


@given(
    volume_l=st.floats(1.0, 10.0),
    v_max_ug_per_h=st.floats(0.5, 10.0),
    k_m_ug_per_l=st.floats(0.5, 10.0),
    dose_ug=st.floats(0.5, 20.0),
    rate_ug_per_h=st.floats(0.1, 5.0),
)
@drawn
def test_the_units_of_a_model_change_nothing_but_the_numbers(
    saturable: dict[str, Model],
    volume_l: float,
    v_max_ug_per_h: float,
    k_m_ug_per_l: float,
    dose_ug: float,
    rate_ug_per_h: float,
) -> None:
    spec = RunSpec.model_validate(
        {
            "schema": 1,
            "model": "saturable",
            "parameter": {
                "plasma": f"{volume_l} L",
                "v_max": f"{v_max_ug_per_h} ug/h",
                "k_m": f"{k_m_ug_per_l} ug/L",
            },
            "protocol": {
                "infusion": [
                    {"target": "C", "rate": f"{rate_ug_per_h} ug/h", "start": "30 min", "duration": "2 h"}
                ],
                "bolus": [{"target": "C", "dose": f"{dose_ug} ug", "time": "1.5 h"}],
            },
            "output": {"until": "8 h", "every": "5 min"},
            "solver": TIGHT,
        }
    )
    curves = {}
    for name, model in saturable.items():
        run = run_simulation(spec, model.spec, name).dataset
        curves[name] = np.asarray(run["C"]) * factor(run["C"].attrs["units"], "ug/L")
    expected = curves["h, ng, L"]
    assert expected.max() > 0
    for curve in curves.values():
        np.testing.assert_allclose(curve, expected, rtol=AGREEMENT, atol=AGREEMENT * expected.max())


@pytest.fixture(scope="module")
def axis_in_minutes(axis: Any) -> Any:
    """Return the IL-6 axis with every rate per minute and time in minutes."""
    spec = axis.model.spec
    states = tuple(replace(s, rate=Call("/", (s.rate, Number(60.0)))) for s in spec.states)
    return replace(axis, model=compile_model(replace(spec, time_unit_h=1 / 60, states=states)))


def test_the_axis_in_minutes_is_the_axis_in_hours(axis: Any, axis_in_minutes: Any) -> None:
    protocol = {"start_h": 0.3, "intensity": 0.8, "il6_ng_per_h": 500.0, "lps_ng_per_kg": 0.06}
    hours, minutes = (np.asarray(a.run(**protocol, **TIGHT).states) for a in (axis, axis_in_minutes))
    peak = np.abs(hours).max(axis=1)
    assert peak.min() > 0
    assert (np.abs(hours - minutes).max(axis=1) / peak).max() <= AGREEMENT


@given(
    start_h=st.floats(0.0, 2.0),
    duration_h=st.floats(0.2, 3.0),
    intensity=st.floats(0.3, 1.0),
    lps=st.floats(0.0, 0.3),
)
@drawn
def test_a_protocol_an_hour_later_gives_the_same_curves_an_hour_later(
    axis: Any, start_h: float, duration_h: float, intensity: float, lps: float
) -> None:
    bout = {"duration_h": duration_h, "intensity": intensity, "lps_ng_per_kg": lps, **TIGHT}
    now = np.asarray(axis.run(start_h=start_h, lps_h=start_h + 1.0, **bout).states)
    later = np.asarray(axis.run(start_h=start_h + 1.0, lps_h=start_h + 2.0, **bout).states)
    # 8 h in 192 steps: an hour is 24 of them.
    peak = np.maximum(np.abs(now).max(axis=1), 1e-3)
    assert (np.abs(later[:, 24:] - now[:, :-24]).max(axis=1) / peak).max() <= AGREEMENT


@given(
    first=st.tuples(st.integers(0, 6), st.floats(1.0, 1e4)),
    second=st.tuples(st.integers(0, 6), st.floats(1.0, 1e4)),
    level=st.floats(0.0, 1e4),
)
@drawn
def test_doses_of_a_linear_model_add_up(
    first: tuple[int, float], second: tuple[int, float], level: float
) -> None:
    model = compile_model(load_model("two_compartment"))

    def run(one: float, two: float, infused: float) -> np.ndarray:
        boluses = tuple(
            Bolus(time_h=float(time), amount=amount, state="dose_in_plasma")
            for time, amount in ((first[0], one), (second[0], two))
        )
        infusion = Infusion(start_h=0.5, duration_h=2.0, level=infused, input="il6_infusion")
        found = solve(
            model, Protocol((), (infusion,), boluses), model.nominal(), np.linspace(0.0, 8.0, 97), **TIGHT
        )
        assert int(found.status) == Status.DONE
        return np.asarray(found.states)

    together = run(first[1], second[1], level)
    apart = run(first[1], 0.0, 0.0) + run(0.0, second[1], 0.0) + run(0.0, 0.0, level)
    peak = together.max(axis=1, keepdims=True)
    np.testing.assert_allclose(together / peak, apart / peak, rtol=0, atol=AGREEMENT)
