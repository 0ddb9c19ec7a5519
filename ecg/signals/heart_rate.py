"""The ventricular rate, from the QRS complexes of all leads together: for the head of a picture, not for diagnosis.

Slopes between 5 and 20 Hz of all leads are summed, which makes one hump of each QRS complex whatever the leads'
polarity; humps above a share of the usual one count, one in 200 ms. After Pan and Tompkins (1985), without its search
back, which the many leads make needless.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, sosfiltfilt

BAND_HZ = (5.0, 20.0)
HUMP_S = 0.12
REFRACTORY_S = 0.25
SHARE = 0.35
"""Of the usual hump; T waves, which are slower, stay below it."""
SHORTEST_S = 2.0


def find_qrs(signal_uv: NDArray[np.floating], fs: float) -> NDArray[np.int64]:
    """Samples at which a QRS complex is, ascending; none for a signal that is flat or shorter than two seconds.

    Parameters
    ----------
    signal_uv : array, shape (lead, sample), µV, no NaN
    fs : Hz
    """
    nothing = np.zeros(0, np.int64)
    if signal_uv.shape[1] < SHORTEST_S * fs or fs <= 2.2 * BAND_HZ[1]:
        return nothing
    band = butter(2, BAND_HZ, "bandpass", fs=fs, output="sos")
    slopes = np.abs(np.gradient(sosfiltfilt(band, signal_uv.astype(np.float64), axis=1), axis=1))
    # a lead that is noise weighs no more than the others
    typical = np.percentile(slopes, 98, axis=1, keepdims=True)
    alive = typical[:, 0] > 0
    if not alive.any():
        return nothing
    width = max(1, round(HUMP_S * fs))
    hump = np.convolve((slopes[alive] / typical[alive]).mean(axis=0), np.ones(width) / width, "same")
    # the usual hump: the median of the highest in each two seconds, which one artefact does not move
    piece = int(SHORTEST_S * fs)
    n_pieces = hump.size // piece
    usual = np.median(hump[: n_pieces * piece].reshape(n_pieces, piece).max(axis=1))
    peaks, _ = find_peaks(hump, height=SHARE * usual, distance=max(1, round(REFRACTORY_S * fs)))
    # at the ends a hump may be half a complex, or the filter's own doing
    return peaks[(peaks >= width) & (peaks < hump.size - width)].astype(np.int64)


def compute_heart_rate(signal_uv: NDArray[np.floating], fs: float) -> float | None:
    """Beats in a minute: the mean over all whole intervals, as a clinician counts them; None with fewer than two beats.

    Parameters
    ----------
    signal_uv : array, shape (lead, sample), µV, no NaN
    fs : Hz
    """
    beats = find_qrs(signal_uv, fs)
    return 60 * fs * (len(beats) - 1) / float(beats[-1] - beats[0]) if len(beats) > 1 else None
