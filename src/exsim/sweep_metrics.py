"""What a sweep keeps of a curve, in words: "peak", "time_above 10 pg/mL", "value_at end + 1.5 h". No JAX."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import ValidationError

from .errors import UnitError, did_you_mean
from .fields import complain, shown
from .moments import Moment
from .units import Quantity

#: Word of a config -> end of the name of its variable, as in the summary of a single run.
NAMES = {
    "baseline": "baseline",
    "peak": "peak",
    "fold": "fold",
    "time_of_peak": "time_of_peak_h",
    "time_of_peak_after_bout": "time_of_peak_after_bout_h",
    "auc": "auc_above_baseline",
    "time_back_to_baseline": "time_back_to_baseline_h",
}
_LABELS = {
    "baseline": "at rest",
    "peak": "peak",
    "fold": "peak over rest",
    "time_of_peak": "time of peak",
    "time_of_peak_after_bout": "time of peak after the bout",
    "auc": "area above rest",
    "time_back_to_baseline": "time from the end of the bout until back at rest",
}
#: Words that something follows, and an example of it.
_WITH_VALUE = {"time_above": "10 pg/mL", "value_at": "end + 1.5 h"}
WORDS = (*NAMES, *_WITH_VALUE)


@dataclass(frozen=True)
class Metric:
    """One number of a curve: `word`, and what follows it."""

    word: str
    #: What `time_above` is above; the unit "dimensionless" where the config gives a plain number.
    threshold: Quantity | None = None
    #: When `value_at` looks.
    moment: Moment | None = None

    @property
    def column(self) -> str:
        """The column of the summary table that it is; "" for what has no column there."""
        return NAMES.get(self.word, "")

    def variable(self, analyte: str) -> str:
        """Return the name of its variable in the store: "IL6_peak", "IL6_time_above_10_pg_per_mL_h"."""
        if self.threshold is not None:
            shown = str(self.threshold).removesuffix(" dimensionless")
            return f"{analyte}_time_above_{_name(shown)}_h"
        if self.moment is not None:
            return f"{analyte}_at_{_name(str(self.moment))}"
        return f"{analyte}_{NAMES[self.word]}"

    def unit(self, analyte_unit: str) -> str:
        """Return its unit, for an analyte in `analyte_unit`; areas are that unit times hours."""
        if self.word in ("baseline", "peak", "value_at"):
            return analyte_unit
        if self.word == "fold":
            return "dimensionless"
        if self.word == "auc":
            return "h" if analyte_unit in ("", "dimensionless") else f"{analyte_unit}*h"
        return "h"

    def label(self, analyte_label: str) -> str:
        """Return its name in figures: "IL-6, peak"."""
        if self.threshold is not None:
            return f"{analyte_label}, time above {str(self.threshold).removesuffix(' dimensionless')}"
        if self.moment is not None:
            return f"{analyte_label} at {self.moment}"
        return f"{analyte_label}, {_LABELS[self.word]}"


def _name(text: str) -> str:
    # "end + 1.5 h" -> "end_plus_1.5_h", "10 pg/mL" -> "10_pg_per_mL"
    for sign, word in (("end + ", "end_plus_"), ("end - ", "end_minus_"), ("/", "_per_"), ("%", "percent")):
        text = text.replace(sign, word)
    return re.sub(r"[^\w.+-]+", "_", text.replace("µ", "u").replace("^", "").replace("*", "_"))


def read_metric(text: str) -> Metric:
    """Return the metric that a text of a config stands for. Raises a complaint for any other text."""
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if word in NAMES:
        if rest:
            complain(f"{shown(text)}: nothing follows {word}", f'write "{word}"')
        return Metric(word)
    if word not in _WITH_VALUE:
        complain(f"{shown(text)} is not a metric", did_you_mean(word, WORDS))
    if not rest:
        complain(f"{shown(text)} does not say {word} what", f'write e.g. "{word} {_WITH_VALUE[word]}"')
    if word == "time_above":
        return Metric(word, threshold=_threshold(rest))
    try:
        return Metric(word, moment=Moment.model_validate(rest))
    except ValidationError as error:
        complain(f"{shown(text)}: {error.errors()[0]['msg']}", 'write e.g. "value_at end + 1.5 h"')


def _threshold(text: str) -> Quantity:
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text, re.IGNORECASE):
        return Quantity(float(text), "dimensionless")
    try:
        return Quantity.parse(text, _WITH_VALUE["time_above"])
    except UnitError as error:
        complain(error.problems[0].message, error.problems[0].hint)


def metric_variable(analyte: str, metric: str) -> str:
    """Return the name of the variable of a metric of a checked config, e.g. IL6_auc_above_baseline."""
    return read_metric(metric).variable(analyte)


def metric_unit(metric: str, analyte_unit: str) -> str:
    """Return the unit of a metric of a checked config, for an analyte in `analyte_unit`."""
    return read_metric(metric).unit(analyte_unit)


def metric_label(metric: str, analyte_label: str) -> str:
    """Return the name in figures of a metric of a checked config."""
    return read_metric(metric).label(analyte_label)
