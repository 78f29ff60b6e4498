"""[population] of a config that is wrong, or does not fit its tables: every fault with place and way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exsim.api import read_sample
from exsim.cli import main
from exsim.errors import ConfigError, LabDataError
from exsim.inputs.config import read_config

from .fit_files import HEADER, RACE, ROWS, fit_text, line_of, table_text, write
from .population_files import (
    BIKE,
    BOTH,
    CLEARANCE,
    FREE_FOUR,
    MASS,
    PEOPLE,
    PEOPLE_OF,
    RELEASE,
    covariate,
    population_text,
    read_all,
    response,
    write_all,
)

# ---- faults of the config ----------------------------------------------------------------------------

_UNBOUND = '[[fit.parameter]]\nname = "CL_IL6"\nscale = "linear"\n'
_TIMES = '[fit]\nfree = ["protocol.bout.0.duration"]\n[[fit.parameter]]\nname = "protocol.bout.0.duration"\n'


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        # ---- effects
        (
            population_text("[population]\n"),
            "[population]",
            ("in nothing do people differ", "[[population.effect]]"),
        ),
        (
            population_text("[population]\n[[population.effect]]\nbetween = 0.4\n"),
            "[[population.effect]]",
            ('"parameter" is missing', 'write parameter = "release_gain" under [[population.effect]]'),
        ),
        (
            population_text("[population]\n" + RELEASE.replace("gain", "gian")),
            'parameter = "release_gian"',
            ('"release_gian" is not free', "add it to fit.free", 'Did you mean "release_gain"?'),
        ),
        (
            population_text("[population]\n" + RELEASE.replace("release_gain", "sd[IL6]")),
            "parameter =",
            ('"sd[IL6]" is a number of the noise, one for all', "leave it out"),
        ),
        (
            population_text("[population]\n" + RELEASE + RELEASE.replace('"re', '"parameter.re')),
            'parameter = "parameter.re',
            ('"parameter.release_gain" is population.effect.0 already', "keep one of them"),
        ),
        (
            population_text(
                "[population]\n" + RELEASE,
                FREE_FOUR + '[[fit.parameter]]\nname = "release_gain"\nper = "subject"\n',
            ),
            "per =",
            ("release_gain is one for each person already: population.effect.0", "leave per out", "within"),
        ),
        (
            population_text(
                '[population]\n[[population.effect]]\nparameter = "protocol.bout.0.duration"\n',
                _TIMES + 'lower = "0.5 h"\nupper = "5 h"\n',
            ),
            'parameter = "protocol.bout.0.duration"',
            ("protocol.bout.0.duration differs between conditions (1, ", 'write per = "condition"'),
        ),
        (
            population_text("[population]\n" + CLEARANCE, FREE_FOUR + _UNBOUND),
            "[[population.effect]]",
            ("how much does CL_IL6 differ between people, on its linear scale?", 'between = "... L/h"'),
        ),
        (
            population_text("[population]\n" + CLEARANCE + "between = 5\n", FREE_FOUR + _UNBOUND),
            "between",
            ("5 has no unit", "L/h"),
        ),
        (
            population_text("[population]\n" + CLEARANCE + 'within = "5 L/h"\n'),
            "within",
            ("CL_IL6 is estimated on a log scale, where an sd is a number: 0.3",),
        ),
        (
            population_text("[population]\n" + RELEASE + "between = 0\n"),
            "between",
            ("a spread of 0", "it must be more than 0"),
        ),
        (
            population_text("[population]\n" + RELEASE + "between = { halfnormal = 1, halfcauchy = 1 }\n"),
            "between",
            ("both halfnormal and halfcauchy", "write one of them"),
        ),
        (
            population_text("[population]\n" + RELEASE + "between = {}\n"),
            "between",
            ("neither halfnormal nor halfcauchy", "write one of them"),
        ),
        (
            population_text("[population]\n" + RELEASE + "between = { halfcauhy = 1 }\n"),
            "between",
            ('unknown key "halfcauhy"', 'Did you mean "halfcauchy"?'),
        ),
        (
            population_text("[population]\n" + RELEASE + "between = true\n"),
            "between",
            ("true is not a number",),
        ),
        # ---- covariates
        (
            population_text(PEOPLE_OF + RELEASE + covariate("body_mass", "relase_gain")),
            'on = "relase_gain"',
            ('people do not differ in "relase_gain"', 'Did you mean "release_gain"?'),
        ),
        (
            population_text(BOTH + MASS + MASS),
            None,
            ('"body_mass" on release_gain is population.covariate.0 already', "keep one of them"),
        ),
        (
            population_text("[population]\n" + RELEASE + MASS),
            "[population]",
            ("no table says what the people are like", 'write subjects = "people.csv"'),
        ),
        (
            population_text(BOTH + '[[population.covariate]]\nform = "log"\n'),
            "[[population.covariate]]",
            (
                '"name" is missing',
                '"on" is missing',
                '"log" is not one of the choices',
                "(accepted: category, linear, power)",
            ),
        ),
        (
            population_text(BOTH + covariate("body_mass", "CL_IL6", "reference = true")),
            "reference",
            ("true is not a number or a level", '"female"'),
        ),
        (
            population_text(BOTH + covariate("age", "CL_IL6", "sd = 0")),
            "sd = 0\n",
            ("out of range", "more than 0"),
        ),
        (
            population_text(BOTH + covariate("bodymass", "CL_IL6")),
            'name = "bodymass"',
            ('people.csv has no column "bodymass"', 'Did you mean "body_mass"?'),
        ),
        (
            population_text(BOTH + covariate("age", "CL_IL6", "reference = 0")),
            "reference",
            ("0 has no logarithm, which a power takes", "a number above 0"),
        ),
        (
            population_text(BOTH + covariate("age", "CL_IL6", 'reference = "old"')),
            "reference",
            ('"old" is no number, and age is one', 'form = "category"'),
        ),
        (
            population_text(BOTH + covariate("sex", "CL_IL6", 'reference = "F"')),
            "reference",
            ('"F" is no level of sex', 'Did you mean "f"?'),
        ),
        (
            population_text(
                PEOPLE_OF + CLEARANCE + 'between = "5 L/h"\n' + covariate("age", "CL_IL6", 'form = "power"'),
                FREE_FOUR + _UNBOUND,
            ),
            'form = "power"',
            ("a power is for an effect on a logarithm, and CL_IL6 is on a linear scale", 'form = "linear"'),
        ),
        (
            population_text(BOTH + covariate("age", "CL_IL6", 'form = "category"')),
            'name = "age"',
            ("age has 3 levels", '"25", "30", "44"', "a category has two"),
        ),
        # ---- classes of responses
        (
            population_text(BOTH + response("lowly", "IL-6")),
            'analyte = "IL-6"',
            ('"IL-6" is no [[observable]]', 'Did you mean "IL6"?'),
        ),
        (
            population_text(BOTH + response("low", "IL6") + response("low", "IL6", "below = 5")),
            None,
            ('"low" is population.class.0 already', "a name of its own"),
        ),
        (
            population_text(BOTH + response("low", "IL6", "below = 0")),
            "below = 0",
            ("no response lies below 0", "below = 20"),
        ),
        (
            population_text(BOTH + response("low", "IL6", 'quantity = "peak_level"', "below = 20")),
            "below = 20",
            ("20 has no unit", '"20 pg/mL"'),
        ),
        (
            population_text(BOTH + response("low", "IL6", 'below = "20 pg/mL"')),
            'below = "20 pg/mL"',
            ("pg/mL", "dimensionless"),
        ),
        (
            population_text(BOTH + response("low", "IL6", 'quantity = "peak"', "below = 20")),
            'quantity = "peak"',
            ("is not one of the choices", "peak_fold, peak_level"),
        ),
        # ---- files
        (
            population_text(PEOPLE_OF.replace("people", "poeple") + RELEASE),
            "subjects",
            ('there is no table of people "poeple.csv"', 'Did you mean "people.csv"?'),
        ),
        (
            population_text(PEOPLE_OF.replace("people.csv", "/etc/passwd") + RELEASE),
            "subjects",
            ("is not a file that a config can name", "a path relative to the config"),
        ),
        (
            population_text(BOTH, data='[data]\nevidence = "evidence.csv"\n'),
            "[population]",
            ("a table of evidence has groups, not people", "leave [population] out"),
        ),
    ],
)
def test_what_is_wrong_with_the_config_is_said_with_line_and_way_out(
    text: str,
    part: str | None,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_all(tmp_path, text)
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed, printed
    if part is not None:
        line = line_of(text, part)
        assert re.search(rf"^{re.escape(str(path))}:{line}\s", printed, re.MULTILINE), printed


# ---- faults of the tables ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "covariate", "line", "words"),
    [
        (
            "subject,body_mass,sex\nR01,60,f\nR02,60,f\n",
            MASS + covariate("sex", "CL_IL6"),
            None,
            ("no row is of R03",),
        ),
        (PEOPLE.replace("R03", "R33"), MASS, None, ("no row is of R03, which is of R33, R09 besides",)),
        (
            PEOPLE.replace("R09", "R01"),
            MASS,
            5,
            ('subject "R01" stands on line 2 already', "keep one of them"),
        ),
        (PEOPLE.replace("R09", " "), MASS, 5, ("the row has no subject",)),
        (
            PEOPLE.replace("subject,", "subjekt,"),
            MASS,
            1,
            ('"subject" is missing', 'Did you mean "subjekt"?'),
        ),
        (PEOPLE.replace("sex", "age [y]"), MASS, 1, ('column "age" is given twice', "keep one of them")),
        (PEOPLE.replace(",", ";"), MASS, 1, ("columns are separated by semicolons", "sep and decimal")),
        (PEOPLE.replace("75,", "75,5,"), MASS, 3, ("6 cells, and the header has 5", "decimal comma")),
        ("subject,body_mass\n", MASS, None, ("the table has a header and no rows",)),
        ("", MASS, None, ("the file is empty",)),
        (b"subject,body_mass\nJos\xe9,70\n", MASS, 2, ("is not UTF-8", "save it as CSV in UTF-8")),
        # ---- cells
        (
            PEOPLE.replace("60", "").replace("80", "NA"),
            MASS,
            2,
            ("body_mass [kg]", "nothing is known of this subject (and on line 4)", "or leave the covariate"),
        ),
        (PEOPLE.replace("75", "-75"), MASS, 3, ("-75 has no logarithm", 'write form = "linear"')),
        (
            PEOPLE.replace("75", "75 kg"),
            MASS,
            3,
            ('"75 kg" is not a number', 'its unit may stand in the header: "body_mass [kg]"'),
        ),
        (
            PEOPLE.replace("m,25", ",25"),
            covariate("sex", "CL_IL6"),
            3,
            ("nothing is known of this subject",),
        ),
        (PEOPLE, covariate("place", "CL_IL6"), 4, ("0 has no logarithm", '"category" if it names a group')),
    ],
)
def test_what_is_wrong_with_the_table_of_people_is_said_with_line_and_way_out(
    people: str | bytes,
    covariate: str,
    line: int | None,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_all(tmp_path, population_text(BOTH + covariate), people)
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed, printed
    place = f"{tmp_path / 'people.csv'}" + ("" if line is None else f":{line}")
    assert re.search(rf"^{re.escape(place)}\s", printed, re.MULTILINE), printed
    assert "1 problem\n" in printed


@pytest.mark.parametrize(
    ("people", "covariate", "words"),
    [
        (
            PEOPLE.replace("R01,60", "R01,75").replace("R03,80", "R03,75"),
            MASS,
            "body_mass is 75 for all: it explains no difference",
        ),
        (PEOPLE.replace(",f,", ",m,"), covariate("sex", "CL_IL6"), 'sex is "m" for all'),
    ],
)
def test_a_covariate_that_is_the_same_for_all_people_of_the_data_is_refused(
    people: str, covariate: str, words: str, tmp_path: Path
) -> None:
    text = population_text(BOTH + covariate)
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        read_all(tmp_path, text, people)
    (problem,) = caught.value.problems
    assert (problem.line, problem.hint) == (line_of(text, covariate) + 1, "leave the covariate out")


def test_a_population_of_one_is_refused(tmp_path: Path) -> None:
    text = fit_text(fit='[fit]\nfree = ["release_gain"]\n[population]\n' + RELEASE)
    with pytest.raises(ConfigError) as caught:
        read_sample(write(tmp_path, text, table_text(*ROWS[:2])))
    (problem,) = caught.value.problems
    assert problem.message == 'the data are of one subject, "R01": nobody differs from anybody'
    assert problem.line == line_of(text, "[population]")
    assert problem.hint == "leave [population] out, or measure more people"


def test_means_of_groups_are_of_no_person(tmp_path: Path) -> None:
    rows = (
        "R01,race,end,h,IL6,81,pg/mL,8",
        "R02,race,end,h,IL6,71,pg/mL,1",
        "R02,race,-1,h,IL6,1,pg/mL,9",
        "group,race,end,h,IL6,75,pg/mL,1",
    )
    text = fit_text(fit='[fit]\nfree = ["release_gain"]\n[population]\n' + RELEASE)
    with pytest.raises(LabDataError) as caught:
        read_sample(write(tmp_path, text, table_text(*rows, header=HEADER + ",n")))
    means, nobody = caught.value.problems
    assert (means.line, means.key, nobody.line, nobody.key) == (2, "n", 5, "subject")
    assert means.message.endswith("this is the mean of a group, which is of no person (and on line 4)")
    assert nobody.message.endswith("this is of no subject")
    assert "give each person's own values, or leave [population] out" in str(means.hint)


def test_an_effect_that_one_person_alone_has_is_refused(tmp_path: Path) -> None:
    held = BIKE + '[condition.parameter]\nrelease_gain = "900 ng/h/kg"\n'
    table = table_text(
        "R01,race,end,h,IL6,81,pg/mL", "R02,bike,end,h,IL6,4,pg/mL", "R02,bike,0,h,IL6,4,pg/mL"
    )
    text = population_text("[population]\n" + RELEASE, '[fit]\nfree = ["release_gain"]\n', RACE + held)
    with pytest.raises(ConfigError, match="one subject has a release_gain of their own"):
        read_all(tmp_path, text, table=table)


def test_config_people_and_measurements_are_checked_in_one_go(tmp_path: Path) -> None:
    text = population_text(
        PEOPLE_OF
        + RELEASE
        + 'within = "5 L/h"\n'
        + covariate("sexe", "release_gain")
        + covariate("age", "release_gain"),
    )
    people = PEOPLE.replace("30", "young").replace("R02", "R22")
    table = table_text("R01,race,end,h,IL6,81,pg/mL,3", "R02,race,end,h,IL6,7,pg/mL,", header=HEADER + ",n")
    with pytest.raises(ConfigError) as caught:
        read_all(tmp_path, text, people, table)
    found = [(Path(item.file or "").name, item.line) for item in caught.value.problems]
    assert found == [
        ("fit.toml", line_of(text, "within")),
        ("fit.toml", line_of(text, 'name = "sexe"')),
        ("measured.csv", 2),
        ("people.csv", None),
        ("people.csv", 2),
    ]


def test_a_quote_that_is_not_closed_is_said_with_what_was_found_before(tmp_path: Path) -> None:
    people = PEOPLE.replace("R02", "R01").replace("R03", '"R03')
    with pytest.raises(LabDataError) as caught:
        read_all(tmp_path, population_text(), people)
    assert [(item.line, item.message.split(":")[0]) for item in caught.value.problems] == [
        (3, 'subject "R01" stands on line 2 already'),
        (4, "not CSV"),
    ]


def test_other_commands_say_that_it_is_a_config_to_fit_or_sample(tmp_path: Path) -> None:
    path = write_all(tmp_path, population_text())
    with pytest.raises(
        ConfigError, match=rf"a config for exsim fit and exsim sample .*\n  run exsim fit {path}"
    ):
        read_config(path)
