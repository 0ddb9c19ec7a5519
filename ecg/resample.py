"""Anti-aliased resampling between any two sampling frequencies, the same as `scipy.signal.resample_poly`.

The reference's models have seen resample_poly's default Kaiser filter and zero edges, so these are kept to
the letter; it runs in float32 over stacked records of equal length, which is where the time goes.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, upfirdn

from ecg.errors import SignalError

MAX_FACTOR = 200_000
"""The ratio is the nearest fraction of two numbers up to this: exact for any pair of usual frequencies (62.4725 to
400 Hz is 160000/24989), at most five in a million off otherwise, where the exact one (360.00123 Hz to 400 Hz is
40000000/36000123) would take a filter of gigabytes."""

FLOAT32_LIMIT_UV = 8000.0
"""Above this magnitude float32 sums of some thirty products are more than 0.01 µV off (measured: 0.015 µV
at ±32 mV), so such rows, one record in two hundred, take the slower float64."""


def resampling_ratio(fs_in: float, fs_out: float) -> tuple[int, int]:
    """(up, down) in lowest terms, neither above `MAX_FACTOR`, with fs_out / fs_in = up / down.

    Raises
    ------
    SignalError
        If a frequency is not a positive finite number, or one is more than `MAX_FACTOR` times the other.
    """
    for fs in (fs_in, fs_out):
        if not (np.isfinite(fs) and fs > 0):
            raise SignalError(f"sampling frequency {fs:g} Hz; expected a positive number")
    ratio = Fraction(fs_out) / Fraction(fs_in)
    smaller = min(ratio, 1 / ratio)
    if smaller * MAX_FACTOR < 1:
        raise SignalError(f"{fs_in:g} Hz to {fs_out:g} Hz; expected frequencies at most {MAX_FACTOR:,} times apart")
    up, down = smaller.limit_denominator(MAX_FACTOR).as_integer_ratio()
    return (down, up) if ratio > 1 else (up, down)


def resampled_length(n_samples: int, fs_in: float, fs_out: float) -> int:
    """Samples after resampling: ⌈n_samples · fs_out / fs_in⌉, what `resample` returns and a plan expects."""
    up, down = resampling_ratio(fs_in, fs_out)
    return -(-n_samples * up // down)


def resample(signal: NDArray[np.float32], fs_in: float, fs_out: float) -> NDArray[np.float32]:
    """Resample along the last axis.

    Parameters
    ----------
    signal : float32 array, shape (..., n_samples), µV, no NaN
    fs_in, fs_out : Hz

    Returns
    -------
    float32 array, shape (..., resampled_length(n_samples)); the input itself when the rates are equal

    Notes
    -----
    Equal to float64 `scipy.signal.resample_poly(signal, up, down, axis=-1)` to 0.01 µV (1e-5 mV) over the
    whole int16 range: rows beyond `FLOAT32_LIMIT_UV` are filtered in float64.
    """
    up, down = resampling_ratio(fs_in, fs_out)
    if up == down:
        return signal
    n_out = -(-signal.shape[-1] * up // down)
    if not signal.size:
        return np.zeros((*signal.shape[:-1], n_out), np.float32)
    taps, n_skip = _filter(up, down)
    # rows: (row, sample). Each row is filtered for itself, so a record comes out the same in any company.
    rows = signal.reshape(-1, signal.shape[-1])
    large = np.abs(rows).max(axis=-1) > FLOAT32_LIMIT_UV
    resampled = np.empty((len(rows), n_out), np.float32)
    for selected, dtype in ((~large, np.float32), (large, np.float64)):
        if selected.any():
            part = rows if selected.all() else rows[selected]
            filtered = upfirdn(taps.astype(dtype), part.astype(dtype, copy=False), up, down, axis=-1)
            resampled[selected] = filtered[:, n_skip : n_skip + n_out]
    return resampled.reshape(*signal.shape[:-1], n_out)


@lru_cache(maxsize=32)
def _filter(up: int, down: int) -> tuple[NDArray[np.float64], int]:
    """resample_poly's taps, padded in front so that output samples fall on the right phase, and the outputs
    to skip: those which lie before the first input sample.

    Source: scipy.signal.resample_poly: a Kaiser (β = 5) windowed sinc of 20 · max(up, down) + 1 taps.
    """
    half = 10 * max(up, down)
    taps = firwin(2 * half + 1, 1.0 / max(up, down), window=("kaiser", 5.0)) * up
    n_padding = down - half % down
    return np.concatenate([np.zeros(n_padding), taps]), (half + n_padding) // down
