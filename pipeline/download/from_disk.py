"""Files that are on disk already (`--from`): a release, tarballs, or any folder of records, taken without the network.

What is given is only read. A release is copied file by file against its own list; tarballs are unpacked where they
are; of a folder without either, records are told by their headers and proven by the headers' checksums, which is all
there is to prove them by.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ecg12.ecg.errors import DownloadError, EcgError, InputError
from ecg12.ecg.headers.header import Header
from ecg12.ecg.signals.quality import checksum_mismatches
from ecg12.pipeline.download.compare_folder import Survey, check_headers, count_survey, survey_files
from ecg12.pipeline.download.job import DatasetReport, Job, check_space
from ecg12.pipeline.download.paths import check_inside
from ecg12.pipeline.download.prove_files import hash_file
from ecg12.pipeline.download.sources import RELEASE_LIST, SOURCES, Source
from ecg12.pipeline.files.folders import files_below
from ecg12.pipeline.formats.wfdb.files import read_header
from ecg12.pipeline.formats.wfdb.find_headers import FoundRecord, find_records
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.formats.wfdb.sampling import challenge_dataset
from ecg12.pipeline.http.disk_space import Room, is_of_the_disk, stopped_by
from ecg12.pipeline.http.part_file import Partial
from ecg12.pipeline.http.wanted_files import Fetched, Wanted
from ecg12.pipeline.runtime.progress import Task

TARBALL_SUFFIXES = (".tar.gz", ".tgz", ".tar")
LOCAL = "local files"
"""What the manifest says of where they came from: never a path."""

_BLOCK_BYTES = 1 << 20


class FolderFetcher:
    """Brings files of a release from a folder on disk, but none longer than `max_file_bytes`, or than wanted."""

    def __init__(self, root: Path, max_file_bytes: int | None = None) -> None:
        self.root = root
        self.max_file_bytes = max_file_bytes
        self.notes: list[str] = []

    def fetch(
        self,
        wanted: Sequence[Wanted],
        task: Task,
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
        *,
        most_bytes: int | None = None,
    ) -> None:
        """Copy each file and tell each outcome once; a copy with a wrong digest is not kept.

        `most_bytes` has no meaning here: what is on a disk has an end.

        Raises
        ------
        DownloadError
            If the disk is full, or nearly so.
        """
        room = Room()
        for one in wanted:
            partial = Partial(path=one.path, algorithm=one.algorithm)
            try:
                reason = self._copy(one, partial, task, room)
            except OSError as error:  # of this file: it cannot be read, or a folder stands in its place
                if isinstance(error, DownloadError):
                    raise
                if is_of_the_disk(error):
                    raise stopped_by(error, one.path.parent) from error
                reason = f"{error.filename or one.path}: {error.strerror or error}"
            finally:
                partial.close()
            if reason:
                on_failed(one, reason)
            else:
                on_done(Fetched(wanted=one, size=partial.size, hexdigest=partial.hexdigest(), origin=LOCAL))

    def _copy(self, wanted: Wanted, partial: Partial, task: Task, room: Room) -> str | None:
        """None, or why the file could not be taken."""
        source = self.root / wanted.name
        if not source.is_file():
            return f"{source}: {'is no regular file' if source.exists() else 'not there'}"
        size, most = source.stat().st_size, self.max_file_bytes or wanted.most_bytes
        if most is not None and size > most:
            return (
                f"{source}: {size:,} bytes; expected at most {most:,} of such a file (--max-file-size lifts the bound)"
            )
        partial.open()
        if partial.size:
            partial.start_anew()
        with source.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                partial.write(block)
                room.take(wanted.path, len(block))
                task.advance(len(block))
        if wanted.accepted and partial.hexdigest() not in wanted.accepted:
            found = partial.hexdigest()
            partial.start_anew()
            return f"{source}: {wanted.algorithm} {found}; expected {' or '.join(wanted.accepted)}"
        partial.finish()
        return None


def is_release(given: Path) -> bool:
    """Whether the folder has the release's list at its root."""
    return (given / RELEASE_LIST).is_file()


def find_tarballs(given: Path) -> list[Path]:
    """The tarball given, or all in the folder given.

    Raises
    ------
    InputError
        If there is nothing of that name, or another kind of file.
    """
    if given.is_file():
        if not given.name.endswith(TARBALL_SUFFIXES):
            raise InputError(
                f"{given}: expected a folder or a tarball ({', '.join(TARBALL_SUFFIXES)}); unpack it first"
            )
        return [given]
    if not given.is_dir():
        found = "is no folder and no regular file" if given.exists() else "does not exist"
        raise InputError(f"{given}: {found}; expected tarballs, a release, or a folder of records")
    return sorted(path for path in files_below(given, lambda name: name.endswith(TARBALL_SUFFIXES)) if path.is_file())


def bring_folder(
    job: Job, sources: Sequence[Source], given: Path | None, everything: Sequence[Source] = SOURCES
) -> None:
    """Make each dataset's folder hold the records of `given`; None proves what an earlier run took.

    Parameters
    ----------
    everything : datasets of the release, of which those that are not wanted are left where they are

    Raises
    ------
    InputError
        If no record is there.
    DownloadError
        If there is no room.
    """
    for source in sources:
        _add_report(job, source)
    taken = {source.dataset.name: _survey(job, source) for source in sources}
    if given is not None:
        _take_records(job, sources, given, taken, everything)
    for source in sources:
        name = source.dataset.name
        for wrong, digest in taken[name].wrong.items():
            job.reports[name].problems.append(
                f"{job.path(wrong)}: SHA-256 {digest}; expected {job.manifest.files[wrong].sha256}, as it was taken: "
                "move it away, and take it again with --from"
            )
        for absent in taken[name].absent:
            job.reports[name].missing[absent] = "was here: take it again with --from"
        below = job.manifest.below(source.dataset.folder)
        count_survey(job, taken[name], dict.fromkeys(below, name))
        job.reports[name].n_files = len(below)
        job.reports[name].problems += job.reports[name].headers_wrong


def _add_report(job: Job, source: Source) -> None:
    job.reports[source.dataset.name] = DatasetReport(
        name=source.dataset.name,
        title=source.dataset.title,
        way="folder",
        folder=source.dataset.folder,
        expected_records=source.dataset.n_records,
        expected_disk_bytes=source.size_bytes,
    )


def _survey(job: Job, source: Source) -> Survey:
    expected = {name: entry.sha256 for name, entry in job.manifest.below(source.dataset.folder).items()}
    check_inside(job.output, [job.path(f"{source.dataset.folder}/x"), *map(job.path, expected)])
    return survey_files(job, expected)


def _take_records(
    job: Job, sources: Sequence[Source], given: Path, taken: dict[str, Survey], everything: Sequence[Source]
) -> None:
    found = find_records([given])
    folders = {source.dataset.name: source.dataset.folder for source in sources}
    files = [
        (name, [record.local_path, *signals], f"{folders[name]}/")
        for record, name, signals in _of_datasets(job, found, {source.dataset.name for source in everything})
        if name in folders
    ]
    check_space(job.output, [path.stat().st_size for _, paths, _ in files for path in paths if path.exists()])
    came: dict[str, list[str]] = {source.dataset.name: [] for source in sources}
    known = frozenset(name for survey in taken.values() for name in (*survey.proven, *survey.trusted))
    # a record that differs from what is here is not taken, so a wrong file stays wrong
    with job.progress("take records", len(files), "records") as task:
        for name, paths, folder in files:
            try:
                came[name] += _take_record(job, name, paths, folder, known)
            except OSError as error:  # of this record: it cannot be read, or a folder stands in its place
                if is_of_the_disk(error):
                    raise stopped_by(error, job.output) from error
                text = f"{error.filename or paths[0]}: {error.strerror or error}; not taken"
                job.reports[name].problems.append(text)
            task.advance()
    for name, names in came.items():
        taken[name].absent = [absent for absent in taken[name].absent if absent not in set(names)]
        if names:
            job.manifest.ways[name] = "folder"
            job.manifest.came_from(LOCAL)
        if job.verify:
            check_headers(job, names, taken[name])


def _of_datasets(
    job: Job, found: Sequence[FoundRecord], known: Collection[str]
) -> Iterator[tuple[FoundRecord, str, list[Path]]]:
    """Record, dataset and signal files of those that are of one of the known datasets; others are noted."""
    n_others = 0
    for record in found:
        try:
            header: Header = read_header(record.path)
        except EcgError as error:
            job.problems.append(f"{record.path}: {error}")
            continue
        dataset = challenge_dataset(header)
        if dataset is None or dataset.name not in known:
            n_others += 1
            continue
        names = dict.fromkeys(Path(spec.file_name).name for spec in header.signals)
        yield record, dataset.name, [record.local_path.with_name(name) for name in names]
    if n_others:
        job.notes.append(
            f"{n_others:,} records are of none of the datasets of {job.manifest.release} and were left where they are"
        )


def _take_record(job: Job, name: str, paths: Sequence[Path], folder: str, known: frozenset[str]) -> list[str]:
    """Names of the files that are here now; a damaged record, or one that differs from what is here, is a problem."""
    report = job.reports[name]
    try:
        wrong = checksum_mismatches(read_record(paths[0], leads=None))
        if wrong:
            report.problems.append(f"{paths[0]}: the samples do not have the header's checksums; not taken")
            return []
    except EcgError as error:
        report.problems.append(f"{paths[0]}: {error}; not taken")
        return []
    came = []
    for path in paths:
        target = job.path(folder + path.name)
        digest = hash_file(path, "sha256")
        if target.exists():
            if hash_file(target, "sha256") != digest:
                report.problems.append(f"{path}: differs from {target}, which was left as it is; move one of them away")
                continue
        else:
            _copy_file(path, target)
            report.n_fetched += 1
        report.n_verified += folder + path.name not in known
        job.manifest.record(job.output, target, digest)
        came.append(folder + path.name)
    return came


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)
