"""The table that says which records of PTB-XL are of one patient: brought beside the data, from a release of its own.

The Challenge's files do not tell patients, and a split that has one of them on both sides flatters its scores. The
table is held against its release's list of SHA-256; what the list says of it is kept beside it, in sha256sum's own
form, so that it can be proven again without the network.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import DownloadError, InputError
from ecg12.pipeline.download.checksum_list import MOST_LIST_BYTES, read_checksum_list
from ecg12.pipeline.download.from_disk import LOCAL, FolderFetcher
from ecg12.pipeline.download.job import Job
from ecg12.pipeline.download.paths import check_inside
from ecg12.pipeline.download.prove_files import hash_file
from ecg12.pipeline.download.sources import RELEASE_LIST, PatientTable
from ecg12.pipeline.files.folders import files_below
from ecg12.pipeline.http.hosts import make_hosts
from ecg12.pipeline.http.size_limits import most_bytes_of
from ecg12.pipeline.http.transfer import HttpFetcher
from ecg12.pipeline.http.wanted_files import Fetched, Fetcher, TransferConfig, Wanted
from ecg12.pipeline.recordings.patient_groups import read_patients
from ecg12.pipeline.runtime.progress import silent

_TABLE_BYTES = 6_000_000
"""About; only for progress."""

FETCHED: Final = "fetched, and proven by the list of its release"
PROVEN: Final = "read, and proven by the list of its release"
TRUSTED: Final = "proven by an earlier run and not touched since"
UNPROVEN: Final = "taken as it is: no list of its release could be had to prove it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the table may be: who brings it, and the list there that has its SHA-256; None = that of the data, here."""

    fetcher: Fetcher
    list_name: str | None


def sidecar_of(table: PatientTable) -> str:
    """Name of the file beside the table that holds its line of the release's list."""
    return f"{table.file}.sha256"


def published_places(table: PatientTable, transfer: TransferConfig) -> list[Place]:
    """The table's own release."""
    return [Place(fetcher=HttpFetcher(make_hosts(table.hosts), transfer), list_name=RELEASE_LIST)]


def places_of_mirrors(table: PatientTable, mirrors: Sequence[str], transfer: TransferConfig, place: str) -> list[Place]:
    """On mirrors of the Challenge's data: in its root, as this program lays it, or in the table's own release.

    Parameters
    ----------
    place : of the Challenge's release on a mirror that is laid out as PhysioNet is
    """
    places = [Place(fetcher=HttpFetcher(make_hosts(tuple(mirrors)), transfer), list_name=sidecar_of(table))]
    siblings = tuple(sibling for url in mirrors if (sibling := _sibling(url, place, table.release)))
    if siblings:
        places.append(Place(fetcher=HttpFetcher(make_hosts(siblings), transfer), list_name=RELEASE_LIST))
    # a mirror's own list, which came with the data, may have been made with the table in its root
    places.append(Place(fetcher=HttpFetcher(make_hosts(tuple(mirrors)), transfer), list_name=None))
    return places


def _sibling(url: str, place: str, release: str) -> str | None:
    """The address of another release on a mirror that is laid out as PhysioNet is."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith(f"/{place}"):
        return None
    return urlunsplit(parts._replace(path=path.removesuffix(place) + release))


def places_on_disk(table: PatientTable, given: Path, transfer: TransferConfig) -> list[Place]:
    """In or below a folder."""
    there = files_below(given, lambda name: name == table.file) if given.is_dir() else ()
    folders = sorted(path.parent for path in there if path.is_file())
    lists = (sidecar_of(table), RELEASE_LIST)
    return [
        Place(fetcher=FolderFetcher(folder, transfer.max_file_bytes), list_name=name)
        for folder in folders
        for name in lists
    ]


def bring_table(job: Job, table: PatientTable, places: Sequence[Place]) -> str:
    """Make the table be in the root of the folder, proven, and say how it came there.

    Parameters
    ----------
    places : asked in turn, if it is not there already

    Raises
    ------
    DownloadError
        If it cannot be had, or what came is no such table, with every reason.
    """
    path, sidecar = job.path(table.file), job.path(sidecar_of(table))
    check_inside(job.output, [path, sidecar])
    reasons: list[str] = []
    if path.exists() and sidecar.exists():
        try:
            return _prove(job, table, _digest_in(sidecar, table))
        except DownloadError as error:
            reasons.append(str(error))
    without_list: list[FolderFetcher] = []
    for place in places:
        digest = None
        try:
            digest = _fetch_digest(job, table, place)
            return _bring_from(job, table, place, digest)
        except DownloadError as error:
            reasons.append(str(error))
        if isinstance(place.fetcher, FolderFetcher) and digest is None:
            without_list.append(place.fetcher)
    if path.exists():
        return _keep_unproven(job, table)
    if len(without_list) == len(places) > 0:  # no list spoke against it
        return _take_unproven(job, table, without_list[0])
    raise DownloadError("; ".join(dict.fromkeys(reasons)) or "not there")


def _prove(job: Job, table: PatientTable, digest: str) -> str:
    """Hold the table that is there against its digest; one that differs is put aside."""
    path, entry = job.path(table.file), job.manifest.files.get(table.file)
    if not job.verify and entry is not None and entry.sha256 == digest and entry.fits(path.stat()):
        return TRUSTED
    found = hash_file(path, "sha256")
    if found != digest:
        bad = job.put_aside(table.file)
        job.notes.append(f"{path}: SHA-256 {found}; expected {digest}; kept as {bad.name}")
        raise DownloadError(f"{path}: SHA-256 {found}; expected {digest}")
    job.manifest.record(job.output, path, digest)
    return PROVEN


def _fetch_digest(job: Job, table: PatientTable, place: Place) -> str:
    """The table's SHA-256 by the list of that place."""
    if place.list_name is None:
        if not job.path(RELEASE_LIST).is_file():
            raise DownloadError(f"{job.path(RELEASE_LIST)}: not there")
        return _digest_in(job.path(RELEASE_LIST), table)
    new = job.path(f"{sidecar_of(table)}.new")
    wanted = Wanted(path=new, name=place.list_name, most_bytes=MOST_LIST_BYTES, refuse_html=True, patient=False)
    listed = _fetch(place.fetcher, wanted)
    try:
        return _digest_in(new, table, where=f"{listed.origin} {place.list_name}")
    finally:
        new.unlink()


def _bring_from(job: Job, table: PatientTable, place: Place, digest: str) -> str:
    """Fetch the table; one that is there already is but held against the digest."""
    path, sidecar = job.path(table.file), job.path(sidecar_of(table))
    state = None
    if path.exists():
        with suppress(DownloadError):  # put aside, which is noted: a right one comes
            state = _prove(job, table, digest)
    if state is None:
        wanted = Wanted(
            path=path,
            name=table.file,
            accepted=(digest,),
            expected_bytes=_TABLE_BYTES,
            most_bytes=most_bytes_of(table.file),
            refuse_html=True,
        )
        job.manifest.came_from(_fetch(place.fetcher, wanted, job).origin)
        job.manifest.record(job.output, path, digest)
        state = FETCHED
    _check_table(job, table)
    write_text_atomically(sidecar, f"{digest}  {table.file}\n")
    return state


def _take_unproven(job: Job, table: PatientTable, fetcher: FolderFetcher) -> str:
    path = job.path(table.file)
    came = _fetch(fetcher, Wanted(path=path, name=table.file, most_bytes=most_bytes_of(table.file)))
    _check_table(job, table)
    job.manifest.came_from(LOCAL)
    job.manifest.record(job.output, path, came.hexdigest)
    return UNPROVEN


def _keep_unproven(job: Job, table: PatientTable) -> str:
    """Leave a table that is there as it is, if it is as an earlier run recorded it."""
    path, entry = job.path(table.file), job.manifest.files.get(table.file)
    found = hash_file(path, "sha256")
    if entry is not None and entry.sha256 != found:
        raise DownloadError(f"{path}: SHA-256 {found}; expected {entry.sha256}, as it came: move it away")
    read_patients(path)
    job.manifest.record(job.output, path, found)
    return UNPROVEN


def _check_table(job: Job, table: PatientTable) -> None:
    """Refuse what cannot be read as a table of patients: whatever its digest, a build could not use it."""
    try:
        read_patients(job.path(table.file))
    except InputError as error:
        bad = job.put_aside(table.file)
        raise DownloadError(f"{error}; kept as {bad.name}") from error


def _digest_in(path: Path, table: PatientTable, *, where: str | None = None) -> str:
    """The table's SHA-256 in a list of its release, or in a `.sha256` file of it alone."""
    listed = read_checksum_list(path, where=where, bare=table.file).entries
    digests = {line.sha256 for line in listed if line.name.removeprefix("./") == table.file}
    if len(listed) == 1 and PurePosixPath(listed[0].name.replace("\\", "/")).name == table.file:
        digests = {listed[0].sha256}  # whoever made it named a folder of their own
    if len(digests) != 1:
        found = "names no" if not digests else "has several digests of"
        raise DownloadError(f"{where or path}: {found} {table.file}; expected its SHA-256")
    return digests.pop()


def _fetch(fetcher: Fetcher, wanted: Wanted, job: Job | None = None) -> Fetched:
    """One file, or a DownloadError that says why not; `job` shows progress."""
    done: list[Fetched] = []
    reasons: list[str] = []
    progress = job.progress if job else silent
    with progress("download patients", wanted.expected_bytes, "bytes") as task:
        fetcher.fetch([wanted], task, done.append, lambda one, reason: reasons.append(reason))
    if not done:
        raise DownloadError(f"{wanted.name} could not be had: {'; '.join(reasons)}")
    return done[0]
