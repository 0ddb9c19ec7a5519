"""Paths as a caller gives them: texts, `Path`s or URLs; one, or several."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ecg12.cache.storage.location import Location, locate
from ecg12.ecg.errors import InputError

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


def to_folder(path: PathLike) -> Path:
    """The folder of this machine that a path names: what is written, or loaded as a model, does not lie behind a URL.

    Raises
    ------
    InputError
        If it is a URL.
    """
    place = to_place(path)
    if not isinstance(place, Path):
        raise InputError(f"{place}: expected a folder of this machine")
    return place
