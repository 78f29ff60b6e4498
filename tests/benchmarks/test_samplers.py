"""The benchmark of samplers: what they draw from is the same density."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

MODULES = (
    "samplers",
    "peers.drawn",
    "peers.numpyro_nuts",
    "peers.stan_ten_state",
)


@pytest.fixture(autouse=True)
def benchmarks(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    yield
    known = ("peers", "samplers")
    for name in [name for name in sys.modules if name.split(".")[0] in known]:
        del sys.modules[name]


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_without_its_peer(name):
    assert importlib.import_module(name)


def test_exsim_and_diffrax_have_the_same_log_density(suites):
    from exsim.fitting import Objective
    from exsim.jax_setup import jax

    posteriors = importlib.import_module("peers.posteriors")
    posterior = posteriors.ten_state_posterior()
    vectors = posterior.vectors(3)
    density = importlib.import_module("peers.diffrax_gradient").log_density(posterior, "forward")
    with jax.enable_x64(True):
        of_diffrax = np.array([jax.jit(density)(vector, 1e-8, 1e-11) for vector in vectors])
    found = Objective(posteriors.fit_problem(posterior, 1e-8, 1e-11)).expand(vectors)
    np.testing.assert_allclose(of_diffrax, found.value, rtol=0, atol=1e-4)


def test_stan_is_given_each_time_in_its_piece(suites):
    posterior = importlib.import_module("peers.posteriors").ten_state_posterior()
    data = importlib.import_module("peers.stan_ten_state").data_of(posterior)
    pieces = zip(data["first"], data["last"], data["edges"], data["edges"][1:], strict=False)
    for first, last, begin, end in pieces:
        assert all(begin < time <= end for time in data["times"][first - 1 : last])
    assert data["first"] == [1, *(last + 1 for last in data["last"][:-1])]
    assert data["last"][-1] == data["count"] == len(data["times"])
