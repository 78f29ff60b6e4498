"""People of a population in tables, words and the visual predictive check."""

import csv
import io
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from exsim.outputs.population_tables import classes_csv, individuals_csv
from exsim.outputs.population_text import covariate_text, population_text
from exsim.outputs.sample_folder import sample_files
from exsim.outputs.sample_plots import save_figure, vpc_figure
from exsim.outputs.sample_tables import sample_facts
from exsim.outputs.sample_text import sample_text
from exsim.population import ResponseClass
from exsim.population_result import ClassShare, CovariateEffect, Individuals, PopulationResult
from exsim.sample_datasets import posterior_tree
from exsim.sample_result import SampledNumber

from .sample_cases import judged, large_sample, small_sample
from .test_fit_plots import overlapping, texts

LOW = ResponseClass("low responder", "IL6", "peak_fold", 20.0)


def with_people(problem, result, **changes):
    """A result with a release of their own of two people, and a coefficient of -0.5 with an sd of 0.1."""
    rng = np.random.default_rng(1)
    more = tuple(
        SampledNumber(f"release_gain[{name}]", "release", "ng/h/kg", "log", "individual") for name in "AB"
    )
    coefficient = SampledNumber("effect[vo2max on release_gain]", "effect of vo2max", "1", "linear")
    shape, count = result.draws.shape[:2], len(result.numbers)
    own = np.exp(rng.normal([7.0, 8.0], 0.1, (*shape, 2)))
    effect = rng.normal(-0.5, 0.1, (*shape, 1))
    before = np.full((len(result.prior), 3), np.nan)
    result = judged(
        replace(
            result,
            numbers=(*result.numbers, coefficient, *more),
            draws=np.concatenate([result.draws, effect, own], axis=2),
            prior=np.concatenate([result.prior, before], axis=1),
        )
    )
    people = PopulationResult(
        effects=("release_gain",),
        shrinkage=np.array([0.1]),
        individuals=Individuals(
            number=np.array([count + 1, count + 2]),
            effect=np.array([0, 0]),
            subject=("A", "B"),
            condition=("", ""),
            eta=np.array([-0.9, 1.1]),
        ),
        covariates=(
            CovariateEffect(
                count, "vo2max", "release_gain", "power", "mL/kg/min", ("", ""), "log", "ng/h/kg"
            ),
        ),
        new_data=result.predictive.reshape(-1, result.predictive.shape[2])[:200],
        classes=(
            ClassShare(LOW, "dimensionless", "race", ("A", "B"), np.array([0.02, 0.9]), 0.3, 0.1, 0.55),
        ),
    )
    return problem, replace(result, people=replace(people, **changes))


@cache
def few():
    return with_people(*small_sample())


@cache
def many():
    return with_people(*large_sample())


def rows_of(table):
    return list(csv.DictReader(io.StringIO(table.decode())))


def test_individuals_have_their_posterior_what_they_deviate_and_the_shrinkage():
    _, result = few()
    first, second = rows_of(individuals_csv(result, result.people))
    assert (first["subject"], first["effect"], first["condition"]) == ("A", "release_gain", "")
    assert float(first["median"]) == pytest.approx(math.exp(7.0), rel=0.02)
    assert float(first["lower"]) == pytest.approx(math.exp(7.0 - 0.196), rel=0.03)
    assert (first["unit"], first["eta"], second["eta"], second["shrinkage"]) == (
        "ng/h/kg",
        "-0.9",
        "1.1",
        "0.1",
    )


def test_classes_have_a_new_person_and_every_person():
    _, result = few()
    new, a, b = rows_of(classes_csv(result.people))
    assert (new["who"], new["subject"], new["probability"], new["lower"]) == ("new person", "", "0.3", "0.1")
    assert (a["who"], a["subject"], a["probability"], a["upper"]) == ("person", "A", "0.02", "")
    assert (b["class"], b["below"], b["condition"]) == ("low responder", "20", "race")


def test_the_folder_has_tables_and_picture_of_people_where_there_are_some():
    names = {"individuals.csv", "classes.csv", "vpc.png"}
    assert names <= set(sample_files(*few()))
    assert not names & set(sample_files(*small_sample()))
    problem, result = few()
    none = replace(result, people=replace(result.people, classes=()))
    assert "classes.csv" not in sample_files(problem, none)


def test_the_record_has_shrinkage_and_classes():
    said = sample_facts(few()[1])["population"]
    assert said["shrinkage"] == {"release_gain": 0.1}
    assert said["classes"][2]["probability"] == 0.9
    assert "population" not in sample_facts(small_sample()[1])


def test_data_of_new_people_are_predictions_that_arviz_reads():
    problem, result = few()
    tree = posterior_tree(problem, result)
    assert tree["predictions"]["value"].dims == ("chain", "draw", "row")
    np.testing.assert_array_equal(tree["predictions"]["value"].values[0], result.people.new_data)
    assert "predictions" not in posterior_tree(*small_sample())


def test_the_report_says_what_people_covariates_and_classes_are():
    text = sample_text(*few())
    assert "shrinkage: release_gain 0.10" in text
    assert "the population's" not in text
    assert "(peak fold of IL6 below 20) in race: a new person 0.30 (0.10 to 0.55)\n  B 0.90, A 0.02" in text


def test_much_shrinkage_and_lost_people_are_said():
    _, result = few()
    new = result.people.new_data.copy()
    new[:3, 0] = np.nan
    text = population_text(result, replace(result.people, shrinkage=np.array([0.45]), new_data=new))
    assert "over 0.3: much of what people have in release_gain is the population's, not their own" in text
    assert "3 of 200 sets of new people" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # exp(-0.5) = 0.607, 1.1^-0.5 = 0.953.
        ({}, "10 % more vo2max goes with -4.7 % ("),
        ({"scale": "log10"}, "10 % more vo2max goes with -4.7 % ("),
        ({"form": "linear"}, "1 mL/kg/min more vo2max goes with -39 % ("),
        ({"form": "linear", "unit": ""}, "1 more vo2max goes with -39 % ("),
        ({"form": "linear", "scale": "log10"}, "goes with -68 % ("),
        ({"form": "linear", "scale": "linear", "effect_unit": "h"}, "goes with -0.5"),
        ({"form": "linear", "scale": "logit"}, " times the odds of its place between the bounds"),
        ({"form": "category", "levels": ("m", "f")}, "vo2max f in place of m goes with 0.6"),
        ({"form": "category", "levels": ("m", "f")}, ") times as much"),
    ],
)
def test_a_coefficient_is_said_in_words(changes, words):
    _, result = few()
    (item,) = result.people.covariates
    said = result.diagnosis
    three = [float(column[item.number]) for column in (said.median, said.lower, said.upper)]
    text = covariate_text(replace(item, **changes), three)
    assert text.startswith("vo2max on release_gain: -0.5")
    assert words in text


@pytest.mark.parametrize("case", [few, many])
def test_the_check_draws_and_nothing_overlaps(case, tmp_path):
    problem, result = case()
    figure = vpc_figure(problem, result, "How do people differ?")
    save_figure(figure, tmp_path / "vpc.png")
    assert (tmp_path / "vpc.png").stat().st_size > 10_000
    said = " ".join(texts(figure))
    assert "200 sets of as many new people" in said.replace("\n", " ")
    assert overlapping(figure) == ([], [])
    if (problem.rows.censoring == -1).any():
        assert "LLOQ" in said


def test_a_check_of_sets_that_all_failed_is_drawn_without_bands(tmp_path):
    problem, result = few()
    lost = np.full_like(result.people.new_data, np.nan)
    save_figure(
        vpc_figure(problem, replace(result, people=replace(result.people, new_data=lost))),
        tmp_path / "vpc.png",
    )
