"""Anti-aliased resampling between any two sampling frequencies, the same as `scipy.signal.resample_poly`.

The reference's models have seen resample_poly's default Kaiser filter and zero edges, so these are kept. Usual ratios
go through a matrix product, several times as fast as a filter loop; its taps are whole multiples of 2^-36, so that the
product of a signal in whole microvolts is exact in float64 and no order of summation, thread or processor can
change a bit of it.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0

from ecg12.ecg.errors import SignalError

MAX_FACTOR = 200_000
"""The ratio is the nearest fraction of two numbers up to this: exact for any pair of usual frequencies (62.4725 to
400 Hz is 160000/24989), at most five in a million off otherwise, where the exact one (360.00123 Hz to 400 Hz is
40000000/36000123) would take a filter of gigabytes."""

MOST_SAMPLES_FROM_ONE = 64
"""A recording may become so many times as long: from 8 Hz to 500 Hz. Slower ones are no ECGs but frequencies
stated wrongly, of which one of 0.01 Hz would make gigabytes of a small file."""

MATRIX_FACTOR = 2000
"""Ratios of two numbers up to this go through matrices (all of the six datasets' do); beyond, they would be large
and each used for a handful of samples, and scipy's filter loop takes over."""

KAISER_BETA = 5.0
"""Of resample_poly's window."""

TAP_BITS = 36
"""Samples of 15 bits and a sign times taps of 36 bits after the point, whose magnitudes sum to less than four: 53 bits,
which is what float64 holds. The rounded taps cost less than a hundred-thousandth of a microvolt."""

COLUMNS = 8
"""Outputs that one matrix makes. More would multiply more zeros, fewer would use the processor's registers less
well; 8 was fastest of 4 to 48, at every rate of the six datasets."""

PRODUCT_LIMIT = 2**18
"""Multiplications in one product. A larger one is cut, so that no BLAS library starts threads for it: they would
fight the other workers for their cores."""

SAMPLES_AT_ONCE = 2**18
"""Of as many rows as hold these at most: what stays in a core's cache, and small beside the rows themselves."""


def resampling_ratio(fs_in: float, fs_out: float) -> tuple[int, int]:
    """(up, down) in lowest terms, neither above `MAX_FACTOR`, with fs_out / fs_in = up / down.

    Raises
    ------
    SignalError
        If a frequency is not a positive finite number, or one is more than `MAX_FACTOR` times the other.
    """
    return _ratio(float(fs_in), float(fs_out))


@lru_cache(maxsize=1024)
def _ratio(fs_in: float, fs_out: float) -> tuple[int, int]:
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
    """Samples after resampling: ⌈n_samples · fs_out / fs_in⌉, what `resample` returns and a plan expects.

    Raises
    ------
    SignalError
        As `resampling_ratio`; and if that is more than `MOST_SAMPLES_FROM_ONE` times as many.
    """
    up, down = resampling_ratio(fs_in, fs_out)
    if up > MOST_SAMPLES_FROM_ONE * down:
        raise SignalError(
            f"sampling frequency {fs_in:g} Hz; expected that of an ECG, at least {fs_out / MOST_SAMPLES_FROM_ONE:g} Hz "
            f"to be resampled to {fs_out:g} Hz: state the true one"
        )
    return -(-n_samples * up // down)


def resample(signal: NDArray[np.float32] | NDArray[np.int16], fs_in: float, fs_out: float) -> NDArray[np.float32]:
    """Resample along the last axis.

    Parameters
    ----------
    signal : float32 or int16 array, shape (..., n_samples), µV, no NaN
    fs_in, fs_out : Hz

    Returns
    -------
    float32 array, shape (..., resampled_length(n_samples)); a float32 input itself when the rates are equal

    Notes
    -----
    Equal to float64 `scipy.signal.resample_poly(signal, up, down, axis=-1)` to 0.01 µV (1e-5 mV) over the
    whole int16 range. Each row is filtered for itself, so a record comes out the same in any company.
    """
    up, down = resampling_ratio(fs_in, fs_out)
    if up == down:
        return signal.astype(np.float32, copy=False)
    n_out = resampled_length(signal.shape[-1], fs_in, fs_out)
    if not signal.size:
        return np.zeros((*signal.shape[:-1], n_out), np.float32)
    # rows: (row, sample)
    rows = signal.reshape(-1, signal.shape[-1])
    method = _by_matrices if max(up, down) <= MATRIX_FACTOR else _by_filter_loop
    return method(rows, up, down, n_out).reshape(*signal.shape[:-1], n_out)


def _by_matrices(rows: NDArray, up: int, down: int, n_out: int) -> NDArray[np.float32]:
    """The filter as products of windows of the signal with the taps of `COLUMNS` outputs each.

    Outputs repeat their phase every `up`, for `down` inputs. A block is as many such periods as make its outputs a
    multiple of `COLUMNS` and its inputs no fewer than a window's: then the windows of a group, one a block, do not
    overlap one another, and BLAS takes them as they lie.
    """
    matrices, first, block_in = _matrices(up, down)
    n_groups, width, _ = matrices.shape
    n_rows, n_samples = rows.shape
    n_blocks = -(-n_out // (n_groups * COLUMNS))
    left = -int(first[0])  # zeros that the first window reaches into, and the last one on the other side
    n_padded = max(left + n_samples, (n_blocks - 1) * block_in + left + int(first[-1]) + width)
    n_at_once = max(PRODUCT_LIMIT // (width * COLUMNS), 1)
    resampled = np.empty((n_rows, n_out), np.float32)
    step = max(SAMPLES_AT_ONCE // n_padded, 1)
    for row in range(0, n_rows, step):
        part = rows[row : row + step]
        padded = np.empty((len(part), n_padded))
        padded[:, :left] = padded[:, left + n_samples :] = 0.0
        padded[:, left : left + n_samples] = part
        # exact: (row, block, group, output of the group)
        exact = np.empty((len(part), n_blocks, n_groups, COLUMNS))
        row_stride, item = padded.strides
        for block in range(0, n_blocks, n_at_once):
            blocks = slice(block, min(block + n_at_once, n_blocks))
            for group in range(n_groups):
                # windows: (row, block, sample), a view of padded
                windows = np.ndarray(
                    (len(part), blocks.stop - block, width),
                    np.float64,
                    padded,
                    (block * block_in + left + int(first[group])) * item,
                    (row_stride, block_in * item, item),
                )
                np.matmul(windows, matrices[group], out=exact[:, blocks, group])
        resampled[row : row + step] = exact.reshape(len(part), -1)[:, :n_out]
    return resampled


def _by_filter_loop(rows: NDArray, up: int, down: int, n_out: int) -> NDArray[np.float32]:
    """The same by scipy's loop over the taps, in float64."""
    from scipy.signal import upfirdn  # here, because it brings scipy.stats with it: a second that few need

    taps = _taps(up, down)
    half = len(taps) // 2
    n_padding = down - half % down  # in front, so that outputs fall on the right phase
    n_skip = (half + n_padding) // down  # outputs before the first input sample
    filtered = upfirdn(np.concatenate([np.zeros(n_padding), taps]), rows.astype(np.float64), up, down, axis=-1)
    return filtered[:, n_skip : n_skip + n_out].astype(np.float32)


@lru_cache(maxsize=2)
def _taps(up: int, down: int) -> NDArray[np.float64]:
    """resample_poly's filter at the common rate: a Kaiser windowed sinc of 20 · max(up, down) + 1 taps.

    The same to the last bit as scipy.signal.firwin, without the second that importing it takes.

    Source: scipy.signal.resample_poly, scipy.signal.firwin.
    """
    cutoff, half = 1.0 / max(up, down), 10 * max(up, down)
    place = np.arange(-half, half + 1.0)
    kaiser = i0(KAISER_BETA * np.sqrt(1 - (place / half) ** 2.0)) / i0(KAISER_BETA)
    taps = cutoff * np.sinc(cutoff * place) * kaiser
    return taps / np.sum(taps) * up


@lru_cache(maxsize=32)
def _matrices(up: int, down: int) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Taps as matrices.

    Returns
    -------
    matrices (float64, shape (group, window, COLUMNS)); the first input of each group's window in a block's own
    count (int64, shape (group,), from -n to 0 and up); the inputs that a block moves on by
    """
    taps = _taps(up, down)
    taps = np.rint(taps * 2.0**TAP_BITS) / 2.0**TAP_BITS
    half = len(taps) // 2
    # output m is the sum of taps[half + m · down - k · up] · input[k]
    periods = COLUMNS // np.gcd(up, COLUMNS)
    outputs = np.arange(up * periods).reshape(-1, COLUMNS)
    first, last = -((half - outputs[:, 0] * down) // up), (half + outputs[:, -1] * down) // up
    width = int((last - first).max()) + 1
    repeats = -(-width // (down * int(periods)))
    periods *= repeats
    outputs = np.arange(up * periods).reshape(-1, COLUMNS)
    first = -((half - outputs[:, 0] * down) // up)
    inputs = first[:, None] + np.arange(width)
    # at: (group, window, output), where in the taps each product is
    at = half + outputs[:, None, :] * down - inputs[:, :, None] * up
    inside = (at >= 0) & (at < len(taps))
    return np.where(inside, taps[np.clip(at, 0, len(taps) - 1)], 0.0), first, down * int(periods)
