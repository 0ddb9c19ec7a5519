"""One record from its files to the store's int16 microvolts and its row of the tables."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import RecordRow, StoreConfig
from ecg12.cache.stated import NOTHING, Stated
from ecg12.ecg.errors import HeaderError, StoreError
from ecg12.ecg.signals.adc import STORE_LIMIT_UV, to_digital
from ecg12.ecg.signals.cleaning import check_checksum, clean_samples, lead_offsets
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.filters import filter_zero_phase
from ecg12.ecg.signals.quality import OFFSET_LIMIT_UV, LeadFlag, compute_scale
from ecg12.ecg.signals.resample import resample
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.plan import PlannedRecord


def convert_record(planned: PlannedRecord, start: int, config: StoreConfig) -> tuple[NDArray[np.int16], RecordRow]:
    """One record from its files to the store's int16 microvolts and its row of the tables.

    Raises
    ------
    ChecksumError
        If the samples do not match the header's checksum and the configuration rejects such records.
    HeaderError, LeadError, SignalError
        If it cannot be read, or is not what its header announced when the build was planned.
    """
    # as the file has it, for the digest; then lead by lead, for everything else
    record = read_record(planned.path, config.leads, by_lead=False)
    if (record.fs, record.n_samples) != (planned.fs, planned.n_samples):
        raise HeaderError(
            f"{planned.name}: {record.n_samples} samples at {record.fs:g} Hz; expected {planned.n_samples} at "
            f"{planned.fs:g} Hz as planned: the file changed during the build, run it again"
        )
    digest, record = source_digest(record), record.by_lead()
    mismatches = check_checksum(record, reject=config.bad_checksum == "reject")
    samples_uv, flags, n_invalid = clean_samples(record, mismatches)
    signal_uv = resample(samples_uv, record.fs, config.fs)
    if signal_uv.shape[1] != planned.length:
        raise StoreError(f"{planned.name}: {signal_uv.shape[1]} samples; the plan says {planned.length}")
    signal_uv = filter_zero_phase(signal_uv, config.fs, highpass=config.highpass, notch=config.notch)
    stored, n_clipped, offset = _store_form(signal_uv, flags)
    return stored, RecordRow(
        dataset=planned.dataset,
        name=planned.name,
        start=start,
        length=planned.length,
        fs_source=record.fs,
        n_samples_source=record.n_samples,
        age=record.age,
        sex=record.sex,
        group=planned.group,
        scale=float(compute_scale(stored)),
        n_invalid=n_invalid,
        n_clipped=n_clipped,
        digest=digest,
        lead_flags=tuple(flags.tolist()),
        offset=tuple(offset.tolist()),
        dx_codes=record.dx_codes,
        remarks=record.remarks,
        stated=Stated(annotated=True) if record.states_none else NOTHING,
    )


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


def source_digest(record: Record) -> str:
    """SHA-256 of the samples in adu as little-endian int16 (int32 where they are wider), sample by sample.

    Free of copies where the record has its samples in the file's order (`read_record(..., by_lead=False)`).
    """
    wide = "<i2" if record.signal.dtype.itemsize <= 2 else "<i4"
    return hashlib.sha256(np.ascontiguousarray(record.signal.T, wide).data).hexdigest()
