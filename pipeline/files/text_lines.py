"""Lines of text from other people's files: whatever the encoding, the line ends and, within bounds, the compression.

A line is read at a time, so that a file costs no more memory than what is made of it, and a file without line ends is
refused after the first of `LONGEST_LINE` characters. Bytes that are no UTF-8 are kept until `mend` is asked for a
line of them: only names and units are ever other than ASCII, and they are Windows-1252 then.
"""

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.files.regular_files import open_regular

LONGEST_LINE = 2**20
"""Characters; a sample of a hundred leads takes a thousandth of it."""

INFLATED_BYTES, INFLATED_RATIO = 64 * 2**20, 64
"""A compressed table may grow to so many bytes, or to so many times the file."""

_SNIFFED_BYTES = 4096
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, with their ends, plain or compressed by gzip.

    Raises
    ------
    SignalError
        If it is no regular file, a line is too long, or it inflates beyond `INFLATED_BYTES` and `INFLATED_RATIO`.
    """
    with open_regular(path) as file:
        packed = file.read(2) == b"\x1f\x8b"
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        bounded = io.BufferedReader(_Bounded(file, size, path.name) if packed else file)
        encoding = encoding_of(bounded.peek(_SNIFFED_BYTES)[:_SNIFFED_BYTES])
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        text = io.TextIOWrapper(bounded, encoding, errors, newline=None)
        yield from _cut(text, path.name)


def _cut(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise SignalError(
                f"{name} line {number}: more than {LONGEST_LINE:,} characters; expected a line for each sample"
            )
        yield line


class _Bounded(io.RawIOBase):
    """What a compressed file inflates to, as far as is allowed."""

    def __init__(self, file: io.FileIO, size: int, name: str) -> None:
        self._raw, self._name = gzip.GzipFile(fileobj=file), name
        self._left = max(INFLATED_BYTES, INFLATED_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._raw.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise SignalError(
                f"{self._name}: inflates to more than {INFLATED_BYTES // 2**20} MiB and {INFLATED_RATIO} times its "
                "size; unpack it, if it is to be read"
            )
        buffer[: len(data)] = data
        return len(data)


def encoding_of(begin: bytes) -> str:
    """The name of the encoding that a text's first bytes show; UTF-8 if they show none."""
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return encoding
    even, odd = begin[0:-1:2], begin[1::2]
    # of western text in UTF-16 every other byte is 0
    if len(odd) > 1 and odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if len(odd) > 1 and even.count(0) > 0.7 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return "utf-8"


def decode_text(data: bytes) -> str:
    """Text as spreadsheets save it: UTF-8, UTF-16 ("Unicode text"), or Windows-1252.

    Raises UnicodeDecodeError, where it is begun in an encoding that it does not keep to.
    """
    encoding = encoding_of(data[:_SNIFFED_BYTES])
    text = data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")
    return text if text.isascii() else "".join(map(mend, text.splitlines(keepends=True)))


def mend(line: str) -> str:
    """A line whose bytes were no UTF-8, as Windows-1252 has them; any other as it is."""
    if line.isascii() or not any("\udc80" <= sign <= "\udcff" for sign in line):
        return line
    raw = line.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
