"""Dates, as tables write them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.pipeline.labels.dates import DAY_FIRST, MONTH_FIRST, UNKNOWN, order_of, read_date


@pytest.mark.parametrize(
    ("cell", "order", "date"),
    [
        ("1984-11-09 09:17:34", UNKNOWN, "1984-11-09T09:17:34"),
        ("1984-11-09T09:17:34", UNKNOWN, "1984-11-09T09:17:34"),
        ("1984-11-09", UNKNOWN, "1984-11-09"),
        ("1984/11/9", UNKNOWN, "1984-11-09"),
        ("19841109", UNKNOWN, "1984-11-09"),
        ("9.11.1984 9:17", DAY_FIRST, "1984-11-09T09:17:00"),
        ("09/11/1984", DAY_FIRST, "1984-11-09"),
        ("11/09/1984 23:01:02", MONTH_FIRST, "1984-11-09T23:01:02"),
        ("1984-11-09 09:17:34.250", UNKNOWN, "1984-11-09T09:17:34.250000"),
        ("1984-11-09T09:17:34+01:00", UNKNOWN, "1984-11-09T09:17:34+01:00"),
        ("09/11/1984", UNKNOWN, None),
        ("31/02/1984", DAY_FIRST, None),
        ("1984-13-01", UNKNOWN, None),
        ("yesterday", UNKNOWN, None),
        ("1984", UNKNOWN, None),
        ("09/11/84", DAY_FIRST, None),
        ("1984-11-09 25:00", UNKNOWN, None),
        ("1234567890", UNKNOWN, None),
    ],
)
def test_dates_are_read_as_iso(cell, order, date):
    assert read_date(cell, order) == date


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["1/2/2020", "13/2/2020"], DAY_FIRST),
        (["1/2/2020", "2/13/2020"], MONTH_FIRST),
        (["1.2.2020"], DAY_FIRST),
        (["1/2/2020", "2020-01-13", "x"], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_a_day_beyond_twelve_tells_the_order(cells, order):
    assert order_of(cells) == order


@given(st.datetimes(min_value=datetime(1000, 1, 1)))
def test_what_python_writes_is_read_back(when):
    for text in (str(when), when.isoformat()):
        assert datetime.fromisoformat(read_date(text, UNKNOWN)) == when
    assert read_date(when.strftime("%d.%m.%Y"), DAY_FIRST) == when.date().isoformat()
    assert read_date(when.strftime("%m/%d/%Y"), MONTH_FIRST) == when.date().isoformat()


@given(st.text(alphabet="0123456789-/.: T+", max_size=30))
def test_no_date_is_too_odd(text):
    found = read_date(text, DAY_FIRST)
    assert found is None or datetime.fromisoformat(found)
