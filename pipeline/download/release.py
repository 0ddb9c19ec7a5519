"""The release as published: a list of files with their SHA-256, and whatever of them is missing or wrong.

Everything is held against the list. The list itself comes over TLS from the same host and is trusted once it is here:
its own digest is recorded, so that it cannot change unnoticed between runs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.checksum_list import MOST_LIST_BYTES, read_checksum_list
from ecg12.pipeline.download.compare_folder import Survey, check_headers, count_survey, survey_files
from ecg12.pipeline.download.job import DatasetReport, Job, check_space
from ecg12.pipeline.download.listed_names import Namespace, is_own
from ecg12.pipeline.download.paths import check_inside, check_name, show
from ecg12.pipeline.download.prove_files import hash_file
from ecg12.pipeline.download.sources import RELEASE_LIST, RELEASES, Release, Source
from ecg12.pipeline.http.part_file import bad_path
from ecg12.pipeline.http.size_limits import most_bytes_of, most_bytes_of_release
from ecg12.pipeline.http.wanted_files import Fetched, Fetcher, Wanted
from ecg12.pipeline.runtime.progress import silent

OTHER = "release"
"""The report of files that belong to no dataset, such as the licence."""

_HEADER_BYTES = 700
"""A header's usual size; only for progress and room."""

_MOST_REFUSED = 20
"""Lines of a list that are told one by one."""


@dataclass(kw_only=True, slots=True)
class ReleaseList:
    """The release's list, as far as it can be followed.

    Attributes
    ----------
    digests : posix path below the release → SHA-256 in hex
    refused : a text on each line that is none, or whose path cannot be taken
    passed : a text on each line that was not meant as one, such as a comment
    own : listed names of this program's own files, as in a list made of a folder that it had filled
    """

    digests: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)


def read_list(path: Path, *, where: str | None = None, keeps: Collection[str] = ()) -> ReleaseList:
    """The files of the list at `path` (see `pipeline.download.checksum_list`); what cannot be taken stops no other.

    Parameters
    ----------
    keeps : of `Release`

    Raises
    ------
    DownloadError
        If no line at all can be taken, with the reason of the first.
    """
    where = where or str(path)
    lines = read_checksum_list(path, where=where)
    listed, names, differing = ReleaseList(refused=[*lines.refused], passed=lines.passed), Namespace(), set()
    for line in lines.entries:
        name, place = _plain(line.name), f"{where} line {line.line}"
        if is_own(name, keeps):
            listed.own.append(name)
            continue
        known = listed.digests.get(name)
        if known == line.sha256:
            continue
        try:
            if known is not None or name in differing:
                listed.digests.pop(name, None)
                differing.add(name)
                raise DownloadError(f"{place}: {show(name)} is listed with another digest before; expected one a file")
            check_name(name, where=place)
            names.add(name, where=place)
        except DownloadError as error:
            listed.refused.append(str(error))
            continue
        listed.digests[name] = line.sha256
    if not listed.digests:
        raise DownloadError((listed.refused or [f"{where}: names no file of a release; expected all of them"])[0])
    return listed


def _plain(name: str) -> str:
    """A listed path below the folder it was listed in, without what means nothing: `././a`, `.//a`, `a//b`, `a/./b`."""
    if name.startswith("/") or name.endswith("/"):
        return name  # not below it, or no file
    return "/".join(part for part in name.split("/") if part not in ("", ".")) or name


def bring_release(job: Job, sources: Sequence[Source], release: Release, fetcher: Fetcher) -> None:
    """Make the files of `sources` be there as listed.

    Parameters
    ----------
    release : of which they are some; what is listed outside the folders of its datasets is brought, too

    Raises
    ------
    DownloadError
        If the list cannot be had or understood, names nothing of a dataset, or there is no room.
    """
    listed = _obtain_list(job, fetcher, sources, release)
    _tell_left_out(job, listed)
    dataset_of = _assign(listed.digests, sources, release.sources)
    expected = {name: listed.digests[name] for name in dataset_of}
    check_inside(job.output, [job.path(name) for name in expected])
    for source in sources:
        _add_report(job, source, n_files=sum(dataset == source.dataset.name for dataset in dataset_of.values()))
    job.reports[OTHER] = DatasetReport(
        name=OTHER,
        title="other files",
        way="release",
        folder=".",
        expected_records=0,
        expected_disk_bytes=0,
        n_files=sum(dataset == OTHER for dataset in dataset_of.values()),
    )
    found = survey_files(job, expected)
    count_survey(job, Survey(proven=found.proven, trusted=found.trusted, blocked=found.blocked), dataset_of)
    for name in found.absent:
        job.manifest.files.pop(name, None)
    sizes = {name: _expected_bytes(name, dataset_of[name], sources) for name in found.to_fetch}
    check_space(job.output, sizes.values())
    for name, digest in found.wrong.items():
        bad = job.put_aside(name)
        job.notes.append(f"{job.path(name)}: SHA-256 {digest}; expected {expected[name]}; kept as {bad.name}")
    _fetch(
        job, fetcher, found, expected, sizes, dataset_of, most_bytes_of_release(source.size_bytes for source in sources)
    )
    _note_unserved(job, release)
    if job.verify:
        check_headers(job, [name for name in found.to_fetch if dataset_of[name] != OTHER], found)
    count_survey(job, Survey(records=found.records), dataset_of)


def _obtain_list(job: Job, fetcher: Fetcher, sources: Sequence[Source], release: Release) -> ReleaseList:
    """The list on disk, if it is as it came and of use; else a new one, beside which the old is kept as `.bad`."""
    path = job.path(RELEASE_LIST)
    if not path.exists():
        return _fetch_list(job, fetcher, sources, release, None)
    digest = hash_file(path, "sha256")
    if job.manifest.list_sha256 not in (None, digest):
        return _fetch_list(job, fetcher, sources, release, f"{path}: changed since it came")
    try:
        listed = read_list(path, keeps=release.keeps)
    except DownloadError as error:
        return _fetch_list(job, fetcher, sources, release, str(error))
    _check_release(listed, release, where=str(path))  # a folder of another one stays as it is
    try:
        _check_names(listed, sources, where=str(path))
    except DownloadError as error:
        return _fetch_list(job, fetcher, sources, release, str(error))
    job.manifest.list_sha256 = digest
    return listed


def _fetch_list(
    job: Job, fetcher: Fetcher, sources: Sequence[Source], release: Release, reason: str | None
) -> ReleaseList:
    """A new list; `reason` says why one that is there is not taken, None = there is none."""
    path = job.path(RELEASE_LIST)
    new = path.with_name(f"{RELEASE_LIST}.new")
    reasons = [] if reason is None else [reason]
    done: list[Fetched] = []
    fetcher.fetch(
        [Wanted(path=new, name=RELEASE_LIST, most_bytes=MOST_LIST_BYTES, refuse_html=True, patient=False)],
        silent("list", 1, "files"),
        done.append,
        lambda wanted, reason: reasons.append(reason),
    )
    if not done:
        raise DownloadError(
            f"{RELEASE_LIST}, the list of the release, could not be had: {'; '.join(reasons)}; check the network or "
            "its proxy, or name another place with --mirror or --from"
        )
    where = f"{done[0].origin} {RELEASE_LIST}"
    try:
        listed = read_list(new, where=where, keeps=release.keeps)
        _check_release(listed, release, where=where)
        _check_names(listed, sources, where=where)
    except DownloadError:
        new.unlink()  # whatever place is named next, it is asked for its own
        raise
    if reason is not None:
        bad = bad_path(path)
        path.rename(bad)
        job.notes.append(f"{reason}; kept as {bad.name}, and fetched again")
    new.replace(path)
    job.manifest.list_sha256 = done[0].hexdigest
    job.manifest.came_from(done[0].origin)
    job.save()
    return listed


def _check_release(listed: ReleaseList, release: Release, *, where: str) -> None:
    """Refuse a list that names datasets of another release."""
    folders = {folder for name in listed.digests for folder in _folders_of(name)}
    own = {source.release_path for source in release.sources}
    shared = {other.name: folders & {source.release_path for source in other.sources} for other in RELEASES.values()}
    likely = max(shared, key=lambda name: len(shared[name]))
    if foreign := sorted(shared[likely] - own):
        raise DownloadError(
            f"{where}: names {foreign[0]}, which is of the release {likely}; expected the list of {release.name}: ask "
            f"for --release {likely}, or name another --mirror or --from"
        )


def _check_names(listed: ReleaseList, sources: Sequence[Source], *, where: str) -> None:
    """Refuse a list that names nothing of a dataset, saying what it names instead."""
    folders = {folder for name in listed.digests for folder in _folders_of(name)}
    for source in sources:
        if source.release_path not in folders:
            left_out = f" and {len(listed.refused):,} lines are refused, {listed.refused[0]}" if listed.refused else ""
            raise DownloadError(
                f"{where}: nothing below {source.release_path} (its first file is {show(next(iter(listed.digests)))}"
                f"{left_out}); expected {source.dataset.n_records:,} records of {source.dataset.name}: leave it out "
                "with --datasets, or name another --mirror"
            )


def _folders_of(name: str) -> tuple[str, str]:
    """The folders of datasets that a listed file could be of: training/ptb, or records500."""
    parts = name.split("/", 2)
    return "/".join(parts[:2]), parts[0]


def _tell_left_out(job: Job, listed: ReleaseList) -> None:
    job.problems += [f"{text}; the line is left out" for text in listed.refused[:_MOST_REFUSED]]
    if len(listed.refused) > _MOST_REFUSED:
        job.problems.append(f"{RELEASE_LIST}: {len(listed.refused) - _MOST_REFUSED:,} more lines are left out")
    if listed.passed:
        job.notes.append(
            f"{len(listed.passed):,} line(s) of the list are no entries and passed over: {listed.passed[0]}"
        )
    if listed.own:
        names = ", ".join(listed.own[:5]) + (", …" if len(listed.own) > 5 else "")
        job.notes.append(f"{RELEASE_LIST} names files that this program writes itself ({names}); they are left out")


def _assign(listed: Mapping[str, str], sources: Sequence[Source], everything: Sequence[Source]) -> dict[str, str]:
    """Listed name → name of its dataset, or OTHER; files of datasets that are not wanted are left out."""
    folders = {source.release_path: source.dataset.name for source in everything}
    wanted = {source.dataset.name for source in sources}
    assigned = {}
    for name in listed:
        dataset = next((folders[folder] for folder in _folders_of(name) if folder in folders), OTHER)
        if dataset == OTHER or dataset in wanted:
            assigned[name] = dataset
    return assigned


def _add_report(job: Job, source: Source, n_files: int) -> None:
    job.reports[source.dataset.name] = DatasetReport(
        name=source.dataset.name,
        title=source.dataset.title,
        way="release",
        folder=source.release_path,
        expected_records=source.dataset.n_records,
        expected_disk_bytes=source.size_bytes,
        n_files=n_files,
    )
    job.manifest.ways[source.dataset.name] = "release"


def _expected_bytes(name: str, dataset: str, sources: Sequence[Source]) -> int:
    if dataset == OTHER or not name.endswith((".mat", ".dat")):
        return _HEADER_BYTES
    source = next(source for source in sources if source.dataset.name == dataset)
    return source.size_bytes // max(source.dataset.n_records, 1)


def _fetch(
    job: Job,
    fetcher: Fetcher,
    found: Survey,
    expected: Mapping[str, str],
    sizes: Mapping[str, int],
    dataset_of: Mapping[str, str],
    most_bytes: int,
) -> None:
    if not found.to_fetch:
        return
    wanted = [
        Wanted(
            path=job.path(name),
            name=name,
            accepted=(expected[name],),
            expected_bytes=sizes[name],
            most_bytes=most_bytes_of(name),
        )
        for name in sorted(found.to_fetch)
    ]

    def done(fetched: Fetched) -> None:
        name = fetched.wanted.name
        report = job.reports[dataset_of[name]]
        report.n_fetched += 1
        report.n_verified += 1
        report.n_repaired += name in found.wrong
        job.manifest.record(job.output, fetched.wanted.path, fetched.hexdigest)
        job.manifest.came_from(fetched.origin)
        job.save_now_and_then()

    def failed(wanted: Wanted, reason: str) -> None:
        job.reports[dataset_of[wanted.name]].missing[wanted.name] = reason

    with job.progress("download", sum(sizes.values()), "bytes") as task:
        fetcher.fetch(wanted, task, done, failed, most_bytes=most_bytes)


def _note_unserved(job: Job, release: Release) -> None:
    """What the release's own hosts are known not to give is told, and keeps nothing from being complete."""
    for name, known in release.unserved.items():
        for report in job.reports.values():
            reason = report.missing.pop(name, None)
            if reason is not None:
                job.notes.append(f"{name} is missing, as is known of {release.name}: {known}; {reason}")
