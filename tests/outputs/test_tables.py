"""Tables that a spreadsheet and pandas read alike."""

import io
import unicodedata

import numpy as np
import pandas as pd
import pytest

from exsim.outputs.tables import csv_bytes, summary_csv
from exsim.summaries import SUMMARY_COLUMNS, summary_table


def test_summary_csv_reads_back_as_the_table(make_run):
    table = summary_table(make_run())
    back = pd.read_csv(io.BytesIO(summary_csv(table)))
    assert tuple(back.columns) == SUMMARY_COLUMNS
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-9)


def test_what_is_not_a_number_is_an_empty_cell():
    assert csv_bytes(["a", "b", "c", "d"], [[np.nan, np.inf, None, 1.5]]) == b"a,b,c,d\n,,,1.5\n"


@pytest.mark.parametrize("label", ["=cmd()", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_row_48_label_that_looks_like_a_formula_is_quoted_and_prefixed(label):
    assert csv_bytes(["x"], [[label]]) == f'x\n"\'{label}"\n'.encode()


def test_row_48_negative_numbers_stay_numbers():
    assert csv_bytes(["x"], [[-0.25], [-3]]) == b"x\n-0.25\n-3\n"


def test_row_21_unicode_labels_are_written_composed_in_utf_8():
    decomposed = unicodedata.normalize("NFD", "Läufer µ")
    assert csv_bytes(["x"], [[decomposed]]).decode("utf-8") == "x\nLäufer µ\n"


def test_commas_quotes_and_line_ends_inside_a_label_survive():
    label = 'IL-6, "plasma"\nsecond line'
    back = pd.read_csv(io.BytesIO(csv_bytes(["x", "y"], [[label, 1]])))
    assert list(back.iloc[0]) == [label, 1]
