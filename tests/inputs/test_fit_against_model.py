"""A config for a fit that does not fit its model or its data: every complaint with place and way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exsim.cli import main

from .fit_files import DATA, FREE, HEADER, IL6, RACE, ROWS, fit_text, line_of, table_text, write

_RELEASE = FREE + '[[fit.parameter]]\nname = "release_gain"\n'
_DURATION = '[fit]\nfree = ["protocol.bout.0.duration"]\n'
_NORMAL = IL6.replace("lognormal", "normal").replace("0.2", '"3 pg/mL"')
_BOUT = '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.7\n'


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        # ---- names
        (
            fit_text(fit='[fit]\nfree = ["release_gian"]\n'),
            "free",
            ('no parameter "release_gian"', 'Did you mean "release_gain"?'),
        ),
        (
            fit_text(fit='[fit]\nfree = ["IL6"]\n'),
            "free",
            ("IL6 is a state of the model, not a parameter",),
        ),
        (
            fit_text(fit='[fit]\nfree = ["subject.baseline.IL7"]\n'),
            "free",
            ('no resting level of "IL7"', 'Did you mean "IL6"?'),
        ),
        (
            fit_text(fit='[fit]\nfree = ["protocol.bout.1.duration"]\n'),
            "free",
            ('the protocol has no bout "1"', "there is one, entry 0"),
        ),
        (
            fit_text(fit='[fit]\nfree = ["body_mass", "subject.body_mass"]\n'),
            "free",
            ("subject.body_mass and body_mass are both body_mass", "keep one of them"),
        ),
        (
            fit_text(observable=IL6.replace('"IL6"', '"IL66"')),
            "analyte",
            ('no analyte "IL66"', 'Did you mean "IL6"?', 'formula = "IL6 / 1000"'),
        ),
        (
            fit_text(condition=RACE + '[condition.parameter]\nV_IL66 = "8 L"\n'),
            "V_IL66",
            ('no parameter "V_IL66"', 'Did you mean "V_IL6"?', "condition.0.parameter.V_IL66"),
        ),
        (
            fit_text(condition=RACE + '[condition.subject.baseline]\nIL7 = "1 pg/mL"\n'),
            "IL7",
            ('no resting level of "IL7"',),
        ),
        (
            fit_text(
                head='[parameter]\nIL6_rest = "1 pg/mL"\n',
                condition=RACE + '[condition.subject.baseline]\nIL6 = "2 pg/mL"\n',
            ),
            'IL6 = "2 pg/mL"',
            ("parameter.IL6_rest sets the same level",),
        ),
        (
            fit_text(fit=FREE + 'profile = ["CL_IL6"]\n'),
            "profile",
            ('"CL_IL6" is not free', "(accepted: release_gain)"),
        ),
        # ---- formulas
        (
            fit_text(observable=IL6 + 'formula = "IL6 / volume"\n'),
            "formula",
            ('no state, rule or parameter "volume"',),
        ),
        (
            fit_text(observable=IL6 + 'formula = "IL6 / (1000"\n'),
            "formula",
            ("a bracket is not closed", "character 12"),
        ),
        (
            fit_text(observable=IL6 + 'formula = "eval(IL6)"\n'),
            "formula",
            ('there is no function "eval"',),
        ),
        (
            fit_text(observable=IL6 + 'formula = "IL6 * V_IL6"\n'),
            "formula",
            ("which unit has IL6 * V_IL6?", "write e.g. unit"),
        ),
        (
            fit_text(observable=IL6 + 'formula = "IL6 / 1000"\nunit = "h"\n'),
            "unit",
            ('"pg/mL" is a mass per volume, but a time is wanted',),
        ),
        (
            fit_text(observable=IL6 + 'formula = "IL6 * V_IL6"\nunit = "pgs"\n'),
            "unit",
            ('unknown unit "pgs"',),
        ),
        # ---- noise
        (
            fit_text(observable=IL6.replace("0.2", '"3 pg/mL"')),
            "sd =",
            ('"pg/mL" is a mass per volume', "that of the natural logarithm, a number"),
        ),
        (fit_text(observable=IL6.replace("0.2", "0.0")), "sd =", ("sd is 0", "it must be more than 0")),
        (
            fit_text(observable=_NORMAL.replace('"3 pg/mL"', "3")),
            "sd =",
            ("3 has no unit", 'write it with its unit, "3 pg/mL"'),
        ),
        (
            fit_text(observable=_NORMAL.replace('"3 pg/mL"', '"3 kg"')),
            "sd =",
            ('"kg" is a mass, but a mass per volume is wanted',),
        ),
        (
            fit_text(observable=IL6.replace("0.2", "{ lower = 2.0, upper = 0.2 }")),
            "sd =",
            ("lower, 2, is not below upper, 0.2", "exchange them"),
        ),
        (
            fit_text(observable=IL6.replace("0.2", "{ lower = 0.1, upper = 2.0, start = 3.0 }")),
            "sd =",
            ("start, 3, lies outside the bounds, 0.1 to 2",),
        ),
        (
            fit_text(
                observable=_NORMAL.replace("normal", "additive_proportional") + 'proportional = "3 pg/mL"\n'
            ),
            "proportional =",
            ("a share of the value, a number",),
        ),
        (
            fit_text(observable=IL6.replace("0.2", '"data"')),
            None,
            ("the standard deviation of IL6 is not there on lines 2, 3, 4", "measured.csv:2  sd", "estimate"),
        ),
        # ---- bounds, scale, start
        (
            fit_text(fit=_RELEASE + 'lower = "300 ng/h/kg"\nupper = "200 ng/h/kg"\n'),
            "lower",
            ("lower, 300 ng/h/kg, is not below upper, 200 ng/h/kg",),
        ),
        (
            fit_text(fit=_RELEASE + 'lower = "20000 ng/h/kg"\n'),
            "lower",
            ("is not below upper, 10000 ng/h/kg of the model's card", "give both"),
        ),
        (
            fit_text(fit=_RELEASE + 'lower = "-1 ng/h/kg"\n'),
            "lower",
            ('"-1 ng/h/kg" is impossible for parameter.release_gain',),
        ),
        (
            fit_text(fit=_RELEASE + 'lower = "0 ng/h/kg"\nscale = "log"\n'),
            "scale",
            ("a log scale has no place for the lower bound, 0", 'scale = "linear"'),
        ),
        (
            fit_text(fit=_RELEASE + 'start = "1359 ng/h/kg"\nupper = "1359 ng/h/kg"\nscale = "logit"\n'),
            "start",
            ("on a logit scale the start lies between 200 and 1359",),
        ),
        (
            fit_text(fit=_RELEASE + 'start = "100 ng/h/kg"\n'),
            "start",
            ("start, 100 ng/h/kg, lies outside the bounds, 200 to 10000 ng/h/kg",),
        ),
        (
            fit_text(
                head='[parameter]\nrelease_gain = "1359 ng/h/kg"\n',
                fit=_RELEASE + 'upper = "1000 ng/h/kg"\n',
            ),
            "[[fit.parameter]]",
            ("its value, 1359 ng/h/kg, lies outside the bounds", "write a start between them"),
        ),
        (
            fit_text(fit=_DURATION),
            "free",
            ("protocol.bout.0.duration has no lower bound", "under [[fit.parameter]]"),
        ),
        (
            fit_text(
                fit=_DURATION
                + '[[fit.parameter]]\nname = "protocol.bout.0.duration"\nlower = "0 h"\nupper = "5 h"\n'
            ),
            "lower",
            ("the lower bound is 0 h", "a duration is more than 0 h"),
        ),
        (
            fit_text(
                head=_BOUT + _BOUT.replace('"0 h"', '"2 h"'),
                condition="",
                fit=_DURATION
                + '[[fit.parameter]]\nname = "protocol.bout.0.duration"\nlower = "1 h"\nupper = "3 h"\n',
            ),
            'name = "protocol.bout.0.duration"',
            ("within the bounds bout 1 overlaps with bout 0", "narrow its bounds"),
        ),
        (
            fit_text(
                head=_BOUT + 'repeat = { every = "2 h", times = 2 }\n',
                condition="",
                fit=_DURATION
                + '[[fit.parameter]]\nname = "protocol.bout.0.duration"\nlower = "1 h"\nupper = "3 h"\n',
            ),
            'name = "protocol.bout.0.duration"',
            ("bout 0 overlaps with its own repetition",),
        ),
        (
            fit_text(condition=RACE + '[condition.parameter]\nrelease_gain = "1 ug/h/kg"\n'),
            "free",
            ("release_gain is given in every condition", "leave it out of fit.free"),
        ),
        # ---- priors
        (
            fit_text(fit=_RELEASE + 'prior = "lognormal"\nsd = 0\n'),
            "sd = 0\n",
            ("sd is 0", "it must be more than 0"),
        ),
        (
            fit_text(fit=_RELEASE + 'prior = "lognormal"\nsd = "1 ng/h/kg"\n'),
            'sd = "1',
            ("sd is of the logarithm, a number",),
        ),
        (
            fit_text(fit=_RELEASE + 'prior = "lognormal"\nmedian = "1 ng/h/kg"\nsd = 0.1\n'),
            "prior",
            ("of that lognormal 0 lies between 200 and 10000", "move the middle"),
        ),
        (
            fit_text(fit=_RELEASE + 'prior = "loguniform"\nlower = "0 ng/h/kg"\n'),
            "prior",
            ("a loguniform prior has no place for the lower bound, 0",),
        ),
        (
            fit_text(fit=_RELEASE.replace("[[", 'draw_starts = "prior"\n[[') + 'prior = "none"\n'),
            "draw_starts",
            ("release_gain has no prior to draw starts from", "latin-hypercube"),
        ),
        # ---- the table
        (
            fit_text(data='[data]\nfile = "measurd.csv"\n'),
            "file",
            ('there is no table "measurd.csv"', 'Did you mean "measured.csv"?'),
        ),
        (
            fit_text(condition=RACE.replace('"race"', '"rest"')),
            None,
            ('unknown condition "race"', "(accepted: rest)", "measured.csv:2  condition"),
        ),
        (
            fit_text(observable=IL6.replace("IL6", "IL10")),
            "file",
            ("IL6 was measured (lines 2, 3, 4)", 'analyte = "IL6"', 'ignore = ["IL6"] under [data]'),
        ),
        (
            fit_text(fit=FREE + "study_sd = 0.3\n"),
            "study_sd",
            ("no row says which batch or study it is of", "a column batch"),
        ),
        (
            fit_text(
                fit='[fit]\nfree = ["CL_IL6", "V_IL6", "release_gain", "IL6_rest"]\n'
                '[[fit.parameter]]\nname = "CL_IL6"\nprior = "none"\n'
            ),
            "free",
            ("4 numbers are free, and 3 data tell of them", "(without one: CL_IL6)"),
        ),
    ],
)
def test_what_does_not_fit_is_said_with_line_and_way_out(
    text: str,
    part: str | None,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path, text)
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed
    if part is not None:
        line = line_of(text, part)
        assert re.search(rf"^{re.escape(str(path))}:{line}\s", printed, re.MULTILINE), printed


@pytest.mark.parametrize(
    ("observable", "unit", "words"),
    [
        (IL6, "NPX", ("IL6 is in NPX (line 2)", 'noise = "normal" and batch = "offset"')),
        (IL6, "AU", ("IL6 is in arbitrary units (line 2)", 'batch = "factor"')),
        (
            _NORMAL + 'batch = "offset"\n',
            "pg/mL",
            ('batch = "offset" is for NPX, and IL6 is not (line 2)',),
        ),
        (
            _NORMAL.replace('"3 pg/mL"', '{ lower = "1 pg/mL", upper = "9 pg/mL" }'),
            "fold",
            ("relative in these data",),
        ),
    ],
)
def test_noise_and_batch_that_do_not_go_with_the_unit_of_the_data_are_refused(
    observable: str,
    unit: str,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = table_text(f"R01,race,1,h,IL6,3,{unit}", f"R01,race,2,h,IL6,4,{unit}")
    assert main(["check", str(write(tmp_path, fit_text(observable=observable), table))]) == 3
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed


def test_levels_and_folds_of_one_analyte_need_a_noise_without_a_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_text("R01,race,1,h,IL6,3,pg/mL", "R01,race,2,h,IL6,4,fold")
    assert main(["check", str(write(tmp_path, fit_text(observable=_NORMAL), table))]) == 3
    assert "given as levels (line 2) and folds (line 3)" in capsys.readouterr().out


def test_a_batch_of_two_kinds_of_value_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ("R01,race,1,h,IL6,3,AU,p1", "R01,race,2,h,IL6,4,AU,p1", "R01,race,3,h,IL6,4,fold,p1")
    table = table_text(*rows, header=HEADER + ",batch")
    path = write(tmp_path, fit_text(observable=IL6 + 'batch = "factor"\n'), table)
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    assert 'batch "p1" of IL6 holds both AU and fold' in printed
    assert "measured.csv:4  batch" in printed


def test_a_group_mean_needs_its_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = table_text("group,race,1,h,IL6,3,pg/mL,1.0,8", header=HEADER + ",sd,n")
    path = write(tmp_path, fit_text(observable=IL6.replace("0.2", '"data"')), table)
    assert main(["check", str(path)]) == 3
    assert "the standard error of a group mean of IL6 is not there on line 2" in capsys.readouterr().out


def test_zeros_under_lognormal_noise_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fit_text(), table_text("R01,race,1,h,IL6,0,pg/mL"))
    assert main(["check", str(path)]) == 3
    assert "IL6 is 0 or less, and its noise is log-normal" in capsys.readouterr().out


def test_several_conditions_in_the_data_and_none_in_the_config_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_text("R01,race,1,h,IL6,3,pg/mL", "R01,rest,1,h,IL6,1,pg/mL")
    path = write(tmp_path, fit_text(condition="", head=_BOUT), table)
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    assert 'the table has 2 conditions ("race", "rest") and the config none' in printed
    assert 'write [[condition]] with name = "race"' in printed


def test_times_that_count_from_the_end_need_a_bout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(write(tmp_path, fit_text(condition="")))]) == 3
    assert 'the time counts from the end of a bout, and "race" has none' in capsys.readouterr().out


def test_config_run_configs_and_table_are_checked_in_one_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "race.toml").write_text(
        f'schema = 1\nmodel = "il6_axis"\n[parameter]\nCL_IL66 = "50 L/h"\n{_BOUT}[output]\nuntil = "8 h"\n'
    )
    text = fit_text(condition=RACE.replace("marathon", "race.toml"), fit='[fit]\nfree = ["release_gian"]\n')
    path = write(tmp_path, text, table_text(*ROWS, "R03,race,1,h,IL6,x,pg/mL"))
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'race.toml'}:4  parameter.CL_IL66" in printed
    assert 'no parameter "release_gian"' in printed
    assert f"{tmp_path / 'measured.csv'}:5  value" in printed


def test_a_run_config_says_what_it_lacks_for_a_fit(tmp_path: Path) -> None:
    from exsim.api import read_fit
    from exsim.errors import ConfigError

    with pytest.raises(ConfigError, match=r"says nothing of a fit(.|\n)*add \[data\] with file"):
        read_fit("marathon")


def test_a_wrong_table_alone_is_an_error_of_lab_data(tmp_path: Path) -> None:
    from exsim.api import read_fit
    from exsim.errors import LabDataError

    with pytest.raises(LabDataError, match="not a number"):
        read_fit(write(tmp_path, fit_text(), table_text("R01,race,1,h,IL6,x,pg/mL")))


def test_a_config_in_a_condition_that_is_for_a_fit_itself_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, fit_text(condition=RACE.replace("marathon", "fit.toml")))
    assert main(["check", str(path)]) == 3
    assert "this is a config for exsim fit" in capsys.readouterr().out


def test_the_data_of_an_analyte_may_be_ignored_even_where_the_model_lacks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_text(*ROWS, "R01,race,1,h,CRP,nonsense,mg/dL")
    assert main(["check", str(write(tmp_path, fit_text(data=DATA + 'ignore = ["CRP"]\n'), table))]) == 0
    assert "1 row of CRP left out, as asked" in capsys.readouterr().out
