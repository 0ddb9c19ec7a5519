"""Quality flags: what is wrong with a lead, as bits that stay with the record in the store.

A flag never removes a record; it lets a reader decide. The thresholds are this project's own, stated with
each flag, and were set by looking at the 486 public Challenge records.
"""

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from ecg.leads import LEADS
from ecg.record import Record


class LeadFlag(IntFlag):
    """Bits of `record/lead_flags`."""

    INVALID = 1
    """at least one sample is the format's "no sample" value; interpolated"""
    CLIPPED = 2
    """at least one sample lies beyond ±32,767 µV and was clipped"""
    FLAT = 4
    """every valid sample is the same"""
    RAILED = 8
    """at least RAILED_SAMPLES valid samples sit at the format's limit, and others do not"""
    EINTHOVEN = 16
    """lead II is not I + III: mean |I + III - II| above EINTHOVEN_LIMIT_UV (on all three leads)"""
    OFFSET = 32
    """the median lies beyond ±10 mV; it is kept in `record/offset` and taken off the signal"""
    GAIN_CORRECTED = 64
    """the header states another gain than the dataset's true one"""
    CHECKSUM = 128
    """the samples' checksum is not the stated one (kept by request)"""
    UNVERIFIED = 256
    """the header states no checksum"""


RAILED_SAMPLES = 10
EINTHOVEN_LIMIT_UV = 50.0
OFFSET_LIMIT_UV = 10_000


def checksum_mismatches(record: Record) -> list[int]:
    """Leads (row numbers) whose 16-bit checksum differs from the stated one.

    The checksum is the sum of the lead's samples modulo 65,536; headers state it signed or unsigned.

    Source: WFDB header(5), "checksum".
    """
    if record.signal.dtype == np.int16:
        sums = record.signal.sum(axis=1, dtype=np.int16)  # wraps, which is what is wanted
    else:
        sums = record.signal.sum(axis=1, dtype=np.int64)
    return [
        row
        for row, (found, stated) in enumerate(zip(sums, record.checksum, strict=True))
        if stated is not None and (int(found) - stated) % 65536 != 0
    ]


def compute_lead_flags(record: Record, signal_uv: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Flags that can be told from the source samples; the writer adds CLIPPED and OFFSET.

    Parameters
    ----------
    record : with digital samples
    signal_uv : float32 array, shape (n_leads, n_samples), µV, NaN where a sample is invalid

    Returns
    -------
    uint16 array, shape (n_leads,), sums of `LeadFlag`
    """
    flags = np.zeros(len(record.leads), np.uint16)
    invalid = (record.signal == record.invalid_sample).any(axis=1)
    flags[invalid] |= np.uint16(LeadFlag.INVALID)
    low, high = record.signal.min(axis=1), record.signal.max(axis=1)
    for row in np.flatnonzero(invalid):
        valid = record.signal[row][record.signal[row] != record.invalid_sample]
        low[row], high[row] = (valid.min(), valid.max()) if valid.size else (0, 0)
    flags[low == high] |= np.uint16(LeadFlag.FLAT)
    rail = abs(record.invalid_sample) - 1
    for row in np.flatnonzero((high >= rail) | (low <= -rail)):
        valid = record.signal[row][record.signal[row] != record.invalid_sample]
        n_railed = ((valid >= rail) | (valid <= -rail)).sum()
        if n_railed >= RAILED_SAMPLES and low[row] != high[row]:
            flags[row] |= np.uint16(LeadFlag.RAILED)
    if record.stated_gain is not None:
        flags[record.stated_gain != record.adc_gain] |= np.uint16(LeadFlag.GAIN_CORRECTED)
    flags[checksum_mismatches(record)] |= np.uint16(LeadFlag.CHECKSUM)
    flags[[stated is None for stated in record.checksum]] |= np.uint16(LeadFlag.UNVERIFIED)
    flags[_einthoven_rows(record.leads, signal_uv)] |= np.uint16(LeadFlag.EINTHOVEN)
    return flags


def compute_scale(signal_uv: NDArray[np.float32] | NDArray[np.int16]) -> np.float32:
    """A record's amplitude for normalisation, robust against offsets and rare spikes.

    Each lead's median is removed; of all leads' samples together those between the 1st and the 99th
    percentile are kept; their root mean square is the scale. It is proportional to the gain.

    Parameters
    ----------
    signal_uv : array, shape (n_leads, n_samples), µV, no NaN, at least one sample

    Returns
    -------
    float32, µV; 0 for a signal without any variation
    """
    centred = signal_uv - np.median(signal_uv, axis=1, keepdims=True).astype(np.float32)
    centred = centred.ravel()
    last = centred.size - 1
    low, high = int(0.01 * last), int(np.ceil(0.99 * last))
    centred.partition((low, high))
    kept = centred[low : high + 1].astype(np.float64)
    return np.float32(np.sqrt(np.mean(kept * kept)))


def describe_flags(flags: int) -> str:
    """Flag names in lower case, comma-separated; "none" for 0."""
    names = [flag.name.lower() for flag in LeadFlag if flags & flag and flag.name]
    return ", ".join(names) or "none"


def _einthoven_rows(leads: tuple[str, ...], signal_uv: NDArray[np.float32]) -> list[int]:
    limb = LEADS[:3]
    if any(lead not in leads for lead in limb):
        return []
    rows = [leads.index(lead) for lead in limb]
    one, two, three = (signal_uv[row] for row in rows)
    difference = np.abs(one + three - two)
    finite = np.isfinite(difference)
    if not finite.all():
        difference = difference[finite]
    return rows if difference.size and float(difference.mean()) > EINTHOVEN_LIMIT_UV else []
