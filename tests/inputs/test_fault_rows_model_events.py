"""FAULTS rows 72 to 75: rates at the start, right-hand sides that jump, events. One test a row at least."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exsim.errors import RefusedError, SolveError
from exsim.inputs.model_files import load_model
from exsim.model import compile_model
from exsim.protocol import Protocol
from exsim.solving import Status, solve
from exsim.workflows import check_start


def antimony(folder: Path, text: str) -> Path:
    path = folder / "m.ant"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(RefusedError) as caught:
        load_model(path)
    assert caught.value.exit_code == 4
    return str(caught.value).replace(str(path), "FILE")


def test_row_72_a_rate_that_is_no_number_at_the_start_names_reaction_and_values(tmp_path: Path) -> None:
    path = antimony(tmp_path, "model m\n  compartment c = 1\n  species S in c = 0\n  J: S -> ; S / S\nend\n")
    model = compile_model(load_model(path))
    with pytest.raises(SolveError, match=r"reaction J is nan at the start, with S = 0") as caught:
        check_start(model, model.nominal())
    assert caught.value.exit_code == 5


PULSE = """model m
  t_on = 1; width = 1.5; k = 0.7; y = 0.2
  pulse := piecewise(3, (time >= t_on) && !(time > t_on + width), 0)
  y' = pulse - k * y
end
"""


def _pulse_error(folder: Path, rtol: float) -> float:
    model = compile_model(load_model(antimony(folder, PULSE)))
    times = np.linspace(0.0, 4.0, 41)
    trajectory = solve(model, Protocol(), model.nominal(), times, rtol=rtol, atol=rtol * 1e-3)
    assert int(trajectory.status) == Status.DONE
    on = np.clip(times - 1.0, 0.0, 1.5)
    off = np.clip(times - 2.5, 0.0, None)
    exact = 0.2 * np.exp(-0.7 * times) + 3 / 0.7 * (1 - np.exp(-0.7 * on)) * np.exp(-0.7 * off)
    return float(np.abs(np.asarray(trajectory.states[0]) - exact).max())


def test_row_73_a_pulse_in_time_splits_the_steps_and_keeps_the_order(tmp_path: Path) -> None:
    spec = load_model(antimony(tmp_path, PULSE))
    assert len(spec.switches) == 2
    loose, tight = _pulse_error(tmp_path, 1e-4), _pulse_error(tmp_path, 1e-10)
    assert loose < 1e-3
    assert tight < 1e-9


def _solved(folder: Path, text: str, times: list[float]) -> dict[str, np.ndarray]:
    model = compile_model(load_model(antimony(folder, text)))
    trajectory = solve(model, Protocol(), model.nominal(), np.array(times, float), rtol=1e-10, atol=1e-12)
    assert int(trajectory.status) == Status.DONE
    return {id: np.asarray(y) for id, y in zip(model.state_ids, trajectory.states, strict=True)}


def test_row_74_an_event_at_an_output_time_shows_what_follows_it(tmp_path: Path) -> None:
    values = _solved(
        tmp_path, "model m\n  y = 1; y' = 0\n  E: at (time >= 2): y = y + 5\nend\n", [0, 1, 2, 3]
    )
    np.testing.assert_allclose(values["y"], [1, 1, 6, 6], rtol=1e-12)


def test_row_74_two_events_at_one_time_both_see_the_values_before(tmp_path: Path) -> None:
    text = "model m\n  x = 1; y = 2\n  E: at (time >= 1): x = y\n  F: at (time >= 1): y = x\nend\n"
    values = _solved(tmp_path, text, [0, 0.5, 1.5, 2])
    np.testing.assert_allclose(values["x"], [1, 1, 2, 2])
    np.testing.assert_allclose(values["y"], [2, 2, 1, 1])


def test_row_74_two_events_that_assign_one_quantity_at_one_time_are_refused(tmp_path: Path) -> None:
    text = "model m\n  x = 1\n  E: at (time >= 1): x = 2\n  F: at (time >= 1): x = 3\nend\n"
    assert "FILE:4  F\n  the events E and F assign x at the same time" in refused(antimony(tmp_path, text))


@pytest.mark.parametrize(("trigger", "fires"), [("", False), (", t0=false", True), (", t0=true", False)])
def test_row_74_a_trigger_true_at_0_fires_as_its_initial_value_says(
    tmp_path: Path, trigger: str, fires: bool
) -> None:
    text = f"model m\n  y = 1\n  y' = 0\n  E: at (time >= 0){trigger}: y = 7\nend\n"
    values = _solved(tmp_path, text, [0, 1, 2])
    np.testing.assert_allclose(values["y"], [7, 7, 7] if fires else [1, 1, 1])


def test_row_74_time_greater_than_0_fires_just_after_the_start(tmp_path: Path) -> None:
    """`time > 0` is false at 0 whatever the initial value says, and true at once after it."""
    values = _solved(tmp_path, "model m\n  y = 1; y' = 0; a = 0\n  E: at (time > a): y = 7\nend\n", [0, 1, 2])
    np.testing.assert_allclose(values["y"][1:], [7, 7])


def test_row_75_events_cannot_chatter_because_those_that_wait_for_a_state_are_refused(tmp_path: Path) -> None:
    text = "model m\n  y = 1; y' = 1\n  E: at (y > 2): y = 0\nend\n"
    assert "FILE:3  E\n  the event E: its trigger depends on a state" in refused(antimony(tmp_path, text))
