"""A config for a fit, its model and its table -> the problem: simulations, free numbers, noise, rows."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exsim.fit_problem import FreeNumber
from exsim.formula import Call, Name, Number
from exsim.inputs.config import read_fit_config, to_toml
from exsim.inputs.model_files import load_model
from exsim.scales import Scales

from .fit_files import DATA, FREE, HEADER, IL6, RACE, ROWS, fit_text, read, table_text, write

_NORMAL = IL6.replace("lognormal", "normal").replace("0.2", '"3 pg/mL"')
_TWO = RACE + '[[condition]]\nname = "bike"\nprotocol = "cycling_60min"\n'
_TWO_ROWS = (
    "R01,bike,0,h,IL6,1,pg/mL",
    "R01,bike,end,h,IL6,3,pg/mL",
    "R02,race,end,h,IL6,80,pg/mL",
    "R01,race,end,h,IL6,70,pg/mL",
)
_BOUT = '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.7\n'


def _parameter(name: str, *keys: str) -> str:
    return "\n".join([f'[[fit.parameter]]\nname = "{name}"', *keys]) + "\n"


def _only(numbers: tuple[FreeNumber, ...]) -> FreeNumber:
    (number,) = numbers
    return number


# ---- the file --------------------------------------------------------------------------------------


def test_a_config_for_a_fit_written_as_toml_and_read_again_is_equal(tmp_path: Path) -> None:
    text = fit_text(
        data=DATA + 'clock = "2024-05-04T09:00+02:00"\n[data.molar_mass]\ncortisol = "362.5 g/mol"\n',
        condition=RACE + '[condition.subject.baseline]\nIL6 = "1.2 pg/mL"\n',
        observable=IL6.replace("0.2", "{ lower = 0.02, upper = 2.0 }") + 'batch = "factor"\n',
        fit=FREE
        + 'profile = ["release_gain"]\nbudget = "10 min"\n'
        + _parameter("release_gain", 'lower = "300 ng/h/kg"', 'prior = "lognormal"', "sd = 0.5"),
    )
    first = read_fit_config(write(tmp_path, text)).spec
    (tmp_path / "again.toml").write_text(to_toml(first), encoding="utf-8")
    assert read_fit_config(tmp_path / "again.toml").spec == first


def test_overrides_replace_values_of_the_config(tmp_path: Path) -> None:
    loaded = read_fit_config(write(tmp_path, fit_text()), ["fit.starts=8", "fit.seed=3"])
    assert (loaded.spec.fit.starts, loaded.spec.fit.seed) == (8, 3)


def test_reading_a_fit_does_not_load_jax(tmp_path: Path) -> None:
    path = write(tmp_path, fit_text(observable=IL6.replace("0.2", '"data"')), table_text(
        "R01,race,1,h,IL6,3,pg/mL,1", header=HEADER + ",sd"))  # fmt: skip
    code = f"import sys; from exsim.api import read_fit; read_fit({str(path)!r}); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_study_holds_hashes_of_the_table_and_of_the_run_configs(tmp_path: Path) -> None:
    study = read(tmp_path)
    assert set(study.data_hashes) == {"measured.csv", "marathon"}
    assert all(len(value) == 64 for value in study.data_hashes.values())


def test_the_seed_of_the_fit_goes_before_that_of_the_config(tmp_path: Path) -> None:
    assert read(tmp_path, fit_text(head="seed = 4\n")).seed == 4
    assert read(tmp_path, fit_text(head="seed = 4\n", fit=FREE + "seed = 5\n")).seed == 5


@pytest.mark.parametrize(("method", "lanes"), [("auto", "tsit5"), ("tsit5", "tsit5"), ("kvaerno5", "rodas")])
def test_the_solver_of_the_config_is_that_of_the_problem(method: str, lanes: str, tmp_path: Path) -> None:
    head = f'[solver]\nmethod = "{method}"\nrtol = 1e-8\natol = 1e-10\nmax_steps = 5000\n'
    problem = read(tmp_path, fit_text(head=head)).problem
    assert (problem.method, problem.rtol, problem.atol, problem.max_steps) == (lanes, 1e-8, 1e-10, 5000)


# ---- simulations -----------------------------------------------------------------------------------


def test_a_condition_takes_protocol_subject_and_parameters_of_its_run_config(tmp_path: Path) -> None:
    (simulation,) = read(tmp_path).problem.simulations
    assert simulation.name == "race"
    assert simulation.spec.subject.body_mass.to("kg") == 72
    assert simulation.spec.protocol.bout[0].total_duration_h == 3.43


def test_the_condition_goes_before_the_config_and_that_before_the_run_config(tmp_path: Path) -> None:
    text = fit_text(
        head='[subject]\nbody_mass = "80 kg"\n[parameter]\nV_IL6 = "7 L"\nCL_IL6 = "40 L/h"\n',
        condition=RACE + '[condition.parameter]\nV_IL6 = "9 L"\n[condition.subject]\nmuscle_glycogen = 0.5\n',
    )
    spec = read(tmp_path, text).problem.simulations[0].spec
    assert spec.subject.body_mass.to("kg") == 80
    assert spec.subject.muscle_glycogen == 0.5
    assert {id: value.to("L") for id, value in spec.parameter.items() if id == "V_IL6"} == {"V_IL6": 9.0}
    assert spec.parameter["CL_IL6"].to("L/h") == 40


def test_without_conditions_the_own_protocol_is_that_of_the_one_condition_in_the_data(tmp_path: Path) -> None:
    problem = read(tmp_path, fit_text(head=_BOUT, condition="")).problem
    (simulation,) = problem.simulations
    assert simulation.name == "race"
    np.testing.assert_allclose(problem.rows.time_h, [-1.0, 1.0, 2.5])


def test_a_simulation_lasts_to_its_last_datum_or_to_the_end_of_its_protocol(tmp_path: Path) -> None:
    simulations = read(tmp_path, fit_text(condition=_TWO), table_text(*_TWO_ROWS)).problem.simulations
    assert [item.name for item in simulations] == ["race", "bike"]
    assert [item.spec.output.until.to("h") for item in simulations] == [3.43, 1.0]
    late = table_text("R01,bike,end + 2,h,IL6,3,pg/mL", "R01,race,1,h,IL6,3,pg/mL")
    simulations = read(tmp_path, fit_text(condition=_TWO), late).problem.simulations
    assert [item.spec.output.until.to("h") for item in simulations] == [3.43, 3.0]


def test_data_at_rest_alone_need_a_simulation_of_some_length(tmp_path: Path) -> None:
    problem = read(tmp_path, fit_text(condition=""), table_text("R01,race,-1,h,IL6,1,pg/mL")).problem
    assert problem.simulations[0].spec.output.until.to("h") > 0
    assert problem.rows.time_h.tolist() == [-1.0]


def test_a_condition_without_data_is_a_warning_and_is_not_simulated(tmp_path: Path) -> None:
    study = read(tmp_path, fit_text(condition=_TWO))
    assert [item.name for item in study.problem.simulations] == ["race"]
    assert any('no row of the table is of "bike"' in warning for warning in study.warnings)


def test_a_config_of_another_model_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "race.toml").write_text(
        f'schema = 1\nmodel = "two_compartment"\n{_BOUT}[output]\nuntil = "8 h"\n'
    )
    study = read(tmp_path, fit_text(condition=RACE.replace("marathon", "race.toml")))
    assert any('written for the model "two_compartment"' in warning for warning in study.warnings)


# ---- free numbers ----------------------------------------------------------------------------------


def test_bounds_scale_and_prior_come_from_the_card_of_the_model(tmp_path: Path) -> None:
    number = _only(read(tmp_path).problem.free)
    assert (number.name, number.unit, number.kind, number.scale) == (
        "release_gain", "ng/h/kg", "model", "log",
    )  # fmt: skip
    model = load_model("il6_axis")
    (value,) = (item.value for item in model.parameters if item.id == "release_gain")
    assert model.card is not None
    card = dict(model.card.parameters)["release_gain"]
    assert ((number.low, number.high), number.nominal) == (card.bounds, value)
    assert number.prior is not None
    assert (number.prior.kind, number.prior.scale) == ("lognormal", card.prior_log_sd)
    assert math.exp(number.prior.location) == pytest.approx(value)


def test_what_the_config_says_of_a_number_replaces_the_card(tmp_path: Path) -> None:
    keys = (
        'lower = "0.5 ug/h/kg"', 'upper = "2 ug/h/kg"', 'start = "1 ug/h/kg"', 'scale = "log10"',
        'prior = "normal"', 'mean = "900 ng/h/kg"', "cv = 0.2",
    )  # fmt: skip
    number = _only(read(tmp_path, fit_text(fit=FREE + _parameter("release_gain", *keys))).problem.free)
    assert (number.low, number.high, number.nominal, number.scale) == pytest.approx(
        (500.0, 2000.0, 1000.0, "log10")
    )
    assert number.prior is not None
    assert (number.prior.kind, number.prior.location, number.prior.scale) == ("normal", 900.0, 180.0)
    assert (number.prior.low, number.prior.high) == (500.0, 2000.0)


@pytest.mark.parametrize(
    ("prior", "kind"), [("uniform", "uniform"), ("loguniform", "loguniform"), ("none", None)]
)
def test_a_prior_that_its_bounds_say(prior: str, kind: str | None, tmp_path: Path) -> None:
    text = fit_text(fit=FREE + _parameter("release_gain", f'prior = "{prior}"'))
    number = _only(read(tmp_path, text).problem.free)
    assert (None if number.prior is None else number.prior.kind) == kind


def test_the_median_of_a_lognormal_prior_is_the_nominal_not_the_start(tmp_path: Path) -> None:
    keys = ('prior = "lognormal"', "sd = 0.5", 'start = "900 ng/h/kg"')
    text = fit_text(
        head='[parameter]\nrelease_gain = "1200 ng/h/kg"\n', fit=FREE + _parameter("release_gain", *keys)
    )
    number = _only(read(tmp_path, text).problem.free)
    assert number.prior is not None
    assert math.exp(number.prior.location) == pytest.approx(1200.0)
    assert number.nominal == 900.0


def test_a_prior_without_bounds_reaches_five_standard_deviations(tmp_path: Path) -> None:
    duration = "protocol.bout.0.duration"
    text = fit_text(
        fit=f'[fit]\nfree = ["{duration}"]\n' + _parameter(duration, 'prior = "lognormal"', "sd = 0.1")
    )
    number = _only(read(tmp_path, text).problem.free)
    assert (number.low, number.high) == pytest.approx((3.43 * math.exp(-0.5), 3.43 * math.exp(0.5)))


def test_a_lower_bound_of_zero_is_on_a_linear_scale(tmp_path: Path) -> None:
    text = fit_text(fit=FREE + _parameter("release_gain", 'lower = "0 ng/h/kg"'))
    assert _only(read(tmp_path, text).problem.free).scale == "linear"


def test_an_intensity_needs_no_bounds(tmp_path: Path) -> None:
    number = _only(read(tmp_path, fit_text(fit='[fit]\nfree = ["protocol.bout.0.intensity"]\n')).problem.free)
    assert (number.name, number.low, number.high, number.nominal) == ("protocol.bout.0.intensity", 0, 1, 0.8)


def test_a_level_at_rest_has_the_card_of_its_parameter(tmp_path: Path) -> None:
    number = _only(read(tmp_path, fit_text(fit='[fit]\nfree = ["subject.baseline.IL6"]\n')).problem.free)
    assert (number.name, number.low, number.high, number.unit) == ("subject.baseline.IL6", 0.3, 10.0, "pg/mL")


def test_one_number_for_each_condition(tmp_path: Path) -> None:
    text = fit_text(condition=_TWO, fit=FREE + _parameter("release_gain", 'per = "condition"'))
    problem = read(tmp_path, text, table_text(*_TWO_ROWS)).problem
    assert [item.name for item in problem.free] == ["release_gain[race]", "release_gain[bike]"]
    assert problem.placed[0].free == (0, 1)


def test_one_number_for_each_subject_makes_a_simulation_for_each(tmp_path: Path) -> None:
    text = fit_text(
        condition=_TWO,
        fit='[fit]\nfree = ["release_gain", "CL_IL6"]\n' + _parameter("release_gain", 'per = "subject"'),
    )
    problem = read(tmp_path, text, table_text(*_TWO_ROWS)).problem
    assert [item.name for item in problem.simulations] == ["race: R02", "race: R01", "bike: R01"]
    assert [item.name for item in problem.free] == ["release_gain[R02]", "release_gain[R01]", "CL_IL6"]
    assert [item.free for item in problem.placed] == [(0, 1, 1), (2, 2, 2)]
    assert problem.rows.simulation.tolist() == [2, 2, 0, 1]


def test_what_a_condition_gives_is_not_free_in_it(tmp_path: Path) -> None:
    text = fit_text(condition=_TWO + '[condition.parameter]\nrelease_gain = "1 ug/h/kg"\n')
    study = read(tmp_path, text, table_text(*_TWO_ROWS))
    assert study.problem.placed[0].free == (0, -1)
    assert any("release_gain is free, and stays as it is given here" in item for item in study.warnings)


def test_what_only_one_condition_has_is_free_in_that_one(tmp_path: Path) -> None:
    duration = "protocol.bout.0.duration"
    text = fit_text(
        condition=_TWO.replace("cycling_60min", "il6_infusion_3h"),
        fit=f'[fit]\nfree = ["{duration}"]\n' + _parameter(duration, 'lower = "1 h"', 'upper = "5 h"'),
    )
    table = table_text("R01,bike,1,h,IL6,1,pg/mL", "R01,race,1,h,IL6,1,pg/mL")
    assert read(tmp_path, text, table).problem.placed[0].free == (0, -1)


def test_a_shared_number_that_differs_between_conditions_is_a_warning(tmp_path: Path) -> None:
    duration = "protocol.bout.0.duration"
    text = fit_text(
        condition=_TWO,
        fit=f'[fit]\nfree = ["{duration}"]\n' + _parameter(duration, 'lower = "0.5 h"', 'upper = "5 h"'),
    )
    study = read(tmp_path, text, table_text(*_TWO_ROWS))
    assert _only(study.problem.free).nominal == 3.43
    assert any("differs between conditions (1 h, 3.43 h)" in item for item in study.warnings)
    assert any("the end of the bout moves with it" in item for item in study.warnings)


def test_a_number_that_nothing_depends_on_is_a_warning(tmp_path: Path) -> None:
    text = fit_text(
        fit='[fit]\nfree = ["bout_intensity"]\n' + _parameter("bout_intensity", "lower = 0.1", "upper = 0.9")
    )
    assert any("nothing in the model depends on it" in item for item in read(tmp_path, text).warnings)


def test_fewer_data_than_numbers_are_a_warning_where_all_have_priors(tmp_path: Path) -> None:
    text = fit_text(fit='[fit]\nfree = ["release_gain", "CL_IL6"]\n')
    study = read(tmp_path, text, table_text("R01,race,1,h,IL6,1,pg/mL"))
    assert any("2 numbers are free, and 1 datum tells of them" in item for item in study.warnings)


def test_all_of_the_model_and_the_noise_is_profiled_unless_told_otherwise(tmp_path: Path) -> None:
    observable = IL6.replace("0.2", "{ lower = 0.02, upper = 2.0 }")
    assert read(tmp_path, fit_text(observable=observable)).profiled == (0, 1)
    assert read(tmp_path, fit_text(fit=FREE + "profile = false\n")).profiled == ()
    fit = '[fit]\nfree = ["release_gain", "CL_IL6"]\nprofile = ["sd[IL6]", "CL_IL6"]\n'
    assert read(tmp_path, fit_text(observable=observable, fit=fit)).profiled == (2, 1)


def test_the_free_numbers_make_scales(tmp_path: Path) -> None:
    observable = IL6.replace("0.2", "{ lower = 0.02, upper = 2.0 }")
    free = read(tmp_path, fit_text(observable=observable)).problem.free
    scales = Scales(
        tuple(item.name for item in free),
        tuple(item.scale for item in free),
        tuple(item.low for item in free),
        tuple(item.high for item in free),
    )
    assert np.isfinite(scales.theta(np.array([item.nominal for item in free]))).all()


# ---- observables and noise -------------------------------------------------------------------------


def test_an_observable_is_the_state_that_the_card_names(tmp_path: Path) -> None:
    (observable,) = read(tmp_path).problem.observables
    assert (observable.name, observable.label, observable.unit) == ("IL6", "IL-6", "pg/mL")
    assert observable.formula == Name("IL6")
    assert observable.scale is not None
    assert (observable.scale.value, observable.scale.free) == (0.2, -1)


def test_a_formula_has_its_own_unit_and_the_data_are_converted_to_it(tmp_path: Path) -> None:
    text = fit_text(observable=IL6 + 'formula = "IL6 / 1000"\nunit = "ng/mL"\n')
    problem = read(tmp_path, text).problem
    (observable,) = problem.observables
    assert observable.formula == Call("/", (Name("IL6"), Number(1000.0)))
    assert observable.unit == "ng/mL"
    np.testing.assert_allclose(problem.rows.value, [0.0009, 0.081, 0.035])


def test_an_analyte_that_the_model_lacks_may_be_a_formula(tmp_path: Path) -> None:
    text = fit_text(observable=IL6.replace('"IL6"', '"sum"') + 'formula = "IL6 + 2 * IL10"\n')
    problem = read(tmp_path, text, table_text("R01,race,1,h,sum,5,pg/mL")).problem
    assert (problem.observables[0].name, problem.observables[0].unit) == ("sum", "pg/mL")


def test_an_estimated_noise_is_a_free_number_on_a_log_scale(tmp_path: Path) -> None:
    text = fit_text(observable=IL6.replace("0.2", "{ lower = 0.02, upper = 2.0 }"))
    problem = read(tmp_path, text).problem
    number = problem.free[1]
    assert (number.name, number.kind, number.scale, number.unit) == (
        "sd[IL6]",
        "noise",
        "log",
        "dimensionless",
    )
    assert (number.low, number.high, number.nominal) == pytest.approx((0.02, 2.0, 0.2))
    assert problem.observables[0].scale is not None
    assert problem.observables[0].scale.free == 1


def test_a_known_sd_becomes_the_scale_of_its_family(tmp_path: Path) -> None:
    for noise, ratio in (("normal", 1.0), ("laplace", 1 / math.sqrt(2)), ("student_t", math.sqrt(0.5))):
        text = fit_text(observable=_NORMAL.replace('"normal"', f'"{noise}"').replace("3 pg/mL", "3000 pg/L"))
        (observable,) = read(tmp_path, text).problem.observables
        assert observable.scale is not None
        assert observable.scale.value == pytest.approx(0.003 * 1000 * ratio), noise


def test_an_estimated_scale_of_a_t_is_not_called_its_sd(tmp_path: Path) -> None:
    sd = '{ lower = "1 pg/mL", upper = "9 pg/mL" }'
    text = fit_text(
        observable=_NORMAL.replace('"normal"', '"student_t"').replace('"3 pg/mL"', sd) + "degrees = 3\n"
    )
    problem = read(tmp_path, text).problem
    number = problem.free[1]
    assert number.name == "t_scale[IL6]"
    assert (number.low, number.high) == pytest.approx((math.sqrt(1 / 3), 9 * math.sqrt(1 / 3)))
    assert problem.observables[0].degrees == 3


def test_two_parts_of_a_noise(tmp_path: Path) -> None:
    observable = _NORMAL.replace('"normal"', '"additive_proportional"').replace("3 pg/mL", "0 pg/mL")
    text = fit_text(observable=observable + "proportional = { lower = 0.01, upper = 1.0, start = 0.15 }\n")
    problem = read(tmp_path, text).problem
    assert problem.free[1].name == "proportional[IL6]"
    assert problem.free[1].nominal == 0.15
    assert problem.observables[0].proportional.free == 1
    assert problem.observables[0].scale is not None
    assert problem.observables[0].scale.value == 0


def test_the_sd_of_the_data_is_that_of_a_person_and_the_sem_of_a_mean(tmp_path: Path) -> None:
    table = table_text(
        "R01,race,1,h,IL6,10,pg/mL,2,,",
        "group,race,1,h,IL6,10,pg/mL,9,3,8",
        "R02,race,1,h,IL6,<5,pg/mL,1,,",
        header=HEADER + ",sd,sem,n",
    )
    rows = read(tmp_path, fit_text(observable=IL6.replace("0.2", '"data"')), table).problem.rows
    np.testing.assert_allclose(rows.scale, np.sqrt(np.log1p(np.array([0.2, 0.3, 0.2]) ** 2)))
    normal = _NORMAL.replace('"3 pg/mL"', '"data"')
    problem = read(tmp_path, fit_text(observable=normal), table).problem
    np.testing.assert_allclose(problem.rows.scale, [2.0, 3.0, 1.0])
    assert problem.observables[0].scale is None


def test_an_observable_without_data_is_a_warning_and_is_left_out(tmp_path: Path) -> None:
    study = read(tmp_path, fit_text(observable=IL6 + IL6.replace("IL6", "IL10")))
    assert [item.name for item in study.problem.observables] == ["IL6"]
    assert any("no row of the table is of IL10" in item for item in study.warnings)


# ---- rows ------------------------------------------------------------------------------------------


def test_rows_hold_the_data_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = read(tmp_path, None, table_text(*ROWS, "R02,race,end + 2,h,IL6,<30,pg/mL")).problem.rows
    np.testing.assert_allclose(rows.time_h, [-1.0, 3.43, 4.93, 5.43])
    np.testing.assert_allclose(rows.value, [0.9, 81.0, 35.0, np.nan])
    np.testing.assert_allclose(rows.limit, [np.nan, np.nan, np.nan, 30.0])
    assert rows.censoring.tolist() == [0, 0, 0, -1]
    assert rows.line.tolist() == [2, 3, 4, 5]
    assert rows.subject == ("R01", "R01", "R02", "R02")
    assert rows.quantity == ("level",) * 4


def test_folds_are_over_rest_unless_a_batch_has_a_factor(tmp_path: Path) -> None:
    table = table_text("R01,race,1,h,IL6,3,fold", "R01,race,2,h,IL6,4,fold")
    assert read(tmp_path, None, table).problem.rows.quantity == ("fold", "fold")
    text = fit_text(observable=IL6 + 'batch = "factor"\n')
    problem = read(tmp_path, text, table).problem
    assert problem.rows.quantity == ("level", "level")
    assert problem.rows.batch.tolist() == [0, 0]
    assert problem.observables[0].batch == "factor"


def test_npx_is_a_logarithm_with_an_offset_of_each_plate(tmp_path: Path) -> None:
    rows = [f"R0{n},race,{n},h,IL6,{n}.5,NPX,plate {plate}" for n, plate in ((1, 2), (2, 1), (3, 2), (4, 1))]
    text = fit_text(observable=_NORMAL.replace('"3 pg/mL"', "0.3") + 'batch = "offset"\n')
    rows_read = read(tmp_path, text, table_text(*rows, header=HEADER + ",batch")).problem.rows
    assert rows_read.quantity == ("log2",) * 4
    assert rows_read.batch.tolist() == [0, 1, 0, 1]
    assert rows_read.group == ("plate 2", "plate 1", "plate 2", "plate 1")


def test_arbitrary_units_are_levels_of_a_batch(tmp_path: Path) -> None:
    table = table_text("R01,race,1,h,IL6,300,AU", "R01,race,2,h,IL6,400,AU", "R01,race,3,h,IL6,410,AU")
    text = fit_text(observable=_NORMAL.replace('"3 pg/mL"', "30") + 'batch = "factor and offset"\n')
    problem = read(tmp_path, text, table).problem
    assert problem.rows.quantity == ("level",) * 3
    assert problem.observables[0].batch == "factor and offset"


def test_a_batch_of_one_value_tells_nothing(tmp_path: Path) -> None:
    table = table_text("R01,race,1,h,IL6,3,AU,a", "R01,race,2,h,IL6,3,AU,b", "R01,race,3,h,IL6,4,AU,b",
                       header=HEADER + ",batch")  # fmt: skip
    study = read(tmp_path, fit_text(observable=IL6 + 'batch = "factor"\n'), table)
    assert any('batch "a" of IL6 has 1 measured value (line 2)' in item for item in study.warnings)


def test_every_study_has_a_factor_of_its_own(tmp_path: Path) -> None:
    table = table_text(
        "R01,race,1,h,IL6,3,pg/mL,A", "R01,race,2,h,IL6,3,fold,B", "R01,race,3,h,IL6,3,pg/mL,A",
        "R01,race,4,h,IL6,3,pg/mL,", header=HEADER + ",batch",
    )  # fmt: skip
    study = read(tmp_path, fit_text(fit=FREE + "study_sd = 0.4\n"), table)
    problem = study.problem
    assert [item.name for item in problem.free] == ["release_gain", "scale[A]", "scale[B]"]
    assert problem.rows.factor.tolist() == [1, 2, 1, -1]
    factor = problem.free[1]
    assert (factor.kind, factor.scale, factor.nominal) == ("scale", "log", 1.0)
    assert (factor.low, factor.high) == pytest.approx((math.exp(-2.0), math.exp(2.0)))
    assert factor.prior is not None
    assert (factor.prior.kind, factor.prior.location, factor.prior.scale) == ("lognormal", 0.0, 0.4)
    assert study.profiled == (0,)
    assert any("rows without a batch have no factor" in item for item in study.warnings)


def test_a_unit_that_is_a_thousand_off_shows_at_rest(tmp_path: Path) -> None:
    study = read(tmp_path, None, table_text("R01,race,-1,h,IL6,1,ng/mL", "R01,race,1,h,IL6,2,ng/mL"))
    assert any("the median of IL6 at rest, 1e+03 pg/mL, is 1e+03 times that" in w for w in study.warnings)


def test_a_clock_may_differ_by_condition(tmp_path: Path) -> None:
    clocks = (
        '[[data.clock]]\nzero = "2024-05-04T09:00+02:00"\n'
        '[[data.clock]]\ncondition = "bike"\nzero = "2024-05-05T10:00+02:00"\n'
    )
    table = table_text(
        "R01,race,2024-05-04T10:30+02:00,,IL6,3,pg/mL", "R01,bike,2024-05-05T10:15+02:00,,IL6,3,pg/mL"
    )
    rows = read(tmp_path, fit_text(data=DATA + clocks, condition=_TWO), table).problem.rows
    np.testing.assert_allclose(rows.time_h, [1.5, 0.25])


def test_repairs_of_config_and_table_are_kept_for_the_record(tmp_path: Path) -> None:
    study = read(tmp_path, None, table_text().replace("R01", " R01"))
    assert any("blanks round 2 cells taken off" in item for item in study.repairs)


def test_a_model_without_a_card_needs_bounds_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "decay.ant").write_text(
        "model decay\n  unit hour = 3600 second; unit per_h = 1 / hour; unit time_unit = hour\n"
        "  compartment plasma; plasma = 1\n  species y in plasma; y = 10\n  k = 0.5\n  y -> ; k * y\nend\n",
        encoding="utf-8",
    )
    text = fit_text(
        condition="",
        observable='[[observable]]\nanalyte = "y"\nnoise = "normal"\nsd = "data"\n',
        fit='[fit]\nfree = ["k"]\n' + _parameter("k", "lower = 0.01", "upper = 10"),
    ).replace("il6_axis", "decay.ant")
    table = table_text("A,dose,1,h,y,6,dimensionless,0.1", header=HEADER + ",sd")
    problem = read(tmp_path, text, table).problem
    assert (_only(problem.free).scale, problem.free[0].prior) == ("log", None)
    assert problem.observables[0].formula == Name("y")
