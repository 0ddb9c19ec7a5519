"""A simulated publication of the six datasets: the release with its list, and the tarballs, as bytes to serve."""

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from ecg12.ecg.synthetic import simulate_corpus
from ecg12.pipeline.download.sources import RELEASE_LIST, SOURCES, Source
from ecg12.pipeline.http.wanted_files import TransferConfig

FAST = TransferConfig(
    connections=8,
    connect_timeout_s=30,
    read_timeout_s=30,  # a busy machine may well let a thread of the server wait for a second
    tries=4,
    tries_before_next_host=2,
    first_wait_s=0.01,
    longest_wait_s=0.05,
    longest_retry_after_s=5,
)
"""A transfer that does not wait long before it tries again."""

IMPATIENT = replace(FAST, read_timeout_s=1.0)
"""Where a host stalls."""


@dataclass(frozen=True)
class Published:
    """`release`: path below its root → bytes, the list among them; `tarballs`: name → bytes; `sources` fits both."""

    release: dict[str, bytes]
    tarballs: dict[str, bytes]
    sources: tuple[Source, ...]

    def of(self, name: str) -> dict[str, bytes]:
        """Path below the release → bytes of one dataset's files."""
        source = next(source for source in self.sources if source.dataset.name == name)
        return {path: body for path, body in self.release.items() if path.startswith(f"{source.release_path}/")}

    def write(self, root: Path) -> Path:
        """The release as a tree on disk."""
        for name, body in self.release.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return root


def list_of(files: dict[str, bytes]) -> bytes:
    """As sha256sum writes it."""
    return "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in files.items()).encode()


def tarball_of(members: dict[str, bytes]) -> bytes:
    """A .tar.gz, the same bytes every time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return gzip.compress(raw.getvalue(), mtime=0)


def publish(n_records: int = 48) -> Published:
    """Publish a simulated corpus."""
    release: dict[str, bytes] = {"LICENSE.txt": b"CC BY 4.0\n", "RECORDS": b"training/\n"}
    members: dict[str, dict[str, bytes]] = {source.dataset.name: {} for source in SOURCES}
    for record in simulate_corpus(n_records, seed=5, layout="release", max_duration_s=6):
        for suffix, body in ((".hea", record.header_text.encode()), (".mat", record.mat_bytes)):
            release[f"{record.folder}/{record.record_name}{suffix}"] = body
            members[record.dataset][f"Training_WFDB/{record.record_name}{suffix}"] = body
    for source in SOURCES:
        release[f"{source.release_path}/g1/RECORDS"] = b"a record of another folder\n"
    tarballs = {source.tarball: tarball_of(members[source.dataset.name]) for source in SOURCES}
    sources = tuple(_fitting(source, members[source.dataset.name], tarballs[source.tarball]) for source in SOURCES)
    return Published(release | {RELEASE_LIST: list_of(release)}, tarballs, sources)


def _fitting(source: Source, members: dict[str, bytes], tarball: bytes) -> Source:
    md5 = hashlib.md5(tarball).hexdigest()
    same = source.md5_first == source.md5_last
    return replace(
        source,
        dataset=replace(source.dataset, n_records=len(members) // 2),
        md5_first=md5 if same else source.md5_first,
        md5_last=md5,
        size_bytes=sum(-(-len(body) // 4096) * 4096 for body in members.values()),
    )


def tree(root: Path) -> dict[str, bytes]:
    """Path → bytes of all files below a folder, without the download's own two."""
    own = ("download-manifest.json", ".download.lock")
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in own
    }
