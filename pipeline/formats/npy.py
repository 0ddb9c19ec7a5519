"""NumPy's `.npy` files of plain numbers, read without believing their header.

NumPy's own reader evaluates the header as a Python expression, and takes objects and records by the same door. Here it
must be the line that numpy.save writes, and the file must hold what it states.

Source: NEP 1, and numpy.lib.format, versions 1.0 to 3.0.
"""

import re
from io import FileIO
from pathlib import Path
from struct import unpack

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.files.regular_files import open_regular

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000  # as numpy.load allows
_MOST_DIMENSIONS = 32
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*(?:['"]([<>|=]?[biufc]\d{1,2})['"]|(\[.{0,40}|[^,]{0,40}))""", re.DOTALL)
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d\s,L]{0,1000})\)""")


def read_npy_array(path: Path) -> NDArray:
    """The array in an `.npy` file, of numbers or truth values.

    Raises
    ------
    SignalError
        If it is damaged, cut short, or holds objects, text or records.
    """
    with open_regular(path) as file:
        header, stored, shape, n_values, at = _announced(file, path.name)
        file.seek(at)
        values = np.fromfile(file, stored, n_values)
    if len(values) != n_values:
        raise SignalError(
            f"{path.name}: {len(values):,} values; expected {n_values:,}: the file changes while it is read"
        )
    return values.reshape(shape, order="F" if _ORDER.search(header)[1] == "True" else "C")  # type: ignore[index]


def read_npy_shape(path: Path) -> tuple[np.dtype, tuple[int, ...], str]:
    """Type and shape of the array, held against the file's size, and the header that states them.

    Raises
    ------
    SignalError
        As `read_npy_array`.
    """
    with open_regular(path) as file:
        header, stored, shape, _, _ = _announced(file, path.name)
    return stored, shape, header


def _announced(file: FileIO, name: str) -> tuple[str, np.dtype, tuple[int, ...], int, int]:
    """Header, type, shape, number of values, and where they begin."""
    header = _read_header(file, name)
    stored, shape = _parse(header, name)
    n_values = 1
    for length in shape:  # Python's integers: a product of stated lengths overflows NumPy's
        n_values *= length
    at, size = file.tell(), file.seek(0, 2)
    if n_values * stored.itemsize != size - at:
        raise SignalError(
            f"{name}: {size - at:,} bytes of samples; expected {n_values * stored.itemsize:,} for {stored} of "
            f"shape {shape}: the file is cut short or damaged"
        )
    return header, stored, shape, n_values, at


def _read_header(file: FileIO, name: str) -> str:
    begin = file.read(12)
    if begin[:6] != _MAGIC or len(begin) < 12 or begin[6] not in (1, 2, 3):
        raise SignalError(f"{name}: cannot be read as a NumPy array: begins unlike one")
    length, at = (unpack("<H", begin[8:10])[0], 10) if begin[6] == 1 else (unpack("<I", begin[8:12])[0], 12)
    if length > _LONGEST_HEADER:
        raise SignalError(f"{name}: a header of {length:,} bytes; expected at most {_LONGEST_HEADER:,}")
    file.seek(at)
    header = file.read(length)
    if len(header) < length:
        raise SignalError(f"{name}: {len(header)} bytes of a header of {length}; the file is cut short")
    return header.decode("utf-8", "replace")


def _parse(header: str, name: str) -> tuple[np.dtype, tuple[int, ...]]:
    """Type and shape, as numpy.save writes them."""
    descr, order, shape = _DESCR.search(header), _ORDER.search(header), _SHAPE.search(header)
    if descr is None or order is None or shape is None:
        raise SignalError(f"{name}: a header that numpy.save does not write; expected an array of numbers")
    try:
        stored = np.dtype(descr[1] or "O")
    except TypeError:
        stored = np.dtype("O")
    if stored.kind == "O":
        found = " ".join((descr[1] or descr[2]).split())[:40]
        raise SignalError(
            f"{name}: cannot be read as a NumPy array of numbers: holds objects, text or records ({found}); "
            "expected numbers in two dimensions"
        )
    lengths = tuple(map(int, re.findall(r"\d+", shape[1])))
    if len(lengths) > _MOST_DIMENSIONS:
        raise SignalError(f"{name}: {len(lengths)} dimensions; expected leads and samples")
    return stored, lengths
