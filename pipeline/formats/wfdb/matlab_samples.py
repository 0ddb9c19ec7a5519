"""A WFDB record's samples in a MATLAB file: what the bytes in front of them must say, and the file's own format.

A header that says 16+24 takes the file for MATLAB 4, whose 24 bytes of header (two-byte integers, so many rows and
columns, a name of three letters) stand before samples in the order that WFDB wants. Other programs put MATLAB 5 there,
or other types: read as raw bytes they are samples of other leads. So the bytes are looked at.
"""

import struct
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.formats.matlab import read_matlab

HEAD_BYTES = 24
_INVALID = -32768  # of format 16
_CODES = {"16": 30, "61": 1030, "160": 40, "80": 50, "32": 20}
"""MATLAB 4's type of a matrix whose numbers are a WFDB format's: 30 is little-endian, of two bytes with a sign."""


def is_plain_mat(head: bytes, n_leads: int, n_samples: int, offset: int) -> bool:
    """Whether a file begins as the Challenge's do: MATLAB 4, int16, the header's very rows and columns, `val`."""
    return offset == HEAD_BYTES and head == _plain_head(n_leads, n_samples)


@lru_cache(maxsize=1024)
def _plain_head(n_leads: int, n_samples: int) -> bytes:
    try:
        return struct.pack("<5i4s", _CODES["16"], n_leads, n_samples, 0, 4, b"val\0")
    except struct.error:  # a number that no such file can state
        return b""


def says_matlab(head: bytes) -> bool:
    """Whether bytes are the beginning of a MATLAB file of any version, or of HDF5."""
    return head.startswith((b"MATLAB ", b"\x89HDF")) or _of_level_4(head) is not None


def raw_columns(head: bytes, fmt: str, n_rows: int, offset: int) -> int | None:
    """Columns of a MATLAB 4 matrix whose numbers are a format's samples in WFDB's order from `offset` on, else None."""
    found = _of_level_4(head)
    if found is None:
        return None
    code, rows, columns, imaginary, begin = found
    fits = code == _CODES.get(fmt) and rows == n_rows and imaginary == 0 and begin == offset
    return columns if fits else None


def _of_level_4(head: bytes) -> tuple[int, int, int, int, int] | None:
    """Type, rows, columns, whether complex, and where the numbers begin; None if this is no MATLAB 4."""
    for order in "<>":
        if len(head) == HEAD_BYTES:
            code, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", head)
            machine, rest, precision, kind = (code // 10**power % 10 for power in (3, 2, 1, 0))
            known = 0 <= code < 5000 and rest == 0 and machine == "<>".index(order) and precision <= 5 and kind <= 2
            if known and imaginary in (0, 1) and 2 <= length <= 64 and head[20:21].isalpha():
                return code, rows, columns, imaginary, 20 + length
    return None


def read_matlab_samples(path: Path, name: str, n_leads: int, n_samples: int) -> NDArray[np.integer]:
    """A record's samples by its MATLAB file's own format: int16, or int32 where they are wider, (lead, sample), adu.

    Parameters
    ----------
    name : of the record
    n_samples : as the header states it; the file may have more; 0 for all that it has

    Raises
    ------
    SignalError
        If the file is damaged, of version 7.3, has no matrix `val` or another than the header says, or values that
        are no whole numbers. NaN becomes the missing sample of format 16.
    """
    try:
        values = _matrix(path, n_leads, n_samples)
    except SignalError as error:
        error.args = (f"{name}: {error}",)
        raise
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        values = np.where(missing, _INVALID, values)
    lowest, highest = values.min(), values.max()
    if not (-(2**31) <= lowest and highest < 2**31) or (values.dtype.kind == "f" and (np.rint(values) != values).any()):
        raise SignalError(
            f"{name}: {path.name} has values that are no whole numbers of 32 bits; expected samples in adu, as the "
            "header's gain takes them for"
        )
    values = values[:, :n_samples] if n_samples else values
    return values.astype(np.int16 if -(2**15) <= lowest and highest < 2**15 else np.int32)


def count_matlab_samples(path: Path, name: str, n_leads: int) -> int:
    """Columns of a record's matrix; raises as `read_matlab_samples`."""
    return read_matlab_samples(path, name, n_leads, 0).shape[1]


def _matrix(path: Path, n_leads: int, n_samples: int) -> NDArray:
    arrays = {name: values for name, values in read_matlab(path).items() if values.ndim == 2}
    values = arrays.get("val", next(iter(arrays.values())) if len(arrays) == 1 else None)
    if values is None:
        names = ", ".join(list(arrays)[:5]) or "no matrix"
        raise SignalError(f"{path.name} is a MATLAB file with {names}; expected the matrix val")
    if values.dtype.kind not in "iuf" or values.shape[0] != n_leads or values.shape[1] < max(n_samples, 1):
        raise SignalError(
            f"{path.name} is a MATLAB file with {values.shape[0]} rows and {values.shape[1]} columns; the header says "
            f"{n_leads} leads of {n_samples:,} samples: correct the header, or the file"
        )
    return values
