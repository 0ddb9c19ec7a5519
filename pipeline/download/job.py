"""One download under way: the folder, its manifest, and what is counted of each dataset."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ecg12.cache.storage.lock import hold
from ecg12.ecg.errors import DownloadError, InputError
from ecg12.pipeline.download.manifest import Manifest, write_manifest
from ecg12.pipeline.http.disk_space import SPARE_BYTES
from ecg12.pipeline.http.part_file import bad_path
from ecg12.pipeline.runtime.progress import Progress, silent

BLOCK_BYTES = 4096
"""What a file takes on most disks is a multiple of this; the published sizes are counted so, too."""

SAVE_EVERY_S = 60.0
LOCK = ".download.lock"


@dataclass(kw_only=True, slots=True)
class DatasetReport:
    """What was brought of one dataset, and how it was proven.

    Attributes
    ----------
    way : "release", "tarballs" or "folder"
    folder : posix path below the output
    n_files : that the list, the tarball or the manifest names
    n_bytes, disk_bytes : on disk, and in blocks of 4 KiB as the published size is counted
    n_records : header files on disk
    n_fetched : files that came in this run
    n_verified : files whose bytes were read and proven in this run, on arrival or on disk
    n_trusted : files that an earlier run proved and nobody has touched since; not read
    n_repaired : files that stood there with wrong bytes and were replaced; the wrong ones are kept as `.bad`
    missing : files that could not be had, with the reason
    problems : whatever else keeps the dataset from being as published
    headers_right, headers_wrong : records whose samples have their header's checksums, and texts on those that do not
    unstated : leads without a stated checksum
    """

    name: str
    title: str
    way: str
    folder: str
    expected_records: int
    expected_disk_bytes: int
    n_files: int = 0
    n_bytes: int = 0
    disk_bytes: int = 0
    n_records: int = 0
    n_fetched: int = 0
    n_verified: int = 0
    n_trusted: int = 0
    n_repaired: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    headers_right: int = 0
    headers_wrong: list[str] = field(default_factory=list)
    unstated: int = 0

    def measure(self, output: Path) -> None:
        """Count what is on disk now."""
        self.n_bytes = self.disk_bytes = self.n_records = 0
        for folder, _, names in os.walk(output / self.folder):
            for name in names:
                if not name.endswith((".part", ".part.json")) and ".bad" not in name:
                    try:
                        size = os.stat(os.path.join(folder, name)).st_size
                    except OSError:  # a link to nothing is no file
                        continue
                    self.n_bytes += size
                    self.disk_bytes += in_blocks(size)
                    self.n_records += name.endswith(".hea")


@dataclass(kw_only=True, slots=True)
class Job:
    """What every step of a download works on; `notes` are told to the user, `problems` are why a run is no success."""

    output: Path
    manifest: Manifest
    verify: bool
    workers: int
    progress: Progress = silent
    reports: dict[str, DatasetReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    saved_at: float = field(default_factory=time.monotonic)

    def path(self, name: str) -> Path:
        """Where the file of this posix name lies."""
        return self.output / name

    def save(self) -> None:
        """Write the manifest."""
        write_manifest(self.output, self.manifest)
        self.saved_at = time.monotonic()

    def save_now_and_then(self) -> None:
        """Write the manifest if that was a while ago."""
        if time.monotonic() - self.saved_at > SAVE_EVERY_S:
            self.save()

    def put_aside(self, name: str) -> Path:
        """Rename a file whose bytes are wrong to `.bad`; nothing is deleted."""
        path = self.path(name)
        bad = bad_path(path)
        path.rename(bad)
        self.manifest.files.pop(name, None)
        return bad


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Make the folder, and hold it for this process; the system lets go when the process dies.

    Raises
    ------
    InputError
        If it is a file.
    DownloadError
        If another process holds it, or nothing can be written into it.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; expected a folder for the data")
    with ExitStack() as stack:
        try:
            output.mkdir(parents=True, exist_ok=True)
            ours = stack.enter_context(hold(output / LOCK))
        except OSError as error:
            raise DownloadError(
                f"{error.filename or output}: cannot be written ({error.strerror or error}); expected a folder to "
                "fill, or to prove what is in it: name another --output, or mend that"
            ) from error
        if not ours:
            raise DownloadError(f"{output}: another download is filling it; wait for it or stop it")
        yield


def in_blocks(size: int) -> int:
    """Bytes that a file of this size takes on disk."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def check_space(output: Path, sizes: Iterable[int]) -> None:
    """Refuse to start what cannot end.

    Parameters
    ----------
    sizes : expected bytes of each file to come

    Raises
    ------
    DownloadError
        If the disk has not room for all of them.
    """
    needed = sum(in_blocks(size) for size in sizes)
    free = shutil.disk_usage(output).free
    if needed and free < needed + SPARE_BYTES:
        raise DownloadError(
            f"{output}: {free / 1e9:.1f} GB free; expected {(needed + SPARE_BYTES) / 1e9:.1f} GB for what is still to "
            "come: make room, name another --output, or fewer --datasets"
        )
