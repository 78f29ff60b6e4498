"""Whether the formulas of a model have something to work with: names that exist, compartments with a size."""

from __future__ import annotations

import libsbml
import numpy as np

from ..evaluation import Evaluator
from ..formula import names
from .findings import Findings
from .sbml_formulas import Formulas
from .sbml_model import Draft


def check_compartments(draft: Draft, findings: Findings) -> None:
    """Note a compartment whose size is not above 0 although a species in it is a concentration."""
    concentrations = {
        state.compartment: id for id, state in draft.states.items() if state.kind == "concentration"
    }
    with np.errstate(all="ignore"):
        at_start = Evaluator(np, {}, draft.formulas_at_start(), time=0.0)
        for id, species in concentrations.items():
            if id is None or id not in draft.parameters:
                continue
            size = float(at_start.named(id))
            if not size > 0:
                findings.error(
                    f'the compartment "{id}" has size {size:g}, but "{species}" in it is a concentration',
                    id,
                    hint="give it a size, or make the species an amount (substanceOnly)",
                )


def check_names(source_model: libsbml.Model, draft: Draft, formulas: Formulas, findings: Findings) -> None:
    """Note every name in a formula that is nothing the model computes or is given."""
    known = {*draft.parameters, *draft.states, *draft.assignments, *draft.inputs}
    references = {
        reference.getId(): reaction.getId()
        for reaction in source_model.getListOfReactions()
        for reference in [*reaction.getListOfReactants(), *reaction.getListOfProducts()]
        if reference.isSetId()
    }
    compartments = {item.getId() for item in source_model.getListOfCompartments()}
    for place, tree in formulas.trees():
        for name in sorted(names(tree) - known):
            if name in references:
                findings.refuse(f"a stoichiometry in a formula ({name} of {references[name]})", place)
            elif name in compartments:
                findings.error(
                    f'the compartment "{name}" has no size', name, hint="give it a size with its unit"
                )
            elif source_model.getReaction(name) is not None:
                findings.error(
                    f'the formula of {place} uses the reaction "{name}", which has no rate law', place
                )
            else:
                findings.error(
                    f'the formula of {place} uses "{name}", which the model does not define', place
                )
