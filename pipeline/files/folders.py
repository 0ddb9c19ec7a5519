"""Going through folders of recordings: in order, through links, no folder twice."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ecg12.ecg.errors import InputError
from ecg12.pipeline.runtime.scratch import is_scratch


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on the way.

    Attributes
    ----------
    path : as it was reached
    real : without links
    prefix : posix path below the first folder with a slash behind it; "" for the first
    files : names, sorted
    """

    path: str
    real: str
    prefix: str
    files: list[str]


def walk_folders(root: Path, *, skip: Callable[[str], bool] | None = None) -> Iterator[Folder]:
    """A folder and all below it; links are followed, but a folder that is reached again is left out.

    So are folders of this program's for what is unfinished, if an output lies among inputs: what is unpacked or fetched
    there is of an input that was named itself.

    Parameters
    ----------
    root : without links
    skip : says of a folder's path whether to leave it and all below it out

    Raises
    ------
    InputError
        If a folder cannot be listed.
    """
    seen: set[str] = set()
    for path, folders, files in os.walk(root, onerror=_refuse_unreadable, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_scratch(name) and not _is_left_out(path, name, skip))
        below = os.path.relpath(path, root).replace(os.sep, "/")
        yield Folder(path, real, "" if below == "." else f"{below}/", sorted(files))


def files_below(root: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Files in or below a folder whose name is wanted, as `walk_folders` comes to them."""
    for folder in walk_folders(root.resolve()):
        for name in folder.files:
            if wanted(name):
                yield Path(folder.path, name)


def _is_left_out(path: str, name: str, skip: Callable[[str], bool] | None) -> bool:
    return skip is not None and skip(os.path.join(path, name))


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise InputError(
        f"{error.filename}: cannot be listed ({error.strerror}); expected a readable folder: "
        "allow reading it, or leave it out of the inputs"
    ) from error
