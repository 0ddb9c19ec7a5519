"""A table as columns of text: CSV in the ways in which spreadsheets and programs write it, and Parquet.

All of it is held as text or as packed columns, and rows are made of it as often as they are asked for: first to learn
what the columns hold, then for what the rows state.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ecg12.cache.storage.location import Location
from ecg12.cache.storage.small_file import read_small
from ecg12.ecg.errors import EcgError, InputError
from ecg12.pipeline.files.text_lines import decode_text
from ecg12.pipeline.labels.parquet_table import PARQUET_MARK, parquet_rows
from ecg12.pipeline.runtime.printable_names import in_one_line

MOST_BYTES = 512 * 2**20
"""Of a table. MIMIC-IV-ECG's, of 800,000 recordings, has a third of it."""

MOST_COLUMNS = 10_000
"""Of a table. One with a column for every label has hundreds."""

_SEPARATORS = ",;\t|"
_NO_TABLES = {
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"PK\x03\x04": "a spreadsheet or an archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet; save the table as CSV",
    b"SQLite format": "a database; save the table as CSV",
    b"\x89HDF": "an HDF5 file; save the table as CSV",
}

Row = tuple[int, list[str]]
"""The number of its line (of its row, counted from 1, in Parquet), and its cells without blanks around them."""


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A table that was opened.

    Attributes
    ----------
    columns : their names as they stand there, each once
    separator : between the cells of a line
    unit : what its numbers are of: "line", or "row" in Parquet
    rows : all rows, whenever it is called
    """

    path: Location
    columns: tuple[str, ...]
    separator: str
    unit: str
    rows: Callable[[], Iterator[Row]]


def open_table(path: Location) -> LabelTable:
    """Open a table of labels.

    Raises
    ------
    InputError
        If it cannot be read, is no table, or two of its columns have one name. Reading its rows raises it for the
        first line that has not the cells of the others.
    RemoteError
        If it is remote and the server cannot be had.
    """
    try:
        data = read_small(path, MOST_BYTES)
        what = next((text for mark, text in _NO_TABLES.items() if data.startswith(mark)), None)
        if what:
            raise InputError(f"{path}: {what}; expected a table of labels as CSV, TSV or Parquet")
        if data.startswith(PARQUET_MARK):
            columns, rows = parquet_rows(data, str(path))
            return LabelTable(path, _checked(columns, path), ",", "row", rows)
        text = decode_text(data)
    except EcgError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as a table of labels ({why})") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path} line {line}: a NUL; expected a table of labels as CSV, TSV or Parquet")
    separator = _separator_of(text)
    rows = _Lines(path, text, separator)
    columns = next((row for _, row in rows.parsed()), [])
    return LabelTable(path, _checked(columns, path), separator, "line", rows)


def _separator_of(text: str) -> str:
    """What makes the most columns of the first line; a comma where nothing parts it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=lambda sign: _n_cells(first, sign))


def _n_cells(line: str, sign: str) -> int:
    """How many cells a sign makes of a line; none where it leaves one longer than a cell may be."""
    try:
        return len(next(csv.reader([line], delimiter=sign), []))
    except csv.Error:
        return 0


def _checked(columns: list[str], path: Location) -> tuple[str, ...]:
    names = [in_one_line(name.strip()) or f"column {number}" for number, name in enumerate(columns, start=1)]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise InputError(f"{path}: two columns are called {twice[0]!r}; expected each name once")
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{path}: {len(names):,} columns; expected at most {MOST_COLUMNS:,}: leave some out")
    if not names:
        raise InputError(f"{path}: empty; expected a table of labels with the columns' names in its first line")
    return tuple(names)


@dataclass(frozen=True, slots=True)
class _Lines:
    """The rows of a CSV's text."""

    path: Location
    text: str
    separator: str

    def __call__(self) -> Iterator[Row]:
        rows = self.parsed()
        _, columns = next(rows)
        width = len(columns)
        for line, cells in rows:
            if len(cells) != width:
                if len(cells) < width or any(map(str.strip, cells[width:])):
                    raise InputError(
                        f"{self.path} line {line}: {len(cells)} cells; expected {width}, as the first line has: mend "
                        "the line, with cells that hold a separator in quotes"
                    )
                cells = cells[:width]
            yield line, [cell.strip() for cell in cells]

    def parsed(self) -> Iterator[Row]:
        """Lines that are not empty, the first with the columns' names among them."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.separator, strict=True)
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{self.path} line {line}: cannot be read ({error}); mend the line") from error
            if cells is None:
                return
            if any(map(str.strip, cells)):
                yield line, cells
            line = reader.line_num + 1
