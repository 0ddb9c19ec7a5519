"""What is not the heart: electrodes that wander, hum and pick up muscle.

Noise belongs to an electrode, not to a lead: each of the nine (RA, LA, LL, V1..V6) has its own, and the leads
are differences of electrodes (I = LA - RA, II = LL - RA, chest leads against Wilson's terminal), so Einthoven's
rule holds for the noise as it does in a real recording.
Source for the bands: Clifford, Azuaje and McSharry 2006, Advanced Methods and Tools for ECG Data Analysis, ch. 3.
"""

from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

# Rows I, II, V1..V6; columns RA, LA, LL, V1..V6.
LEADS_FROM_ELECTRODES: Final = np.vstack(
    [
        [-1, 1, 0, *[0] * 6],
        [-1, 0, 1, *[0] * 6],
        np.hstack([np.full((6, 3), -1 / 3), np.eye(6)]),
    ]
).astype(np.float32)

_N_SLOW = 6


def lead_noise(n_samples: int, fs: float, respiration_hz: float, level: float, rng: Generator) -> NDArray[np.float32]:
    """Noise of the eight independent leads.

    Parameters
    ----------
    n_samples : int
    fs : float, Hz
    respiration_hz : float
        The baseline follows breathing.
    level : float
        Factor on everything; 1 gives recordings of usual quality.
    rng : numpy Generator

    Returns
    -------
    float32 array, shape (8, n_samples), mV
    """
    time = (np.arange(n_samples) / fs).astype(np.float32)
    rates = np.append(respiration_hz, rng.uniform(0.04, 0.45, _N_SLOW - 1))
    slow = np.sin(2 * np.pi * (rates[:, None] * time + rng.random((_N_SLOW, 1)))).astype(np.float32)
    wander = np.exp(rng.normal(np.log(0.03), 0.8)).clip(0.004, 0.2)
    mixing = rng.normal(0, wander, (9, _N_SLOW)).astype(np.float32)
    leads = (LEADS_FROM_ELECTRODES @ mixing) @ slow

    mains_hz = 50.0 if rng.random() < 0.6 else 60.0
    hum = np.exp(rng.normal(np.log(0.0025), 0.9, 9)).clip(0, 0.02) * np.exp(2j * np.pi * rng.random(9))
    hum_leads = LEADS_FROM_ELECTRODES @ hum
    angle = 2 * np.pi * mains_hz * time
    quadrature = np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    leads += np.stack([hum_leads.real, hum_leads.imag], axis=1).astype(np.float32) @ quadrature

    muscle = np.exp(rng.normal(np.log(0.011), 0.65)).clip(0.003, 0.05) * rng.uniform(0.5, 1.6, (9, 1))
    white = rng.standard_normal((9, n_samples), np.float32)
    # Muscle fills the band up to the recorder's limit; a three-point average tapers its upper end.
    white[:, 1:-1] = 0.25 * white[:, :-2] + 0.5 * white[:, 1:-1] + 0.25 * white[:, 2:]
    burst = 1 + 0.6 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3) * time + 6.3 * rng.random())
    leads += (LEADS_FROM_ELECTRODES * muscle.T.astype(np.float32) * 1.6) @ (white * burst)
    leads += LEADS_FROM_ELECTRODES @ _motion(n_samples, fs, rng)
    return np.asarray(level * leads, np.float32)


def _motion(n_samples: int, fs: float, rng: Generator) -> NDArray[np.float32]:
    """Electrodes that are touched: a jump which decays in about half a second, in one record of six.

    float32 array, shape (9, n_samples), mV
    """
    electrodes = np.zeros((9, n_samples), np.float32)
    if rng.random() < 1 / 6:
        decay = np.exp(-np.arange(int(3 * fs)) / (fs * rng.uniform(0.2, 0.8)))
        for start in rng.integers(0, n_samples, 1 + n_samples // int(20 * fs)):
            length = min(decay.size, n_samples - start)
            size = rng.choice([-1, 1]) * rng.uniform(0.15, 0.8)
            electrodes[rng.integers(9), start : start + length] += size * decay[:length]
    return electrodes
