"""What a sampler wants of a config beyond what a search wants: a proper prior of every number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..fit_spec import FitSpec
from .config_checks import ConfigFindings
from .fit_targets import FreeTarget


def check_sampled(found: ConfigFindings, spec: FitSpec, targets: Sequence[FreeTarget]) -> None:
    """Note numbers without a prior and an end: they cannot be sampled."""
    for item in targets:
        if item.prior is None and not _ends(item):
            hint = (
                'write a prior under [[fit.parameter]], e.g. prior = "uniform" from bound to bound'
                if item.scale == "logit"
                else "write a prior under [[fit.parameter]], or bounds: lower and upper"
            )
            message = f"{item.name} is flat on a {item.scale} scale without an end: there is no such prior"
            found.refuse(message, item.path, hint)


def check_blanks(found: ConfigFindings, spec: FitSpec) -> None:
    """Note batches with a blank: theirs are solved in closed form, by all rows of a batch together.

    That says nothing of their spread, and ties the people of a batch to each other.
    """
    for index, observable in enumerate(spec.observable):
        if observable.batch == "factor and offset":
            message = (
                "the best factor and offset of a batch are worked out, which says nothing of their spread,"
                " and ties the people of a batch"
            )
            hint = (
                'where there is no blank write noise = "lognormal" and batch = "factor"; with a blank it can'
                " only be fitted, and without [population]: exsim fit"
            )
            found.refuse(message, ("observable", index, "batch"), hint)


def _ends(item: FreeTarget) -> bool:
    # Whether a number has two ends on its estimation scale: a logit never reaches its bounds.
    if item.scale == "logit" or not (math.isfinite(item.low) and math.isfinite(item.high)):
        return False
    return item.scale == "linear" or item.low > 0
