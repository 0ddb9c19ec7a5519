"""Unpacking a dataset's tarball: every member is looked at, and nothing has its name before all were.

A tarball that holds anything but plain files and folders below itself is refused as a whole. Members are written as
`.part` files and renamed at the end, so that a refused or torn tarball leaves nothing, and a reader never meets half a
dataset under its final names.
"""

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ecg12.ecg.errors import DownloadError, EcgError
from ecg12.pipeline.download.listed_names import Namespace
from ecg12.pipeline.download.paths import check_relative
from ecg12.pipeline.download.unpacking import MOST_HEADER_BYTES, READ_AHEAD_BYTES, TarBytes
from ecg12.pipeline.http.disk_space import Room
from ecg12.pipeline.http.part_file import bad_path, part_path
from ecg12.pipeline.runtime.progress import Task

_BLOCK_BYTES = 1 << 20

_MOST_AFTER_BYTES = 16 * 1024**2
"""After the last member: nothing, but for what a tape's block is filled up with."""

_SHOWN = 200
"""Letters of a member's name in a message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The most that a tarball may hold: members, and bytes of all of them together."""

    n_members: int
    n_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpacked:
    """A member on disk; `before` tells what stood at its path: "" nothing, "same" its own bytes, "other" others."""

    path: Path
    sha256: str
    before: str


def unpack(archive: Path, folder: Path, bounds: Bounds, task: Task) -> list[Unpacked]:
    """Unpack `archive` into `folder`, without the folder that leads every path in it.

    A file that is there already with the same bytes stays; one with other bytes is kept as `.bad`.

    Parameters
    ----------
    task : is told bytes as they are written

    Raises
    ------
    DownloadError
        If a member is absolute, leads out of the folder, is a link, a device or a sparse file, cannot lie beside
        another one, or exceeds the bounds, naming it; if the archive is damaged or a bomb (see
        `pipeline.download.unpacking`); or if the disk is nearly full. Nothing of it is on disk then.
    """
    written: dict[Path, str] = {}
    room = Room()
    try:
        with _opened(archive) as (tar, plain):
            for path, member in _plain_members(tar, plain, archive, folder, bounds):
                written[path] = _write(tar, plain, member, path, task, room)
    except BaseException:
        for path in written:
            part_path(path).unlink(missing_ok=True)
        raise
    return [_settle(path, sha256) for path, sha256 in written.items()]


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[tarfile.TarFile, TarBytes]]:
    """As a stream, which never seeks and never holds a member; gzip's own checksum is read to the end."""
    try:
        with archive.open("rb") as raw:
            plain = TarBytes(raw, archive, archive.stat().st_size)
            with tarfile.open(fileobj=plain, mode="r|", bufsize=READ_AHEAD_BYTES) as tar:  # type: ignore[call-overload]
                yield tar, plain
            plain.allow(_MOST_AFTER_BYTES)
            while plain.read(_BLOCK_BYTES):
                pass
    except RecursionError as error:
        raise DownloadError(f"{archive}: headers about headers without an end; the tarball is refused") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, EcgError):
            raise
        raise DownloadError(f"{archive}: not a whole tarball ({error}); fetch it again") from error


def _members(tar: tarfile.TarFile, plain: TarBytes) -> Iterator[tarfile.TarInfo]:
    """Each member, none of which `tar` keeps: what their headers may hold is bounded for one, not for all."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # missing in the stubs only
        yield member
        plain.allow(MOST_HEADER_BYTES)


def _plain_members(
    tar: tarfile.TarFile, plain: TarBytes, archive: Path, folder: Path, bounds: Bounds
) -> Iterator[tuple[Path, tarfile.TarInfo]]:
    """Path and member of each plain file; folders are left out, everything else is refused."""
    n_bytes, names = 0, Namespace()
    for number, member in enumerate(_members(tar, plain), start=1):
        where = f"{archive} member {member.name[:_SHOWN]!r}"
        n_bytes += member.size
        if number > bounds.n_members or n_bytes > bounds.n_bytes:
            raise DownloadError(
                f"{where}: more than {bounds.n_members:,} members or {bounds.n_bytes:,} bytes; "
                "expected a dataset of the published size: the tarball is refused"
            )
        if member.size < 0:
            raise DownloadError(f"{where}: a size of {member.size:,} bytes; the tarball is refused")
        if member.isdir() and member.name.strip("./") == "":
            continue
        name = check_relative(member.name.removeprefix("./").rstrip("/"), where=where)
        if member.isdir():
            continue
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise DownloadError(f"{where}: a link, a device or another special member; the tarball is refused")
        try:
            tarfile.data_filter(member, str(folder))
        except tarfile.FilterError as error:
            raise DownloadError(f"{where}: refused ({error})") from error
        below = "/".join(_without_leading_folder(name))
        names.add(below, where=where)
        path = folder / below
        if os.path.lexists(path) and not path.is_file():
            raise DownloadError(f"{where}: {path} is there, and is no regular file; move it away")
        yield path, member


def _without_leading_folder(name: PurePosixPath) -> Sequence[str]:
    return name.parts[1:] or name.parts


def _write(tar: tarfile.TarFile, plain: TarBytes, member: tarfile.TarInfo, path: Path, task: Task, room: Room) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    source = tar.extractfile(member)
    assert source is not None
    plain.allow(member.size + tarfile.BLOCKSIZE)
    part = part_path(path)
    try:
        with part.open("wb") as file:
            while block := source.read(_BLOCK_BYTES):
                file.write(block)
                digest.update(block)
                room.take(part, len(block))
                task.advance(len(block))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def _settle(path: Path, sha256: str) -> Unpacked:
    """Give a written member its name."""
    before = ""
    if path.exists():
        with path.open("rb") as file:
            before = "same" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "other"
    if before == "same":
        part_path(path).unlink()
    else:
        if before == "other":
            path.rename(bad_path(path))
        part_path(path).replace(path)
    return Unpacked(path=path, sha256=sha256, before=before)
