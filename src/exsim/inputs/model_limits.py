"""How large a model may be: beyond it, an estimate instead of an hour of compiling."""

from __future__ import annotations

from .findings import Findings
from .xml_scan import XmlOutline

#: Species, parameters with a rule, and reactions that one compiled right-hand side takes.
MAX_EQUATIONS = 5_000
#: Measured on one core of a laptop: seconds of compiling per species, reaction or rule.
COMPILE_SECONDS_PER_EQUATION = 0.01
_COUNTED = ("species", "reaction", "assignmentRule", "rateRule", "parameter")


def check_limits(outline: XmlOutline, findings: Findings) -> None:
    """Note a model that is too large to be compiled in reasonable time, with an estimate."""
    counts = {name: outline.counts.get(name, 0) for name in _COUNTED}
    equations = counts["species"] + counts["reaction"] + counts["assignmentRule"] + counts["rateRule"]
    rules = counts["assignmentRule"] + counts["rateRule"]
    if equations > MAX_EQUATIONS:
        minutes = equations * COMPILE_SECONDS_PER_EQUATION / 60
        findings.error(
            f"the model has {counts['species']:,} species, {counts['reaction']:,} reactions and"
            f" {rules:,} rules; {MAX_EQUATIONS:,} together are the limit"
            f" (compiling it would take about {minutes:.0f} min)",
            hint="exsim is made for kinetic models of up to some hundred species",
        )
