"""Two published problems with laboratory data, fitted from many starts.

    python benchmarks/public_fits.py [boehm|rahman ...] [--starts 50] [--optimiser hybrid]

The problems are those of `benchmark/` in the public test suites (EXSIM_SUITES), the configs those of
`tests/suites/`. Printed are the log likelihood at the published parameters, the best that was found,
how many of the starts agree with it, where the others ended, and the time.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from exsim.cli.session import choose_compiler_options

if __name__ == "__main__":
    # Before JAX is imported.
    choose_compiler_options()

import numpy as np

from exsim.api import FitStudy, read_fit
from exsim.fit_problem import FitProblem, SearchSettings
from exsim.fit_result import FitResult
from exsim.fitting import Objective, fit
from exsim.inputs.model_files import load_model
from exsim.jax_setup import jax

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "tests" / "suites"
SUITES = Path(os.environ.get("EXSIM_SUITES", ROOT.parent / "shared" / "suites"))
#: The name of the problem by that of its config.
PROBLEMS = {"boehm": "Boehm_JProteomeRes2014", "rahman": "Rahman_MBS2016"}


@dataclass(frozen=True)
class Published:
    """The log likelihood at the nominal parameters, as published, and how far it may be missed."""

    log_likelihood: float
    tolerance: float


def read_published(name: str, suites: Path = SUITES) -> Published:
    """Return what `_ID_solution.yaml` of a problem says."""
    id = PROBLEMS[name]
    lines = (suites / "benchmark" / id / f"_{id}_solution.yaml").read_text("utf-8").splitlines()
    said = dict(line.split(": ") for line in lines if line.strip())
    return Published(float(said["llh"]), float(said["tol_llh"]))


def read_problem(name: str, folder: Path, suites: Path = SUITES) -> FitStudy:
    """Write the config, the model and the data of a problem into a folder as exsim takes them; read them."""
    id = PROBLEMS[name]
    source = suites / "benchmark" / id
    shutil.copy(CONFIGS / f"{name}.toml", folder)
    shutil.copy(source / f"model_{id}.xml", folder / "model.xml")
    # Its times are in the model's own unit.
    per_unit_h = load_model(str(folder / "model.xml")).time_unit_h
    with (source / f"measurementData_{id}.tsv").open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    with (folder / "measured.csv").open("w", encoding="utf-8", newline="") as text:
        table = csv.writer(text)
        table.writerow(["subject", "condition", "time", "time_unit", "analyte", "value", "unit"])
        for row in rows:
            hours = repr(float(row["time"]) * per_unit_h)
            condition = row["simulationConditionId"]
            table.writerow(["all", condition, hours, "h", row["observableId"], row["measurement"], "percent"])
    return read_fit(folder / f"{name}.toml")


def nominal_log_likelihood(problem: FitProblem) -> float:
    """Return the log likelihood at the published parameters, which are the first start."""
    objective = Objective(problem)
    with jax.enable_x64(True):
        theta = objective.scales.theta(np.array([item.nominal for item in problem.free]))
    return float(objective.expand(np.asarray(theta)[None]).likelihood[0])


def report(name: str, published: Published, nominal: float, result: FitResult, wall_s: float) -> None:
    """Print what a fit found."""
    starts = len(result.starts)
    ends = Counter(
        "lost" if start.failed else f"{start.reached_density:.1f}, {start.ended}" for start in result.starts
    )
    steps = int(np.median([start.iterations for start in result.starts]))
    lines = {
        "log likelihood as published": f"{nominal:.4f} (published: {published.log_likelihood:.4f})",
        "best log likelihood": f"{result.log_likelihood:.4f}",
        "within 0.1 of the best": f"{result.agreeing} of {starts} starts, {result.agreeing / starts:.0%}",
        "wall time": f"{wall_s:.0f} s, of which the search {result.efforts['search'].seconds:.0f} s",
        "steps of a start": f"{steps} in the median",
        "where starts ended": "; ".join(f"{count} x {end}" for end, count in ends.most_common(8)),
    }
    print(f"\n{PROBLEMS[name]}: {len(result.names)} free numbers, {len(result.prediction)} data")
    for what, said in lines.items():
        print(f"  {what:28} {said}")
    for line in result.reasons:
        print(f"  not converged: {line}")


def main() -> None:
    """Fit the problems that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", nargs="*", choices=[*PROBLEMS, []], help="both where none is named")
    parser.add_argument("--starts", type=int, default=None)
    parser.add_argument("--optimiser", default=None)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    if not SUITES.is_dir():
        sys.exit(f"public test suites not found at {SUITES} (set EXSIM_SUITES)")
    for name in asked.problem or PROBLEMS:
        with tempfile.TemporaryDirectory() as folder:
            study = read_problem(name, Path(folder))
        said = study.settings
        settings = SearchSettings(
            starts=asked.starts or said.starts,
            optimiser=asked.optimiser or said.optimiser,
            iterations=said.iterations,
            seed=(study.seed or 0) if asked.seed is None else asked.seed,
        )
        nominal = nominal_log_likelihood(study.problem)
        begun = time.monotonic()
        result = fit(study.problem, settings)
        report(name, read_published(name), nominal, result, time.monotonic() - begun)


if __name__ == "__main__":
    main()
