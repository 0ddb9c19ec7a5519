"""The numbers of a text table: quickly where every cell is plain, cell by cell where one is not."""

from array import array
from collections.abc import Iterator
from itertools import islice
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.files.text_lines import mend, read_lines
from ecg12.pipeline.formats.text_tables.cells import NumberStyle, is_missing, is_number, split_cells, to_number
from ecg12.pipeline.formats.text_tables.comment_facts import fact_in
from ecg12.pipeline.formats.text_tables.plain_values import read_plain_values
from ecg12.pipeline.formats.text_tables.table_head import Head, is_note
from ecg12.pipeline.formats.text_tables.times import to_seconds


def read_values(path: Path, head: Head) -> NDArray[np.float64]:
    """A table's numbers, shape (sample, column), NaN where one is missing; facts below the first line go to `head`.

    Raises
    ------
    SignalError
        If a line has more or fewer cells than others, or a cell is no number, naming the line.
    """
    try:
        values = read_plain_values(path, head)
        return _read_plain(path, head) if values is None else values
    except (ValueError, _NotPlainError) as error:
        if isinstance(error, SignalError):
            raise
        return _read_cell_by_cell(path, head)


class _NotPlainError(Exception):
    """A line that only looking at its cells makes sense of."""


def _samples(path: Path, head: Head) -> Iterator[tuple[int, str]]:
    """The lines with numbers, with their numbers in the file."""
    left = head.heads
    for number, line in enumerate(read_lines(path), start=1):
        if line.isspace():
            continue
        if is_note(line):
            head.facts.update(filter(None, [fact_in(mend(line))]))
        elif left:
            left -= 1
        else:
            yield number, line


def _read_plain(path: Path, head: Head) -> NDArray[np.float64]:
    """By NumPy, whose reader takes no thousands and knows no missing value but nan."""
    lines = _plain_lines(path, head)
    values = np.loadtxt(
        lines,
        delimiter=None if head.separator == " " else head.separator,
        ndmin=2,
        comments=None,
        converters=dict.fromkeys(head.clocks, to_seconds) or None,
    )
    if values.shape[1] != head.n_columns:
        raise _NotPlainError
    return values


def _plain_lines(path: Path, head: Head) -> Iterator[str]:
    """Lines in which a point begins decimals, for certain."""
    if head.trailing:
        raise _NotPlainError
    if head.separator == ",":
        for _, line in _samples(path, head):
            yield line
        return
    sure = ""
    for _, line in _samples(path, head):
        comma, point = "," in line, "." in line
        if comma and point:
            raise _NotPlainError
        if sure == "" and (comma or point):
            sure = _sign_told_by(line, head)
        if (comma or point) and sure and (sure == ",") != comma:
            raise _NotPlainError
        yield line.replace(",", ".") if comma else line
    if sure == "" and _has_signs(path, head):
        raise _NotPlainError


def _sign_told_by(line: str, head: Head) -> str:
    """The decimal sign that a line's cells tell for certain, "" for none."""
    style = NumberStyle()
    for column, cell in enumerate(split_cells(line, head.separator)):
        if column not in head.clocks and is_number(cell):
            style.learn(cell, "")
    return style.decimal


def _has_signs(path: Path, head: Head) -> bool:
    return any("," in line or "." in line for _, line in islice(_samples(path, head), 1000))


def _read_cell_by_cell(path: Path, head: Head) -> NDArray[np.float64]:
    """For missing values, quotes, thousands, and to say which cell is wrong."""
    name = path.stem
    style, spare = NumberStyle(), head.spare
    told_by = frozenset(range(head.n_columns)) - spare - frozenset(head.clocks)
    for number, cells in _rows(path, head):
        for column, cell in enumerate(cells):
            if column in told_by and cell and is_number(cell):
                style.learn(cell, f"{name} line {number}")
    decimal = style.settle(head.separator, name)
    values = array("d")
    for number, cells in _rows(path, head):
        for column, cell in enumerate(cells):
            try:
                values.append(_to_value(cell, decimal, clock=column in head.clocks))
            except ValueError:
                if column in spare:
                    values.append(nan)
                    continue
                raise SignalError(
                    f"{name} line {number}: {cell[:20]!r} in column {column + 1}; expected a number"
                ) from None
    return np.frombuffer(values, np.float64).reshape(-1, head.n_columns)


def _to_value(cell: str, decimal: str, *, clock: bool) -> float:
    return to_seconds(cell) if clock and not is_missing(cell) else to_number(cell, decimal)


def _rows(path: Path, head: Head) -> Iterator[tuple[int, list[str]]]:
    """Cells of each line, as many as there are columns."""
    for number, line in _samples(path, head):
        cells = split_cells(mend(line), head.separator)
        if head.trailing and len(cells) == head.n_columns + 1 and not cells[-1]:
            del cells[-1]
        if len(cells) != head.n_columns:
            raise SignalError(
                f"{path.stem} line {number}: {len(cells)} cells; expected {head.n_columns}, as in the line before"
            )
        yield number, cells
