"""Models written in the tests, read by the same reader as any other; the IL-6 axis behind one program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from exsim import load_model
from exsim.model import Model, compile_model
from exsim.protocol import Bolus, Bout, Infusion, Protocol
from exsim.solving import Status, Trajectory, solve

#: Shares of the simulated time at which the axis is looked at: one shape, so one compiled program.
SHARES = np.linspace(0.0, 1.0, 193)


@pytest.fixture(scope="session")
def read_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """Return a function that reads a model from Antimony text and, if given, its card."""

    def read(text: str, card: str = "") -> Model:
        folder: Path = tmp_path_factory.mktemp("model")
        (folder / "model.ant").write_text(text, encoding="utf-8")
        if card:
            (folder / "model.toml").write_text(card, encoding="utf-8")
        return compile_model(load_model(folder))

    return read


@dataclass(frozen=True)
class Axis:
    """The shipped IL-6 axis under one bout, one IL-6 infusion and one dose of LPS, each 0 unless given."""

    model: Model

    @cached_property
    def nominal(self) -> dict[str, float]:
        """The parameters of the model file by id."""
        return dict(zip(self.model.parameter_ids, self.model.nominal(), strict=True))

    def protocol(
        self,
        *,
        start_h: float = 0.0,
        duration_h: float = 3.43,
        intensity: float = 0.0,
        eccentric_load: float = 1.0,
        il6_ng_per_h: float = 0.0,
        lps_ng_per_kg: float = 0.0,
        lps_h: float = 2.5,
    ) -> Protocol:
        """Return the three things that can be done to the subject."""
        levels = {
            "intensity": intensity,
            "whole_body_intensity": intensity,
            "active_muscle": 12.0 if intensity > 0 else 0.0,
            "eccentric_load": eccentric_load if intensity > 0 else 0.0,
        }
        bout = Bout(start_h=start_h, duration_h=duration_h, rest_h=0.0, every_h=0.0, levels=levels)
        infusion = Infusion(start_h=0.0, duration_h=3.0, level=il6_ng_per_h, input="il6_infusion")
        return Protocol((bout,), (infusion,), (Bolus(time_h=lps_h, amount=lps_ng_per_kg, state="LPS"),))

    def run(
        self,
        parameters: dict[str, float] | None = None,
        *,
        until_h: float = 8.0,
        rtol: float = 1e-6,
        atol: float = 1e-9,
        **protocol: float,
    ) -> Trajectory:
        """Return the run at `SHARES` of `until_h`; it has reached its end."""
        times_h, values = SHARES * until_h, self.model.nominal(parameters)
        run = solve(self.model, self.protocol(**protocol), values, times_h, rtol=rtol, atol=atol)
        assert int(run.status) == Status.DONE
        return run

    def curves(self, run: Trajectory) -> dict[str, np.ndarray]:
        """Return the states by id, each (time,)."""
        return dict(zip(self.model.state_ids, np.asarray(run.states), strict=True))


@pytest.fixture(scope="session")
def axis() -> Axis:
    return Axis(compile_model(load_model("il6_axis")))
