"""Small files that somebody else may have written: metadata, configurations, lists of names.

They are read whole, so a size is held against what such a file can need before it is; and nothing but a regular file is
opened, for whoever opens a FIFO waits for ever, and a device has no end.
"""

import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.json_text import parse_json

MOST_BYTES = 64 * 2**20
"""Of a small file. The largest that this program writes names every rejected record, at 200 bytes each."""


def read_small(path: Location, most: int = MOST_BYTES) -> bytes:
    """A file's bytes.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    OSError
        If it cannot be read, is no regular file, or has more than `most` bytes.
    RemoteError
        If it is remote and the server cannot be had.
    """
    data = path.read_first(most + 1) if isinstance(path, RemotePath) else _read_regular(path, most)
    return data if len(data) <= most else _refuse(most)


def read_small_text(path: Location, most: int = MOST_BYTES) -> str:
    """The same as text in UTF-8, with or without a byte order mark, every line's end as a newline.

    Raises ValueError too, where it is no such text.
    """
    return read_small(path, most).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Location, most: int = MOST_BYTES, *, nan: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """The same as JSON, see `ecg.json_text`.

    Raises ValueError too, where it is none, or none that this program can hold.
    """
    return parse_json(read_small(path, most), nan=nan)


def _read_regular(path: Path, most: int) -> bytes:
    """All of it; what is no regular file is refused before it can block, or notice the opening."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{describe_kind(path)}; expected a regular file")
    if status.st_size > most:
        _refuse(most)
    with path.open("rb") as file:
        return file.read(status.st_size + 1)  # no more than is there: so much memory is taken first


def _refuse(most: int) -> NoReturn:
    raise OSError(f"more than {most:,} bytes, which no such file has")


def describe_kind(path: Path) -> str:
    """What is at a path, in words, where it is no regular file."""
    mode = os.stat(path).st_mode
    kinds = {"a directory": stat.S_ISDIR, "a FIFO": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
    return next((name for name, is_one in kinds.items() if is_one(mode)), "a device")
