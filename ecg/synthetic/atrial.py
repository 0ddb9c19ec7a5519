"""Atrial activity that is no P wave: fibrillation and flutter, as rows of a signal with a vector each."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ecg12.ecg.synthetic.waves import Floats, frontal_vector

Rows = NDArray[np.float32]


def fibrillation(n_samples: int, fs: float, rng: Generator) -> tuple[Rows, Floats]:
    """f waves: three wandering oscillations of 4-9 Hz, the largest towards V1.

    Returns
    -------
    float32 array, shape (3, n_samples), about -1 to 1
    float array, shape (3, 3), the vector (x, y, z) of each row, mV
    """
    step = max(1, int(fs / 50))
    coarse = np.arange(0, n_samples + step, step)
    centre = rng.uniform(5.0, 7.5)
    # Rates wander around the centre; each row has its own walk, so the waves never repeat.
    walk = np.cumsum(rng.normal(0, 0.35, (3, coarse.size)), axis=1)
    walk -= np.linspace(0, 1, coarse.size) * walk[:, -1:]
    rate = centre * np.array([[1.0], [1.13], [0.9]]) + np.clip(walk, -1.2, 1.2)
    phase = 2 * np.pi * (np.cumsum(rate, axis=1) * step / fs + rng.random((3, 1)))
    swell = 1 + 0.35 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6, (3, 1)) * coarse / fs + 6.3 * rng.random((3, 1)))
    time = np.arange(n_samples)
    rows = np.empty((3, n_samples), np.float32)
    for i in range(3):
        angle = np.interp(time, coarse, phase[i])
        rows[i] = np.interp(time, coarse, swell[i]) * (np.sin(angle) + 0.25 * np.sin(2 * angle))
    size = rng.uniform(0.030, 0.085)
    vectors = np.array(
        [
            np.array([-0.4, 0.3, -0.8]),
            frontal_vector(0.75, rng.uniform(50, 110), 0.0),
            np.array([0.5, -0.2, 0.3]),
        ]
    )
    return rows, size * vectors


def flutter(n_samples: int, fs: float, rate_hz: float, rng: Generator) -> tuple[Rows, Floats]:
    """F waves: a saw-tooth without a flat part between the teeth, negative in II, III, aVF, upright in V1.

    The tooth is a short Fourier series, a slow fall and a steeper rise. Shapes as in `fibrillation`, one row.
    """
    phase = 2 * np.pi * (rate_hz * np.arange(n_samples) / fs + rng.random())
    row = np.zeros(n_samples)
    for k, weight in enumerate((1.0, 0.42, 0.2, 0.1), start=1):
        row += weight * np.sin(k * phase + 0.25 * (k - 1))
    vector = frontal_vector(rng.uniform(0.07, 0.16), rng.uniform(-105, -70), rng.uniform(-0.09, -0.03))
    return row.astype(np.float32)[None], vector[None]
