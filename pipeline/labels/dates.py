"""Dates as tables write them, as ISO 8601.

3/4/2019 is one day in America and another in Europe; a column with a day beyond 12 somewhere tells which it means, and
one without is not read.
"""

import re
from collections.abc import Iterable
from datetime import datetime

_PARTS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[T\s]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")

DAY_FIRST, MONTH_FIRST, UNKNOWN = "day first", "month first", "unknown"


def order_of(cells: Iterable[str]) -> str:
    """Which comes first in a column's dates that end in the year."""
    found = UNKNOWN
    for cell in cells:
        parts = _PARTS.fullmatch(cell)
        if parts is None or len(parts[4]) != 4:
            continue
        if int(parts[1]) > 12 or parts[2] == ".":  # points are for dates with the day first
            return DAY_FIRST
        if int(parts[3]) > 12:
            found = MONTH_FIRST
    return found


def read_date(cell: str, order: str) -> str | None:
    """A date or a date with a time in ISO 8601; None if it is none, or open to two readings."""
    try:
        if digits := _DIGITS.fullmatch(cell):
            return _iso(int(digits[1]), int(digits[2]), int(digits[3]), "")
        if (parts := _PARTS.fullmatch(cell)) is None:
            return datetime.fromisoformat(cell).isoformat() if re.match(r"\d{4}-", cell) else None
        first, second, third = int(parts[1]), int(parts[3]), int(parts[4])
        if len(parts[1]) == 4:
            return _iso(first, second, third, parts[5] or "")
        if len(parts[4]) != 4 or order == UNKNOWN:
            return None
        day, month = (first, second) if order == DAY_FIRST else (second, first)
        return _iso(third, month, day, parts[5] or "")
    except (ValueError, OverflowError):
        return None


def _iso(year: int, month: int, day: int, time: str) -> str:
    date = datetime(year, month, day).date().isoformat()
    if not time:
        return date
    hours, *others = time.split(":")
    return datetime.fromisoformat(f"{date}T{':'.join((hours.zfill(2), *others))}").isoformat()
