"""The log posterior density of a fit: its value, its derivatives, what cannot be solved."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats

from exsim.fit_problem import Noisy, PlacedTarget, Simulation
from exsim.fitting import Objective
from exsim.inputs.config import read_config
from exsim.marginals import Marginal
from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT
from exsim.sweep_targets import analytes

from .fit_models import RISE, TIMES_H, config, free, read_model, rise, rise_problem, rows, target

TIMES = np.array(TIMES_H)


def _theta(objective: Objective, *values: float) -> np.ndarray:
    with jax.enable_x64(True):
        return objective.scales.theta(np.array(values))


def _differences(objective: Objective, theta: np.ndarray, step: float = 1e-4) -> np.ndarray:
    moved = np.concatenate([theta + step * np.eye(len(theta)), theta - step * np.eye(len(theta))])
    value = objective.expand(moved).value
    return (value[: len(theta)] - value[len(theta) :]) / (2 * step)


def test_the_density_is_the_sum_over_rows(tmp_path) -> None:
    value = rise(4.0, 0.5, 0.7, TIMES) * np.array([1.1, 0.9, 1.05, 1.0, 0.8])
    objective = Objective(rise_problem(tmp_path, value=value))
    found = objective.expand(_theta(objective, 5.0, 0.6)[None])
    expected = stats.lognorm.logpdf(value, 0.1, scale=rise(5.0, 0.5, 0.6, TIMES)).sum()
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    np.testing.assert_allclose(found.likelihood, expected, rtol=1e-6)


def test_priors_are_added_on_the_estimation_scale(tmp_path) -> None:
    prior = Marginal("lognormal", 0.0, np.inf, np.log(4.0), 0.3)
    problem = rise_problem(tmp_path, ("k",), numbers=[free("share of nothing", 5.0, prior=prior)])
    objective = Objective(problem)
    found = objective.expand(_theta(objective, 0.7, 5.0)[None])
    np.testing.assert_allclose(
        found.value - found.likelihood, stats.norm.logpdf(np.log(5.0), np.log(4.0), 0.3), rtol=1e-12
    )


NOISES = {
    "normal": {"family": "normal", "scale": Noisy(free=2)},
    "lognormal": {"family": "lognormal", "scale": Noisy(free=2)},
    "additive_proportional": {
        "family": "additive_proportional",
        "scale": Noisy(free=2),
        "proportional": Noisy(free=3),
    },
    "laplace": {"family": "laplace", "scale": Noisy(free=2)},
    "student_t": {"family": "student_t", "scale": Noisy(free=2), "degrees": 5.0},
}


@pytest.mark.parametrize("family", NOISES)
def test_the_gradient_is_that_of_differences_with_censored_rows_and_estimated_noise(
    tmp_path, family: str
) -> None:
    problem = rise_problem(
        tmp_path,
        noise=NOISES[family],
        numbers=[free("sd", 0.2, kind="noise"), free("proportional", 0.1, kind="noise")],
        value=np.array([0.7, np.nan, 2.3, np.nan, 2.6]),
        limit=np.array([np.nan, 1.1, np.nan, 2.4, np.nan]),
        censoring=np.array([0, BELOW_LIMIT, 0, ABOVE_LIMIT, 0]),
    )
    objective = Objective(problem)
    theta = _theta(objective, 4.4, 0.6, 0.25, 0.12)
    np.testing.assert_allclose(
        objective.expand(theta[None]).gradient[0], _differences(objective, theta), rtol=1e-4, atol=1e-6
    )


BATCHES = {
    "factor": {"family": "lognormal", "scale": Noisy(0.1), "batch": "factor"},
    "offset": {"family": "normal", "scale": Noisy(0.3), "batch": "offset"},
    "factor and offset": {"family": "normal", "scale": Noisy(0.3), "batch": "factor and offset"},
}


@pytest.mark.parametrize("batch", BATCHES)
def test_the_gradient_goes_through_the_scales_of_batches(tmp_path, batch: str) -> None:
    value = 3.0 * rise(4.0, 0.5, 0.7, np.tile(TIMES, 2)) + np.linspace(0, 0.3, 10)
    problem = rise_problem(
        tmp_path,
        noise=BATCHES[batch],
        time_h=np.tile(TIMES, 2),
        value=value,
        batch=np.repeat([0, 1], 5),
    )
    objective = Objective(problem)
    theta = _theta(objective, 4.4, 0.5)
    # By a factor alone the level cannot be told: its slope is 0.
    np.testing.assert_allclose(
        objective.expand(theta[None]).gradient[0], _differences(objective, theta), rtol=1e-4, atol=1e-5
    )


def test_a_study_has_a_factor_of_its_own(tmp_path) -> None:
    problem = rise_problem(tmp_path, numbers=[free("scale[A]", 1.0, kind="scale")], factor=np.full(5, 2))
    objective = Objective(problem)
    theta = _theta(objective, 4.0, 0.7, 1.5)
    looked = objective.look(theta[None])
    np.testing.assert_allclose(looked.prediction[0], 1.5 * rise(4.0, 0.5, 0.7, TIMES), rtol=1e-6)
    np.testing.assert_allclose(
        objective.expand(theta[None]).gradient[0], _differences(objective, theta), rtol=1e-4
    )


def test_the_curvature_is_the_fisher_information(tmp_path) -> None:
    objective = Objective(rise_problem(tmp_path, noise={"scale": Noisy(0.1)}))
    theta = _theta(objective, 4.0, 0.7)
    step = 1e-5
    moved = np.stack([theta + step * np.eye(2)[i] * side for i in range(2) for side in (1, -1)])
    slopes = [
        (
            np.log(rise(np.exp(up[0]), 0.5, np.exp(up[1]), TIMES))
            - np.log(rise(np.exp(down[0]), 0.5, np.exp(down[1]), TIMES))
        )
        / (2 * step)
        for up, down in zip(moved[::2], moved[1::2], strict=True)
    ]
    expected = np.stack(slopes) @ np.stack(slopes).T / 0.1**2
    np.testing.assert_allclose(objective.expand(theta[None]).curvature[0], expected, rtol=1e-4)


def test_a_solve_that_fails_is_minus_infinity_with_its_status_and_spares_the_others(tmp_path) -> None:
    problem = replace(rise_problem(tmp_path), max_steps=500)
    wide = replace(problem, free=tuple(replace(item, high=1e9) for item in problem.free))
    objective = Objective(wide)
    good = _theta(objective, 4.0, 0.7)
    found = objective.expand(np.stack([good, _theta(objective, 4.0, 1e8)]))
    alone = objective.expand(good[None])
    assert found.value[1] == -np.inf
    assert found.status[1] != 0
    assert (found.gradient[1] == 0).all()
    # The steps of a lane are those of all beside it: the good one is asked again by itself.
    assert found.status[0] == alone.status[0] == 0
    np.testing.assert_allclose(found.value[0], alone.value[0], rtol=1e-6)


def test_relative_rows_compare_with_rest_and_with_each_other(tmp_path) -> None:
    text = "model fades\n  unit time_unit = 3600 second;\n  y = 8; k = 0.5;\n  y' = -k * y;\nend\n"
    model, spec = read_model(tmp_path, text), config()
    own = target("parameter.k", spec, model)
    from exsim.fit_problem import FitProblem, Observable
    from exsim.formula import Name

    problem = FitProblem(
        name="fades",
        model=model,
        free=(free("k", 0.5),),
        placed=(PlacedTarget(own, (0, -1)),),
        simulations=(Simulation("own", spec), Simulation("nominal", spec)),
        observables=(Observable("y", "y", "1", Name("y"), "normal", Noisy(0.1)),),
        rows=rows(
            4,
            quantity=("level", "fold", "log2", "ratio"),
            time_h=np.array([1.0, 2.0, 3.0, 4.0]),
            compared=np.array([-1, -1, -1, 1]),
            compared_time_h=np.array([np.nan, np.nan, np.nan, 1.0]),
            value=np.ones(4),
        ),
        rtol=1e-9,
        atol=1e-12,
    )
    objective = Objective(problem)
    looked = objective.look(_theta(objective, 0.4)[None])
    expected = [8 * np.exp(-0.4), np.exp(-0.8), np.log2(8 * np.exp(-1.2)), np.exp(-1.6) / np.exp(-0.5)]
    np.testing.assert_allclose(looked.prediction[0], expected, rtol=1e-6)


def test_the_gradient_goes_through_the_steady_state_before_the_start(tmp_path) -> None:
    problem = rise_problem(tmp_path, value=np.full(5, 2.5))
    objective = Objective(replace(problem, model=replace(problem.model, settles=True)))
    theta = _theta(objective, 4.4, 0.6)
    np.testing.assert_allclose(objective.look(theta[None]).prediction[0], 4.4 * 0.5 / 0.6, rtol=1e-6)
    np.testing.assert_allclose(
        objective.expand(theta[None]).gradient[0], _differences(objective, theta), rtol=1e-4
    )


def test_what_lies_before_the_start_is_at_rest(tmp_path) -> None:
    problem = rise_problem(
        tmp_path,
        noise={"family": "normal", "scale": Noisy(0.1)},
        time_h=np.array([-1.0, 0.0, 2.0]),
        value=np.zeros(3),
    )
    objective = Objective(problem)
    looked = objective.look(_theta(objective, 4.0, 0.7)[None])
    np.testing.assert_allclose(looked.prediction[0], [0.0, 0.0, rise(4, 0.5, 0.7, 2.0)], rtol=1e-6)


@pytest.fixture(scope="module")
def marathon() -> Objective:
    """Return the density of a few data of the marathon, with the edges of the bout free."""
    from pathlib import Path

    from exsim.fit_problem import FitProblem, Observable
    from exsim.formula import Name
    from exsim.inputs.model_files import load_model

    loaded = read_config(Path("marathon"))
    model, spec = load_model(loaded.spec.model, loaded.path.parent), loaded.spec
    names = (
        "parameter.release_gain",
        "protocol.bout.0.duration",
        "protocol.bout.0.start",
        "protocol.bout.0.intensity",
    )
    targets = [target(name, spec, model) for name in names]
    known = analytes(model)
    shown = ("IL6", "TNF")
    time_h = np.tile([2.0, 3.43, 4.5, 6.0], 2)
    return Objective(
        FitProblem(
            name="marathon",
            model=model,
            free=tuple(
                free(
                    item.text,
                    3.43 if item.path.key == "start" else item.nominal,
                    scale="linear",
                    low=0.01,
                    high=1e6,
                )
                for item in targets
            ),
            placed=tuple(PlacedTarget(item, (place,)) for place, item in enumerate(targets)),
            simulations=(Simulation("race", spec),),
            observables=tuple(
                Observable(name, name, known[name].unit, Name(known[name].id), "lognormal", Noisy(0.2))
                for name in shown
            ),
            rows=rows(
                8,
                observable=np.repeat([0, 1], 4),
                time_h=time_h,
                value=np.array([20, 90, 40, 10, 2, 3, 3, 2.0]),
            ),
            rtol=1e-8,
            atol=1e-11,
        )
    )


def test_the_edges_of_a_bout_have_a_gradient(marathon: Objective) -> None:
    theta = np.array([1400.0, 3.4, 0.2, 0.8])
    found = marathon.expand(theta[None]).gradient[0]
    differences = [
        _differences(marathon, theta, step)[place] for place, step in enumerate((0.1, 1e-4, 1e-4, 1e-4))
    ]
    np.testing.assert_allclose(found, differences, rtol=1e-3)


def test_the_gradient_goes_through_an_event_and_the_time_of_it(tmp_path) -> None:
    text = RISE.replace("\nend", "\n  dose = 3; when = 3;\n  at (time >= when): y = y + dose;\nend")
    model, spec = read_model(tmp_path, text), config()
    names = ("dose", "when", "k")
    targets = [target(f"parameter.{name}", spec, model) for name in names]
    problem = replace(
        rise_problem(tmp_path, value=np.array([1.0, 1.5, 2.0, 4.0, 3.0])),
        model=model,
        free=tuple(free(item.path.key, item.nominal) for item in targets),
        placed=tuple(PlacedTarget(item, (place,)) for place, item in enumerate(targets)),
    )
    objective = Objective(problem)
    theta = _theta(objective, 3.3, 2.6, 0.6)
    after = np.where(TIMES > 2.6, 3.3 * np.exp(-0.6 * (TIMES - 2.6)), 0.0)
    looked = objective.look(theta[None])
    np.testing.assert_allclose(looked.prediction[0], rise(4, 0.5, 0.6, TIMES) + after, rtol=1e-6)
    found = objective.expand(theta[None]).gradient[0]
    assert (np.abs(found) > 0.1).all()
    np.testing.assert_allclose(found, _differences(objective, theta), rtol=1e-3)


def test_the_factor_of_a_batch_adds_its_logarithm_to_npx(tmp_path) -> None:
    scale = free("scale", 1.0, kind="scale")
    known = np.log2(rise(4.0, 0.5, 0.7, np.array(TIMES_H)))
    problem = rise_problem(
        tmp_path,
        ("release",),
        numbers=[scale],
        noise={"family": "normal", "scale": Noisy(0.3)},
        quantity=("log2",) * 5,
        value=known + 3.0,
        factor=np.full(5, 1),
    )
    vector = Objective(problem).scales.theta(np.array([4.0, 8.0]))
    at = Objective(problem).expand(vector[None])
    # All residuals are 0.
    assert at.likelihood[0] == pytest.approx(-5 * (np.log(0.3) + 0.5 * np.log(2 * np.pi)), abs=1e-6)
    assert at.curvature[0, 1, 1] == pytest.approx(5 / (0.3 * np.log(2)) ** 2, rel=1e-5)


def test_a_vector_that_needs_too_many_steps_fails_alone(tmp_path) -> None:
    whole = rise_problem(tmp_path, ("k",))
    theta = Objective(whole).scales.theta(np.array([0.7]))[None]
    fast = Objective(whole).scales.theta(np.array([13.9]))[None]
    slow_steps, fast_steps = (int(Objective(whole).expand(at).steps[0]) for at in (theta, fast))
    assert slow_steps < fast_steps - 2
    tight = Objective(replace(whole, max_steps=(slow_steps + fast_steps) // 2))
    both = np.concatenate([theta, fast, theta])
    assert (np.isfinite(tight.expand(both).value) == [True, False, True]).all()
    looked = tight.look(both)
    assert (np.isfinite(looked.prediction).all(axis=1) == [True, False, True]).all()
    np.testing.assert_allclose(looked.prediction[0], tight.look(theta).prediction[0], rtol=1e-6)
