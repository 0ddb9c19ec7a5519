"""Times of the records of an EDF+ or BDF+ file: whether a recording that may have gaps has any.

The first annotation of each record is an empty one at the record's own time: `+0.5`, then two bytes 20 and a zero.
Times are compared as the decimal numbers that they are, since 0.1 s in binary numbers add up to something else.

Source: EDF+ specification, sections 2.2.2 to 2.2.4.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

from ecg.errors import SignalError

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
    length, before = Decimal(record_s), None
    for number, annotation in enumerate(annotations):
        if number >= MOST_RECORDS:
            raise SignalError(
                f"{name}: an interrupted recording of more than {MOST_RECORDS:,} records; cut it into parts"
            )
        match = _TIME.match(annotation)
        if match is None:
            raise SignalError(f"{name}: record {number + 1} of an interrupted recording states no time; expected one")
        begin, decimals = Decimal(match[1].decode()), len(match[2] or b"")
        if before is not None:
            gap = begin - (before + length)
            allowed = Decimal(step_s) / 2 + (Decimal(10) ** -decimals if decimals > 2 else 0)
            if abs(gap) > allowed:
                raise SignalError(
                    f"{name}: interrupted: record {number + 1} begins at {begin:f} s, where the one before ends at "
                    f"{before + length:f} s; expected one piece"
                )
        before = begin
