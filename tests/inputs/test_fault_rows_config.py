"""Rows 1 to 12 of the fault table, configuration: exit code, words, no traceback, nothing written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BOUT = '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.7\n'
OUTPUT = '[output]\nuntil = "4 h"\n'
HEAD = 'schema = 1\nmodel = "il6_axis"\n'
Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + '[output]\nuntil = = "4 h"\n', 4, ("column 9", 'until = = "4 h"')),
        (HEAD + "[output]\nuntil = 4 h\n", 4, ("column 11", "until = 4 h", "stands in quotes")),
        ("schema = 1\nmodel = il6_axis\n" + OUTPUT, 2, ("column 9", "model = il6_axis", "stands in quotes")),
        (HEAD + '[output]\nuntil = "4 h\n', 4, ('until = "4 h',)),
        (HEAD + "[output\n", 3, ("[output",)),
        (HEAD + 'seed = """x', 3, ("not TOML",)),
    ],
)
def test_row_01_toml_that_does_not_parse_shows_the_line(
    refused: Refused, text: str, line: int, words: tuple[str, ...]
) -> None:
    refused(text, "not TOML", *words, lines=(line,))


def test_row_02_every_unknown_key_or_table_names_the_nearest(refused: Refused) -> None:
    printed = refused(
        HEAD + "sed = 3\n[subjct]\n[[protocol.bout]]\nstart = '0 h'\nduration = '1 h'\nintesity = 0.5\n"
        '[output]\nuntil = "4 h"\nevry = "1 h"\n',
        'unknown key "sed"\n  Did you mean "seed"?',
        'unknown key "subjct"\n  Did you mean "subject"?',
        'unknown key "intesity"\n  Did you mean "intensity"?',
        'unknown key "evry"\n  Did you mean "every"?',
        lines=(3, 4, 8, 11),
    )
    assert "missing" not in printed, "a misspelt key is not reported as missing as well"


def test_row_02_a_key_under_the_wrong_table_is_told_where_it_belongs(refused: Refused) -> None:
    refused(HEAD + "body_mass = '72 kg'\n" + OUTPUT, "it belongs under [subject]", lines=(3,))


@pytest.mark.parametrize(
    ("text", "key", "first", "line"),
    [
        (HEAD + "seed = 1\nseed = 2\n" + OUTPUT, "seed", 3, 4),
        (HEAD + OUTPUT + "[subject]\n[output]\n", "output", 3, 6),
        (HEAD + OUTPUT + 'until = """\n5 h\n"""\n', "output.until", 4, 5),
    ],
)
def test_row_03_a_key_given_twice_has_both_lines(
    refused: Refused, text: str, key: str, first: int, line: int
) -> None:
    refused(text, key, f"given twice (first on line {first})", lines=(line,))


def test_row_04_a_missing_key_names_its_place_with_an_example(refused: Refused) -> None:
    refused(
        "[output]\nevery = '1 min'\n[[protocol.bout]]\nduration = '1 h'\n",
        '"schema" is missing\n  write schema = 1 at the top of the file',
        '"model" is missing\n  write model = "il6_axis" at the top of the file',
        '"until" is missing\n  write until = "8 h" under [output]',
        '"start" is missing\n  write start = "0 h" under [[protocol.bout]]',
        '"intensity" is missing',
        lines=(1, 3),
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + 'seed = "10"\n' + OUTPUT, 3, 'found "10", wanted a whole number\n  write it without quotes'),
        (HEAD + "seed = true\n" + OUTPUT, 3, "found true, wanted a whole number"),
        (HEAD + "seed = 1.0\n" + OUTPUT, 3, "found 1.0, wanted a whole number\n  write 1"),
        ("schema = true\nmodel = 'il6_axis'\n" + OUTPUT, 1, "true is not a whole number"),
        ("schema = 1.0\nmodel = 'il6_axis'\n" + OUTPUT, 1, "1.0 is not a whole number"),
        ("schema = 1\nmodel = 3\n" + OUTPUT, 2, "found 3, wanted text in quotes"),
        (HEAD + "solver = 3\n" + OUTPUT, 3, "found 3, wanted a table"),
        (HEAD + OUTPUT + "sort = 1\n", 5, "found 1, wanted true or false"),
        (HEAD + OUTPUT + "[solver]\nrtol = true\n", 6, "found true, wanted a number"),
        (HEAD + OUTPUT + "[solver]\nrtol = '1e-6'\n", 6, "write it without quotes"),
        (HEAD + OUTPUT + BOUT.replace("0.7", "true"), 8, "true is not an intensity"),
        (
            HEAD + OUTPUT + BOUT + "legs = true\nmodality = 'knee_extension'\n",
            9,
            "true is not a whole number",
        ),
        (HEAD + OUTPUT + "[parameter]\nCL_IL6 = true\n", 6, "true is not a number"),
        (HEAD + OUTPUT + "[protocol.bout]\nstart = '0 h'\n", 5, "wanted an array\n  write [[protocol.bout]]"),
        (HEAD + OUTPUT + "[subject]\nbody_mass = 1979-05-27\n", 6, "is not a number with a unit"),
    ],
)
def test_row_05_a_wrong_type_says_what_is_wanted(refused: Refused, text: str, line: int, words: str) -> None:
    refused(text, words, lines=(line,))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + OUTPUT + BOUT.replace("1 h", "70 mg"), 7, ("a mass", "a time is wanted")),
        (HEAD + OUTPUT + "[subject]\nbody_mass = '1.8 m'\n", 6, ("a length", "a mass is wanted")),
        (
            HEAD + OUTPUT + '[[protocol.bolus]]\ntarget = "LPS"\ntime = "1 h"\ndose = "3 km"\n',
            8,
            ('"km" is a length', "(ng/kg or ng)"),
        ),
        (
            HEAD + OUTPUT + '[[protocol.infusion]]\ntarget="IL6"\nstart="0 h"\nduration="1 h"\nrate="3 ng"\n',
            9,
            ("a mass", "a mass per time is wanted"),
        ),
        (HEAD + OUTPUT + "[parameter]\nCL_IL6 = '50 L'\n", 6, ("a volume", "a volume per time is wanted")),
        (HEAD + OUTPUT + "[subject.baseline]\nTNF = '3 nmol/L'\n", 6, ("an amount per volume", '"pg/mL"')),
    ],
)
def test_row_06_a_wrong_dimension_names_the_one_found_and_the_one_wanted(
    refused: Refused, text: str, line: int, words: tuple[str, ...]
) -> None:
    refused(text, *words, lines=(line,))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + OUTPUT.replace('"4 h"', "4"), 4, "4 has no unit"),
        (HEAD + OUTPUT.replace("4 h", "4"), 4, '"4" has no unit'),
        (HEAD + OUTPUT + "[subject]\nbody_mass = 72\n", 6, 'e.g. "72 kg"'),
        (
            HEAD + OUTPUT + "[parameter]\nCL_IL6 = 50\n",
            6,
            '50 has no unit\n  write it with its unit, "50 L/h"',
        ),
    ],
)
def test_row_07_a_bare_number_is_not_given_a_unit(refused: Refused, text: str, line: int, words: str) -> None:
    refused(text, words, lines=(line,))


def test_row_08_an_ambiguous_unit_is_refused_with_the_choices(refused: Refused) -> None:
    refused(HEAD + OUTPUT + "[subject.baseline]\nIL6 = '3 pM'\n", 'write "pmol/L" for molar', lines=(6,))


def test_row_08_both_mu_signs_are_read_as_one(accepted: Callable) -> None:
    text = '[[protocol.infusion]]\ntarget="IL6"\nstart="0 h"\nduration="1 h"\nrate="8 {}g/h"\n'
    rates = [
        accepted(HEAD + OUTPUT + text.format(mu))[0].spec.protocol.infusion[0].rate for mu in "\u00b5\u03bc"
    ]
    assert rates[0] == rates[1]
    assert rates[0].to("ng/h") == 8000.0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + OUTPUT + BOUT.replace("1 h", "0 h"), 7),
        (HEAD + OUTPUT + BOUT.replace("1 h", "-1 h"), 7),
        (HEAD + OUTPUT + "every = '-1 min'\n", 5),
        (HEAD + OUTPUT.replace("4 h", "0 h"), 4),
        (
            HEAD
            + OUTPUT
            + BOUT.replace('duration = "1 h"', 'intervals={work="0 min", rest="1 min", repeats=2}'),
            7,
        ),
        (
            HEAD
            + OUTPUT
            + BOUT.replace('duration = "1 h"', 'intervals={work="1 min", rest="-1 min", repeats=2}'),
            7,
        ),
        (HEAD + OUTPUT + BOUT + "repeat = { every = '0 h', times = 2 }\n", 9),
    ],
)
def test_row_09_a_duration_or_interval_of_zero_or_less_is_refused(
    refused: Refused, text: str, line: int
) -> None:
    refused(text, "it must be positive", lines=(line,))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + OUTPUT + BOUT.replace("0.7", "{}"), 8),
        (HEAD + OUTPUT + "[solver]\nrtol = {}\n", 6),
        (HEAD + OUTPUT + "[parameter]\nCL_IL6 = {}\n", 6),
        (HEAD + OUTPUT + "[subject]\nmuscle_glycogen = {}\n", 6),
    ],
)
def test_row_10_a_number_that_is_not_finite_is_refused(
    refused: Refused, text: str, line: int, number: str
) -> None:
    refused(text.format(number), "is not a finite number", lines=(line,))


def test_row_10_a_quantity_that_is_not_finite_is_refused(refused: Refused) -> None:
    refused(HEAD + OUTPUT.replace("4 h", "1e400 h"), "is not a finite number", lines=(4,))
    refused(HEAD + OUTPUT.replace("4 h", "nan h"), "is not a number with a unit", lines=(4,))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ('["2 h", "1 h"]', '"1 h" comes after "2 h"\n  sort the times, or write sort = true'),
        ('["1 h", "60 min"]', '"60 min" is given twice'),
        ('["-1 h", "1 h"]', "begins before the start"),
        ('["1 h", "5 h"]', "lies outside the simulation (0 h to 4 h)"),
        ('["end - 1.5 h"]', "begins before the start"),
    ],
)
def test_row_11_output_times_unsorted_repeated_or_outside_are_refused(
    refused: Refused, times: str, words: str
) -> None:
    refused(HEAD + BOUT + OUTPUT + f"times = {times}\n", words, lines=(9,))


def test_row_11_sort_allows_times_in_any_order(accepted: Callable) -> None:
    config, _ = accepted(HEAD + OUTPUT + 'times = ["2 h", "1 h"]\nsort = true\n')
    assert [moment.to("h") for moment in config.spec.output.times] == [2.0, 1.0]


def test_row_12_a_grid_of_too_many_points_has_its_size_estimated(refused: Refused) -> None:
    refused(
        HEAD + '[output]\nuntil = "400 d"\nevery = "1 s"\n',
        "3.46e+07 output times: 0.276 GB of memory and of file for each curve",
        lines=(5,),
    )
