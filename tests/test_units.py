"""Quantities and units: what is read, what is refused, and that reading stays cheap on any text."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exsim.errors import UnitError
from exsim.units import Quantity, dimension_words, factor, parse_unit


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("3.43 h", "min", 205.8),
        ("60 min", "h", 1.0),
        ("1e-1 h", "s", 360.0),
        ("30 ug/h", "ng/min", 500.0),
        ("3 ng/mL", "pg/mL", 3000.0),
        ("45 mL/kg/min", "L/kg/h", 2.7),
        ("7 min", "s", 420.0),
        ("1.1 h", "min", 66.0),
        ("206 min", "h", 206 / 60),
        ("45 mL kg^-1 min^-1", "mL/kg/min", 45.0),
        ("45 mL kg-1 min-1", "mL/kg/min", 45.0),
        ("5 ng/(kg*h)", "ng/kg/h", 5.0),
        ("150 beats/min", "1/min", 150.0),
        ("150 bpm", "1/h", 9000.0),
        ("50 %", "dimensionless", 0.5),
        ("10 mg/dL", "mg/L", 100.0),
        ("2 1/h", "1/d", 48.0),
        ("3h", "h", 3.0),
        (".5 h", "h", 0.5),
        ("-0.5 h", "min", -30.0),
        ("2 weeks", "d", 14.0),
        ("1.5 hours", "min", 90.0),
    ],
)
def test_a_number_with_a_unit_is_converted(text: str, unit: str, number: float) -> None:
    assert Quantity.parse(text).to(unit) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3", "has no unit"),
        ("h", "not a number with a unit"),
        ("", "not a number with a unit"),
        ("nan h", "not a number with a unit"),
        ("inf h", "not a number with a unit"),
        ("1e400 h", "not a finite number"),
        ("1,5 h", 'write the decimal point as "."'),
        ("１ h", "not a number with a unit"),
        ("1_000 h", "not a number with a unit"),
        ("3 furlongs", 'unknown unit "furlongs"'),
        ("3 Min", 'Did you mean "min"?'),
        ("3 h h h )", "is not a unit"),
        ("3 h**9**9**9", "is not a unit"),
        ("3 h^99999", "is not a unit"),
        ("3 h/0", "is not a unit"),
        ("3 __import__('os')", "not a number with a unit"),
        ("3 min " * 100, "not a number with a unit"),
    ],
)
def test_text_that_is_no_quantity_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UnitError) as caught:
        Quantity.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3 M", 'write "mol/L"'),
        ("3 nM", 'write "nmol/L"'),
        ("3 µM", 'write "umol/L"'),
        ("3 U/L", 'write "IU"'),
        ("3 mcg", 'write "ug"'),
    ],
)
def test_row_08_an_ambiguous_unit_is_refused_with_the_choices(text: str, words: str) -> None:
    with pytest.raises(UnitError) as caught:
        Quantity.parse(text)
    assert words in str(caught.value)


def test_row_08_both_mu_signs_are_one_unit() -> None:
    micro, greek = Quantity.parse("3 \u00b5g/h"), Quantity.parse("3 \u03bcg/h")
    assert micro == greek
    assert micro.to("ng/h") == Quantity.parse("3 ug/h").to("ng/h") == 3000.0


def test_a_wrong_dimension_names_the_one_found_and_the_one_wanted() -> None:
    with pytest.raises(UnitError) as caught:
        Quantity.parse("4 km").to("h")
    assert '"km" is a length, but a time is wanted' in str(caught.value)


def test_metres_for_minutes_are_explained() -> None:
    with pytest.raises(UnitError, match='write "min" for minutes'):
        factor("m", "h")


def test_a_dimension_without_a_name_is_spelt_out() -> None:
    assert dimension_words("g*h/L") == "[length]^-3 * [mass] * [time]"


def test_a_quantity_is_printed_as_it_is_read() -> None:
    assert str(Quantity.parse("3.0 h")) == "3 h"
    assert str(Quantity.parse("0.06 ng/kg")) == "0.06 ng/kg"


_NAMES = st.sampled_from(["h", "min", "s", "d", "kg", "ug", "pg", "mL", "L", "mol", "W", "IU", "%"])


@settings(max_examples=200, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.tuples(st.sampled_from("*/ "), _NAMES), max_size=3),
    _NAMES,
)
def test_a_quantity_read_back_from_its_text_is_equal(
    number: float, rest: list[tuple[str, str]], first: str
) -> None:
    quantity = Quantity(number, first + "".join(sign + name for sign, name in rest))
    assert Quantity.parse(str(quantity)) == quantity


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text(alphabet="h1m/*^() -+eng.%µ", max_size=30)))
def test_any_text_is_a_quantity_or_a_unit_error(text: str) -> None:
    for read in (Quantity.parse, parse_unit):
        with contextlib.suppress(UnitError):
            read(text)


@pytest.mark.parametrize(
    "text", ["1 h" + " " * 100_000 + "x", "(" * 100_000, "9" * 100_000 + " h", "1 " + "h*" * 90]
)
def test_a_long_text_takes_no_time(text: str) -> None:
    start = time.process_time()
    with pytest.raises(UnitError):
        Quantity.parse(text)
    assert time.process_time() - start < 1
