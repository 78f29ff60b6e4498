"""From a checked config to a labelled run: times, values, the start, and what is tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exsim import load_model, simulate
from exsim.errors import RefusedError, SolveError
from exsim.model import Model, compile_model
from exsim.protocol import compile_protocol
from exsim.solving import Status
from exsim.spec import RunSpec
from exsim.workflows import (
    NO_ADAPTATION,
    check_start,
    output_times_h,
    parameter_values,
    resting_levels,
    run_simulation,
)


def _spec(**tables: Any) -> RunSpec:
    basis = {"schema": 1, "model": "il6_axis", "output": {"until": "2 h", "every": "30 min"}}
    return RunSpec.model_validate(basis | tables)


@pytest.fixture(scope="module")
def axis() -> Model:
    return compile_model(load_model("il6_axis"))


def _times(spec: RunSpec, model: Model) -> list[float]:
    return output_times_h(spec, compile_protocol(spec, model)).tolist()


def test_a_grid_has_both_ends_even_where_its_step_does_not_fit(axis: Model) -> None:
    assert _times(_spec(), axis) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert _times(_spec(output={"until": "2 h", "every": "45 min"}), axis) == [0.0, 0.75, 1.5, 2.0]


def test_a_grid_is_joined_by_the_start_and_finish_of_every_bout(axis: Model) -> None:
    bout = {"start": "15 min", "duration": "1 h", "intensity": 0.7}
    times = _times(_spec(protocol={"bout": [bout]}), axis)
    assert times == [0.0, 0.25, 0.5, 1.0, 1.25, 1.5, 2.0]


def test_a_finish_that_a_rounding_error_parts_from_the_grid_comes_once(axis: Model) -> None:
    bout = {"start": "0.1 h", "duration": "0.2 h", "intensity": 0.7}
    spec = _spec(protocol={"bout": [bout]}, output={"until": "1 h", "every": "0.1 h"})
    times = np.array(_times(spec, axis))
    assert len(times) == 11
    assert np.diff(times).min() > 0.05


def test_given_times_are_sorted_counted_from_the_finish_and_joined_by_the_ends(axis: Model) -> None:
    bout = {"start": "0 h", "duration": "1 h", "intensity": 0.7}
    output = {"until": "2 h", "times": ["1.5 h", "end + 15 min", "0.5 h"], "sort": True}
    assert _times(_spec(protocol={"bout": [bout]}, output=output), axis) == [0.0, 0.5, 1.25, 1.5, 2.0]


def test_the_config_replaces_parameters_in_any_unit_of_their_dimension(axis: Model) -> None:
    spec = _spec(
        subject={"body_mass": "82000 g", "muscle_glycogen": 0.6, "baseline": {"IL6": "2 ng/L"}},
        parameter={"CL_IL6": "1 L/min", "hormone_exponent": 2.5},
    )
    values = dict(zip(axis.parameter_ids, parameter_values(spec, axis), strict=True))
    assert values["body_mass"] == pytest.approx(82.0)
    assert values["glycogen_start"] == 0.6
    assert values["IL6_rest"] == pytest.approx(2.0)
    assert values["CL_IL6"] == pytest.approx(60.0)
    assert values["hormone_exponent"] == 2.5
    changed = {"body_mass", "glycogen_start", "IL6_rest", "CL_IL6", "hormone_exponent"}
    nominal = dict(zip(axis.parameter_ids, axis.nominal(), strict=True))
    assert {id for id in values if id not in changed and values[id] != nominal[id]} == set()


def test_rest_is_the_level_of_every_state_and_rule_before_anything_is_done(axis: Model) -> None:
    rest = resting_levels(axis, axis.nominal({"IL6_rest": 3.0}))
    assert rest["IL6"] == 3.0
    assert rest["LPS"] == 0.0
    assert set(rest) == {*axis.state_ids, *axis.rule_ids}


def test_row_72_a_rate_law_that_is_no_number_at_the_start_is_named_with_its_values(tmp_path: Path) -> None:
    (tmp_path / "empty.ant").write_text(
        "model empty\n  unit time_unit = 3600 second;\n  compartment cell = 1;\n"
        "  species S in cell = 0;\n  v = 2; K = 1;\n  eaten: S -> ; v * S / (K + S) * cell;\nend\n",
        encoding="utf-8",
    )
    model = compile_model(load_model(tmp_path / "empty.ant"))
    check_start(model, model.nominal())
    with pytest.raises(SolveError) as raised:
        check_start(model, model.nominal({"K": 0.0}))
    assert raised.value.exit_code == 5
    assert raised.value.status == Status.NOT_FINITE
    assert "reaction eaten is nan at the start, with K = 0, S = 0, cell = 1, v = 2" in str(raised.value)


@pytest.fixture(scope="module")
def two_bouts(axis: Model) -> Callable[..., Any]:
    bouts = [
        {"start": "0 h", "duration": "30 min", "intensity": 0.7, "modality": "cycling"},
        {"start": "1 h", "duration": "30 min", "intensity": 0.8},
    ]

    def run(**solver: Any) -> Any:
        spec = _spec(protocol={"bout": bouts}, solver=solver)
        return run_simulation(spec, axis.spec, "two_bouts", "Does it add up?")

    return run


def test_a_run_has_its_names_its_facts_and_its_warnings(two_bouts: Callable[..., Any]) -> None:
    run = two_bouts(rtol=1e-7)
    assert run.dataset.attrs["config"] == "two_bouts"
    assert run.dataset.attrs["title"] == "Does it add up?"
    assert run.dataset.attrs["model"] == "il6_axis"
    assert run.warnings == (NO_ADAPTATION,)
    facts = run.solver
    assert (facts["method"], facts["rtol"], facts["status"]) == ("tsit5", 1e-7, "done")
    assert facts["steps"] > facts["rejected_steps"] >= 0
    assert facts["wall_s"] >= 0.0


def test_the_same_run_twice_gives_the_same_bytes(two_bouts: Callable[..., Any]) -> None:
    first, second = two_bouts().dataset, two_bouts().dataset
    assert first.identical(second)
    assert all(first[id].values.tobytes() == second[id].values.tobytes() for id in first.variables)


def test_row_79_a_species_below_zero_is_kept_where_a_tighter_run_cannot_end(tmp_path: Path) -> None:
    """The first run takes some 40 steps, the tighter one more than the budget."""
    (tmp_path / "drain.ant").write_text(
        "model drain\n  unit time_unit = 3600 second;\n  compartment cell = 1;\n"
        "  species S in cell = 0.5; species T in cell = 1;\n"
        "  S_out: S -> ; cell; turn: T -> ; cell * (1 + sin(20 * time)) * T;\nend\n",
        encoding="utf-8",
    )
    model = load_model(tmp_path / "drain.ant")
    output = {"until": "3 h", "every": "1 h"}
    enough = run_simulation(_spec(output=output, solver={"method": "tsit5"}), model, "drain")
    assert any("100 times tighter" in warning for warning in enough.warnings)
    budget = enough.solver["steps"] - 1
    run = run_simulation(
        _spec(output=output, solver={"method": "tsit5", "max_steps": budget}), model, "drain"
    )
    assert any("kept, as with tighter tolerances the step budget" in warning for warning in run.warnings)
    assert float(run.dataset["S"][-1]) == pytest.approx(-2.5, rel=1e-6)


def test_a_model_in_which_nothing_changes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "still.ant").write_text("model still\n  k = 1;\nend\n", encoding="utf-8")
    config = tmp_path / "run.toml"
    config.write_text('schema = 1\nmodel = "still.ant"\n[output]\nuntil = "1 h"\n', encoding="utf-8")
    with pytest.raises(RefusedError, match="nothing that changes with time"):
        simulate(config)
