"""Finished fits to write down and draw: a small one, a large one, and rows of every kind."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT

from .fit_closed_form import Fit, Row, free_number, level, measured_rows, observable, simulation


@cache
def small_fit():
    """One condition, two analytes, three free numbers, all identifiable: (problem, result)."""
    free = (
        free_number("release_gain"),
        free_number("induction_il10"),
        free_number(
            "sd[IL6]", kind="noise", label="spread of IL-6 about the model", at=0.25, bounds=(0.01, 3.0)
        ),
    )
    simulations = (simulation("race", "marathon"),)
    observables = (observable("IL6"), observable("IL10"))
    sd = np.array([0.25, 0.3])
    rows = measured_rows(level, simulations, observables, (0.0, 1.5, 3.43, 4.5, 5.5, 7.0), sd, 3)
    rows = [replace(row, scale=float(sd[row.observable])) for row in rows]
    weights = [[1.0, 0.0, 0.0], [0.6, 1.0, 0.0]]
    fit = Fit("il6_from_plasma", free, simulations, observables, rows, weights, [3.0, 3.5, 5.0], sd)
    result = fit.result()
    return fit.problem, result


LARGE_NUMBERS = (
    "release_gain", "CL_IL6", "V_IL6", "drive_rate", "depletion_scale", "glycogen_use", "release_rate",
    "action_rate", "induction_il1ra", "k_IL1RA", "induction_il10", "catecholamine_gain", "hormone_exponent",
    "k_IL10", "tnf_by_damage", "k_TNF", "k_LPS", "IL6_rest", "IL1RA_rest", "IL10_rest", "TNF_rest",
    "release_gain[cycling_60min]",
)  # fmt: skip


@cache
def large_fit():
    """20 simulations, 4 analytes, 25 free numbers, 64 starts of which 5 failed, censored rows."""
    scales = {"hormone_exponent": "linear", "k_TNF": "log10", "depletion_scale": "logit"}
    free = (
        *(free_number(name, scales.get(name, "log")) for name in LARGE_NUMBERS),
        free_number(
            "sd[IL6]", kind="noise", label="spread of IL-6 about the model", at=0.25, bounds=(0.01, 3.0)
        ),
        free_number(
            "sd[IL1RA]", kind="noise", label="spread of IL-1RA about the model", at=0.25, bounds=(0.01, 3.0)
        ),
        free_number(
            "scale[Ostrowski 1998, J Physiol 508:949]", kind="scale", label="factor of the assay of a study"
        ),
    )
    names = [item.name for item in free]
    simulations = tuple(
        simulation(f"S{person:02d} {config}", config)
        for config in ("marathon", "cycling_60min")
        for person in range(1, 11)
    )
    observables = (
        observable("IL6"),
        observable("IL1RA", batch="factor"),
        observable("IL10"),
        observable("TNF", "normal"),
    )
    sd = np.array([0.3, 0.25, 0.35, 0.5])
    lowest = {"IL6": 1.1, "IL10": 1.3}
    rows = measured_rows(
        level, simulations, observables, (-0.2, 0.5, 1.0, 2.0, 3.43, 5.0, 7.5), sd, 5, lowest
    )
    rows = [row for row in rows if row.time_h <= simulations[row.simulation].spec.output.until.to("h")]
    last = len(free) - 1
    rows = [
        replace(row, factor=last, batch=0, value=row.value * 1.3) if row.observable == 1 else row
        for row in rows
    ]
    rows[3] = replace(rows[3], value=math.nan, limit=rows[3].value, censoring=ABOVE_LIMIT)
    rng = np.random.default_rng(11)
    weights = np.zeros((4, len(free)))
    for j, name in enumerate(names):
        own = {"il1ra": 1, "IL1RA": 1, "il10": 2, "IL10": 2, "tnf": 3, "TNF": 3}
        place = next((o for part, o in own.items() if part in name), 0)
        weights[place, j] = 0.6 + 0.8 * rng.random()
        if place == 0:
            weights[:, j] += 0.3 * rng.standard_normal(4)
    moments = [math.nan if "rest" in name or "scale[" in name else 0.5 + 6.5 * rng.random() for name in names]
    gain, volume, nothing = (names.index(name) for name in ("release_gain", "V_IL6", "k_LPS"))
    weights[:, volume], moments[volume] = weights[:, gain], moments[gain]
    weights[:, nothing] = 0.0
    weights[:, [j for j, item in enumerate(free) if item.kind == "noise"]] = 0.0
    weights[:, last] = weights[:, names.index("IL1RA_rest")] = [0.0, 1.0, 0.0, 0.0]
    fit = Fit("ostrowski_and_others", free, simulations, observables, rows, weights, moments, sd)
    result = fit.result(
        starts=64,
        failed=5,
        agreeing=23,
        flat=("release_gain", "V_IL6", "k_LPS", "IL1RA_rest", names[last]),
        weak=("action_rate", "catecholamine_gain"),
        at_bound=("k_IL10",),
    )
    return fit.problem, replace(
        result,
        warnings=("k_IL10 lies at its upper bound, 2 1/h: it has no standard error",),
    )


#: One row of every kind beside the others, in the unit of its observable or of the quantity.
EVERY_KIND = (
    Row(0, 0, 0.0, 1.1, scale=0.3),
    Row(0, 0, -1.0, 0.9, "level", scale=0.3),
    Row(0, 0, 3.43, 60.0, "level", scale=0.3),
    Row(0, 0, 2.0, 40.0, "fold", scale=0.4),
    Row(0, 1, 4.0, 9.0, "log2", scale=0.4, batch=0),
    Row(0, 0, 6.0, math.nan, "level", limit=20.0, censoring=BELOW_LIMIT, scale=0.3),
    Row(0, 0, 3.0, math.nan, "level", limit=40.0, censoring=ABOVE_LIMIT, scale=0.3),
    Row(0, 0, 0.0, 80.0, "peak_fold", scale=0.4),
    Row(0, 1, 0.0, 3.6, "time_of_peak", scale=0.3),
    Row(1, 0, 1.0, 0.2, "ratio", scale=0.4, compared=0),
    Row(0, 0, 0.0, math.nan, "unchanged", limit=1.2, censoring=BELOW_LIMIT, scale=0.2),
    Row(1, 1, 4.0, 0.6, "share_removed", scale=0.2, compared=0),
    Row(0, 0, 5.0, 22.0, "level", scale=0.3, factor=1),
)


def fit_of(rows, families=("lognormal", "normal"), name="every_kind", numbers=None, **how):
    """A fit of these rows: two conditions, IL-6 and IL-10 with these families of noise."""
    simulations = (simulation("race", "marathon"), simulation("ride", "cycling_60min"))
    observables = tuple(
        observable(analyte, family) for analyte, family in zip(("IL6", "IL10"), families, strict=False)
    )
    free = numbers or (free_number("release_gain"), free_number("scale[a study]", kind="scale"))
    weights = [[1.0, 0.8, *[0.5] * (len(free) - 2)][: len(free)] for _ in observables]
    sd = np.full(len(observables), 0.3)
    fit = Fit(
        name,
        free,
        simulations,
        observables,
        list(rows),
        weights,
        [3.0, 5.0, *[1.0] * len(free)][: len(free)],
        sd,
    )
    result = fit.result(**how)
    return fit.problem, result


@cache
def three_conditions():
    """Three conditions of different length in one panel; normal and t noise beside log-normal."""
    simulations = (
        simulation("race", "marathon"),
        simulation("ride of an hour", "cycling_60min"),
        simulation("low glycogen", "knee_two_legs_180min_low_glycogen"),
    )
    observables = (observable("IL6"), observable("TNF", "normal"), observable("IL10", "student_t"))
    sd = np.array([0.3, 0.2, 2.0])
    rows = measured_rows(level, simulations, observables, (0.0, 1.0, 3.0, 5.0), sd, 2)
    rows = [replace(row, scale=float(sd[row.observable])) for row in rows]
    free = (free_number("release_gain"), free_number("CL_IL6"))
    weights = [[1.0, 0.4], [0.3, 0.2], [0.8, 0.3]]
    fit = Fit("three_conditions", free, simulations, observables, rows, weights, [3.0, 5.0], sd)
    result = fit.result()
    return fit.problem, result


@cache
def many_people():
    """130 people of one condition: more than a figure can show."""
    simulations = tuple(simulation(f"S{person:03d}", "cycling_60min") for person in range(130))
    observables, sd = (observable("IL6"),), np.array([0.3])
    rows = measured_rows(level, simulations, observables, (0.0, 1.0, 3.0), sd, 8)
    free = (free_number("release_gain"), free_number("CL_IL6"))
    fit = Fit("many_people", free, simulations, observables, rows, [[1.0, 0.4]], [1.0, 3.0], sd)
    result = fit.result()
    return fit.problem, result
