"""MATLAB files of level 4 and 5 (version 4 to 7), read with NumPy and zlib alone.

Other readers of them are native code that believes the file; one changed byte takes the whole process down. Here every
size that a file states is held against the bytes that are there before anything is made of it. Numbers are taken;
whatever else a workspace holds (text, cells, structs, sparse and complex arrays) is passed over by name, unparsed,
so that nothing nests. Compressed variables are inflated as far as `INFLATED_BYTES` and `INFLATED_RATIO` allow, all
together.

Source: MathWorks, "MAT-File Format" (R2015b), chapters 1 and 2.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from struct import unpack_from

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.files.regular_files import open_regular

INFLATED_BYTES, INFLATED_RATIO = 64 * 2**20, 16
"""Compressed variables may grow to so many bytes and, beyond them, to so many times the file."""

MOST_VARIABLES = 10_000
"""A workspace with more is no recording."""

_LONGEST_NAME = 4096
_MOST_DIMENSIONS = 32  # of a NumPy array
_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_TEXT = (1, 2, 16)  # what a name may be stored as: int8, uint8, UTF-8
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMBERS_OF_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_NUMERIC_CLASSES = range(6, 16)
_OPAQUE = 17
_OTHER_CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", _OPAQUE: "object"}
_COMPLEX_FLAG = 0x0800


@dataclass(frozen=True, slots=True)
class MatlabFile:
    """What a file holds.

    Attributes
    ----------
    arrays : real numbers by their variables' names, in the type in which they are stored
    others : what else there is, by name: "char", "cell", "struct", "object", "sparse", "function" or "complex"
    """

    arrays: dict[str, NDArray] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable: an array, or what it is instead."""

    name: str
    array: NDArray | None
    kind: str = ""


def read_matlab(path: Path) -> dict[str, NDArray]:
    """The real numeric arrays of a MATLAB file by name, in the type in which they are stored, logical ones as uint8.

    Raises
    ------
    SignalError
        If it is damaged, of version 7.3, or larger inflated than is allowed.
    """
    return read_matlab_file(path).arrays


def read_matlab_file(path: Path) -> MatlabFile:
    """All that a MATLAB file holds.

    Raises
    ------
    SignalError
        As `read_matlab`.
    """
    with reading(path, "a MATLAB file"):
        with open_regular(path) as file:
            return _parse(file.readall(), path.name)


def _parse(data: bytes, name: str) -> MatlabFile:
    found = MatlabFile()
    for variable in islice(_variables(data, name), MOST_VARIABLES + 1):
        if not variable.name:  # MATLAB keeps the workspace of function handles so
            continue
        if variable.name in found.arrays or variable.name in found.others:
            raise SignalError(f"{name}: two variables called {variable.name!r}; expected each once")
        if len(found.arrays) + len(found.others) == MOST_VARIABLES:
            raise SignalError(f"{name}: more than {MOST_VARIABLES:,} variables; expected those of a recording")
        if variable.array is None:
            found.others[variable.name] = variable.kind
        else:
            found.arrays[variable.name] = variable.array
    return found


def _variables(data: bytes, name: str) -> Iterator[_Variable]:
    if len(data) < 20:
        raise SignalError(f"{name}: {len(data)} bytes; expected a MATLAB file")
    if b"\x89HDF\r\n\x1a\n" in (data[:8], data[512:520]) or data[124:128] in (b"\x00\x02IM", b"\x02\x00MI"):
        raise SignalError(f"{name}: MATLAB 7.3 (HDF5) is not read; save with -v7")
    if 0 in data[:4]:  # a number below 5000; in level 5 text stands here
        return _variables_of_4(memoryview(data), name)
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(data[124:_HEADER_BYTES])
    if order is None:
        raise SignalError(f"{name}: begins unlike a MATLAB file of version 4 to 7")
    return _variables_of_5(memoryview(data), order, name)


def _variables_of_4(data: memoryview, name: str) -> Iterator[_Variable]:
    """Level 4: a header of five numbers, the name, the numbers column by column; and the next."""
    at = 0
    while at < len(data):
        order = "<" if _needs(data, at, 20, name) and unpack_from("<i", data, at)[0] in range(5000) else ">"
        code, rows, columns, imaginary, length = unpack_from(f"{order}5i", data, at)
        machine, _, precision, kind = (code // 10**power % 10 for power in (3, 2, 1, 0))
        if not 0 <= code < 5000 or machine > 1 or precision > 5 or kind > 2 or imaginary not in (0, 1):
            raise SignalError(
                f"{name}: no variable of MATLAB 4 at byte {at:,}; the file is damaged, or of another kind"
            )
        if rows < 0 or columns < 0 or not 0 < length <= _LONGEST_NAME:
            raise SignalError(f"{name}: a variable of {rows} x {columns} at byte {at:,}; the file is damaged")
        _needs(data, at + 20, length, name)
        variable = _to_name(data[at + 20 : at + 20 + length])
        at += 20 + length
        stored = np.dtype(f"{order}{_NUMBERS_OF_4[precision]}")
        n_bytes = rows * columns * stored.itemsize * (1 + imaginary)
        _needs(data, at, n_bytes, f"{name} variable {variable}")
        if kind or imaginary:
            yield _Variable(variable, None, ("complex", "char", "sparse")[kind])
        else:
            yield _Variable(variable, _to_array(data[at : at + n_bytes], stored, (rows, columns)))
        at += n_bytes


def _variables_of_5(data: memoryview, order: str, name: str) -> Iterator[_Variable]:
    """Level 5: elements of a tag and as many bytes as it says, compressed ones among them."""
    at, allowed = _HEADER_BYTES, max(INFLATED_BYTES, INFLATED_RATIO * len(data))
    while at < len(data):
        _needs(data, at, 8, name)
        kind, length = unpack_from(f"{order}2I", data, at)
        _needs(data, at + 8, length, name)
        content = data[at + 8 : at + 8 + length]
        if kind == _COMPRESSED:
            content, allowed = _inflate(content, order, allowed, name)
        elif kind != _MATRIX:
            raise SignalError(f"{name}: element of type {kind} at byte {at:,}; expected a variable")
        at += 8 + length
        yield _parse_matrix(content, order, name)


def _inflate(data: memoryview, order: str, allowed: int, name: str) -> tuple[memoryview, int]:
    """A compressed variable, of one that holds no numbers only the beginning; and how much may still follow."""
    stream = zlib.decompressobj()
    begin = stream.decompress(data, 2 * _LONGEST_NAME)
    if len(begin) < 8:
        raise SignalError(f"{name}: a compressed variable of {len(begin)} bytes; the file is damaged")
    kind, length = unpack_from(f"{order}2I", begin)
    if kind != _MATRIX:
        raise SignalError(f"{name}: element of type {kind} in a compressed one; expected a variable")
    if _class_of(memoryview(begin)[8:], order, name)[0] not in _NUMERIC_CLASSES:
        return memoryview(begin)[8:], allowed - len(begin)
    if length > allowed:
        raise SignalError(
            f"{name}: its compressed variables take more than {INFLATED_BYTES // 2**20} MiB and {INFLATED_RATIO} times "
            "the file; save it without compression (-v6)"
        )
    whole = begin + stream.decompress(stream.unconsumed_tail, max(length + 8 - len(begin), 0) + 1)
    if len(whole) != length + 8 or not stream.eof:
        raise SignalError(f"{name}: a compressed variable of other than its {length:,} bytes; the file is damaged")
    return memoryview(whole)[8:], allowed - len(whole)


def _parse_matrix(data: memoryview, order: str, name: str) -> _Variable:
    number, flags, at = _class_of(data, order, name)
    shape: tuple[int, ...] = ()
    if number != _OPAQUE:
        _, content, at = _element(data, at, order, name)
        shape = tuple(np.frombuffer(content[: len(content) // 4 * 4], f"{order}i4").tolist())
    kind, content, at = _element(data, at, order, name)
    if kind not in _TEXT or len(content) > _LONGEST_NAME:
        raise SignalError(f"{name}: a variable's name of type {kind} and {len(content):,} bytes; the file is damaged")
    variable = _to_name(content)
    if number not in _NUMERIC_CLASSES:
        return _Variable(variable, None, _OTHER_CLASSES.get(number, f"class {number}"))
    if flags & _COMPLEX_FLAG:
        return _Variable(variable, None, "complex")
    kind, content, _ = _element(data, at, order, name)
    if kind not in _NUMBERS or not 0 < len(shape) <= _MOST_DIMENSIONS or min(shape) < 0:
        raise SignalError(f"{name} variable {variable}: stored as type {kind}, shape {shape}; the file is damaged")
    return _Variable(variable, _to_array(content, np.dtype(f"{order}{_NUMBERS[kind]}"), shape, f"{name} {variable}"))


def _class_of(data: memoryview, order: str, name: str) -> tuple[int, int, int]:
    """A variable's class, its flags, and where what follows begins."""
    _, content, at = _element(data, 0, order, name)
    if len(content) < 4:
        raise SignalError(f"{name}: a variable without a class; the file is damaged")
    flags = unpack_from(f"{order}I", content)[0]
    return flags & 0xFF, flags, at


def _element(data: memoryview, at: int, order: str, name: str) -> tuple[int, memoryview, int]:
    """Type and content of an element, and where the next one begins: content of up to four bytes shares the tag."""
    _needs(data, at, 8, name)
    kind, length = unpack_from(f"{order}2I", data, at)
    if kind >> 16:
        kind, length = kind & 0xFFFF, kind >> 16
        if length > 4:
            raise SignalError(f"{name}: a small element of {length} bytes; expected at most 4: the file is damaged")
        return kind, data[at + 4 : at + 4 + length], at + 8
    _needs(data, at + 8, length, name)
    return kind, data[at + 8 : at + 8 + length], at + 8 + length + -length % 8


def _needs(data: memoryview, at: int, length: int, name: str) -> bool:
    if at + length > len(data):
        raise SignalError(
            f"{name}: {length:,} bytes stated where {max(len(data) - at, 0):,} are left; the file is cut short or "
            "damaged"
        )
    return True


def _to_name(content: memoryview) -> str:
    text = bytes(content).split(b"\0")[0].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _to_array(content: memoryview, stored: np.dtype, shape: tuple[int, ...], name: str = "") -> NDArray:
    """Numbers column by column as an array of this machine's byte order."""
    # Python's integers: a product of stated lengths overflows NumPy's
    n_values = 1
    for length in shape:
        n_values *= length
    if n_values * stored.itemsize != len(content):
        raise SignalError(f"{name}: {len(content):,} bytes for shape {shape} of {stored}; the file is damaged")
    values = np.frombuffer(content, stored).reshape(shape, order="F")
    return values.astype(stored.newbyteorder("="), copy=False)
