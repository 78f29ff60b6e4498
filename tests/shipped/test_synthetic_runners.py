"""The ten runners of configs/sample: made from known values, as the file says; kept equal to it here."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from exsim import api

RUNNERS = 10
#: Typical values, their sds between runners (of the logarithm), the power of VO2max, the noise.
TYPICAL = {"release_gain": 1800.0, "induction_il1ra": 70.0}
BETWEEN = {"release_gain": 0.4, "induction_il1ra": 0.3}
CORRELATION, POWER, REFERENCE, NOISE = 0.4, -1.0, 55.0, 0.15
TIMES_H = (0.0, 2.0, 3.43, 4.5, 5.5, 7.5)
#: Below it IL-6 is not told, pg/mL.
LLOQ = 2.0


def make_tables(configs) -> tuple[str, str]:
    """Return the measurements and the table of people."""
    chance = np.random.default_rng(1234)
    vo2max = np.round(chance.normal(REFERENCE, 5.0, RUNNERS), 1)
    root = np.linalg.cholesky(np.array([[1.0, CORRELATION], [CORRELATION, 1.0]]))
    scores = chance.standard_normal((RUNNERS, 2)) @ root.T
    measured, people = io.StringIO(), io.StringIO()
    table = csv.writer(measured, lineterminator="\n")
    table.writerow(["subject", "condition", "time", "time_unit", "analyte", "value", "unit"])
    listed = csv.writer(people, lineterminator="\n")
    listed.writerow(["subject", "vo2max [mL/kg/min]"])
    for number in range(RUNNERS):
        subject = f"R{number + 1:02d}"
        listed.writerow([subject, vo2max[number]])
        own = {
            name: TYPICAL[name] * math.exp(BETWEEN[name] * float(scores[number, place]))
            for place, name in enumerate(TYPICAL)
        }
        own["release_gain"] *= float(vo2max[number] / REFERENCE) ** POWER
        units = {"release_gain": "ng/h/kg", "induction_il1ra": "1/h"}
        overrides = [f"parameter.{name}='{value!r} {units[name]}'" for name, value in own.items()]
        curves = api.simulate(configs / "simulate" / "marathon.toml", overrides).dataset
        for analyte in ("IL6", "IL1RA"):
            for time in TIMES_H:
                level = float(curves[analyte].interp(time=time))
                value = level * math.exp(NOISE * chance.standard_normal())
                told = f"<{LLOQ:g}" if analyte == "IL6" and value < LLOQ else f"{value:.4g}"
                table.writerow([subject, "race", time, "h", analyte, told, "pg/mL"])
    return measured.getvalue(), people.getvalue()


def test_the_files_are_those_that_the_known_values_make(root) -> None:
    measured, people = make_tables(root / "configs")
    folder = root / "configs" / "sample"
    assert (folder / "synthetic_runners.csv").read_text("utf-8") == measured
    assert (folder / "synthetic_runners_people.csv").read_text("utf-8") == people
