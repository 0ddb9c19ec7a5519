"""CSV and other text tables: one column a lead, one line a sample.

What a file may say itself, in this order: comment lines `# fs: 500`, `# units: mV`; a line of lead names, each with
its unit in parentheses or brackets if it likes; a line of units, as PhysioNet's rdsamp writes it; a column of time.
Commas, semicolons, tabs, bars and blanks separate. How lines become text, text becomes cells, and cells numbers is told
in `text_lines`, `table_head`, `table_cells` and `table_values`.
"""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import EcgError, LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS, canonical_lead
from ecg12.ecg.signals.recording import Recording, SourceSamples, make_recording, whole_numbers
from ecg12.ecg.signals.voltage_units import spell_units
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.files.text_lines import read_lines
from ecg12.pipeline.formats.text_tables.comment_facts import clean_unit, parse_rate
from ecg12.pipeline.formats.text_tables.plain_values import count_plain_lines
from ecg12.pipeline.formats.text_tables.table_head import Head, counts_columns, read_head
from ecg12.pipeline.formats.text_tables.times import (
    CLOCK_UNIT,
    COUNTER_NAME,
    SECONDS,
    TIME_NAME,
    check_counter,
    is_time_or_counter,
    measure_spacing,
    rate_of_interval,
)
from ecg12.pipeline.formats.text_tables.values import read_values
from ecg12.pipeline.formats.told_by_user import InputConfig, require_fs, require_leads, weigh_units

_SNIFFED_LINES = 1000
_MOST_NAMED = 24
_NO_VALUES = np.empty((0, 0))
_OF_RECORDS = frozenset(
    "record record_id record_name ecg_id patient patient_id subject_id study_id exam_id filename file_name file path "
    "filename_lr filename_hr scp_codes scp_code diagnosis diagnoses dx label labels sex gender strat_fold fold".split()
)
"""Columns that no table of samples has."""


def names_leads(path: Path) -> bool:
    """Whether a text file's line above the numbers names a standard lead: whether it says that it is an ECG."""
    try:
        with reading(path, "a text table"):
            names = read_head(islice(read_lines(path), _SNIFFED_LINES), path.stem).names
    except EcgError:
        return False
    return bool(set(names or ()) & set(LEADS))


def lists_records(path: Path) -> bool:
    """Whether a text file's first line names columns about records, so that it is a table of labels or patients."""
    try:
        with reading(path, "a text table"):
            first = next((line for line in islice(read_lines(path), _SNIFFED_LINES) if line.strip()), "")
    except EcgError:
        return False
    return any(cell.strip().strip("\"'").strip().lower() in _OF_RECORDS for cell in re.split(r"[,;\t|]", first))


def read_table(path: Path, told: InputConfig) -> Recording:
    """The recording in a text table.

    Raises
    ------
    SignalError
        If it cannot be read, naming the line and the cell, or if what it does not say was not told.
    """
    with reading(path, "a text table"):
        head = read_head(read_lines(path), path.stem)
        values = read_values(path, head)
        return _to_recording(head, values, told, path.stem)


def measure_table(path: Path, told: InputConfig) -> tuple[float, int] | None:
    """Sampling frequency (Hz) and length (samples) of a plain table without times, or None where only reading tells.

    Raises
    ------
    SignalError
        As `read_table`, for what the lines above the numbers tell.
    """
    with reading(path, "a text table"):
        head = read_head(read_lines(path), path.stem)
        if head.names is None or any(is_time_or_counter(name) for name in head.names):
            return None
        n_samples = count_plain_lines(path, head)
        return None if n_samples is None else (_choose_fs(head, _NO_VALUES, None, told, path.stem, []), n_samples)


def _to_recording(head: Head, values: NDArray[np.float64], told: InputConfig, name: str) -> Recording:
    notes = list(head.notes)
    values = _without_empty_end(values, notes)
    columns, time = _columns(head, values, told, name)
    leads = _name_leads(head, columns, told, name, notes)
    fs = _choose_fs(head, values, time, told, name, notes)
    # other columns may hold anything, in units of their own
    kept = [(lead, column) for lead, column in zip(leads, columns, strict=True) if lead in LEADS]
    if not kept:
        raise LeadError(f"{name}: columns {_some(leads)}; expected some of {', '.join(LEADS)}")
    signal_uv = np.empty((len(kept), len(values)))
    for row, (lead, column) in enumerate(kept):
        factor, note = weigh_units(_unit_of(head, column), told, f"{name} lead {lead}")
        np.multiply(values[:, column], factor, out=signal_uv[row])
        if note is not None and note not in notes:
            notes.append(note)
    adu = whole_numbers(values[:, [column for _, column in kept]].T) if told.with_source else None
    source = None if adu is None else SourceSamples(adu)
    return make_recording(name, signal_uv, [lead for lead, _ in kept], fs, notes=tuple(notes), source=source)


def _without_empty_end(values: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """The lines up to the last with a number: spreadsheets write empty cells below a table; they are no samples."""
    filled = np.flatnonzero(~np.isnan(values).all(axis=1))
    length = int(filled[-1]) + 1 if len(filled) else len(values)
    if length < len(values):
        notes.append(f"{len(values) - length:,} lines without any number at the end: left out")
    return values[:length]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + ", …" * (len(names) > _MOST_NAMED)


def _columns(head: Head, values: NDArray[np.float64], told: InputConfig, name: str) -> tuple[list[int], int | None]:
    """Columns of leads, and that of time; those that count samples are held to leave none out."""
    width = head.n_columns
    if head.names is None:
        time = next(iter(head.clocks), None)
        columns = [column for column in range(width) if column != time]
        if told.lead_names and len(columns) == len(told.lead_names) + 1 and _counts_samples(values[:, columns[0]]):
            check_counter(values[:, columns[0]], name)
            columns = columns[1:]
        return columns, time
    names = [_plain(text) for text in head.names]
    time = next((column for column in range(width) if TIME_NAME.fullmatch(names[column])), None)
    time = next(iter(head.clocks), None) if time is None else time
    counters = [column for column in range(width) if column != time and COUNTER_NAME.fullmatch(names[column])]
    for column in counters:
        check_counter(values[:, column], name)
    return [column for column in range(width) if column != time and column not in counters], time


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _counts_samples(column: NDArray[np.float64]) -> bool:
    return len(column) > 2 and column[0] in (0, 1) and bool(np.median(np.diff(column)) == 1)


def _name_leads(head: Head, columns: list[int], told: InputConfig, name: str, notes: list[str]) -> list[str]:
    """What each column of a lead is called: as the file says, unless its names are none of leads."""
    stated = None if head.names is None else tuple(head.names[column] for column in columns)
    if stated is not None and (counts_columns(stated) or (told.leads and not set(stated) & set(LEADS))):
        if told.leads and not counts_columns(stated):
            notes.append(f"leads taken as told; the file calls them {_some(stated)}")
        stated = None
    return [canonical_lead(lead) for lead in require_leads(stated, told, name, len(columns))]


def _choose_fs(
    head: Head, values: NDArray[np.float64], time: int | None, told: InputConfig, name: str, notes: list[str]
) -> float:
    """Hz, from a comment, or from the columns of time or of a counter; as told where these do not tell one."""
    measured = _measure_fs(head, values, time, told, name, notes)
    try:
        stated = parse_rate(head.facts["fs"], name, told.option("fs")) if "fs" in head.facts else None
    except SignalError:
        if told.fs is None:
            raise
        notes.append(f"fs taken as {told.fs:g} Hz, as told; the file states {head.facts['fs']!r}")
        return told.fs
    of_file = stated or measured
    if stated and measured and abs(stated - measured) > 0.01 * stated:
        if told.fs is None:
            raise SignalError(
                f"{name}: a comment states {stated:g} Hz, the column of time {measured:g} Hz; tell which with "
                f"{told.option('fs')}"
            )
        notes.append(f"fs taken as {told.fs:g} Hz, as told; a comment states {stated:g} Hz, the times {measured:g} Hz")
        return told.fs
    if told.fs is not None and of_file and abs(told.fs - of_file) > 1e-3 * told.fs:
        option = told.option("fs")
        notes.append(f"fs taken as {of_file:g} Hz, as the file states it; {option} is for files that state none")
    return require_fs(of_file, told, name)


def _measure_fs(
    head: Head, values: NDArray[np.float64], time: int | None, told: InputConfig, name: str, notes: list[str]
) -> float | None:
    """Hz by the column of time, or by the interval that a counter counts; None where there is none that tells."""
    units = [*head.units, *[""] * head.n_columns]
    if time is None:
        return next((rate for rate in map(rate_of_interval, head.units) if rate), None)
    clock = time in head.clocks
    spacing = measure_spacing(values[:, time], name, clock=clock)
    notes += [spacing.note] * bool(spacing.note)
    unit = CLOCK_UNIT if clock else units[time].lower() or _unit_in(head.names[time] if head.names else "")
    if spacing.rate is None or unit not in SECONDS:
        return None
    rate = spacing.rate / SECONDS[unit]
    return float(round(rate)) if abs(rate - round(rate)) < 1e-4 * rate else rate


def _unit_in(name: str) -> str:
    """The unit in a column's name: time_ms, milliseconds."""
    last = _plain(name).replace("_", " ").split(" ")[-1:]
    return last[0] if last and last[0] in SECONDS and last[0] not in ("t", CLOCK_UNIT) else ""


def _unit_of(head: Head, column: int) -> str | None:
    """The unit that is stated for a column; a remark in parentheses is none if comments state another."""
    unit = head.units[column] if len(head.units) > column else ""
    general = clean_unit(head.facts["units"]) if "units" in head.facts else None
    return general if not unit or (general and spell_units(unit) is None) else unit
