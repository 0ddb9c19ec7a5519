"""CSV and other text tables: one column a lead, one line a sample.

What a file may say itself, in this order: comment lines `# fs: 500`, `# units: mV`; a line of lead names, each with
its unit in parentheses or brackets if it likes; a line of units, as PhysioNet's rdsamp writes it; a column of time in
seconds or milliseconds. Commas, semicolons and tabs separate; with semicolons or tabs a comma may be the decimal point.
An empty cell is a missing sample.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg.errors import LeadError, SignalError
from ecg.leads import LEADS, canonical_lead
from ecg.recording import Recording, make_recording
from pipeline.inputs.foreign import reading
from pipeline.inputs.told import InputConfig, microvolts_in, require_fs, require_leads, require_units

_FACT = re.compile(r"\s*#\s*(fs|units)\s*[:=]\s*(\S+)\s*", re.IGNORECASE)
_NAME_AND_UNIT = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]")
_TIME = re.compile(r"(elapsed )?(time|seconds?|t)")
_COUNTER = re.compile(r"(sample|index|n|no|#)?")
_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3}
_MISSING = ("", "nan", "na", "-", "null")
SNIFFED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Table:
    """A text table: what its comments state, the texts above its columns, its numbers (sample, column)."""

    facts: dict[str, str]
    names: tuple[str, ...] | None
    units: tuple[str, ...]
    values: NDArray[np.float64]


def names_leads(path: Path) -> bool:
    """Whether a text file's first line that is no comment names a standard lead: whether it says it is an ECG."""
    try:
        with path.open("rb") as file:
            text = file.read(SNIFFED_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and bool(set(_split_names(_cells(lines[0], _separator(lines[0])))[0]) & set(LEADS))


def read_table(path: Path, told: InputConfig) -> Recording:
    """The recording in a text table.

    Raises
    ------
    SignalError
        If it cannot be read, naming the line and the cell, or if what it does not say was not told.
    """
    name = path.stem
    with reading(path, "a text table"):
        table = _parse(path.read_bytes().decode("utf-8-sig"), name)
    columns, time = _columns(table)
    names = None if table.names is None else tuple(table.names[column] for column in columns)
    leads = [canonical_lead(lead) for lead in require_leads(names, told, name, len(columns))]
    fs = require_fs(_stated_fs(table, time, name), told, name)
    # other columns may hold anything, in units of their own
    kept = [(lead, column) for lead, column in zip(leads, columns, strict=True) if lead in LEADS]
    if not kept:
        raise LeadError(f"{name}: columns {', '.join(leads)}; expected some of {', '.join(LEADS)}")
    factors = np.array([_factor(table, column, told, f"{name} lead {lead}") for lead, column in kept])
    signal_uv = table.values[:, [column for _, column in kept]].T * factors[:, None]
    return make_recording(name, signal_uv, [lead for lead, _ in kept], fs)


def _parse(text: str, name: str) -> _Table:
    facts: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            if fact := _FACT.fullmatch(line):
                facts[fact[1].lower()] = fact[2]
        elif line.strip():
            lines.append((number, line))
    if not lines:
        raise SignalError(f"{name}: empty; expected a line of lead names and one line a sample")
    separator = _separator(lines[0][1])
    heads: list[list[str]] = []
    while len(heads) < min(2, len(lines)) and not _is_numeric(_cells(lines[len(heads)][1], separator)):
        heads.append(_cells(lines[len(heads)][1], separator))
    values = _to_numbers(lines[len(heads) :], separator, name)
    names, units = _split_names(heads[0]) if heads else (None, [])
    if names is not None and len(names) != values.shape[1]:
        raise SignalError(f"{name}: {len(names)} names above {values.shape[1]} columns; expected one for each")
    if len(heads) > 1:
        units = [unit or above for unit, above in zip(units, heads[1], strict=False)]
    return _Table(facts, None if names is None else tuple(names), tuple(units), values)


def _separator(line: str) -> str:
    return next((sign for sign in (";", "\t", ",") if sign in line), ",")


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip("\"'").strip() for cell in line.strip("\r\n").split(separator)]


def _is_numeric(cells: Sequence[str]) -> bool:
    return any(map(_is_number, cells)) and all(_is_number(cell) or cell.lower() in _MISSING for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return cell.lower() != "nan"


def _split_names(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names above columns, and the units in parentheses behind them ("" for none)."""
    matches = [_NAME_AND_UNIT.fullmatch(cell) for cell in cells]
    # "II (Einthoven)" is a name with a remark, not a unit
    names = [canonical_lead(match[1] if match else cell) for cell, match in zip(cells, matches, strict=True)]
    return names, [match[2].strip() if match else "" for match in matches]


def _to_numbers(lines: Sequence[tuple[int, str]], separator: str, name: str) -> NDArray[np.float64]:
    """The table's cells, float64 (sample, column), NaN where one is empty."""
    if not lines:
        raise SignalError(f"{name}: no line of samples below the names")
    texts = [line for _, line in lines]
    if separator != ",":
        texts = [text.replace(",", ".") for text in texts]
    try:
        return np.loadtxt(texts, delimiter=separator, ndmin=2, comments=None)
    except ValueError:
        return _to_numbers_one_by_one(lines, separator, name)


def _to_numbers_one_by_one(lines: Sequence[tuple[int, str]], separator: str, name: str) -> NDArray[np.float64]:
    """The same, slowly: for empty cells, quotes, and to say which cell is wrong."""
    width = len(_cells(lines[0][1], separator))
    values = np.empty((len(lines), width))
    for row, (number, line) in enumerate(lines):
        cells = _cells(line, separator)
        if len(cells) != width:
            raise SignalError(f"{name} line {number}: {len(cells)} cells; expected {width}, as in the line before")
        for column, cell in enumerate(cells):
            if cell.lower() not in _MISSING and not _is_number(cell):
                raise SignalError(f"{name} line {number}: {cell[:20]!r} in column {column + 1}; expected a number")
            values[row, column] = np.nan if cell.lower() in _MISSING else float(cell.replace(",", "."))
    return values


def _columns(table: _Table) -> tuple[list[int], int | None]:
    """Columns of leads, and that of time."""
    if table.names is None:
        return list(range(table.values.shape[1])), None
    time = next((column for column, name in enumerate(table.names) if _TIME.fullmatch(name.lower())), None)
    counters = [column for column, name in enumerate(table.names) if _COUNTER.fullmatch(name.lower())]
    return [column for column in range(len(table.names)) if column != time and column not in counters], time


def _stated_fs(table: _Table, time: int | None, name: str) -> float | None:
    """Hz, from a comment or from the column of time; None where neither tells."""
    if "fs" in table.facts:
        text = table.facts["fs"].lower().removesuffix("hz")
        if not _is_number(text) or float(text) <= 0:
            raise SignalError(f"{name}: fs {table.facts['fs']!r} in a comment; expected a positive number of Hz")
        return float(text)
    unit = table.units[time].lower() if time is not None and len(table.units) > time else ""
    if time is None or unit not in _SECONDS or len(table.values) < 2:
        return None
    seconds = table.values[:, time] * _SECONDS[unit]
    steps = np.diff(seconds)
    step = (seconds[-1] - seconds[0]) / len(steps)
    if not step > 0 or steps.min() < 0 or steps.max() > 2.5 * step:  # rounded times may repeat, or jump two
        raise SignalError(f"{name}: times are not evenly spaced; expected one sample after another, none left out")
    fs = 1 / step
    return float(round(fs)) if abs(fs - round(fs)) < 1e-4 * fs else fs


def _factor(table: _Table, column: int, told: InputConfig, where: str) -> float:
    """Microvolts in one of a column's units."""
    unit = table.units[column] if len(table.units) > column else ""
    try:
        if unit:
            return microvolts_in(unit, where=where)
    except ValueError as error:  # a remark in parentheses is no unit if another is told
        if told.units is None and "units" not in table.facts:
            raise SignalError(str(error)) from None
    return require_units(table.facts.get("units"), told, where)
