"""Fetching the published run folders of the reference system: all files of a folder, or none of it.

No checksums were published, so the first digests seen are recorded in `weights-manifest.json` and proven on later runs.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import ConfigError, DownloadError
from ecg12.pipeline.download.job import locked
from ecg12.pipeline.download.prove_files import hash_file
from ecg12.pipeline.download.sources import WEIGHT_SETS, WEIGHTS, WeightFile
from ecg12.pipeline.http.hosts import make_hosts
from ecg12.pipeline.http.size_limits import most_bytes_of
from ecg12.pipeline.http.transfer import HttpFetcher
from ecg12.pipeline.http.wanted_files import Fetched, TransferConfig, Wanted
from ecg12.pipeline.runtime.progress import Progress, silent

WEIGHTS_MANIFEST = "weights-manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsSummary:
    """Run folders that came, that were there already and are as recorded, and why others could not be had.

    `interrupted` is by Ctrl-C; the same command goes on.
    """

    output: Path
    came: tuple[str, ...]
    kept: tuple[str, ...]
    problems: tuple[str, ...]
    interrupted: bool


def fetch_weights(
    output: Path,
    *,
    weight_set: str | None = None,
    url: str | None = None,
    transfer: TransferConfig,
    progress: Progress = silent,
    weights: Sequence[WeightFile] = WEIGHTS,
) -> WeightsSummary:
    """Bring run folders to `output`/mdl and `output`/mdls/mdl1…6.

    Parameters
    ----------
    weight_set : "mdl" or "mdls"; None = both
    url : of a copy that has the files by folder and name; None = the published address of each

    Raises
    ------
    ConfigError
        If the set is unknown or the address is none.
    DownloadError
        If a folder is there that is not as recorded, naming the file.
    """
    if weight_set not in (None, *WEIGHT_SETS):
        raise ConfigError(f"set {weight_set!r}; expected {' or '.join(WEIGHT_SETS)}")
    hosts = make_hosts((url,) if url else ("https://www.dropbox.com",))
    rows = [row for row in weights if weight_set in (None, row.folder.split("/")[0])]
    by_folder: dict[str, list[WeightFile]] = {}
    for row in rows:
        by_folder.setdefault(row.folder, []).append(row)
    with locked(output):
        recorded = _read_recorded(output)
        kept = tuple(name for name in by_folder if _is_as_recorded(output, name, recorded))
        absent = {name: files for name, files in by_folder.items() if name not in kept}
        came: dict[str, list[Fetched]] = {name: [] for name in absent}
        failed: dict[str, str] = {}
        interrupted = False
        try:
            _fetch(output, absent, came, failed, HttpFetcher(hosts, transfer), progress, from_copy=url is not None)
        except KeyboardInterrupt:
            interrupted = True
        whole = [name for name in absent if len(came[name]) == len(absent[name])]
        # recorded first: a folder that stands has its digests, whenever this process is killed
        recorded |= {f"{name}/{file.wanted.path.name}": file.hexdigest for name in whole for file in came[name]}
        if whole:
            write_text_atomically(output / WEIGHTS_MANIFEST, json.dumps(recorded, indent=1, sort_keys=True) + "\n")
        for name in whole:
            _staging(output, name).rename(output / name)
        for name in failed:
            shutil.rmtree(_staging(output, name), ignore_errors=True)
    return WeightsSummary(
        output=output,
        came=tuple(whole),
        kept=kept,
        problems=tuple(f"{name}: nothing of it was kept: {reason}" for name, reason in failed.items()),
        interrupted=interrupted,
    )


def _fetch(
    output: Path,
    folders: dict[str, list[WeightFile]],
    came: dict[str, list[Fetched]],
    failed: dict[str, str],
    fetcher: HttpFetcher,
    progress: Progress,
    *,
    from_copy: bool,
) -> None:
    """Fill in, by folder, the files that come, and the last reason why one did not."""
    wanted = [
        Wanted(
            path=_staging(output, name) / row.file,
            name=f"{name}/{row.file}" if from_copy else download_address(row.url),
            most_bytes=most_bytes_of(row.file),
            refuse_html=True,
        )
        for name, rows in folders.items()
        for row in rows
    ]
    with progress("download weights", 0, "bytes") as task:
        fetcher.fetch(
            wanted,
            task,
            lambda file: came[_folder_of(output, file.wanted)].append(file),
            lambda one, reason: failed.update({_folder_of(output, one): f"{one.path.name}: {reason}"}),
        )


def download_address(url: str) -> str:
    """The address of the file itself: a `dl=0` link shows a page about it, `dl=1` gives it."""
    parts = urlsplit(url)
    query = "&".join("dl=1" if field == "dl=0" else field for field in parts.query.split("&"))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _staging(output: Path, folder: str) -> Path:
    return output / f"{folder}.part"


def _folder_of(output: Path, wanted: Wanted) -> str:
    return wanted.path.parent.relative_to(output).as_posix().removesuffix(".part")


def _read_recorded(output: Path) -> dict[str, str]:
    path = output / WEIGHTS_MANIFEST
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise DownloadError(f"{path}: not JSON ({error}); move it and the folders beside it away") from error
    if not isinstance(recorded, dict):
        raise DownloadError(f"{path}: damaged; expected names and digests: move it and the folders beside it away")
    return {str(name): str(digest) for name, digest in recorded.items()}


def _is_as_recorded(output: Path, folder: str, recorded: dict[str, str]) -> bool:
    """Whether a run folder is there; one that is not as it came is an error, and is left alone."""
    if not (output / folder).exists():
        return False
    files = {name: digest for name, digest in recorded.items() if name.rpartition("/")[0] == folder}
    if not files:
        raise DownloadError(f"{output / folder}: is there, but did not come by this command; name another folder")
    for name, expected in files.items():
        path = output / name
        found = hash_file(path, "sha256") if path.is_file() else "is missing"
        if found != expected:
            raise DownloadError(
                f"{path}: SHA-256 {found}; expected {expected}, as it came: "
                f"move {output / folder} away, and fetch it again"
            )
    return True
