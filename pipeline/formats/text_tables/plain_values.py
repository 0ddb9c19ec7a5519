"""The numbers of a table that is plain throughout, for which its lines need not be looked at one by one.

Plain is what most programs write: digits, signs, points and exponents between commas, as many in each line. Anything
else (a comment below the numbers, an empty cell, another alphabet) is left to `values`, which takes twice as long.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.files.regular_files import open_regular
from ecg12.pipeline.formats.text_tables.table_head import Head, is_note

LARGEST_BYTES = 64 * 2**20
"""A larger table is read line by line, which takes less memory."""

_MOST_LINES_ABOVE = 200
_PLAIN = b"0123456789+-.eE,\n"


def read_plain_values(path: Path, head: Head) -> NDArray[np.float64] | None:
    """A table's numbers, shape (sample, column), or None where it is not plain."""
    body = _plain_body(path, head)
    if not body:
        return None
    try:
        values = np.loadtxt(body.decode("ascii").split("\n"), delimiter=",", ndmin=2, comments=None)
    except ValueError:  # of a cell that is no number, or too many cells: the slow way says which
        return None
    return values if values.shape[1] == head.n_columns else None


def count_plain_lines(path: Path, head: Head) -> int | None:
    """A table's lines of numbers, or None where it is not plain; whether all are as long is not looked at."""
    body = _plain_body(path, head)
    if not body or b"\n\n" in body:
        return None
    return body.count(b"\n") + (not body.endswith(b"\n"))


def _plain_body(path: Path, head: Head) -> bytes:
    """What stands below the head where that is plain, else nothing."""
    if head.separator != "," or head.trailing or head.clocks:
        return b""
    with open_regular(path) as file:
        data = file.readall() if file.size <= LARGEST_BYTES else b""
    body = _below_head(data.replace(b"\r\n", b"\n"), head)
    return b"" if body.translate(None, _PLAIN) else body


def _below_head(data: bytes, head: Head) -> bytes:
    """What stands below comments, blank lines and the lines of names; empty where that is not soon found."""
    at, left = 0, head.heads
    for _ in range(_MOST_LINES_ABOVE):
        end = data.find(b"\n", at) + 1
        if not end:
            return b""
        line = data[at:end]
        if not line.isascii():
            return b""
        text = line.decode("ascii")
        if not text.isspace() and not is_note(text):
            if not left:
                return data[at:]
            left -= 1
        at = end
    return b""
