"""Bringing the corpus: from hosts or from disk, proven, resumable, and told in a table and a manifest.

The steps are the same whatever the way: look at what is there, fetch what is missing or wrong, check the records'
own checksums if asked to, count. Only one process at a time works on a folder.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ecg12.ecg.errors import ConfigError, EcgError, InputError
from ecg12.pipeline.download.from_disk import FolderFetcher, bring_folder, find_tarballs, is_release
from ecg12.pipeline.download.job import DatasetReport, Job, locked
from ecg12.pipeline.download.manifest import WAYS, Archive, read_manifest
from ecg12.pipeline.download.patient_table import bring_table, places_of_mirrors, places_on_disk, published_places
from ecg12.pipeline.download.release import OTHER, bring_release
from ecg12.pipeline.download.sources import (
    DEFAULT_RELEASE,
    PTBXL_TABLE,
    RELEASE_LIST,
    RELEASES,
    TARBALL_HOSTS,
    PatientTable,
    Release,
    Source,
)
from ecg12.pipeline.download.tarballs import bring_tarballs, find_archives
from ecg12.pipeline.files.folders import files_below
from ecg12.pipeline.formats.wfdb.find_headers import is_header
from ecg12.pipeline.http.hosts import make_hosts
from ecg12.pipeline.http.transfer import HttpFetcher
from ecg12.pipeline.http.wanted_files import TransferConfig
from ecg12.pipeline.runtime.progress import Progress, silent

RELEASE_NAMES = tuple(RELEASES)
DATASET_NAMES = tuple(dict.fromkeys(name for release in RELEASES.values() for name in release.names))
HOST_WAYS = ("release", "tarballs")
SIZE_TOLERANCE = 0.1
"""Published sizes have two or three digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadConfig:
    """What to bring.

    Attributes
    ----------
    release : one of `RELEASE_NAMES`; None = the one that is in the folder, else that of 2020
    datasets : names, as in `ecg.datasets`, or folders of ptb-xl; None = what the release brings by default
    source : "release" or "tarballs"; None = each dataset the way it came before, else the release
    mirrors : addresses that take the place of the published hosts, in the order they are tried
    given : a folder or tarball on disk that takes the place of all hosts
    verify : read and prove every file, and check every record against its header
    keep_archives : leave tarballs after they were unpacked
    """

    release: str | None = None
    datasets: tuple[str, ...] | None = None
    source: str | None = None
    mirrors: tuple[str, ...] = ()
    given: Path | None = None
    verify: bool = False
    keep_archives: bool = False

    def __post_init__(self) -> None:
        if self.release is not None and self.release not in RELEASES:
            raise ConfigError(f"release {self.release!r}; expected {' or '.join(RELEASE_NAMES)}")
        names = DATASET_NAMES if self.release is None else RELEASES[self.release].names
        unknown = [name for name in self.datasets or () if name not in names]
        if unknown or self.datasets == ():
            elsewhere = [one.name for one in RELEASES.values() if unknown and set(unknown) <= set(one.names)]
            hint = f", or --release {elsewhere[0]}" if elsewhere else ""
            raise ConfigError(f"datasets {', '.join(unknown) or 'none'}; expected some of {', '.join(names)}{hint}")
        if self.source not in (None, *HOST_WAYS):
            raise ConfigError(f"source {self.source!r}; expected {' or '.join(HOST_WAYS)}")
        if self.given is not None and (self.mirrors or self.source):
            raise ConfigError("--from takes files on disk; expected it without --source and --mirror")
        if self.source == "tarballs" and self.release is not None and not RELEASES[self.release].has_tarballs:
            raise ConfigError(f"{self.release} has no published tarballs; expected --source release")


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadSummary:
    """What is there now.

    Attributes
    ----------
    reports : of each dataset, in the table's order, and of the release's other files
    archives : dataset → tarball that was unpacked, with the issue that its MD5 is of
    notes : what the user should know of how it went
    problems : why the run is no success; empty = all is there and proven
    patients : the table of patients, how it came and how it is proven; None where it was not wanted or is missing
    interrupted : by Ctrl-C; the same command goes on
    """

    output: Path
    reports: tuple[DatasetReport, ...]
    archives: dict[str, Archive]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    patients: str | None
    verify: bool
    interrupted: bool
    seconds: float


def download(
    output: Path,
    config: DownloadConfig,
    *,
    transfer: TransferConfig,
    workers: int = 1,
    progress: Progress = silent,
    sources: Sequence[Source] | None = None,
    table: PatientTable | None = PTBXL_TABLE,
) -> DownloadSummary:
    """Bring datasets into the folder `output`, and with the Challenge's PTB-XL the table of its patients.

    Parameters
    ----------
    workers : processes that prove files
    sources : where each dataset of the release is; None = as published
    table : the table of patients that belongs beside its dataset; None leaves it out

    Raises
    ------
    ConfigError
        If a mirror is no address, or the folder's release has no such dataset or no tarballs.
    InputError
        If `output` is a file or holds another release, or `config.given` holds nothing to take.
    DownloadError
        If another process works on `output`, there is no room for what is to come, the list of the release cannot be
        had, or something that came is refused. Files that only could not be had are in the summary's problems.
    """
    begun = time.perf_counter()
    make_hosts(config.mirrors)
    if config.given is not None and output.resolve() == config.given.resolve():
        raise InputError(f"{output}: is given with --from and is the output; expected two folders: leave out --from")
    with locked(output):
        job = Job(
            output=output,
            manifest=read_manifest(output),
            verify=config.verify,
            workers=workers,
            progress=progress,
        )
        release = _release_of(job, config)
        config = replace(config, release=release.name, datasets=config.datasets or release.default)
        release = release if sources is None else replace(release, sources=tuple(sources))
        job.manifest.release = release.name
        interrupted, patients = False, None
        try:
            _bring(job, config, transfer, release)
            if release.table is not None and table is not None and table.dataset in (config.datasets or ()):
                patients = _bring_table(job, config, transfer, table, release)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            _close(job, release.sources)
    problems = [] if interrupted else [*job.problems, *_problems_of(job)]
    return DownloadSummary(
        output=output,
        reports=tuple(job.reports.values()),
        archives={name: job.manifest.archives[name] for name in job.reports if name in job.manifest.archives},
        notes=tuple(job.notes),
        problems=tuple(problems),
        patients=patients,
        verify=config.verify,
        interrupted=interrupted,
        seconds=time.perf_counter() - begun,
    )


def _release_of(job: Job, config: DownloadConfig) -> Release:
    """The one that is asked for, or that the folder has: releases share names of files, each has its own list."""
    held = job.manifest.release if job.manifest.ways else None
    if held is not None and config.release not in (None, held):
        raise InputError(
            f"{job.output}: holds the release {held}; expected a folder of its own for {config.release}: name another "
            "--output"
        )
    return RELEASES[config.release or held or DEFAULT_RELEASE]


def _bring(job: Job, config: DownloadConfig, transfer: TransferConfig, release: Release) -> None:
    everything = release.sources
    wanted = [source for source in everything if source.dataset.name in (config.datasets or ())]
    if config.given is not None:
        fetcher = FolderFetcher(config.given, transfer.max_file_bytes)
        _bring_given(job, config.given, wanted, release, fetcher, keep_archives=config.keep_archives)
        return
    ways = {source.dataset.name: config.source or _way_of(job, source) for source in wanted}
    by_way = {way: [source for source in wanted if ways[source.dataset.name] == way] for way in WAYS}
    # an explicit mirror takes the hosts' place: who names one may not reach, or not want, the others
    if by_way["release"]:
        hosts = HttpFetcher(make_hosts(config.mirrors or release.hosts), transfer)
        bring_release(job, by_way["release"], release, hosts)
        job.notes += hosts.notes
    if by_way["tarballs"]:
        hosts = HttpFetcher(make_hosts(config.mirrors or TARBALL_HOSTS), transfer)
        bring_tarballs(
            job,
            by_way["tarballs"],
            hosts,
            at_hand={},
            keep_archives=config.keep_archives,
            patient=bool(config.mirrors),
        )
        job.notes += hosts.notes
    if by_way["folder"]:
        bring_folder(job, by_way["folder"], None, everything)


def _way_of(job: Job, source: Source) -> str:
    return job.manifest.ways.get(source.dataset.name, "release")


def _bring_given(
    job: Job,
    given: Path,
    wanted: Sequence[Source],
    release: Release,
    fetcher: FolderFetcher,
    *,
    keep_archives: bool,
) -> None:
    if is_release(given):
        bring_release(job, wanted, release, fetcher)
        return
    tarballs = find_tarballs(given)
    if release.table is None or (tarballs and not release.has_tarballs):
        raise InputError(
            f"{given}: has no {RELEASE_LIST}; expected the release {release.name} as it was unpacked, with its list"
        )
    at_hand = find_archives(tarballs, wanted, job)
    unpacked = [source for source in wanted if source.dataset.name in at_hand]
    if unpacked:
        bring_tarballs(job, unpacked, None, at_hand=at_hand, keep_archives=keep_archives)
    if not tarballs or (given.is_dir() and len(unpacked) < len(wanted) and any(files_below(given, is_header))):
        bring_folder(job, [source for source in wanted if source not in unpacked], given, release.sources)
    absent = [source.dataset.name for source in wanted if source.dataset.name not in job.reports]
    if absent:
        job.problems.append(
            f"{given}: holds nothing of {', '.join(absent)}; take it from elsewhere, or leave it out with --datasets"
        )


def _bring_table(
    job: Job, config: DownloadConfig, transfer: TransferConfig, table: PatientTable, release: Release
) -> str | None:
    """How the table of patients came, or None: a note says why, where another place than the published was named.

    Such a place may well have the data and no table; the published hosts have both.
    """
    if config.given is not None:
        places = places_on_disk(table, config.given, transfer)
    elif config.mirrors:
        places = places_of_mirrors(table, config.mirrors, transfer, release.place)
    else:
        places = published_places(table, transfer)
    try:
        return f"{job.path(table.file)}: {bring_table(job, table, places)}"
    except EcgError as error:
        text = (
            f"{job.path(table.file)}, the table of {table.dataset}'s patients, is missing: {error}; without it a split "
            f"may have one patient on both sides: fetch it from {table.hosts[-1]}/{table.file}"
        )
        elsewhere = config.given is not None or config.mirrors or job.manifest.ways.get(table.dataset) == "folder"
        (job.notes if elsewhere else job.problems).append(text)
        return None


def _close(job: Job, sources: Sequence[Source]) -> None:
    """Measure what is there, and write it down: after a failure, too."""
    order = [source.dataset.name for source in sources] + [OTHER]
    job.reports = {name: job.reports[name] for name in order if name in job.reports}
    for report in job.reports.values():
        if report.name != OTHER:
            report.measure(job.output)
    job.notes += _notes_on_sizes(job)
    told = {"notes": job.notes, "problems": [*job.problems, *_problems_of(job)]}
    job.manifest.report |= {name: asdict(report) for name, report in job.reports.items()} | told
    job.save()


def _notes_on_sizes(job: Job) -> Iterator[str]:
    """On datasets with all their records that take another room than published: a hint, for that was rounded."""
    for report in job.reports.values():
        expected = report.expected_disk_bytes
        complete = report.n_records == report.expected_records and not report.missing
        if complete and abs(report.disk_bytes - expected) > SIZE_TOLERANCE * expected:
            yield (
                f"{report.name}: {job.output / report.folder} takes {report.disk_bytes / 1e6:,.0f} MB; "
                f"expected about {expected / 1e6:,.0f} MB as published: look for files that do not belong there"
            )


def _problems_of(job: Job) -> Iterator[str]:
    for report in job.reports.values():
        yield from report.problems
        if report.missing:
            name, reason = next(iter(report.missing.items()))
            more = f"; and {len(report.missing) - 1:,} more files" if len(report.missing) > 1 else ""
            yield f"{report.name}: {name} is missing: {reason}{more}; the same command tries again"
        elif report.n_records != report.expected_records:
            yield (
                f"{report.name}: {report.n_records:,} records in {job.output / report.folder}; "
                f"expected {report.expected_records:,}: "
                + ("take the rest" if report.n_records < report.expected_records else "look for strays there")
            )
