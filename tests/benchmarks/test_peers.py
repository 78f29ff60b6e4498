"""The benchmark's parts: they import, and what they compare is the same problem."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

MODULES = (
    "scaling",
    "sweep",
    "peers.c_kernel",
    "peers.diffrax_vmap",
    "peers.exsim_lanes",
    "peers.generated",
    "peers.numba_lsoda",
    "peers.problems",
    "peers.roadrunner_cvode",
    "peers.torchode_batch",
)


@pytest.fixture(autouse=True)
def benchmarks(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("peers", "scaling", "sweep")]:
        del sys.modules[name]


@pytest.fixture
def problems():
    return importlib.import_module("peers.problems")


@pytest.fixture
def ten_state(problems, suites):
    return problems.ten_state(16)


@pytest.fixture
def reference(suites):
    rows = np.loadtxt(suites / "speed" / "reference_16.csv", delimiter=",", skiprows=1)
    return rows[:, 2:].reshape(16, 100, 10)


@pytest.fixture
def c_kernel():
    module = importlib.import_module("peers.c_kernel")
    if not module.is_present():
        pytest.skip("no gcc: the C kernel is left out of the benchmark")
    return module


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_without_its_peer(name):
    assert importlib.import_module(name)


def test_draws_are_those_of_the_suite(ten_state, suites):
    draws = np.loadtxt(suites / "speed" / "draws_64.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(ten_state.parameters, draws[:16], rtol=1e-14)


def test_inputs_are_split_at_their_jumps(ten_state):
    edges, inputs = ten_state.segments
    assert edges.tolist() == [0.0, 1.0, 4.5, 24.0]
    assert inputs.tolist() == [[0.0], [1.0], [0.0]]


@pytest.mark.parametrize("lanes", [1, 4, 8])
def test_c_kernel_agrees_with_the_reference(c_kernel, problems, ten_state, reference, lanes):
    states = c_kernel.prepare(ten_state, 1e-6, 1e-9, lanes)()
    found = problems.errors(states, reference)
    assert 1e-9 < found.max() < 1e-4
    subnormal = np.array([np.finfo(float).smallest_subnormal])
    assert subnormal * 3.0 > 0.0, "the kernel made this process round subnormals to zero"


@pytest.mark.slow
def test_c_kernel_agrees_with_exsim_on_the_marathon(c_kernel, problems):
    problem = problems.marathon(3)
    states = c_kernel.prepare(problem, 1e-8, 1e-11, 4)()
    assert problems.errors(states, problem.reference()).max() < 1e-5


def test_scipy_on_the_generated_text_agrees_with_the_reference(problems, ten_state, reference):
    numba_lsoda = importlib.import_module("peers.numba_lsoda")
    states = numba_lsoda.prepare_scipy(ten_state.first(3), 1e-6, 1e-9)()
    assert problems.errors(states, reference).max() < 1e-4


def test_an_error_is_a_share_of_the_largest_value(problems):
    reference = np.array([[[1.0, 0.0], [4.0, 0.0]]])
    assert problems.errors(reference + 0.2, reference).tolist() == [pytest.approx(0.05)]


def test_a_chain_has_as_many_states_as_asked_for(problems):
    problem = problems.chain(7, 2)
    assert problem.start.shape == (2, 7)
    assert problem.parameters.shape == (2, 8)
