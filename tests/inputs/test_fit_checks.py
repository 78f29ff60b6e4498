"""A config for a fit that is wrong in itself: every complaint with its line and the way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exsim.cli import main

from .fit_files import DATA, FREE, HEAD, IL6, RACE, fit_text, line_of, write

_RELEASE = '[[fit.parameter]]\nname = "release_gain"\n'


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        (fit_text(fit="[fit]\nfree = []\n"), "free = []", ("nothing is free", 'free = ["release_gain"]')),
        (fit_text(fit="[fit]\nstarts = 3\n"), "[fit]", ('"free" is missing', "under [fit]")),
        (HEAD + DATA + RACE + IL6, None, ('"fit" is missing', '[fit] with free = ["release_gain"]')),
        (fit_text(data=""), None, ('"data" is missing', '[data] with file = "measured.csv"')),
        (fit_text(fit=FREE + "strats = 3\n"), "strats", ('unknown key "strats"', 'Did you mean "starts"?')),
        (
            fit_text(fit=FREE + 'optimiser = "lbgfs"\n'),
            "optimiser",
            ('"lbgfs"', 'Did you mean "lbfgs"?'),
        ),
        (fit_text(fit=FREE + "iterations = 0\n"), "iterations", ("out of range", "at least 1")),
        (fit_text(fit=FREE + "study_sd = 1.5\n"), "study_sd", ("out of range", "at most 1")),
        (fit_text(fit=FREE + "study_sd = 0\n"), "study_sd", ("out of range", "more than 0")),
        (fit_text(fit=FREE + 'budget = "10 kg"\n'), "budget", ("is a mass", "a time is wanted")),
        (fit_text(fit=FREE + 'profile = "release_gain"\n'), "profile", ("wanted an array",)),
        (fit_text(fit=FREE + 'profile = ["k", "k"]\n'), "profile", ('"k" is given twice',)),
        (fit_text(head='[output]\nuntil = "8 h"\n'), "[output]", ("unknown key", "the times of its data")),
        (
            fit_text(fit='[fit]\nfree = ["release_gain", "parameter.release_gain"]\n'),
            "free",
            ('"parameter.release_gain" is free already', "keep one of them"),
        ),
        (
            fit_text(fit='[fit]\nfree = ["protocol.bout.duration"]\n'),
            "free",
            ("does not say which bout", '"protocol.bout.0.start"'),
        ),
        (
            fit_text(fit='[fit]\nfree = ["protcol.bout.0.duration"]\n'),
            "free",
            ("not something that can vary", 'Did you mean "protocol"?'),
        ),
        # ---- files and conditions
        (fit_text(data="[data]\nstrict = true\n"), "[data]", ("neither a table of measurements", "file =")),
        (
            fit_text(data=DATA + 'evidence = "e.csv"\n'),
            "evidence",
            ("both a table of measurements and one of evidence", "keep one of them"),
        ),
        (fit_text(data=DATA + "sd = 0.5\n"), "sd = 0.5", ("sd is not for a table given as file",)),
        (
            fit_text(data='[data]\nevidence = "e.csv"\nstrict = true\n', condition="", observable=""),
            "strict",
            ("strict is not for a table given as evidence", "leave it out"),
        ),
        (
            fit_text(data='[data]\nevidence = "e.csv"\n', condition=""),
            "[[observable]]",
            ("the table of evidence says every observable", "leave it out"),
        ),
        (
            fit_text(data='[data]\nevidence = "e.csv"\n', observable=""),
            "[[condition]]",
            ("the table of evidence says every condition", "leave it out"),
        ),
        (
            fit_text(data='[data]\nfile = "/etc/passwd"\n'),
            "file",
            ("not a file that a config can name", "a path relative to the config"),
        ),
        (fit_text(data=DATA + 'sep = ":"\n'), "sep", ('":" is not one of the choices',)),
        (
            fit_text(data=DATA + '[data.molar_mass]\ncortisol = "362.5 g"\n'),
            "cortisol",
            ("is a mass", "g/mol"),
        ),
        (
            fit_text(condition=RACE + RACE),
            'name = "race"\nprotocol = "marathon"\n[[observable]]',
            ('"race" is condition.0 already', "keep one"),
        ),
        (
            fit_text(condition='[[condition]]\nprotocol = "marathon"\n'),
            "[[condition]]",
            ('"name" is missing', 'write name = "race" under [[condition]]'),
        ),
        (
            fit_text(condition='[[condition]]\nname = "race"\nprotocol = "~/marathon.toml"\n'),
            "protocol",
            ("not a config that a config can name", "a shipped name"),
        ),
        (
            fit_text(condition='[[condition]]\nname = "race"\nprotocol = "maraton"\n'),
            "protocol",
            ('there is no config "maraton"', 'Did you mean "marathon"?'),
        ),
        (
            fit_text(condition=RACE + '[condition.subject]\nbody_mass = "2000 kg"\n'),
            "body_mass",
            ('"2000 kg" is impossible', "2 to 650 kg"),
        ),
        # ---- noise
        (
            fit_text(observable=""),
            None,
            ("does not say what was measured", "write [[observable]] with analyte"),
        ),
        (
            fit_text(observable=IL6 + IL6),
            'analyte = "IL6"\nnoise = "lognormal"\nsd = 0.2\n[fit]',
            ('"IL6" is observable.0 already', "keep one of them"),
        ),
        (
            fit_text(observable='[[observable]]\nanalyte = "IL6"\n'),
            "[[observable]]",
            ('"noise" is missing', '"sd" is missing', "sd = { lower = 0.02, upper = 2.0 }"),
        ),
        (
            fit_text(observable=IL6.replace("0.2", "{ upper = 2.0 }")),
            "sd =",
            ('"lower" is missing', "write lower = 0.02 in sd = { ... }"),
        ),
        (
            fit_text(observable=IL6.replace("0.2", "{ lower = 0, upper = 2.0 }")),
            "sd =",
            ("the lower bound of sd is 0", "noise that runs to 0 explains anything"),
        ),
        (
            fit_text(observable=IL6.replace("0.2", "{ lower = 0.1, uper = 2.0 }")),
            "sd =",
            ('unknown key "uper"', 'Did you mean "upper"?'),
        ),
        (fit_text(observable=IL6.replace("0.2", '"date"')), "sd =", ('"date" is not a number',)),
        (fit_text(observable=IL6.replace("0.2", "true")), "sd =", ("true is not a number", '"data"')),
        (
            fit_text(observable=IL6.replace("lognormal", "gaussian")),
            "noise",
            ('"gaussian" is not one of the choices', "accepted: additive_proportional"),
        ),
        (
            fit_text(observable=IL6 + "proportional = 0.1\n"),
            "proportional",
            ("proportional is not for lognormal noise", "additive_proportional"),
        ),
        (
            fit_text(observable=IL6.replace("lognormal", "additive_proportional")),
            "noise",
            ("additive_proportional needs a proportional part", "proportional = 0.15"),
        ),
        (
            fit_text(
                observable=IL6.replace("lognormal", "additive_proportional").replace("0.2", '"data"')
                + "proportional = 0.1\n"
            ),
            "sd =",
            ("nothing is left in proportion", 'take noise = "normal"'),
        ),
        (
            fit_text(
                observable=IL6.replace("lognormal", "additive_proportional").replace("0.2", '"3 pg/mL"')
                + 'proportional = "data"\n'
            ),
            "proportional =",
            ("data give no proportional part", "write a number"),
        ),
        (fit_text(observable=IL6 + "degrees = 4\n"), "degrees", ("degrees is not for lognormal noise",)),
        (
            fit_text(observable=IL6.replace("lognormal", "student_t") + "degrees = 2\n"),
            "degrees",
            ("a t of 2 degrees of freedom has no standard deviation", "take more than 2"),
        ),
        (fit_text(observable=IL6 + 'unit = "pg/mL"\n'), "unit", ("unit is for a formula", "leave it out")),
        (
            fit_text(observable=IL6 + 'batch = "offset"\n'),
            "batch",
            ('batch = "offset" goes with normal noise, not with lognormal', 'noise = "normal"'),
        ),
        (
            fit_text(observable=IL6 + 'batch = "factor"\n', fit=FREE + "study_sd = 0.3\n"),
            "batch",
            ("study_sd gives it another", "leave out batch, or fit.study_sd"),
        ),
        (
            fit_text(data=DATA + 'ignore = ["IL6"]\n'),
            "analyte",
            ('"IL6" is among the analytes that data.ignore leaves out',),
        ),
        # ---- what is said of a free quantity
        (
            fit_text(fit=FREE + '[[fit.parameter]]\nname = "release_gian"\n'),
            'name = "release_gian"',
            ('"release_gian" is not free', 'Did you mean "release_gain"?', "add it to fit.free"),
        ),
        (
            fit_text(fit=FREE + _RELEASE + _RELEASE),
            None,
            ('"release_gain" is fit.parameter.0 already', "keep one of them"),
        ),
        (fit_text(fit=FREE + _RELEASE + "sd = 0.5\n"), "sd = 0.5", ("sd is for a prior, and none is named",)),
        (
            fit_text(fit=FREE + _RELEASE + 'prior = "lognormal"\nsd = 0.5\nmean = "900 ng/h/kg"\n'),
            "mean",
            ("mean is not for prior = lognormal", "it takes median, sd, cv"),
        ),
        (
            fit_text(fit=FREE + _RELEASE + 'prior = "uniform"\nsd = 0.5\n'),
            "sd = 0.5",
            ("sd is not for prior = uniform", "its bounds are all it has"),
        ),
        (
            fit_text(fit=FREE + _RELEASE + 'prior = "lognormal"\n'),
            "prior",
            ("release_gain: neither sd nor cv", "sd = 0.5 (of the logarithm)"),
        ),
        (
            fit_text(fit=FREE + _RELEASE + 'prior = "normal"\nsd = "1 ng/h/kg"\ncv = 0.1\n'),
            "prior",
            ("release_gain: both sd and cv", "or cv = 0.3"),
        ),
        (
            fit_text(fit=FREE + _RELEASE + 'lower = "much"\n'),
            "lower",
            ('"much" is not a number with a unit',),
        ),
        (fit_text(fit=FREE + _RELEASE + 'per = "batch"\n'), "per", ('"batch" is not one of the choices',)),
        (
            fit_text(head='[solver]\nprecision = "float32"\n'),
            "precision",
            ("a fit is computed in float64", "leave precision out"),
        ),
    ],
)
def test_what_is_wrong_is_said_with_line_and_way_out(
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


def test_all_problems_are_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = fit_text(
        condition='[[condition]]\nname = "race"\nprotocol = "maraton"\n',
        observable=IL6 + "degrees = 4\n",
        fit="[fit]\nfree = []\nstart = 3\n",
    )
    assert main(["check", str(write(tmp_path, text))]) == 3
    printed = capsys.readouterr().out
    for word in ("maraton", "degrees", "nothing is free", 'unknown key "start"'):
        assert word in printed


def test_what_is_wrong_in_the_config_of_a_condition_is_said_with_its_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "race.toml").write_text('schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "8 kg"\n')
    text = fit_text(condition=RACE.replace("marathon", "race.toml"), observable=IL6 + "degrees = 4\n")
    assert main(["check", str(write(tmp_path, text))]) == 3
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'race.toml'}:4  output.until" in printed
    assert "degrees is not for lognormal noise" in printed


def test_a_protocol_that_no_condition_takes_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bout = '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.7\n'
    assert main(["check", str(write(tmp_path, fit_text(head=bout)))]) == 0
    assert "each has a protocol of its own" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["simulate", "sweep"])
def test_other_commands_say_that_it_is_a_config_for_a_fit(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, fit_text())
    assert main([command, str(path), "--out", str(tmp_path / "out")]) == 3
    printed = capsys.readouterr().err
    assert "this is a config for exsim fit" in printed
    assert f"run exsim fit {path}" in printed
    assert not (tmp_path / "out").exists()
