"""What a lab measured: one row a measurement, as arrays, in the units of the model. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

#: What a value is: a level in the model's unit, or relative (fold over rest, log2 units of Olink, any scale).
Kind = Literal["level", "fold", "NPX", "AU"]

#: What `LabData.censoring` holds.
BELOW_LIMIT = -1
MEASURED = 0
ABOVE_LIMIT = 1

Numbers = Float[np.ndarray, "row"]
Counts = Int[np.ndarray, "row"]
Marks = Bool[np.ndarray, "row"]


@dataclass(frozen=True, eq=False)
class LabData:
    """A table of measurements, one entry a row, in the order of the file.

    Levels, their spread and their limits are in `unit`: the model's unit of the analyte, or the kind of
    a relative value. What a row does not give is NaN, 0 for `n`, "" for text.
    """

    path: Path
    sha256: str
    subject: tuple[str, ...]
    condition: tuple[str, ...]
    analyte: tuple[str, ...]
    #: Hours after time 0 of the protocol; where `after_end` holds, after the end of the last bout.
    time_h: Numbers
    after_end: Marks
    #: NaN where the row is censored: then only `limit` is known.
    value: Numbers
    kind: tuple[Kind, ...]
    unit: tuple[str, ...]
    #: BELOW_LIMIT, MEASURED or ABOVE_LIMIT.
    censoring: Counts
    #: What the value lies below or above; NaN where it was measured.
    limit: Numbers
    sd: Numbers
    sem: Numbers
    #: People behind a group mean.
    n: Counts
    #: Lower limit of quantification.
    lloq: Numbers
    batch: tuple[str, ...]
    replicate: tuple[str, ...]
    #: Paper, DOI or notebook that a row is from.
    source: tuple[str, ...]
    #: Fraction by which plasma volume differs from rest; values, spreads and limits are corrected for it.
    plasma_volume_change: Numbers
    #: True before the first bout: a measurement at rest.
    baseline: Marks
    #: Line in the file, from 1.
    line: Counts
    warnings: tuple[str, ...] = ()
    #: What was taken off or converted in reading, for the record of a run.
    repairs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def group_mean(self) -> Marks:
        """True where a row is the mean of several people: n is more than 1, or a standard error is given."""
        return (self.n > 1) | np.isfinite(self.sem)

    def hours(self, ends_h: Mapping[str, float]) -> Numbers:
        """Return the times in hours after time 0 of the protocol.

        `ends_h` is the end of the last bout of each condition; KeyError where a time counts from one
        that is not there.
        """
        shift = [
            ends_h[name] if late else 0.0 for name, late in zip(self.condition, self.after_end, strict=True)
        ]
        return self.time_h + np.array(shift)
