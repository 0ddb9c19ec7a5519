"""Optional filters of the store's signal, without shift in time: each runs forwards and backwards.

Off by default: a high-pass changes ST segments, which diagnoses rest on, and a notch rings at QRS complexes. Whoever
wants them has them recorded in the store.
"""

import numpy as np
from numpy.typing import NDArray

HIGHPASS_ORDER = 2
"""Of the Butterworth filter, run twice: the amplitude at the cut-off frequency is halved (-6 dB)."""

NOTCH_QUALITY = 30.0
"""Centre frequency over the width between the -3 dB points of one run."""


def filter_zero_phase(
    signal: NDArray[np.float32], fs: float, *, highpass: float | None = None, notch: float | None = None
) -> NDArray[np.float32]:
    """High-pass and notch filter along the last axis, in float64.

    Parameters
    ----------
    signal : float32 array, shape (n_leads, n_samples), no NaN
    fs : sampling frequency, Hz
    highpass : cut-off frequency, Hz; None for none
    notch : frequency to take out, Hz; None for none

    Returns
    -------
    float32 array of the same shape; the input itself without a filter

    Notes
    -----
    Beyond either end the signal goes on mirrored through its last sample, for one period of the cut-off frequency or,
    for the notch, as long as it rings; at most as long as the signal is.
    """
    if highpass is None and notch is None:
        return signal
    from scipy.signal import butter, iirnotch, sosfiltfilt, tf2sos  # here: it takes a second, and few filter

    filters = []
    if highpass is not None:
        filters.append((butter(HIGHPASS_ORDER, highpass, btype="highpass", fs=fs, output="sos"), fs / highpass))
    if notch is not None:
        filters.append((tf2sos(*iirnotch(notch, NOTCH_QUALITY, fs=fs)), NOTCH_QUALITY * fs / notch))
    filtered: NDArray[np.float64] = signal.astype(np.float64)
    for sections, ringing in filters:
        n_beyond = min(round(ringing), signal.shape[-1] - 1)
        filtered = sosfiltfilt(sections, filtered, axis=-1, padlen=n_beyond)
    return filtered.astype(np.float32)
