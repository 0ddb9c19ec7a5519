"""The tarballs of 2020: proven by the MD5 of either issue, unpacked into each dataset's folder, then removed.

MD5 is what was published for them, so MD5 it is: it tells damage, not malice. What comes out of a proven tarball is
recorded with SHA-256, by which the unpacked files are proven from then on, without the tarball.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.archives import Bounds, Unpacked, unpack
from ecg12.pipeline.download.compare_folder import Survey, check_headers, count_survey, survey_files
from ecg12.pipeline.download.job import DatasetReport, Job, check_space
from ecg12.pipeline.download.manifest import Archive
from ecg12.pipeline.download.paths import check_inside
from ecg12.pipeline.download.prove_files import hash_file
from ecg12.pipeline.download.sources import Source
from ecg12.pipeline.http.disk_space import NoRoomError, is_of_the_disk, stopped_by
from ecg12.pipeline.http.part_file import bad_path
from ecg12.pipeline.http.size_limits import TIMES_PUBLISHED, most_bytes_of_tarball
from ecg12.pipeline.http.wanted_files import Fetched, Fetcher, Wanted

MEMBERS_PER_RECORD = 3
"""A bound: a header and a signal each, and as many more as half of them."""

_SPARE_MEMBERS = 100


def issue_of(source: Source, md5: str) -> str | None:
    """Which published issue has this MD5: "first", "last", "both" for a tarball that never changed; or None."""
    matches = [name for name, known in (("first", source.md5_first), ("last", source.md5_last)) if known == md5]
    return "both" if len(matches) == 2 else matches[0] if matches else None


def find_archives(paths: Sequence[Path], sources: Sequence[Source], job: Job) -> dict[str, tuple[Path, str]]:
    """Dataset → (tarball, MD5), told by MD5 whatever the file is called; others are noted as problems of the job."""
    found: dict[str, tuple[Path, str]] = {}
    with job.progress("check tarballs", len(paths), "files") as task:
        for path in paths:
            md5 = hash_file(path, "md5")
            matching = [source for source in sources if issue_of(source, md5)]
            for source in matching:
                found.setdefault(source.dataset.name, (path, md5))
            if not matching:
                known = ", ".join(f"{source.tarball} {_accepted_text(source)}" for source in sources)
                job.problems.append(f"{path}: MD5 {md5} is not of a dataset asked for; expected one of: {known}")
            task.advance()
    return found


def bring_tarballs(
    job: Job,
    sources: Sequence[Source],
    fetcher: Fetcher | None,
    *,
    at_hand: Mapping[str, tuple[Path, str]],
    keep_archives: bool,
    patient: bool = True,
) -> None:
    """Make each dataset's folder hold what its tarball holds.

    Parameters
    ----------
    fetcher : None = nothing is fetched: all are at hand
    at_hand : of `find_archives`; they are read where they are and stay there
    keep_archives : leave fetched tarballs in the output
    patient : of `Wanted`

    Raises
    ------
    DownloadError
        If there is no room. A tarball that is refused (see `pipeline.download.archives`) is a problem of its dataset.
    """
    surveys: dict[str, Survey] = {}
    for source in sources:
        _add_report(job, source)
        expected = {name: entry.sha256 for name, entry in job.manifest.below(source.dataset.folder).items()}
        check_inside(job.output, [job.path(f"{source.dataset.folder}/x"), *map(job.path, expected)])
        surveys[source.dataset.name] = survey_files(job, expected)
    needed = [source for source in sources if _is_incomplete(job, source, surveys[source.dataset.name])]
    archives = dict(at_hand) | {
        name: found for name, found in _kept_archives(job, needed).items() if name not in at_hand
    }
    absent = [source for source in needed if source.dataset.name not in archives]
    check_space(job.output, [source.size_bytes for source in needed] + [source.size_bytes for source in absent])
    if fetcher is not None:
        archives |= _fetch(job, absent, fetcher, patient=patient)
    for source in needed:
        name = source.dataset.name
        if name in archives:
            try:
                _unpack(job, source, *archives[name], surveys[name])
            except OSError as error:
                if isinstance(error, NoRoomError):
                    raise
                if is_of_the_disk(error):
                    raise stopped_by(error, job.output) from error
                where = "" if isinstance(error, DownloadError) else f"{error.filename or archives[name][0]}: "
                job.reports[name].problems.append(f"{where}{error if not where else error.strerror or error}")
                continue
            if job.output in archives[name][0].parents and name not in at_hand and not keep_archives:
                archives[name][0].unlink()
    for source in sources:
        name = source.dataset.name
        count_survey(job, surveys[name], dict.fromkeys(job.manifest.below(source.dataset.folder), name))
        job.reports[name].n_files = len(job.manifest.below(source.dataset.folder))


def _add_report(job: Job, source: Source) -> None:
    job.reports[source.dataset.name] = DatasetReport(
        name=source.dataset.name,
        title=source.dataset.title,
        way="tarballs",
        folder=source.dataset.folder,
        expected_records=source.dataset.n_records,
        expected_disk_bytes=source.size_bytes,
    )


def _is_incomplete(job: Job, source: Source, found: Survey) -> bool:
    name = source.dataset.name
    return job.manifest.ways.get(name) != "tarballs" or name not in job.manifest.archives or bool(found.to_fetch)


def _kept_archives(job: Job, sources: Sequence[Source]) -> dict[str, tuple[Path, str]]:
    """Tarballs that an earlier run left in the output; a wrong one is put aside."""
    kept = {}
    for source in sources:
        path = job.path(source.tarball)
        if path.exists():
            md5 = hash_file(path, "md5")
            if issue_of(source, md5):
                kept[source.dataset.name] = (path, md5)
            else:
                bad = bad_path(path)
                path.rename(bad)
                job.notes.append(f"{path}: MD5 {md5}; expected {_accepted_text(source)}; kept as {bad.name}")
    return kept


def _fetch(job: Job, sources: Sequence[Source], fetcher: Fetcher, *, patient: bool) -> dict[str, tuple[Path, str]]:
    if not sources:
        return {}
    by_tarball = {source.tarball: source for source in sources}
    fetched: dict[str, tuple[Path, str]] = {}
    wanted = [
        Wanted(
            path=job.path(source.tarball),
            name=source.tarball,
            algorithm="md5",
            accepted=tuple(dict.fromkeys((source.md5_first, source.md5_last))),
            expected_bytes=source.size_bytes,
            most_bytes=most_bytes_of_tarball(source.size_bytes),
            refuse_html=True,
            patient=patient,
        )
        for source in sources
    ]

    def done(file: Fetched) -> None:
        fetched[by_tarball[file.wanted.name].dataset.name] = (file.wanted.path, file.hexdigest)
        job.manifest.came_from(file.origin)

    def failed(one: Wanted, reason: str) -> None:
        job.reports[by_tarball[one.name].dataset.name].missing[one.name] = (
            f"{reason}; the host of 2020 answers no more: name a copy with --mirror, or files on disk with --from"
        )

    with job.progress("download", sum(one.expected_bytes for one in wanted), "bytes") as task:
        fetcher.fetch(wanted, task, done, failed)
    return fetched


def _unpack(job: Job, source: Source, archive: Path, md5: str, found: Survey) -> None:
    name, folder = source.dataset.name, source.dataset.folder
    issue = issue_of(source, md5)
    assert issue is not None
    for wrong, digest in found.wrong.items():
        bad = job.put_aside(wrong)
        job.notes.append(f"{job.path(wrong)}: SHA-256 {digest}; differs from the tarball; kept as {bad.name}")
    bounds = Bounds(
        n_members=MEMBERS_PER_RECORD * source.dataset.n_records + _SPARE_MEMBERS,
        n_bytes=TIMES_PUBLISHED * source.size_bytes,
    )
    with job.progress(f"unpack {name}", source.size_bytes, "bytes") as task:
        unpacked = unpack(archive, job.path(folder), bounds, task)
    _count(job, name, unpacked, found)
    job.manifest.ways[name] = "tarballs"
    job.manifest.archives[name] = Archive(md5=md5, issue=issue)
    job.save()
    if job.verify:
        check_headers(job, [file.path.relative_to(job.output).as_posix() for file in unpacked], found)


def _count(job: Job, name: str, unpacked: Sequence[Unpacked], found: Survey) -> None:
    report = job.reports[name]
    counted = {*found.proven, *found.trusted}
    for file in unpacked:
        path = file.path.relative_to(job.output).as_posix()
        job.manifest.record(job.output, file.path, file.sha256)
        report.n_fetched += file.before != "same"
        report.n_repaired += file.before == "other" or path in found.wrong
        if path not in counted:
            report.n_verified += 1
    found.wrong, found.absent = {}, []


def _accepted_text(source: Source) -> str:
    return " or ".join(dict.fromkeys((source.md5_first, source.md5_last)))
