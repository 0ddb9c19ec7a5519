"""The release as published: a list of files with their SHA-256, and whatever of them is missing or wrong.

Everything is held against the list. The list itself comes over TLS from the same host and is trusted once it is here:
its own digest is recorded, so that it cannot change unnoticed between runs.
"""

import re
from collections.abc import Mapping, Sequence

from ecg.errors import DownloadError
from pipeline.fetch.job import DatasetReport, Job, check_space
from pipeline.fetch.partial import bad_path
from pipeline.fetch.paths import check_inside, check_relative
from pipeline.fetch.proof import hash_file
from pipeline.fetch.survey import Survey, check_headers, count_survey, survey_files
from pipeline.fetch.transfer import Fetched, Fetcher, Wanted
from pipeline.progress import silent
from pipeline.sources import RELEASE_LIST, Source

OTHER = "release"
"""The report of files that belong to no dataset, such as the licence."""

_HEADER_BYTES = 700
"""A header's usual size; only for progress and room."""


def parse_list(text: str, *, where: str) -> dict[str, str]:
    """Posix path → SHA-256 in hex, of a list as sha256sum writes it.

    Raises
    ------
    DownloadError
        If a line is not understood, a path is refused or comes twice, or there is none.
    """
    listed: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if match is None:
            raise DownloadError(f"{where} line {number}: {line[:80]!r}; expected a SHA-256 and a path")
        name = str(check_relative(match[2].removeprefix("./"), where=f"{where} line {number}"))
        if name in listed:
            raise DownloadError(f"{where} line {number}: {name} is listed twice; expected each file once")
        listed[name] = match[1].lower()
    if not listed:
        raise DownloadError(f"{where}: is empty; expected a SHA-256 and a path on each line")
    return listed


def bring_release(job: Job, sources: Sequence[Source], everything: Sequence[Source], fetcher: Fetcher) -> None:
    """Make the files of `sources` be there as listed.

    Parameters
    ----------
    everything : the whole table; what is listed outside its folders is brought, too

    Raises
    ------
    DownloadError
        If the list cannot be had or understood, names nothing of a dataset, or there is no room.
    """
    listed = _obtain_list(job, fetcher)
    dataset_of = _assign(listed, sources, everything)
    expected = {name: listed[name] for name in dataset_of}
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
    count_survey(job, Survey(proven=found.proven, trusted=found.trusted), dataset_of)
    for name in found.absent:
        job.manifest.files.pop(name, None)
    sizes = {name: _expected_bytes(name, dataset_of[name], sources) for name in found.to_fetch}
    check_space(job.output, sizes.values())
    for name, digest in found.wrong.items():
        bad = job.put_aside(name)
        job.notes.append(f"{job.path(name)}: SHA-256 {digest}; expected {expected[name]}; kept as {bad.name}")
    _fetch(job, fetcher, found, expected, sizes, dataset_of)
    if job.verify:
        check_headers(job, [name for name in found.to_fetch if dataset_of[name] != OTHER], found)
    count_survey(job, Survey(records=found.records), dataset_of)


def _obtain_list(job: Job, fetcher: Fetcher) -> dict[str, str]:
    path = job.path(RELEASE_LIST)
    if path.exists():
        digest = hash_file(path, "sha256")
        if job.manifest.list_sha256 in (None, digest):
            job.manifest.list_sha256 = digest
            return parse_list(_read_text(job), where=str(path))
        bad = bad_path(path)
        path.rename(bad)
        job.notes.append(f"{path}: changed since it came; kept as {bad.name}, and fetched again")
    new = path.with_name(f"{RELEASE_LIST}.new")
    reasons: list[str] = []
    done: list[Fetched] = []
    fetcher.fetch(
        [Wanted(path=new, name=RELEASE_LIST, refuse_html=True, patient=False)],
        silent("list", 1, "files"),
        done.append,
        lambda wanted, reason: reasons.append(reason),
    )
    if not done:
        raise DownloadError(
            f"{RELEASE_LIST}, the list of the release, could not be had: {'; '.join(reasons)}; check the network or "
            "its proxy, or name another place with --mirror or --from"
        )
    try:
        listed = parse_list(new.read_text(encoding="utf-8", errors="replace"), where=f"{done[0].origin} {RELEASE_LIST}")
    except DownloadError:
        new.unlink()
        raise
    new.replace(path)
    job.manifest.list_sha256 = done[0].hexdigest
    job.manifest.came_from(done[0].origin)
    job.save()
    return listed


def _read_text(job: Job) -> str:
    return job.path(RELEASE_LIST).read_text(encoding="utf-8", errors="replace")


def _assign(listed: Mapping[str, str], sources: Sequence[Source], everything: Sequence[Source]) -> dict[str, str]:
    """Listed name → name of its dataset, or OTHER; files of datasets that are not wanted are left out."""
    folders = {source.release_path: source.dataset.name for source in everything}
    wanted = {source.dataset.name for source in sources}
    assigned = {}
    for name in listed:
        dataset = folders.get("/".join(name.split("/")[:2]), OTHER)
        if dataset == OTHER or dataset in wanted:
            assigned[name] = dataset
    for source in sources:
        if source.dataset.name not in assigned.values():
            raise DownloadError(
                f"{RELEASE_LIST}: nothing below {source.release_path}; expected {source.dataset.n_records:,} records "
                f"of {source.dataset.name}: leave it out with --datasets, or name another --mirror"
            )
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
    if dataset == OTHER or not name.endswith(".mat"):
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
) -> None:
    if not found.to_fetch:
        return
    wanted = [
        Wanted(path=job.path(name), name=name, accepted=(expected[name],), expected_bytes=sizes[name])
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
        fetcher.fetch(wanted, task, done, failed)
