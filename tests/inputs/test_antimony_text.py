"""Antimony text before it is loaded: statements, lines, and what Antimony would pass over in silence."""

from __future__ import annotations

import pytest

from exsim.inputs.antimony_checks import check_antimony
from exsim.inputs.antimony_text import read_statements
from exsim.inputs.findings import Findings

TEXT = """// a comment with k = 1; and "quotes
model *m(x, y)  # another = comment
  k = 0.3; k2 = 4 per_h
  /* k = 5
  k2 = 6 */ species S in c = 2, $T = 3
  S is "a name; k = 7 // no comment"
  k3 := k +\\
    k2
  J1: S -> T; k * S
  S -> T; k2 * S
  E1: at (time >= 2), t0=false:
    k = 4,
    k2 = 5;
  at (k > 3): k = 1
  y' = k3
  function_like = f(1, 2)
  m notes ```
  k = 8
  ```
end
"""


def problems(text: str) -> list[tuple[int | None, str | None, str]]:
    findings = Findings("m.ant")
    check_antimony(text, read_statements(text), findings)
    return [(item.line, item.key, item.message) for item in (*findings.errors, *findings.refusals)]


def test_comments_strings_and_events_hold_no_second_values() -> None:
    assert problems(TEXT) == []


@pytest.mark.parametrize(
    ("id", "line"),
    [
        ("k", 3),
        ("k2", 3),
        ("S", 5),
        ("T", 5),
        ("k3", 7),
        ("J1", 9),
        ("_J0", 10),
        ("E1", 11),
        ("_E0", 14),
        ("y", 15),
    ],
)
def test_the_line_that_defines_an_id_is_known(id: str, line: int) -> None:
    assert read_statements(TEXT).line_of(id) == line


def test_the_line_of_an_id_that_is_only_used_is_that_of_its_first_use() -> None:
    text = read_statements(TEXT)
    assert text.line_of("c") == 5
    assert text.line_of("per_h") == 3
    assert text.line_of("quotes") is None
    assert text.line_of_call("f") == 16


def test_of_a_value_and_a_rule_each_has_its_own_line() -> None:
    text = read_statements("y = 1\n\ny' = 2\n")
    assert text.line_of("y") == 1
    assert text.line_of("y", "rateRule") == 3
    assert text.line_of("y", "assignmentRule") == 1


@pytest.mark.parametrize(
    ("text", "line", "id"),
    [
        ("k = 1\nk = 2", 2, "k"),
        ("k = 1\nk := 2", 2, "k"),
        ("const k = 1, j = 2\nj = 3", 2, "j"),
        ("species S in c = 2\nS = 3", 2, "S"),
        ("species $S = 2\n$S = 3", 2, "S"),
        ("k := 1\nk' = 2", 2, "k"),
        ("y' = 1\ny' = 2", 2, "y"),
        ("J: A -> B; k\nJ: A -> C; k", 2, "J"),
        ("J: A -> B; k\nJ = 3", 2, "J"),
        ("E: at (time > 1): k = 1\nE: at (time > 2): k = 2", 2, "E"),
        ("unit a = litre\nunit a = gram", 2, "a"),
        ("J: A -> B; k * A; k = 1\nk = 2", 2, "k"),
    ],
)
def test_what_is_given_twice_is_found_with_its_line(text: str, line: int, id: str) -> None:
    assert [(found, key) for found, key, _ in problems(text)] == [(line, id)]


@pytest.mark.parametrize(
    "text",
    [
        "y = 1\ny' = 2",
        "J: A -> B\nJ = k * A",
        "unit a = litre\na = 3",
        "k = 1\nE: at (time > 1): k = 2, j = 3",
        'k = 1; A is "k = 2"',
        "x := piecewise(1, a == 2, 3)\na = 2",
        "J: A -> B; k\nK: A -> B; k",
        "function f(x)\n  x\nend\nmodel m\n  x = 3\nend",
    ],
)
def test_what_only_looks_like_twice_is_not(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    "text",
    [
        'import "a.ant"',
        'x = 1; import  "a.ant"',
        '// import "a.ant"',
        '/* "\nimport /* */ "a" */',
        'import\n"a"',
        "import `a`",
    ],
)
def test_import_is_refused_wherever_it_stands(text: str) -> None:
    line = text[: text.index("import")].count("\n") + 2
    assert (line, "import") in [(found, key) for found, key, _ in problems("k = 1\n" + text)]


def test_a_name_that_begins_with_import_is_no_import() -> None:
    assert problems('imported = 3\nk = imported * 2  // all imported goods, as is "usual"') == []


def test_a_letter_outside_ascii_is_found_in_code_but_not_in_comments_and_strings() -> None:
    assert problems('// café\nk is "é"') == []
    assert [item[0] for item in problems("k = 1\nµ = 3")] == [2]


def test_a_cycle_is_found_in_the_text() -> None:
    assert read_statements("a := b\nb = c * 2\nc := a + d\nd = 1").cycle() == ["a", "b", "c", "a"]
    assert read_statements("a := b\nb = c * 2\nc = 1").cycle() is None
    assert read_statements("a = 1; a' = a").cycle() is None


def test_a_long_text_is_read_in_proportion_to_its_length() -> None:
    import time

    def seconds(statements: int) -> float:
        text = "\n".join(f"k{i} = {i}  // value" for i in range(statements))
        started = time.process_time()
        problems(text)
        return time.process_time() - started

    assert seconds(8_000) < 16 * max(seconds(2_000), 0.01)
