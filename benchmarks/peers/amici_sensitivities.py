"""AMICI: CVODES with forward or adjoint sensitivities on generated C++, one vector after another."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .posteriors import NOISE_SD, Engine, Posterior

NAME = "ten_state_posterior"


def prepare(
    posterior: Posterior, method: Literal["forward", "adjoint"], multistep: Literal["BDF", "Adams"] = "BDF"
) -> Engine:
    """Build the module (half a minute of a C++ compiler, once a process) and return the engine."""
    import amici.sim.sundials as sundials

    model = _module(posterior.sbml, posterior.observables).get_model()
    ids = list(model.get_free_parameter_ids())
    places = [ids.index(name) for name in posterior.names]
    model.set_parameter_list(places)
    scales = [sundials.ParameterScaling_none] * len(ids)
    for place in places:
        scales[place] = sundials.ParameterScaling_ln
    model.set_parameter_scale(sundials.parameter_scaling_from_int_vector([int(scale) for scale in scales]))
    model.set_timepoints(posterior.times_h.tolist())
    measured = sundials.ExpData(model)
    measured.set_timepoints(posterior.times_h.tolist())
    measured.set_measurements(posterior.data.reshape(-1))

    def solver(rtol: float, atol: float) -> Any:
        made = model.create_solver()
        made.set_sensitivity_order(sundials.SensitivityOrder_first)
        made.set_sensitivity_method(getattr(sundials, f"SensitivityMethod_{method}"))
        if multistep == "Adams":
            made.set_stability_limit_flag(False)
            made.set_linear_multistep_method(sundials.LinearMultistepMethod_adams)
        made.set_return_data_reporting_mode(sundials.RDataReporting_likelihood)
        made.set_relative_tolerance(rtol)
        made.set_absolute_tolerance(atol)
        if method == "adjoint":
            made.set_relative_tolerance_b(rtol)
            made.set_absolute_tolerance_b(atol)
            made.set_relative_tolerance_quadratures(rtol)
            made.set_absolute_tolerance_quadratures(atol)
        return made

    def ask(vectors: np.ndarray, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray]:
        made, numbers = solver(rtol, atol), np.array(model.get_free_parameters())
        value, gradient = posterior.log_prior(vectors)
        with warnings.catch_warnings():
            # That adjoint sensitivities beside events are little tested: here they are, against the others.
            warnings.simplefilter("ignore")
            for row, vector in enumerate(vectors):
                numbers[places] = vector
                model.set_free_parameters(numbers)
                found = sundials.run_simulation(model, made, measured)
                value[row] += found.llh
                gradient[row] += found.sllh
        return value, gradient

    return ask


@lru_cache(maxsize=1)
def _module(sbml: str, observables: tuple[str, ...]) -> Any:
    from amici import MeasurementChannel, import_model_module
    from amici.importers.sbml import SbmlImporter

    # SWIG and cmake come with it as packages: their programs lie beside this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    channels = [
        MeasurementChannel(f"{id}_seen", formula=id, noise_distribution="log-normal", sigma=NOISE_SD)
        for id in observables
    ]
    target = str(Path(folder.name) / NAME)
    SbmlImporter(sbml).sbml2amici(NAME, target, observation_model=channels, verbose=50)
    return import_model_module(NAME, target)
