"""Compressed archives as streams that end where a bomb would begin."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from ecg12.ecg.errors import InputError
from ecg12.pipeline.files.regular_files import open_regular

INFLATED_BYTES, INFLATED_RATIO = 256 * 2**20, 100
"""An archive may inflate to so many bytes, or to so many times its size. Records shrink to a half or a third, tables
to a tenth; only zeros shrink to a thousandth."""

XZ_MEMORY = 512 * 2**20
"""Bytes that xz may ask for; its strongest preset asks for 65 MiB."""

_CHUNK = 2**16


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def inflated(path: Path) -> Iterator[Any]:
    """What a file compressed by gzip, bzip2 or xz, or not at all, holds: a stream that can only be read.

    Raises
    ------
    InputError
        If it is no regular file; while reading, if it is damaged or inflates too far.
    """
    with open_regular(path, error=InputError) as file:
        begin = file.read(6)
        size = file.seek(0, 2)
        file.seek(0)
        if begin[:2] == b"\x1f\x8b":
            yield _Bounded(gzip.GzipFile(fileobj=file), size)
        elif begin[:3] == b"BZh":
            yield _Bounded(bz2.BZ2File(file), size)
        elif begin == b"\xfd7zXZ\0":
            yield _Bounded(_Xz(file), size)
        else:
            yield file


class _Bounded:
    """A stream that counts what it gives."""

    def __init__(self, stream: _Readable, size: int) -> None:
        self._stream, self._left = stream, max(INFLATED_BYTES, INFLATED_RATIO * size)

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(size)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise InputError(f"not a whole tarball ({error}); fetch it again") from error
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                f"inflates to more than {INFLATED_BYTES // 2**20} MiB and {INFLATED_RATIO} times its size; unpack it, "
                "if it is to be read"
            )
        return data


class _Xz:
    """The same as lzma.LZMAFile, but for a bound on the memory that a stream may ask for."""

    def __init__(self, file: FileIO) -> None:
        self._file, self._decompressor = file, lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decompressor.eof:  # another stream may follow
                rest = self._decompressor.unused_data.lstrip(b"\0") or self._file.read(_CHUNK).lstrip(b"\0")
                if not rest:
                    return b""
                self._decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
            else:
                rest = self._file.read(_CHUNK) if self._decompressor.needs_input else b""
                if not rest and self._decompressor.needs_input:
                    raise EOFError("it ends before its end was marked")
            data = self._decompressor.decompress(rest, size)
            if data:
                return data
