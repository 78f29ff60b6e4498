"""The strict test room: float64 only where exsim asks for it, every warning an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("EQX_ON_ERROR", "off")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

ROOT = Path(__file__).resolve().parents[1]

# One folder of compiled programs for all workers and subprocesses: the marathon is compiled once.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def suites() -> Path:
    """Return the folder of the public test suites, or skip where it is absent."""
    folder = Path(os.environ.get("EXSIM_SUITES", ROOT.parent / "shared" / "suites"))
    if not folder.is_dir():
        pytest.skip(f"public test suites not found at {folder} (set EXSIM_SUITES)")
    return folder


@pytest.fixture(scope="session")
def turnover_model():
    """Return y' = k_in u - k y, y(0) = 1, with the input u driven by the intensity of a bout."""
    from exsim.formula import Call, Name, Number
    from exsim.model import compile_model
    from exsim.model_spec import DriverCard, Input, ModelCard, ModelSpec, Parameter, State

    rate = Call("-", (Call("*", (Name("k_in"), Name("u"))), Call("*", (Name("k"), Name("y")))))
    return compile_model(
        ModelSpec(
            name="turnover",
            time_unit_h=1.0,
            parameters=(Parameter("k", 0.5, "1/h"), Parameter("k_in", 2.0, "pg/mL/h")),
            states=(State("y", "pg/mL", Number(1.0), rate, "concentration", "plasma"),),
            inputs=(Input("u", "dimensionless"),),
            card=ModelCard(
                title="one turnover compartment",
                drivers=(DriverCard("u", "intensity"),),
                boluses=(("y", "y"),),
            ),
        )
    )
