"""WFDB records in several segments, as MIMIC's: put together lead by lead, what lies between them missing.

Each segment is read as the record that it is, its size and checksums held like any other's. A gap has no file, so that
nothing tells its length but the header: how much may be missing is bounded by what is there.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import HeaderError, SignalError
from ecg12.ecg.headers.header import Header, parse_header
from ecg12.ecg.headers.segments import GAP, Segments, parse_segments
from ecg12.ecg.labels.annotations import parse_annotations
from ecg12.ecg.signals.adc import to_microvolts
from ecg12.ecg.signals.cleaning import check_checksum
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS, canonical_lead
from ecg12.ecg.signals.recording import Recording, make_recording
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.files import read_header_text
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.formats.wfdb.sampling import sampling_of
from ecg12.pipeline.formats.wfdb.signals import check_files

GAP_SAMPLES, GAP_RATIO = 2**22, 16
"""Samples of all leads together that gaps may make up, and beyond them as a multiple of those that are there."""


def read_segments(path: Path, text: str, told: InputConfig) -> Recording:
    """The standard leads of the record in several segments whose header `text` is that at `path`; all if none is.

    Raises
    ------
    ChecksumError, HeaderError, LeadError, SignalError
        If a segment cannot be read, is another than the header says, or has leads of another rate.
    """
    whole = parse_segments(text)
    headers = {name: _header_of(path, name) for name, _ in whole.parts if name != GAP}
    leads = _leads_of(headers, whole)
    fs, spf = _rate_of(path, headers, leads)
    lengths = [length * spf for _, length in whole.parts]
    _check_lengths(path, whole, headers, lengths, len(leads))
    signal = np.full((len(leads), sum(lengths)), np.nan, np.float32)
    notes: list[str] = []
    for (name, _), part in zip(whole.parts, _places(lengths), strict=True):
        mine = [lead for lead in leads if name in headers and lead in _names(headers[name])]
        if part.stop == part.start or not mine:
            continue
        record = read_record(path.with_name(f"{name}.hea"), mine)
        if (record.fs, record.n_samples) != (fs, part.stop - part.start):
            raise HeaderError(
                f"{path.stem}: segment {name} has {record.n_samples:,} samples at {record.fs:g} Hz; expected "
                f"{part.stop - part.start:,} at {fs:g} Hz, as the whole's header states"
            )
        wrong = check_checksum(record, reject=told.bad_checksum == "reject")
        if wrong:
            of = ", ".join(record.leads[row] for row in wrong)
            notes.append(f"segment {name} lead {of}: taken although the samples do not match the header's checksum")
        notes.extend(f"segment {name}: {note}" for note in record.notes)
        signal[[leads.index(lead) for lead in record.leads], part] = _microvolts(record)
    first = next(iter(headers.values()))
    annotations = parse_annotations(whole.comments or first.comments)
    return make_recording(
        path.stem,
        signal,
        leads,
        fs,
        age=annotations.age,
        sex=annotations.sex,
        dx_codes=annotations.dx_codes,
        notes=tuple(notes),
    )


def measure_segments(path: Path, text: str) -> tuple[float, int, str]:
    """Sampling frequency (Hz) and length (samples) of the whole, and the text of all its headers.

    Raises
    ------
    HeaderError, SignalError
        As `read_segments`, for what the headers tell.
    """
    whole = parse_segments(text)
    names = dict.fromkeys(name for name, _ in whole.parts if name != GAP)
    texts = {name: read_header_text(path.with_name(f"{name}.hea")) for name in names}
    headers = {name: _header_of(path, name) for name in names}
    leads = _leads_of(headers, whole)
    fs, spf = _rate_of(path, headers, leads)
    lengths = [length * spf for _, length in whole.parts]
    _check_lengths(path, whole, headers, lengths, len(leads))
    return fs, sum(lengths), "\n".join([text, *texts.values()])


def _header_of(path: Path, name: str) -> Header:
    try:
        return parse_header(read_header_text(path.with_name(f"{name}.hea")))
    except HeaderError as error:
        error.args = (f"{path.stem}: segment {name}: {error}",)
        raise


def _names(header: Header) -> list[str]:
    return [canonical_lead(spec.description or "") for spec in header.signals]


def _leads_of(headers: dict[str, Header], whole: Segments) -> list[str]:
    """The standard leads of any segment, in their order; if there are none, whatever the first has."""
    found = {lead for name, length in whole.parts if name != GAP and length for lead in _names(headers[name])}
    if not found:
        raise HeaderError(f"{whole.name}: segments without any sample; expected one at least")
    standard = [lead for lead in LEADS if lead in found]
    first = next(name for name, length in whole.parts if name != GAP and length)
    return standard or list(dict.fromkeys(_names(headers[first])))


def _rate_of(path: Path, headers: dict[str, Header], leads: Sequence[str]) -> tuple[float, int]:
    """Sampling frequency of the leads, Hz, and their samples a frame, by the first segment that has any."""
    for name, header in headers.items():
        specs = [spec for spec in header.signals if canonical_lead(spec.description or "") in leads]
        if specs and specs[0].file_name != GAP:
            fs, _ = sampling_of(path.with_name(f"{name}.hea"), header, leads)
            return fs, specs[0].samples_per_frame or 1
    raise HeaderError(f"{path.stem}: no segment has a signal file; expected one at least")


def _places(lengths: Sequence[int]) -> Iterator[slice]:
    begin = 0
    for length in lengths:
        yield slice(begin, begin + length)
        begin += length


def _microvolts(record: Record) -> NDArray[np.float32]:
    """A segment's samples, float32 (lead, sample), NaN where one is missing."""
    with np.errstate(over="ignore", invalid="ignore"):
        return to_microvolts(
            record.signal, record.adc_gain, record.baseline, invalid_sample=record.invalid_sample, leads=record.leads
        )


def _check_lengths(
    path: Path, whole: Segments, headers: dict[str, Header], lengths: Sequence[int], n_leads: int
) -> None:
    """Refuse more samples than the segments' files can hold, and gaps beyond all measure, before room is made."""
    held = 0
    for (name, n_frames), length in zip(whole.parts, lengths, strict=True):
        if length and name != GAP:
            check_files(path.with_name(f"{name}.hea"), headers[name], n_frames)
            held += length
    missing = (sum(lengths) - held) * n_leads
    if missing > GAP_SAMPLES + GAP_RATIO * held * n_leads:
        raise SignalError(
            f"{path.stem}: gaps of {missing // n_leads:,} samples between segments of {held:,}; expected at most "
            f"{GAP_RATIO} times as many: read the segments as records"
        )
