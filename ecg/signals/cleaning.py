"""A record's samples from adu to microvolts for a filter: gaps filled, odd voltages refused, checksums held."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ChecksumError, SignalError
from ecg12.ecg.signals.adc import are_microvolts, interpolate_invalid, to_microvolts
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.quality import OFFSET_LIMIT_UV, LeadFlag, checksum_mismatches, compute_lead_flags

LARGEST_UV = 1e9
"""A kilovolt is no ECG but a wrong gain or baseline, and more would not fit the tables' numbers."""


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
