"""Measurements of a lab: read whole into the units of the model, or refused with every problem at its row."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exsim.errors import LabDataError
from exsim.inputs.lab_data import COLUMNS, read_lab_data
from exsim.inputs.model_files import load_model
from exsim.measurements import BELOW_LIMIT, LabData
from exsim.sweep_targets import Analyte, analytes

KNOWN = {
    "IL6": Analyte("IL6", "pg/mL", "IL-6"),
    "IL1RA": Analyte("IL1RA", "pg/mL", "IL-1RA"),
    "cortisol": Analyte("cortisol", "nmol/L", "cortisol"),
    "glycogen": Analyte("glycogen", "dimensionless", "glycogen"),
}
#: Every column but `source`, which has a test of its own.
EVERY = ",".join(name for name in COLUMNS if name != "source")

Read = Callable[..., LabData]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes lines to a table and reads it."""

    def run(*lines: str, file: str = "lab.csv", **settings: object) -> LabData:
        path = tmp_path / file
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_lab_data(path, KNOWN, **settings)

    return run


def complaints(read: Read, *lines: str, **settings: object) -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(LabDataError) as caught:
        read(*lines, **settings)
    return [(item.line, item.key, item.message) for item in caught.value.problems]


def test_the_source_of_a_row_is_kept(read: Read) -> None:
    header = "subject,condition,time,time_unit,analyte,value,unit,source"
    data = read(header, "P1,race,1,h,IL6,2,pg/mL,doi:10.1/x", "P1,race,2,h,IL6,2,pg/mL,")
    assert data.source == ("doi:10.1/x", "")


def test_every_column_of_a_row_is_read(read: Read) -> None:
    data = read(EVERY, "P1,race,90,min,IL6,0.02,ng/mL,0.004,0.001,16,0.5e-3,plate 2,b,-10 %")
    assert len(data) == 1
    assert (data.subject, data.condition, data.analyte) == (("P1",), ("race",), ("IL6",))
    assert (data.batch, data.replicate, data.unit, data.kind) == (
        ("plate 2",),
        ("b",),
        ("pg/mL",),
        ("level",),
    )
    assert (data.time_h[0], data.after_end[0], data.n[0], data.line[0]) == (1.5, False, 16, 2)
    found = [data.value[0], data.sd[0], data.sem[0], data.lloq[0], data.plasma_volume_change[0]]
    assert found == pytest.approx([18.0, 3.6, 0.9, 0.45, -0.1], rel=1e-12)
    assert np.isnan(data.limit[0])


def test_what_a_row_does_not_give_is_nan_zero_or_no_text(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,IL6,2,pg/mL,,,,,,,")
    for name in ("limit", "sd", "sem", "lloq", "plasma_volume_change"):
        assert np.isnan(getattr(data, name)).tolist() == [True], name
    assert (data.n[0], data.batch[0], data.replicate[0]) == (0, "", "")
    assert (data.warnings, data.repairs) == ((), ())


def test_columns_may_stand_in_any_order_and_rows_keep_theirs(read: Read) -> None:
    data = read(
        "unit,value,analyte,time_unit,time,condition,subject",
        "pg/mL,2,IL6,h,1,race,B",
        "pg/mL,1,IL6,h,0,race,A",
    )
    assert (data.subject, data.value.tolist(), data.time_h.tolist()) == (("B", "A"), [2.0, 1.0], [1.0, 0.0])


def test_the_published_marathon_reads_as_group_means_of_the_shipped_model(tmp_path: Path, root: Path) -> None:
    # Ostrowski et al. 1998, J Physiol 508:949, table 1: mean and SE of 16 runners.
    path = tmp_path / "marathon_1998.csv"
    path.write_text(
        "subject,condition,time,time_unit,analyte,value,unit,sem,n\n"
        "group,race,-1,h,IL6,1.5,pg/mL,0.7,16\n"
        "group,race,end,h,IL6,94.4,pg/mL,12.6,16\n"
        "group,race,end + 2,h,IL6,22.1,pg/mL,3.8,16\n"
        "group,race,end + 120,min,IL1RA,4.119,ng/mL,0.527,16\n",
        encoding="utf-8",
    )
    data = read_lab_data(path, analytes(load_model("il6_axis")), bouts={"race": (0.0, 3.5)})
    assert data.value.tolist() == [1.5, 94.4, 22.1, 4119.0]
    assert data.sem.tolist() == [0.7, 12.6, 3.8, 527.0]
    assert data.group_mean.tolist() == [True] * 4
    assert data.after_end.tolist() == [False, True, True, True]
    assert data.hours({"race": 3.5}).tolist() == [-1.0, 3.5, 5.5, 5.5]
    assert data.baseline.tolist() == [True, False, False, False]
    assert data.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert data.warnings == ()


# ---- times -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "unit", "hours", "after_end"),
    [
        ("90", "min", 1.5, False),
        ("-1", "d", -24.0, False),
        ("end", "h", 0.0, True),
        ("End", "min", 0.0, True),
        ("end + 30", "min", 0.5, True),
        ("end-30", "min", -0.5, True),
        ("end +1.5e0", "h", 1.5, True),
    ],
)
def test_times_count_from_the_start_or_the_end(
    read: Read, cell: str, unit: str, hours: float, after_end: bool
) -> None:
    data = read(EVERY, f"P1,race,{cell},{unit},IL6,2,pg/mL,,,,,,,")
    assert (data.time_h[0], data.after_end[0]) == (hours, after_end)


@pytest.mark.parametrize(
    ("cell", "unit", "words"),
    [
        ("", "h", "the row has no time"),
        ("1", "", "has no unit"),
        ("end", "", "has no unit"),
        ("1", "m", "is a length"),
        ("1", "minutes?", "is not a unit"),
        ("1 h", "h", "is not a number"),
        ("end + 1 h", "h", "is not a number"),
        ("end + -1", "h", "has two signs"),
        ("end +", "h", "is not a number"),
        ("ending", "h", "is not a number"),
        ("pre", "h", "is not a number"),
    ],
)
def test_a_time_that_cannot_be_told_is_refused(read: Read, cell: str, unit: str, words: str) -> None:
    ((line, key, message),) = complaints(read, EVERY, f"P1,race,{cell},{unit},IL6,2,pg/mL,,,,,,,")
    assert (line, key) == (2, "time")
    assert words in message


def test_conditions_are_those_of_the_config(read: Read) -> None:
    bouts = {"race": (0.0, 3.5), "rest": None}
    lines = [EVERY, "P1,rase,0,h,IL6,2,pg/mL,,,,,,,", "P1,rest,end,h,IL6,2,pg/mL,,,,,,,"]
    assert complaints(read, *lines, bouts=bouts) == [
        (2, "condition", 'unknown condition "rase"'),
        (3, "time", 'the time counts from the end of a bout, and "rest" has none'),
    ]
    data = read(EVERY, *(f"P1,rest,{hour},h,IL6,2,pg/mL,,,,,,," for hour in (-1, 0, 5)), bouts=bouts)
    assert data.baseline.tolist() == [True, False, False]


def test_a_time_after_the_end_of_an_unknown_bout_is_a_key_error(read: Read) -> None:
    with pytest.raises(KeyError, match="race"):
        read(EVERY, "P1,race,end,h,IL6,2,pg/mL,,,,,,,").hours({})


# ---- values, spreads, relative units -----------------------------------------------------------------


def test_spreads_are_taken_as_they_are_and_never_made_from_each_other(read: Read) -> None:
    data = read(
        EVERY,
        "group,race,0,h,IL6,2,pg/mL,0.4,,4,,,,",
        "group,race,1,h,IL6,2,pg/mL,,0.2,4,,,,",
        "P1,race,0,h,IL6,2,pg/mL,0.1,,,,,,",
        "group,race,2,h,IL6,2,pg/mL,,0.2,,,,,",
        "P1,race,1,h,IL6,2,pg/mL,,,1,,,,",
    )
    np.testing.assert_array_equal(data.sd, [0.4, np.nan, 0.1, np.nan, np.nan])
    np.testing.assert_array_equal(data.sem, [np.nan, 0.2, np.nan, 0.2, np.nan])
    assert data.group_mean.tolist() == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("cells", "key", "words"),
    [
        ("-0.1,,,", "sd", "must be more than 0"),
        ("0,,,", "sd", "must be more than 0"),
        (",0,,", "sem", "must be more than 0"),
        ("0.1,0.4,16,", "sem", "the standard error, 0.4, is above the standard deviation, 0.1"),
        (",,0,", "n", "is not a number of people"),
        (",,1.5,", "n", "is not a number of people"),
        (",,-3,", "n", "is not a number of people"),
        ("a,,,", "sd", "is not a number"),
    ],
)
def test_a_spread_or_count_that_cannot_be_is_refused(read: Read, cells: str, key: str, words: str) -> None:
    ((line, column, message),) = complaints(read, EVERY, f"P1,race,0,h,IL6,2,pg/mL,{cells},,,")
    assert (line, column) == (2, key)
    assert words in message


@pytest.mark.parametrize(
    ("written", "kind"),
    [("fold", "fold"), ("Fold change", "fold"), ("NPX", "NPX"), ("AU", "AU"), ("arbitrary units", "AU")],
)
def test_relative_values_are_kept_with_their_kind(read: Read, written: str, kind: str) -> None:
    data = read(EVERY, f"P1,race,0,h,IL6,3.5,{written},0.7,,,,,,")
    assert (data.kind, data.unit) == ((kind,), (kind,))
    assert (data.value[0], data.sd[0]) == (3.5, 0.7)


def test_a_level_without_dimension_is_a_level(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,glycogen,45,%,,,,,,,", "P1,race,1,h,glycogen,0.4,dimensionless,,,,,,,")
    assert data.value.tolist() == [0.45, 0.4]
    assert data.kind == ("level", "level")


def test_npx_may_lie_below_zero_and_so_may_its_limit(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,IL6,-0.4,NPX,,,,-1.5,,,", "P1,race,1,h,IL6,<-1.5,NPX,,,,,,,")
    assert (data.value[0], data.lloq[0], data.limit[1]) == (-0.4, -1.5, -1.5)
    assert data.censoring.tolist() == [0, BELOW_LIMIT]
    assert not [item for item in data.warnings if "below 0" in item]


def test_a_level_below_zero_is_taken_with_a_warning(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,IL6,-0.4,pg/mL,,,,,,,")
    assert data.value[0] == -0.4
    assert "a value is below 0 on line 2" in data.warnings[0]


def test_limits_are_converted_with_the_unit(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,IL6,<0.5,ng/mL,,,,0.5,,,", "P1,race,1,h,IL6,BLQ,ng/mL,,,,0.25,,,")
    assert data.limit.tolist() == [500.0, 250.0]
    assert data.lloq.tolist() == [500.0, 250.0]


# ---- haemoconcentration ------------------------------------------------------------------------------


def test_values_and_all_that_goes_with_them_are_corrected_for_plasma_volume_and_recorded(read: Read) -> None:
    data = read(
        EVERY,
        "P1,race,0,h,IL6,100,pg/mL,10,5,,1,,,-20%",
        "P1,race,1,h,IL6,<1,pg/mL,,,,,,,5 %",
        "P1,race,2,h,IL6,8,NPX,0.5,,,,,,-50.0e-0%".replace("-50.0e-0", "-20"),
        "P1,race,3,h,IL6,100,pg/mL,,,,,,,0",
    )
    found = [data.value[0], data.sd[0], data.sem[0], data.lloq[0], data.limit[1], data.value[3]]
    assert found == pytest.approx([80.0, 8.0, 4.0, 0.8, 1.05, 100.0], rel=1e-12)
    # A logarithm to base 2 is shifted, its spread stays.
    assert data.value[2] == pytest.approx(8 + math.log2(0.8), rel=1e-12)
    assert data.sd[2] == 0.5
    assert "4 rows corrected for haemoconcentration: value * (1 + plasma_volume_change)" in data.repairs[0]
    assert data.warnings == (f"{data.path}: 1 value known only to lie below a limit",)


def test_rows_without_a_change_stay_as_measured_with_a_warning(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,IL6,100,pg/mL,,,,,,,", "P1,race,1,h,IL6,100,pg/mL,,,,,,,-8 %")
    assert data.value.tolist() == [100.0, 92.0]
    assert "no plasma_volume_change on line 2" in data.warnings[0]


@pytest.mark.parametrize(
    ("cell", "setting", "corrected"),
    [("-0.08", "fraction", 92.0), ("-8", "percent", 92.0), ("-8 %", "percent", 92.0), ("0", None, 100.0)],
)
def test_a_bare_change_is_read_as_the_setting_says(
    read: Read, cell: str, setting: str | None, corrected: float
) -> None:
    data = read(EVERY, f"P1,race,0,h,IL6,100,pg/mL,,,,,,,{cell}", plasma_volume=setting)
    assert data.value[0] == pytest.approx(corrected, rel=1e-12)


@pytest.mark.parametrize(
    ("cell", "setting", "words"),
    [
        ("-0.08", None, "may be a fraction or in percent"),
        ("-8", None, "may be a fraction or in percent"),
        ("-8 %", "fraction", "is in percent"),
        ("-8", "fraction", "an impossible change"),
        ("-80 %", None, "an impossible change"),
        ("x %", None, "is not a number"),
    ],
)
def test_a_change_that_may_be_either_or_is_impossible_is_refused(
    read: Read, cell: str, setting: str | None, words: str
) -> None:
    line = f"P1,race,0,h,IL6,100,pg/mL,,,,,,,{cell}"
    ((number, key, message),) = complaints(read, EVERY, line, plasma_volume=setting)
    assert (number, key) == (2, "plasma_volume_change")
    assert words in message


# ---- the whole table ---------------------------------------------------------------------------------


def test_all_problems_of_a_table_come_in_one_raise_by_line(read: Read) -> None:
    found = complaints(
        read,
        EVERY,
        ",race,zero,h,IL7,many,pg/mL,,,,,,,",
        "P1,,0,h,IL6,1,kg,,,,,,,",
        "P1,race,0,h,,BLQ,pg/mL,,,x,,,,",
        "P1,race,0,h,IL6,1,pg/mL,,,,,,,",
        "P1,race,0,h,IL6,1,pg/mL,,,,,,,",
    )
    assert [(line, key) for line, key, _ in found] == [
        (2, "subject"), (2, "analyte"), (2, "value"), (2, "time"),
        (3, "condition"), (3, "unit"),
        (4, "analyte"), (4, "n"), (4, "value"),
        (6, None),
    ]  # fmt: skip


def test_a_message_has_file_line_column_what_was_found_and_the_way_out(read: Read, tmp_path: Path) -> None:
    with pytest.raises(LabDataError) as caught:
        read(EVERY, "P1,race,0,h,IL-6,1,pg/mL,,,,,,,")
    assert str(caught.value) == (
        f'{tmp_path / "lab.csv"}:2  analyte\n  unknown analyte "IL-6"\n'
        '  Did you mean "IL6"?  (accepted: IL1RA, IL6, cortisol, glycogen)'
    )


def test_control_characters_of_a_cell_do_not_reach_the_terminal(read: Read) -> None:
    ((_, _, message),) = complaints(read, EVERY, "P1,race,0,h,IL6,\x1b[31mred,pg/mL,,,,,,,")
    assert "\x1b" not in message
    assert "\\x1b[31mred" in message


def test_blanks_round_cells_are_taken_off_and_recorded(read: Read) -> None:
    data = read(EVERY.replace(",", ", "), " P1, race ,0,h,IL6,2,pg/mL,,,,,,,")
    assert (data.subject, data.condition) == (("P1",), ("race",))
    assert data.repairs == (f"{data.path}: blanks round 2 cells taken off",)


def test_names_are_kept_in_composed_unicode(read: Read) -> None:
    data = read(EVERY, "La\u0308ufer,race,0,h,IL6,2,pg/mL,,,,,,,")
    assert data.subject == ("L\u00e4ufer",)
    assert "Unicode of 1 cells composed" in data.repairs[0]


def test_both_mu_signs_are_one(read: Read) -> None:
    data = read(EVERY, "P1,race,0,h,IL6,1,\u00b5g/L,,,,,,,", "P1,race,1,h,IL6,1,\u03bcg/L,,,,,,,")
    assert data.value.tolist() == [1000.0, 1000.0]


def test_lines_count_inside_quoted_cells_and_over_blank_lines(read: Read) -> None:
    data = read(EVERY, '"two\nlines",race,0,h,IL6,1,pg/mL,,,,,,,', "", "P2,race,0,h,IL6,1,pg/mL,,,,,,,")
    assert data.line.tolist() == [2, 5]


def test_a_tsv_is_read_with_tabs(read: Read) -> None:
    row = "P1,race,0,h,IL6,2,pg/mL,,,,,,,"
    data = read(EVERY.replace(",", "\t"), row.replace(",", "\t"), file="lab.tsv")
    assert data.value.tolist() == [2.0]


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabDataError, match="there is no such file"):
        read_lab_data(tmp_path / "lab.csv", KNOWN)
    with pytest.raises(LabDataError, match="is not a file"):
        read_lab_data(tmp_path, KNOWN)


def test_a_table_of_200_people_reads_in_seconds(read: Read) -> None:
    lines = [
        f"P{person},race,{hour},h,IL6,{1 + hour * 0.37 + person % 7},pg/mL,,,,0.5,A,,-{hour} %"
        for person in range(200)
        for hour in range(10)
    ]
    started = time.process_time()
    data = read(EVERY, *lines)
    assert time.process_time() - started < 10
    assert len(data) == 2_000
    assert data.value[9] == pytest.approx((1 + 9 * 0.37) * 0.91, rel=1e-12)


def test_reading_measurements_loads_no_heavy_library(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text(f"{EVERY}\nP1,race,0,h,IL6,2,pg/mL,,,,,,,\n", encoding="utf-8")
    script = (
        "import sys; from pathlib import Path; from exsim.inputs.lab_data import read_lab_data\n"
        "from exsim.sweep_targets import Analyte\n"
        f"read_lab_data(Path({str(path)!r}), {{'IL6': Analyte('IL6', 'pg/mL', 'IL-6')}})\n"
        "print(sorted({'jax', 'xarray', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "1", "nan", '"', "<0.5", "BLQ", "end", "end + 1", "-8 %", "pg/mL", "nmol/L", "IL6", "fold", "\r",
         "2024-05-04T09:30Z", "1e99", "1e-320", "h", "min^9", "kg", "=1", "P1", ",", ";"]
    ),
)  # fmt: skip
#: A few cells of a good row replaced: most such tables get far, and some are read.
CHANGES = st.lists(st.tuples(st.integers(0, 13), CELLS), max_size=2)
EXAMPLES = int(os.environ.get("EXSIM_FUZZ_EXAMPLES", "200"))


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(st.lists(CHANGES, max_size=6), st.binary(max_size=3), st.sampled_from([",", ";"]), st.booleans())
def test_any_table_is_read_or_refused_and_nothing_else(
    changes: list[list[tuple[int, str]]], tail: bytes, sep: str, commas: bool
) -> None:
    rows = [["P1", "race", "1", "h", "IL6", "2", "pg/mL", "", "", "", "0.5", "", "", ""]]
    for number, changed in enumerate(changes):
        rows.append([f"P{number + 2}", *rows[0][1:]])
        for place, cell in changed:
            rows[-1][place] = cell
    text = "\n".join([EVERY.replace(",", sep), *(sep.join(row) for row in rows)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.csv"
        path.write_bytes(text.encode("utf-8", "surrogatepass") + b"\n" + tail)
        started = time.process_time()
        with contextlib.suppress(LabDataError):
            data = read_lab_data(
                path,
                KNOWN,
                sep=sep,
                decimal="," if commas and sep == ";" else ".",
                clock="2024-05-04T08:00Z",
                molar_mass={"cortisol": 362.5},
                typical={"IL6": (1.0, 100.0)},
                lognormal=["IL6"],
            )
            assert len(data) >= 1
            # A number or a limit in each row, never both, never neither.
            assert (np.isfinite(data.value) == (data.censoring == 0)).all()
            assert (np.isfinite(data.limit) == (data.censoring != 0)).all()
        assert time.process_time() - started < 4.0
