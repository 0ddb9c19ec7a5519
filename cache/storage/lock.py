"""Locks on files, which the system takes from a process when it dies; alike on every system.

Linux and macOS lock a whole file (`flock`), for one holder or for many. Windows locks ranges of bytes, each for one
holder: there `_SLOTS` bytes stand for the file, of which a shared lock is any one and an exclusive lock all. They lie
far behind the end of every file, for nobody else can read what is locked there. (filelock, which torch brings along,
has no shared lock of the system's: its lock for readers is a database file.)
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any

_SLOTS = 64
_FIRST_SLOT = 2**30
_POLL_S = 0.05
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def hold(path: Path) -> Iterator[bool]:
    """Hold the lock file at `path`, which is made if need be, alone; give whether it is held, without waiting.

    It is not where somebody else holds it, nor where the file is gone from its path by the time it is locked: then its
    holder ended just now and took it along.

    Raises
    ------
    OSError
        If the file cannot be made, or its file system has no locks.
    """
    with path.open("ab") as file, locked(file) as taken:
        yield taken and is_still_at(path, file)


@contextmanager
def locked(file: IO[Any], *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Lock an open file; give whether it is locked, which it always is if it is waited for.

    Parameters
    ----------
    shared : beside others that share it, against whoever wants it alone
    wait : until it is free, however long that takes

    Raises
    ------
    OSError
        If its file system, or this system, has no locks.
    """
    unlock = _lock(file.fileno(), shared, wait)
    try:
        yield unlock is not None
    finally:
        if unlock is not None:
            unlock()


def is_still_at(path: Path, file: IO[Any]) -> bool:
    """Whether an open file is the one at its path, and not one that was removed or replaced meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(fd: int, shared: bool, wait: bool) -> Callable[[], object] | None:
    """Lock as this system does it, and give what unlocks; None where somebody else has it."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return _lock_bytes(fd, shared, wait)
    return _lock_whole(fd, shared, wait)


def _lock_whole(fd: int, shared: bool, wait: bool) -> Callable[[], object] | None:
    import fcntl

    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, how if wait else how | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return partial(fcntl.flock, fd, fcntl.LOCK_UN)


def _lock_bytes(fd: int, shared: bool, wait: bool) -> Callable[[], object] | None:
    ranges = [(_FIRST_SLOT + slot, 1) for slot in range(_SLOTS)] if shared else [(_FIRST_SLOT, _SLOTS)]
    while True:
        for first, n_bytes in ranges:
            if _ask_for_bytes(fd, "LK_NBLCK", first, n_bytes):
                return partial(_ask_for_bytes, fd, "LK_UNLCK", first, n_bytes)
        if not wait:
            return None
        time.sleep(_POLL_S)


def _ask_for_bytes(fd: int, mode: str, first: int, n_bytes: int) -> bool:
    """Lock or unlock bytes of a file, which keeps its position; whether that was to be had."""
    try:
        msvcrt: Any = import_module("msvcrt")
    except ImportError:
        raise OSError(errno.ENOLCK, "this system has no locks on files") from None
    position = os.lseek(fd, 0, os.SEEK_CUR)
    os.lseek(fd, first, os.SEEK_SET)
    try:
        msvcrt.locking(fd, getattr(msvcrt, mode), n_bytes)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    finally:
        os.lseek(fd, position, os.SEEK_SET)
    return True
