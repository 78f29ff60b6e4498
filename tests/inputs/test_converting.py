"""Tables of other forms read as tidy rows: what is told, what is asked, what is wrong, by line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exsim.errors import LabDataError, Problem
from exsim.inputs.converting import Converted, ConvertOptions, convert_table
from exsim.sweep_targets import Analyte

KNOWN = {
    "IL6": Analyte("IL6", "pg/mL", "IL-6"),
    "IL10": Analyte("IL10", "pg/mL", "IL-10"),
    "IL1RA": Analyte("IL1RA", "pg/mL", "IL-1RA"),
    "TNF": Analyte("TNF", "pg/mL", "TNF"),
    "sTNFR1": Analyte("sTNFR1", "pg/mL", "sTNF-R1"),
    "cortisol": Analyte("cortisol", "nmol/L", "cortisol"),
}


class _Trial:
    """A folder in which a text becomes a table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, text: str, name: str = "sheet.csv", **options: Any) -> Converted:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return convert_table(path, KNOWN, ConvertOptions(**options))

    def rows(self, text: str, columns: str = "analyte time time_unit value", **options: Any) -> list[tuple]:
        made = self.read(text, **options)
        return list(zip(*(made.column(name) for name in columns.split()), strict=True))

    def problems(self, text: str, name: str = "sheet.csv", **options: Any) -> list[Problem]:
        with pytest.raises(LabDataError) as error:
            self.read(text, name, **options)
        return list(error.value.problems)

    def said(self, text: str, name: str = "sheet.csv", **options: Any) -> str:
        return "\n".join(map(str, self.problems(text, name, **options)))


@pytest.fixture
def trial(tmp_path: Path) -> _Trial:
    return _Trial(tmp_path)


# ---- wide sheets -------------------------------------------------------------------------------------

WIDE = "subject,IL6_pre,IL6_post,IL6_2h\nA,1,50,12\n"
PER_PERSON: dict[str, Any] = {
    "condition": "run",
    "time": {"pre": "-0.5", "post": "end"},
    "time_unit": "h",
    "time_from": "end",
    "unit": {"": "pg/mL"},
}


def test_each_column_of_a_measurement_becomes_a_row(trial: _Trial) -> None:
    assert trial.rows(WIDE, **PER_PERSON) == [
        ("IL6", -0.5, "h", 1.0),
        ("IL6", "end", "h", 50.0),
        ("IL6", "end + 2", "h", 12.0),
    ]
    made = trial.read(WIDE, **PER_PERSON)
    assert made.column("subject") == ["A"] * 3
    assert made.column("condition") == ["run"] * 3
    assert made.column("unit") == ["pg/mL"] * 3


@pytest.mark.parametrize(
    ("header", "analyte", "time", "unit"),
    [
        ("IL-6 (pg/mL) 2 h", "IL6", ("end + 2", "h"), "pg/mL"),
        ("IL-6 [ng/L] 90min", "IL6", ("end + 90", "min"), "ng/L"),
        ("IL6 2 (h) [pg/mL]", "IL6", ("end + 2", "h"), "pg/mL"),
        ("IL6_end+1.5h", "IL6", ("end + 1.5", "h"), None),
        ("IL6 end - 10 min", "IL6", ("end - 10", "min"), None),
        ("IL6-2h", "IL6", ("end + 2", "h"), None),
        ("IL6 - 2 h", "IL6", ("end + 2", "h"), None),
        ("IL-1-RA.1.5hrs", "IL1RA", ("end + 1.5", "h"), None),
        ("IL-1RN_2 days", "IL1RA", ("end + 2", "d"), None),
        ("post_IL-10", "IL10", ("end", "h"), None),
        ("2h IL-10 (pg/mL)", "IL10", ("end + 2", "h"), "pg/mL"),
        ("TNF-α, post", "TNF", ("end", "h"), None),
        ("TNF-alpha_2 h", "TNF", ("end + 2", "h"), None),
        ("sTNF-RI post", "sTNFR1", ("end", "h"), None),
        ("IL6 (fold) post", "IL6", ("end", "h"), "fold"),
        ("Cortisol (µg/dL) post", "cortisol", ("end", "h"), "µg/dL"),
        ("IL10_0h", "IL10", ("end", "h"), None),
    ],
)
def test_a_header_tells_analyte_unit_and_time(
    trial: _Trial, header: str, analyte: str, time: tuple[str, str], unit: str | None
) -> None:
    text = f'subject,"{header}"\nA,3\n'
    columns = "analyte time time_unit unit"
    assert trial.rows(text, columns, **PER_PERSON) == [(analyte, *time, unit or "pg/mL")]


def test_a_minus_before_a_number_is_a_sign_after_a_blank(trial: _Trial) -> None:
    options = PER_PERSON | {"time_from": "start"}
    assert trial.rows("subject,IL6 -30min\nA,3\n", "time time_unit", **options) == [(-30.0, "min")]


def test_what_names_were_taken_for_is_said(trial: _Trial) -> None:
    made = trial.read("subject,IL-6 2 h,IL6_pre\nA,3,1\n", **PER_PERSON)
    assert made.notes == ('"IL-6" is IL6', '"2 h" is end + 2 h', '"pre" is -0.5 h')


def test_a_sheet_with_a_column_of_times_has_a_row_for_each_person_and_time(trial: _Trial) -> None:
    text = "ID,Time (h),IL-6 (pg/mL),TNF (pg/mL)\nA,-0.5,1,1.4\nA,end,50,\nA,2,12,<1\n"
    rows = trial.rows(text, condition="run", time_from="start")
    assert rows == [
        ("IL6", -0.5, "h", 1.0),
        ("TNF", -0.5, "h", 1.4),
        ("IL6", "end", "h", 50.0),
        ("TNF", "end", "h", ""),
        ("IL6", 2.0, "h", 12.0),
        ("TNF", 2.0, "h", "<1"),
    ]


def test_words_in_a_column_of_times_are_those_of_the_option(trial: _Trial) -> None:
    text = "ID,timepoint,IL-6 (pg/mL)\nA,pre,1\nA,0,50\n"
    options: dict[str, Any] = {"condition": "run", "time": {"pre": "-30 min", "0": "end"}}
    assert trial.rows(text, "time time_unit", **options) == [(-30.0, "min"), ("end", "h")]


def test_a_column_of_times_is_not_read_where_the_headers_have_theirs(trial: _Trial) -> None:
    made = trial.read("ID,time,IL6_post\nA,09:30,50\n", **PER_PERSON | {"time": {"post": "end"}})
    assert made.column("time") == ["end"]
    assert made.warnings[0] == 'not read: "time"'


def test_conditions_may_stand_in_a_column(trial: _Trial) -> None:
    options = PER_PERSON | {"condition": None}
    assert trial.rows("id,Condition,IL6_post\nA,race,5\n", "condition", **options) == [("race",)]
    options |= {"condition_from": "trial"}
    assert trial.rows("id,trial,IL6_post\nA,fed,5\n", "condition", **options) == [("fed",)]


def test_columns_that_a_tidy_table_has_too_are_taken_along(trial: _Trial) -> None:
    made = trial.read("id,Batch,plasma_volume_change,IL6_post\nA,plate 1,-7 %,5\n", **PER_PERSON)
    assert made.columns[-2:] == ["batch", "plasma_volume_change"]
    assert made.column("batch") == ["plate 1"]
    assert made.column("plasma_volume_change") == ["-7 %"]


def test_columns_that_are_no_measurement_are_named_and_not_read(trial: _Trial) -> None:
    made = trial.read("id,age,IL6_post,sex\nA,23,5,f\n", **PER_PERSON | {"time": {"post": "end"}})
    assert made.warnings[0] == 'not read: "age", "sex"'


def test_analytes_are_left_out_as_asked(trial: _Trial) -> None:
    options = PER_PERSON | {"ignore": ("CRP", "IL-10"), "time": {"post": "end"}}
    made = trial.read("id,IL6_post,CRP_post,IL10_post\nA,5,1,2\n", **options)
    assert made.column("analyte") == ["IL6"]
    assert made.warnings[0] == 'left out, as asked: "CRP_post", "IL10_post"'


def test_names_of_the_lab_are_those_of_the_option(trial: _Trial) -> None:
    options = PER_PERSON | {"analyte": {"cachectin": "TNF"}}
    assert trial.rows("id,cachectin_post\nA,5\n", "analyte", **options) == [("TNF",)]


def test_blanks_stay_blank_and_limits_stay_limits(trial: _Trial) -> None:
    text = "id,IL6_pre,IL6_post,IL6_2h\nA,<0.5,,BLQ\nB,NA,>900,7\n"
    made = trial.read(text, **PER_PERSON | {"lloq": {"IL-6": "0.5"}})
    assert made.column("value") == ["<0.5", "", "BLQ", "", ">900", 7.0]
    assert made.column("lloq") == [0.5] * 6
    assert made.warnings == (
        "3 values known only to lie beyond a limit",
        "2 rows without a measurement kept blank",
    )


def test_decimal_commas_become_points_where_the_option_says_so(trial: _Trial) -> None:
    text = "id;time (h);IL6;n\nA;-0,5;<1,5;1\nA;1,5;62,9;1\n"
    options: dict[str, Any] = {"condition": "run", "sep": "semicolon", "decimal": ",", "time_from": "start"}
    rows = trial.rows(text, "time value", unit={"IL6": "pg/mL"}, **options)
    assert rows == [(-0.5, "<1.5"), (1.5, 62.9)]


def test_a_molar_mass_that_will_be_needed_is_a_warning(trial: _Trial) -> None:
    made = trial.read("id,cortisol_post\nA,18\n", **PER_PERSON | {"unit": {"": "ug/dL"}})
    assert any(
        "cortisol is in ug/dL and the model has nmol/L: give its molar mass" in w for w in made.warnings
    )


def test_what_was_repaired_in_reading_is_said(trial: _Trial) -> None:
    assert "byte-order mark" in trial.read("\ufeff" + WIDE, **PER_PERSON).repairs[0]


def test_a_tab_separated_sheet_is_known_by_its_name(trial: _Trial) -> None:
    made = trial.read(WIDE.replace(",", "\t"), "sheet.tsv", **PER_PERSON)
    assert len(made.rows) == 3


# ---- what is asked -----------------------------------------------------------------------------------


def test_all_that_a_sheet_does_not_tell_is_asked_at_once_with_one_line_to_fill_in(trial: _Trial) -> None:
    text = "who,IL6_pre,IL6_2h,CRP_pre\nA,1,12,3\n"
    problems = trial.problems(text)
    assert [(item.line, item.key, item.hint) for item in problems] == [
        (1, None, "give --subject COLUMN"),
        (1, None, "give --condition NAME"),
        (1, "CRP_pre", "give --analyte CRP=NAME, or leave it out: --ignore CRP"),
        (1, "IL6_pre", "give --time pre=TIME"),
        (1, "IL6_2h", "give --time-from end, or --time-from start"),
        (1, "IL6_pre", "give --unit IL6=UNIT"),
        (1, "CRP_pre", "give --unit CRP=UNIT"),
        (
            None,
            None,
            "--subject COLUMN --condition NAME --analyte CRP=NAME --time pre=TIME --time-from end "
            "--unit IL6=UNIT --unit CRP=UNIT",
        ),
    ]


def test_one_question_alone_needs_no_line_to_fill_in(trial: _Trial) -> None:
    (problem,) = trial.problems(WIDE, **PER_PERSON | {"condition": None})
    assert "under which condition?" in problem.message


def test_the_unit_of_a_plain_time_is_asked(trial: _Trial) -> None:
    said = trial.said(WIDE, **PER_PERSON | {"time_unit": None})
    assert "in which unit are the times?" in said
    assert "--time-unit UNIT" in said


def test_two_columns_of_subjects_are_asked_about(trial: _Trial) -> None:
    said = trial.said("ID,Participant,IL6_post\n1,A,5\n", **PER_PERSON)
    assert "which column says who: ID, Participant?" in said
    text = "ID,Participant,IL6_post\n1,A,5\n"
    assert trial.rows(text, "subject", **PER_PERSON | {"subject": "Participant"}) == [("A",)]


def test_a_time_before_the_start_cannot_count_from_the_end(trial: _Trial) -> None:
    said = trial.said("id,IL6 -30 min\nA,1\n", **PER_PERSON)
    assert '"-30 min" is before the end: was it before the start of exercise?' in said


def test_a_column_without_a_time_is_asked_about_by_its_name(trial: _Trial) -> None:
    said = trial.said("id,IL6,IL6_post\nA,1,5\n", **PER_PERSON)
    assert 'when was "IL6"?' in said
    options = PER_PERSON | {"time": {"IL6": "-1", "post": "end"}}
    assert trial.rows("id,IL6,IL6_post\nA,1,5\n", "time", **options) == [(-1.0,), ("end",)]


def test_a_column_of_something_unknown_with_a_concentration_is_asked_about(trial: _Trial) -> None:
    text = "id,time (h),IL6,CRP (mg/L),mass (kg)\nA,1,5,3,70\n"
    said = trial.said(text, condition="run", unit={"IL6": "pg/mL"}, time_from="start")
    assert '"CRP" is no analyte of the model' in said
    assert "mass" not in said


def test_words_of_options_that_the_table_has_not_are_named(trial: _Trial) -> None:
    options = PER_PERSON | {
        "time": {"pre": "-0.5", "psot": "end"},
        "unit": {"": "pg/mL", "IL8": "pg/mL"},
        "analyte": {"IL-8": "IL6"},
        "lloq": {"IL66": "1"},
        "ignore": ("CRP",),
    }
    problems = trial.problems(WIDE, **options)
    assert {problem.file for problem in problems if "--" in (problem.file or "")} == {
        "--time psot",
        "--unit IL8",
        "--analyte IL-8",
        "--lloq IL66",
        "--ignore CRP",
    }
    assert any('Did you mean "post"?' in (problem.hint or "") for problem in problems)
    options = PER_PERSON | {"time": PER_PERSON["time"] | {"3h": "end + 3 h"}}
    assert trial.read(WIDE, **options).warnings == ('--time 3h: the table has no "3h"',)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subject": "Who"}, '--subject Who\n  the table has no column "Who"'),
        (
            {"condition": None, "condition_from": "arm"},
            '--condition-from arm\n  the table has no column "arm"',
        ),
        ({"time_unit": "pg"}, '--time-unit pg\n  "pg" is a mass, but a time is wanted'),
        ({"time": {"pre": "soon", "post": "end"}}, '"soon" is not a time'),
        (
            {"sep": "dash"},
            '"dash" does not separate columns\n  (accepted: comma, semicolon, tab, bar, space)',
        ),
    ],
)
def test_an_option_that_cannot_be_is_named(trial: _Trial, options: dict, words: str) -> None:
    assert words in trial.said(WIDE, **PER_PERSON | options)


def test_a_name_for_all_is_not_needed_where_the_table_tells(trial: _Trial) -> None:
    made = trial.read(WIDE, **PER_PERSON | {"analyte": {"": "IL6"}})
    assert made.warnings == ("--analyte IL6: the table says what was measured",)


# ---- what is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("id,IL6_post\nA,5 pg\n", "sheet.csv:2  IL6_post", "the unit goes into a column of its own"),
        ('id,IL6_post\nA,"5,1"\n', "sheet.csv:2  IL6_post", "give --decimal , if the whole table has commas"),
        ("id,IL6_post\nA,BLQ\n", "sheet.csv:2  IL6_post", "give --lloq IL6=NUMBER"),
        ("id,IL6_post\nA,ND\n", "sheet.csv:2  IL6_post", "may be below the limit or not measured"),
        ("id,IL6_post\nA,1\nMean,1\n", "sheet.csv:3", "looks like a row that sums up the others"),
        ("id,IL6_post\nA,1\nA,2\n", "sheet.csv:3", "number repeated measurements in a column replicate"),
        ("id,IL6_post\n,1\n", "sheet.csv:2  subject", "the row has no subject"),
        ("id,IL6_post\nA,1,2\n", "sheet.csv:2", "the row has 3 cells and the header 2"),
        ("id,IL6_post,IL6_post\nA,1,2\n", "sheet.csv:1  IL6_post", 'column "IL6_post" is given twice'),
        ("id,age\nA,1\n", "sheet.csv:1", "no column is a measurement that can be told by its header"),
        ("id;IL6_post\nA;1\n", "sheet.csv:1", "give --sep semicolon"),
        ("id IL6_post\nA 1\n", "sheet.csv:1", "give --sep space"),
        ("id,IL6_post\nA,\n", "sheet.csv:2", "no row holds a measurement"),
        ("id,IL6_post\n", "sheet.csv", "the table holds no measurement"),
        (",,\n,\n", "sheet.csv", "every cell is empty"),
        ("id,condition,IL6_post\nA,race,1\n", "sheet.csv:1  condition", "the conditions stand in a column"),
        ("id,time,IL6\nA,,1\n", "sheet.csv:2  time", "the row has no time"),
        ("id,IL6_post,batch\nA,1,\n", "", ""),
    ],
)
def test_each_fault_has_its_line_and_column(trial: _Trial, text: str, place: str, words: str) -> None:
    options = PER_PERSON | {"time": {"post": "end"}}
    if not place:
        assert len(trial.read(text, **options).rows) == 1
        return
    if "post" not in text:
        options |= {"time": {}}
    said = trial.said(text, **options)
    assert f"{place}\n" in said.replace(f"{trial.folder}/", "")
    assert words in said


def test_a_unit_that_cannot_be_is_refused(trial: _Trial) -> None:
    said = trial.said(WIDE, **PER_PERSON | {"unit": {"": "kg"}})
    assert '"kg" is a mass' in said


def test_a_value_that_becomes_a_wrong_analyte_is_refused(trial: _Trial) -> None:
    said = trial.said("id,IL8_post\nA,1\n", **PER_PERSON | {"analyte": {"IL8": "IL-8"}})
    assert 'unknown analyte "IL-8"' in said


def test_faults_of_cells_and_questions_come_together(trial: _Trial) -> None:
    said = trial.said("id,IL6_pre\nA,5 pg\n")
    assert "5 pg" in said
    assert "under which condition?" in said


def test_a_tidy_table_is_not_converted_again(trial: _Trial) -> None:
    text = "subject,condition,time,time_unit,analyte,value,unit\nA,run,end,h,IL6,5,pg/mL\n"
    assert "is a tidy table already\n  exsim check" in trial.said(text)
    text = text.replace("time_unit", "timeunit")
    assert "says what is wrong with it (time_unit)" in trial.said(text)


def test_a_spreadsheet_is_to_be_saved_as_csv(trial: _Trial) -> None:
    assert "save the sheet as CSV" in trial.said("PK", "sheet.xlsx")


def test_a_time_in_a_cell_that_is_none_is_refused(trial: _Trial) -> None:
    text = "id,time,IL6\nA,pre,1\n"
    options: dict[str, Any] = {"condition": "run", "unit": {"": "pg/mL"}, "time": {"pre": "early"}}
    assert '"early" is not a time' in trial.said(text, **options)


# ---- NONMEM-style tables -----------------------------------------------------------------------------

EVENTS = (
    "ID,TIME,DV,DVID,EVID,AMT,MDV\n1,0,.,.,1,30,1\n1,0,1.1,1,0,.,0\n1,1.50,54,1,0,.,0\n1,1.5,6.2,2,0,.,0\n"
)
NONMEM: dict[str, Any] = {
    "condition": "infusion",
    "time_unit": "h",
    "analyte": {"1": "IL6", "2": "IL10"},
    "unit": {"": "pg/mL"},
}


def test_observations_become_rows_and_doses_a_warning(trial: _Trial) -> None:
    assert trial.rows(EVENTS, **NONMEM) == [
        ("IL6", 0.0, "h", 1.1),
        ("IL6", 1.5, "h", 54.0),
        ("IL10", 1.5, "h", 6.2),
    ]
    made = trial.read(EVENTS, **NONMEM)
    assert made.column("subject") == ["1"] * 3
    assert "TIME counts from time 0 of the protocol" in made.notes
    assert '"1" is IL6' in made.notes
    assert made.warnings[0] == (
        "1 dose is not in the table: what was given belongs into the config, with units\n"
        "  # 1\n"
        "  [[protocol.bolus]]\n"
        '  target = "..."\n'
        '  dose = "30 ..."\n'
        '  time = "0 h"'
    )


def test_all_that_an_event_table_does_not_tell_is_asked_at_once(trial: _Trial) -> None:
    problems = trial.problems(EVENTS)
    assert [(item.key, item.hint) for item in problems[:-1]] == [
        (None, "give --condition NAME"),
        ("TIME", "give --time-unit UNIT"),
        ("DVID", "give --analyte 1=NAME, or leave it out: --ignore 1"),
        ("DVID", "give --analyte 2=NAME, or leave it out: --ignore 2"),
        ("DV", "give --unit 1=UNIT"),
        ("DV", "give --unit 2=UNIT"),
    ]
    options = NONMEM | {"unit": {"1": "pg/mL", "2": "ng/mL"}}
    assert trial.rows(EVENTS, "unit", **options) == [("pg/mL",), ("pg/mL",), ("ng/mL",)]


def test_compartments_tell_the_analyte_where_no_observation_number_does(trial: _Trial) -> None:
    text = "id,time,dv,cmt\n1,0,1.1,2\n1,1,5,3.0\n"
    options = NONMEM | {"analyte": {"2": "IL6", "3": "IL10"}}
    assert trial.rows(text, "analyte", **options) == [("IL6",), ("IL10",)]


def test_a_column_of_names_needs_no_numbers(trial: _Trial) -> None:
    text = "ID,TIME,Y,ANALYTE,UNIT,COND\n1,0,1.1,IL-6,pg/mL,fed\n1,0,2,CRP,mg/L,fed\n"
    options: dict[str, Any] = {"condition_from": "COND", "time_unit": "min", "ignore": ("CRP",)}
    assert trial.rows(text, "analyte condition unit", **options) == [("IL6", "fed", "pg/mL")]
    assert 'left out, as asked: 1 rows of "CRP"' in trial.read(text, **options).warnings


def test_a_table_of_one_analyte_needs_its_name_alone(trial: _Trial) -> None:
    text = "ID,TIME,DV\n1,0,1.1\n"
    said = trial.said(text, condition="run", time_unit="h")
    assert "no column says what was measured: what was it?\n  give --analyte NAME" in said
    assert "in which unit is what was measured?\n  give --unit UNIT" in said
    options: dict[str, Any] = {"condition": "run", "time_unit": "h", "analyte": {"": "IL6"}}
    assert trial.rows(text, "analyte", unit={"": "pg/mL"}, **options) == [("IL6",)]


@pytest.mark.parametrize(
    ("cells", "value", "note"),
    [
        ("54,0,.", 54.0, ""),
        ("0.5,1,.", "<0.5", ""),
        ("0.5,1,0", "<0.5", ""),
        ("0.5,1,0.1", "<0.5", "taken as below DV, the lower end LIMIT dropped: line 2"),
        ("0.25,1,0.5", "<0.5", "CENS 1 with LIMIT above DV taken as below LIMIT: line 2"),
        (".,1,0.5", "<0.5", "taken as below LIMIT"),
        ("0,1,0.5", "<0.5", "taken as below LIMIT"),
        ("900,-1,.", ">900", ""),
        (".,0,.", "", ""),
    ],
)
def test_censored_values_are_limits(trial: _Trial, cells: str, value: object, note: str) -> None:
    text = f"ID,TIME,DV,CENS,LIMIT,DVID\n1,0,{cells},1\n1,1,7,0,.,1\n"
    made = trial.read(text, **NONMEM | {"analyte": {"1": "IL6"}})
    assert made.column("value")[0] == value
    assert note in "\n".join(made.warnings)


def test_a_limit_may_come_from_the_table_or_the_option(trial: _Trial) -> None:
    text = "ID,TIME,DV,BLQ,LLOQ,DVID\n1,0,0,1,0.5,1\n1,1,7,0,.,1\n"
    made = trial.read(text, **NONMEM | {"analyte": {"1": "IL6"}})
    assert list(zip(made.column("value"), made.column("lloq"), strict=True)) == [("BLQ", 0.5), (7.0, "")]
    bare = text.replace(",LLOQ", "").replace(",0.5", "").replace(",.", "")
    assert "give --lloq IL6=NUMBER" in trial.said(bare, **NONMEM | {"analyte": {"1": "IL6"}})
    options = NONMEM | {"analyte": {"1": "IL6"}, "lloq": {"1": "0.4"}}
    assert trial.rows(bare, "value lloq", **options) == [("BLQ", 0.4), (7.0, 0.4)]


def test_rows_that_are_no_measurement_are_left_out_and_counted(trial: _Trial) -> None:
    text = (
        "C,ID,TIME,DV,EVID,MDV\n"
        "C,1,0,1,0,0\n"
        ".,#2,0,1,0,0\n"
        ".,1,0,.,2,1\n"
        ".,1,1,99,0,1\n"
        ".,1,2,7,0,0\n"
        ".,1,3,8,.,.\n"
    )
    made = trial.read(text, **NONMEM | {"analyte": {"": "IL6"}})
    assert made.column("value") == [7.0, 8.0]
    assert made.warnings[:3] == (
        "left out as no measurement (MDV 1): line 5",
        "left out as another event (EVID 2 or 3): line 4",
        "left out as a comment: lines 2, 3",
    )


def test_columns_of_covariates_are_named_and_not_read(trial: _Trial) -> None:
    text = EVENTS.replace("MDV\n", "MDV,WT,SEX\n").replace(",1\n", ",1,70,1\n").replace(",0\n", ",0,70,1\n")
    assert 'not read: "WT", "SEX"' in trial.read(text, **NONMEM).warnings


def test_a_header_may_begin_with_a_sign_and_blanks_may_separate(trial: _Trial) -> None:
    text = "#ID  TIME   DV DVID\n 1    0  1.1  1\n 1   1.5  54  1\n"
    options = NONMEM | {"analyte": {"1": "IL6"}, "sep": "space"}
    assert trial.rows(text, "subject time value", **options) == [("1", 0.0, 1.1), ("1", 1.5, 54.0)]


def test_times_may_count_from_the_end(trial: _Trial) -> None:
    options = NONMEM | {"time_from": "end"}
    assert trial.rows(EVENTS, "time", **options) == [("end",), ("end + 1.5",), ("end + 1.5",)]
    said = trial.said(EVENTS.replace("1,0,1.1", "1,-1,1.1"), **options)
    assert "a time before the start cannot count from the end" in said


@pytest.mark.parametrize(
    ("dose", "words"),
    [
        ("30,10,0,0,0,0", ('rate = "10 .../h"', 'duration = "3 h"')),
        ("30,0,2,0,0,0", ('rate = "15 .../h"', 'duration = "2 h"')),
        ("30,-2,0,0,0,0", ("AMT 30, RATE -2: a model made its rate",)),
        ("30,0,0,24,6,0", ('dose = "30 ..."', "then 6 more, every 24 h: a table each")),
        ("30,0,0,12,0,1", ("given until steady (SS)",)),
    ],
)
def test_every_kind_of_dose_is_written_as_a_config_has_it(
    trial: _Trial, dose: str, words: tuple[str, ...]
) -> None:
    text = f"ID,TIME,DV,CMT,EVID,AMT,RATE,DUR,II,ADDL,SS\n1,0,.,1,1,{dose}\n1,1,5,2,0,0,0,0,0,0,0\n"
    made = trial.read(text, **NONMEM | {"analyte": {"2": "IL6"}})
    assert all(word in made.warnings[0] for word in ("# CMT 1", *words))


def test_doses_that_are_alike_are_listed_once_and_many_are_cut(trial: _Trial) -> None:
    rows = "".join(f"{n},0,.,30\n{n},1,5,0\n" for n in range(1, 9)) + "".join(
        f"9,{t},.,{t}\n" for t in range(2, 9)
    )
    made = trial.read("ID,TIME,DV,AMT\n" + rows, **NONMEM | {"analyte": {"": "IL6"}})
    assert made.warnings[0].startswith("15 doses are not in the table")
    assert "# 1, 2, 3, 4, 5 and 3 more" in made.warnings[0]
    assert made.warnings[0].endswith("and 2 other doses")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("1,0,5,1,9,.", "sheet.csv:2  EVID", "EVID 9 is not one that is known\n  (accepted: 0, 1, 2, 3, 4)"),
        ("1,0,5,1,0.5,.", "sheet.csv:2  EVID", '"0.5" is not a whole number'),
        ("1,0,5,1,x,.", "sheet.csv:2  EVID", '"x" is not a number'),
        ("1,09:30,5,1,0,.", "sheet.csv:2  TIME", "write the time after the start, as a number"),
        ("1,.,5,1,0,.", "sheet.csv:2  TIME", "the row has no time"),
        ("1,0,5,.,0,.", "sheet.csv:2  DVID", "the row does not say what was measured"),
        ("1,0,.,.,1,.", "sheet.csv:2  AMT", "the dose has no amount or no time"),
        ("1,0,5,1,0,.\n1,0,6,1,4,.", "sheet.csv:3  EVID", "EVID 4 begins a new occasion of the same person"),
        ("1,0,5,1,0,.\n1,0,6,1,0,.", "sheet.csv:3", "number repeated measurements in a column replicate"),
    ],
)
def test_each_fault_of_an_event_table_has_its_line_and_column(
    trial: _Trial, text: str, place: str, words: str
) -> None:
    said = trial.said(f"ID,TIME,DV,DVID,EVID,AMT\n{text}\n", **NONMEM | {"analyte": {"1": "IL6"}})
    assert f"{place}\n" in said.replace(f"{trial.folder}/", "")
    assert words in said


def test_an_unknown_mark_of_censoring_is_refused(trial: _Trial) -> None:
    said = trial.said("ID,TIME,DV,CENS\n1,0,5,3\n", **NONMEM | {"analyte": {"": "IL6"}})
    assert "CENS 3 is not 0, 1 or -1" in said


def test_occasions_are_told_apart_by_a_column(trial: _Trial) -> None:
    text = "ID,TIME,DV,EVID,OCC\n1,0,5,0,a\n1,0,.,3,b\n1,0,6,0,b\n"
    options = NONMEM | {"analyte": {"": "IL6"}, "condition": None, "condition_from": "OCC"}
    assert trial.rows(text, "condition value", **options) == [("a", 5.0), ("b", 6.0)]


# ---- anything ----------------------------------------------------------------------------------------

_CELLS = st.sampled_from(
    ["", ".", "1", "0", "-1", "5.5", "<0.5", "BLQ", "A", "IL6", "end", "2h", "pre", "x y", '"', "é", "1,5"]
)
_HEADS = st.one_of(
    st.sampled_from(["ID", "TIME", "DV", "DVID", "EVID", "AMT", "CENS", "LIMIT", "MDV", "RATE"]),
    st.sampled_from(["subject", "time (h)", "IL6_pre", "IL-6 (pg/mL) 2 h", "IL6", "age", "condition"]),
    st.sampled_from(["", "(", "IL6-", "-IL6", "batch"]),
)


@settings(max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(_HEADS, min_size=1, max_size=7),
    st.lists(st.lists(_CELLS, max_size=8), max_size=5),
    st.booleans(),
    st.sampled_from([None, "space", "semicolon"]),
)
def test_any_table_is_converted_or_refused_with_reasons(
    tmp_path: Path, heads: list[str], rows: list[list[str]], told: bool, sep: str | None
) -> None:
    path = tmp_path / "any.csv"
    path.write_text("\n".join(",".join(row) for row in (heads, *rows)), encoding="utf-8")
    options = (
        ConvertOptions(
            condition="run",
            time={"pre": "-1"},
            time_unit="h",
            time_from="end",
            unit={"": "pg/mL"},
            analyte={"1": "IL6"},
            sep=sep,
        )
        if told
        else ConvertOptions(sep=sep)
    )
    try:
        made = convert_table(path, KNOWN, options)
    except LabDataError as error:
        assert error.problems  # noqa: PT017
    else:
        assert made.rows
        assert all(len(row) == len(made.columns) for row in made.rows)
