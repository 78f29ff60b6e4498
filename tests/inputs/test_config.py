"""Reading a config: every complaint at once, overrides, and no text that breaks the reader."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exsim.cli import main
from exsim.errors import ConfigError
from exsim.inputs.config import read_config, read_fit_config
from exsim.inputs.shipped import shipped_configs
from exsim.spec import RunSpec
from exsim.units import Quantity

MARATHON = """# What does a marathon do?
schema = 1
model = "il6_axis"

[subject]
body_mass = "72 kg"

[[protocol.bout]]
start = "0 h"
duration = "3.43 h"
intensity = 0.80
modality = "running"

[output]
until = "8 h"
every = "2 min"
"""


def _write(folder: Path, text: str, name: str = "run.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _refused(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(_write(folder, text), overrides)
    return str(caught.value)


def test_a_config_is_read_with_its_name_text_and_hash(tmp_path: Path) -> None:
    config = read_config(_write(tmp_path, MARATHON, "marathon.toml"))
    assert config.name == "marathon"
    assert config.text == MARATHON
    assert config.sha256 == hashlib.sha256(MARATHON.encode()).hexdigest()
    assert config.repairs == config.warnings == ()
    assert config.spec.protocol.bout[0].duration == Quantity(3.43, "h")
    assert config.spec.subject.body_mass == Quantity(72.0, "kg")


def test_five_mistakes_give_five_messages_with_their_lines_in_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = MARATHON.replace('"72 kg"', "72").replace("3.43 h", "3.43 km").replace("0.80", "1.8")
    path = _write(tmp_path, text.replace("running", "runing").replace("every", "evry"))
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    found = [line for line in printed.splitlines() if line.startswith(f"{path}:") and ": config" not in line]
    assert found == [
        f"{path}:6  subject.body_mass",
        f"{path}:10  protocol.bout.0.duration",
        f"{path}:11  protocol.bout.0.intensity",
        f"{path}:12  protocol.bout.0.modality",
        f"{path}:16  output.evry",
    ]
    assert "Traceback" not in printed


def test_a_mistake_in_one_bout_does_not_hide_the_overlap_of_two_others(tmp_path: Path) -> None:
    bout = '[[protocol.bout]]\nstart = "{}"\nduration = "2 h"\nintensity = {}\n'
    text = MARATHON + bout.format("4 h", '"hgih"') + bout.format("5 h", 0.5)
    message = _refused(tmp_path, text + '[solver]\nrtol = "x"\n')
    assert "protocol.bout.2 (5 h to 7 h) overlaps with protocol.bout.1 (4 h to 6 h)" in message
    assert 'Did you mean "high"?' in message
    assert "solver.rtol" in message


def test_a_table_inside_a_bout_is_shown_as_it_can_be_written(tmp_path: Path) -> None:
    message = _refused(
        tmp_path,
        MARATHON.replace('modality = "running"', "repeat = 3\nintervals = 4\ntimes = 2").replace(
            'start = "0 h"\n', ""
        ),
    )
    assert 'write repeat = { every = "24 h", times = 7 }' in message
    assert 'write intervals = { work = "4 min", rest = "3 min", repeats = 4 }' in message
    assert 'write start = "0 h" under [[protocol.bout]]' in message
    assert "it belongs in repeat = { ... }" in message
    message = _refused(tmp_path, MARATHON.replace('modality = "running"', 'repeat = { every = "24 h" }'))
    assert "write times = 7 in repeat = { ... }" in message


@pytest.mark.parametrize(
    ("intensity", "words"),
    [
        ('"hihg"', 'Did you mean "high"?'),
        ('"140 %VO2max"', "lies outside 0 to 100 %"),
        ('"140 %Wmax"', "lies outside 0 to 100 %"),
        ('"75 %HRR"', "needs subject.vo2max"),
        ("80", "write 0.8 for 80 %"),
    ],
)
def test_a_wrong_modality_does_not_hide_a_wrong_intensity(tmp_path: Path, intensity: str, words: str) -> None:
    text = MARATHON.replace('"running"', '"knee"').replace("0.80", intensity)
    message = _refused(tmp_path, text)
    assert 'Did you mean "knee_extension"?' in message
    assert words in message


@pytest.mark.parametrize("intensity", ["0.5", '"40 %Wmax"', '"70 %1RM"', '"60 %VO2max"'])
def test_a_wrong_modality_is_no_reason_against_an_intensity(tmp_path: Path, intensity: str) -> None:
    text = MARATHON.replace('"running"', '"rowing"').replace("0.80", intensity) + "legs = 1\n"
    message = _refused(tmp_path, text.replace("legs = 1\n", "").replace("[output]", "legs = 1\n[output]"))
    assert '"rowing" is not one of the choices' in message
    assert "protocol.bout.0.intensity" not in message
    assert "protocol.bout.0.legs" not in message


@pytest.mark.parametrize(
    ("old", "new", "way_out", "never"),
    [
        ('"72 kg"', '"150 lb"', "1 lb is 0.4536 kg", '"L"'),
        ('"72 kg"', '"72 kk"', "(known: kg, g, mg, ug, ng, pg,", "mL"),
        ('"8 h"', '"8"', 'write it with its unit, e.g. "60 min"', "ug/h"),
        ('"8 h"', '"8 weak"', 'Did you mean "week"?', "mol"),
    ],
)
def test_a_unit_that_is_proposed_has_the_right_dimension(
    tmp_path: Path, old: str, new: str, way_out: str, never: str
) -> None:
    message = _refused(tmp_path, MARATHON.replace(old, new))
    assert way_out in message
    assert never not in message


def test_a_problem_of_an_array_element_has_the_line_of_that_element(tmp_path: Path) -> None:
    message = _refused(tmp_path, MARATHON + 'times = [\n  "1 h",\n  "2 kg",\n]\n')
    assert f"{tmp_path / 'run.toml'}:19  output.times.1" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MARATHON.replace('duration = "3.43 h"\n', ""), "neither duration nor intervals"),
        (
            MARATHON.replace(
                'modality = "running"', 'intervals = { work = "4 min", rest = "3 min", repeats = 4 }'
            ),
            "both duration and intervals",
        ),
        (
            MARATHON + '[[protocol.bolus]]\ntarget="LPS"\ndose="1 ng/kg"\ntime="end + 5 h"\n',
            "(8.43 h) lies outside",
        ),
        (
            MARATHON + '[[protocol.bolus]]\ntarget="LPS"\ndose="1 ng/kg"\ntime="end - 4 h"\n',
            "begins before the start",
        ),
        (MARATHON + '[[protocol.bolus]]\ntarget="LPS"\ndose="-1 ng/kg"\ntime="1 h"\n', "is negative"),
        (
            MARATHON + '[[protocol.infusion]]\ntarget="IL6"\nrate="1 ug/h"\nstart="7 h"\nduration="2 h"\n',
            "the infusion (7 h to 9 h) lies outside the simulation (0 h to 8 h)",
        ),
        (MARATHON.replace("running", "cycling") + "[solver]\nprecision='float32'\nrtol=1e-7\n", "float32"),
        (MARATHON.replace('"running"', '"cycling"\nlegs = 1'), "legs is for knee_extension"),
        (MARATHON.replace('"running"', '"running"\nactive_muscle = "80 kg"'), 'a body of "72 kg"'),
        (MARATHON.replace("72 kg", "7 g"), "is impossible"),
        (
            MARATHON.replace('"running"', '"running"\nrepeat = { every = "1 h", times = 10000 }'),
            "stretches of work",
        ),
        (MARATHON + "times = []\n", "no output times"),
        (MARATHON.replace("il6_axis", "/etc/passwd"), "is not a model that a config can name"),
        (MARATHON.replace("il6_axis", "https://example.org/m.xml"), "is not a model that a config can name"),
        (MARATHON.replace("il6_axis", ""), "the text is empty"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_computed(
    tmp_path: Path, text: str, words: str
) -> None:
    assert words in _refused(tmp_path, text)


def test_a_time_from_the_end_of_a_bout_needs_a_bout(tmp_path: Path) -> None:
    text = 'schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "8 h"\ntimes = ["1 h", "end + 1 h"]\n'
    message = _refused(tmp_path, text)
    assert (
        'run.toml:5  output.times.1\n  "end + 1 h" counts from the end of a bout, and there is none'
        in message
    )


def test_times_count_from_the_end_of_the_last_bout(tmp_path: Path) -> None:
    config = read_config(_write(tmp_path, MARATHON + 'times = ["1 h", "end", "end + 1.5 h"]\n'))
    assert "every is not used" in config.warnings[0]
    assert [round(item.hours(config.spec.protocol.end_h), 9) for item in config.spec.output.times] == [
        1,
        3.43,
        4.93,
    ]


# ---- files -------------------------------------------------------------------------------------------


def test_a_missing_file_names_the_nearest_beside_it(tmp_path: Path) -> None:
    _write(tmp_path, MARATHON, "marathon.toml")
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "maraton.toml")
    assert f'Did you mean "{tmp_path / "marathon.toml"}"?' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "folder"), [("marathon", "simulate"), ("marathon_runners", "sweep")], ids=["simulate", "sweep"]
)
def test_a_shipped_config_of_any_command_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_config(Path(name))
    assert (found.name, found.path.parent.name) == (name, folder)


def test_a_file_goes_before_a_shipped_config_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path, MARATHON, "marathon")
    assert read_config(Path("marathon")).path == Path("marathon")


@pytest.mark.parametrize("name", ["sweep/marathon_runners", "marathon_runners.toml"])
def test_a_path_is_no_name_of_a_shipped_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        read_config(Path(name))


def test_of_two_shipped_configs_of_one_name_that_of_the_command_is_meant() -> None:
    names = [Path(item).stem for item in shipped_configs()]
    assert {name for name in names if names.count(name) > 1} == {"marathon_1998"}
    assert read_fit_config(Path("marathon_1998")).path.parent.name == "fit"
    assert read_fit_config(Path("marathon_1998"), folder="sample").path.parent.name == "sample"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("maraton", 'Did you mean "marathon"?'),
        ("maraton_runners", 'Did you mean "marathon_runners"?'),
        ("il6_axis", 'name a config with model = "il6_axis" in it'),
        ("il6_axes", 'Did you mean "il6_axis"?'),
        ("zzzz", "(shipped: "),
    ],
)
def test_a_name_that_is_no_shipped_config_gets_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_config(Path(name))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.80", '"vigorous"', 'Did you mean "high"?'),
        ("0.80", '"70% VO2 max"', 'write "70 %VO2max"'),
        ("0.80", '"62.5 % HR max"', 'write "62.5 %HRmax"'),
        ('"72 kg"', '"72,5 kg"', 'write the decimal point as ".": "72.5 kg"'),
        ('"72 kg"', '"9 ng per kg"', 'write "/"'),
        ('every = "2 min"', 'times = "1 h, 2 h"', 'write times = ["1 h", "2 h"]'),
        ("[[protocol.bout]]", "[protocol.bout]", "found a table, wanted an array"),
    ],
)
def test_what_a_physiologist_would_write_gets_the_way_to_write_it(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert words in _refused(tmp_path, MARATHON.replace(old, new))


def test_a_folder_is_not_a_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder, not a config file"):
        read_config(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.toml")
    with pytest.raises(ConfigError, match="is not a regular file"):
        read_config(tmp_path / "run.toml")


# ---- --set -------------------------------------------------------------------------------------------


def test_overrides_replace_values_as_if_they_stood_in_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, MARATHON)
    config = read_config(
        path,
        [
            "protocol.bout.0.duration='4 h'",
            "protocol.bout.0.modality=cycling",
            "solver.rtol=1e-8",
            "parameter.CL_IL6=50 L/h",
            "parameter.R1.k=3 1/h",
            'output.times=["1 h", "2 h"]',
            "output.sort=true",
        ],
    )
    assert config.spec.protocol.bout[0].duration == Quantity(4.0, "h")
    assert config.spec.protocol.bout[0].modality == "cycling"
    assert config.spec.solver.rtol == 1e-8
    assert config.spec.parameter == {"CL_IL6": Quantity(50.0, "L/h"), "R1.k": Quantity(3.0, "1/h")}
    assert len(config.spec.output.times) == 2
    assert config.spec.output.sort is True
    assert config.text == MARATHON
    assert read_config(path).spec.protocol.bout[0].duration == Quantity(3.43, "h")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("protocol.bout.0.duration='4 km'", "protocol.bout.0.duration\n"),
        ("protocol.bout.0.intesity=0.5", 'Did you mean "intensity"?'),
        ("protocol.bout.0.duration=4", "4 has no unit"),
        ("protocol.bout.1.duration=4 h", 'no entry "1": there is one, entry 0'),
        ("protocol.intake.0.start=4 h", "there are none"),
        ("model.name=x", '"name" is asked for inside a plain value'),
        ("solver.rtol", "is not KEY=VALUE"),
        ("=3", "is not KEY=VALUE"),
        ("a..b=3", "is not KEY=VALUE"),
        ("solver.rtol=1\nschema = 2", "wanted a number"),
    ],
)
def test_a_problem_in_an_override_names_the_override(tmp_path: Path, override: str, words: str) -> None:
    message = _refused(tmp_path, MARATHON, override)
    assert message.startswith(f"--set {override}")
    assert words in message


def test_a_problem_that_an_override_causes_elsewhere_mentions_it(tmp_path: Path) -> None:
    message = _refused(tmp_path, MARATHON, "protocol.bout.0.duration=9 h")
    assert "run.toml:8  protocol.bout.0" in message
    assert "(with --set protocol.bout.0.duration=9 h)" in message


def test_problems_of_the_file_and_of_overrides_come_together(tmp_path: Path) -> None:
    message = _refused(tmp_path, MARATHON.replace("72 kg", "72"), "solver.rtol", "seed=-1")
    assert '"72" has no unit' in message
    assert "--set solver.rtol" in message
    assert "--set seed=-1" in message


# ---- any input at all --------------------------------------------------------------------------------

_LINES = """schema = 1
model = "il6_axis"|[output]|until = "8 h"|every = "2 min"|[[protocol.bout]]|start = "0 h"
duration = "1 h"|intensity = 0.5|intensity = "75 %HRR"|[subject]
body_mass = "72 kg"|[parameter]|CL_IL6 = "5 L"
[protocol]|bout = 3|bout = [3, {}]|times = ["1 h", 3, "end"]|[[protocol.bolus]]|time = "end"|dose = "1 ng/kg"
[solver]|rtol = nan|repeat = { every = '1 s', times = 10000 }|intervals = { work = '1 h' }|"|'''|[|\\|é|# c
legs = true|a.b = 1"""
_HUGE = ["x = 0x" + "f" * 5000 + "\n", "y = 1" + "0" * 5000 + "\n"]
_pieces = st.sampled_from([*_LINES.replace("|", "\n").splitlines(keepends=True), "\r", "\x00", *_HUGE])
_texts = st.one_of(
    st.lists(_pieces, max_size=14).map("".join),
    st.text(max_size=60).map(lambda text: MARATHON + text),
    st.builds(
        lambda at, cut, new: MARATHON[:at] + new + MARATHON[at + cut :],
        st.integers(0, len(MARATHON)),
        st.integers(0, 12),
        st.text(alphabet='0123456789.h %"=[]{}\n\t-+e', max_size=6),
    ),
)


@settings(max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(_texts.map(str.encode), st.binary(max_size=60)))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    try:
        config = read_config(path)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ()
        assert RunSpec.model_validate(config.spec.model_dump(mode="json", by_alias=True)) == config.spec
    lines = content.count(b"\n") + 1
    assert all(
        problem.message and (problem.line is None or 1 <= problem.line <= lines) for problem in problems
    )


@settings(max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        ["protocol.bout.0.duration", "protocol.bout", "subject", "a", "solver.rtol", "parameter.x.y", ""]
    ),
    st.one_of(st.text(max_size=20), _pieces),
)
def test_any_override_is_taken_or_named(tmp_path: Path, key: str, value: str) -> None:
    path = _write(tmp_path, MARATHON)
    try:
        read_config(path, [f"{key}={value}"])
    except ConfigError as error:
        named = str(error)
    else:
        named = "--set"
    assert "--set" in named
