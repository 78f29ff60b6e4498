"""Lines of keys: against texts written by hand, against tomllib's own reading, and for time."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exsim.inputs.toml_lines import line_of, repeated_keys

TEXT = '''# question
schema = 1
model = "il6_axis" # not a = key
"quoted key" = 3
'lit#eral'.inner = 4

[subject]
body_mass = "72 kg"
baseline.IL6 = "1 pg/mL"
baseline."IL\\u0031RA" = "1 pg/mL"

note = """first = 1
second = 2 ""quotes"" [subject]
"""
[[protocol.bout]]
start = "0 h"
intervals = { work = "4 min", rest = "3 min", repeats = 4 }

[[protocol.bout]]
  start = "2 h"
  [protocol.bout.repeat]
  every = "24 h"
  times = 7

[output]
times = [
  "1 h", # one
  "2 h",

  "3 h"
]
nested = [[1, 2],
  [{ a = 1, b = [
    5] }]]
when = 1979-05-27 07:32:00
deep.er.key = """x"""
path = 'C:\\temp\\'
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("schema",), 2),
        (("model",), 3),
        (("quoted key",), 4),
        (("lit#eral",), 5),
        (("lit#eral", "inner"), 5),
        (("subject",), 7),
        (("subject", "body_mass"), 8),
        (("subject", "baseline"), 9),
        (("subject", "baseline", "IL6"), 9),
        (("subject", "baseline", "IL1RA"), 10),
        (("subject", "note"), 12),
        (("protocol",), 15),
        (("protocol", "bout"), 15),
        (("protocol", "bout", 0), 15),
        (("protocol", "bout", 0, "start"), 16),
        (("protocol", "bout", 0, "intervals"), 17),
        (("protocol", "bout", 0, "intervals", "repeats"), 17),
        (("protocol", "bout", 1), 19),
        (("protocol", "bout", 1, "start"), 20),
        (("protocol", "bout", 1, "repeat"), 21),
        (("protocol", "bout", 1, "repeat", "times"), 23),
        (("output", "times"), 26),
        (("output", "times", 0), 27),
        (("output", "times", 2), 30),
        (("output", "nested"), 32),
        (("output", "nested", 1), 33),
        (("output", "nested", 1, 0, "a"), 33),
        (("output", "nested", 1, 0, "b", 0), 34),
        (("output", "when"), 35),
        (("output", "deep", "er", "key"), 36),
        (("output", "path"), 37),
    ],
)
def test_a_key_path_gives_the_line_it_stands_on(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("second",),
        ("subject", "second"),
        ("protocol", "bout", 2),
        ("schema", "x"),
        ("output", "times", 3),
    ],
)
def test_a_key_that_is_not_there_has_no_line(path: tuple[str | int, ...]) -> None:
    assert line_of(TEXT, path) is None


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_endings_do_not_move_a_line(ending: str) -> None:
    assert line_of(TEXT.replace("\n", ending), ("output", "path")) == 37


def test_a_byte_order_mark_does_not_move_a_line() -> None:
    assert line_of("\ufeffa = 1\nb = 2\n", ("b",)) == 2


@pytest.mark.parametrize(
    "text", ["a = [1 2]\n", 'a = "x\nb = 1\n', "a = \nb = 2\n", "[a\nb = 1", "a = 1 b = 2\n", "a = {b = 1\n"]
)
def test_text_that_is_not_toml_has_no_lines(text: str) -> None:
    assert line_of(text, ("a",)) is None
    assert line_of(text, ("b",)) is None


def test_a_table_named_by_a_longer_header_first_stands_on_its_own_header() -> None:
    assert line_of("[a.b]\nx = 1\n[a]\ny = 2\n", ("a",)) == 3


def test_keys_given_twice_are_all_found_with_their_first_line() -> None:
    found = repeated_keys("a = 1\n[t]\nx = 1\na = 2\nx = 3\n[u]\n[t]\n")
    assert [tuple(repeat) for repeat in found] == [(("t", "x"), 5, 3), (("t",), 7, 2)]


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _paths(inner, (*path, key))


_keys = st.sampled_from(["a", "b", "c-d", "1", '"x y"', "'#'", '"\\u00e9"', '""'])
_scalars = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        '"s"',
        "'l'",
        '"""\nm # = "" [x]\n"""',
        "'''\n'''",
        "1979-05-27 07:32:00Z",
        '"\\"]"',
        "nan",
    ]
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # c ]\n".join(items) + "\n]"),
        st.lists(st.tuples(_keys, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)
_dotted = st.lists(_keys, min_size=1, max_size=3).map(" . ".join)
_lines = st.one_of(
    st.tuples(_dotted, _values).map(lambda pair: f"{pair[0]} = {pair[1]}  # end"),
    _dotted.map(lambda key: f"[{key}]"),
    _dotted.map(lambda key: f"[[ {key} ]]"),
    st.just("# [not] = a key"),
    st.just(""),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_lines, max_size=8))
def test_every_key_that_tomllib_reads_has_a_line_that_names_it(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    by_line = text.split("\n")
    for path in _paths(parsed):
        line = line_of(text, path)
        assert line is not None, path
        if isinstance(path[-1], str):
            written = {"x y": '"x y"', "#": "'#'", "é": '"\\u00e9"', "": '""'}.get(path[-1], path[-1])
            assert written in by_line[line - 1], (path, line)
    assert repeated_keys(text) == ()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="a.[]{}=,\"'\\\n #1", max_size=40))
def test_any_text_is_read_without_an_error(text: str) -> None:
    line_of(text, ("a",))


@pytest.mark.parametrize(
    "text",
    [
        "[[t]]\na = 1\n" * 100_000,
        "a = [" + "1, " * 300_000 + "]\n",
        "".join(f"k{number} = 1\n" for number in range(100_000)),
        'a = """' + 'x"" \\" ' * 150_000 + '"""\n',
        'a = """' + 'x"" \\" ' * 150_000,
        "#" * 1_000_000,
        "[" * 1_000_000,
        "a = " + "[" * 1_000_000,
        "a." * 500_000 + "a = 1",
        "\n" * 1_000_000,
    ],
    ids=range(10),
)
def test_a_megabyte_takes_time_in_proportion(text: str, tmp_path: Path, root: Path) -> None:
    # In a process of its own: type checks at every call, which the tests switch on, take most of the time.
    (tmp_path / "text").write_text(text, encoding="utf-8")
    code = (
        "import sys, time\nfrom exsim.inputs.toml_lines import line_of\ntext = open(sys.argv[1]).read()\n"
        "start = time.process_time()\nline_of(text, ('zz',))\nprint(time.process_time() - start)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "text")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(root / "src")},
    )
    # 1 MB takes 0.1 to 3 s of CPU; a pass that were quadratic would take minutes.
    assert float(done.stdout) < 10
