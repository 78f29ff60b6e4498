"""Kinetics with a closed form: relative error of 1e-8 at every output time, at rtol 1e-10.

Sources of the formulae, where a test names them:
G&P: Gibaldi and Perrier (1982) Pharmacokinetics, 2nd ed., chapters 1 and 2.
Bateman: Bateman (1910) Proc Camb Phil Soc 15:423-427.
S&M: Schnell and Mendoza (1997) J Theor Biol 187:207-212, doi 10.1006/jtbi.1997.0425.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from exsim import load_model
from exsim.model import Model, compile_model
from exsim.protocol import Bolus, Infusion, Protocol
from exsim.solving import Status, solve

RELATIVE_ERROR = 1e-8
ATOL = 1e-14
# An output time within a rounding error of a dose sees it: doses are drawn to 1e-4 h.
starts = st.floats(0.0, 6.0).map(lambda hours: round(hours, 4))
TIMES_H = np.linspace(0.0, 12.0, 97)
drawn = settings(
    max_examples=15, derandomize=True, deadline=None, database=None, phases=(Phase.generate, Phase.shrink)
)


def _states(model: Model, protocol: Protocol, parameters: dict[str, float]) -> dict[str, np.ndarray]:
    run = solve(model, protocol, model.nominal(parameters), TIMES_H, rtol=1e-10, atol=ATOL)
    assert int(run.status) == Status.DONE
    curves = [*np.asarray(run.states), *np.asarray(run.rules)]
    return dict(zip([*model.state_ids, *model.rule_ids], curves, strict=True))


def _infusion(numbers: tuple[float, float, float], input: str) -> Infusion:
    start_h, duration_h, level = numbers
    return Infusion(start_h=start_h, duration_h=duration_h, level=level, input=input)


def _after(start: float) -> np.ndarray:
    """Return the time since `start`, hours; 0 before it."""
    return np.clip(TIMES_H - start, 0.0, None)


def _decays(rate: float, start: float) -> np.ndarray:
    """Return what is left of 1 given at `start` when it leaves at `rate` (G&P, one compartment, bolus)."""
    return np.where(start <= TIMES_H, np.exp(-rate * _after(start)), 0.0)


def _infused(rate: float, start: float, duration: float) -> np.ndarray:
    """Return the amount from an infusion of 1 per hour, on and off (G&P, one compartment, infusion)."""
    during = np.clip(TIMES_H - start, 0.0, duration)
    return -np.expm1(-rate * during) / rate * np.exp(-rate * _after(start + duration))


ONE_COMPARTMENT = """
model one_compartment
  unit time_unit = 3600 second;
  infusion = 0;
  compartment plasma = 3;
  clearance = 1.5;
  species C in plasma = 0;
  given: -> C; infusion;
  cleared: C -> ; clearance * C;
end
"""
INFUSION_CARD = """
title = "one compartment"
[[input]]
id = "infusion"
driver = "infusion"
target = "C"
"""


@pytest.fixture(scope="module")
def one_compartment(read_text: Callable[..., Model]) -> Model:
    return read_text(ONE_COMPARTMENT, INFUSION_CARD)


@given(
    volume=st.floats(0.5, 20.0),
    clearance=st.floats(0.2, 10.0),
    bolus=st.tuples(starts, st.floats(0.1, 100.0)),
    infusion=st.tuples(starts, st.floats(0.1, 5.0), st.floats(0.1, 100.0)),
)
@drawn
def test_one_compartment_with_a_bolus_and_an_infusion_on_and_off(
    one_compartment: Model,
    volume: float,
    clearance: float,
    bolus: tuple[float, float],
    infusion: tuple[float, float, float],
) -> None:
    rate = min(clearance / volume, 2.0)
    protocol = Protocol(
        infusions=(_infusion(infusion, "infusion"),),
        boluses=(Bolus(time_h=bolus[0], amount=bolus[1], state="C"),),
    )
    found = _states(one_compartment, protocol, {"plasma": volume, "clearance": rate * volume})
    expected = bolus[1] * _decays(rate, bolus[0]) + infusion[2] / volume * _infused(
        rate, infusion[0], infusion[1]
    )
    np.testing.assert_allclose(found["C"], expected, rtol=RELATIVE_ERROR)


@pytest.fixture(scope="module")
def two_compartment() -> Model:
    return compile_model(load_model("two_compartment"))


@given(
    plasma=st.floats(2.0, 5.0),
    interstitium=st.floats(2.0, 20.0),
    clearance=st.floats(1.0, 10.0),
    exchange=st.floats(0.5, 10.0),
    dose=st.tuples(starts, st.floats(1.0, 1e4)),
    infusion=st.tuples(starts, st.floats(0.1, 5.0), st.floats(1.0, 1e4)),
)
@drawn
def test_the_shipped_two_compartments_show_two_exponentials(
    two_compartment: Model,
    plasma: float,
    interstitium: float,
    clearance: float,
    exchange: float,
    dose: tuple[float, float],
    infusion: tuple[float, float, float],
) -> None:
    """G&P, two compartments, elimination from the first; an infusion is the bolus summed over time."""
    out, forth, back = clearance / plasma, exchange / plasma, exchange / interstitium
    half_sum = (out + forth + back) / 2
    root = np.sqrt(half_sum**2 - out * back)
    fast, slow = half_sum + root, out * back / (half_sum + root)
    # Weights of the exponentials, per unit given: (rate, amount in plasma, amount in interstitium).
    terms = (
        (fast, (fast - back) / (2 * root), -forth / (2 * root)),
        (slow, (back - slow) / (2 * root), forth / (2 * root)),
    )
    protocol = Protocol(
        infusions=(_infusion(infusion, "il6_infusion"),),
        boluses=(Bolus(time_h=dose[0], amount=dose[1], state="dose_in_plasma"),),
    )
    numbers = {
        "plasma": plasma,
        "interstitium": interstitium,
        "clearance": clearance,
        "exchange": exchange,
    }
    found = _states(two_compartment, protocol, numbers)
    in_plasma, in_interstitium = (
        sum(
            term[place]
            * (dose[1] * _decays(term[0], dose[0]) + infusion[2] * _infused(term[0], *infusion[:2]))
            for term in terms
        )
        for place in (1, 2)
    )
    np.testing.assert_allclose(found["dose_in_plasma"], in_plasma, rtol=RELATIVE_ERROR)
    np.testing.assert_allclose(found["IL6"], in_plasma / plasma, rtol=RELATIVE_ERROR)
    # The two exponentials cancel at first: what they leave is known to their rounding error only.
    peak = np.abs(in_interstitium).max() / interstitium
    np.testing.assert_allclose(
        found["IL6_interstitium"], in_interstitium / interstitium, rtol=RELATIVE_ERROR, atol=1e-12 * peak
    )


CHAIN = """
model chain
  unit time_unit = 3600 second;
  compartment body = 1;
  substanceOnly species A in body = 10;
  substanceOnly species B in body = 0;
  substanceOnly species C in body = 0;
  k_A = 2; k_B = 0.7; k_C = 0.2;
  A_to_B: A -> B; k_A * A;
  B_to_C: B -> C; k_B * B;
  C_out: C -> ; k_C * C;
end
"""


@pytest.fixture(scope="module")
def chain(read_text: Callable[..., Model]) -> Model:
    return read_text(CHAIN)


@given(k_a=st.floats(1.0, 2.0), k_b=st.floats(0.4, 0.8), k_c=st.floats(0.05, 0.3))
@drawn
def test_absorption_and_a_chain_of_three_follow_bateman(
    chain: Model, k_a: float, k_b: float, k_c: float
) -> None:
    """Bateman's sum: N_n = N_1(0) k_1..k_(n-1) sum_i exp(-k_i t) / prod_(j != i) (k_j - k_i).

    Two of them are absorption and elimination of a dose taken by mouth.
    """
    found = _states(chain, Protocol(), {"k_A": k_a, "k_B": k_b, "k_C": k_c})
    rates = np.array([k_a, k_b, k_c])
    for length, id in enumerate("ABC", start=1):
        total = np.zeros_like(TIMES_H)
        for i in range(length):
            others = np.delete(rates[:length], i) - rates[i]
            total += np.exp(-rates[i] * TIMES_H) / np.prod(others)
        expected = 10.0 * np.prod(rates[: length - 1]) * total
        np.testing.assert_allclose(found[id], expected, rtol=RELATIVE_ERROR, atol=1e-14)


MICHAELIS_MENTEN = """
model michaelis_menten
  unit time_unit = 3600 second;
  compartment plasma = 1;
  species S in plasma;
  S_0 = 10; S = S_0;
  V_max = 2; K_M = 3;
  eliminated: S -> ; V_max * S / (K_M + S);
end
"""


@pytest.fixture(scope="module")
def michaelis_menten(read_text: Callable[..., Model]) -> Model:
    return read_text(MICHAELIS_MENTEN)


@given(s_0=st.floats(0.1, 50.0), v_max=st.floats(0.1, 5.0), k_m=st.floats(0.5, 20.0))
@drawn
def test_michaelis_menten_elimination_follows_lambert_w(
    michaelis_menten: Model, s_0: float, v_max: float, k_m: float
) -> None:
    """S&M: S = K_M W(S_0/K_M exp((S_0 - V_max t)/K_M))."""
    found = _states(michaelis_menten, Protocol(), {"S_0": s_0, "V_max": v_max, "K_M": k_m})
    exponent = np.log(s_0 / k_m) + (s_0 - v_max * TIMES_H) / k_m
    expected = k_m * lambertw(np.exp(exponent)).real
    # What is left after many half-lives is known to the absolute tolerance.
    np.testing.assert_allclose(found["S"], expected, rtol=RELATIVE_ERROR, atol=10 * ATOL)
