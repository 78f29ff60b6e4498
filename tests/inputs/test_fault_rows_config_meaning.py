"""Rows 13 to 26 of the fault table, configuration: exit code, words, no traceback, nothing written.

Rows 17 and 18 speak of bounds and priors, which a config takes when it can fit; until then their keys are
unknown, and the bounds that a model's card gives are held against the values of a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exsim.errors import ConfigError
from exsim.inputs.config import read_config, refuse_colliding_names
from exsim.inputs.config_source import MAX_CONFIG_BYTES
from exsim.inputs.run_names import check_run_name, colliding_names, run_folder

BOUT = '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.7\n'
OUTPUT = '[output]\nuntil = "4 h"\n'
HEAD = 'schema = 1\nmodel = "il6_axis"\n'
Refused = Callable[..., str]


def test_row_13_bouts_that_overlap_show_both_intervals(refused: Refused) -> None:
    second = BOUT.replace("0 h", "30 min")
    refused(
        HEAD + OUTPUT + BOUT + second,
        "protocol.bout.1 (0.5 h to 1.5 h) overlaps with protocol.bout.0 (0 h to 1 h)",
        lines=(9,),
    )


def test_row_13_a_repetition_and_intervals_count_as_bouts(refused: Refused) -> None:
    repeated = BOUT + "repeat = { every = '2 h', times = 2 }\n"
    intervals = (
        '[[protocol.bout]]\nstart="1 h"\nintensity=0.9\nintervals={work="30 min",rest="15 min",repeats=2}\n'
    )
    refused(
        HEAD + OUTPUT + repeated + intervals,
        "protocol.bout.1 (1 h to 2.25 h) overlaps with protocol.bout.0, repetition 2 (2 h to 3 h)",
    )


def test_row_13_a_bout_that_overlaps_with_its_own_repetition_is_refused(refused: Refused) -> None:
    refused(HEAD + OUTPUT + BOUT + "repeat = { every = '50 min', times = 2 }\n", "it overlaps with itself")


def test_row_13_bouts_that_touch_do_not_overlap(accepted: Callable) -> None:
    config, warnings = accepted(HEAD + OUTPUT + BOUT + BOUT.replace("0 h", "60 min"))
    assert len(config.spec.protocol.bout) == 2
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOUT.replace("1 h", "5 h"), "(0 h to 5 h) lies outside the simulation (0 h to 4 h)"),
        (BOUT.replace("0 h", "-1 h"), "(-1 h to 0 h) begins before the start"),
        (
            BOUT + "repeat = { every = '2 h', times = 3 }\n",
            "repetition 3 (4 h to 5 h) lies outside the simulation",
        ),
    ],
)
def test_row_13_a_bout_outside_the_simulation_shows_both_intervals(
    refused: Refused, text: str, words: str
) -> None:
    refused(HEAD + OUTPUT + text, words, lines=(5,))


@pytest.mark.parametrize(
    ("intensity", "words"),
    [
        ("1.2", "1.2 lies outside 0 to 100 % of the maximum"),
        ("80", "write 0.8 for 80 %"),
        ("-0.1", "lies outside 0 to 100 %"),
        ('"120 %VO2max"', "lies outside 0 to 100 %"),
        ('"-40 W"', "is a power"),
        ('"260 beats/min"', "impossible heart rate"),
    ],
)
def test_row_14_an_impossible_intensity_is_refused(refused: Refused, intensity: str, words: str) -> None:
    refused(HEAD + OUTPUT + BOUT.replace("0.7", intensity), words, lines=(8,))


def test_row_14_an_impossible_heart_rate_of_the_subject_is_refused(refused: Refused) -> None:
    refused(
        HEAD + OUTPUT + "[subject]\nmaximal_heart_rate = '251 bpm'\n", '"251 bpm" is impossible', lines=(6,)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOUT.replace("0.7", "0.95").replace("1 h", "3 h"), "nobody holds that for an hour"),
        (BOUT.replace("0.7", "0"), "an intensity of 0 is no exercise"),
        ("[subject]\nmaximal_heart_rate = '230 bpm'\n", '"230 bpm" is improbable'),
        ("[subject]\nvo2max = '95 mL/kg/min'\n", "is improbable"),
        (
            "[[protocol.intake]]\nstart = '0 h'\nduration = '1 h'\ncarbohydrate = '200 g/h'\n",
            "more than the gut takes up",
        ),
    ],
)
def test_row_14_an_improbable_value_is_a_warning(accepted: Callable, text: str, words: str) -> None:
    _, warnings = accepted(HEAD + OUTPUT + text)
    assert len(warnings) == 1
    assert words in warnings[0]
    assert "run.toml:" in warnings[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[parameter]\nCL_IL = '50 L/h'\n", 6, ('no parameter "CL_IL"', 'Did you mean "CL_IL6"?')),
        ("[subject.baseline]\nIL1 = '50 pg/mL'\n", 6, ('no resting level of "IL1"', 'Did you mean "IL10"?')),
        (
            '[[protocol.infusion]]\ntarget="IL-6"\nstart="0 h"\nduration="1 h"\nrate="8 ug/h"\n',
            6,
            ('takes no infusion of "IL-6"', 'Did you mean "IL6"?'),
        ),
        ('[[protocol.bolus]]\ntarget="LSP"\ntime="0 h"\ndose="8 ng/kg"\n', 6, ('Did you mean "LPS"?',)),
    ],
)
def test_row_15_what_the_model_lacks_names_the_nearest(
    refused: Refused, text: str, line: int, words: tuple[str, ...]
) -> None:
    refused(HEAD + OUTPUT + text, *words, lines=(line,))


def test_row_15_an_unknown_model_names_the_nearest(refused: Refused) -> None:
    refused('schema = 1\nmodel = "il6_axes"\n' + OUTPUT, 'Did you mean "il6_axis"?', lines=(2,))


def test_row_16_a_value_for_what_a_rule_computes_names_the_rule(refused: Refused) -> None:
    refused(
        HEAD + OUTPUT + "[parameter]\nIL6_clearance = '50 L/h'\n",
        "IL6_clearance is computed by the rule for IL6_clearance",
        "set what it is computed from: CL_IL6",
        lines=(6,),
    )


def test_row_16_a_state_or_an_input_takes_no_value(refused: Refused) -> None:
    refused(
        HEAD + OUTPUT + "[parameter]\nIL6 = '5 pg/mL'\nexercise_intensity = 0.5\n",
        "IL6 is a state of the model",
        "exercise_intensity is an input of the model",
        lines=(6, 7),
    )


def test_row_17_bounds_and_start_values_of_a_fit_stand_under_the_parameter(refused: Refused) -> None:
    # Bounds, scales and starts that are wrong: tests/inputs/test_fit_against_model.py.
    printed = refused(HEAD + "[fit]\nlower = 1.0\nupper = 0.5\n", 'unknown key "lower"', lines=(4, 5))
    assert printed.count("it belongs under [[fit.parameter]]") == 2


def test_row_17_a_value_outside_the_bounds_of_the_model_card_is_a_warning(accepted: Callable) -> None:
    _, warnings = accepted(HEAD + OUTPUT + "[parameter]\nIL10_rest = '50 pg/mL'\n")
    assert len(warnings) == 1
    assert '"50 pg/mL" lies outside the bounds that the model gives it (0.2 to 10 pg/mL)' in warnings[0]


def test_row_18_priors_of_a_sample_are_unknown_keys_of_a_run(refused: Refused) -> None:
    refused(HEAD + OUTPUT + "[sample]\n[sample.prior]\nCL_IL6 = -1\n", 'unknown key "sample"', lines=(5,))


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/x", "a/b", "a\\b", "x\x00y", "CON", "nul.toml", "com1", "LPT9.x", "x.", "", ".x", "-x",
     "x y", "é", "x" * 101],
)  # fmt: skip
def test_row_19_a_run_name_that_is_no_safe_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the name of a run"):
        check_run_name(name)
    with pytest.raises(ConfigError):
        run_folder(tmp_path, name)
    assert os.listdir(tmp_path) == []


def test_row_19_a_config_whose_name_is_no_safe_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my run.toml"
    path.write_text(HEAD + OUTPUT)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert "rename the config file" in str(caught.value)


def test_row_19_a_run_folder_that_is_a_link_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "marathon").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="leads outside"):
        run_folder(tmp_path / "runs", "marathon")
    assert run_folder(tmp_path / "runs", "hiit") == tmp_path / "runs" / "hiit"


def test_row_20_names_that_differ_by_case_or_unicode_form_alone_collide() -> None:
    assert colliding_names(["Run", "other", "run"]) == [("Run", "run")]
    assert colliding_names(["caf\u00e9", "cafe\u0301"]) == [("caf\u00e9", "cafe\u0301")]
    assert colliding_names(["a", "b", "a1"]) == []


def test_row_20_configs_with_colliding_names_are_refused_together(tmp_path: Path) -> None:
    configs = []
    for folder, name in (("one", "Race.toml"), ("two", "race.toml")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / name
        path.write_text(HEAD + OUTPUT)
        configs.append(read_config(path))
    with pytest.raises(ConfigError, match='the names "Race" and "race" are one name'):
        refuse_colliding_names(configs)
    refuse_colliding_names(configs[:1])


def test_row_21_unicode_in_labels_is_kept_in_one_normal_form(accepted: Callable) -> None:
    config, _ = accepted(HEAD + 'label = "Cafe\u0301 → ü 走"\n' + OUTPUT)
    assert config.spec.label == "Caf\u00e9 → ü 走"


def test_row_21_two_keys_that_are_one_in_normal_form_are_refused(refused: Refused) -> None:
    text = HEAD + OUTPUT + '[subject.baseline]\n"caf\u00e9" = "1 pg/mL"\n"cafe\u0301" = "1 pg/mL"\n'
    refused(text, "differ only by Unicode normal form", lines=(7,))


def test_row_22_a_config_of_100_MB_is_refused_unread(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert f"at most {MAX_CONFIG_BYTES:,}" in str(caught.value)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 2000 + "]" * 2000,
        "x = " + "{a=" * 2000 + "1" + "}" * 2000,
        ".".join("a" * 100_000) + " = 1",
    ],
    ids=["arrays", "inline tables", "dotted key"],
)
def test_row_22_deep_nesting_is_refused_without_a_traceback(refused: Refused, text: str) -> None:
    start = time.process_time()
    refused(HEAD + text + "\n" + OUTPUT)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-16", ("UTF-16", "save the file as UTF-8")),
        ("utf-16-le", ("UTF-16", "save the file as UTF-8")),
        ("latin-1", ("byte 0xfc at offset 32", "Latin-1", '"ü"', "save the file as UTF-8")),
    ],
)
def test_row_23_another_encoding_is_named(refused: Refused, encoding: str, words: tuple[str, ...]) -> None:
    refused((HEAD + "# ü\n" + OUTPUT).encode(encoding), *words)


def test_row_23_a_byte_order_mark_and_crlf_are_taken_off_and_recorded(accepted: Callable) -> None:
    config, _ = accepted(b"\xef\xbb\xbf" + (HEAD + OUTPUT).replace("\n", "\r\n").encode())
    assert config.repairs == ("byte order mark taken off", "line ends CRLF read as LF")
    assert config.text == HEAD + OUTPUT


def test_row_24_a_later_schema_names_the_version_that_is_wanted(refused: Refused) -> None:
    printed = refused(
        "schema = 2\nengine = 'il6_axis'\n" + OUTPUT,
        "written for schema 2",
        "this exsim reads schema 1: install a later exsim",
        lines=(1,),
    )
    assert "engine" not in printed, "the keys of a later version are not judged"


def test_row_24_schemas_start_at_one(refused: Refused) -> None:
    refused("schema = 0\nmodel = 'il6_axis'\n" + OUTPUT, "0 is not one of the choices", lines=(1,))


@pytest.mark.parametrize("seed", ["-1", "18446744073709551616", "1.5", "'x'"])
def test_row_25_a_seed_that_is_none_is_refused(refused: Refused, seed: str) -> None:
    refused(HEAD + f"seed = {seed}\n" + OUTPUT, lines=(3,))


def test_row_25_a_missing_seed_is_left_to_be_drawn(accepted: Callable) -> None:
    assert accepted(HEAD + OUTPUT)[0].spec.seed is None
    assert accepted(HEAD + "seed = 7\n" + OUTPUT)[0].spec.seed == 7


def test_row_26_include_is_an_unknown_key(refused: Refused) -> None:
    refused(HEAD + 'include = "other.toml"\n' + OUTPUT, 'unknown key "include"', lines=(3,))
