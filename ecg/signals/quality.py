"""Quality flags: what is wrong with a lead, as bits that stay with the record in the store.

A flag never removes a record; it lets a reader decide. The thresholds are this project's own, stated with
each flag, and were set by looking at the 486 public Challenge records.
"""

import math
from collections.abc import Sequence
from enum import IntFlag
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS


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
    """the header states no checksum, or 0 for all leads, which nobody computed"""
    DERIVED = 512
    """the source lacks the lead, which was calculated from two others"""
    ABSENT = 1024
    """the source lacks the lead, and zeros stand for it (by request)"""


RAILED_SAMPLES = 10
EINTHOVEN_LIMIT_UV = 50.0
OFFSET_LIMIT_UV = 10_000


def checksum_mismatches(record: Record) -> list[int]:
    """Leads (row numbers) whose 16-bit checksum differs from the stated one.

    The checksum is the sum of the lead's samples modulo 65,536; headers state it signed or unsigned.

    Source: WFDB header(5), "checksum".
    """
    return [
        row
        for row, (found, stated) in enumerate(zip(checksums_of(record), record.checksum, strict=True))
        if stated is not None and (int(found) - stated) % 65536 != 0
    ]


def checksums_of(record: Record) -> Sequence[int] | NDArray[np.integer]:
    """Sums of each lead's samples as its file has them; right modulo 65,536."""
    if record.sums is not None:
        return record.sums
    if record.signal.dtype == np.int16:
        return record.signal.sum(axis=1, dtype=np.int16)  # wraps, which is what is wanted
    return record.signal.sum(axis=1, dtype=np.int64)


def compute_lead_flags(
    record: Record, signal_uv: NDArray[np.float32] | NDArray[np.int16], mismatches: Sequence[int] | None = None
) -> NDArray[np.uint16]:
    """Flags that can be told from the source samples; the writer adds CLIPPED and OFFSET.

    Parameters
    ----------
    record : with digital samples
    signal_uv : float32 array, shape (n_leads, n_samples), µV, NaN where a sample is invalid; int16 where all samples
        are whole microvolts and valid
    mismatches : what `checksum_mismatches` found, if that is known already

    Returns
    -------
    uint16 array, shape (n_leads,), sums of `LeadFlag`
    """
    flags = np.zeros(len(record.leads), np.uint16)
    low, high = record.signal.min(axis=1), record.signal.max(axis=1)
    rail = abs(record.invalid_sample) - 1
    for row in np.flatnonzero((high >= rail) | (low <= -rail)):  # elsewhere none is invalid either
        valid = record.signal[row][record.signal[row] != record.invalid_sample]
        low[row], high[row] = (valid.min(), valid.max()) if valid.size else (0, 0)
        if valid.size < record.n_samples:
            flags[row] |= np.uint16(LeadFlag.INVALID)
        n_railed = ((valid >= rail) | (valid <= -rail)).sum()
        if n_railed >= RAILED_SAMPLES and low[row] != high[row]:
            flags[row] |= np.uint16(LeadFlag.RAILED)
    flags[low == high] |= np.uint16(LeadFlag.FLAT)
    if record.stated_gain is not None:
        flags[record.stated_gain != record.adc_gain] |= np.uint16(LeadFlag.GAIN_CORRECTED)
    for lead in checksum_mismatches(record) if mismatches is None else mismatches:
        flags[lead] |= np.uint16(LeadFlag.CHECKSUM)
    for lead in _einthoven_rows(record.leads, signal_uv):
        flags[lead] |= np.uint16(LeadFlag.EINTHOVEN)
    if None in record.checksum:
        flags[[stated is None for stated in record.checksum]] |= np.uint16(LeadFlag.UNVERIFIED)
    return flags


def railed_leads(adu: NDArray[np.integer], limits: tuple[int, int]) -> NDArray[np.bool_]:
    """Which leads have at least `RAILED_SAMPLES` samples at the format's limits, and others that are not.

    Parameters
    ----------
    adu : integer array, shape (n_leads, n_samples)
    limits : the format's lowest and highest value; one above the lowest counts as it, for writers that spare that
    """
    low, high = adu.min(axis=1), adu.max(axis=1)
    found = np.zeros(len(adu), bool)
    for row in np.flatnonzero(((low <= limits[0] + 1) | (high >= limits[1])) & (low != high)):
        found[row] = ((adu[row] <= limits[0] + 1) | (adu[row] >= limits[1])).sum() >= RAILED_SAMPLES
    return found


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
    if signal_uv.dtype == np.int16:
        return _scale_of_whole(signal_uv)
    centred = signal_uv - np.median(signal_uv, axis=1, keepdims=True).astype(np.float32)
    centred = centred.ravel()
    low, high = _kept_ranks(centred.size)
    centred.partition((low, high))
    kept = centred[low : high + 1].astype(np.float64)
    return np.float32(np.sqrt(np.mean(kept * kept)))


def _kept_ranks(n_samples: int) -> tuple[int, int]:
    """First and last of the sorted samples, counted from 0, that the scale is made of."""
    return int(0.01 * (n_samples - 1)), int(np.ceil(0.99 * (n_samples - 1)))


def _scale_of_whole(signal_uv: NDArray) -> np.float32:
    """`compute_scale` of whole microvolts, by counting values instead of sorting samples: exact, and faster."""
    n_leads, n_samples = signal_uv.shape
    lows, highs = signal_uv.min(axis=1).astype(np.intp), signal_uv.max(axis=1).astype(np.intp)
    # counts: how often each value from a lead's lowest to its highest occurs, lead after lead
    begins = np.zeros(n_leads + 1, np.intp)
    np.cumsum(highs - lows + 1, out=begins[1:])
    kind = np.uint16 if begins[-1] <= 2**16 else np.intp  # in 16 bits, as nearly always, it takes half the time
    bins: NDArray[np.integer] = signal_uv.astype(kind)
    bins += (begins[:-1] - lows).astype(kind)[:, None]
    counts = np.bincount(bins.ravel(), minlength=begins[-1])
    ranks = np.arange(n_leads)[:, None] * n_samples + ((n_samples - 1) // 2, n_samples // 2)
    middles = counts.cumsum().searchsorted(ranks, side="right") - begins[:-1, None]
    # total: how often each value occurs in all leads together, in half microvolts, for a median may lie between two
    twice_centre = middles.sum(axis=1)
    first = -int(twice_centre.max())
    total = np.zeros(int((2 * (highs - lows + 1) - twice_centre).max()) - first, np.intp)
    for begin, end, at in zip(begins[:-1].tolist(), begins[1:].tolist(), (-first - twice_centre).tolist(), strict=True):
        part = total[at : at + 2 * (end - begin) : 2]
        part += counts[begin:end]
    low, high = _kept_ranks(n_leads * n_samples)
    below = total.cumsum()
    lowest, highest = below.searchsorted((low, high), side="right").tolist()
    kept = total[lowest : highest + 1]
    kept[-1] -= below[highest] - (high + 1)
    kept[0] -= low - (below[lowest - 1] if lowest else 0)
    values = np.arange(lowest + first, highest + 1 + first)
    energy = int(values * values @ kept)
    return np.float32(np.sqrt(energy / (4 * (high - low + 1))))


@cache
def describe_flags(flags: int) -> str:
    """Flag names in lower case, comma-separated; "none" for 0."""
    names = [flag.name.lower() for flag in LeadFlag if flags & flag and flag.name]
    return ", ".join(names) or "none"


def _einthoven_rows(leads: tuple[str, ...], signal_uv: NDArray[np.float32] | NDArray[np.int16]) -> list[int]:
    limb = LEADS[:3]
    if any(lead not in leads for lead in limb):
        return []
    rows = [leads.index(lead) for lead in limb]
    one, two, three = (signal_uv[row] for row in rows)
    difference = np.abs(one.astype(np.float32, copy=False) + three - two)
    mean = difference.mean()
    if not math.isfinite(mean):
        difference = difference[np.isfinite(difference)]
        mean = difference.mean() if difference.size else np.float32(0)
    return rows if mean > EINTHOVEN_LIMIT_UV else []
