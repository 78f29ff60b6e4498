"""Models full of constructs, read by exsim and by libRoadRunner: the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exsim.inputs.antimony_files import antimony_to_sbml
from exsim.inputs.model_files import load_model
from exsim.model import compile_model
from exsim.protocol import Protocol
from exsim.solving import Status, solve

#: Largest difference allowed, as a share of each curve's peak.
AGREEMENT = 1e-7
#: No output falls on a moment at which something jumps.
TIMES = np.linspace(0.0, 5.0, 98)

MODELS = {
    "volumes, stoichiometries, pulses and events": """model m
  compartment a = 2, b = 5
  species S in a = 3, $B in a = 1.5
  substanceOnly species T in b = 4
  k = 0.5; K = 2; t_on = 1; w = 0.7
  J: S + 2 T -> 3 S + T; k * S * T / b / (K + S)
  J2: B -> S; 0.3 * B * a
  L: T -> ; k * T * flux
  flux := J / 10 + 1
  u := piecewise(2, time >= t_on && time < t_on + w, 1.2, !(time <= 3), 0)
  y = 1; y' = u - y * k + J2 / 3
  E: at (time >= 2 * t_on), t0=false: S = S * 2, K = K + 1
  F: at (3.3 < time): T = T + S, y = y / 2
  G: at (time >= 0), t0=false: B = 2
  H: at (time - t_on >= 0.25): q = time
  q = 0
end
""",
    "initial assignments, rules and time": """model m
  compartment v = 2 * p
  p = q / 3; q = 4
  species A in v = p + 1, B in v
  B := A * 2 + time
  r = B * A
  J: A -> ; r * A * 0.1 + 0.01 * B
  z = J; z' = sin(time) - z
end
""",
    "functions, powers and choices": """function hill(x, K, n)
  x^n / (K^n + x^n)
end
function two(x)
  hill(x, 2, 3) + hill(x, 1, 1)
end
model m
  x = 0; x' = 1 - two(x)
  y = 1; y' = -piecewise(two(y), y > 0.5, 0.1 * y)
  w := max(x, y, 0.3) * min(x, 1) + abs(x - y) + floor(x) + 3^x
  q = 1; q' = w / 10 - q^2
end
""",
}


@pytest.mark.parametrize("name", MODELS)
def test_libroadrunner_gets_the_same_numbers_from_the_same_text(name: str, tmp_path: Path) -> None:
    roadrunner = pytest.importorskip("roadrunner", reason="libRoadRunner is an extra of the tests")
    path = tmp_path / "m.ant"
    path.write_text(MODELS[name])
    spec = load_model(path)
    model = compile_model(spec)
    ours = solve(model, Protocol(), model.nominal(), TIMES, rtol=1e-10, atol=1e-12)
    assert int(ours.status) == Status.DONE
    peer = roadrunner.RoadRunner(antimony_to_sbml(MODELS[name]))
    peer.integrator.relative_tolerance = 1e-10
    peer.integrator.absolute_tolerance = 1e-13
    peer.integrator.maximum_time_step = 0.01
    concentrations = {state.id for state in spec.states if state.kind == "concentration"} | {"B"}
    ids = [*model.state_ids, *model.rule_ids]
    peer.timeCourseSelections = ["time", *(f"[{id}]" if id in concentrations else id for id in ids)]
    theirs = np.asarray(peer.simulate(0.0, 5.0, len(TIMES)))[:, 1:].T
    for id, found, expected in zip(ids, np.vstack([ours.states, ours.rules]), theirs, strict=True):
        assert np.abs(found - expected).max() <= AGREEMENT * np.abs(expected).max(), id
