"""What a sampler wants of a config beyond what a search wants: a proper prior of every number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..fit_spec import FitSpec
from .config_checks import ConfigFindings
from .fit_targets import FreeTarget


def check_sampled(found: ConfigFindings, spec: FitSpec, targets: Sequence[FreeTarget]) -> None:
    """Note what cannot be sampled: numbers without a prior and an end, blanks solved in closed form."""
    for item in targets:
        if item.prior is None and not _ends(item):
            hint = (
                'write a prior under [[fit.parameter]], e.g. prior = "uniform" from bound to bound'
                if item.scale == "logit"
                else "write a prior under [[fit.parameter]], or bounds: lower and upper"
            )
            message = f"{item.name} is flat on a {item.scale} scale without an end: there is no such prior"
            found.refuse(message, item.path, hint)
    for index, observable in enumerate(spec.observable):
        if observable.batch == "factor and offset":
            message = (
                "the best factor and offset of a batch are worked out, which says nothing of their spread"
            )
            hint = (
                'write batch = "factor" where there is no blank: factors are sampled; with a blank it can'
                " only be fitted: exsim fit"
            )
            found.refuse(message, ("observable", index, "batch"), hint)


def _ends(item: FreeTarget) -> bool:
    # Whether a number has two ends on its estimation scale: a logit never reaches its bounds.
    if item.scale == "logit" or not (math.isfinite(item.low) and math.isfinite(item.high)):
        return False
    return item.scale == "linear" or item.low > 0
