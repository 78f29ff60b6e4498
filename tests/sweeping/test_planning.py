"""What the draws of a sweep share: tolerances, output times, the method, how lanes are stepped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exsim.errors import SolveError
from exsim.sweeping import plan_sweep, solve_draws, tolerances
from exsim.sweeping.planning import OWN_STEP_COST, SCREENING_ATOL, SCREENING_RTOL, block_numbers

PLAIN = {"schema": 1, "model": "turnover", "output": {"until": "2 h", "every": "1 min"}}
TURNOVER = "model turnover\n  unit time_unit = 3600 second;\n  y = 1; k = 0.5;\n  y' = 1 - k * y;\nend\n"
VARY = [{"target": "parameter.k", "range": [0.2, 3.0]}]


@pytest.fixture(scope="module")
def turnover(load_text: Callable[[str], Any]) -> Any:
    return load_text(TURNOVER)


@pytest.fixture(scope="module")
def plan(turnover: Any, make_plan: Callable[..., Any]) -> Callable[..., Any]:
    def make(sweep: dict[str, Any] | None = None, **values: Any) -> Any:
        said = {f"solver.{key}": value for key, value in values.items()}
        base = {"draws": 100, "vary": VARY, "metrics": {"y": ["peak", "auc", "value_at 90 s"]}}
        return make_plan(turnover, base | (sweep or {}), said, PLAIN)

    return make


def test_float32_has_tolerances_of_its_own_unless_the_config_gives_some(plan: Callable[..., Any]) -> None:
    assert tolerances(plan(rtol=1e-7).spec) == (1e-7, 1e-9)
    assert tolerances(plan(precision="float32").spec) == (SCREENING_RTOL, SCREENING_ATOL)
    given = plan(precision="float32", rtol=1e-5)
    assert tolerances(given.spec) == (1e-5, SCREENING_ATOL)
    assert (float(given.numbers.rtol), given.numbers.rtol.dtype) == (pytest.approx(1e-5), np.float32)


def test_float32_screens_to_a_part_in_a_thousand(plan: Callable[..., Any]) -> None:
    exact = solve_draws(plan(rtol=1e-10, atol=1e-12), 0, 100)
    screened = solve_draws(plan(precision="float32"), 0, 100)
    assert np.all(screened["status"] == 0)
    for name in ("y_peak", "y_auc_above_baseline", "y_at_90_s"):
        assert screened[name].dtype == np.float32
        np.testing.assert_allclose(screened[name], exact[name], rtol=1e-3, atol=1e-3)
    assert screened["parameter.k"].dtype == np.float64


def test_a_time_that_a_metric_asks_for_is_among_the_output_times(plan: Callable[..., Any]) -> None:
    numbers = plan().numbers
    assert np.any(np.isclose(numbers.times_h, 90 / 3600, rtol=1e-14))
    assert len(numbers.times_h) == 121 + 1


def test_bands_and_curves_change_no_metric(plan: Callable[..., Any]) -> None:
    plain = solve_draws(plan(), 0, 100)
    kept = plan({"bands": ["y"]})
    banded = solve_draws(kept, 0, 100)
    curves = plan({"trajectories": ["y"]})
    assert np.array_equal(plain["y_auc_above_baseline"], banded["y_auc_above_baseline"])
    # Bands are kept at some of the output times, curves at all that the config asks for.
    assert banded["curve y"].shape == (100, len(kept.numbers.curve_times_h))
    assert 97 <= len(kept.numbers.curve_times_h) <= 2 * 97
    assert set(kept.numbers.curve_times_h) <= set(kept.numbers.times_h)
    assert len(curves.numbers.curve_times_h) == 121
    assert (kept.numbers.curve_times_h[0], kept.numbers.curve_times_h[-1]) == (0.0, 2.0)


def test_an_explicit_method_that_was_asked_for_has_no_second_method(plan: Callable[..., Any]) -> None:
    asked = plan(method="tsit5")
    assert (asked.task.method, asked.stiff_task) == ("tsit5", None)
    assert float(asked.numbers.lone_step_h) == 0.0


def test_auto_gives_up_a_lane_early_and_has_a_second_try(plan: Callable[..., Any]) -> None:
    auto = plan()
    assert auto.task.method == "tsit5"
    assert 0 < float(auto.numbers.lone_step_h) < 2.0
    assert auto.stiff_task is not None
    assert auto.stiff_task.method == "rodas"


def test_padding_repeats_the_last_draw(plan: Callable[..., Any]) -> None:
    made = plan()
    numbers = block_numbers(made, np.array([[0.5], [0.7]]), made.task)
    assert int(numbers.count) == 2
    assert numbers.varied.shape == (1, 4096)
    assert numbers.varied[0, :3].tolist() == [0.5, 0.7, 0.7]


def test_plain_lanes_share_their_steps(plan: Callable[..., Any]) -> None:
    assert plan().task.shared_steps


def test_what_the_config_says_of_stepping_is_done(plan: Callable[..., Any]) -> None:
    assert not plan({"stepping": "own"}).task.shared_steps
    assert plan({"stepping": "shared"}).task.shared_steps


#: Sharp pulses, each draw at a phase of its own: in a group somebody always needs short steps.
PULSES = """
model pulses
  unit time_unit = 3600 second;
  y = 0; angle = 0; phase = 0; sharp = 1e4;
  angle' = 1;
  y' = exp(sharp * (cos(angle + phase) - 1)) - 0.1 * y;
end
"""


def test_lanes_that_do_different_things_at_the_same_time_have_steps_of_their_own(
    load_text: Callable[[str], Any], make_plan: Callable[..., Any]
) -> None:
    vary = [{"target": "parameter.phase", "range": [0.0, 6.28]}]
    base = PLAIN | {"output": {"until": "20 h", "every": "1 h"}, "solver": {"method": "tsit5"}}
    sweep = {"draws": 256, "vary": vary, "metrics": {"y": ["peak"]}}
    model = load_text(PULSES)
    plan = make_plan(model, sweep, {}, base)
    assert not plan.task.shared_steps
    own = solve_draws(plan, 0, 256)
    shared = solve_draws(make_plan(model, sweep | {"stepping": "shared"}, {}, base), 0, 256)
    assert np.all(own["status"] == 0)
    assert shared["steps"].mean() > OWN_STEP_COST * own["steps"].mean()


#: Field and Noyes (1974), J. Chem. Phys. 60:1877, doi 10.1063/1.1681288: a stiff limit cycle; the period
#: follows w.
OREGONATOR = """
model oregonator
  unit time_unit = 3600 second;
  y1 = 1; y2 = 2; y3 = 3; s = 77.27; q = 8.375e-6; v = 1 / 77.27; w = 0.161;
  y1' = s * (y2 + y1 * (1 - q * y1 - y2));
  y2' = v * (y3 - (1 + y1) * y2);
  y3' = w * (y1 - y3);
end
"""


@pytest.fixture(scope="module")
def oregonator(load_text: Callable[[str], Any], make_plan: Callable[..., Any]) -> Callable[..., Any]:
    model = load_text(OREGONATOR)

    def make(until: str, **solver: Any) -> Any:
        vary = [{"target": "parameter.w", "range": [0.1, 0.25]}]
        sweep = {"draws": 64, "vary": vary, "metrics": {"y3": [f"value_at {until}"]}}
        said = {f"solver.{key}": value for key, value in solver.items()}
        return make_plan(model, sweep, said, PLAIN | {"output": {"until": until, "every": "1 h"}})

    return make


def test_where_the_explicit_method_cannot_do_most_draws_the_stiff_one_comes_first(
    oregonator: Callable[..., Any],
) -> None:
    plan = oregonator("10 h", max_steps=200)
    assert plan.task.method == "rodas"
    assert plan.task.shared_steps
    assert plan.stiff_task is None
    found = solve_draws(plan, 0, 64)
    assert np.all(found["status"] == 0)
    assert np.all(found["method"] == 0)


def test_a_stiff_limit_cycle_has_steps_of_its_own(oregonator: Callable[..., Any]) -> None:
    plan = oregonator("360 h", max_steps=5000)
    assert (plan.task.method, plan.task.shared_steps) == ("rodas", False)
    found = solve_draws(plan, 0, 64)
    assert np.all(found["status"] == 0)
    assert found["steps"].mean() < 2000


def test_stepping_is_found_out_for_the_stiff_method_by_itself(
    load_text: Callable[[str], Any], make_plan: Callable[..., Any]
) -> None:
    # A quarter of the draws is too stiff for the explicit method.
    text = "model lags\n  unit time_unit = 3600 second;\n  y = 0; k = 1;\n  y' = k * (cos(time) - y);\nend\n"
    sweep = {"vary": [{"target": "parameter.k"}], "metrics": {"y": ["peak"]}}
    k = np.where(np.arange(64) % 4 == 0, 3e6, 1.0)
    plan = make_plan(load_text(text), sweep, {"solver.max_steps": 1000}, PLAIN, k[:, None])
    assert (plan.task.method, plan.task.shared_steps) == ("tsit5", True)
    assert plan.stiff_task is not None
    assert (plan.stiff_task.method, plan.stiff_task.shared_steps) == ("rodas", True)
    found = solve_draws(plan, 0, 64)
    assert np.all(found["status"] == 0)
    # In the group of 32 where the slow ones end the explicit budget, the others are solved again as well.
    assert np.all(found["method"][::4] == 1)
    assert np.sum(found["method"] == 0) == 32


def test_the_steps_of_the_pilot_are_the_same_in_every_process(plan: Callable[..., Any]) -> None:
    # What decides must not depend on a clock: two plans are equal in all that is compiled.
    assert plan().task == plan().task
    assert plan().task.grid == plan().task.grid


def test_a_nominal_run_that_stops_early_is_a_warning(
    load_text: Callable[[str], Any], make_plan: Callable[..., Any]
) -> None:
    text = "model grows\n  unit time_unit = 3600 second;\n  y = 1; k = 3;\n  y' = k * y^2;\nend\n"
    sweep = {"draws": 8, "vary": [{"target": "parameter.k", "range": [0.1, 0.4]}], "metrics": {"y": ["peak"]}}
    plan = make_plan(load_text(text), sweep, {}, PLAIN)
    assert len(plan.warnings) >= 1
    assert any("the nominal run stops early" in said for said in plan.warnings)
    assert np.all(solve_draws(plan, 0, 8)["status"] == 0)


def test_a_nominal_run_that_is_no_number_at_the_start_is_refused(
    load_text: Callable[[str], Any], make_plan: Callable[..., Any]
) -> None:
    text = "model bad\n  unit time_unit = 3600 second;\n  y = 1; k = -1;\n  y' = sqrt(k) * y;\nend\n"
    sweep = {"draws": 8, "vary": [{"target": "parameter.k", "range": [0.1, 0.4]}], "metrics": {"y": ["peak"]}}
    with pytest.raises(SolveError):
        make_plan(load_text(text), sweep, {}, PLAIN)


def test_the_grid_follows_the_longest_segment_of_the_draws(small: Any, make_plan: Callable[..., Any]) -> None:
    vary = [{"target": "protocol.bout.0.duration", "range": ["1 h", "3 h"]}]
    plan = make_plan(small, {"draws": 50, "vary": vary, "metrics": {"IL6": ["peak"]}})
    assert plan.task.grid is not None
    # Edges: 0, bout from 0.5 to 1.5 ... 3.5, infusion 4 to 5, bolus at 6, 12 h; every 5 min.
    wanted = [0.5, 3.0, 2.5, 1.0, 1.0, 6.0]
    for count, hours in zip(plan.task.grid.points, wanted, strict=True):
        assert count == pytest.approx(hours * 12 + 1, abs=2)


def test_planning_needs_a_sweep(turnover: Any) -> None:
    from exsim.spec import RunSpec

    with pytest.raises(AssertionError):
        plan_sweep(RunSpec.model_validate(PLAIN), turnover, "none", 7)
