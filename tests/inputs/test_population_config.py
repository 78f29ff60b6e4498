"""[population] of a config with its table of people: what it becomes."""

from __future__ import annotations

from math import log, log10
from pathlib import Path

import numpy as np
import pytest

from exsim.api import read_fit, read_sample
from exsim.errors import ConfigError
from exsim.inputs.config import read_fit_config, to_toml
from exsim.marginals import Marginal
from exsim.population import ResponseClass, Spread
from exsim.population_numbers import population_numbers, problem_of_typical

from .fit_files import DATA, FREE, HEADER, IL6, RACE, fit_text, table_text, write
from .population_files import (
    BIKE,
    BOTH,
    CLEARANCE,
    FREE_FOUR,
    MASS,
    MEASURED,
    PEOPLE_OF,
    RELEASE,
    covariate,
    population_text,
    read_all,
    response,
    write_all,
)


def test_a_config_of_three_people_in_two_conditions_becomes_a_population_number_by_number(
    tmp_path: Path,
) -> None:
    prior = '[[fit.parameter]]\nname = "release_gain"\nlower = "100 ng/h/kg"\nprior = "lognormal"\nsd = 0.6\n'
    effects = (
        RELEASE
        + "between = 0.4\nwithin = { halfcauchy = 0.2 }\n"
        + CLEARANCE
        + '[[population.effect]]\nparameter = "V_IL6"\n'
    )
    covariates = (
        covariate("body_mass", "release_gain", "reference = 70", "sd = 0.5")
        + covariate("sex", "CL_IL6")
        + covariate("age", "CL_IL6", 'form = "linear"', "sd = 0.02")
        + covariate("place", "V_IL6", 'form = "category"', "reference = 0")
    )
    study = read_all(tmp_path, population_text(PEOPLE_OF + effects + covariates, FREE_FOUR + prior))
    problem, population = study.problem, study.population
    assert population is not None
    assert [item.name for item in problem.simulations] == [
        "race: R02", "race: R01", "race: R03", "bike: R02", "bike: R03", "bike: R01",
    ]  # fmt: skip
    assert [item.name for item in problem.free] == [
        "release_gain[R02, race]", "release_gain[R01, race]", "release_gain[R03, race]",
        "release_gain[R02, bike]", "release_gain[R03, bike]", "release_gain[R01, bike]",
        "CL_IL6[R02]", "CL_IL6[R01]", "CL_IL6[R03]",
        "subject.baseline.IL6",
        "V_IL6[R02]", "V_IL6[R01]", "V_IL6[R03]",
    ]  # fmt: skip
    assert [item.free for item in problem.placed] == [
        (0, 1, 2, 3, 4, 5), (6, 7, 8, 6, 8, 7), (9,) * 6, (10, 11, 12, 10, 12, 11),
    ]  # fmt: skip
    assert problem.rows.simulation.tolist() == [3, 0, 1, 2, 4, 5, 3]

    assert population.subjects == ("R02", "R01", "R03")
    assert population.correlated
    release, clearance, volume = population.effects
    assert (release.name, release.unit) == ("release_gain", "ng/h/kg")
    assert release.places.tolist() == [0, 3, 1, 5, 2, 4]
    assert release.subject.tolist() == [0, 0, 1, 1, 2, 2]
    assert release.typical == Marginal("lognormal", 100.0, 10_000.0, log(1315), 0.6)
    assert (release.between, release.within) == (Spread("halfnormal", 0.4), Spread("halfcauchy", 0.2))
    first = problem.free[0]
    assert (first.scale, first.low, first.high, first.nominal) == ("log", 100.0, 10_000.0, 1315.0)
    assert clearance.places.tolist() == [6, 7, 8]
    assert clearance.subject.tolist() == [0, 1, 2]
    assert (clearance.between, clearance.within) == (Spread("halfnormal", 0.5), None)
    assert volume.places.tolist() == [10, 11, 12]

    mass, sex, age, place = population.covariates
    assert [item.effect for item in population.covariates] == [0, 1, 1, 2]
    assert [item.sd for item in population.covariates] == [0.5, 1.0, 0.02, 1.0]
    np.testing.assert_allclose(mass.values, [log(75 / 70), log(60 / 70), log(80 / 70)], rtol=1e-14)
    assert sex.values.tolist() == [0, 1, 0]
    assert age.values.tolist() == [-5, 0, 14]
    assert place.values.tolist() == [1, 1, 0]
    assert set(study.data_hashes) == {"marathon", "cycling_60min", "measured.csv", "people.csv"}
    assert study.warnings == ()


@pytest.mark.parametrize(
    ("population", "correlated"),
    [
        ("[population]\n" + RELEASE, False),
        ("[population]\n" + RELEASE + CLEARANCE, True),
        ("[population]\ncorrelated = false\n" + RELEASE + CLEARANCE, False),
    ],
)
def test_effects_go_together_where_there_are_two(population: str, correlated: bool, tmp_path: Path) -> None:
    found = read_all(tmp_path, population_text(population)).population
    assert found is not None
    assert (found.correlated, found.covariates) == (correlated, ())


def test_one_effect_cannot_be_correlated(tmp_path: Path) -> None:
    study = read_all(tmp_path, population_text("[population]\ncorrelated = true\n" + RELEASE))
    assert study.population is not None
    assert not study.population.correlated
    assert "one effect has no other to go together with" in study.warnings[0]


def test_on_a_logarithm_of_ten_spread_and_power_are_of_that_logarithm(tmp_path: Path) -> None:
    scale = '[[fit.parameter]]\nname = "release_gain"\nscale = "log10"\n'
    found = read_all(tmp_path, population_text(PEOPLE_OF + RELEASE + MASS, FREE_FOUR + scale)).population
    assert found is not None
    assert found.effects[0].between.scale == pytest.approx(0.5 / log(10), rel=1e-14)
    values = [0.0, log10(60 / 75), log10(80 / 75)]
    np.testing.assert_allclose(found.covariates[0].values, values, rtol=1e-14)


def test_on_a_linear_scale_a_spread_has_the_unit_and_a_number_enters_as_it_is(tmp_path: Path) -> None:
    scale = '[[fit.parameter]]\nname = "CL_IL6"\nscale = "linear"\n'
    effect = CLEARANCE + 'between = "0.1 L/min"\n'
    found = read_all(
        tmp_path, population_text(PEOPLE_OF + effect + covariate("age", "CL_IL6"), FREE_FOUR + scale)
    ).population
    assert found is not None
    assert found.effects[0].between.scale == pytest.approx(6.0, rel=1e-14)
    assert found.covariates[0].values.tolist() == [-5, 0, 14]


def test_the_reference_of_a_category_may_be_chosen(tmp_path: Path) -> None:
    sex = covariate("sex", "CL_IL6", 'reference = "f"')
    found = read_all(tmp_path, population_text(BOTH + sex)).population
    assert found is not None
    assert found.covariates[0].values.tolist() == [1, 0, 1]


def test_a_person_of_whom_a_condition_holds_the_number_has_none_there(tmp_path: Path) -> None:
    held = BIKE + '[condition.parameter]\nrelease_gain = "900 ng/h/kg"\n'
    found = read_all(tmp_path, population_text("[population]\n" + RELEASE, condition=RACE + held)).population
    assert found is not None
    assert found.effects[0].places.tolist() == [0, 1, 2]


def test_a_table_of_people_is_written_as_the_data_are(tmp_path: Path) -> None:
    people = "\ufeffsubject;body_mass [kg]\r\nR01;60,5\r\nR02;75\r\nR03;80,0\r\n"
    table = MEASURED.replace(",", ";")
    text = population_text(data=DATA + 'sep = ";"\ndecimal = ","\n')
    study = read_all(tmp_path, text, people, table)
    assert study.population is not None
    np.testing.assert_allclose(study.population.covariates[0].values, np.log(np.array([75, 60.5, 80]) / 75))
    assert any("people.csv: byte-order mark taken off" in item for item in study.repairs)


def test_a_config_with_population_written_as_toml_and_read_again_is_equal(tmp_path: Path) -> None:
    effect = RELEASE + "between = { halfcauchy = 5.0 }\nwithin = 0.2\n"
    text = population_text(PEOPLE_OF + effect + covariate("sex", "release_gain", 'reference = "f"') + MASS)
    spec = read_fit_config(write_all(tmp_path, text)).spec
    (tmp_path / "again.toml").write_text(to_toml(spec), encoding="utf-8")
    assert read_fit_config(tmp_path / "again.toml").spec == spec


def test_the_numbers_of_people_are_not_too_many_for_the_data(tmp_path: Path) -> None:
    flat = '[[fit.parameter]]\nname = "release_gain"\nprior = "none"\n'
    study = read_all(
        tmp_path, population_text("[population]\n" + RELEASE + CLEARANCE + "within = 0.1\n", FREE_FOUR + flat)
    )
    assert len(study.problem.free) > len(study.problem.rows)
    assert study.warnings == ()


def test_classes_of_responses_have_their_thresholds_in_the_unit_of_the_observable(tmp_path: Path) -> None:
    classes = response("low", "IL6") + response(
        "weak", "IL6", 'quantity = "peak_level"', 'below = "0.05 ng/mL"'
    )
    study = read_all(tmp_path, population_text(BOTH + MASS + classes))
    assert study.population is not None
    low, weak = study.population.classes
    assert low == ResponseClass("low", "IL6", "peak_fold", 20.0)
    assert (weak.quantity, weak.below) == ("peak_level", pytest.approx(50.0))


def test_a_covariate_knows_its_form_unit_and_levels(tmp_path: Path) -> None:
    study = read_all(tmp_path, population_text(BOTH + MASS + covariate("sex", "CL_IL6")))
    assert study.population is not None
    mass, sex = study.population.covariates
    assert (mass.form, mass.unit) == ("power", "kg")
    assert (sex.form, sex.unit, sex.levels) == ("category", "", ("m", "f"))


def test_a_peak_fold_below_one_is_improbable(tmp_path: Path) -> None:
    study = read_all(tmp_path, population_text(BOTH + response("low", "IL6", "below = 0.5")))
    assert any("a fold is 1 at least" in warning for warning in study.warnings)


def test_an_effect_on_a_logit_scale_can_be_sampled(tmp_path: Path) -> None:
    from exsim.fitting import Objective
    from exsim.sampling.hierarchy import PopulationTarget

    logit = '[[fit.parameter]]\nname = "release_gain"\nscale = "logit"\n'
    effect = RELEASE + "between = 0.5\n"
    study = read_all(tmp_path, population_text("[population]\n" + effect, FREE_FOUR + logit))
    assert study.population is not None
    target = PopulationTarget(Objective(study.problem), study.population)
    assert (target.objective.scales.low[0], target.objective.scales.high[0]) == (200.0, 10_000.0)
    assert np.isfinite(target.draw_prior(20, np.random.default_rng(1))).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (population_text(BOTH), "no [[population.covariate]] takes anything from the table"),
        (
            population_text(BOTH + covariate("body_mass", "CL_IL6", "reference = 20")),
            "nobody is like the reference, 20: people have 60 to 80",
        ),
        (
            population_text(BOTH + covariate("age", "CL_IL6", 'form = "linear"')),
            "one sd of its prior lets age alone move CL_IL6 by a factor of 1e+06: is 1 meant, and not 0.07?",
        ),
    ],
)
def test_what_is_improbable_is_a_warning(text: str, words: str, tmp_path: Path) -> None:
    (warning,) = read_all(tmp_path, text).warnings
    assert words in warning


def test_occasions_need_people_in_two_conditions(tmp_path: Path) -> None:
    text = fit_text(fit='[fit]\nfree = ["release_gain"]\n[population]\n' + RELEASE + "within = 0.2\n")
    (warning,) = read_sample(write(tmp_path, text)).warnings
    assert "no subject was measured in two conditions: occasions cannot be told from people" in warning


def test_a_fit_finds_the_numbers_of_the_population_and_profiles_those_that_are_named(tmp_path: Path) -> None:
    named = 'profile = ["release_gain", "sd_between[CL_IL6]", "V_IL6"]\n'
    study = read_fit(write_all(tmp_path, population_text(fit=FREE_FOUR + named)))
    numbers = population_numbers(study.problem.free, study.population)
    shared = [number for number in numbers if number.kind == "model"]
    assert [numbers[place].name for place in study.profiled] == [
        "release_gain",
        "sd_between[CL_IL6]",
        "V_IL6",
    ]
    assert {"release_gain", "CL_IL6", "V_IL6"} <= {number.name for number in shared}
    assert "effect[body_mass on release_gain]" in {number.name for number in numbers}


def test_a_profile_of_a_person_in_a_population_is_refused(tmp_path: Path) -> None:
    text = population_text(fit=FREE_FOUR + 'profile = ["release_gain[R01]"]\n')
    with pytest.raises(ConfigError, match=r'"release_gain\[R01\]" is not free(.|\n)*release_gain'):
        read_fit(write_all(tmp_path, text))


def test_a_typical_person_takes_the_place_of_all(tmp_path: Path) -> None:
    study = read_fit(write_all(tmp_path, population_text()))
    typical = problem_of_typical(study.problem, study.population)
    names = [number.name for number in typical.free]
    placed = {item.target.label: item.free for item in typical.placed}
    own = next(places for label, places in placed.items() if "CL" in label or "clearance" in label.lower())
    assert {names[place] for place in own} == {"CL_IL6"}
    scales = [item.scale.free for item in typical.observables if item.scale is not None]
    assert all(place < 0 or names[place].startswith("sd[") for place in scales)


def test_a_fit_of_people_who_differ_has_the_factors_of_batches_among_its_numbers(tmp_path: Path) -> None:
    table = table_text(
        *(f"R0{n},race,{time},h,IL6,{5 + n},fold,p{n % 2}" for n in (1, 2, 3) for time in (1, 2)),
        header=HEADER + ",batch",
    )
    text = fit_text(observable=IL6 + 'batch = "factor"\n', fit=FREE + "[population]\n" + RELEASE)
    study = read_fit(write(tmp_path, text, table))
    names = [number.name for number in population_numbers(study.problem.free, study.population)]
    assert {"scale[IL6, p0]", "scale[IL6, p1]"} <= set(names)
    assert (study.problem.rows.batch == -1).all()
    blank = '[[observable]]\nanalyte = "IL6"\nnoise = "normal"\nsd = 2.0\nbatch = "factor and offset"\n'
    text = fit_text(observable=blank, fit=FREE + "[population]\n" + RELEASE)
    with pytest.raises(ConfigError, match="ties the people of a batch"):
        read_fit(write(tmp_path, text, table.replace("fold", "AU")))
