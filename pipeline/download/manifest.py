"""`download-manifest.json`: what lies in the folder, by which digest each file was proven, and where it came from.

It lets a rerun take a file as proven without reading it (same size, same time of change), and is the record for other
programs. It is never needed: without it every file is read and compared again. Nothing in it is believed against a
file's bytes: `--verify` always reads them.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.paths import check_name
from ecg12.pipeline.download.sources import DEFAULT_RELEASE, RELEASES

MANIFEST = "download-manifest.json"
FORMAT = "ecg12-download"
FORMAT_VERSION = 1

WAYS = ("release", "tarballs", "folder")
"""How a dataset can come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file; `mtime_ns` is its time of change when it was proven to have this SHA-256."""

    size: int
    mtime_ns: int
    sha256: str

    def fits(self, status: os.stat_result) -> bool:
        """Whether the file has not been touched since."""
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A tarball that was unpacked, and which issue's MD5 it has: "first", "last" or "both"."""

    md5: str
    issue: str


@dataclass(kw_only=True, slots=True)
class Manifest:
    """Everything known of a folder.

    Attributes
    ----------
    ways : dataset → one of WAYS
    archives : dataset → its tarball
    files : posix path below the folder → entry
    list_sha256 : of the release's own list
    report : dataset → figures of the last run, for other programs; "notes" and "problems" → texts
    hosts : that files came from
    release : of `pipeline.download.sources` that is in the folder; None = nothing is yet
    """

    ways: dict[str, str] = field(default_factory=dict)
    archives: dict[str, Archive] = field(default_factory=dict)
    files: dict[str, Entry] = field(default_factory=dict)
    list_sha256: str | None = None
    report: dict[str, Any] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)
    release: str | None = None

    def record(self, output: Path, path: Path, sha256: str) -> None:
        """Note that the file at `path` has this digest now."""
        status = path.stat()
        name = path.relative_to(output).as_posix()
        self.files[name] = Entry(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256)

    def came_from(self, origin: str) -> None:
        """Note a host or folder."""
        if origin not in self.hosts:
            self.hosts.append(origin)

    def below(self, folder: str) -> dict[str, Entry]:
        """Entries of the files below a posix folder."""
        return {name: entry for name, entry in self.files.items() if name.startswith(f"{folder}/")}

    def to_json(self) -> str:
        """One line a file, sorted, so that two can be compared."""
        head = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "release": self.release,
            "list_sha256": self.list_sha256,
            "hosts": self.hosts,
            "ways": self.ways,
            "archives": {name: asdict(archive) for name, archive in self.archives.items()},
            "report": self.report,
        }
        lines = [f"{json.dumps(name)}: {json.dumps(asdict(entry))}" for name, entry in sorted(self.files.items())]
        files = ",\n  ".join(lines)
        return f'{json.dumps(head, indent=1)[:-2]},\n "files": {{\n  {files}\n }}\n}}\n'

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Manifest":
        """The inverse of `to_json`, after parsing."""
        unknown = set(data["ways"].values()) - set(WAYS)
        if unknown:
            raise ValueError(f"way {unknown.pop()!r}")
        # until there was a choice, none was written
        release = data.get("release", DEFAULT_RELEASE if data["ways"] else None)
        if release is not None and release not in RELEASES:
            raise ValueError(f"release {release!r}")
        return cls(
            ways=dict(data["ways"]),
            archives={name: Archive(**archive) for name, archive in data["archives"].items()},
            files={name: Entry(**entry) for name, entry in data["files"].items()},
            list_sha256=data["list_sha256"],
            report=dict(data["report"]),
            hosts=list(data["hosts"]),
            release=release,
        )


def read_manifest(output: Path) -> Manifest:
    """The manifest of a folder; an empty one where there is none.

    Raises
    ------
    DownloadError
        If it is damaged or of another version.
    """
    path = output / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Manifest()
    except (ValueError, RecursionError) as error:
        raise DownloadError(f"{path}: not JSON ({error}); {_REMEDY}") from error
    version = data.get("format_version") if isinstance(data, dict) and data.get("format") == FORMAT else None
    if version != FORMAT_VERSION:
        raise DownloadError(f"{path}: format version {version}; expected {FORMAT_VERSION}; {_REMEDY}")
    try:
        manifest = Manifest.from_dict(data)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DownloadError(f"{path}: damaged ({type(error).__name__}: {error}); {_REMEDY}") from error
    for name in manifest.files:
        check_name(name, where=str(path))
    return manifest


def write_manifest(output: Path, manifest: Manifest) -> None:
    """Write it whole or not at all."""
    write_text_atomically(output / MANIFEST, manifest.to_json())


_REMEDY = "move it away, and every file is read and compared again"
