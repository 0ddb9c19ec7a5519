"""Names that others put into one list or archive, and whether all of them can lie below one folder at once.

Two names may be two files here and one file elsewhere (case, Unicode's forms of an accent), a file and a folder, or a
file and the name under which another one arrives or is put aside (`X.part`, `X.bad`). Whoever wrote first would lose.
So the second of two such names is refused on every machine alike, and a folder that was filled on one can be carried to
another. The names of this program's own files are never taken from a list.
"""

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.job import LOCK
from ecg12.pipeline.download.manifest import MANIFEST
from ecg12.pipeline.download.sources import PTBXL_TABLE, RELEASE_LIST

_ARRIVING: Final = (".part.json", ".part")
_BAD: Final = re.compile(r"(.+)\.bad\d*", re.DOTALL)
_OWN: Final = re.compile(
    "(?:"
    + "|".join(re.escape(name.lower()) for name in (RELEASE_LIST, MANIFEST, LOCK, PTBXL_TABLE.file))
    + r")(?:\.sha256)?(?:\.new)?(?:\.part|\.part\.json|\.bad\d*|\.\d+(?:-[0-9a-f]{8})?\.partial)?"
)
"""In the root of the output, with all that is put behind them while they arrive."""


def is_own(name: str, keeps: Collection[str] = ()) -> bool:
    """Whether a path below the output is one that this program writes by itself; in any case of letters.

    Parameters
    ----------
    keeps : names that the release in question has itself
    """
    return "/" not in name and name not in keeps and _OWN.fullmatch(fold(name)) is not None


def fold(name: str) -> str:
    """The same text for all names that a file system without case, or with one form of accents, holds to be one."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


class Namespace:
    """Names below one folder, each of which was added and stands in no other one's way."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._folders: set[str] = set()
        self._with_bad: dict[str, str] = {}

    def add(self, name: str, *, where: str) -> None:
        """Add a relative posix path that is plain already (see `pipeline.download.paths`).

        Raises
        ------
        DownloadError
            If it cannot stand beside a name that was added before, naming both.
        """
        key = fold(name)
        if key in self._names:
            other = self._names[key]
            if other == name:
                raise DownloadError(f"{where}: {name} comes twice; expected each file once")
            raise DownloadError(
                f"{where}: the path {name!r} is refused; it differs from {other!r} in case or accents only, which are "
                "one file on many disks"
            )
        if key.rpartition("/")[0] not in self._folders or key in self._folders:
            self._add_folders(key, name, where)
        beside = self._in_transit(key)
        if beside is not None:
            raise DownloadError(
                f"{where}: the path {name!r} is refused; beside {beside!r} one of them is what the other is called "
                "while it arrives or is put aside"
            )
        self._names[key] = name
        if ".bad" in key and (match := _BAD.fullmatch(key)):
            self._with_bad[match[1]] = name

    def _add_folders(self, key: str, name: str, where: str) -> None:
        """Make every folder above a name known, unless one of them is a file, or the name is a folder."""
        folders = _folders_of(key)
        above = next((self._names[folder] for folder in folders if folder in self._names), None)
        if above is not None or key in self._folders:
            raise DownloadError(
                f"{where}: the path {name!r} is refused; {(above or name)!r} cannot be a file and a folder"
            )
        self._folders.update(folders)

    def _in_transit(self, key: str) -> str | None:
        """The name that would be overwritten by this one's `.part` or `.bad`, or whose own this one is."""
        near = [key + suffix for suffix in _ARRIVING]
        near += [key.removesuffix(suffix) for suffix in _ARRIVING if key.endswith(suffix)]
        if ".bad" in key and (match := _BAD.fullmatch(key)):
            near.append(match[1])
        for other in near:
            if other in self._names:
                return self._names[other]
        return self._with_bad.get(key)


def _folders_of(key: str) -> list[str]:
    """Every folder above, the nearest first."""
    folders = []
    while "/" in key:
        key = key.rpartition("/")[0]
        folders.append(key)
    return folders
