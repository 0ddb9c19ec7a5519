"""The most that a file may hold before it is stopped: lists name digests and no sizes, and a body may have no end.

Each bound is a generous multiple of what is published; `--max-file-size` takes the place of all of them.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

MIB: Final = 1024**2
GIB: Final = 1024**3

MOST_HEADER_BYTES: Final = MIB
"""Of a `.hea` file: the published ones have 700 bytes."""

MOST_FILE_BYTES: Final = 100_000_000
"""Of signals, tables and texts: the longest signal has 11.1 MB (30 minutes), PTB-XL's table 6 MB."""

MOST_OTHER_BYTES: Final = 1_000_000_000
"""Of other kinds: a published `model.pth` has 7 million weights and the optimiser's two moments of each, 84 MB."""

TIMES_PUBLISHED: Final = 2
"""The bound of a tarball, and of all files of a release together, in published sizes."""

_SPARE_BYTES: Final = 64 * MIB
_SPARE_RELEASE_BYTES: Final = GIB
_USUAL: Final = frozenset({".mat", ".dat", ".csv", ".txt", ".json", ""})


def most_bytes_of(name: str) -> int:
    """The bound of one file, by what its name ends with."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".hea":
        return MOST_HEADER_BYTES
    return MOST_FILE_BYTES if suffix in _USUAL else MOST_OTHER_BYTES


def most_bytes_of_tarball(size_bytes: int) -> int:
    """The bound of a tarball, packed, whose files have `size_bytes` as published."""
    return TIMES_PUBLISHED * size_bytes + _SPARE_BYTES


def most_bytes_of_release(sizes_bytes: Iterable[int]) -> int:
    """The bound of all files together, those with wrong bytes that are kept as `.bad` among them."""
    return TIMES_PUBLISHED * sum(sizes_bytes) + _SPARE_RELEASE_BYTES
