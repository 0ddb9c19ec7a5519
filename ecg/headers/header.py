"""WFDB header text ⇄ `Header`, for records of one segment.

A `Header` holds what the text states and nothing else: where header(5) lets a program assume a value (250 Hz,
200 adu/mV, baseline = ADC zero, millivolts) the field stays None, for a made-up gain or frequency is worse
than a missing one. Times and dates are kept as text; only their form is checked.

The grammar is strict where a wrong guess would shift every later field (the signal lines are positional) and
lenient where nothing can go wrong: any white space, CRLF, blank lines, comments anywhere, date before time.
Lines are split at white space, not matched by one long pattern, and words that repeat are read once: twelve
leads take about 35 µs.

Source: WFDB Applications Guide, header(5).
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from ecg12.ecg.errors import HeaderError

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FORMAT = re.compile(r"([0-9]+)(?:x([1-9][0-9]*))?(?::([0-9]+))?(?:\+([0-9]+))?")
# Parentheses in the units would be a baseline written in the wrong place: 1000/mV(0).
_GAIN = re.compile(rf"({_NUMBER})(?:\(([-+]?[0-9]+)\))?(?:/([^\s()]+))?")
_FREQUENCY = re.compile(rf"({_NUMBER})(?:/({_NUMBER})(?:\(({_NUMBER})\))?)?")
_RECORD_NAME = re.compile(r"(?:[-\w][^\s/\\]*/)*[-\w][^\s/\\]*")
_TIME = re.compile(r"(?:[0-9]{1,2}:){0,2}[0-9]+(?:\.[0-9]*)?")
_DATE = re.compile(r"[0-9]{1,4}([-/.])(?:[0-9]{1,2}|[^\W\d_]+)\1[0-9]{1,4}")


LONGEST_ERROR = 400
"""Letters. A word of a damaged header may be a megabyte long."""


class SignalSpec(NamedTuple):
    """One signal line, as stated: a field the line does not have is None.

    A named tuple, because every header makes twelve and a frozen dataclass takes ten times as long to make.

    `adc_gain` in adu per physical unit (0 is header(5)'s "uncalibrated" and stays 0), `baseline`, `adc_zero`
    and `initial_value` in adu, `adc_resolution` in bits, `byte_offset` and `block_size` in bytes, `skew` in
    samples. `units` is any word, as stated: whether it can be converted to mV is the converter's question.
    `checksum` is the stated number, signed or unsigned (both occur; compare modulo 65,536).
    """

    file_name: str
    fmt: str
    samples_per_frame: int | None = None
    skew: int | None = None
    byte_offset: int | None = None
    adc_gain: float | None = None
    baseline: int | None = None
    units: str | None = None
    adc_resolution: int | None = None
    adc_zero: int | None = None
    initial_value: int | None = None
    checksum: int | None = None
    block_size: int | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """One header, as stated: a field the text does not have is None.

    `fs` and `counter_frequency` in Hz. `n_samples` is per signal; 0 is kept and means, as None does, that the
    header does not say how long the record is. `base_time` (16:56:02, 12:33:59.123, or seconds) and
    `base_date` (28/06/1987, 12-May-2020) are text. `comments` holds, in file order and wherever they stood,
    the text after each line's first `#`, without white space at its ends; an empty comment is "".
    """

    record_name: str
    n_leads: int
    fs: float | None = None
    counter_frequency: float | None = None
    base_counter: float | None = None
    n_samples: int | None = None
    base_time: str | None = None
    base_date: str | None = None
    signals: tuple[SignalSpec, ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The record name without folders, and without a trailing `.mat` or `.hea`: early Georgia headers state one."""
        return self.record_name.rpartition("/")[2].removesuffix(".mat").removesuffix(".hea")


def parse_header(text: str) -> Header:
    """Read the text of a single-segment header file.

    Raises
    ------
    HeaderError
        If there is no record line, the record has several segments, a field is malformed or the number of
        signal lines is not the stated one (at least 1). The text names the record and the line.

    Source: WFDB header(5).
    """
    lines, comments = split_lines(text)
    if not lines:
        raise HeaderError("header: no record line found; expected name n_signals [fs [n_samples]]")
    number, record_line = lines[0]
    place = "header"
    signals: list[SignalSpec] = []
    try:
        place, *words = record_line.split()
        record = record_fields(place, words)
        n_leads = record["n_leads"]
        for number, line in lines[1:]:  # noqa: B007 (number: the line an error is about)
            if len(signals) == n_leads:
                raise HeaderError(f"a signal line too many; expected {n_leads}, as the record line states")
            signals.append(_signal_spec(line))
    except HeaderError as error:
        raise HeaderError(in_a_line(f"{place} line {number}: {error}")) from None
    if len(signals) < n_leads:
        text = f"{len(signals)} signal lines; expected {n_leads:.6g}, as the record line states"
        raise HeaderError(in_a_line(f"{place}: {text}"))
    return Header(**record, signals=tuple(signals), comments=tuple(comments))


def in_a_line(text: str) -> str:
    """An error's text, whatever the damaged header put into it: what prints, and not more of it than one reads."""
    if len(text) > LONGEST_ERROR:
        text = f"{text[: LONGEST_ERROR // 2]}…{text[-LONGEST_ERROR // 2 :]}"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def split_lines(text: str) -> tuple[list[tuple[int, str]], list[str]]:
    """The stripped record and signal lines with their numbers, and the comments without `#`."""
    # Not str.splitlines: it also breaks at \x85, which a comment in another encoding may hold.
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines, comments = [], []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = line.strip()
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line:
            lines.append((number, line))
    return lines, comments


def record_fields(record_name: str, words: list[str]) -> dict[str, Any]:
    """The record line: a `Header`'s fields but for signals and comments."""
    stem, slash, n_segments = record_name.rpartition("/")
    if slash and stem and n_segments.isdecimal():
        raise HeaderError(f"a record of {n_segments} segments; expected one: read its segments as records")
    if not _RECORD_NAME.fullmatch(record_name):
        raise HeaderError("record name not understood; expected letters, digits and underscores")
    if not words:
        raise HeaderError("number of signals missing; expected name n_signals [fs [n_samples]]")
    n_leads = _integer(words[0], "number of signals", minimum=1)
    fs, counter_frequency, base_counter = _frequency(words[1]) if len(words) > 1 else (None, None, None)
    base_time, base_date = _time_and_date(words[3:])
    return {
        "record_name": record_name,
        "n_leads": n_leads,
        "fs": fs,
        "counter_frequency": counter_frequency,
        "base_counter": base_counter,
        "n_samples": _integer(words[2], "number of samples", minimum=0) if len(words) > 2 else None,
        "base_time": base_time,
        "base_date": base_date,
    }


def _time_and_date(words: list[str]) -> tuple[str | None, str | None]:
    """Base time and base date, recognised by form: the Challenge's files state the date first."""
    found: dict[str, str] = {}
    for word in words:
        kind = "time" if _TIME.fullmatch(word) else "date" if _DATE.fullmatch(word) else None
        if kind is None or kind in found:
            raise HeaderError(f"{word!r} not understood; expected one base time HH:MM:SS, one base date DD/MM/YYYY")
        found[kind] = word
    return found.get("time"), found.get("date")


def _signal_spec(line: str) -> SignalSpec:
    """One signal line. The description is the rest of the line and may hold spaces."""
    words = line.split(None, 8)
    n_words = len(words)
    if n_words < 2:
        raise HeaderError("signal format missing; expected file format [gain ...]")
    # fields in their order in `SignalSpec`: named, they would take twice as long
    if n_words == 9 and "_" not in line:
        try:
            numbers = [int(word) for word in words[3:8]]
            if numbers[0] >= 0:
                return SignalSpec._make((words[0], *_format(words[1]), *_gain(words[2]), *numbers, words[8]))
        except ValueError:
            pass  # below it is told which word is meant
    numbers_or_none = (
        _integer(words[3], "ADC resolution", 0) if n_words > 3 else None,
        _integer(words[4], "ADC zero") if n_words > 4 else None,
        _integer(words[5], "initial value") if n_words > 5 else None,
        _integer(words[6], "checksum") if n_words > 6 else None,
        _integer(words[7], "block size") if n_words > 7 else None,
    )
    gain = _gain(words[2]) if n_words > 2 else (None, None, None)
    description = words[8] if n_words > 8 else None
    return SignalSpec._make((words[0], *_format(words[1]), *gain, *numbers_or_none, description))


def _integer(word: str, what: str, minimum: int | None = None) -> int:
    try:
        value = int(word)
    except ValueError:
        value = None
    if value is None or "_" in word:  # int() reads 1_000 as a thousand
        raise HeaderError(f"{what} {word!r} not understood; expected an integer")
    if minimum is not None and value < minimum:
        raise HeaderError(f"{what} {word!r} too small; expected at least {minimum}")
    return value


def _finite(word: str, what: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise HeaderError(f"{what} {word!r} too large; expected a finite number")
    return value


# The twelve lines of a record repeat these words, and so do the records of a dataset. Errors are not cached.
@lru_cache(maxsize=1024)
def _format(word: str) -> tuple[str, int | None, int | None, int | None]:
    """Format, samples per frame, skew and byte offset."""
    match = _FORMAT.fullmatch(word)
    if match is None:
        raise HeaderError(f"signal format {word!r} not understood; expected format[xN][:skew][+offset]")
    fmt, *modifiers = match.groups()
    samples_per_frame, skew, byte_offset = (
        None if number is None else _integer(number, "signal format") for number in modifiers
    )
    return fmt, samples_per_frame, skew, byte_offset


@lru_cache(maxsize=1024)
def _gain(word: str) -> tuple[float, int | None, str | None]:
    """Gain, baseline and units."""
    match = _GAIN.fullmatch(word)
    if match is None:
        raise HeaderError(f"gain {word!r} not understood; expected gain[(baseline)][/units]")
    gain, baseline, units = match.groups()
    return _finite(gain, "gain"), None if baseline is None else _integer(baseline, "baseline"), units


@lru_cache(maxsize=1024)
def _frequency(word: str) -> tuple[float, float | None, float | None]:
    """Sampling frequency, counter frequency and base counter value."""
    match = _FREQUENCY.fullmatch(word)
    if match is None:
        raise HeaderError(f"sampling frequency {word!r} not understood; expected fs[/counter_freq[(base_counter)]]")
    fs, counter_frequency, base_counter = (
        None if number is None else _finite(number, "frequency") for number in match.groups()
    )
    if fs is None or fs <= 0:
        raise HeaderError(f"sampling frequency {word!r} not positive; expected samples per second")
    return fs, counter_frequency, base_counter
