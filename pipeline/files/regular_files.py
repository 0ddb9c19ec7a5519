"""Opening other people's files without being made to wait or to read for ever: regular ones only, of a size that fits.

A FIFO called X.hea blocks whoever opens it until somebody writes, a device may never end, and a sparse file states any
size and holds nothing. So a file is opened without waiting, looked at, and only then read.
"""

import os
import stat
from io import FileIO

from ecg12.ecg.errors import EcgError, SignalError

HEADER_BYTES = 1_000_000
"""More than any text of headers, remarks and tables of segments has."""

SPARSE_BYTES = 64 * 2**20
SPARSE_FACTOR = 100
"""A file above `SPARSE_BYTES` of which the disk holds less than one in `SPARSE_FACTOR` bytes is a hole, not a
recording; file systems that compress reach a tenth with samples."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# O_NONBLOCK and O_NOCTTY are not known to Windows, which has no FIFOs in folders either
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_FLAGS |= getattr(os, "O_NONBLOCK", 0)


class RegularFile(FileIO):
    """A file that is open for reading; `size` is what it had when it was opened, bytes."""

    size: int


def open_regular(path: str | os.PathLike[str], *, error: type[EcgError] = SignalError) -> RegularFile:
    """A regular file, opened for reading without a buffer; never waits, whatever is there.

    Parameters
    ----------
    error : what is raised about a file that is not regular

    Raises
    ------
    EcgError
        Of the kind `error`, if it is a folder, FIFO, socket or device, or a hole of a stated size.
    OSError
        As `open` does, if it is not there or may not be read.
    """
    descriptor, size = _open(path, error)
    file = RegularFile(descriptor, "rb")
    file.size = size
    return file


def _open(path: str | os.PathLike[str], error: type[EcgError]) -> tuple[int, int]:
    """Descriptor of a regular file, and its size."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        check_regular(path, os.stat(path), error=error)  # a socket cannot be opened at all
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > SPARSE_BYTES:
            check_regular(path, found, error=error)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, found.st_size


def check_regular(path: str | os.PathLike[str], found: os.stat_result, *, error: type[EcgError] = SignalError) -> None:
    """Refuse what is no regular file, by its `os.stat`; raises an `error` that names the file without its folder."""
    name = os.path.basename(os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "something else")
        raise error(f"{name}: {kind}; expected a regular file")
    held = getattr(found, "st_blocks", found.st_size // 512) * 512
    if found.st_size > SPARSE_BYTES and held * SPARSE_FACTOR < found.st_size:
        raise error(
            f"{name}: states {found.st_size:,} bytes, of which the disk holds {held:,}; expected a file that was "
            "written: fetch it again"
        )


def read_regular(path: str | os.PathLike[str], limit: int, *, error: type[EcgError] = SignalError) -> bytes:
    """All of a regular file of at most `limit` bytes; raises as `open_regular`, and an `error` about a larger one."""
    descriptor, size = _open(path, error)
    try:
        data = os.read(descriptor, min(size, limit) + 1)
        while 0 < len(data) <= limit and len(data) != size and (more := os.read(descriptor, limit + 1 - len(data))):
            data += more  # one call may give less, and a file may grow
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise error(f"{os.path.basename(os.fspath(path))}: {max(size, len(data)):,} bytes; expected at most {limit:,}")
    return data
