"""Comparing a folder with the digests its files must have: what is good, wrong or absent, and what the headers say."""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecg12.pipeline.download.job import Job
from ecg12.pipeline.download.prove_files import Proof, prove_files


@dataclass(kw_only=True, slots=True)
class Survey:
    """Names by what was found; `records` has, for each header that was checked, its proof.

    Attributes
    ----------
    proven : read, and right
    trusted : not read: proven by an earlier run and not touched since
    wrong : name → the digest that was found
    absent : not there
    blocked : name → why nothing can be done: a folder stands there, or it cannot be read
    """

    proven: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    blocked: dict[str, str] = field(default_factory=dict)
    records: dict[str, Proof] = field(default_factory=dict)

    @property
    def to_fetch(self) -> list[str]:
        """What must come (again)."""
        return [*self.wrong, *self.absent]


def survey_files(job: Job, expected: Mapping[str, str]) -> Survey:
    """Look at every file of `expected` (posix name → SHA-256).

    With `job.verify` each is read, and the samples of each record are held against its header; without, files that the
    manifest knows with this digest, and that were not touched since, are trusted.
    """
    found = Survey()
    to_read: list[str] = []
    n_bytes = 0
    for name, digest in expected.items():
        try:
            status = job.path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            found.absent.append(name)
            continue
        except OSError as error:  # a link in a circle, a folder that may not be looked into
            found.blocked[name] = f"{job.path(name)}: {error.strerror or error}; move it away"
            continue
        if not stat.S_ISREG(status.st_mode):
            found.blocked[name] = f"{job.path(name)}: is no regular file; move it away"
            continue
        entry = job.manifest.files.get(name)
        if not job.verify and entry is not None and entry.sha256 == digest and entry.fits(status):
            found.trusted.append(name)
        else:
            to_read.append(name)
            n_bytes += status.st_size
    _read(job, to_read, n_bytes, expected, found)
    return found


def _read(job: Job, names: Sequence[str], n_bytes: int, expected: Mapping[str, str], found: Survey) -> None:
    if not names:
        return
    proofs = prove_files([job.path(name) for name in names], headers=job.verify, workers=job.workers)
    with job.progress("verify", n_bytes, "bytes") as task:
        for done, (name, proof) in enumerate(zip(names, proofs, strict=True), start=1):
            task.advance(proof.size, files=f"{done:,}/{len(names):,}")
            if proof.unreadable:
                found.blocked[name] = f"{proof.path}: {proof.unreadable}; make it readable, or move it away"
            elif proof.sha256 is None:  # gone since it was listed
                found.absent.append(name)
            elif proof.sha256 != expected[name]:
                found.wrong[name] = proof.sha256
            else:
                found.proven.append(name)
                job.manifest.record(job.output, proof.path, proof.sha256)
            if proof.record is not None:
                found.records[name] = proof


def check_headers(job: Job, names: Sequence[str], found: Survey) -> None:
    """Check (again) the records of files that have come or changed; `names` may be of headers and signals alike."""
    headers = sorted({f"{name.rpartition('.')[0]}.hea" for name in names})
    paths = [job.path(name) for name in headers if job.path(name).exists()]
    with job.progress("check records", len(paths), "records") as task:
        for proof in prove_files(paths, headers=True, workers=job.workers):
            found.records[proof.path.relative_to(job.output).as_posix()] = proof
            task.advance()


def count_survey(job: Job, found: Survey, dataset_of: Mapping[str, str]) -> None:
    """Add to the reports what was found; `dataset_of` names the report of each file."""
    for name in found.proven:
        job.reports[dataset_of[name]].n_verified += 1
    for name in found.trusted:
        job.reports[dataset_of[name]].n_trusted += 1
    for name, reason in found.blocked.items():
        job.reports[dataset_of[name]].missing[name] = reason
    for name, proof in found.records.items():
        report = job.reports[dataset_of[name]]
        report.unstated += proof.unstated
        if proof.record:
            report.headers_wrong.append(proof.record)
        else:
            report.headers_right += 1
