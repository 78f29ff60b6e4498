"""Tables of published evidence: read whole, or refused with every problem at its row."""

import contextlib
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exsim.errors import EvidenceError
from exsim.inputs.evidence_table import read_evidence
from exsim.inputs.shipped import shipped_folder

HEADER = "id,study,doi,config,compare_config,analyte,quantity,time_h,value,low,high,unit,n,tag,use,note"
ROW = "C01,Someone 1998,10.1/x,marathon,,IL6,fold_after_end,0,62.9,,,fold,8,read,calibrate,a note"


@pytest.fixture
def table(tmp_path):
    """Return a function that writes lines to a table and returns its path."""

    def write(*lines, raw=None):
        path = tmp_path / "evidence.csv"
        path.write_bytes("\n".join(lines).encode() if raw is None else raw)
        return path

    return write


def problems(path):
    with pytest.raises(EvidenceError) as caught:
        read_evidence(path)
    assert caught.value.exit_code == 3
    assert all(problem.file == str(path) for problem in caught.value.problems)
    return caught.value.problems


def test_every_column_of_a_row_is_read(table):
    case = read_evidence(table(HEADER, ROW.replace(",,,fold", ",50,70,fold"))).cases[0]
    assert (case.id, case.study, case.doi, case.config) == ("C01", "Someone 1998", "10.1/x", "marathon")
    assert (case.analyte, case.quantity, case.unit, case.use) == (
        "IL6",
        "fold_after_end",
        "fold",
        "calibrate",
    )
    assert (case.time_h, case.value, case.low, case.high, case.n) == (0.0, 62.9, 50.0, 70.0, 8)
    assert (case.tag, case.note, case.line, case.compare_config) == ("read", "a note", 2, "")


def test_the_shipped_evidence_reads_whole(root):
    read = read_evidence(root / "models" / "il6_axis" / "evidence.csv")
    assert len(read.cases) == 37
    assert {case.use for case in read.cases} == {"calibrate", "predict"}
    assert read.warnings == ()
    assert len(read.sha256) == 64


def test_columns_may_stand_in_any_order_and_optional_ones_may_be_absent(table):
    case = read_evidence(
        table("use,unit,value,quantity,analyte,config,id", "predict,fold,2,peak_fold,TNF,x,A")
    ).cases[0]
    assert (case.id, case.value, case.use, case.time_h, case.n) == ("A", 2.0, "predict", None, None)


def test_config_is_a_path_a_name_beside_the_file_or_a_shipped_one(table, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("mine.toml", "sub/other.toml"):
        (tmp_path / name).write_text("")
    rows = [
        ROW.replace("C01", f"C{i}").replace("marathon", name)
        for i, name in enumerate(("mine", "sub/other.toml", "nowhere"))
    ]
    cases = read_evidence(table(HEADER, *rows)).cases
    assert [case.config_path for case in cases] == [
        tmp_path / "mine.toml",
        tmp_path / "sub" / "other.toml",
        None,
    ]


def test_a_config_beside_the_file_comes_before_a_shipped_one(table, tmp_path):
    shipped = shipped_folder("configs") / "simulate" / "marathon.toml"
    if not shipped.is_file():
        pytest.skip("configs/simulate/marathon.toml is not there")
    assert read_evidence(table(HEADER, ROW)).cases[0].config_path == shipped
    (tmp_path / "marathon.toml").write_text("")
    assert read_evidence(table(HEADER, ROW)).cases[0].config_path == tmp_path / "marathon.toml"


@pytest.mark.parametrize("name", ["a/../../../etc/passwd", "x" * 5000, "a\tb", "~root/x"])
def test_a_name_that_is_no_config_stands_for_no_file(table, name):
    assert read_evidence(table(HEADER, ROW.replace("marathon", name))).cases[0].config_path is None


def test_all_problems_of_a_file_come_in_one_raise_with_their_rows(table):
    found = problems(
        table(
            HEADER,
            ROW.replace("62.9", "many"),
            ROW.replace("C01", "C02").replace("calibrate", "calibrat"),
            ROW.replace("C01", "C03").replace(",8,", ",eight,"),
            ROW.replace("C01", "C04").replace(",,,fold", ",9,3,fold"),
            ROW.replace("C01", ""),
        )
    )
    assert [(p.line, p.key) for p in found] == [(2, "value"), (3, "use"), (4, "n"), (5, "low"), (6, "id")]
    assert 'Did you mean "calibrate"?' in found[1].hint


def test_row_10_numbers_are_finite(table):
    for text in ("1e400", "nan", "inf"):
        (problem,) = problems(table(HEADER, ROW.replace("62.9", text)))
        assert (problem.line, problem.key) == (2, "value")


def test_row_34_missing_column_is_refused_with_the_nearest_and_an_extra_one_is_a_warning(table):
    (problem,) = problems(table(HEADER.replace("analyte", "analite"), ROW))
    assert problem.key == "analyte"
    assert 'Did you mean "analite"?' in problem.hint
    read = read_evidence(table(HEADER + ",colour", ROW + ",blue"))
    assert 'column "colour"' in read.warnings[0]


def test_a_file_that_is_no_table_of_evidence_is_one_complaint_that_names_the_columns(table):
    (problem,) = problems(table("schema = 1", 'model = "il6_axis"'))
    assert "names none of the columns" in problem.message
    assert "id, config, analyte" in problem.hint
    (problem,) = problems(table(HEADER.replace("analyte", "zz"), ROW))
    assert problem.hint.startswith("(found: id, ")


def test_row_35_byte_order_mark_is_taken_off_and_recorded(table):
    read = read_evidence(table(raw=b"\xef\xbb\xbf" + f"{HEADER}\n{ROW}\n".encode()))
    assert read.cases[0].id == "C01"
    assert "byte-order mark" in read.repairs[0]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_row_36_line_ends_of_other_systems_read_the_same(table, end):
    case = read_evidence(table(raw=f"{HEADER}{end}{ROW}{end}".encode())).cases[0]
    assert (case.line, case.note) == (2, "a note")


def test_row_37_semicolons_are_refused_by_name(table):
    (problem,) = problems(table(HEADER.replace(",", ";"), ROW.replace(",", ";")))
    assert "semicolons" in problem.message


@pytest.mark.parametrize(
    ("cell", "hint"),
    [('"62,9"', "decimal point"), ('"1,234.5"', "thousands"), ("3 pg/mL", 'column "unit"')],
    ids=["row_38_decimal_comma", "row_39_thousands", "row_39_unit_in_the_cell"],
)
def test_rows_38_and_39_numbers_that_are_not_plain_are_refused(table, cell, hint):
    (problem,) = problems(table(HEADER, ROW.replace("62.9", cell)))
    assert hint in problem.hint


def test_row_43_ragged_row_and_open_quote_are_refused_with_their_line(table):
    (problem,) = problems(table(HEADER, ROW, ROW.replace("C01", "C02") + ",more"))
    assert (problem.line, "17 cells" in problem.message) == (3, True)
    (problem,) = problems(table(HEADER, ROW, '"C02,Someone'))
    assert (problem.line, "never closed" in problem.message) == (3, True)


def test_row_44_empty_file_and_header_only_are_refused(table):
    assert "empty" in problems(table(""))[0].message
    assert "no rows" in problems(table(HEADER))[0].message


def test_row_46_latin_1_is_refused_with_the_byte(table):
    named = ROW.replace("Someone", "Müller")
    raw = f"{HEADER}\n{named}\n".encode("latin-1")
    (problem,) = problems(table(raw=raw))
    assert f"byte {raw.index(0xFC)}" in problem.message
    assert "Latin-1" in problem.message


def test_the_same_id_twice_is_refused_with_both_lines(table):
    (problem,) = problems(table(HEADER, ROW, ROW))
    assert problem.line == 3
    assert "line 2" in problem.message


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    assert "cannot be read" in problems(tmp_path)[0].message


def test_lines_count_inside_quoted_cells(table):
    cases = read_evidence(
        table(HEADER, ROW.replace("a note", '"two\nlines"'), ROW.replace("C01", "C02"))
    ).cases
    assert [case.line for case in cases] == [2, 4]


def test_reading_evidence_loads_no_heavy_library(table):
    script = (
        "import sys; from pathlib import Path; from exsim.inputs.evidence_table import read_evidence\n"
        f"read_evidence(Path({str(table(HEADER, ROW))!r}))\n"
        "print(sorted({'jax', 'xarray', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


CELLS = st.one_of(
    st.text(max_size=8), st.sampled_from(["", "1", "nan", '"', "calibrate", "fold", "\r", ";", "=1"])
)


@settings(max_examples=200, deadline=2000)
@given(st.lists(st.lists(CELLS, min_size=14, max_size=18), max_size=4), st.binary(max_size=20))
def test_any_table_is_read_or_refused_and_nothing_else(tmp_path_factory, rows, tail):
    path = tmp_path_factory.mktemp("fuzz") / "evidence.csv"
    text = "\n".join([HEADER, *(",".join(row) for row in rows)])
    path.write_bytes(text.encode("utf-8", "surrogatepass") + tail)
    started = time.monotonic()
    with contextlib.suppress(EvidenceError):
        assert read_evidence(path).cases
    assert time.monotonic() - started < 2.0
