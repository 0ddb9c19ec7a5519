"""The bytes of a tarball as `tarfile` reads them, unpacked and with bounds on what it may read at once.

`tarfile` reads whatever a header announces into memory before anyone sees a member: a name of a gigabyte, a chain of
headers about headers. And a few kilobytes of gzip may become gigabytes. So every read is counted here, against what was
allowed for the next header or member, and against the packed size of the whole.
"""

import zlib
from pathlib import Path
from typing import BinaryIO, Final

from ecg12.ecg.errors import DownloadError

MOST_HEADER_BYTES: Final = 256 * 1024
"""Of one member's headers together; usual ones have 512 bytes, those with long names 2 KB."""

MOST_TIMES_PACKED: Final = 100
FREE_BYTES: Final = 64 * 1024**2
"""Unpacked bytes before the ratio counts; ECG becomes two to four times as small."""

READ_AHEAD_BYTES: Final = 20 * 512
"""What `tarfile` reads at once."""

_PACKED_BLOCK_BYTES: Final = 64 * 1024
_GZIP: Final = 31
_OTHERS: Final = {
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
}


class TarBytes:
    """Reads a `.tar` or `.tar.gz` from its beginning to its end; a file object as far as `tarfile` needs one.

    Raises
    ------
    DownloadError
        While reading: if more is read than was allowed, or comes of it than of any data; if it is packed otherwise.
    EOFError, zlib.error
        While reading: if the archive is cut or damaged.
    """

    def __init__(self, raw: BinaryIO, archive: Path, n_packed: int) -> None:
        self._raw = raw
        self._archive = archive
        self._most = MOST_TIMES_PACKED * n_packed + FREE_BYTES
        self._n_read = 0
        self._allowed = MOST_HEADER_BYTES + READ_AHEAD_BYTES
        self._packed = raw.read(_PACKED_BLOCK_BYTES)
        self._is_gzip = self._packed[:2] == b"\x1f\x8b"
        self._inflater = zlib.decompressobj(_GZIP)
        self._refuse_others()

    def allow(self, n_bytes: int) -> None:
        """So many bytes may be read from now on, and what `tarfile` reads ahead."""
        self._allowed = n_bytes + READ_AHEAD_BYTES

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes`, not empty before the end."""
        data = self._inflate(n_bytes) if self._is_gzip else self._plain(n_bytes)
        self._n_read += len(data)
        self._allowed -= len(data)
        if self._allowed < 0:
            raise DownloadError(
                f"{self._archive}: more than {MOST_HEADER_BYTES:,} bytes of headers for one member, or after the last; "
                "expected a tarball of plain files: it is refused"
            )
        if self._n_read > self._most:
            raise DownloadError(
                f"{self._archive}: unpacks to more than {MOST_TIMES_PACKED} times its size; expected a tarball of "
                "records: it is refused"
            )
        return data

    def _plain(self, n_bytes: int) -> bytes:
        if not self._packed:
            return self._raw.read(n_bytes)
        data, self._packed = self._packed[:n_bytes], self._packed[n_bytes:]
        return data

    def _inflate(self, n_bytes: int) -> bytes:
        data = b""
        while not data:
            if not self._packed:
                self._packed = self._raw.read(_PACKED_BLOCK_BYTES)
            if self._inflater.eof:
                self._packed = self._packed.lstrip(b"\0")  # what tapes are filled up with
                if self._packed:
                    self._inflater = zlib.decompressobj(_GZIP)  # gzip may have several members
                elif not (more := self._raw.read(_PACKED_BLOCK_BYTES)):
                    return b""
                else:
                    self._packed = more
                continue
            if not self._packed:
                raise EOFError("it is cut")
            data = self._inflater.decompress(self._packed, n_bytes)
            self._packed = self._inflater.unconsumed_tail or self._inflater.unused_data
        return data

    def _refuse_others(self) -> None:
        for magic, name in _OTHERS.items():
            if self._packed.startswith(magic):
                raise DownloadError(f"{self._archive}: packed with {name}; expected .tar or .tar.gz: pack it anew")
