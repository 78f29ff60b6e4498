"""Plain values written as TOML and read again."""

from __future__ import annotations

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from exsim.toml_text import toml_text

_keys = st.text(alphabet="abZ09_-.é\" '走\x7f", min_size=1, max_size=6)
_plain = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8).filter(lambda text: "\r" not in text),
)
_values = st.one_of(_plain, st.lists(_plain, max_size=3))
_rows = st.lists(st.dictionaries(_keys, _values, min_size=1, max_size=2), min_size=1, max_size=2)


@settings(deadline=None)
@given(st.dictionaries(_keys, _values | _rows | st.dictionaries(_keys, _values, min_size=1), max_size=4))
def test_a_table_written_and_read_again_is_equal(table: dict) -> None:
    assert tomllib.loads(toml_text(table)) == table


def test_tables_and_rows_of_tables_have_headings() -> None:
    table = {"a": 1, "fit": {"starts": 8}, "condition": [{"name": "race", "subject": {"mass": "70 kg"}}]}
    assert toml_text(table).splitlines() == [
        "a = 1",
        "",
        "[fit]",
        "starts = 8",
        "",
        "[[condition]]",
        'name = "race"',
        'subject = { mass = "70 kg" }',
    ]
