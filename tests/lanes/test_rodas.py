"""The stiff lane solver: order, stability, stiff reference problems, lanes that leave each other alone."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import exsim.lanes.rodas as rodas
from exsim.inputs.model_files import load_model
from exsim.lanes import lane_norm
from exsim.lanes.elimination import Sparsity, model_sparsity
from exsim.lanes.rodas import LaneRodas
from exsim.model import compile_model


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unrolled(request, monkeypatch):
    """Make the stages written out (True) or looped (False), whatever the number of states."""
    monkeypatch.setattr(rodas, "UNROLLED_STATES", 99 if request.param else 0)
    jax.clear_caches()
    yield
    jax.clear_caches()


FORMS = pytest.mark.parametrize("unrolled", [True, False], ids=["unrolled", "looped"], indirect=True)

# A problem with a known solution, neither linear nor autonomous: y0 = cos t, y1 = 1 / (1 + t).
PAIR = Sparsity(((0, 1), (1,)), uses_time=True)


def _pair(time, y, args):
    a, b = y
    return (
        -jnp.sin(time) + b * (a - jnp.cos(time)) + (b * (1 + time)) ** 2 - 1,
        -(b**2) * (1 + jnp.cos(time) * (b * (1 + time) - 1)),
    )


def _pair_solution(time):
    return np.array([np.cos(time), 1 / (1 + time)])


def _fixed(solver, count, times=None):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(_pair),
        solver,
        t0=0.0,
        t1=1.5,
        dt0=1.5 / count,
        y0=(jnp.ones(1), jnp.ones(1)),
        stepsize_controller=diffrax.ConstantStepSize(),
        saveat=diffrax.SaveAt(t1=True) if times is None else diffrax.SaveAt(ts=times),
    )
    return np.array([y[:, 0] for y in solution.ys])


@FORMS
def test_fixed_steps_converge_with_order_five(unrolled) -> None:
    solver = LaneRodas(PAIR)
    errors = [np.abs(_fixed(solver, n)[:, 0] - _pair_solution(1.5)).max() for n in (32, 64, 128)]
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 5.0, atol=0.3)


def test_the_interpolant_is_of_order_four() -> None:
    solver = LaneRodas(PAIR)
    term, start = diffrax.ODETerm(_pair), tuple(jnp.asarray(_pair_solution(0.2))[:, None])
    errors = []
    for h in (0.1, 0.05, 0.025):
        *_, dense, _, _ = solver.step(term, 0.2, 0.2 + h, start, None, None, False)
        inside = solver.interpolation_cls(t0=0.2, t1=0.2 + h, **dense)
        times = 0.2 + h * np.linspace(0.1, 0.9, 9)
        found = np.array([np.stack(inside.evaluate(time))[:, 0] for time in times])
        errors.append(np.abs(found - _pair_solution(times).T).max())
    # One step of an interpolant of order 4 is wrong by h^5.
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 5.0, atol=0.4)


def test_the_error_estimate_is_that_of_an_embedded_method_of_order_four() -> None:
    term, start = diffrax.ODETerm(_pair), tuple(jnp.asarray(_pair_solution(0.2))[:, None])
    errors = []
    for h in (0.1, 0.05, 0.025):
        _, error, *_ = LaneRodas(PAIR).step(term, 0.2, 0.2 + h, start, None, None, False)
        errors.append(np.abs(np.stack(error)).max())
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 5.0, atol=0.4)


def test_both_forms_of_the_stages_make_the_same_step() -> None:
    term, start = diffrax.ODETerm(_pair), (jnp.asarray([1.0, 0.4]), jnp.asarray([0.9, 0.2]))
    made = []
    for states in (99, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rodas, "UNROLLED_STATES", states)
            jax.clear_caches()
            y1, error, dense, *_ = LaneRodas(PAIR).step(term, 0.2, 0.5, start, None, None, False)
            made.append(jax.tree.leaves((y1, error, dense)))
    jax.clear_caches()
    for one, other in zip(*made, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@FORMS
def test_a_huge_step_of_a_stiff_decay_ends_at_its_slow_solution(unrolled) -> None:
    # Prothero and Robinson: y' = -1e9 (y - 2), in one step of 1e3.
    term = diffrax.ODETerm(lambda time, y, rate: (-rate * (y[0] - 2.0), -y[1]))
    sparsity = Sparsity(((0,), (1,)), uses_time=False)
    y1, *_ = LaneRodas(sparsity).step(
        term, 0.0, 1e3, (jnp.ones(1), jnp.zeros(1)), jnp.full(1, 1e9), None, False
    )
    np.testing.assert_allclose(y1[0], 2.0, atol=1e-9)


@FORMS
def test_a_step_of_length_0_changes_nothing(unrolled) -> None:
    term, start = diffrax.ODETerm(_pair), (jnp.asarray([1.0, 0.4]), jnp.asarray([0.9, 0.2]))
    end = jnp.asarray([0.2, 0.5])
    y1, error, dense, *_ = LaneRodas(PAIR).step(term, jnp.full(2, 0.2), end, start, None, None, False)
    for before, after, wrong in zip(start, y1, error, strict=True):
        assert after[0] == before[0]
        assert after[1] != before[1]
        assert wrong[0] == 0.0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(dense))


@FORMS
def test_lanes_step_each_by_its_own_length_from_its_own_time(unrolled) -> None:
    term, start = diffrax.ODETerm(_pair), (jnp.asarray([1.0, 0.4]), jnp.asarray([0.9, 0.2]))
    t0, t1 = jnp.asarray([0.1, 0.3]), jnp.asarray([0.2, 0.6])
    both, *_ = LaneRodas(PAIR).step(term, t0, t1, start, None, None, False)
    for lane in range(2):
        one = tuple(y[lane : lane + 1] for y in start)
        alone, *_ = LaneRodas(PAIR).step(term, t0[lane], t1[lane], one, None, None, False)
        np.testing.assert_allclose(np.stack(both)[:, lane], np.stack(alone)[:, 0], rtol=1e-13)


@FORMS
def test_a_lane_that_is_not_finite_leaves_its_neighbours_alone(unrolled) -> None:
    term = diffrax.ODETerm(_pair)
    good, bad = (jnp.asarray([1.0, 0.4]), jnp.asarray([0.9, 0.2])), jnp.asarray([jnp.nan, 0.4])
    expected, *_ = LaneRodas(PAIR).step(term, 0.2, 0.5, good, None, None, False)
    found, error, *_ = LaneRodas(PAIR).step(term, 0.2, 0.5, (bad, good[1]), None, None, False)
    np.testing.assert_array_equal(np.stack(found)[:, 1], np.stack(expected)[:, 1])
    assert np.isnan(error[0][0])


#: End states as Mazzia & Magherini (2008), Test Set for Initial Value Problem Solvers, release 2.4, give
#: them (RADAU5 in true double precision on a Cray C90; OREGO: RADAU), with the time of the end and the
#: share of rtol that is the absolute tolerance. HIRES: 0.7371312573325668e-3 and so on.
PUBLISHED = {
    "rober": (1e11, 1e-8, [0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050]),
    "hires": (
        321.8122,
        1e-3,
        [
            *(0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2),
            *(0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2),
        ],
    ),
    "orego": (360.0, 1e-2, [0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3]),
    "pollu": (
        60.0,
        1e-7,
        [
            *(0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2),
            *(0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018),
            *(0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2),
            *(0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17),
            *(0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4),
        ],
    ),
}


@cache
def _model(root: Path, name: str):
    return compile_model(load_model(root / "benchmarks" / "models" / f"{name}.ant"))


@partial(jax.jit, static_argnums=(0, 1))
def _solve(model, name, parameters, rtol, times=None):
    """Return the states (state, time, lane) for these parameters (parameter, lane), with shared steps."""
    end, share, _ = PUBLISHED[name]
    values = jnp.unstack(parameters)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda time, y, constants: model.derivative(jnp, time, [], y, constants)),
        LaneRodas(model_sparsity(model)),
        t0=jnp.zeros_like(rtol),
        t1=end * jnp.ones_like(rtol),
        dt0=1e-6 * jnp.ones_like(rtol),
        y0=tuple(jnp.full_like(values[0], y) for y in model.initial_state(jnp, values)),
        args=model.constants(jnp, values),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * share, norm=lane_norm),
        saveat=diffrax.SaveAt(t1=True) if times is None else diffrax.SaveAt(ts=times),
        adjoint=diffrax.ForwardMode(),
        max_steps=20_000,
    )
    return jnp.stack(solution.ys)


def _ends(root, name, parameters, rtol=1e-6, dtype=np.float64):
    return _solve(_model(root, name), name, jnp.asarray(parameters, dtype), jnp.asarray(rtol, dtype))[:, 0]


def _nominal(root, name):
    return _model(root, name).nominal()[:, None]


def _draws(root, name, count):
    nominal = _nominal(root, name)
    return nominal * np.exp(0.3 * np.random.default_rng(3).standard_normal((len(nominal), count)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_end_states_are_reached(root: Path, name: str) -> None:
    end, _, published = PUBLISHED[name]
    times = np.append(np.geomspace(1e-5 * min(end, 1.0), end, 400)[:-1], end)
    model, parameters = _model(root, name), jnp.asarray(_nominal(root, name))
    found = np.asarray(_solve(model, name, parameters, jnp.asarray(1e-6), jnp.asarray(times)))[:, :, 0]
    bound = 1e-5 * np.abs(published) + 1e-5 * np.abs(found).max(axis=1)
    assert (np.abs(found[:, -1] - published) <= bound).all()


@pytest.mark.parametrize("name", ["rober", "hires"])
def test_a_lane_comes_out_as_it_would_alone(root: Path, name: str) -> None:
    parameters = _draws(root, name, 8)
    together = np.asarray(_ends(root, name, parameters))
    for lane in (0, 5):
        alone = np.asarray(_ends(root, name, parameters[:, lane : lane + 1]))[:, 0]
        scale = np.abs(together[:, lane]) + PUBLISHED[name][1]
        assert (np.abs(together[:, lane] - alone) <= 10 * 1e-6 * scale).all()


def test_single_precision_gives_what_double_gives_to_its_own_tolerance(root: Path) -> None:
    double = _ends(root, "hires", _nominal(root, "hires"))
    single = _ends(root, "hires", _nominal(root, "hires"), rtol=1e-4, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=2e-3)


def test_own_steps_under_vmap_give_what_a_lane_gives_alone(root: Path) -> None:
    parameters = _draws(root, "orego", 4)
    own = jax.vmap(lambda values: _ends(root, "orego", values[:, None])[:, 0], 1, 1)(jnp.asarray(parameters))
    for lane in range(4):
        alone = _ends(root, "orego", parameters[:, lane : lane + 1])[:, 0]
        np.testing.assert_allclose(own[:, lane], alone, rtol=1e-9)


def test_the_forward_derivative_is_that_of_finite_differences(root: Path) -> None:
    place = _model(root, "rober").parameter_ids.index("k1")

    def end(value):
        return _ends(root, "rober", jnp.asarray(_nominal(root, "rober")).at[place].set(value), rtol=1e-8)[
            :, 0
        ]

    nominal = jnp.asarray(_nominal(root, "rober")[place, 0])
    _, derivative = jax.jvp(end, (nominal,), (jnp.ones_like(nominal),))
    difference = (end(nominal * 1.001) - end(nominal * 0.999)) / (0.002 * nominal)
    np.testing.assert_allclose(derivative, difference, rtol=1e-3)
