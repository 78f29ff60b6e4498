"""A fit in closed form: a real model and real configs, and all that follows from their data by least squares.

The logarithm of every prediction is linear in the free numbers on their estimation scale, so that the best
vector, the Fisher matrix, its directions and every profile follow from least squares and agree with each
other, as they would after a real fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import log_ndtr

from exsim.api import load_model, read_study
from exsim.fit_problem import FitProblem, FitRows, FreeNumber, Noisy, Observable, Simulation
from exsim.fit_result import Direction, Effort, Estimate, FitCurves, FitResult, FitStart, Profile
from exsim.formula import Name
from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED

from .conftest import ANALYTES, response

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "simulate"
THRESHOLD = 3.841458820694124
MODEL = load_model("il6_axis")


@dataclass(frozen=True)
class Row:
    """One measurement, before it becomes an entry of the columns of `FitRows`."""

    simulation: int
    observable: int
    time_h: float
    value: float
    quantity: str = "level"
    limit: float = math.nan
    censoring: int = MEASURED
    scale: float = math.nan
    compared: int = -1
    batch: int = -1
    factor: int = -1


def rows_of(rows, simulations):
    names = tuple(simulations[row.simulation].name for row in rows)

    def numbers(field):
        return np.array([getattr(row, field) for row in rows], dtype=float)

    def counts(field):
        return np.array([getattr(row, field) for row in rows], dtype=np.int64)

    return FitRows(
        simulation=counts("simulation"),
        observable=counts("observable"),
        quantity=tuple(row.quantity for row in rows),
        time_h=numbers("time_h"),
        compared=counts("compared"),
        compared_time_h=np.array([row.time_h if row.compared >= 0 else math.nan for row in rows]),
        value=numbers("value"),
        limit=numbers("limit"),
        censoring=counts("censoring"),
        scale=numbers("scale"),
        batch=counts("batch"),
        factor=counts("factor"),
        subject=tuple(name.split(" ")[0] for name in names),
        condition=tuple(name.split(" ")[-1] for name in names),
        group=tuple("plate 1" if row.batch >= 0 else "" for row in rows),
        line=np.arange(2, 2 + len(rows)),
    )


def free_number(name, scale="log", kind="model", label="", unit="dimensionless", bounds=(1e-3, 1e3), at=1.0):
    """A free number; of a parameter of the model what its card says."""
    card = dict(MODEL.card.parameters).get(name.partition("[")[0]) if kind == "model" else None
    if card is not None and card.bounds is not None:
        parameter = next(item for item in MODEL.parameters if item.id == name.partition("[")[0])
        label, unit, bounds, at = label or card.label, parameter.unit, card.bounds, parameter.value
    return FreeNumber(name, unit, label or name, kind, scale, *bounds, at)


def to_theta(item, value):
    if item.scale == "logit":
        return np.log((value - item.low) / (item.high - value))
    return {"linear": lambda x: x, "log": np.log, "log10": np.log10}[item.scale](value)


def to_value(item, theta):
    if item.scale == "logit":
        return item.low + (item.high - item.low) / (1 + np.exp(-theta))
    return {"linear": lambda x: x, "log": np.exp, "log10": lambda x: 10.0**x}[item.scale](theta)


@cache
def spec_of(config):
    return read_study(CONFIGS / f"{config}.toml").config.spec


def simulation(name, config):
    return Simulation(name, spec_of(config))


def bouts_of(spec):
    return tuple((bout.start.to("h"), bout.end_h) for bout in spec.protocol.bout)


def observable(name, family="lognormal", sd=None, **more):
    unit = ANALYTES[name][0]
    label = {item.analyte: item.label for item in MODEL.card.observables}[name]
    return Observable(name, label, unit, Name(name), family, None if sd is None else Noisy(sd), **more)


def level(simulations, observables, at, s, o, time_h):
    """The prediction of observable o in simulation s for theta = nominal: (time,)."""
    _, rest, fold, lag, decay = ANALYTES[observables[o].name]
    time_h = np.atleast_1d(np.asarray(time_h, dtype=float))
    person = 1.0 + 0.35 * math.sin(7.0 * s + o)
    bouts = bouts_of(simulations[s].spec)
    length = sum(end - start for start, end in bouts)
    fold = 1.0 + (fold - 1.0) * min(length / 3.43, 1.0) ** 1.5 * person
    return rest * (1.0 + 0.2 * math.cos(3.0 * s)) * response(np.maximum(time_h, 0.0), bouts, fold, lag, decay)


class Fit:
    """Builds problem and result; `weights[o, j]`: how much number j moves the logarithm of observable o."""

    def __init__(self, name, free, simulations, observables, rows, weights, moments, sd, seed=1):
        self.free, self.simulations, self.observables = free, simulations, observables
        self.rows = rows_of(rows, simulations)
        self.problem = FitProblem(name, MODEL, free, (), simulations, observables, self.rows)
        self.weights, self.moments, self.sd = np.asarray(weights, float), moments, sd
        self.rng = np.random.default_rng(seed)
        self.nominal = np.array([to_theta(item, item.nominal) for item in free])

    def slopes(self, o, time_h):
        """d log f / d theta, (time, parameter); a moment of NaN acts at all times."""
        time_h = np.atleast_1d(np.asarray(time_h, float))[:, None]
        moments = np.asarray(self.moments, float)[None, :]
        when = np.where(np.isnan(moments), 1.0, np.exp(-(((time_h - np.nan_to_num(moments)) / 1.6) ** 2)))
        return self.weights[o] * when

    def curve(self, s, o, time_h, theta):
        moved = self.slopes(o, time_h) @ (theta - self.nominal)
        return level(self.simulations, self.observables, None, s, o, time_h) * np.exp(moved)

    def predictions(self, theta):
        found = []
        for n, quantity in enumerate(self.rows.quantity):
            s, o, time_h = self.rows.simulation[n], self.rows.observable[n], self.rows.time_h[n]
            at = float(self.curve(s, o, time_h, theta)[0])
            rest = float(self.curve(s, o, 0.0, theta)[0])
            whole = self.curve(s, o, np.linspace(0.0, 8.0, 97), theta)
            found.append(
                {
                    "level": at,
                    "fold": at / rest,
                    "log2": math.log2(at) + 3.0,
                    "peak_fold": whole.max() / rest,
                    "time_of_peak": float(np.linspace(0.0, 8.0, 97)[whole.argmax()]),
                    "ratio": at / float(self.curve(max(self.rows.compared[n], 0), o, time_h, theta)[0]),
                    "unchanged": whole.max() / rest,
                    "share_removed": 0.5,
                }[quantity]
                * (1.3 if self.rows.factor[n] >= 0 else 1.0)
            )
        return np.array(found)

    def row_sd(self):
        return np.where(np.isfinite(self.rows.scale), self.rows.scale, self.sd[self.rows.observable])

    def residuals(self, prediction):
        value = np.where(self.rows.censoring == MEASURED, self.rows.value, self.rows.limit)
        log = [self.observables[o].family == "lognormal" for o in self.rows.observable]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = (np.log(value) - np.log(prediction)) / self.row_sd()
        return np.where(log, logs, (value - prediction) / self.row_sd())

    def result(self, starts=8, failed=0, agreeing=None, profiled=True, flat=(), weak=(), at_bound=()):
        free, rows = self.free, self.rows
        measured = rows.censoring == MEASURED
        jacobian = (
            np.array(
                [self.slopes(o, time_h)[0] for o, time_h in zip(rows.observable, rows.time_h, strict=True)]
            )
            / self.row_sd()[:, None]
        )
        jacobian = jacobian * measured[:, None]
        prior = np.array([0.0 if item.kind != "model" or item.name in flat else 4.0 for item in free])
        start = np.where(measured, self.residuals(self.predictions(self.nominal)), 0.0)
        system = np.vstack([jacobian, np.diag(np.sqrt(prior))])
        step = np.linalg.lstsq(system, np.append(start, np.zeros(len(free))), rcond=1e-6)[0]
        theta = self.nominal + step
        best = np.array([to_value(item, x) for item, x in zip(free, theta, strict=True)])
        prediction = self.predictions(theta)
        residual = self.residuals(prediction)
        density = -0.5 * residual**2 - np.log(self.row_sd() * math.sqrt(2 * math.pi))
        density = np.where(rows.censoring == BELOW_LIMIT, log_ndtr(residual), density)
        density = np.where(rows.censoring == ABOVE_LIMIT, log_ndtr(-residual), density)
        likelihood = float(density.sum())
        top = likelihood - 0.5 * float(prior @ step**2)
        fisher = jacobian.T @ jacobian + np.diag(prior)
        for j, item in enumerate(free):
            # Each row tells of the logarithm of its sd with an information of 2.
            told = [f"sd[{self.observables[o].name}]" == item.name for o in rows.observable]
            fisher[j, j] += 2.0 * sum(told)
        values, vectors = np.linalg.eigh(fisher)
        floor = 1e-8 * values.max()
        covariance = np.linalg.pinv(fisher, rcond=1e-8)
        directions = tuple(
            self.direction(value, vector, floor) for value, vector in zip(values, vectors.T, strict=True)
        )
        spread = np.sqrt(np.diag(covariance).clip(0.0))
        estimates = []
        for j, item in enumerate(free):
            loose, limited = item.name in flat, item.name in weak
            ends = [float(to_value(item, theta[j] + side * 1.96 * spread[j])) for side in (-1, 1)]
            if loose:
                ends = [-math.inf, math.inf]
            elif limited:
                ends[1] = math.inf
            bound = "upper" if item.name in at_bound else ""
            verdict = "structurally not" if loose else "practically not" if limited else "identifiable"
            error = math.nan if loose or limited or bound else float(abs(ends[1] - ends[0]) / 3.92)
            estimates.append(
                Estimate(
                    item.name,
                    float(best[j]),
                    *ends,
                    item.unit,
                    error,
                    bound,
                    verdict if profiled else "not profiled",
                )
            )
        shown = covariance.copy()
        for j, item in enumerate(free):
            if item.name in flat:
                shown[j, :] = shown[:, j] = math.nan
        # What lies at a bound was stopped by it.
        self.free = tuple(
            replace(item, high=float(best[j])) if item.name in at_bound else item
            for j, item in enumerate(free)
        )
        self.problem = replace(self.problem, free=self.free)
        k, n = len(free), len(rows)
        return FitResult(
            names=tuple(item.name for item in free),
            best=best,
            log_density=top,
            log_likelihood=likelihood,
            starts=self.starts(starts, failed, starts // 2 if agreeing is None else agreeing, best, top),
            agreeing=starts // 2 if agreeing is None else agreeing,
            estimates=tuple(estimates),
            directions=directions,
            told=(),
            profiles=tuple(self.profile(j, theta, spread[j], top, flat, weak) for j in range(k))
            if profiled
            else (),
            prediction=prediction,
            residual=residual,
            row_density=density,
            gradient_check=(1.2e-5, 1.3e-5),
            aic=2 * k - 2 * likelihood,
            aicc=2 * k - 2 * likelihood + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf,
            bic=k * math.log(n) - 2 * likelihood,
            converged=True,
            efforts={"search": Effort(12.5, 1000, 5000), "profiles": Effort(7.0, 350, 1750)},
            covariance=shown,
            curves=self.curves(theta, covariance),
        )

    def direction(self, value, vector, floor):
        order = np.argsort(-np.abs(vector))[:3]
        parts = [
            (self.free[j].name, vector[j] / vector[order[0]])
            for j in order
            if abs(vector[j]) > 0.25 * abs(vector[order[0]])
        ]
        words = " * ".join(name if abs(power - 1) < 0.05 else f"{name}^{power:.2g}" for name, power in parts)
        return Direction(float(value), vector, words, bool(value < floor))

    def starts(self, count, failed, agreeing, best, top):
        found = []
        for number in range(count):
            share = self.rng.random(len(self.free))
            begun = np.array(
                [
                    to_value(item, to_theta(item, item.nominal) + 2.0 * (u - 0.5))
                    for item, u in zip(self.free, share, strict=True)
                ]
            )
            if number >= count - failed:
                reason = ("the solver ran out of its step budget", "the density is not finite at the start")[
                    number % 2
                ]
                found.append(
                    FitStart(
                        number, begun, np.full_like(begun, math.nan), math.nan, math.nan, 0, reason, True
                    )
                )
                continue
            off = 0.02 * self.rng.random() if number < agreeing else 0.3 + 400.0 * self.rng.random() ** 4
            reached = best * np.exp(0.01 * off * self.rng.standard_normal(len(best)))
            ended = "converged" if number % 5 else "at the limit of iterations"
            off = 0.0 if number == 0 else off
            found.append(
                FitStart(
                    number,
                    begun,
                    reached,
                    top - 900.0 * (1 + self.rng.random()),
                    top - off,
                    40 + number,
                    ended,
                )
            )
        return tuple(found)

    def profile(self, j, theta, spread, top, flat, weak):
        item = self.free[j]
        reach = 2.5 * (spread if spread > 1e-6 else 0.6)
        away = np.linspace(-reach, reach, 21)
        drop = np.zeros_like(away) if item.name in flat else 0.5 * (away / spread) ** 2
        if item.name in weak:
            drop = np.where(away > 0, 0.6 * (1 - np.exp(-away / spread)), drop)
        vectors = np.tile(theta, (len(away), 1))
        vectors[:, j] += away
        density = top - drop
        if j == 1:
            density[-2] = math.nan
        values = np.array([[to_value(f, x) for f, x in zip(self.free, row, strict=True)] for row in vectors])
        return Profile(j, values[:, j], density, values)

    def curves(self, theta, covariance):
        times = np.array([np.linspace(0.0, one.spec.output.until.to("h"), 241) for one in self.simulations])
        shape = (len(self.simulations), len(self.observables), times.shape[1])
        value, error = np.empty(shape), np.empty(shape)
        for s in range(shape[0]):
            for o in range(shape[1]):
                value[s, o] = self.curve(s, o, times[s], theta)
                slopes = self.slopes(o, times[s])
                error[s, o] = np.sqrt(np.einsum("tj,jk,tk->t", slopes, covariance, slopes).clip(0.0))
        return FitCurves(
            tuple(one.name for one in self.simulations),
            tuple(one.name for one in self.observables),
            times,
            value,
            value * np.exp(-1.96 * error),
            value * np.exp(1.96 * error),
            tuple(bouts_of(one.spec) for one in self.simulations),
        )


def measured_rows(fit_level, simulations, observables, times, sd, seed, lowest=None, **more):
    """Rows drawn from the closed form with the noise of their observable; censored below `lowest`."""
    rng, rows = np.random.default_rng(seed), []
    for s in range(len(simulations)):
        for o, item in enumerate(observables):
            for time_h in times:
                at = float(fit_level(simulations, observables, None, s, o, time_h)[0])
                z = rng.standard_normal()
                value = at * math.exp(sd[o] * z) if item.family == "lognormal" else at + sd[o] * z
                floor = (lowest or {}).get(item.name, -math.inf)
                if value < floor:
                    rows.append(Row(s, o, time_h, math.nan, limit=floor, censoring=BELOW_LIMIT, **more))
                else:
                    rows.append(Row(s, o, time_h, value, **more))
    return rows
