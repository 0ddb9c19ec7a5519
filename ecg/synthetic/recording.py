"""One signal: beats, waves, atrial activity and noise put together and projected to twelve leads.

All beats of a kind share their waves, so a wave is one row over time (its Gaussians at all beats) and one
vector; the leads are one matrix product of vectors and rows. That keeps the cost at a few exponentials per
beat and makes half an hour as cheap per second as ten seconds.
"""

from collections.abc import Iterable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.synthetic.anatomy import Patient, draw_patient
from ecg12.ecg.synthetic.atrial import fibrillation, flutter
from ecg12.ecg.synthetic.clinical_findings import findings_of
from ecg12.ecg.synthetic.noise import lead_noise
from ecg12.ecg.synthetic.repolarisation import (
    atrial_premature_shape,
    beat_shape,
    spike,
    ventricular_premature_shape,
)
from ecg12.ecg.synthetic.rhythm import Beats, Origin, plan_beats
from ecg12.ecg.synthetic.waves import LEADS_FROM_EIGHT, BeatShape, Floats, Wave, lead_field

_REACH = 4.0
"""A Gaussian is cut off this many standard deviations from its peak (0.03 % of it)."""


def _wave_row(times_s: Floats, sizes: Floats, wave: Wave, n_samples: int, fs: float) -> NDArray[np.float32]:
    """One wave at all its beats: float32 array, shape (n_samples,), peak 1 times `sizes`."""
    peaks = times_s + wave.delay_s
    before, after = int(_REACH * wave.rise_s * fs) + 1, int(_REACH * wave.fall_s * fs) + 1
    # index: (beat, sample of the window)
    index = np.rint(peaks * fs).astype(np.int64)[:, None] + np.arange(-before, after + 1)
    time = index / fs - peaks[:, None]
    values = sizes[:, None] * np.exp(-0.5 * np.square(time / np.where(time < 0, wave.rise_s, wave.fall_s)))
    inside = (index >= 0) & (index < n_samples)
    row = np.bincount(index[inside], weights=values[inside], minlength=n_samples)
    return row.astype(np.float32)


class _Rows:
    """Rows over time with their vectors, collected until they are projected."""

    def __init__(self, n_samples: int, fs: float) -> None:
        self.n_samples, self.fs = n_samples, fs
        self.rows: list[NDArray[np.float32]] = []
        self.vectors: list[Floats] = []

    def add(self, waves: Iterable[Wave], times_s: Floats, sizes: Floats) -> None:
        if times_s.size:
            for wave in waves:
                self.rows.append(_wave_row(times_s, sizes, wave, self.n_samples, self.fs))
                self.vectors.append(wave.vector)

    def add_beats(self, shape: BeatShape, beats: Beats, chosen: NDArray[np.bool_], sizes: Floats) -> None:
        onset, p_onset = beats.onset_s[chosen], beats.p_onset_s[chosen]
        has_p = ~np.isnan(p_onset)
        self.add(shape.p, p_onset[has_p], np.ones(int(has_p.sum())))
        self.add(shape.qrs, onset, sizes[chosen])
        self.add(shape.t, onset + beats.qt_s, sizes[chosen])

    def project(self, field: Floats, respiration_hz: float, rng: Generator) -> NDArray[np.float32]:
        """Eight leads, mV. Breathing turns the heart by a few degrees, which changes the projection slowly."""
        vectors = np.array(self.vectors).T
        rows = np.stack(self.rows)
        turn = np.deg2rad(rng.uniform(0.5, 3.5))
        axis = rng.normal(size=3)
        cross = np.cross(np.eye(3), axis / np.linalg.norm(axis)) * turn
        time = np.arange(self.n_samples) / self.fs
        breath = np.sin(2 * np.pi * (respiration_hz * time + rng.random())).astype(np.float32)
        leads = (field @ vectors).astype(np.float32) @ rows
        leads += ((field @ cross @ vectors).astype(np.float32) @ rows) * breath
        return np.asarray(leads)


def _add_all(rows: _Rows, beats: Beats, findings: frozenset[str], patient: Patient, rng: Generator) -> None:
    sizes = 1 + rng.normal(0, 0.03, beats.onset_s.size)
    dominant = beat_shape(findings, patient, beats.qt_s)
    premature_p = atrial_premature_shape(dominant, patient, rng)
    voltage = float(np.linalg.norm(sum((w.vector for w in dominant.qrs), np.zeros(3))))
    ventricular = ventricular_premature_shape(patient, voltage, rng)
    for origin, shape in (
        (Origin.NORMAL, dominant),
        (Origin.ATRIAL_PREMATURE, premature_p),
        (Origin.VENTRICULAR_PREMATURE, ventricular),
    ):
        rows.add_beats(shape, beats, beats.origin == origin, sizes)
    if "PR" in findings:
        ventricle = spike(rows.fs, rng)
        rows.add((ventricle,), beats.onset_s - 0.004, np.ones(beats.onset_s.size))
        paced_atrium = rng.random() < 0.6
        atrium = beats.p_onset_s[~np.isnan(beats.p_onset_s)] - 0.004
        if paced_atrium:
            rows.add((spike(rows.fs, rng),), atrium, np.full(atrium.size, 0.7))


def _check(fs: float, n_samples: int) -> None:
    if not 100 <= fs <= 4000:
        raise ConfigError(f"simulator: fs {fs} Hz; expected 100 to 4000 Hz; resample afterwards")
    if n_samples < 4.5 * fs:
        raise ConfigError(
            f"simulator: {n_samples} samples at {fs:g} Hz; expected at least 4.5 s, since a rhythm shows only "
            "over several beats; ask for more samples"
        )


def simulate_signal(
    dx_codes: Iterable[str],
    *,
    fs: float,
    n_samples: int,
    rng: Generator,
    patient: Patient | None = None,
    noise: float = 1.0,
) -> NDArray[np.float32]:
    """Twelve leads with the signs that the codes stand for.

    Parameters
    ----------
    dx_codes : SNOMED CT codes, see `ecg.synthetic.FINDINGS`
        Implied findings are added; without a rhythm it is sinus rhythm.
    fs : float, Hz, 100 to 4000
    n_samples : int, at least 4.5 s
    rng : numpy Generator
        The only source of chance.
    patient : Patient, optional
        Whose heart it is; drawn from `rng` when not given.
    noise : float
        Factor on baseline wander, mains hum and muscle noise; 0 gives a clean signal.

    Returns
    -------
    float32 array, shape (12, n_samples), mV; rows in the order of `ecg.signals.leads.LEADS`

    Raises
    ------
    ConfigError
        If a code is unknown, two findings exclude each other, or `fs` or `n_samples` is out of range.
    """
    findings = findings_of(dx_codes)
    _check(fs, n_samples)
    # Each part gets its own stream, so that a change in one leaves the others as they were.
    streams = (np.random.Generator(np.random.Philox(int(s))) for s in rng.integers(2**63, size=5))
    patient_rng, rhythm_rng, atrial_rng, wave_rng, noise_rng = streams
    patient = patient or draw_patient(patient_rng)
    beats = plan_beats(findings, patient, n_samples / fs, rhythm_rng)
    rows = _Rows(n_samples, fs)
    _add_all(rows, beats, findings, patient, wave_rng)
    if "AF" in findings or "AFL" in findings:
        waves, vectors = (
            fibrillation(n_samples, fs, atrial_rng)
            if "AF" in findings
            else flutter(n_samples, fs, beats.flutter_hz, atrial_rng)
        )
        rows.rows.extend(waves)
        rows.vectors.extend(vectors)
    eight = rows.project(lead_field(patient), beats.respiration_hz, wave_rng)
    if noise:
        eight += lead_noise(n_samples, fs, beats.respiration_hz, noise, noise_rng)
    return LEADS_FROM_EIGHT.astype(np.float32) @ eight
