"""Forward-mode gradients of the shipped model against central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exsim import load_model
from exsim.model import Model, compile_model
from exsim.protocol import Bout, Protocol
from exsim.solving import solve

#: Fixed clock times, hours: in the bout, and two hours after it.
CLOCK_H = (3.0, 5.5)
BOUT = {"start": 0.05, "duration": 3.43, "intensity": 0.8}


@pytest.fixture(scope="module")
def model() -> Model:
    return compile_model(load_model("il6_axis"))


@pytest.fixture(scope="module")
def il6(model: Model) -> Callable[[jax.Array], jax.Array]:
    """Return IL-6 at the clock times as a function of all parameters and the three of the bout."""
    where = model.state_ids.index("IL6")

    def at_clock_times(numbers: jax.Array) -> jax.Array:
        start, duration, intensity = numbers[-3:]
        levels = {
            "intensity": intensity,
            "whole_body_intensity": intensity,
            "active_muscle": 12.0,
            "eccentric_load": 1.0,
        }
        bout = Bout(start_h=start, duration_h=duration, rest_h=0.0, every_h=0.0, levels=levels)
        times = np.array([0.0, *CLOCK_H, 8.0])
        run = solve(model, Protocol((bout,)), numbers[:-3], times, rtol=1e-13, atol=1e-13)
        return run.states[where, 1:-1]

    return at_clock_times


def _central_differences(function: Callable, at: np.ndarray, index: int) -> Iterator[np.ndarray]:
    for share in (1e-4, 1e-5, 1e-3):
        step = np.zeros_like(at)
        step[index] = share * abs(at[index])
        yield (np.asarray(function(at + step)) - np.asarray(function(at - step))) / (2 * step[index])


def test_il6_gradients_by_every_parameter_and_the_bout_equal_differences(model: Model, il6) -> None:
    with jax.enable_x64(True):
        at = np.concatenate([model.nominal(), list(BOUT.values())])
        tangent = jax.jit(lambda x, v: jax.jvp(il6, (x,), (v,))[1])
        value = np.asarray(il6(jnp.asarray(at)))
        names = [*model.parameter_ids, *BOUT]
        wrong = {}
        for index, name in enumerate(names):
            if at[index] == 0.0:
                continue
            gradient = np.asarray(tangent(jnp.asarray(at), jnp.asarray(np.eye(len(at))[index])))
            assert np.all(np.isfinite(gradient)), name
            bound = 1e-4 * np.maximum(np.abs(gradient), 1e-6 * value / abs(at[index]))
            # The step that suits differs from parameter to parameter: one of three must agree.
            best = np.inf
            for difference in _central_differences(il6, at, index):
                best = min(best, (np.abs(gradient - difference) / bound).max())
                if best <= 1.0:
                    break
            else:
                wrong[name] = best
            if name == "duration":
                during, after = np.abs(gradient) / (1e-6 * value / abs(at[index]))
                assert during <= 1e-4, "IL-6 at 3 h does not know when the bout will end"
                assert after > 1.0
    assert not wrong
