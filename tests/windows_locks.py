"""Windows' `msvcrt.locking`, acted by byte ranges that Linux locks for an open file, for tests of what needs it.

As there: a range belongs to the file that was opened, not to the process; it is exclusive, begins at the file's
position, may lie behind its end, and is given back as it was taken; what is not to be had is a PermissionError.
"""

import errno
import fcntl
import os
import struct
from types import ModuleType

_held: dict[int, set[tuple[int, int]]] = {}


def make_msvcrt() -> ModuleType:
    """A module to stand in `sys.modules` where `fcntl` does not."""
    module = ModuleType("msvcrt")
    module.LK_UNLCK, module.LK_LOCK, module.LK_NBLCK = 0, 1, 2
    module.locking = _locking
    return module


def _locking(fd: int, mode: int, n_bytes: int) -> None:
    assert mode in (0, 2), "LK_LOCK gives up after ten seconds; nothing here may rely on it"
    first = os.lseek(fd, 0, os.SEEK_CUR)
    if mode == 0:
        if (first, n_bytes) not in _held.get(fd, ()):
            raise PermissionError(errno.EACCES, "Permission denied")  # not a range that was locked
        _held[fd].remove((first, n_bytes))
    kind = fcntl.F_UNLCK if mode == 0 else fcntl.F_WRLCK
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqixxxx", kind, os.SEEK_SET, first, n_bytes, 0))
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None
    if mode == 2:
        _held.setdefault(fd, set()).add((first, n_bytes))
