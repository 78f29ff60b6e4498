"""The report of any record that JSON can hold: a page that is whole, or one of exsim's errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exsim.errors import OutputError
from exsim.outputs.report import report_html
from exsim.outputs.report.html import number_text
from exsim.outputs.report.reading import Table, read_run

_plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
_any = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FIT = ("converged", "reasons", "starts", "starts_agreeing", "starts_ended", "gradient_check", "at_bound")
_CONFIG = (
    *("model", "protocol", "data", "condition", "observable", "fit", "sample", "population", "sweep"),
    *("evidence", "label"),
)
_SAMPLE = ("trusted", "complete", "reasons", "chains", "draws", "divergences", "e_fmi", "stress", "loo")


def _tables(*names: str) -> st.SearchStrategy:
    return st.one_of(_any, st.fixed_dictionaries({}, optional=dict.fromkeys(names, _any)))


_records = st.fixed_dictionaries(
    {"command": st.sampled_from(["simulate", "sweep", "fit", "sample", "validate", "new"])},
    optional={
        "title": _any,
        "config": _tables(*_CONFIG),
        "fit": _tables(*_FIT, "not_identifiable", "flat_directions"),
        "sample": _tables(*_SAMPLE),
        "solver": _tables("status", "draws", "failed", "method"),
        "timing": _tables("started", "wall_s"),
        **dict.fromkeys(("failures", "warnings", "repairs", "versions", "input_hashes", "summary"), _any),
        **dict.fromkeys(("seed", "device", "dtype", "files"), _any),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_records, st.text(alphabet='a1,"\n.-<', max_size=40))
def test_any_record_and_any_table_make_a_page(tmp_path: Path, record: dict, text: str) -> None:
    for name in ("parameters.csv", "starts.csv", "scores.csv", "summary.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    listed = dict.fromkeys(("parameters.csv", "starts.csv", "scores.csv", "summary.csv", "gone.png"), "0")
    files = record.get("files")
    listed |= files if isinstance(files, dict) else {}
    (tmp_path / "run.json").write_text(json.dumps({**record, "program": "exsim", "files": listed}))
    page = report_html(tmp_path)
    assert page.startswith(b"<!doctype html>")
    assert page.endswith(b"</html>\n")
    assert b"\0" not in page


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("", "–"),
        ("nan", "–"),
        ("inf", "∞"),
        ("-inf", "−∞"),
        ("300", "300"),
        ("-3", "−3"),
        ("16843.18699", "16840"),
        ("0.4366666667", "0.4367"),
        ("3.08855352e-07", "3.089e−07"),
        ("0.00", "0"),
        ("IL6", "IL6"),
    ],
)
def test_numbers_have_four_digits(cell: str, text: str) -> None:
    assert number_text(cell) == text


def test_a_table_gives_the_columns_that_are_asked_for_in_that_order() -> None:
    table = Table(("a", "b"), (("1", "2"), ("3", "4")))
    assert table.of("b", "c", "a") == Table(("b", "a"), (("2", "1"), ("4", "3")))
    assert table.column("c") == ["", ""]
    assert table.of("c") == Table((), ())


def test_a_file_that_cannot_be_read_is_an_error_of_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.json").write_text('{"program": "exsim", "files": {"a.csv": "0"}}')
    (tmp_path / "a.csv").write_text("a\n1\n")
    read = Path.read_bytes

    def broken(path: Path) -> bytes:
        if path.name == "a.csv":
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(OutputError, match=r"a\.csv: could not be read: Input/output error"):
        read_run(tmp_path)
