"""Central differences over SciPy's LSODA on a right-hand side in plain Python: what one writes first."""

from __future__ import annotations

import numpy as np

from .numba_lsoda import prepare_scipy
from .posteriors import Engine, Posterior

#: Long enough for what the solver leaves of noise, short enough for what the curve bends: forward differences
#: of this length cost half and are off by 2e-3.
STEP = 1e-3


def prepare(posterior: Posterior) -> Engine:
    """Return the engine: two solves a parameter, and one."""
    count = len(posterior.names)
    moves = STEP * np.concatenate([np.zeros((1, count)), np.eye(count), -np.eye(count)])

    def ask(vectors: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray]:
        moved = (vectors[:, None] + moves).reshape(-1, count)
        states = prepare_scipy(posterior.solves(moved), rtol, atol)()
        values = posterior.log_density(states, moved).reshape(len(vectors), -1)
        return values[:, 0], (values[:, 1 : count + 1] - values[:, count + 1 :]) / (2 * STEP)

    return ask
