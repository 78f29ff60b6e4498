"""`exsim check`: configs, models and evidence; exit codes, JSON, and no heavy import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exsim.cli import main

HEAVY = ("jax", "jaxlib", "diffrax", "equinox", "arviz", "xarray", "pandas", "matplotlib", "sympy")


def _json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict:
    code = main(["check", "--json", *map(str, arguments)])
    answer = json.loads(capsys.readouterr().out)
    assert answer["exit_code"] == code
    return answer


def test_every_shipped_config_and_model_is_right_without_a_warning(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = sorted(path for path in (root / "models").iterdir() if path.is_dir())
    evidence = root / "models" / "il6_axis" / "evidence.csv"
    answer = _json(capsys, root / "configs" / "simulate", *models, evidence)
    assert answer["exit_code"] == 0
    assert {item["kind"] for item in answer["files"]} == {"config", "model", "evidence"}
    assert len(answer["files"]) > 20
    assert all(not item["problems"] and not item["warnings"] for item in answer["files"])


def test_shipped_configs_and_models_are_found_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _json(capsys, "marathon", "lps_0.06_rest", "il6_axis", "two_compartment")
    assert answer["exit_code"] == 0
    assert [item["kind"] for item in answer["files"]] == ["config", "config", "model", "model"]


def test_every_config_that_the_evidence_names_is_shipped(root: Path) -> None:
    from exsim.inputs.evidence_table import read_evidence

    cases = read_evidence(root / "models" / "il6_axis" / "evidence.csv").cases
    shipped = {path.stem for path in (root / "configs" / "simulate").glob("*.toml")}
    named = {name for case in cases for name in (case.config, case.compare_config) if name}
    assert named <= shipped


def test_every_shipped_config_opens_with_the_question_it_answers(root: Path) -> None:
    for path in (root / "configs" / "simulate").glob("*.toml"):
        first = path.read_text().splitlines()[0]
        assert first.startswith("# "), path
        assert first.endswith("?"), path


def test_problems_of_several_files_come_in_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.toml").write_text('schema = 1\nmodel = "il6_axis"\nsed = 1\n[output]\nuntil = "1 h"\n')
    (tmp_path / "two.toml").write_text('schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "1 kg"\n')
    (tmp_path / "good.toml").write_text('schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "1 h"\n')
    answer = _json(capsys, tmp_path)
    assert answer["exit_code"] == 3
    found = {Path(item["file"]).name: [p["key"] for p in item["problems"]] for item in answer["files"]}
    assert found == {"one.toml": ["sed"], "two.toml": ["output.until"], "good.toml": []}
    problem = next(item for item in answer["files"] if item["file"].endswith("one.toml"))["problems"][0]
    assert (problem["line"], problem["message"]) == (3, 'unknown key "sed"')
    assert 'Did you mean "seed"?' in problem["hint"]


def test_a_construct_that_is_refused_alone_is_exit_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "model m\n  species A; A = 1; J: A -> ; k*A; k = 1;\n  E: at 1 after (A < 0.5): A = 1;\nend\n"
    (tmp_path / "delayed.ant").write_text(text)
    answer = _json(capsys, tmp_path / "delayed.ant")
    assert answer["exit_code"] == 4
    assert "E" in {problem["key"] for problem in answer["files"][0]["problems"]}


def test_a_model_file_its_card_and_a_config_of_one_name_lie_beside_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "decay.ant").write_text("model m\n  species A; A = 1; J: A -> ; k*A; k = 1;\nend\n")
    (tmp_path / "decay.toml").write_text('schema = 1\nmodel = "decay.ant"\n[output]\nuntil = "1 h"\n')
    card = tmp_path / "decay.card.toml"
    card.write_text('title = "Decay"\n[[observable]]\nanalyte = "A"\nid = "A"\nlabel = "A"\n')
    answer = _json(capsys, tmp_path, tmp_path / "decay.ant", card)
    assert answer["exit_code"] == 0
    assert [item["kind"] for item in answer["files"]] == ["config", "model", "model"]
    card.write_text('titel = "Decay"\n')
    assert _json(capsys, card)["files"][0]["problems"][-1]["key"] == "titel"
    (tmp_path / "decay.ant").unlink()
    assert "no such model file" in _json(capsys, card)["files"][0]["problems"][0]["message"]


def test_a_config_with_a_refused_model_and_a_wrong_config_are_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "model m\n  species A; A = 1; J: A -> ; k*A; k = 1;\n  E: at 1 after (A < 0.5): A = 1;\nend\n"
    (tmp_path / "delayed.ant").write_text(text)
    (tmp_path / "run.toml").write_text('schema = 1\nmodel = "delayed.ant"\n[output]\nuntil = "1 h"\n')
    assert _json(capsys, tmp_path / "run.toml")["exit_code"] == 4
    (tmp_path / "wrong.toml").write_text('schema = 1\nmodel = "delayed.ant"\n[output]\nuntil = 1\n')
    assert _json(capsys, tmp_path)["exit_code"] == 3


def test_more_than_fifty_problems_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = "".join(f"zz{number} = 1\n" for number in range(60))
    (tmp_path / "run.toml").write_text(f'schema = 1\nmodel = "il6_axis"\n{keys}[output]\nuntil = "1 h"\n')
    assert main(["check", str(tmp_path / "run.toml")]) == 3
    printed = capsys.readouterr().out
    assert printed.count("unknown key") == 50
    assert "... and 10 more" in printed
    assert "60 problems" in printed


def test_quiet_prints_problems_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = 'schema = 1\nmodel = "il6_axis"\n'
    (tmp_path / "odd.toml").write_text(head + '[subject]\nbody_mass = "20 kg"\n[output]\nuntil = "1 h"\n')
    assert main(["check", str(tmp_path / "odd.toml")]) == 0
    assert "warning: " in capsys.readouterr().out
    (tmp_path / "wrong.toml").write_text(head + 'sed = 1\n[output]\nuntil = "1 h"\n')
    assert main(["check", "--quiet", str(tmp_path)]) == 3
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].endswith("wrong.toml:3  sed")
    assert "odd.toml" not in printed


@pytest.mark.parametrize("name", ["nothing.toml", "nothing.ant", "nothing.csv", "nothing"])
def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path, name: str) -> None:
    assert main(["check", str(tmp_path / name)]) == 3


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfrom exsim.cli import main\ncode = main(sys.argv[1:])\n"
        "print(*sorted(sys.modules), file=sys.stderr)\nsys.exit(code)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )


def _children_cpu_s(before: os.times_result) -> float:
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize(
    "arguments", [["check", "configs/simulate/marathon.toml"], ["--help"]], ids=["check", "help"]
)
def test_checking_a_config_loads_nothing_heavy_and_takes_about_a_second(
    root: Path, arguments: list[str]
) -> None:
    arguments = [str(root / item) if item.endswith(".toml") else item for item in arguments]
    before = os.times()
    done = _run(root, *arguments)
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert loaded.isdisjoint(HEAVY), loaded.intersection(HEAVY)
    # 0.6 s of CPU on an idle machine; the bar is 1.2 s, twice that leaves room for a busy one.
    assert _children_cpu_s(before) < 2.4


@pytest.mark.parametrize(
    "entry",
    [
        '[[protocol.bout]]\nstart = "0 h"\nduration = "1 h"\nintensity = 0.5\n',
        '[[protocol.bout]]\nstrat = "0 h"\nduratoin = 1\nintensty = 0.5\n',
        '[[protocol.bolus]]\ntime = "end"\ndose = "1 ng/kg"\n',
        "[[zz]]\na = 1\n",
    ],
)
def test_a_config_of_one_megabyte_is_checked_in_bounded_time(root: Path, tmp_path: Path, entry: str) -> None:
    path = tmp_path / "run.toml"
    head = 'schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "1 h"\n'
    path.write_text(head + entry * ((999_000 - len(head)) // len(entry)))
    before = os.times()
    assert _run(root, "check", str(path)).returncode == 3
    # 1.5 to 2 s of CPU, some of it tomllib's own; a check that were quadratic would take minutes.
    assert _children_cpu_s(before) < 10


LAB = "subject,condition,time,time_unit,analyte,value,unit\n"


def test_lab_data_are_held_against_the_analytes_of_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(LAB + "R01,race,end,h,IL6,81,pg/mL\nR01,race,end,h,IL10,<0.5,pg/mL\n")
    assert main(["check", str(table)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{table}: data, ok"
    assert main(["check", str(table), "--model", "two_compartment"]) == 3
    assert f'{table}:3  analyte\n  unknown analyte "IL10"' in capsys.readouterr().out


def test_every_problem_of_lab_data_is_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(LAB + 'R01,race,13:45,h,IL-6,81,pg/mL\nR01,race,end,h,IL10,"62,9",pg/mL\n')
    answer = _json(capsys, table)
    assert (answer["exit_code"], answer["files"][0]["kind"]) == (3, "data")
    assert {problem["key"] for problem in answer["files"][0]["problems"]} == {"time", "analyte", "value"}
    table.write_text("subject;condition;time;time_unit;analyte;value;unit\nR01;race;1;h;IL6;3;pg/mL\n")
    assert "semicolons" in _json(capsys, table)["files"][0]["problems"][0]["message"]
