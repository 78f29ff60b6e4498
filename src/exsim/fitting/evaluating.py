"""Asking the objective of a fit: answers are kept in a journal, time and work are counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from ..errors import InferenceError
from ..fit_result import Effort
from .objective import Expanded, Objective, Vectors


@runtime_checkable
class Journal(Protocol):
    """Where answers are kept: `exsim.outputs.journal.Journal`."""

    def records(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the answers that an earlier run left."""

    def append(self, record: dict[str, np.ndarray]) -> None:
        """Keep one more."""


class Evaluator:
    """Asks the objective, and knows how long that took; the answers of an earlier run come first."""

    def __init__(self, objective: Objective, journal: Journal | None = None) -> None:
        self.objective = objective
        self._journal = journal
        self._found = iter(()) if journal is None else journal.records()
        self._before_s, self._began = 0.0, time.monotonic()
        #: Vectors whose answers were given, those of an earlier run with them.
        self.answered = 0
        self._solves = 0

    def __call__(self, vectors: Vectors) -> Expanded:
        """Return the density about vectors. Raises InferenceError where the journal has other questions."""
        record = next(self._found, None)
        if record is not None:
            if not np.array_equal(record["vectors"], vectors):
                raise InferenceError(
                    "the journal of this fit holds other questions than are asked now: begin it anew with "
                    "--overwrite"
                )
            self._before_s, self._began = float(record["elapsed_s"]), time.monotonic()
            return self._counted(Expanded(*(record[name] for name in Expanded.__dataclass_fields__)))
        found = self._counted(self.objective.expand(vectors))
        if self._journal is not None:
            answers = {name: getattr(found, name) for name in Expanded.__dataclass_fields__}
            self._journal.append({"vectors": vectors, "elapsed_s": np.array(self.elapsed_s), **answers})
        return found

    def _counted(self, found: Expanded) -> Expanded:
        self.answered += len(found.value)
        self._solves += int(found.solves.sum())
        return found

    @property
    def elapsed_s(self) -> float:
        """Seconds that the fit has taken, those of an earlier run with them."""
        return self._before_s + time.monotonic() - self._began

    def effort(self, since: Effort | None = None) -> Effort:
        """Return what was spent, since another effort if one is given."""
        since = since or Effort(0.0, 0, 0)
        simulations = sum(len(item.simulations) for item in self.objective.plan.bundles)
        return Effort(
            self.elapsed_s - since.seconds,
            self.answered - since.gradients,
            self._solves * simulations - since.trajectories,
        )
