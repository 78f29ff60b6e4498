"""What a kernel keeps at the output times: whole curves, or metrics that run along in registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# Not in jax_setup: nothing but the kernel needs it, and it takes a while to import.
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array

from ..jax_setup import jax, jnp
from ..protocol import Protocol
from ..summaries import BACK_WITHIN, SMALLEST_CHANGE, time_of_peak_after_bout
from .tables import lane_numbers, row_at

Carried: TypeAlias = tuple[Any, ...]

#: What leaves the kernel for each analyte, in this order.
METRICS = ("rest", "peak", "peak_h", "area", "back_h", "last")


@dataclass(frozen=True)
class KeepCurves:
    """Keeps every value at every output time, straight in the output; NaN from where a lane stopped."""

    def shape(self, values: int, times: int) -> tuple[int, int]:
        """Return the shape of the output before its lane axis."""
        return values, times

    def start(self, like: Any) -> Carried:
        """Return what is carried along from before the first output time; `like` is a lane vector."""
        return ()

    def take(
        self, out: Any, carried: Carried, taken: Any, number: Any, times_h: Any, values: Sequence[Any]
    ) -> Carried:
        """Take the values at output time `number` of the lanes that are `taken`."""
        lanes = lane_numbers(out)
        for row, value in enumerate(values):
            plgpu.store(out.at[row, number, lanes], value, mask=taken)
        return ()

    def finish(self, out: Any, carried: Carried, number: Any, done: Any) -> None:
        """Write what is still to be written; `number` output times of each lane were taken."""
        rows, times, block = out.shape
        lanes = lane_numbers(out)
        lost = jnp.full((block,), jnp.nan, out.dtype)

        def fill(number: Any) -> Any:
            here = jnp.minimum(number, times - 1)
            for row in range(rows):
                plgpu.store(out.at[row, here, lanes], lost, mask=number < times)
            return number + 1

        jax.lax.while_loop(lambda number: jnp.min(number) < times, fill, number)


@dataclass(frozen=True)
class KeepMetrics:
    """Keeps the numbers of `exsim.summaries` alone, each carried along from output time to output time.

    `falling` says of each value whether its peak is its lowest value.
    """

    falling: tuple[bool, ...]

    def shape(self, values: int, times: int) -> tuple[int, int]:
        """Return the shape of the output before its lane axis."""
        return len(self.falling), len(METRICS)

    def start(self, like: Any) -> Carried:
        """Return what is carried along from before the first output time; `like` is a lane vector."""
        nothing = jnp.zeros_like(like)
        return tuple((nothing,) * len(METRICS) for _ in self.falling)

    def take(
        self, out: Any, carried: Carried, taken: Any, number: Any, times_h: Any, values: Sequence[Any]
    ) -> Carried:
        """Take the values at output time `number` of the lanes that are `taken`."""
        lane = lane_numbers(out)
        time, before = (row_at(times_h, row, lane) for row in (number, jnp.maximum(number - 1, 0)))
        first = number == 0
        result = []
        for old, value, falls in zip(carried, values, self.falling, strict=True):
            new = _updated(old, value, falls, first, time, before)
            result.append(tuple(jnp.where(taken, n, o) for n, o in zip(new, old, strict=True)))
        return tuple(result)

    def finish(self, out: Any, carried: Carried, number: Any, done: Any) -> None:
        """Write the metrics; NaN for a lane that did not reach the end."""
        for analyte, metrics in enumerate(carried):
            for row, value in enumerate(metrics):
                out[analyte, row, :] = jnp.where(done, value, jnp.nan)


def _updated(old: Carried, value: Any, falls: bool, first: Any, time: Any, before: Any) -> Carried:
    # One analyte one output time on; `summaries` has the definitions.
    rest, peak, peak_h, area, back_h, last = old
    rest = jnp.where(first, value, rest)
    higher = first | ((value < peak) if falls else (value > peak))
    above, above_last = value - rest, last - rest
    limit = BACK_WITHIN * jnp.abs(rest)
    side = jnp.where(above_last < 0, -1.0, 1.0)
    fell = side * (above_last - above)
    crossing = before + (side * above_last - limit) / jnp.where(fell > 0, fell, 1.0) * (time - before)
    returns = (jnp.abs(above_last) > limit) & ~(jnp.abs(above) > limit)
    return (
        rest,
        jnp.where(higher, value, peak),
        jnp.where(higher, time, peak_h),
        jnp.where(first, 0.0 * value, area + 0.5 * (above + above_last) * (time - before)),
        # Before anything has left rest, it is back at any time.
        jnp.where(first, -jnp.inf, jnp.where(returns, crossing, back_h)),
        value,
    )


def summaries_of(kept: Array, protocol: Protocol, until_h: Any) -> dict[str, Array]:
    """Return the columns of `exsim.summaries.summarise` from what was kept of one analyte, (metric, lane)."""
    rest, peak, peak_h, area, back_h, last = kept
    # What is no number at any time is none in the area.
    known = ~jnp.isnan(area)
    peak = jnp.where(known, peak, jnp.nan)
    moved = jnp.abs(peak - rest) > SMALLEST_CHANGE * jnp.abs(rest)
    peak_h = jnp.where(moved, peak_h, jnp.nan)
    windows = [window for bout in protocol.bouts for window in bout.repetitions()]
    starts, ends = (_by_lane([window[side] for window in windows], rest) for side in (0, 1))
    last_end = jnp.max(ends, axis=0, initial=-jnp.inf) if windows else jnp.nan
    away = jnp.abs(last - rest) > BACK_WITHIN * jnp.abs(rest)
    back = known & ~away & (last_end <= until_h)
    return {
        "baseline": rest,
        "peak": peak,
        "fold": jnp.where(rest > 0, peak / jnp.where(rest > 0, rest, 1.0), jnp.nan),
        "time_of_peak_h": peak_h,
        "time_of_peak_after_bout_h": time_of_peak_after_bout(peak_h, starts, ends),
        "auc_above_baseline": area,
        "time_back_to_baseline_h": jnp.where(back, jnp.maximum(back_h - last_end, 0.0), jnp.nan),
    }


def _by_lane(hours: Sequence[Any], like: Array) -> Array:
    rows = [jnp.broadcast_to(jnp.asarray(hour, like.dtype), like.shape) for hour in hours]
    return jnp.stack(rows) if rows else jnp.zeros((0, *like.shape), like.dtype)
