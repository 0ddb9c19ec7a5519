"""Names that others wrote (a list, an archive, a manifest) become paths only here, and only below one folder."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ecg.errors import DownloadError

_LONGEST_NAME = 240
"""Of a part of a path: file systems allow 255 bytes, and `.part.json` is put behind it."""


def check_relative(name: str, *, where: str) -> PurePosixPath:
    """`name` as a posix path that cannot leave the folder it is put below.

    Raises
    ------
    DownloadError
        If it is absolute, empty, has `..`, or letters that no file of the data has; `where` says who named it.
    """
    parts = name.split("/")
    if name.startswith("/") or not name or any(part in ("", ".", "..") for part in parts):
        raise DownloadError(f"{where}: the path {name!r} is refused; expected one below the folder, without '..'")
    if not name.isprintable() or "\\" in name or ":" in name or any(len(p.encode()) > _LONGEST_NAME for p in parts):
        raise DownloadError(f"{where}: the path {name!r} is refused; expected plain names of files and folders")
    return PurePosixPath(name)


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
