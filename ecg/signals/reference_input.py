"""How the reference system made its models' input from a record, where it differs from how ours is made.

Its resampling has a second branch, and its later generation counts a record's samples from the header.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.resample import resample

MIN_PIECE = 2000
"""In prediction a rest must exceed so many samples to get a window of its own, however long windows are."""


def is_decimated(fs_in: float, fs_out: float) -> bool:
    """Whether the reference decimates this input: its rate is an integer multiple of the wanted one."""
    return fs_in > fs_out and Fraction(fs_in) % Fraction(fs_out) == 0


def resample_as_reference(signal: NDArray[np.float32], fs_in: float, fs_out: float) -> NDArray[np.float32]:
    """Resample along the last axis as the reference system does.

    Rates that are integer multiples of the wanted one go through `scipy.signal.decimate` with its default
    Chebyshev filter, run forwards and backwards; all others through `ecg.signals.resample.resample`.

    Parameters
    ----------
    signal : float32 array, shape (lead, sample), no NaN
    fs_in, fs_out : Hz

    Returns
    -------
    float32 array, shape (lead, ⌈n_samples · fs_out / fs_in⌉)

    Raises
    ------
    SignalError
        If the record is too short for the filter.
    """
    if not is_decimated(fs_in, fs_out):
        return resample(signal, fs_in, fs_out)
    from scipy.signal import decimate  # here, because it brings scipy.stats with it: a second that few need

    factor = round(fs_in / fs_out)
    try:
        decimated = decimate(signal.astype(np.float64), factor, ftype="iir", axis=-1, zero_phase=True)
    except ValueError as error:
        raise SignalError(
            f"{signal.shape[-1]} samples at {fs_in:g} Hz are too few to decimate to {fs_out:g} Hz ({error})"
        ) from None
    return np.ascontiguousarray(decimated, np.float32)


def samples_from_header(n_samples: int, fs_in: float, fs_out: float) -> int:
    """Samples that the August generation takes a record to have: ⌊n_samples · fs_out / fs_in⌋, at least 1.

    The resampled record may have one more.
    """
    return max(1, int(n_samples * Fraction(fs_out) / Fraction(fs_in)))
