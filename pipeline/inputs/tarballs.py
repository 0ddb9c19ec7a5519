"""Recordings in a tarball: unpacked into a folder of their own, which goes when the work is done.

WFDB records are several files each, which stand in a tarball in any order, and readers want them by path; so the
tarball is unpacked, below that folder and nowhere else.
"""

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ecg.errors import InputError
from pipeline.inputs.finding import TARBALLS, is_tarball

SPARE_BYTES = 256 * 2**20
"""What must stay free on the disk."""


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


def _unpack(archive: Path, folder: Path) -> None:
    room = shutil.disk_usage(folder).free - SPARE_BYTES
    try:
        with tarfile.open(archive, mode="r|*") as tar:
            for member in tar:
                room -= member.size
                _check(archive, member, folder, room)
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{archive}: not a whole tarball ({error}); fetch it again") from error


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
