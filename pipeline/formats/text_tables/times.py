"""Columns of time in text tables: numbers with a unit, or what clocks show; evenly spaced, or it is said where not."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError

TIME_NAME = re.compile(
    r"(elapsed[ _]?|sample[ _]?|clock[ _]?|recording[ _]?|rel(ative)?[ _]?)?"
    r"(time( and |[ _]?)date|date( and |[ _]?)time|timestamps?|time|seconds?|secs?|milliseconds?|msecs?|date|t|"
    r"(uhr)?zeit|zeitstempel|zeitpunkt|sekunden?|millisekunden?|temps|secondes?|tiempo|segundos?|tempo|secondi|tijd|tid|"
    r"czas|čas|idő|время|时间)"
    r"([ _](ms|s|us|sec|msec|seconds|milliseconds))?"
)
COUNTER_NAME = re.compile(r"(sample ?(number|no\.?|#|interval|index)?|samples|index|idx|row|n|nr|no\.?|#|unnamed: 0)?")
CLOCK_UNIT = "clock"
"""Stands for the unit of times as clocks show them, which is known."""

SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sek", "sekunde", "sekunden", CLOCK_UNIT), 1.0),
    **dict.fromkeys(("seconde", "secondes", "seg", "segundo", "segundos", "secondi", "с", "сек", "秒"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds", "millisekunden", "мс", "毫秒"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
"""Seconds in one of a unit."""

COARSEST = 1e-3
"""Times that are rounded to a larger part of their whole span do not tell a rate."""

_TOLD_DEVIATION = 0.05
"""In samples: times that are nearer to an even spacing lack digits, and nothing else."""

_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_CLOCK = re.compile(
    rf"\[?(?:{_DATE}[ T]+|(?:(\d{{1,5}}) days? +\+?))?"
    r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d*)?)(?: ?([ap])\.?m\.?)?"
    rf"(?: ?Z| ?[+-]\d\d:?\d\d)?(?: +{_DATE})?\]?",
    re.IGNORECASE,
)
_INTERVAL = re.compile(r"\(?\s*([\d.]+(?:e[+-]?\d+)?)\s*(m?s(?:ec)?)\.?\s*\)?", re.IGNORECASE)
_DAY = 86_400.0


def is_time_or_counter(name: str) -> bool:
    """Whether a column is of times, or counts samples, by its name."""
    plain = " ".join(name.lower().split())
    return TIME_NAME.fullmatch(plain) is not None or COUNTER_NAME.fullmatch(plain) is not None


def is_clock(cell: str) -> bool:
    """Whether a cell is a time of day, an elapsed time such as 0:00.004, or a date and time."""
    return ":" in cell and _CLOCK.fullmatch(cell) is not None


def to_seconds(cell: str) -> float:
    """Seconds since midnight, or since the beginning; dates are left aside, but not days ("0 days 00:00:00.002").

    Raises
    ------
    ValueError
        If it is no such time.
    """
    match = _CLOCK.fullmatch(cell.strip().strip("\"'").strip())
    if match is None:
        raise ValueError(cell)
    days, hours, minutes, seconds, half = match.groups()
    hour = int(hours or 0) + 24 * int(days or 0)
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return hour * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))


def rate_of_interval(unit: str) -> float | None:
    """Hz, where the unit of a counter is the interval: '0.002 sec', as rdsamp has it."""
    match = _INTERVAL.fullmatch(unit)
    if match is None or not float(match[1]) > 0:
        return None
    return 1 / (float(match[1]) * SECONDS[match[2].lower()])


@dataclass(frozen=True, slots=True)
class Spacing:
    """What a column of time tells.

    Attributes
    ----------
    rate : samples in one of its units; None where it is too coarse to tell
    note : what is odd about it, "" for nothing
    """

    rate: float | None
    note: str = ""


def measure_spacing(times: NDArray[np.float64], name: str, *, clock: bool = False) -> Spacing:
    """How a column's times are spaced.

    Parameters
    ----------
    times : in the column's own unit, shape (sample,); NaN where there is none
    clock : whether they begin anew at midnight

    Raises
    ------
    SignalError
        If they jump, saying where.
    """
    rows = np.flatnonzero(np.isfinite(times))
    if len(rows) < 3:
        return Spacing(None)
    if clock:
        days = np.cumsum(np.diff(times[rows], prepend=times[rows[0]]) < -_DAY / 2)
        times = times.copy()
        times[rows] += days * _DAY
    at = times[rows] - times[rows[0]]
    step = at[-1] / (rows[-1] - rows[0])
    grain = _grain_of(times[rows], float(step))
    steps = np.diff(at) / np.diff(rows)
    _refuse_jumps(steps, float(step), grain, rows, times, name)
    deviation = np.abs(at - (rows - rows[0]) * step).max()
    if deviation <= 1e-6 * step:
        return Spacing(_round(1 / step, 1e-4))
    if deviation <= 1.5 * grain:
        return Spacing(_round(1 / step, max(1e-4, grain / at[-1])) if grain <= COARSEST * at[-1] else None)
    if deviation < _TOLD_DEVIATION * step:
        return Spacing(_round(1 / step, 1e-4))
    return Spacing(
        float(1 / step), f"times are up to {deviation / step:.1f} samples off an even spacing, which is taken"
    )


def _refuse_jumps(
    steps: NDArray[np.float64], step: float, grain: float, rows: NDArray[np.intp], times: NDArray[np.float64], name: str
) -> None:
    """Refuse a step back, none at all, or one that leaves out samples.

    Rounding makes a step longer or shorter by one grain, no more: where 0.002 s are written as they are, 0.004 s are a
    sample left out, and 0 s one that is there twice.
    """
    usual = float(np.median(steps))
    usual = usual if usual > grain else step  # rounded times may repeat
    repeated = (steps == 0) & (usual > 1.01 * grain)
    wrong = np.flatnonzero((steps < 0) | repeated | (steps > max(1.5 * usual, usual + 1.01 * grain)))
    if not step > 0 or len(wrong):
        row = int(wrong[0]) if len(wrong) else 0
        before, after = rows[row], rows[row + 1]
        raise SignalError(
            f"{name}: times are not evenly spaced: {times[before]:g} at sample {before + 1:,}, {times[after]:g} at "
            f"sample {after + 1:,}; expected one sample after another, none left out: cut it there"
        )


def _grain_of(times: NDArray[np.float64], step: float) -> float:
    """What times are rounded to: a power of ten of which all are multiples; 0 where there is none."""
    for digits in range(10):
        scaled = times * 10.0**digits
        near = min(1e-3, 0.01 * step * 10.0**digits) + 1e-15 * float(np.abs(scaled).max())
        if np.abs(scaled - np.rint(scaled)).max() <= near:
            return 10.0**-digits
    return 0.0


def _round(rate: float, tolerance: float) -> float:
    """A whole number where the rate may be one."""
    return float(round(rate)) if abs(rate - round(rate)) < tolerance * rate else float(rate)


def check_counter(values: NDArray[np.float64], name: str) -> None:
    """Refuse a column that counts samples and leaves some out.

    Raises
    ------
    SignalError
        Saying where.
    """
    steps = np.diff(values)
    if len(steps) < 3 or not np.isfinite(steps).all() or np.median(steps) != 1:
        return
    wrong = np.flatnonzero(steps != 1)
    if len(wrong):
        row = int(wrong[0])
        raise SignalError(
            f"{name}: the column that counts samples goes from {values[row]:g} to {values[row + 1]:g} at sample "
            f"{row + 2:,}; expected one sample after another, none left out: cut it there"
        )
