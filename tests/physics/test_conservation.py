"""What cannot be made or lost: conserved totals from the stoichiometry; secreted is cleared or present."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space

from exsim import load_model
from exsim.formula import Call, Name, Number
from exsim.model import Model, compile_model
from exsim.model_spec import ModelSpec, State
from exsim.protocol import Bolus, Infusion, Protocol
from exsim.solving import Status, solve

RTOL, ATOL = 1e-6, 1e-9
TIMES_H = np.linspace(0.0, 10.0, 81)
drawn = settings(
    max_examples=10, derandomize=True, deadline=None, database=None, phases=(Phase.generate, Phase.shrink)
)

#: Closed or partly closed networks; the model's own event adds to one species.
NETWORKS = {
    # A cytokine, its receptor and their complex.
    "receptor": """
model receptor
  unit time_unit = 3600 second;
  compartment plasma = 3;
  species L in plasma; species R in plasma; species C in plasma;
  L_0 = 1; R_0 = 2; C_0 = 0.5; L = L_0; R = R_0; C = C_0;
  k_on = 1; k_off = 0.3; k_int = 0.4; k_out = 0.2; k_in = 0.7;
  bind: L + R -> C; plasma * (k_on * L * R - k_off * C);
  internalised: C -> R; plasma * k_int * C;
  secreted: -> L; k_in;
  cleared: L -> ; k_out * L * plasma;
  gift: at (time >= 4): R = R + 1.5;
end
""",
    # One substance in three compartments.
    "spread": """
model spread
  unit time_unit = 3600 second;
  compartment plasma = 3; compartment muscle = 8; compartment lymph = 1.2;
  species P in plasma; species M in muscle; substanceOnly species Y in lymph;
  P_0 = 5; M_0 = 0; Y_0 = 1; P = P_0; M = M_0; Y = Y_0;
  k_1 = 2; k_2 = 0.5; k_3 = 0.9;
  P_to_M: P -> M; k_1 * (P - M);
  M_to_Y: M -> Y; k_2 * M;
  Y_to_P: Y -> P; k_3 * Y;
  gift: at (time >= 4): M = M + 0.25;
end
""",
    # Two of one make one, which meets a third.
    "dimers": """
model dimers
  unit time_unit = 3600 second;
  compartment cell = 1;
  species A in cell; species D in cell; species S in cell; species DS in cell;
  A_0 = 3; D_0 = 0; S_0 = 1; DS_0 = 0; A = A_0; D = D_0; S = S_0; DS = DS_0;
  k_d = 0.8; k_u = 0.1; k_s = 1.1; k_r = 0.2;
  pair: 2 A -> D; cell * (k_d * A^2 - k_u * D);
  meet: D + S -> DS; cell * (k_s * D * S - k_r * DS);
  gift: at (time >= 4): A = A + 2;
end
""",
}
#: When the model's own event fires, which species it adds to, and how much.
GIFT_H = 4.0
GIFTS = {"receptor": ("R", 1.5), "spread": ("M", 0.25), "dimers": ("A", 2.0)}


@dataclass(frozen=True)
class Network:
    """A network and what its own event gives."""

    model: Model
    given_to: str
    gift: float


@pytest.fixture(scope="module", params=list(NETWORKS))
def network(request: pytest.FixtureRequest, read_text: Callable[..., Model]) -> Network:
    return Network(read_text(NETWORKS[request.param]), *GIFTS[request.param])


def _stoichiometry(spec: ModelSpec) -> np.ndarray:
    """Return the net stoichiometry, one row per species and one column per reaction."""
    return np.array(
        [[dict(r.stoichiometry).get(state.id, 0.0) for r in spec.reactions] for state in spec.states]
    )


def _volumes(model: Model, values: np.ndarray) -> np.ndarray:
    """Return what turns each state into an amount."""
    size = dict(zip(model.parameter_ids, values, strict=True))
    return np.array([size[s.compartment] if s.kind == "concentration" else 1.0 for s in model.spec.states])


#: None, or some: XLA takes what is below the smallest normal number (2e-308) for 0.
amounts = st.just(0.0) | st.floats(1e-300, 1e4)


@given(shares=st.integers(0, 2**32 - 1), dose=st.floats(0.0, 5.0), dose_h=st.integers(1, 9))
@drawn
def test_conserved_totals_stay_and_step_by_what_is_given(
    network: Network, shares: int, dose: float, dose_h: int
) -> None:
    """The left null space w of the stoichiometry: w.n is constant, but for a dose and the model's event."""
    model = network.model
    values = model.nominal() * np.random.default_rng(shares).lognormal(0.0, 0.7, len(model.parameter_ids))
    protocol = Protocol(boluses=(Bolus(time_h=float(dose_h) + 0.05, amount=dose, state=model.state_ids[0]),))
    run = solve(model, protocol, values, TIMES_H, rtol=RTOL, atol=ATOL)
    assert int(run.status) == Status.DONE
    volumes = _volumes(model, values)
    weights = null_space(_stoichiometry(model.spec).T)
    assert weights.shape[1] >= 1
    totals = weights.T @ (np.asarray(run.states) * volumes[:, None])
    per_dose = weights[0] * volumes[0] * dose
    place = model.state_ids.index(network.given_to)
    per_gift = weights[place] * volumes[place] * network.gift
    expected = (
        totals[:, :1] + np.outer(per_dose, dose_h + 0.05 <= TIMES_H) + np.outer(per_gift, TIMES_H >= GIFT_H)
    )
    scale = np.abs(weights).T @ (np.abs(np.asarray(run.states)) * volumes[:, None])
    assert (np.abs(totals - expected).max(axis=1) <= 10 * RTOL * scale.max(axis=1)).all()
    np.testing.assert_allclose(expected[:, -1] - totals[:, 0], per_dose + per_gift, rtol=1e-9, atol=1e-12)


def _counting(spec: ModelSpec, **flows: Any) -> Model:
    """Return the model with one more state for each flow: how much has flowed so far."""
    counters = tuple(State(id, "", Number(0.0), rate, "parameter") for id, rate in flows.items())
    return compile_model(replace(spec, states=spec.states + counters))


@given(seed=st.integers(0, 2**32 - 1), level=amounts, dose=amounts)
@drawn
def test_what_was_given_to_two_compartments_is_present_or_was_cleared(
    two_compartments: Network, seed: int, level: float, dose: float
) -> None:
    model = two_compartments.model
    values = model.nominal() * np.random.default_rng(seed).lognormal(0.0, 0.5, len(model.parameter_ids))
    protocol = Protocol(
        infusions=(Infusion(start_h=1.0, duration_h=2.5, level=level, input="il6_infusion"),),
        boluses=(Bolus(time_h=2.0, amount=dose, state="dose_in_plasma"),),
    )
    run = solve(model, protocol, values, TIMES_H, rtol=RTOL, atol=ATOL)
    plasma, interstitium, infused, cleared = np.asarray(run.states)
    present = plasma + interstitium * dict(zip(model.parameter_ids, values, strict=True))["interstitium"]
    given_so_far = infused + dose * (TIMES_H >= 2.0)
    total = level * 2.5 + dose
    np.testing.assert_allclose(infused[-1], level * 2.5, rtol=10 * RTOL)
    np.testing.assert_allclose(cleared + present, given_so_far, rtol=0, atol=10 * RTOL * total + ATOL)


@pytest.fixture(scope="module")
def two_compartments() -> Network:
    spec = load_model("two_compartment")
    rates = {reaction.id: reaction.rate for reaction in spec.reactions}
    model = _counting(spec, total_infused=rates["infused"], total_cleared=rates["cleared"])
    return Network(model, "", 0.0)


@pytest.fixture(scope="module")
def counting_axis(axis: Any) -> Any:
    """Return the IL-6 axis with what enters plasma and what leaves it summed up, ng.

    What is made at rest equals what is cleared there.
    """
    at_rest = Call("*", (Name("IL6_clearance"), Name("IL6_rest")))
    entered = Call("+", (Call("*", (Name("IL6_entry"), Name("IL6_volume"))), at_rest))
    cleared = Call("*", (Name("IL6_clearance"), Name("IL6")))
    return replace(axis, model=_counting(axis.model.spec, entered=entered, cleared=cleared))


@given(
    mass=st.floats(45.0, 120.0),
    intensity=st.floats(0.0, 1.0),
    il6=st.floats(0.0, 1e4),
    lps=st.floats(0.0, 0.5),
)
@drawn
def test_il6_that_entered_plasma_is_there_or_was_cleared(
    counting_axis: Any, mass: float, intensity: float, il6: float, lps: float
) -> None:
    """Muscle, rest, infusion and the response to LPS secrete; clearance takes away; pg/mL times L is ng."""
    run = counting_axis.run({"body_mass": mass}, intensity=intensity, il6_ng_per_h=il6, lps_ng_per_kg=lps)
    curves = counting_axis.curves(run)
    volume_l = counting_axis.nominal["V_IL6"] * mass / counting_axis.nominal["reference_body_mass"]
    gained = (curves["IL6"] - curves["IL6"][0]) * volume_l
    atol = 10 * RTOL * curves["entered"].max()
    np.testing.assert_allclose(curves["entered"], curves["cleared"] + gained, rtol=0, atol=atol)
    assert curves["entered"][-1] > 0
