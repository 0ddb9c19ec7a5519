"""Names that others wrote (a list, an archive, a manifest) become paths only here, and only below one folder."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ecg12.ecg.errors import DownloadError

_LONGEST_NAME = 240
"""Of a part of a path: file systems allow 255 bytes, and `.part.json` is put behind it."""

_LONGEST_PATH = 1024
"""Below the folder: most systems allow 4096 bytes with the folder."""

_USUAL = re.compile(r"(?:\w[\w.-]{0,99}/){0,8}\w[\w.-]{0,99}", re.ASCII)
"""Names that need no closer look: nearly all that there are."""

_WINDOWS_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³]|conin\$|conout\$) *(?:\..*)?", re.IGNORECASE)


_SHOWN = 200
"""Letters of a name in a message."""


def show(name: str) -> str:
    """A name in a message, however long somebody made it."""
    return repr(name) if len(name) <= _SHOWN else f"{name[: _SHOWN // 2]!r}…{name[-_SHOWN // 4 :]!r}"


def check_relative(name: str, *, where: str) -> PurePosixPath:
    """`name` as a posix path that cannot leave the folder it is put below; see `check_name`."""
    check_name(name, where=where)
    return PurePosixPath(name)


def check_name(name: str, *, where: str, windows: bool = os.name == "nt") -> None:
    """Refuse a posix path that could leave the folder it is put below.

    Parameters
    ----------
    windows : refuse what Windows has no files for, too: devices (`aux.mat`), `<>"|?*`, a dot or blank at the end

    Raises
    ------
    DownloadError
        If it is absolute, empty, has `..`, or letters that no file of the data has; `where` says who named it.
    """
    if _USUAL.fullmatch(name) and not windows:
        return
    parts, shown = name.split("/"), show(name)
    if name.startswith("/") or not name or any(part in ("", ".", "..") for part in parts):
        raise DownloadError(f"{where}: the path {shown} is refused; expected one below the folder, without '..'")
    if not name.isprintable() or "\\" in name or ":" in name:
        raise DownloadError(f"{where}: the path {shown} is refused; expected plain names of files and folders")
    if any(len(part.encode()) > _LONGEST_NAME for part in parts) or len(name.encode()) > _LONGEST_PATH:
        raise DownloadError(
            f"{where}: the path {shown} is refused; expected plain names of files and folders, of at most "
            f"{_LONGEST_NAME} bytes each and {_LONGEST_PATH} together"
        )
    if windows and any(
        _WINDOWS_DEVICE.fullmatch(part) or set(part) & set('<>"|?*') or part[-1] in ". " for part in parts
    ):
        raise DownloadError(f"{where}: the path {shown} is refused; expected one that Windows has files for")


def check_inside(output: Path, paths: Iterable[Path]) -> None:
    """Refuse paths whose folder is a link that leads out of `output`.

    Raises
    ------
    DownloadError
        Naming the folder.
    """
    root = os.path.realpath(output)
    for folder in sorted({path.parent for path in paths}):
        real = os.path.realpath(folder)
        if real != root and not real.startswith(f"{root}{os.sep}"):
            raise DownloadError(
                f"{folder}: is a link to {real}; nothing is written outside {output}: name that folder as --output"
            )
