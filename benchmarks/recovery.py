"""Do the 95 % intervals of `exsim fit` hold the truth in 95 of 100 cases? A study of data with a known truth.

    python benchmarks/recovery.py [--replicates 17] [--starts 16] [--seed 1]

Each replicate draws a truth (every rate within some 20 % of the model's), makes data of it and forgets
it: 20 marathon runners, four cytokines, nine times, log-normal noise of 15 %, about a tenth of the values
below the limit of quantification. A config and a table are written and read, and eight rates and four
sds are fitted with flat priors. Printed are the share of the truths inside their 95 % profile interval and
the share of the intervals that have both ends; the exit code is 1 where either is not as wanted.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np

from exsim import api
from exsim.fit_problem import SearchSettings
from exsim.fit_result import FitResult
from exsim.fitting import fit

ROOT = Path(__file__).resolve().parents[1]
MARATHON = ROOT / "configs" / "simulate" / "marathon.toml"
FREE = (
    "drive_rate",
    "depletion_scale",
    "release_gain",
    "action_rate",
    "induction_il1ra",
    "k_IL1RA",
    "induction_il10",
    "tnf_by_damage",
)
ANALYTES = ("IL6", "IL1RA", "IL10", "TNF")
#: At rest, on the way, at the finish (3.43 h), and after it.
TIMES_H = (0.0, 1.0, 2.0, 2.75, 3.43, 4.5, 5.5, 7.0, 9.0)
RUNNERS = 20
NOISE, SD_BOUNDS = 0.15, (0.02, 1.0)
#: How far truths lie from the model's values: sd of the logarithm.
SPREAD = 0.2
#: Share of the values of each analyte below its limit of quantification.
BELOW = 0.1
#: Wanted: shares of truths inside their intervals, and of intervals with both ends.
INSIDE, FINITE = (0.91, 0.98), 0.80


@dataclass(frozen=True)
class Replicate:
    """One data set: what is true, by the name of the free number, and the share of censored values."""

    truth: dict[str, float]
    config: Path
    censored: float


def draw_truth(chance: np.random.Generator) -> dict[str, float]:
    """Return a value of each free number."""
    model = api.load_model("il6_axis")
    nominal = {item.id: item.value for item in model.parameters}
    rates = {id: float(nominal[id] * np.exp(SPREAD * chance.standard_normal())) for id in FREE}
    return rates | {f"sd[{analyte}]": NOISE for analyte in ANALYTES}


def curves_of(truth: dict[str, float]) -> dict[str, np.ndarray]:
    """Return the level of each analyte at each time."""
    units = {item.id: item.unit for item in api.load_model("il6_axis").parameters}
    said = [
        f"parameter.{id}={truth[id]!r}"
        if units[id] == "dimensionless"
        else f"parameter.{id}='{truth[id]!r} {units[id]}'"
        for id in FREE
    ]
    times = ", ".join(f"'{time_h} h'" for time_h in TIMES_H)
    run = api.simulate(
        MARATHON, [*said, f"output.until='{TIMES_H[-1]} h'", f"output.times=[{times}]", "solver.rtol=1e-9"]
    )
    return {analyte: run.dataset[analyte].sel(time=list(TIMES_H)).values for analyte in ANALYTES}


def make_replicate(folder: Path, chance: np.random.Generator) -> Replicate:
    """Write the data and the config of one replicate into a folder."""
    truth = draw_truth(chance)
    censored = 0
    with (folder / "measured.csv").open("w", encoding="utf-8", newline="") as text:
        table = csv.writer(text)
        table.writerow(["subject", "condition", "time", "time_unit", "analyte", "value", "unit", "lloq"])
        for analyte, curve in curves_of(truth).items():
            # The limit is one of the assay, not of these data.
            limit = float(np.quantile(curve * noise(chance, 1000), BELOW))
            for runner, values in enumerate(curve * noise(chance, RUNNERS), start=1):
                for time_h, value in zip(TIMES_H, values.tolist(), strict=True):
                    censored += value < limit
                    said = f"<{limit!r}" if value < limit else repr(value)
                    table.writerow([f"R{runner:02}", "race", time_h, "h", analyte, said, "pg/mL", limit])
    config = folder / "recovery.toml"
    config.write_text(config_text(), encoding="utf-8")
    return Replicate(truth, config, censored / (RUNNERS * len(ANALYTES) * len(TIMES_H)))


def noise(chance: np.random.Generator, runners: int) -> np.ndarray:
    """Return the factors of log-normal noise, (runner, time)."""
    return np.exp(NOISE * chance.standard_normal((runners, len(TIMES_H))))


def config_text() -> str:
    """Return a config for the fit: flat priors between the bounds of the model's card."""
    sd = f"{{ lower = {SD_BOUNDS[0]}, upper = {SD_BOUNDS[1]} }}"
    parts = ['# Is the truth found?\nschema = 1\nmodel = "il6_axis"\n\n[data]\nfile = "measured.csv"\n']
    parts += ['[[condition]]\nname = "race"\nprotocol = "marathon"\n']
    parts += [
        f'[[observable]]\nanalyte = "{analyte}"\nnoise = "lognormal"\nsd = {sd}\n' for analyte in ANALYTES
    ]
    free = ", ".join(f'"{id}"' for id in FREE)
    parts += [f"[fit]\nfree = [{free}]\n"]
    parts += [f'[[fit.parameter]]\nname = "{id}"\nprior = "none"\n' for id in FREE]
    return "\n".join(parts)


def inside(replicate: Replicate, result: FitResult) -> np.ndarray:
    """Say of each free number whether its truth lies in its interval."""
    return np.array([item.lower <= replicate.truth[item.name] <= item.upper for item in result.estimates])


def finite(result: FitResult) -> np.ndarray:
    """Say of each free number whether its interval has both ends."""
    return np.array([np.isfinite([item.lower, item.upper]).all() for item in result.estimates])


def tell(names: Sequence[str], within: np.ndarray, ended: np.ndarray, wall_s: float) -> bool:
    """Print the shares; say whether they are as wanted."""
    count = len(within)
    print(f"\n{'free number':20}{'truth inside':>14}{'both ends':>12}   of {count} replicates")
    for name, hits, ends in zip(names, within.sum(axis=0), ended.sum(axis=0), strict=True):
        print(f"{name:20}{hits:14d}{ends:12d}")
    share, known = float(within.mean()), float(ended.mean())
    good = INSIDE[0] <= share <= INSIDE[1] and known >= FINITE
    print(f"\n{within.size} truths: {share:.1%} inside their 95 % interval (wanted: 91 to 98 %)")
    print(f"{known:.1%} of the intervals have both ends (wanted: 80 % or more)")
    print(f"{wall_s:.0f} s in all: {'as wanted' if good else 'NOT as wanted'}")
    return good


def main() -> None:
    """Fit the replicates; print what of their truths was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=17)
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.monotonic()
    within, ended, names = [], [], ()
    for number in range(asked.replicates):
        chance = np.random.default_rng([asked.seed, number])
        with tempfile.TemporaryDirectory() as folder:
            replicate = make_replicate(Path(folder), chance)
            study = api.read_fit(replicate.config)
        settings = SearchSettings(starts=asked.starts, seed=number, profiled=study.profiled)
        result = fit(study.problem, settings)
        names = result.names
        within.append(inside(replicate, result))
        ended.append(finite(result))
        missed = [name for name, hit in zip(names, within[-1], strict=True) if not hit]
        print(
            f"replicate {number + 1:2}: {replicate.censored:.1%} below the limit, {result.agreeing} of "
            f"{len(result.starts)} starts agree, {result.efforts['whole'].seconds:.0f} s"
            + (f"; missed {', '.join(missed)}" if missed else "")
            + ("" if result.converged else f"; {'; '.join(result.reasons)}"),
            flush=True,
        )
    if not tell(names, np.array(within), np.array(ended), time.monotonic() - begun):
        sys.exit(1)


if __name__ == "__main__":
    main()
