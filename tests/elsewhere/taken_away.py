"""What Windows lacks or forbids, taken from this process as it begins.

Not from the libraries that would go another way there, or that are Linux's own half of Python: see `_FOR_LINUX`.
"""

import builtins
import ctypes
import errno
import io
import multiprocessing
import os
import platform
import shutil
import subprocess  # noqa: F401 - before there is a msvcrt, by which it tells Windows
import sys
from collections.abc import Callable
from typing import Any

import psutil  # noqa: F401 - its half for Linux wants `resource`

from tests.windows_locks import make_msvcrt

MODULES = ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty", "pty")
CALLS = ("fork", "forkpty", "getuid", "geteuid", "mkfifo", "posix_fadvise", "sched_getaffinity", "setsid")
CONSTANTS = ("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "POSIX_FADV_WILLNEED")
OURS = ("ecg", "cache", "pipeline", "commands", "cli")
ILLEGAL = frozenset('<>:"|?*')

_FOR_LINUX = ("psutil", "subprocess", "multiprocessing", "asyncio", "resource_tracker")
"""Modules that read /proc or need a signal on Linux alone; elsewhere they have other code."""

_real_open, _real_listdir, _real_readlink = builtins.open, os.listdir, os.readlink


def take_away() -> None:
    """Everything; new processes that Python begins have it taken away by their own start."""
    for name in MODULES:
        sys.modules[name] = None
    sys.modules["msvcrt"] = make_msvcrt()
    for name in (*CALLS, *CONSTANTS):
        delattr(os, name)
    if hasattr(os, "process_cpu_count"):  # since Python 3.13, where it asks sched_getaffinity as it is on Linux
        os.process_cpu_count = os.cpu_count
    platform.libc_ver = lambda *arguments, **named: ("", "")
    multiprocessing.set_start_method("spawn", force=True)
    _forbid_the_c_library()
    _hide_proc()
    _guard_names()
    _guard_open_files()


def _forbid_the_c_library() -> None:
    load = ctypes.CDLL.__init__

    def init(self: ctypes.CDLL, name: str | None, *arguments: Any, **named: Any) -> None:
        if name is None and _caller().startswith(OURS):
            raise TypeError("bad argument type for built-in operation")  # as there
        load(self, name, *arguments, **named)

    ctypes.CDLL.__init__ = init


def _hide_proc() -> None:
    def hidden(path: object) -> bool:
        return _text(path).startswith(("/proc", "/sys/")) and not _is_linux_code()

    for module, name in (
        (builtins, "open"),
        (io, "open"),
        (os, "open"),
        (os, "readlink"),
        (os, "listdir"),
        (os, "stat"),
    ):
        setattr(module, name, _refusing(getattr(module, name), hidden, FileNotFoundError, errno.ENOENT))


def _guard_names() -> None:
    def illegal(path: object) -> bool:
        name = os.path.basename(_text(path).rstrip("/"))
        return bool(ILLEGAL & set(name)) or (name.endswith((".", " ")) and name.strip(".") != "")

    for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "mkdir")):
        setattr(module, name, _refusing(getattr(module, name), illegal, OSError, errno.EINVAL))


def _guard_open_files() -> None:
    """No open file, and no folder with one, is removed, renamed or replaced; and no rename replaces."""
    shutil._use_fd_functions = False  # rmtree then names what it removes
    for name in ("remove", "unlink", "rmdir"):
        setattr(os, name, _refusing(getattr(os, name), _is_open, PermissionError, errno.EACCES))
    rename, replace = os.rename, os.replace

    def checked(move: Callable[..., None], old: object, new: object, **named: Any) -> None:
        if move is rename and os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", _text(new))
        for path in (old, new):
            if _is_open(path):
                raise PermissionError(errno.EACCES, "The process cannot access the file: it is in use", _text(path))
        move(old, new, **named)

    os.rename = lambda old, new, **named: checked(rename, old, new, **named)
    os.replace = lambda old, new, **named: checked(replace, old, new, **named)


def _is_open(path: object) -> bool:
    """Whether this process has that file, or one below it, open or mapped."""
    real = os.path.realpath(_text(path))
    found = set()
    for number in _real_listdir("/proc/self/fd"):
        try:
            found.add(_real_readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    with _real_open("/proc/self/maps", encoding="utf-8") as lines:
        found.update(line.split(maxsplit=5)[5].rstrip("\n") for line in lines if len(line.split(maxsplit=5)) == 6)
    return any(one == real or one.startswith(f"{real}/") for one in found)


def _refusing(call: Callable[..., Any], when: Callable[[object], bool], error: type[OSError], number: int) -> Any:
    def guarded(path: object = ".", *arguments: Any, **named: Any) -> Any:
        if not isinstance(path, int) and when(path):
            raise error(number, os.strerror(number), _text(path))
        return call(path, *arguments, **named)

    return guarded


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


def _caller() -> str:
    """The module that called what called this, past this module."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__"))


def _is_linux_code() -> bool:
    frame = sys._getframe(1)
    for _ in range(12):
        if frame is None:
            return False
        if str(frame.f_globals.get("__name__")).startswith(_FOR_LINUX):
            return True
        frame = frame.f_back
    return False
