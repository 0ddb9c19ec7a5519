"""What a recording's file announces before its samples are wanted: rate, length, and a digest to know it by again.

Headers tell where a format has them, and lines are counted where a table is plain; any other table, a MATLAB workspace,
a DICOM file or a plugin's file is read for it. No format but WFDB has checksums in its header, so a file is known again
by all its bytes, unless it is long.
"""

import hashlib
from dataclasses import dataclass

from ecg12.pipeline.files.regular_files import open_regular
from ecg12.pipeline.formats.bare_arrays import measure_npy
from ecg12.pipeline.formats.edf.reading import measure_edf
from ecg12.pipeline.formats.text_tables.reading import measure_table
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import FoundInput
from ecg12.pipeline.recordings.reader_registry import read_input

TOLD_BY_HEADERS = ("edf", "npy", "wfdb")
"""Kinds that need not be read to be measured."""

HASHED_WHOLE = 2**20
"""Bytes of a file with a header: a longer one is known by its header and size."""

_BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Announced:
    """What is known of a recording before it is converted.

    Attributes
    ----------
    fs : sampling frequency, Hz
    n_samples : of each lead
    digest : SHA-256 of the file, of a long one with a header of that and its size
    """

    fs: float
    n_samples: int
    digest: str


def announce(found: FoundInput, told: InputConfig) -> Announced:
    """What a file that is no WFDB header announces.

    Raises
    ------
    HeaderError, LeadError, SignalError
        If it cannot be read, or lacks what was not told either.
    """
    if found.kind in TOLD_BY_HEADERS:
        fs, n_samples, head = (measure_edf if found.kind == "edf" else measure_npy)(found.path, told)
        size = found.path.stat().st_size
        if size > HASHED_WHOLE:
            return Announced(fs, n_samples, hashlib.sha256(f"{size} {head!r}".encode()).hexdigest())
        return Announced(fs, n_samples, _digest_of_file(found))
    counted = measure_table(found.path, told) if found.kind == "table" else None
    if counted is None:
        read = read_input(found, told, found.path.stem)
        counted = read.fs, read.n_samples
    return Announced(*counted, _digest_of_file(found))


def _digest_of_file(found: FoundInput) -> str:
    digest = hashlib.sha256()
    with open_regular(found.path) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
