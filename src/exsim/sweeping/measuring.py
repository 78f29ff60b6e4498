"""What a sweep keeps of a draw: metrics of its curves, on the device, as `exsim.summaries` defines them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from .. import summaries
from ..jax_setup import jnp
from ..shapes import OutputHours
from ..summaries import SAME_TIME_H

#: A value between output times is read off a polynomial through so many of them: right to a part in
#: 10^6 for what changes with a rate of 1 over four output times (a cubic: over thirteen).
NODES = 6


@dataclass(frozen=True)
class Measure:
    """One number of one analyte's curve.

    `kind` is a column of the summary table, "time_above_h" a `level` in the analyte's unit, or
    "value_at" a time in hours, which counts from the end of the last bout if `after_end`.
    """

    variable: str
    #: State or rule of the model.
    id: str
    kind: str
    level: float = 0.0
    time_h: float = 0.0
    after_end: bool = False


@dataclass(frozen=True)
class OutputGrid:
    """Output times where the edges of the protocol differ between lanes: shares of each segment.

    `points[k]` of them lie evenly in segment k, from just behind what jumps at its start to just
    before what jumps at its end; one more is the end of the whole.
    """

    points: tuple[int, ...]

    def taus(self, dtype: Any) -> Float[Array, "time"]:
        """Return the output times in scaled time."""
        parts = []
        for number, count in enumerate(self.points):
            taus = (number + np.linspace(0.0, 1.0, count)).astype(dtype)
            taus[0] += number * np.finfo(dtype).eps
            if count > 1:
                taus[-1] = np.nextafter(taus[-1], taus[0])
            parts.append(taus)
        return jnp.asarray(np.concatenate([*parts, [float(len(self.points))]]), dtype)

    def times_h(self, edges_h: Float[Array, "edge lane"], taus: Float[Array, "time"]) -> OutputHours:
        """Return the output times in hours, one column a lane."""
        number = np.repeat(np.arange(len(self.points)), self.points)
        number = np.append(number, len(self.points) - 1)
        share = (taus - number)[:, None]
        return edges_h[number] + share * (edges_h[number + 1] - edges_h[number])

    def value_at(
        self,
        times_h: Float[Array, "time lane"],
        values: Float[Array, "time lane"],
        at_h: Float[Array, "..."],
    ) -> Float[Array, "lane"]:
        """Return each lane's value at a time, by the polynomial through six output times of one segment.

        The curve is smooth inside a segment alone, so nothing from beyond its edges enters. NaN
        outside the simulation.
        """
        at_h = jnp.broadcast_to(at_h, values.shape[1:])
        starts = np.cumsum([0, *self.points[:-1]])
        lowest = np.append(np.repeat(starts, self.points), starts[-1])
        highest = lowest + np.append(np.repeat(self.points, self.points), self.points[-1]) - NODES
        begun = jnp.sum(times_h <= at_h + SAME_TIME_H, axis=0) - 1
        row = jnp.clip(begun, 0, values.shape[0] - 1)
        # A segment of length 0 has one output time: what is read beyond it gets no weight.
        low, high = jnp.asarray(lowest)[row], jnp.asarray(np.maximum(highest, lowest))[row]
        rows = jnp.clip(row - NODES // 2 + 1, low, high) + jnp.arange(NODES)[:, None]
        rows = jnp.minimum(rows, values.shape[0] - 1)
        t, y = (jnp.take_along_axis(array, rows, axis=0) for array in (times_h, values))
        nearest = jnp.take_along_axis(values, row[None], axis=0)[0]
        result, apart = jnp.zeros_like(nearest), jnp.ones(nearest.shape, bool)
        for i in range(NODES):
            weight = jnp.ones_like(nearest)
            for j in range(NODES):
                if i != j:
                    gap = t[i] - t[j]
                    apart = apart & (jnp.abs(gap) > SAME_TIME_H)
                    weight = weight * (at_h - t[j]) / jnp.where(gap == 0, 1.0, gap)
            result = result + weight * y[i]
        inside = (at_h >= times_h[0] - SAME_TIME_H) & (at_h <= times_h[-1] + SAME_TIME_H)
        return jnp.where(inside, jnp.where(apart, result, nearest), jnp.nan)


def measure(
    metric: Measure,
    columns: dict[str, Array],
    at: Callable[[Float[Array, "..."]], Float[Array, "lane"]],
    times_h: OutputHours,
    values: Float[Array, "time lane"],
    end_h: Float[Array, "..."],
) -> Float[Array, "lane"]:
    """Return a metric of every lane. `columns` are the analyte's summary, `at` gives its value at a time."""
    if metric.kind == "value_at":
        return at(metric.time_h + (end_h if metric.after_end else jnp.zeros_like(end_h)))
    if metric.kind == "time_above_h":
        return summaries.time_above(times_h, values, metric.level)
    return columns[metric.kind]
