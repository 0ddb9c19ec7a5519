"""Times of the records of an EDF+ or BDF+ file: whether a recording that may have gaps has any.

The first annotation of each record is an empty one at the record's own time: `+0.5`, then two bytes 20 and a zero.
Times are compared as the decimal numbers that they are, since 0.1 s in binary numbers add up to something else.

Source: EDF+ specification, sections 2.2.2 to 2.2.4.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice

from ecg12.ecg.errors import SignalError

MOST_RECORDS = 500_000
"""Five days in records of a second; their times are compared one by one, in two seconds."""

_TIME = re.compile(rb"([+-]\d{1,12}(?:\.(\d{0,20}))?)(?:\x15\d{1,12}(?:\.\d{0,20})?)?\x14")


def check_times(annotations: Iterable[bytes], record_s: str, step_s: float, name: str) -> None:
    """Refuse records that do not follow one another.

    Parameters
    ----------
    annotations : of each record, the bytes of its first channel of annotations
    record_s : seconds of a record
    step_s : seconds between two samples of the leads; half of one is no gap, nor is the last digit of a written time

    Raises
    ------
    SignalError
        If a record states no time, or begins earlier or later than the one before it ends, saying where.
    """
    number = 0
    for number, gap in enumerate(_gaps(annotations, record_s, step_s), start=1):
        if number > MOST_RECORDS:
            raise SignalError(
                f"{name}: an interrupted recording of more than {MOST_RECORDS:,} records; cut it into parts"
            )
        if gap is None:
            raise SignalError(f"{name}: record {number} of an interrupted recording states no time; expected one")
        if gap:
            raise SignalError(f"{name}: interrupted: {gap}; expected one piece")


def first_gap(annotations: Iterable[bytes], record_s: str, step_s: float) -> str:
    """Where the first records lie that do not follow one another, "" if all do or state no time.

    Of no more than `MOST_RECORDS`; parameters as of `check_times`.
    """
    return next(filter(None, islice(_gaps(annotations, record_s, step_s), MOST_RECORDS)), "")


def _gaps(annotations: Iterable[bytes], record_s: str, step_s: float) -> Iterator[str | None]:
    """Of each record where it begins if that is not where the one before ends, else ""; None if it states no time."""
    length, before = Decimal(record_s), None
    for number, annotation in enumerate(annotations, start=1):
        match = _TIME.match(annotation)
        begin = Decimal(match[1].decode()) if match else None
        if match is None or begin is None:
            yield None
        elif before is None:
            yield ""
        else:
            decimals, end = len(match[2] or b""), before + length
            allowed = Decimal(step_s) / 2 + (Decimal(10) ** -decimals if decimals > 2 else 0)
            yield (
                ""
                if abs(begin - end) <= allowed
                else (f"record {number} begins at {begin:f} s, where the one before ends at {end:f} s")
            )
        before = begin
