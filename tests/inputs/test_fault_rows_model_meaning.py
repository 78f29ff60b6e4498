"""FAULTS rows 62 to 71: model files that say something wrong or unusual. One test a row at least."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from exsim.errors import ExsimError, ModelFileError, RefusedError
from exsim.inputs.model_files import load_model
from exsim.model import compile_model
from exsim.model_spec import ModelSpec
from exsim.protocol import Protocol
from exsim.solving import solve

SBML = '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"'
MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'


def antimony(folder: Path, text: str) -> Path:
    path = folder / "m.ant"
    path.write_text(text, encoding="utf-8")
    return path


def sbml(folder: Path, inside: str, attributes: str = "") -> Path:
    path = folder / "m.xml"
    path.write_text(f"{SBML}{attributes}>\n<model>\n{inside}\n</model>\n</sbml>\n", encoding="utf-8")
    return path


def parameters(*ids: str) -> str:
    rows = [f'<parameter id="{id}" value="2" constant="false"/>' for id in ids]
    return f"<listOfParameters>{''.join(rows)}</listOfParameters>"


def refused(path: Path, kind: type[ExsimError] = ModelFileError) -> str:
    with pytest.raises(kind) as caught:
        load_model(path)
    assert caught.value.exit_code == {ModelFileError: 3, RefusedError: 4}[kind]
    return str(caught.value).replace(str(path), "FILE")


def test_row_62_names_of_python_and_of_sympy_work_as_ids(tmp_path: Path) -> None:
    ids = ["lambda", "time", "pi", "E", "jax", "I", "S", "exp", "None", "np"]
    total = f"<apply><plus/>{''.join(f'<ci>{id}</ci>' for id in ids)}</apply>"
    rule = f'<listOfRules><rateRule variable="y">{MATH}{total}</math></rateRule></listOfRules>'
    constant = parameters(*ids).replace('constant="false"', 'constant="true"')
    path = sbml(
        tmp_path,
        constant.replace("</listOf", '<parameter id="y" value="1" constant="false"/></listOf') + rule,
    )
    model = compile_model(load_model(path))
    constants = model.constants(np, list(model.nominal()))
    assert model.derivative(np, 0.0, [], [1.0], constants) == (2.0 * len(ids),)


def test_row_63_import_is_refused_and_the_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "other.ant").write_text("model other\n  secret = 4711\nend\n")
    path = antimony(tmp_path, f'\nimport "{tmp_path / "other.ant"}"\nmodel m\n  a = 1\nend\n')
    message = refused(path)
    assert "FILE:2  import\n  import is refused" in message
    assert "4711" not in message


def test_row_64_a_syntax_error_names_its_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    good = "model m\n  a = 1\n  a' = 2\nend\n"
    before = load_model(antimony(tmp_path, good))
    message = refused(antimony(tmp_path, "model left_behind\n  b = 3\n  c = (4\nend\n"))
    assert "FILE:3\n  syntax error" in message
    assert load_model(antimony(tmp_path, good)) == before


def test_row_64_an_undefined_function_is_named_on_the_line_of_its_call(tmp_path: Path) -> None:
    path = antimony(tmp_path, "model m\n  k = 1\n  a := hil(k, 2)\n  b = 2\n\nend\n")
    assert 'FILE:3  hil\n  "hil" is used as a function' in refused(path)


@pytest.mark.parametrize(
    "payload", ['__import__("os").system("touch {mark}")', "open('{mark}', 'w')", "exec(x)", "(lambda: 0)()"]
)
def test_row_65_code_in_a_formula_never_runs(tmp_path: Path, payload: str) -> None:
    mark = tmp_path / "mark"
    text = payload.format(mark=mark)
    refused(antimony(tmp_path, f"model m\n  a := {text}\nend\n"))
    escaped = text.replace("<", "&lt;")
    rule = f'<assignmentRule variable="a">{MATH}<ci>{escaped}</ci></math></assignmentRule>'
    refused(sbml(tmp_path, f"{parameters('a')}<listOfRules>{rule}</listOfRules>"))
    assert not mark.exists()


def test_row_66_a_huge_power_is_infinite(tmp_path: Path) -> None:
    spec = load_model(antimony(tmp_path, "model m\n  a := 9^9^9^9\n  y = 1; y' = 2\nend\n"))
    model = compile_model(spec)
    assert model.start(np, list(model.nominal()), []).named("a") == np.inf


@pytest.mark.parametrize("rules", [100, 1_000])
def test_row_66_rules_that_build_on_each_other_work_or_are_refused(tmp_path: Path, rules: int) -> None:
    chain = "".join(f"  r{i} := 2 * r{i - 1}\n" for i in range(1, rules))
    path = antimony(
        tmp_path, f"model m\n  y = 1; y' = -r{rules - 1} / 2^{rules - 1}\n  r0 := y\n{chain}end\n"
    )
    if rules > 100:
        assert f"FILE:{rules + 2}  r{rules - 1}\n  the rules build on each other 1001 high" in refused(path)
        return
    model = compile_model(load_model(path))
    trajectory = solve(model, Protocol(), model.nominal(), np.array([0.0, 1.0]))
    assert float(trajectory.states[0][1]) == pytest.approx(np.exp(-1.0), rel=1e-5)


def test_row_66_rules_that_meet_along_countless_paths_are_refused_before_antimony_walks_them(
    tmp_path: Path,
) -> None:
    chain = "".join(f"  r{i} := 2 * r{i - 1} - r{i - 1}\n" for i in range(1, 60))
    path = antimony(tmp_path, f"model m\n  y = 1; y' = -r59\n  r0 := y\n{chain}end\n")
    assert "Antimony would take too long" in refused(path)


def test_row_66_the_same_rules_work_as_sbml(tmp_path: Path) -> None:
    twice = "<apply><minus/><apply><times/><cn>2</cn><ci>r{0}</ci></apply><ci>r{0}</ci></apply>"
    formulas = ["<ci>y</ci>", *(twice.format(i) for i in range(59))]
    rules = "".join(
        f'<assignmentRule variable="r{i}">{MATH}{formula}</math></assignmentRule>'
        for i, formula in enumerate(formulas)
    )
    rate = f'<rateRule variable="y">{MATH}<apply><minus/><ci>r59</ci></apply></math></rateRule>'
    ids = [f"r{i}" for i in range(60)]
    path = sbml(tmp_path, f"{parameters('y', *ids)}<listOfRules>{rules}{rate}</listOfRules>")
    model = compile_model(load_model(path))
    trajectory = solve(model, Protocol(), model.nominal(), np.array([0.0, 1.0]))
    assert float(trajectory.states[0][1]) == pytest.approx(2 * np.exp(-1.0), rel=1e-5)


@pytest.mark.parametrize("levels", [60, 200])
def test_row_66_functions_and_units_that_build_too_high_are_refused_before_antimony_sees_them(
    tmp_path: Path, levels: int
) -> None:
    functions = "".join(f"function f{i}(x)\n  f{i - 1}(x) + f{i - 1}(x)\nend\n" for i in range(1, levels))
    text = f"function f0(x)\n  x\nend\n{functions}model m\n  a := f{levels - 1}(2)\nend\n"
    assert f"the functions build on each other {levels} high" in refused(antimony(tmp_path, text))
    units = "".join(f"  unit u{i} = u{i - 1} * u{i - 1}\n" for i in range(1, levels))
    text = f"model m\n  unit u0 = gram\n{units}  k = 1 u{levels - 1}\nend\n"
    assert f"the units build on each other {levels} high" in refused(antimony(tmp_path, text))


def test_row_66_functions_in_sbml_that_build_too_high_are_refused_with_their_line(tmp_path: Path) -> None:
    twice = (
        "<apply><plus/><apply><ci>f{0}</ci><ci>x</ci></apply><apply><ci>f{0}</ci><ci>x</ci></apply></apply>"
    )
    bodies = ["<ci>x</ci>", *(twice.format(i) for i in range(99))]
    functions = "".join(
        f'\n<functionDefinition id="f{i}">{MATH}<lambda><bvar><ci>x</ci></bvar>{body}</lambda></math>'
        "</functionDefinition>"
        for i, body in enumerate(bodies)
    )
    path = sbml(tmp_path, f"<listOfFunctionDefinitions>{functions}</listOfFunctionDefinitions>")
    assert "FILE:103  f99\n  the functions build on each other 100 high" in refused(path)


def test_row_67_functions_that_call_each_other_in_a_circle_are_named(tmp_path: Path) -> None:
    functions = "".join(
        f'\n<functionDefinition id="{id}">{MATH}<lambda><apply><ci>{other}</ci></apply></lambda></math>'
        "</functionDefinition>"
        for id, other in (("f", "g"), ("g", "f"))
    )
    path = sbml(tmp_path, f"<listOfFunctionDefinitions>{functions}</listOfFunctionDefinitions>")
    assert "FILE:4  f\n  functions call each other in a circle: f calls g calls f" in refused(path)


def test_row_66_functions_that_grow_without_bound_are_refused_in_bounded_time(tmp_path: Path) -> None:
    """The time bounds of this row are for this test room, whose type checks slow each call down."""
    doubled = "".join(f"function f{i}(x)\n  f{i - 1}(x) + f{i - 1}(x)\nend\n" for i in range(1, 11))
    sum_of_200 = " + ".join(["k"] * 200)
    text = f"function f0(x)\n  x\nend\n{doubled}model m\n  k = 1\n  a := f10({sum_of_200})\nend\n"
    path = antimony(tmp_path, text)
    started = time.process_time()
    assert "a\n  the formula of a: more than 100,000 parts" in refused(path)
    assert time.process_time() - started < 5.0


def test_row_66_a_formula_of_a_million_parts_is_refused_with_its_line(tmp_path: Path) -> None:
    terms = "<cn>1</cn>" * 1_000_000
    rule = f'<listOfRules>\n<assignmentRule variable="a">{MATH}<apply><plus/>{terms}</apply></math>'
    path = sbml(tmp_path, f"{parameters('a')}{rule}</assignmentRule></listOfRules>")
    assert "FILE:4\n  a formula has more than 100,000 parts" in refused(path)


@pytest.mark.parametrize(
    ("operator", "count"),
    [("+k", 4_000), ("*k", 4_000), ("-k", 5_000), ("/k", 900), ("^k", 900), ("-(k", 400)],
)
def test_row_66_long_antimony_formulas_work_or_are_refused_in_bounded_time(
    tmp_path: Path, operator: str, count: int
) -> None:
    path = antimony(
        tmp_path, f"model m\n  k = 1\n  a := 1{operator * count}{')' * (operator * count).count('(')}\nend\n"
    )
    started = time.process_time()
    if operator in ("+k", "*k"):
        assert isinstance(load_model(path), ModelSpec)
    else:
        assert "FILE:3" in refused(path)
    assert time.process_time() - started < 20.0


@pytest.mark.parametrize(
    ("first", "second"), [("a := b", "b := a + 1"), ("a = b", "b = a * 2"), ("a := b", "b = a")]
)
def test_row_67_a_cycle_is_named_with_its_line(tmp_path: Path, first: str, second: str) -> None:
    path = antimony(tmp_path, f"model m\n  {first}\n  {second}\nend\n")
    message = refused(path)
    assert "a needs b needs a" in message
    assert "FILE:2  a" in message


def test_row_67_a_cycle_in_sbml_is_named_with_its_line(tmp_path: Path) -> None:
    rules = "".join(
        f'\n<assignmentRule variable="{id}">{MATH}<ci>{other}</ci></math></assignmentRule>'
        for id, other in (("a", "b"), ("b", "c"), ("c", "a"))
    )
    message = refused(sbml(tmp_path, f"{parameters('a', 'b', 'c')}<listOfRules>{rules}</listOfRules>"))
    assert "FILE:4  a" in message


def test_row_68_everything_without_a_value_is_listed_with_its_line(tmp_path: Path) -> None:
    text = (
        "model m\n  compartment c\n  species S in c, T in c = 1\n  clearance = 3\n"
        "  J: S -> T; clearence * S\n  K: T -> U; clearance * T\n  species U in c = 0\nend\n"
    )
    message = refused(antimony(tmp_path, text))
    assert 'FILE:5  clearence\n  "clearence" has no value\n  Did you mean "clearance"?' in message
    assert 'FILE:3  S\n  "S" has no value' in message
    assert 'FILE:2  c\n  the compartment "c" has no size' in message


def test_row_68_an_id_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    text = (
        "model m\n  compartment c = 1\n  species S in c = 2\n  k = 0.3\n"
        "  J: S -> ; k * S\n\n  k = 0.5\n  J: S -> ; 2 * k * S\n  E: at (time > 1): S = 1\n"
        "  E: at (time > 2): S = 3\nend\n"
    )
    message = refused(antimony(tmp_path, text))
    assert 'FILE:7  k\n  "k" is given twice: first on line 4' in message
    assert 'FILE:8  J\n  "J" is given twice: first on line 5' in message
    assert 'FILE:10  E\n  the event "E" is given twice: first on line 9' in message


def test_row_68_a_value_and_a_rate_rule_are_not_twice(tmp_path: Path) -> None:
    model = load_model(antimony(tmp_path, "model m\n  y = 1; y' = -y\n  E: at (time > 1): y = 2\nend\n"))
    assert [state.id for state in model.states] == ["y"]


def test_row_69_a_concentration_in_a_compartment_of_size_0_is_refused(tmp_path: Path) -> None:
    path = antimony(tmp_path, "model m\n  compartment c = 0\n  species S in c = 2\n  J: S -> ; 3\nend\n")
    assert 'FILE:2  c\n  the compartment "c" has size 0' in refused(path)


def test_row_69_a_computed_size_of_0_is_refused(tmp_path: Path) -> None:
    text = "model m\n  v = 0\n  compartment c = v\n  species S in c = 2\n  J: S -> ; 3\nend\n"
    assert 'FILE:3  c\n  the compartment "c" has size 0' in refused(antimony(tmp_path, text))


WRONG_UNITS = """model m
  unit time_unit = 3600 second; unit hour = 3600 second
  unit L = litre
  a = 1 hour
  b = 2 L
  c := a + b
  c has hour
end
"""


def test_row_70_units_that_do_not_fit_are_a_warning_or_an_error_with_the_line(tmp_path: Path) -> None:
    path = antimony(tmp_path, WRONG_UNITS)
    assert any("a + b" in warning for warning in load_model(path).warnings)
    with pytest.raises(ModelFileError) as caught:
        load_model(path, strict_units=True)
    assert caught.value.problems[0].line == 6
    assert "a + b" in caught.value.problems[0].message


def test_row_70_a_literal_without_a_unit_is_an_error_where_units_are_strict(tmp_path: Path) -> None:
    path = antimony(
        tmp_path, "model m\n  unit time_unit = 3600 second\n  a = 1 time_unit\n  b := a + 3\nend\n"
    )
    with pytest.raises(ModelFileError) as caught:
        load_model(path, strict_units=True)
    assert {problem.line for problem in caught.value.problems} == {4}


def test_row_71_a_negative_start_is_a_warning(tmp_path: Path) -> None:
    path = antimony(tmp_path, "model m\n  compartment c = 1\n  species S in c = -2\n  J: S -> ; S\nend\n")
    assert '"S" starts below zero, at -2' in load_model(path).warnings


def test_nothing_reaches_standard_output_while_a_model_is_read(tmp_path: Path) -> None:
    """Of the loaders in C++ too, so that `--json` stays one object: in a process of its own."""
    texts = [
        "model m\n  a = 1; b = (2\nend",
        "model m\n  a = 1 foo\nend",
        "model m\n  a = 1; a' = 2\nend",
        WRONG_UNITS,
    ]
    for number, text in enumerate(texts):
        (tmp_path / f"m{number}.ant").write_text(text)
    (tmp_path / "m9.xml").write_text(f"{SBML}><model><listOfFoo/></model></sbml>")
    code = (
        "import sys\nfrom exsim.errors import ExsimError\nfrom exsim.inputs.model_files import load_model\n"
        "for file in sys.argv[1:]:\n    try: load_model(file)\n    except ExsimError: pass\n"
    )
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, check=True, env=environment, timeout=60
    )
    assert done.stdout == b""
