"""Records made in memory, for the tests of this room."""

import numpy as np

from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS


def make_signal(n_samples: int = 100, seed: int = 0) -> np.ndarray:
    """Noise of at most half a millivolt in which II = I + III: int16, shape (12, n_samples), µV."""
    signal = np.random.default_rng(seed).integers(-250, 250, (len(LEADS), n_samples)).astype(np.int16)
    signal[1] = signal[0] + signal[2]
    return signal


def make_record(signal: np.ndarray | None = None, **fields) -> Record:
    """A record that no check finds fault with, but for what `fields` say.

    Gains are 1000 adu/mV, baselines 0, checksums right; a `signal` of fewer rows than twelve takes the first leads.
    """
    signal = make_signal() if signal is None else signal
    n_leads = len(signal)
    sound = {
        "name": "N0001",
        "signal": signal,
        "leads": LEADS[:n_leads],
        "fs": 500.0,
        "adc_gain": np.full(n_leads, 1000.0),
        "baseline": np.zeros(n_leads, np.int64),
        "invalid_sample": -32768,
        "checksum": tuple(int(total) % 65536 for total in np.atleast_1d(signal.sum(axis=-1, dtype=np.int64))),
    }
    return Record(**(sound | fields))
