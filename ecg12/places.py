"""Paths as a caller gives them: texts, `Path`s or URLs; one, or several."""

import os
from collections.abc import Sequence
from typing import TypeAlias

from ecg12.cache.storage.location import Location, locate

PathLike: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = PathLike | Sequence[PathLike]


def to_place(path: PathLike) -> Location:
    """The place of this machine, or behind a URL, that a path names.

    Raises
    ------
    RemoteError
        If it is a URL that no driver here understands.
    """
    return locate(os.fspath(path))


def to_places(paths: Paths) -> list[Location]:
    """The places that one path, or each of several, names."""
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return [to_place(path) for path in named]
