"""The strict test room: float64 only where exsim asks for it, every warning an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("EQX_ON_ERROR", "off")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

ROOT = Path(__file__).resolve().parents[1]


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
