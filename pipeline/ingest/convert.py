"""One record from its files to the store's int16 microvolts and its row of the tables.

A WFDB record that has the store's leads is taken from adu all the way, which is what nearly all are and what is
quickest. Any other comes from its reader as a recording in microvolts, with its samples in adu beside it where its
file has whole numbers, and lacks or gets leads as `predict` has it.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import RecordRow, StoreConfig
from ecg12.cache.stated import NOTHING, Stated
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import EcgError, HeaderError, LeadError, StoreError
from ecg12.ecg.headers.segments import is_multi_segment
from ecg12.ecg.signals.adc import STORE_LIMIT_UV, to_digital
from ecg12.ecg.signals.cleaning import check_checksum, clean_samples, lead_offsets
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.filters import filter_zero_phase
from ecg12.ecg.signals.leads import LEADS, plan_leads
from ecg12.ecg.signals.quality import OFFSET_LIMIT_UV, LeadFlag, compute_scale, railed_leads
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.resample import resample
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.files import read_header_text
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.find_sources import WFDB
from ecg12.pipeline.ingest.plan import TOLD_NOTHING, PlannedRecord
from ecg12.pipeline.recordings.find_recordings import FoundInput
from ecg12.pipeline.recordings.reader_registry import complete_as_told, read_input

READER = "reader"
"""Kind of the remarks in which a reader says what it took otherwise than a file has it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What the store wants of a record: samples in microvolts of its leads, and what is known of them."""

    samples_uv: NDArray[np.float32] | NDArray[np.int16]
    flags: NDArray[np.uint16]
    n_invalid: int
    digest: str
    fs: float
    n_samples: int
    age: float | None
    sex: str | None
    dx_codes: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...]
    states_none: bool = False


def convert_record(
    planned: PlannedRecord, start: int, config: StoreConfig, told: InputConfig = TOLD_NOTHING
) -> tuple[NDArray[np.int16], RecordRow]:
    """One record from its files to the store's int16 microvolts and its row of the tables.

    Parameters
    ----------
    told : what its file does not say itself

    Raises
    ------
    ChecksumError
        If the samples do not match the header's checksum and the configuration rejects such records.
    HeaderError, LeadError, SignalError
        If it cannot be read, or is not what its header announced when the build was planned.
    """
    read = _read(planned, config, told)
    signal_uv = resample(read.samples_uv, read.fs, config.fs)
    if signal_uv.shape[1] != planned.length:
        raise StoreError(f"{planned.name}: {signal_uv.shape[1]} samples; the plan says {planned.length}")
    signal_uv = filter_zero_phase(signal_uv, config.fs, highpass=config.highpass, notch=config.notch)
    flags = read.flags
    stored, n_clipped, offset = _store_form(signal_uv, flags)
    return stored, RecordRow(
        dataset=planned.dataset,
        name=planned.name,
        start=start,
        length=planned.length,
        fs_source=read.fs,
        n_samples_source=read.n_samples,
        age=read.age,
        sex=read.sex,
        group=planned.group,
        scale=float(compute_scale(stored)),
        n_invalid=read.n_invalid,
        n_clipped=n_clipped,
        digest=read.digest,
        lead_flags=tuple(flags.tolist()),
        offset=tuple(offset.tolist()),
        dx_codes=read.dx_codes,
        remarks=read.remarks,
        stated=Stated(annotated=True) if read.states_none else NOTHING,
    )


def _read(planned: PlannedRecord, config: StoreConfig, told: InputConfig) -> _Source:
    """The store's leads of a record, by the way that suits it."""
    if planned.kind != WFDB or told.tells_of_samples:
        return _read_any(planned, config, told)
    try:
        # as the file has it, for the digest; then lead by lead, for everything else
        record = read_record(planned.path, config.leads, by_lead=False)
    except (HeaderError, LeadError) as error:
        if isinstance(error, HeaderError) and not _has_segments(planned.path):
            raise
        return _read_rather(planned, config, told, error)
    _check_planned(planned, record.fs, record.n_samples)
    digest, record = source_digest(record), record.by_lead()
    mismatches = check_checksum(record, reject=config.bad_checksum == "reject")
    samples_uv, flags, n_invalid = clean_samples(record, mismatches)
    return _Source(
        samples_uv=samples_uv,
        flags=flags,
        n_invalid=n_invalid,
        digest=digest,
        fs=record.fs,
        n_samples=record.n_samples,
        age=record.age,
        sex=record.sex,
        dx_codes=record.dx_codes,
        remarks=record.remarks,
        states_none=record.states_none,
    )


def _has_segments(path: Location) -> bool:
    return isinstance(path, Path) and is_multi_segment(read_header_text(path))


def _read_rather(planned: PlannedRecord, config: StoreConfig, told: InputConfig, error: EcgError) -> _Source:
    """A record that lacks leads, which may follow from others, or has segments; what was wrong first where not."""
    try:
        return _read_any(planned, config, told)
    except LeadError:
        if isinstance(error, LeadError):
            raise error from None
        raise


def _check_planned(planned: PlannedRecord, fs: float, n_samples: int) -> None:
    if (fs, n_samples) != (planned.fs, planned.n_samples):
        raise HeaderError(
            f"{planned.name}: {n_samples} samples at {fs:g} Hz; expected {planned.n_samples} at "
            f"{planned.fs:g} Hz as planned: the file changed during the build, run it again"
        )


def _read_any(planned: PlannedRecord, config: StoreConfig, told: InputConfig) -> _Source:
    """The same of a recording of any kind, completed as `predict` completes it."""
    path = planned.path
    found = FoundInput(os.fspath(path), path.name, planned.dataset, planned.kind)  # type: ignore[arg-type]
    told = replace(told, bad_checksum=config.bad_checksum, with_source=True)
    recording = read_input(found, told, planned.name)
    _check_planned(planned, recording.fs, recording.n_samples)
    flags = recording.lead_flags.copy()
    if planned.kind != WFDB:
        flags |= np.uint16(LeadFlag.UNVERIFIED)  # no other format has checksums
        if recording.source is not None and recording.source.limits is not None:
            railed = railed_leads(recording.source.adu, recording.source.limits)
            flags[railed] |= np.uint16(LeadFlag.RAILED)
    # a store keeps and flags what is flat
    whole = complete_as_told(replace(recording, lead_flags=flags), config.leads, replace(told, keep_flat=True))
    used = _used_rows(recording, config.leads)
    flags = whole.lead_flags.copy()
    flags[[lead in whole.derived for lead in whole.leads]] |= np.uint16(LeadFlag.DERIVED)
    flags[[lead in whole.zeroed for lead in whole.leads]] |= np.uint16(LeadFlag.ABSENT | LeadFlag.FLAT)
    return _Source(
        samples_uv=whole.signal_uv,
        flags=flags,
        n_invalid=sum(recording.n_missing[row] for row in used) if recording.n_missing else 0,
        digest=recording_digest(recording, used, fewest_bytes=planned.kind != WFDB),
        fs=recording.fs,
        n_samples=recording.n_samples,
        age=recording.age,
        sex=recording.sex,
        dx_codes=recording.dx_codes,
        remarks=recording.remarks + tuple((READER, note) for note in recording.notes if planned.kind != WFDB),
    )


def _used_rows(recording: Recording, wanted: Sequence[str]) -> list[int]:
    """The rows that the store's leads are made of: its own leads in its order, then those that others follow from."""
    plan = plan_leads(recording.leads, wanted, missing="zero")
    own = [sources[0][0] for lead, sources in zip(wanted, plan.sources, strict=True) if lead in recording.leads]
    others = {row for sources in plan.sources for row, _ in sources} - set(own)
    return [*own, *sorted(others, key=lambda row: LEADS.index(recording.leads[row]))]


def _store_form(
    signal_uv: NDArray[np.float32], flags: NDArray[np.uint16]
) -> tuple[NDArray[np.int16], int, NDArray[np.int32]]:
    """Quantised samples, how many were clipped, and the offset (µV) taken off each lead; adds to `flags`."""
    stored, n_clipped = to_digital(signal_uv)
    offset = np.zeros(len(flags), np.int32)
    if -OFFSET_LIMIT_UV < stored.min() and stored.max() < OFFSET_LIMIT_UV:
        return stored, 0, offset  # as nearly always: neither an offset nor a clipped sample can be there
    offset = lead_offsets(signal_uv)
    if offset.any():
        flags[offset != 0] |= np.uint16(LeadFlag.OFFSET)
        signal_uv = signal_uv - offset[:, None].astype(np.float32)
        stored, n_clipped = to_digital(signal_uv)
    if n_clipped:
        flags[(np.abs(np.rint(signal_uv)) > STORE_LIMIT_UV).any(axis=1)] |= np.uint16(LeadFlag.CLIPPED)
    return stored, n_clipped, offset


def recording_digest(recording: Recording, rows: Sequence[int], *, fewest_bytes: bool = True) -> str:
    """SHA-256 of some leads of a recording: in adu, in the fewest bytes that hold all, or else of its microvolts.

    The same numbers give the same digest whatever format holds them; int16, int32 or int64, little-endian, sample by
    sample. Where a file has fractions it is of float32 microvolts, missing samples interpolated.

    Parameters
    ----------
    fewest_bytes : else what `source_digest` takes
    """
    if recording.source is None:
        samples: NDArray = recording.signal_uv[list(rows)]
        return hashlib.sha256(np.ascontiguousarray(samples.T, "<f4").data).hexdigest()
    adu = recording.source.adu[list(rows)]
    if not fewest_bytes:
        return _digest_as(adu, 16 if adu.dtype.itemsize <= 2 else 32)
    low, high = int(adu.min()), int(adu.max())
    bits = next((bits for bits in (16, 32) if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)), 64)
    return _digest_as(adu, bits)


def _digest_as(adu: NDArray[np.integer], bits: int) -> str:
    return hashlib.sha256(np.ascontiguousarray(adu.T, f"<i{bits // 8}").data).hexdigest()


def source_digest(record: Record) -> str:
    """SHA-256 of the samples in adu as little-endian int16 (int32 where they are wider), sample by sample.

    Free of copies where the record has its samples in the file's order (`read_record(..., by_lead=False)`).
    """
    return _digest_as(record.signal, 16 if record.signal.dtype.itemsize <= 2 else 32)
