"""Recordings in a tarball: unpacked into a folder of their own, which goes when the work is done.

WFDB records are several files each, which stand in a tarball in any order, and readers want them by path; so the
tarball is unpacked, below that folder and nowhere else. What it inflates to, how many members it has and how long the
headers of each are is bounded before anything is read or written.
"""

import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Self

from ecg12.ecg.errors import InputError
from ecg12.pipeline.files.inflating import inflated
from ecg12.pipeline.recordings.find_recordings import TARBALLS, is_tarball

SPARE_BYTES = 256 * 2**20
"""What must stay free on the disk."""

MOST_MEMBERS = 1_000_000
LONGEST_HEADER = 2**20
"""Bytes of a member's long name or further attributes, which are read whole before the member is seen."""

_BLOCK_BYTES = 4096  # that the smallest file takes of a disk
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


@contextmanager
def unpacked(inputs: Sequence[Path], beside: Path) -> Iterator[list[Path]]:
    """The inputs with every tarball replaced by a folder of what is in it, for as long as the context lasts.

    Parameters
    ----------
    beside : folder in which to make the temporary ones

    Raises
    ------
    InputError
        If a tarball is damaged, does not fit the disk, or holds a link, a device, or a path that leads out of it.
    """
    with ExitStack() as stack:
        paths = []
        for path in inputs:
            if is_tarball(path):
                # ignore_cleanup_errors: a disk that fills up must not hide what went wrong before
                beside.mkdir(parents=True, exist_ok=True)
                made = TemporaryDirectory(prefix=".unpacked-", dir=beside, ignore_cleanup_errors=True)
                folder = Path(stack.enter_context(made)) / _name_of(path)
                folder.mkdir()
                _unpack(path, folder)
                path = folder
            paths.append(path)
        yield paths


def _name_of(archive: Path) -> str:
    suffix = max((one for one in TARBALLS if archive.name.lower().endswith(one)), key=len)
    return archive.name[: -len(suffix)] or "tarball"


class _HeldMember(tarfile.TarInfo):
    """A member whose header is held to a length when its first block is seen."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type in _HEADERS and member.size > LONGEST_HEADER):
            raise InputError(f"a member's header states {member.size:,} bytes; expected at most {LONGEST_HEADER:,}")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise InputError(f"member {member.name!r}: a sparse file; expected it in full")
        return member


def _unpack(archive: Path, folder: Path) -> None:
    room = shutil.disk_usage(folder).free - SPARE_BYTES
    try:
        with inflated(archive) as file, tarfile.open(fileobj=file, mode="r|", tarinfo=_HeldMember) as tar:
            for number, member in enumerate(tar, start=1):
                room -= member.size + _BLOCK_BYTES
                if number > MOST_MEMBERS:
                    raise InputError(f"more than {MOST_MEMBERS:,} members; unpack it, and name its folders")
                _check(archive, member, folder, room)
                tar.extract(member, folder, filter="data")
                tar.members.clear()  # type: ignore[attr-defined]  # a million of them take a gigabyte
            while file.read(2**16):  # what follows the last member proves that it was whole
                pass
    except InputError as error:
        told = str(error)
        raise InputError(told if told.startswith(f"{archive}") else f"{archive}: {told}") from None
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(f"{archive}: not a whole tarball ({error or type(error).__name__}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{archive}: cannot be unpacked ({error.strerror or error})") from error


def _check(archive: Path, member: tarfile.TarInfo, folder: Path, room: int) -> None:
    where = f"{archive} member {member.name!r}"
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise InputError(f"{where}: a link, a device or another special member; the tarball is refused")
    if room < 0:
        raise InputError(f"{where}: does not fit the disk of {folder.parent.parent}; unpack it where there is room")
    try:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{where}: leads out of the tarball's own folder; the tarball is refused")
        tarfile.data_filter(member, str(folder))
    except tarfile.FilterError as error:
        raise InputError(f"{where}: refused ({error})") from error
    if member.isreg() and os.path.lexists(folder / member.name):
        raise InputError(f"{where}: there twice, or another name differs only in capitals; the tarball is refused")
