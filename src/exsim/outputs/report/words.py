"""What a report says of each table and each picture."""

from __future__ import annotations

import re

#: What the box of doubts is called; of the commands that are not named, the first.
DOUBTS = {"": "Not to be trusted", "validate": "What the model misses"}

#: File name, or (command, file name) where several commands leave one, -> what a picture shows.
_CAPTIONS: dict[str | tuple[str, str], str] = {
    "figure.png": (
        "Time courses: concentration, and fold over rest, both on log axes. Bouts are shaded; of intervals "
        "the work alone."
    ),
    "fit.png": (
        "What was measured (dots) and the best fit (line). The band holds the curve with 95 % probability, "
        "given the model; new measurements scatter more widely, by the noise. Bouts are shaded, open "
        "triangles are values known only to lie beyond a limit."
    ),
    "residuals.png": (
        "What the fit leaves over, in units of the noise: over time, over the prediction, observed over "
        "predicted, and sorted against what the noise promises. A trend says that the model lacks "
        "something."
    ),
    "waterfall.png": (
        "The starts, sorted by the log density that they reached. A plateau at the top says that many found"
        " the same best; steps say that a search can end in several places."
    ),
    "profiles.png": (
        "How much worse the fit gets when one number is held elsewhere and all others are fitted anew. "
        "Where a curve crosses the dashed line the 95 % interval ends; one that never does has no end "
        "there."
    ),
    "directions.png": (
        "In which directions the data tell the free numbers, and how well. At the lower end is what they "
        "tell least."
    ),
    "surface.png": "The metrics over the quantities that were varied.",
    "tornado.png": "Which varied quantity moves which metric, with 95 % intervals.",
    "vpc.png": "Percentiles of the data over time, in the intervals that new people of the population give.",
    ("sweep", "bands.png"): "Percentiles over time, of all draws that ended well.",
    ("sample", "bands.png"): (
        "What was measured (dots) over the median curve of the posterior. The band holds the curve with 95 % "
        "probability, given model and priors; new measurements scatter more widely, by the noise. Bouts are "
        "shaded, open triangles are values known only to lie beyond a limit."
    ),
    "trace.png": (
        "Left: the chains, draw by draw, those numbers first that they know worst. They should lie over each "
        "other and never stand still. Right: the ranks of each chain among all draws, which should all be "
        "about 1."
    ),
    "pairs.png": (
        "Draws of two numbers at a time, and their correlation. A narrow ridge says that the data tell a "
        "combination of the two better than each; divergences, where there are any, are marked."
    ),
    "prior_posterior.png": (
        "What was known before (grey) and after the data (blue). Where the two are alike the data tell next "
        "to nothing of the number. The contraction is 1 less the posterior over the prior variance."
    ),
    "forest.png": "The model against the published numbers, case by case, on a log axis.",
}

#: (command, file name) -> heading of a table.
TITLES = {
    ("simulate", "summary.csv"): "Peaks and areas",
    ("sweep", "summary.csv"): "Metrics over all draws",
    ("sweep", "sensitivity.csv"): "Which quantity moves which metric",
    ("sample", "summary.csv"): "The posterior in numbers",
    ("fit", "parameters.csv"): "Estimates",
    ("fit", "starts.csv"): "The best starts",
    ("fit", "scores.csv"): "The fitted model against the evidence, case by case",
    ("validate", "scores.csv"): "Case by case",
}

_SCORES = (
    "Inside: in the measured interval. Within 2x: within a factor of 2. ln error: natural logarithm of "
    "model over target."
)
#: (command, file name) -> how to read a table.
NOTES = {
    ("simulate", "summary.csv"): (
        "Fold is the peak over the level at rest; times of the peak count from the start and from the end "
        "of the last bout; the area is above rest, in the unit times hours. A dash: there is no such "
        "number."
    ),
    ("sweep", "summary.csv"): (
        "Left out are draws that failed; not defined, those that ended well and have no such number. p5 and"
        " p95 hold nine draws in ten between them."
    ),
    ("sweep", "sensitivity.csv"): "An index with its 95 % interval: near 0 the quantity hardly matters.",
    ("sample", "summary.csv"): (
        "The central 95 % of the posterior. R-hat should be under 1.01, both effective sample sizes (ESS, of "
        "the bulk and of the tails) 400 or more. Contraction is near 1 where the data tell a number, near 0 "
        "where its posterior is its prior. A dash: there is no such number."
    ),
    ("fit", "parameters.csv"): (
        "The 95 % interval is that of the profile where one was made; with priors it is of the posterior "
        "density. A dash: there is no such number."
    ),
    ("fit", "starts.csv"): (
        "Log densities are natural logarithms; a start within 0.1 of the best found the same place."
    ),
    ("validate", "scores.csv"): _SCORES,
    ("fit", "scores.csv"): _SCORES,
}

#: Text of a cell -> its class in the style.
VERDICT_KINDS = {
    "identifiable": "good",
    "practically not identifiable": "bad",
    "structurally not identifiable": "bad",
    "at its lower bound": "bad",
    "at its upper bound": "bad",
    "inside": "good",
    "within 2x": "good",
    "outside": "bad",
}


def caption_of(command: str, name: str) -> str:
    """Return what a picture shows; its name where nothing is known of it."""
    # prior_posterior_2.png goes on with what prior_posterior.png shows.
    first = re.sub(r"_\d+(?=\.png$)", "", name)
    found = (_CAPTIONS.get(key) for key in ((command, name), name, first))
    return next((caption for caption in found if caption), name)
