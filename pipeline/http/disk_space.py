"""The disk's room: looked at while a download writes, so that it ends with a word and not with a full disk.

What others write meanwhile is not known before, and neither is what a host sends.
"""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from ecg12.ecg.errors import DownloadError

SPARE_BYTES: Final = 64 * 1024**2
"""Left free for the manifest, and for whoever else writes there."""

_LOOK_EVERY_BYTES: Final = 16 * 1024**2

_FULL: Final = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
_OF_THE_DISK: Final = _FULL | {errno.EROFS, errno.EIO}

_REMEDY: Final = "what has come is kept: make room, and give the same command again"


class NoRoomError(DownloadError):
    """A disk that takes no more: nothing else can be written either."""


class Room:
    """Is told of every byte that is written, and looks at the disk now and then."""

    def __init__(self) -> None:
        self._since = 0

    def take(self, path: Path, n_bytes: int) -> None:
        """Note that so many bytes were written to `path`.

        Raises
        ------
        NoRoomError
            If the disk is nearly full.
        """
        self._since += n_bytes
        if self._since < _LOOK_EVERY_BYTES:
            return
        self._since = 0
        free = shutil.disk_usage(path.parent).free
        if free < SPARE_BYTES:
            raise NoRoomError(
                f"{path.parent}: {free / 1e6:,.0f} MB are free, expected {SPARE_BYTES / 1e6:,.0f} MB at least: stopped "
                f"before the disk is full; {_REMEDY}"
            )


def is_of_the_disk(error: OSError) -> bool:
    """Whether no other file can be written either: full, over the quota, failing."""
    return error.errno in _OF_THE_DISK


def stopped_by(error: OSError, folder: str | os.PathLike[str]) -> NoRoomError:
    """The error that ends a download whose disk takes no more."""
    remedy = _REMEDY if error.errno in _FULL else "what has come is kept; nothing more can be written there"
    return NoRoomError(f"{error.filename or folder}: {error.strerror or error}; {remedy}")
