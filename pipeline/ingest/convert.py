"""One record from its files to the store's int16 microvolts and its row of the tables."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cache.schema import RecordRow, StoreConfig
from ecg.adc import STORE_LIMIT_UV, are_microvolts, interpolate_invalid, to_digital, to_microvolts
from ecg.errors import ChecksumError, HeaderError, SignalError, StoreError
from ecg.filters import filter_zero_phase
from ecg.quality import OFFSET_LIMIT_UV, LeadFlag, checksum_mismatches, compute_lead_flags, compute_scale
from ecg.record import Record
from ecg.resample import resample
from pipeline.formats.wfdb.records import read_record
from pipeline.plan import PlannedRecord

LARGEST_UV = 1e9
"""A kilovolt is no ECG but a wrong gain or baseline, and more would not fit the tables' numbers."""


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


def check_checksum(record: Record, *, reject: bool = True) -> list[int]:
    """The leads (row numbers) whose samples are not those the header was written for; with `reject` an error.

    Raises
    ------
    ChecksumError
        If there are any, naming them.
    """
    wrong = checksum_mismatches(record)
    if wrong and reject:
        raise ChecksumError(
            f"{record.name} lead {', '.join(record.leads[row] for row in wrong)}: the samples do not match the "
            "header's checksum: the file is damaged, fetch it again (or take it as it is with --bad-checksum flag)"
        )
    return wrong


def source_digest(record: Record) -> str:
    """SHA-256 of the samples in adu as little-endian int16 (int32 where they are wider), sample by sample.

    Free of copies where the record has its samples in the file's order (`read_record(..., by_lead=False)`).
    """
    wide = "<i2" if record.signal.dtype.itemsize <= 2 else "<i4"
    return hashlib.sha256(np.ascontiguousarray(record.signal.T, wide).data).hexdigest()


def lead_offsets(signal_uv: NDArray[np.float32]) -> NDArray[np.int32]:
    """Median of each lead where it lies beyond ±10 mV, else 0; int32, µV."""
    offset = np.zeros(len(signal_uv), np.int32)
    largest = np.maximum(signal_uv.max(axis=1), -signal_uv.min(axis=1))
    for row in np.flatnonzero(largest > OFFSET_LIMIT_UV):
        median = float(np.median(signal_uv[row]))
        if abs(median) > OFFSET_LIMIT_UV:
            offset[row] = round(median)
    return offset


def clean_samples(
    record: Record, mismatches: Sequence[int] | None = None
) -> tuple[NDArray[np.float32] | NDArray[np.int16], NDArray[np.uint16], int]:
    """The same as `to_clean_microvolts`, but int16, and no copy, where the samples are whole microvolts as they are.

    Parameters
    ----------
    mismatches : what `check_checksum` found, if that is known already
    """
    if are_microvolts(record.signal, record.adc_gain, record.baseline):
        signal = record.signal.astype(np.int16, copy=False)
        flags = compute_lead_flags(record, signal, mismatches)
        if not (flags.any() and (flags & LeadFlag.INVALID).any()):
            return signal, flags, 0
    return _to_clean_microvolts(record, mismatches)


def to_clean_microvolts(record: Record) -> tuple[NDArray[np.float32], NDArray[np.uint16], int]:
    """A record's samples ready for a filter.

    Returns
    -------
    float32 array, shape (n_leads, n_samples), µV, invalid samples interpolated; the leads' quality flags
    (uint16, shape (n_leads,)); the number of samples interpolated

    Raises
    ------
    SignalError
        If a gain is not a positive number, or gives a voltage that no ECG has.
    """
    return _to_clean_microvolts(record, None)


def _to_clean_microvolts(
    record: Record, mismatches: Sequence[int] | None
) -> tuple[NDArray[np.float32], NDArray[np.uint16], int]:
    with np.errstate(over="ignore", invalid="ignore"):
        signal_uv = to_microvolts(
            record.signal,
            record.adc_gain,
            record.baseline,
            invalid_sample=record.invalid_sample,
            leads=record.leads,
        )
    # largest: (lead,), NaN where no sample is valid
    largest = np.fmax(np.fmax.reduce(signal_uv, axis=1), -np.fmin.reduce(signal_uv, axis=1))
    for row in np.flatnonzero(largest > LARGEST_UV)[:1]:
        raise SignalError(
            f"{record.name} lead {record.leads[row]}: {largest[row] / 1e6:.3g} V at {record.adc_gain[row]:g} adu/mV, "
            f"baseline {record.baseline[row]}; expected at most {LARGEST_UV / 1e6:g} V: correct the header"
        )
    flags = compute_lead_flags(record, signal_uv, mismatches)
    n_invalid = interpolate_invalid(signal_uv) if (flags & LeadFlag.INVALID).any() else 0
    return signal_uv, flags, n_invalid
