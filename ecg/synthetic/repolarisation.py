"""P and T waves, premature beats and pacing spikes: the parts of a beat around the conducted QRS."""

from collections.abc import Collection

import numpy as np
from numpy.random import Generator

from ecg12.ecg.synthetic.anatomy import Patient, between
from ecg12.ecg.synthetic.waves import BeatShape, Floats, Wave, frontal_vector, qrs_waves


def _p_waves(patient: Patient, weaken: float) -> tuple[Wave, ...]:
    """Right atrium first (down, to the front), left atrium after it (left, to the back): 100 ms in all."""
    size = 0.135 * patient.p_amplitude * weaken
    parts = ((0.034, 0.62, patient.p_angle + 12, -0.045), (0.064, 0.80, patient.p_angle - 14, 0.045))
    return tuple(
        Wave(
            delay_s=delay,
            rise_s=0.0155,
            fall_s=0.0165,
            vector=frontal_vector(size * share, angle, z * patient.p_amplitude),
        )
        for delay, share, angle, z in parts
    )


def _early_p_waves(patient: Patient, rng: Generator) -> tuple[Wave, ...]:
    """P of a premature atrial beat: from low in the atrium (inverted below) or from the left atrium, sharper."""
    angle = float(rng.choice([-85.0, 100.0])) + rng.uniform(-15, 15)
    vector = frontal_vector(0.13 * patient.p_amplitude, angle, rng.uniform(-0.06, 0.06))
    return (Wave(delay_s=0.038, rise_s=0.015, fall_s=0.016, vector=vector),)


def _t_wave(qt_s: float, vector: Floats, shift_s: float = 0.0, narrow: float = 1.0) -> Wave:
    """A T wave, steeper behind its peak; the tangent of its downslope meets the baseline at the T end.

    The tangent at the inflection of a Gaussian crosses zero two standard deviations behind the peak.
    """
    fall = 0.037 * np.sqrt(qt_s / 0.38) * narrow
    return Wave(delay_s=-2 * fall + shift_s, rise_s=1.55 * fall, fall_s=fall, vector=vector)


def _inverted_t(patient: Patient) -> Floats:
    """T vector away from one region: anterior, inferior, lateral, or from the whole left ventricle."""
    size = between(patient.size_u, 0.85, 1.3)
    sites = (
        frontal_vector(0.08 * size, 80, 0.32 * size),
        frontal_vector(0.27 * size, -80, -0.10),
        frontal_vector(0.26 * size, 172, 0.02),
        frontal_vector(0.30 * size, -140, 0.16 * size),
    )
    return sites[int(patient.site_u * len(sites))]


def _t_waves(findings: Collection[str], patient: Patient, qt_s: float, weaken: float) -> tuple[Wave, ...]:
    size = 0.30 * patient.t_amplitude * weaken
    normal = frontal_vector(size, patient.t_angle, -0.19 * patient.t_depth * patient.t_amplitude * weaken)
    if "TInv" in findings:
        return (_t_wave(qt_s, _inverted_t(patient)),)
    if "TAb" in findings:
        if patient.form_u < 0.5:
            return (_t_wave(qt_s, normal * between(patient.size_u, -0.10, 0.14)),)
        sign = 1.0 if patient.size_u < 0.5 else -1.0
        first = _t_wave(qt_s, sign * 0.42 * normal, shift_s=-0.085, narrow=0.62)
        return (first, _t_wave(qt_s, -sign * 0.42 * normal, narrow=0.62))
    if {"LBBB", "PR"} & set(findings):
        qrs_area = sum((w.vector * (w.rise_s + w.fall_s) for w in qrs_waves(findings, patient)), np.zeros(3))
        return (_t_wave(qt_s, -0.42 * size / 0.30 * qrs_area / np.linalg.norm(qrs_area)),)
    if "RBBB" in findings:
        # Inverted in V1 and V2, where QRS ends upright.
        return (_t_wave(qt_s, np.append(normal[:2], 0.13 * patient.t_depth * patient.t_amplitude)),)
    return (_t_wave(qt_s, normal),)


def beat_shape(findings: Collection[str], patient: Patient, qt_s: float) -> BeatShape:
    """Waves of the dominant beat.

    Low voltage is a finding of QRS: P and T shrink by the square root only, as in infiltrative disease, so the
    sign survives any normalisation of the record's amplitude.
    """
    qrs = qrs_waves(findings, patient)
    weaken = 1.0
    if "LQRSV" in findings:
        healthy = qrs_waves(set(findings) - {"LQRSV"}, patient)
        ratio = np.linalg.norm(qrs[0].vector) / np.linalg.norm(healthy[0].vector)
        weaken = float(np.sqrt(ratio))
    return BeatShape(p=_p_waves(patient, weaken), qrs=qrs, t=_t_waves(findings, patient, qt_s, weaken))


def atrial_premature_shape(dominant: BeatShape, patient: Patient, rng: Generator) -> BeatShape:
    """A premature atrial beat: its own P, the dominant QRS and T."""
    return BeatShape(p=_early_p_waves(patient, rng), qrs=dominant.qrs, t=dominant.t)


def ventricular_premature_shape(patient: Patient, voltage: float, rng: Generator) -> BeatShape:
    """A premature ventricular beat from the right or the left ventricle: wide, notched, T against QRS.

    `voltage` (mV) is the size of the dominant beat's QRS vector, which this one exceeds.
    """
    d = rng.uniform(0.140, 0.175)
    size = rng.uniform(0.75, 1.05) * max(voltage, 0.6)
    from_right = rng.random() < 0.6
    angle = rng.uniform(60, 100) if rng.random() < 0.6 else rng.uniform(-90, -50)
    z = (0.75 if from_right else -0.75) * size
    if not from_right:
        angle = 180 - angle + 40 if angle > 0 else angle - 30
    first = frontal_vector(0.7 * size, angle - 20, 0.6 * z)
    second = frontal_vector(0.8 * size, angle + 15, z)
    qrs = (
        Wave(delay_s=0.32 * d, rise_s=0.125 * d, fall_s=0.125 * d, vector=first),
        Wave(delay_s=0.64 * d, rise_s=0.130 * d, fall_s=0.135 * d, vector=second),
    )
    t = Wave(delay_s=-0.09, rise_s=0.065, fall_s=0.045, vector=-0.28 * (first + second))
    return BeatShape(p=(), qrs=qrs, t=(t,))


def spike(fs: float, rng: Generator) -> Wave:
    """A pacing spike of about 1 ms with a random direction, 0.5-2.5 mV; at least 0.4 samples wide to be caught.

    Source of the width: pulse widths of 0.4-1.5 ms are usual; a recorder's band of 150 Hz smears them.
    """
    sigma = max(0.0010, 0.42 / fs)
    angle = rng.uniform(-110, 60)
    vector = frontal_vector(rng.uniform(0.7, 2.2), angle, rng.uniform(-0.5, 0.5))
    return Wave(delay_s=0.0, rise_s=sigma, fall_s=sigma, vector=vector)
