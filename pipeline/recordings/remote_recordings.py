"""Recordings behind URLs: fetched into a folder of their own, which goes when the work is done.

What a URL names is fetched whole, whatever kinds of file there are; readers want paths. Stores are not fetched so.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ecg12.cache.storage.location import Location, RemotePath, in_parallel
from ecg12.ecg.errors import InputError
from ecg12.pipeline.formats.wfdb.remote_records import fetch_record
from ecg12.pipeline.recordings.tarballs import SPARE_BYTES


@contextmanager
def brought(inputs: Sequence[Location], beside: Path) -> Iterator[list[Path]]:
    """The inputs with all that is remote replaced by paths of this machine, for as long as the context lasts.

    Parameters
    ----------
    beside : folder in which to make the temporary ones

    Raises
    ------
    InputError
        If there is nothing at a URL, or it does not fit the disk.
    RemoteError
        If the server cannot be had.
    """
    with ExitStack() as stack:
        paths = []
        for given in inputs:
            if isinstance(given, RemotePath):
                beside.mkdir(parents=True, exist_ok=True)
                made = TemporaryDirectory(prefix=".fetched-", dir=beside, ignore_cleanup_errors=True)
                paths.append(_bring(given, Path(stack.enter_context(made))))
            else:
                paths.append(given)
        yield paths


def _bring(given: RemotePath, folder: Path) -> Path:
    """What is fetched: a folder, one record, or one file."""
    sizes = given.files()
    if sizes:
        return _bring_all(given, sizes, folder / (given.name or "bucket"))
    is_header = given.suffix.lower() == ".hea"
    header = given if is_header else given.with_name(f"{given.name}.hea")
    files = fetch_record(header)
    if not files and not is_header:
        header = given.with_name(f"{given.name}.HEA")
        files = fetch_record(header)
    if not files:
        if not given.is_file():
            raise InputError(f"{given}: does not exist; expected a store, recordings, a tarball, or a recording")
        header, files = given, {given.name: given.read_bytes()}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / header.name


def _bring_all(given: RemotePath, sizes: dict[str, int], folder: Path) -> Path:
    if sum(sizes.values()) > shutil.disk_usage(folder.parent).free - SPARE_BYTES:
        raise InputError(
            f"{given}: {sum(sizes.values()):,} bytes do not fit the disk of {folder.parent.parent}; name fewer "
            "recordings, or build a store of them"
        )

    def fetch(name: str) -> None:
        if ".." in PurePosixPath(name).parts:
            raise InputError(f"{given}/{name}: leads out of its own folder; name recordings without it")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((given / name).read_bytes())

    in_parallel(fetch, [name for name in sizes if not name.endswith("/")])
    return folder
