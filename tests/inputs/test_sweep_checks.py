"""A `[sweep]` that is wrong: every complaint with its line and the way out, all of them at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Refused

RUN = """# What varies?
schema = 1
model = "il6_axis"
[[protocol.bout]]
start = "0 h"
duration = "2 h"
intensity = 0.7
[output]
until = "8 h"
"""
KEPT = '[sweep.metrics]\nIL6 = ["peak"]\n'
CLEARANCE = '[[sweep.vary]]\ntarget = "parameter.CL_IL6"\n'
RANGE = CLEARANCE + 'range = ["20 L/h", "60 L/h"]\n'
FIRST_LINE = RUN.count("\n") + 1


def _sweep(head: str = "draws = 100\n", vary: str = RANGE, kept: str = KEPT) -> str:
    return f"{RUN}[sweep]\n{head}{vary}{kept}"


def _line(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        (_sweep(head=""), "[sweep]", ("how many draws?", "write draws = 10_000")),
        (_sweep(head="draw = 100\n"), "draw = 100", ('unknown key "draw"', 'Did you mean "draws"?')),
        (_sweep(head='draws = 100\ndesign = "sobl"\n'), "design", ('"sobl"', 'Did you mean "sobol"?')),
        (_sweep(vary=""), "[sweep]", ("does not say what varies", "[[sweep.vary]]")),
        (_sweep(kept=""), "[sweep]", ("does not say what to keep", "[sweep.metrics]")),
        (_sweep(kept="[sweep.metrics]\nIL6 = []\n"), "IL6 = []", ("no metrics of IL6", "leave it out")),
        (
            _sweep(kept='[sweep.metrics]\nIL6 = ["peek"]\n'),
            'IL6 = ["peek"]',
            ('"peek" is not a metric', 'Did you mean "peak"?'),
        ),
        (
            _sweep(kept='[sweep.metrics]\nIL6 = ["peak", "peak"]\n'),
            'IL6 = ["peak", "peak"]',
            ('"peak" is given twice', "keep one of them"),
        ),
        (
            _sweep(kept='[sweep.metrics]\nIL66 = ["peak"]\n'),
            "IL66",
            ('no analyte "IL66"', 'Did you mean "IL6"?'),
        ),
        (
            _sweep(kept='[sweep.metrics]\nIL6 = ["time_above 10 kg"]\n'),
            "IL6 = [",
            ('"kg" is a mass', 'give it in "pg/mL"'),
        ),
        (
            _sweep(kept='[sweep.metrics]\nIL6 = ["value_at 9 h"]\n'),
            "IL6 = [",
            ('"value_at 9 h" looks at 9 h', "outside the simulation (0 h to 8 h)"),
        ),
        (_sweep(head='draws = 100\nbands = ["IL7"]\n'), "bands", ('no analyte "IL7"', 'Did you mean "IL6"?')),
        (
            _sweep(head='draws = 100\ntrajectories = ["IL6", "IL6"]\n'),
            "trajectories",
            ('"IL6" is given twice', "keep one of them"),
        ),
        (_sweep(vary=CLEARANCE), "target =", ("neither a range nor a distribution", "write range")),
        (
            _sweep(vary=CLEARANCE.replace("target", "tarqet") + "cv = 0.2\n"),
            "tarqet",
            ('unknown key "tarqet"', 'Did you mean "target"?'),
        ),
        (
            _sweep(vary='[[sweep.vary]]\nrange = ["1 h", "2 h"]\n'),
            "[[sweep.vary]]",
            ('"target" is missing', 'write target = "parameter.release_gain" under [[sweep.vary]]'),
        ),
        (
            _sweep(vary=RANGE + "sd = 0.5\n"),
            "sd = 0.5",
            ("sd is not for a range", "leave it out"),
        ),
        (
            _sweep(vary=RANGE + 'distribution = "normal"\n'),
            'range = ["20',
            ("a normal distribution has no range", "lower and upper"),
        ),
        (
            _sweep(vary=CLEARANCE + 'distribution = "lognormal"\n'),
            "distribution =",
            ("neither sd nor cv", "write sd = 0.5"),
        ),
        (
            _sweep(vary=CLEARANCE + 'distribution = "normal"\nsd = "9 L/h"\ncv = 0.2\n'),
            "distribution =",
            ("both sd and cv",),
        ),
        (
            _sweep(vary=CLEARANCE + 'distribution = "lognormal"\nsd = 0.5\nmean = "50 L/h"\n'),
            "mean =",
            ("mean is not for a lognormal", "median"),
        ),
        (_sweep(vary=RANGE + "points = 3\n"), "points", ("points is not for a range", 'design = "grid"')),
        (_sweep(vary=RANGE + RANGE), "", ('"parameter.CL_IL6" varies in sweep.vary.0 already',)),
        (
            _sweep(vary=CLEARANCE + 'range = ["60 L/h", "20 L/h"]\n'),
            "range =",
            ("is not below the highest", 'write range = ["20 L/h", "60 L/h"]'),
        ),
        (
            _sweep(vary=CLEARANCE + 'range = ["2 kg", "3 kg"]\n'),
            "range =",
            ('"kg" is a mass', 'give it in "L/h"'),
        ),
        (
            _sweep(vary=CLEARANCE.replace("CL_IL6", "CL_IL66") + "cv = 0.2\ndistribution = 'normal'\n"),
            "target =",
            ('has no parameter "CL_IL66"', 'Did you mean "CL_IL6"?'),
        ),
        (_sweep(head='draws = 100\nfile = "a.csv"\n'), "file =", ("reads no file", 'design = "table"')),
        (_sweep(head='design = "table"\n', vary=CLEARANCE), "[sweep]", ("file is missing", "draws.csv")),
        (
            _sweep(head='design = "table"\nfile = "/etc/passwd"\n', vary=CLEARANCE),
            "file =",
            ("not a file that a config can name", "relative to the config"),
        ),
        (
            _sweep(head='design = "table"\nfile = "no.csv"\ndraws = 3\n', vary=CLEARANCE),
            "draws =",
            ("the rows of the file say how many", "leave draws out"),
        ),
        (
            _sweep(head='design = "saltelli"\ndraws = 1000\n'),
            "draws = 1000",
            ("1,000 base draws are not a power of two", "write 512 or 1024"),
        ),
        (
            _sweep(head='design = "saltelli"\ndraws = 536_870_912\n'),
            "draws =",
            ("are 1,610,612,736 draws", "at most 1,000,000,000"),
        ),
        (
            _sweep(head='design = "grid"\ndraws = 9\n', vary=RANGE + "points = 3\n"),
            "draws",
            ("leave draws out",),
        ),
        (_sweep(head='design = "grid"\n'), "range =", ("how many points?", "write e.g. points = 12")),
        (_sweep(head='design = "grid"\n', vary=CLEARANCE), "target =", ("neither values nor a range",)),
        (
            _sweep(head='design = "grid"\n', vary=RANGE + 'points = 3\nvalues = ["20 L/h"]\n'),
            "values =",
            ("both values and a range", "keep one of them"),
        ),
        (
            _sweep(head='design = "grid"\n', vary=CLEARANCE + "values = []\n"),
            "values =",
            ("no values",),
        ),
        (
            _sweep(head='design = "grid"\n', vary=CLEARANCE + 'values = ["20 L/h", "20 L/h"]\n'),
            "values =",
            ("a value is given twice",),
        ),
        (
            _sweep(
                head='design = "grid"\n',
                vary=RANGE
                + "points = 100_000\n"
                + RANGE.replace("CL_", "V_").replace("L/h", "L")
                + "points = 20_000\n",
            ),
            "[[sweep.vary]]",
            ("100,000 x 20,000 = 2,000,000,000 draws", "at most 1,000,000,000"),
        ),
    ],
)
def test_a_wrong_sweep_is_refused_with_its_line_and_the_way_out(
    refused: Refused, text: str, part: str, words: tuple[str, ...]
) -> None:
    refused(text, *words, lines=(_line(text, part),) if part else ())


def test_all_that_is_wrong_with_a_sweep_is_said_at_once(refused: Refused) -> None:
    text = _sweep(
        head='draws = 0\nengine = "thread"\n',
        vary=CLEARANCE + 'distribution = "lognormal"\n' + '[[sweep.vary]]\ntarget = "body_mass"\ncv = 0.1\n',
        kept='[sweep.metrics]\nIL6 = ["peak", "time_abov 3 pg/mL"]\n',
    )
    printed = refused(
        text, '"thread"', "0 is out of range", "neither sd nor cv", "parameter.body_mass", "time_abov"
    )
    assert "5 problems" in printed


def test_all_targets_that_do_not_fit_the_model_are_said_at_once(refused: Refused) -> None:
    text = _sweep(
        vary=CLEARANCE.replace("CL_IL6", "CLIL6") + "cv = 0.2\ndistribution = 'normal'\n"
        '[[sweep.vary]]\ntarget = "protocol.bout.1.start"\nrange = ["0 h", "1 h"]\n'
        '[[sweep.vary]]\ntarget = "subject.baseline.IL8"\nrange = ["1 pg/mL", "2 pg/mL"]\n',
    )
    printed = refused(text, 'Did you mean "CL_IL6"', 'no bout "1"', 'no resting level of "IL8"')
    assert "3 problems" in printed


CORRELATED = (
    RANGE
    + RANGE.replace("CL_IL6", "k_IL10").replace("20 L/h", "0.5 1/h").replace("60 L/h", "2 1/h")
    + RANGE.replace("CL_IL6", "k_TNF").replace("20 L/h", "0.5 1/h").replace("60 L/h", "2 1/h")
)


def _pair(first: str, second: str, coefficient: float) -> str:
    return (
        f'[[sweep.correlation]]\nbetween = ["parameter.{first}", "parameter.{second}"]\n'
        f"coefficient = {coefficient}\n"
    )


def test_correlations_that_contradict_each_other_are_named(refused: Refused) -> None:
    text = _sweep(
        vary=CORRELATED
        + _pair("CL_IL6", "k_IL10", 0.9)
        + _pair("k_IL10", "k_TNF", 0.9)
        + _pair("CL_IL6", "k_TNF", -0.9)
    )
    printed = refused(
        text,
        "parameter.CL_IL6 and parameter.k_IL10 0.9; parameter.k_IL10 and parameter.k_TNF 0.9; "
        "parameter.CL_IL6 and parameter.k_TNF -0.9",
        "weaken one; with all of them times 0.5",
        lines=(_line(text, "coefficient = 0.9"),),
    )
    factor = float(printed.partition("all of them times ")[2].split()[0])
    assert 0.5 <= factor < 1 / 1.8


@pytest.mark.parametrize(
    ("head", "pairs", "words"),
    [
        ("draws = 64\n", _pair("CL_IL6", "k_IL11", 0.3), ('"parameter.k_IL11" does not vary', "k_IL10")),
        ("draws = 64\n", _pair("CL_IL6", "CL_IL6", 0.3), ("a target with itself",)),
        (
            "draws = 64\n",
            _pair("CL_IL6", "k_TNF", 0.3) + _pair("k_TNF", "CL_IL6", 0.3),
            ("has a correlation in sweep.correlation.0 already",),
        ),
        ("draws = 64\n", _pair("CL_IL6", "k_TNF", 1.5), ("1.5 is out of range", "less than 1")),
        (
            'draws = 64\ndesign = "saltelli"\n',
            _pair("CL_IL6", "k_TNF", 0.3),
            ("takes no correlation", '"sobol"'),
        ),
    ],
)
def test_a_wrong_correlation_is_refused(
    refused: Refused, head: str, pairs: str, words: tuple[str, ...]
) -> None:
    refused(_sweep(head=head, vary=CORRELATED + pairs), *words)


DURATION = '[[sweep.vary]]\ntarget = "protocol.bout.0.duration"\n'
START = '[[sweep.vary]]\ntarget = "protocol.bout.0.start"\n'
SECOND = '[[protocol.bout]]\nstart = "4 h"\nduration = "1 h"\nintensity = 0.5\n'


@pytest.mark.parametrize(
    ("protocol", "vary", "words"),
    [
        (
            "",
            DURATION + 'range = ["1 h", "8 h"]\n' + START + 'range = ["0 h", "1 h"]\n',
            ("in some draws bout 0 ends at 9 h", "(0 h to 8 h)", 'set output.until to "9 h"'),
        ),
        (
            SECOND,
            DURATION + 'range = ["1 h", "5 h"]\n',
            ("in some draws bout 1 overlaps with bout 0", "one starts at 4 h, the other ends at 5 h"),
        ),
        ("", DURATION + 'range = ["0 h", "5 h"]\n', ("has no length", "more than 0 h")),
        (
            'repeat = { every = "2 h", times = 3 }\n',
            DURATION + 'range = ["1 h", "3 h"]\n',
            ("in some draws bout 0 lasts 3 h and is repeated every 2 h",),
        ),
        (
            'repeat = { every = "3 h", times = 3 }\n'
            + SECOND.replace("1 h", "30 min").replace("4 h", "2.1 h"),
            '[[sweep.vary]]\ntarget = "protocol.bout.1.start"\nrange = ["2 h", "2.6 h"]\n',
            ("in some draws bout 1 overlaps with bout 0", "one starts at 3 h, the other ends at 3.1 h"),
        ),
        (
            '[[protocol.intake]]\ncarbohydrate = "60 g/h"\nstart = "end + 1 h"\nduration = "2 h"\n',
            DURATION + 'range = ["1 h", "6 h"]\n',
            ("in some draws intake 0 lasts to 9 h", "outside the simulation"),
        ),
        (
            '[[protocol.bolus]]\ntarget = "LPS"\ndose = "1 ng/kg"\ntime = "end - 1 h"\n',
            DURATION + 'range = ["30 min", "6 h"]\n',
            ("in some draws bolus 0 begins at -0.5 h", "before the start"),
        ),
    ],
)
def test_bouts_and_doses_lie_right_at_both_ends_of_every_range(
    refused: Refused, protocol: str, vary: str, words: tuple[str, ...]
) -> None:
    text = _sweep(vary=vary).replace("[output]", protocol + "[output]")
    refused(text, *words)


def test_ranges_that_keep_bouts_apart_are_taken(accepted: Callable) -> None:
    text = _sweep(
        vary=DURATION
        + 'range = ["1 h", "4 h"]\n[[sweep.vary]]\ntarget = "protocol.bout.1.start"\nrange = ["4 h", "7 h"]\n'
    ).replace("[output]", SECOND + "[output]")
    assert accepted(text)[1] == []


def test_repetitions_that_move_together_do_not_overlap(accepted: Callable) -> None:
    text = _sweep(vary='[[sweep.vary]]\ntarget = "protocol.bout.0.start"\nrange = ["0 h", "2 h"]\n')
    text = text.replace("intensity = 0.7\n", 'intensity = 0.7\nrepeat = { every = "2.5 h", times = 2 }\n')
    assert accepted(text)[1] == []


def test_metrics_look_inside_the_simulation_in_every_draw(refused: Refused) -> None:
    text = _sweep(
        vary=DURATION + 'range = ["1 h", "6 h"]\n', kept='[sweep.metrics]\nIL6 = ["value_at end + 3 h"]\n'
    )
    refused(text, 'in some draws "value_at end + 3 h" looks at 9 h', "make the simulation longer")


def test_output_times_from_the_end_of_a_bout_that_varies_are_refused(refused: Refused) -> None:
    text = _sweep(vary=DURATION + 'range = ["1 h", "6 h"]\n')
    text = text.replace('until = "8 h"\n', 'until = "8 h"\ntimes = ["1 h", "end + 1 h"]\n')
    refused(text, '"end + 1 h" is another time in every draw', "count them from the start")


def test_two_targets_for_one_parameter_are_refused(refused: Refused) -> None:
    mass = '[[sweep.vary]]\ntarget = "{}"\nrange = ["60 kg", "90 kg"]\n'
    text = _sweep(vary=mass.format("subject.body_mass") + mass.format("parameter.body_mass"))
    refused(text, "parameter.body_mass and subject.body_mass are both body_mass")


def test_draws_outside_the_bounds_of_the_card_are_a_warning(accepted: Callable) -> None:
    wide = _sweep(vary=CLEARANCE + 'range = ["20 L/h", "180 L/h"]\n')
    assert "50% of draws lie outside the bounds that the model gives (20 to 100 L/h)" in accepted(wide)[1][0]
    assert accepted(_sweep())[1] == []


def test_a_distribution_that_is_mostly_cut_off_is_a_warning(accepted: Callable) -> None:
    text = _sweep(vary=CLEARANCE + 'distribution = "normal"\ncv = 0.1\nlower = "65 L/h"\nupper = "90 L/h"\n')
    assert "of the distribution lies outside its limits and is cut off" in accepted(text)[1][0]


def test_a_nominal_value_that_also_varies_is_taken(accepted: Callable) -> None:
    config, warnings = accepted(_sweep() + '[parameter]\nCL_IL6 = "40 L/h"\n')
    assert warnings == []
    assert config.spec.sweep.vary[0].target == "parameter.CL_IL6"


def test_set_reaches_into_a_sweep(refused: Refused, tmp_path, capsys) -> None:
    from exsim.inputs.config import read_config

    path = tmp_path / "run.toml"
    path.write_text(_sweep(), encoding="utf-8")
    spec = read_config(path, ["sweep.draws=7", "sweep.vary.0.range=['1 L/h', '2 L/h']"]).spec
    assert spec.sweep is not None
    assert spec.sweep.draws == 7
    assert str(spec.sweep.vary[0].range[1]) == "2 L/h"  # type: ignore[index]
