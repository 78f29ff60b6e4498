"""Rows 27 to 48 of the fault table, data tables: refused with line and column, or read and recorded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exsim.errors import LabDataError, Problem
from exsim.inputs import lab_data_text
from exsim.inputs.lab_data import read_lab_data
from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED, LabData
from exsim.outputs.tables import csv_bytes
from exsim.sweep_targets import Analyte

KNOWN = {
    "IL6": Analyte("IL6", "pg/mL", "IL-6"),
    "IL10": Analyte("IL10", "pg/mL", "IL-10"),
    "cortisol": Analyte("cortisol", "nmol/L", "cortisol"),
    "NA": Analyte("NA", "pg/mL", "noradrenaline"),
    "nan": Analyte("nan", "pg/mL", "nan"),
}
HEADER = "subject,condition,time,time_unit,analyte,value,unit"
ROW = "P1,race,0,h,IL6,1.5,pg/mL"

Read = Callable[..., LabData]
Refused = Callable[..., list[Problem]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes lines, or bytes, to a table and reads it."""

    def run(*lines: str, raw: bytes | None = None, **settings: object) -> LabData:
        path = tmp_path / "lab.csv"
        path.write_bytes("\n".join(lines).encode() + b"\n" if raw is None else raw)
        return read_lab_data(path, KNOWN, **settings)

    return run


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Refused:
    """Return a function that reads a table which must be refused, and gives the problems."""

    def run(*lines: str, **settings: object) -> list[Problem]:
        with pytest.raises(LabDataError) as caught:
            read(*lines, **settings)
        assert caught.value.exit_code == 3
        assert {problem.file for problem in caught.value.problems} == {str(tmp_path / "lab.csv")}
        return list(caught.value.problems)

    return run


def one(problems: list[Problem], line: int | None, key: str | None, *words: str) -> Problem:
    """Return the only problem, at its place, with the words in message or hint."""
    assert [(item.line, item.key) for item in problems] == [(line, key)], problems
    for word in words:
        assert word in str(problems[0])
    return problems[0]


def value_row(value: str, **cells: str) -> str:
    """Return a row with that value and other cells by column name."""
    names = HEADER.split(",")
    plain = dict(zip(names, ROW.split(","), strict=True)) | {"value": value} | cells
    return ",".join(plain.values())


@pytest.mark.parametrize("blank", ["", "  ", "NA", "nan", "NaN", "N/A", "#N/A", "null", "."])
def test_row_27_a_blank_measurement_is_left_out_and_counted(read: Read, blank: str) -> None:
    data = read(HEADER, ROW, value_row(blank, time="1"), value_row("3", time="2"))
    assert data.value.tolist() == [1.5, 3.0]
    assert data.line.tolist() == [2, 4]
    assert [item for item in data.warnings if "1 row without a measurement left out (line 3)" in item]


def test_row_27_strict_refuses_every_blank_measurement(refused: Refused) -> None:
    found = refused(HEADER, value_row(""), ROW, value_row("NaN", time="1"), strict=True)
    one(found, 2, "value", "there is no measurement (and on line 4)", "unset strict")


def test_row_27_a_table_of_blanks_alone_is_refused(refused: Refused) -> None:
    one(refused(HEADER, value_row("")), None, None, "no row holds a measurement")


def test_row_28_names_are_text_whatever_pandas_makes_of_them(read: Read) -> None:
    data = read(HEADER, ROW.replace("IL6", "NA"), ROW.replace("IL6", "nan"), "null,None,0,h,NA,2,pg/mL")
    assert data.analyte == ("NA", "nan", "NA")
    assert (data.subject[2], data.condition[2]) == ("null", "None")


def test_row_29_the_same_measurement_twice_is_refused(refused: Refused) -> None:
    again = value_row("9", time="60", time_unit="min")
    found = refused(HEADER, value_row("1.5", time="1"), ROW, again)
    one(found, 4, None, "IL6 of P1 at this time stands on line 2", "replicate")


def test_row_29_a_replicate_column_tells_them_apart(read: Read, refused: Refused) -> None:
    header = HEADER + ",replicate"
    data = read(header, ROW + ",1", ROW + ",2")
    assert data.replicate == ("1", "2")
    one(refused(header, ROW + ",1", ROW + ",2", ROW + ",2"), 4, None, "stands on line 3, replicate 2")


def test_row_29_other_subjects_conditions_analytes_and_times_are_no_repeats(read: Read) -> None:
    rows = [
        ROW,
        value_row("1", subject="P2"),
        value_row("1", condition="rest"),
        value_row("1", analyte="IL10"),
        value_row("1", time="0.1"),
        value_row("1", time="end"),
    ]
    assert len(read(HEADER, *rows)) == 6


def test_row_29_a_time_after_the_end_and_one_after_the_start_may_be_the_same(refused: Refused) -> None:
    found = refused(
        HEADER, value_row("1", time="4.43"), value_row("2", time="end + 1"), bouts={"race": (0.0, 3.43)}
    )
    one(found, 3, None, "stands on line 2")


def test_row_30_a_time_before_the_first_bout_is_baseline(read: Read) -> None:
    rows = [value_row("1", time=time) for time in ("-24", "0.5", "1", "end - 3", "end + 1")]
    data = read(HEADER, *rows, bouts={"race": (1.0, 3.0)})
    assert data.baseline.tolist() == [True, True, False, True, False]
    assert data.time_h.tolist() == [-24.0, 0.5, 1.0, -3.0, 1.0]


def test_row_30_without_a_protocol_negative_times_are_baseline(read: Read) -> None:
    data = read(HEADER, value_row("1", time="-0.1"), ROW, value_row("1", time="end - 3"))
    assert data.baseline.tolist() == [True, False, False]


def test_row_30_where_there_is_no_rest_before_the_bout_the_rows_are_named(refused: Refused) -> None:
    rows = [value_row("1", time=time) for time in ("-24", "2", "0.5")]
    found = refused(HEADER, *rows, bouts={"race": (1.0, 3.0)}, baseline=False)
    one(found, 2, "time", "before the first bout", "(and on line 4)")


@pytest.mark.parametrize(
    "cell",
    ["BLQ", "blq", "BLOQ", "BDL", "<LOD", "< LLOQ", "LOD", "LOD/2", "LLOQ / 2", "LOD/sqrt(2)", "LOD/√2"],
)
def test_row_31_a_word_for_below_the_limit_is_censored_at_the_lloq(
    read: Read, refused: Refused, cell: str
) -> None:
    data = read(HEADER + ",lloq", ROW + ",0.5", value_row(cell, time="1") + ",0.5")
    assert data.censoring.tolist() == [MEASURED, BELOW_LIMIT]
    assert data.limit[1] == 0.5
    assert np.isnan(data.value[1])
    assert np.isnan(data.limit[0])
    found = refused(HEADER + ",lloq", value_row(cell) + ",", value_row(cell, time="1") + ",")
    one(found, 2, "value", "a limit that is not given (and on line 3)", 'lloq, or write it: "<0.5"')


@pytest.mark.parametrize(
    ("cell", "side", "limit"),
    [
        ("<0.5", BELOW_LIMIT, 0.5),
        ("< 0.5", BELOW_LIMIT, 0.5),
        ("<=.5", BELOW_LIMIT, 0.5),
        ("≤0.5", BELOW_LIMIT, 0.5),
        (">500", ABOVE_LIMIT, 500.0),
        ("≥ 5e2", ABOVE_LIMIT, 500.0),
    ],
)
def test_row_31_a_limit_in_the_cell_is_kept_as_a_limit(
    read: Read, cell: str, side: int, limit: float
) -> None:
    data = read(HEADER, value_row(cell))
    assert (data.censoring[0], data.limit[0]) == (side, limit)
    assert np.isnan(data.value[0])
    word = "below" if side == BELOW_LIMIT else "above"
    assert f"1 value known only to lie {word} a limit" in data.warnings[0]


def test_row_31_a_number_below_the_lloq_is_a_limit_and_said(read: Read) -> None:
    data = read(HEADER + ",lloq", value_row("0.25") + ",0.5", value_row("0.5", time="1") + ",0.5")
    assert data.censoring.tolist() == [BELOW_LIMIT, MEASURED]
    assert data.limit[0] == 0.5
    assert any("a number below its lloq is taken as below the lloq on line 2" in w for w in data.warnings)


@pytest.mark.parametrize(
    ("value", "lloq", "key", "words"),
    [
        (">ULOQ", "0.5", "value", ("gives no limit", 'e.g. ">500"')),
        ("ND", "0.5", "value", ("may be below the limit or not measured", "BLQ")),
        ("none", "0.5", "value", ("may be below the limit or not measured",)),
        ("<0", "", "value", ("has no limit above 0",)),
        ("<", "", "value", ("is not a number",)),
        ("<0.5", "0.3", "lloq", ("the value is below 0.5, and lloq is 0.3",)),
        (">0.2", "0.3", "lloq", ("the value is above 0.2, and lloq is 0.3",)),
        ("1", "0", "lloq", ("it must be more than 0",)),
        ("1", "<0.5", "lloq", ("is not a number",)),
    ],
)
def test_row_31_a_limit_that_cannot_be_told_is_refused(
    refused: Refused, value: str, lloq: str, key: str, words: tuple[str, ...]
) -> None:
    one(refused(HEADER + ",lloq", value_row(value) + f",{lloq}"), 2, key, *words)


def test_row_32_zero_or_less_under_log_normal_noise_is_refused_with_the_rows(refused: Refused) -> None:
    rows = [value_row(value, time=str(hour)) for hour, value in enumerate(("0", "1", "-2"))]
    found = refused(HEADER, *rows, lognormal=["IL6"])
    one(found, 2, "value", "log-normal (and on line 4)", 'write "<" and the limit', 'noise = "normal"')


def test_row_32_other_noise_limits_and_npx_are_taken(read: Read) -> None:
    rows = [value_row("0"), value_row("<0.5", analyte="IL10"), value_row("-1.2", analyte="IL10", unit="NPX")]
    rows[2] = rows[2].replace("race,0", "race,1")
    data = read(HEADER, *rows, lognormal=["IL10"])
    assert data.value[[0, 2]].tolist() == [0.0, -1.2]


def test_row_33_an_unknown_analyte_is_refused_once_with_the_nearest_and_the_list(refused: Refused) -> None:
    rows = [value_row("1", analyte="IL-6", time=str(hour)) for hour in range(20)]
    found = refused(HEADER, *rows, value_row("1", analyte="lactate"))
    assert [(item.line, item.key) for item in found] == [(2, "analyte"), (22, "analyte")]
    assert 'unknown analyte "IL-6" (and on lines 3, 4, 5, 6, 7, 8, 9, 10 and 11 more)' in str(found[0])
    assert 'Did you mean "IL6"?  (accepted: IL10, IL6, NA, cortisol, nan)' in str(found[0])


def test_row_34_a_missing_column_is_refused_with_the_nearest(refused: Refused) -> None:
    header = HEADER.replace("analyte", "analite").replace("time_unit", "zz")
    found = refused(header, ROW)
    assert [(item.line, item.key) for item in found] == [(1, "time_unit"), (1, "analyte")]
    assert 'Did you mean "analite"?' in str(found[1])
    one(refused(HEADER + ",unit", ROW + ",g"), 1, "unit", "is given twice")
    one(refused("a,b", "1,2"), 1, None, "names none of the columns", "subject, condition, time")


def test_row_34_an_extra_column_is_a_warning(read: Read) -> None:
    data = read(HEADER + ",lloqs,note,", ROW + ",1,x,")
    assert [item.partition(": ")[2] for item in data.warnings] == [
        'column "lloqs" is not known and was not read: did you mean "lloq"?',
        'column "note" is not known and was not read',
        "a column without a name was not read",
    ]


def test_row_35_a_byte_order_mark_is_taken_off_and_recorded(read: Read) -> None:
    data = read(raw=b"\xef\xbb\xbf" + f"{HEADER}\n{ROW}\n".encode())
    assert data.subject == ("P1",)
    assert "byte-order mark taken off" in data.repairs[0]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_row_36_line_ends_of_other_systems_read_the_same(read: Read, end: str) -> None:
    data = read(raw=end.join([HEADER, ROW, value_row("2", time="1"), ""]).encode())
    assert (data.value.tolist(), data.line.tolist()) == ([1.5, 2.0], [2, 3])
    assert "line ends made the same" in data.repairs[0]


@pytest.mark.parametrize(("sep", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_row_37_another_separator_is_refused_by_name_and_allowed_by_sep(
    read: Read, refused: Refused, sep: str, word: str
) -> None:
    lines = (HEADER.replace(",", sep), ROW.replace(",", sep))
    one(refused(*lines), 1, None, f"columns are separated by {word}", f"set sep = {sep!r}")
    assert read(*lines, sep=sep).value.tolist() == [1.5]


def test_row_37_commas_where_semicolons_are_set_are_refused(refused: Refused) -> None:
    one(refused(HEADER, ROW, sep=";"), 1, None, "columns are separated by commas", "set sep = ','")
    one(refused(HEADER, ROW, sep=":"), None, "sep", "sep is ':'")


@pytest.mark.parametrize("cell", ["62,9", "<0,5", "-3,25"])
def test_row_38_decimal_commas_are_refused_and_allowed_by_decimal(
    read: Read, refused: Refused, cell: str
) -> None:
    header, row = HEADER.replace(",", ";"), ROW.replace(",", ";").replace("1.5", cell)
    one(refused(header, row, sep=";"), 2, "value", "is not a number", 'or set decimal = ","')
    data = read(header, row, sep=";", decimal=",")
    found = data.limit[0] if cell[0] == "<" else data.value[0]
    assert found == float(cell.lstrip("<").replace(",", "."))


def test_row_38_decimal_signs_that_are_mixed_are_refused(refused: Refused) -> None:
    rows = [ROW.replace(",", ";").replace("1.5", cell) for cell in ("62,9", "62.9")]
    found = refused(HEADER.replace(",", ";"), *rows, sep=";", decimal=",")
    one(found, 3, "value", '"62.9" is not a number', "cannot be mixed")


def test_row_38_commas_cannot_be_both_separator_and_decimal_sign(refused: Refused) -> None:
    one(refused(HEADER, ROW, decimal=","), None, "sep", "both a comma", 'sep = ";"')
    one(refused(HEADER, ROW.replace("1.5", "1,5")), 2, None, "8 cells and the header 7", "decimal commas")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1,234.5", "without thousands separators"),
        ("1,234,567", "without thousands separators"),
        ("1 234", "without thousands separators"),
        ("1’234.5", "without thousands separators"),
        ("1,234", "write 1234 without a thousands separator, or 1.234"),
        ("3 pg/mL", "the unit goes into a column of its own"),
        ("8O", "a letter O stands where a zero belongs"),
        ("3pg/mL", "the unit goes into a column of its own"),
        ("<3 µg/L", "the unit goes into a column of its own"),
        ("1.5 ± 0.3", "its spread into sd or sem"),
        ("−3", 'the minus sign as "-"'),
        ("1e400", "is not a finite number"),
        ("inf", "leave the cell empty"),
        ("1e200", "is too large"),
        ("٣", "is not a number"),
        ("0x10", "is not a number"),
        ("1_000", "without thousands separators"),
    ],
)
def test_row_39_numbers_that_are_not_plain_are_refused_with_their_row(
    refused: Refused, cell: str, words: str
) -> None:
    one(refused(HEADER, ROW, value_row(f'"{cell}"', time="1")), 3, "value", words)


def test_row_40_units_are_converted_row_by_row(read: Read) -> None:
    units = ("pg/mL", "ng/L", "ng/mL", "pg mL^-1", "ug/L")
    data = read(HEADER, *(value_row("0.3", time=str(n), unit=unit) for n, unit in enumerate(units)))
    assert data.value.tolist() == [0.3, 0.3, 300.0, 0.3, 300.0]
    assert set(data.unit) == {"pg/mL"}


def test_row_40_a_row_without_a_unit_or_with_an_unknown_one_is_refused(refused: Refused) -> None:
    units = ("", "pgg/mL", "mol", "%", "pM")
    found = refused(HEADER, *(value_row("1", time=str(n), unit=unit) for n, unit in enumerate(units)))
    assert [(item.line, item.key) for item in found] == [(n, "unit") for n in range(2, 7)]
    words = (
        "the row has no unit",
        'unknown unit "pgg"',
        "is an amount of substance",
        "dimensionless",
        "pmol/L",
    )
    for problem, word in zip(found, words, strict=True):
        assert word in str(problem)


def test_row_40_an_amount_becomes_a_mass_only_by_a_molar_mass(read: Read, refused: Refused) -> None:
    rows = [value_row("10", unit="pmol/L"), value_row("36.25", analyte="cortisol", unit="ug/dL")]
    found = refused(HEADER, *rows)
    assert [(item.line, item.key) for item in found] == [(2, "unit"), (3, "unit")]
    assert "only by a molar mass" in str(found[0])
    data = read(HEADER, *rows, molar_mass={"IL6": 20_800.0, "cortisol": 362.5})
    # 10e-12 mol/L * 20,800 g/mol = 208e-9 g/L = 208 pg/mL; 36.25e-5 g/L / 362.5 g/mol = 1000 nmol/L.
    assert data.value == pytest.approx([208.0, 1000.0], rel=1e-12)
    assert "cortisol: ug/dL read as nmol/L by a molar mass of 362.5 g/mol" in data.repairs[1]


def test_row_41_a_factor_of_1000_to_the_model_is_a_warning(read: Read) -> None:
    rows = [value_row(str(value), time=str(value)) for value in (0.001, 0.0015, 0.08)]
    (warning,) = read(HEADER, *rows, typical={"IL6": (1.0, 100.0)}).warnings
    assert "the median of IL6, 0.0015 pg/mL, is 0.0015 times the lowest of the model" in warning
    assert "is pg/mL its unit?" in warning
    assert read(HEADER, value_row("2"), typical={"IL6": (1.0, 100.0)}).warnings == ()
    (warning,) = read(HEADER, value_row("2", unit="ng/mL"), typical={"IL6": (1.0, 10.0)}).warnings
    assert "200 times the highest of the model: is ng/mL its unit?" in warning


def test_row_41_a_factor_of_1000_between_groups_is_a_warning(read: Read) -> None:
    lines = [value_row(str(value), time=str(value)) + ",A" for value in (1, 2, 80)]
    lines += [value_row(str(1000 * value), time=str(value), subject="P2") + ",B" for value in (1, 2, 80)]
    (warning,) = read(HEADER + ",batch", *lines).warnings
    assert 'the median of IL6 in batch "B" is 1e+03 times that in batch "A"' in warning
    usual = [line.replace(",2000,", ",200,").replace(",1000,", ",100,") for line in lines]
    assert read(HEADER + ",batch", *usual).warnings == ()


@pytest.mark.parametrize("cell", ["2024-05-04", "2024-05-04T09:30", "4.5.2024", "05/04/24", "13:45", "9 am"])
def test_row_42_a_date_or_time_of_day_is_refused(refused: Refused, cell: str) -> None:
    one(refused(HEADER, value_row("1", time=cell)), 2, "time", "is a date or a time of day", "set clock")


def test_row_42_iso_8601_with_a_zone_is_read_where_the_clock_is_set(read: Read, refused: Refused) -> None:
    rows = [
        value_row("1", time="2024-05-04T09:30+02:00", time_unit=""),
        value_row("1", time="2024-05-04 08:45:00Z", time_unit="ISO 8601"),
        value_row("1", time="30"),
    ]
    data = read(HEADER, *rows, clock="2024-05-04T08:00+02:00")
    assert data.time_h.tolist() == [1.5, 2.75, 30.0]
    times = ("2024-05-04T09:30", "09:30", "2024-02-30T09:30Z")
    rows = [value_row("1", time=time, time_unit="") for time in times]
    found = refused(HEADER, *rows, clock="2024-05-04T08:00+02:00")
    for problem, words in zip(found, ("has no zone", "as ISO 8601 has them", "is no date"), strict=True):
        assert problem.key == "time"
        assert words in problem.message
    one(refused(HEADER, ROW, clock="08:00"), None, "clock", "clock:")


def test_row_42_the_clock_may_differ_by_subject_and_condition(read: Read, refused: Refused) -> None:
    rows = [value_row("1", time="2024-05-04T09:30Z", time_unit="", subject=name) for name in ("P1", "P2")]
    zeros = {("P1", "race"): "2024-05-04T08:00Z", ("P2", "race"): "2024-05-03T09:30Z"}
    assert read(HEADER, *rows, clock=zeros).time_h.tolist() == [1.5, 24.0]
    del zeros["P2", "race"]
    one(refused(HEADER, *rows, clock=zeros), 3, "time", "no time 0 for this subject and condition")


def test_row_43_a_ragged_row_and_an_open_quote_are_refused_with_their_line(refused: Refused) -> None:
    found = refused(HEADER, ROW + ",8", "P1,race", '"P2,race,0,h,IL6,1,pg/mL')
    assert [item.line for item in found] == [2, 3, 4]
    assert "8 cells and the header 7" in found[0].message
    assert "2 cells and the header 7" in found[1].message
    assert "a quote is opened and never closed" in found[2].message


@pytest.mark.parametrize(("content", "words"), [(b"", "empty"), (b"\n \n", "empty"), (HEADER, "no rows")])
def test_row_44_an_empty_table_and_a_header_alone_are_refused(
    refused: Refused, content: str | bytes, words: str
) -> None:
    raw = content.encode() if isinstance(content, str) else content
    one(refused(raw=raw), None, None, words)


def test_row_45_a_table_of_10_gb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    with path.open("wb") as stream:
        stream.write(f"{HEADER}\n{ROW}\n".encode())
        stream.truncate(10_000_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(LabDataError, match="larger than 20,000,000 bytes"):
            read_lab_data(path, KNOWN)
        assert tracemalloc.get_traced_memory()[1] < 3 * lab_data_text.MAX_TABLE_BYTES
    finally:
        tracemalloc.stop()


def test_row_45_a_table_of_nonsense_ends_after_a_thousand_complaints(refused: Refused) -> None:
    found = refused(HEADER, *(value_row("1", analyte=f"x{number}", unit="?") for number in range(5000)))
    assert len(found) == 1001
    assert "more than 1,000 different complaints" in found[-1].message


def test_row_46_latin_1_is_refused_with_the_byte_and_a_guess(refused: Refused) -> None:
    raw = f"{HEADER}\n{ROW.replace('P1', 'Müller')}\n".encode("latin-1")
    found = one(refused(raw=raw), 2, None, f"byte 0xfc at offset {raw.index(0xFC)}", "Latin-1")
    assert 'where that byte is "ü"' in str(found.hint)
    one(refused(raw=HEADER.encode("utf-16")), None, None, "UTF-16")
    one(refused(raw=HEADER.encode("utf-16-le")), None, None, "zero bytes")


def test_row_47_subjects_01_and_1_are_two_and_a_warning(read: Read) -> None:
    data = read(HEADER, ROW.replace("P1", "01"), ROW.replace("P1", "1"), ROW.replace("P1", "10"))
    assert data.subject == ("01", "1", "10")
    (warning,) = data.warnings
    assert 'subjects "01" and "1" are taken as different people' in warning
    assert '"10"' not in warning


def test_row_48_a_label_that_is_a_formula_is_data_and_written_safe_for_spreadsheets(read: Read) -> None:
    data = read(HEADER, ROW.replace("P1", "=cmd()"), ROW.replace("race", "@SUM(A1)"))
    assert (data.subject[0], data.condition[1]) == ("=cmd()", "@SUM(A1)")
    written = csv_bytes(["subject", "condition"], zip(data.subject, data.condition, strict=True))
    assert written.decode() == 'subject,condition\n"\'=cmd()",race\nP1,"\'@SUM(A1)"\n'
