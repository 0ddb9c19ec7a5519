"""Names of files that are half-written, from which the next run tells what a process that is gone left of them.

A name has the process's number and a sign of its machine, for another machine may write into the same folder and its
processes cannot be asked after here.
"""

import os
import platform
import re
import zlib
from functools import lru_cache
from pathlib import Path

_NAME = re.compile(r"(?P<target>.+)\.(?P<process>\d+)-(?P<machine>[0-9a-f]{8})\.partial", re.DOTALL)


def partial_of(path: Path) -> Path:
    """Where this process writes what it then renames to `path`."""
    return path.with_name(f"{path.name}.{os.getpid()}-{_machine():08x}.partial")


def clear_dead(path: Path) -> None:
    """Remove what processes of this machine that are gone left half-written of a file.

    What cannot be told to be a dead one's stays: all of other machines', and everything where the system has no way to
    ask after a process. A folder is looked through once for each of its files, not at each writing.
    """
    _clear_dead(path.absolute())


@lru_cache(maxsize=4096)
def _clear_dead(path: Path) -> None:
    try:
        names = os.listdir(path.parent)
    except OSError:  # whoever writes there says what is wrong
        return
    for name in names:
        found = _NAME.fullmatch(name) if name.endswith(".partial") else None
        if found and found["target"] == path.name and int(found["machine"], 16) == _machine():
            if is_gone(int(found["process"])):
                path.with_name(name).unlink(missing_ok=True)


def is_gone(process: int) -> bool:
    """Whether no process of this machine has a number; where that cannot be asked, none is gone."""
    if os.name != "posix":  # asking would end it
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


@lru_cache(maxsize=1)
def _machine() -> int:
    """A sign of the machine, and on Linux of the container, within which numbers of processes mean something."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        space = ""
    return zlib.crc32(f"{platform.node()} {space}".encode())
