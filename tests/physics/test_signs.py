"""Signs that no number may change: concentrations stay positive, more is never less, rest stays rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from exsim.spec import RunSpec
from exsim.workflows import run_simulation

drawn = settings(
    max_examples=12, derandomize=True, deadline=None, database=None, phases=(Phase.generate, Phase.shrink)
)
#: Tight enough that a change of a parameter by 1 % stands out of the solver's error.
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
bouts = st.fixed_dictionaries(
    {
        "start_h": st.floats(0.0, 2.0),
        "duration_h": st.floats(0.2, 5.0),
        "intensity": st.floats(0.2, 1.0),
        "lps_ng_per_kg": st.floats(0.001, 0.5),
        "il6_ng_per_h": st.floats(1.0, 1e4),
    }
)
#: analyte -> (what secretes it, what clears it)
TURNOVER = {
    "IL6": ("release_gain", "CL_IL6"),
    "IL1RA": ("induction_il1ra", "k_IL1RA"),
    "IL10": ("induction_il10", "k_IL10"),
    "TNF": ("tnf_by_damage", "k_TNF"),
    "sTNFR1": ("shedding", "k_sTNFR1"),
    "cortisol": ("cortisol_by_exercise", "k_cortisol"),
}


def _area(axis: Any, run: Any, id: str) -> float:
    curve = axis.curves(run)[id]
    return float(np.trapezoid(curve - curve[0], np.asarray(run.time_h)))


def _config(axis: Any, shares: np.ndarray, bout: dict[str, float]) -> RunSpec:
    """Return the config of a bout, with every parameter of the model multiplied by its share."""
    units = axis.model.units
    drawn_values = zip(axis.nominal.items(), shares, strict=True)
    return RunSpec.model_validate(
        {
            "schema": 1,
            "model": "il6_axis",
            "parameter": {id: value * share for (id, value), share in drawn_values},
            "protocol": {
                "bout": [
                    {
                        "start": f"{bout['start_h']} h",
                        "duration": f"{bout['duration_h']} h",
                        "intensity": bout["intensity"],
                    }
                ],
                "infusion": [
                    {
                        "target": "IL6",
                        "rate": f"{bout['il6_ng_per_h']} {units['il6_infusion']}",
                        "start": "0 h",
                        "duration": "3 h",
                    }
                ],
                "bolus": [
                    {"target": "LPS", "dose": f"{bout['lps_ng_per_kg']} {units['LPS']}", "time": "2.5 h"}
                ],
            },
            # 193 output times, as everywhere here.
            "output": {"until": "24 h", "times": [f"{7.5 * number} min" for number in range(193)]},
        }
    )


@given(seed=st.integers(0, 2**32 - 1), bout=bouts)
@drawn
def test_what_starts_at_zero_or_above_stays_above_minus_atol(
    axis: Any, seed: int, bout: dict[str, float]
) -> None:
    """At the default tolerances; parameters are drawn (log-normal, sd 0.5)."""
    shares = np.random.default_rng(seed).lognormal(0.0, 0.5, len(axis.nominal))
    spec = _config(axis, shares, bout)
    run = run_simulation(spec, axis.model.spec, "drawn")
    analytes = [item.id for item in axis.model.spec.card.observables if item.id in axis.model.state_ids]
    lowest = {id: float(run.dataset[id].min()) for id in ("LPS", *analytes)}
    assert min(lowest.values()) >= -spec.solver.atol, lowest


@pytest.mark.parametrize("analyte", list(TURNOVER))
@given(bout=bouts, factor=st.floats(1.01, 3.0))
@drawn
def test_more_secretion_or_slower_clearance_never_lowers_the_area(
    axis: Any, analyte: str, bout: dict[str, float], factor: float
) -> None:
    """Without LPS for IL-6 itself: IL-6 from muscle takes away some of the IL-6 that LPS would raise."""
    secretion, clearance = TURNOVER[analyte]
    if analyte == "IL6":
        bout = bout | {"lps_ng_per_kg": 0.0}
    before = _area(axis, axis.run(until_h=24.0, **bout, **TIGHT), analyte)
    more = axis.run({secretion: axis.nominal[secretion] * factor}, until_h=24.0, **bout, **TIGHT)
    slower = axis.run({clearance: axis.nominal[clearance] / factor}, until_h=24.0, **bout, **TIGHT)
    assert _area(axis, more, analyte) >= before
    assert _area(axis, slower, analyte) >= before


@given(lps=st.floats(0.01, 0.5), level=st.floats(0.0, 1e4), factor=st.floats(1.01, 10.0))
@drawn
def test_more_il6_never_raises_tnf_after_lps(axis: Any, lps: float, level: float, factor: float) -> None:
    few = axis.run(il6_ng_per_h=level, lps_ng_per_kg=lps, **TIGHT)
    many = axis.run(il6_ng_per_h=max(level, 1.0) * factor, lps_ng_per_kg=lps, **TIGHT)
    assert _area(axis, many, "TNF") <= _area(axis, few, "TNF")
    assert axis.curves(many)["TNF"].max() <= axis.curves(few)["TNF"].max()


@given(seed=st.integers(0, 2**32 - 1), mass=st.floats(40.0, 150.0), start=st.floats(0.0, 2.0))
@drawn
def test_without_a_bout_every_state_stays_where_it_is(
    axis: Any, seed: int, mass: float, start: float
) -> None:
    """For 48 h and to 1e-12, for drawn levels at rest and body masses; the bout has intensity 0."""
    rest = [id for id in axis.nominal if id.endswith("_rest")]
    assert len(rest) >= 6
    shares = np.random.default_rng(seed).lognormal(0.0, 0.7, len(rest))
    values = {id: axis.nominal[id] * share for id, share in zip(rest, shares, strict=True)}
    run = axis.run(values | {"body_mass": mass}, until_h=48.0, start_h=start)
    states = np.asarray(run.states)
    np.testing.assert_allclose(states, np.repeat(states[:, :1], states.shape[1], axis=1), rtol=1e-12)
