"""The engines of the benchmark of gradients: they differentiate the same density."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

MODULES = (
    "gradients",
    "searches",
    "peers.amici_sensitivities",
    "peers.apart",
    "peers.diffrax_gradient",
    "peers.least_squares",
    "peers.lsoda_differences",
    "peers.posteriors",
)
COUNT = 2


@pytest.fixture(autouse=True)
def benchmarks(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield
    known = ("peers", "gradients", "searches", "single_run")
    for name in [name for name in sys.modules if name.split(".")[0] in known]:
        del sys.modules[name]


@pytest.fixture
def posterior(suites):
    return importlib.import_module("peers.posteriors").ten_state_posterior()


@pytest.fixture(scope="module")
def references():
    # Worked out once.
    return []


@pytest.fixture
def reference(posterior, references):
    if not references:
        references += posterior.reference(posterior.vectors(COUNT))
    return references


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_without_its_peer(name):
    assert importlib.import_module(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "most"),
    [("exsim", 1e-6), ("diffrax_gradient", 1e-6), ("lsoda_differences", 1e-4), ("amici_sensitivities", 1e-5)],
)
def test_an_engine_gives_the_values_and_gradients_of_differences(posterior, reference, module, most):
    mode = {"diffrax_gradient": ["reverse"], "amici_sensitivities": ["forward"]}.get(module, [])
    try:
        if module == "exsim":
            engine = importlib.import_module("peers.posteriors").exsim_lanes(posterior)
        else:
            engine = importlib.import_module(f"peers.{module}").prepare(posterior, *mode)
    except ImportError as missing:
        pytest.skip(f"{missing.name} is not installed (extra benchmark-amici)")
    values, gradients = engine(posterior.vectors(COUNT), 1e-8, 1e-11)
    np.testing.assert_allclose(values, reference[0], rtol=0, atol=100 * most)
    largest = np.abs(reference[1]).max(axis=1, keepdims=True)
    np.testing.assert_allclose(gradients / largest, reference[1] / largest, rtol=0, atol=most)


def test_the_problem_of_il6_axis_can_be_solved(root):
    posteriors = importlib.import_module("peers.posteriors")
    problem = posteriors.il6_axis_problem()
    assert len(problem.free) == 12
    assert len(problem.rows) == 40
