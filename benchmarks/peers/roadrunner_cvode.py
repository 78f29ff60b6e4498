"""libRoadRunner: CVODE on the model compiled by LLVM, one draw after another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .problems import Problem, Run


def prepare(
    problem: Problem,
    rtol: float,
    atol: float,
    sbml: Path,
    chosen: Mapping[str, float],
    stiff: bool = True,
) -> Run:
    """Load the SBML and return the run; `chosen` are numbers of the protocol that the SBML has by id."""
    import roadrunner

    model = problem.model
    runner = roadrunner.RoadRunner(str(sbml))
    runner.integrator.relative_tolerance = rtol
    kinds = {state.id: state.kind for state in model.spec.states}
    runner.timeCourseSelections = [
        f"[{id}]" if kinds[id] == "concentration" else id for id in model.state_ids
    ]
    # The SBML may carry an input that a protocol drives elsewhere as one more state.
    carried = runner.model.getNumFloatingSpecies() + runner.model.getNumRateRules()
    runner.integrator.setValue("absolute_tolerance", [atol] * carried)
    runner.integrator.setValue("stiff", stiff)
    ids = list(runner.model.getGlobalParameterIds())
    at = np.array([ids.index(id) for id in model.parameter_ids if id in ids], dtype=np.int32)
    given = [index for index, id in enumerate(model.parameter_ids) if id in ids]
    values = np.ascontiguousarray(problem.parameters[:, given])
    times = problem.times_h.tolist()

    def run() -> np.ndarray:
        states = np.empty((problem.draws, len(times), len(model.state_ids)))
        for draw, row in enumerate(values):
            # An event at 0 h fires when the file is reset, so its numbers are set before that.
            runner.reset()
            runner.model.setGlobalParameterValues(at, row)
            for id, value in chosen.items():
                runner[id] = value
            runner.reset()
            states[draw] = runner.simulate(times=times)
        return states

    return Run(run)
