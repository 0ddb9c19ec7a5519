"""When the heart beats and where each beat comes from: a list of beats in seconds, no signal yet.

Every rhythm is a sequence of RR intervals; premature beats shorten one interval and lengthen the next.
Intervals are drawn for the whole record at once, so half an hour costs no more than a few arrays.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ecg12.ecg.synthetic.anatomy import Patient, between

Floats = NDArray[np.float64]
LEAD_IN_S = 1.5
"""Beats start this long before the first sample, so that a record may begin anywhere in a beat."""


class Origin(IntEnum):
    """Where a beat comes from."""

    NORMAL = 0
    ATRIAL_PREMATURE = 1
    VENTRICULAR_PREMATURE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Beats:
    """The beats of one record.

    Attributes
    ----------
    onset_s : float array, shape (n_beats,), s; QRS onset from the first sample
    p_onset_s : float array, shape (n_beats,), s; P onset, NaN where the beat has no P wave
    origin : int8 array, shape (n_beats,), `Origin`
    qt_s : float, QRS onset to T end
    respiration_hz : float
    flutter_hz : float, rate of F waves, 0 when there are none
    """

    onset_s: Floats
    p_onset_s: Floats
    origin: NDArray[np.int8]
    qt_s: float
    respiration_hz: float
    flutter_hz: float = 0.0


def pr_interval_s(findings: Collection[str], patient: Patient) -> float:
    """PR interval in seconds: 128-188 ms normally, 212-232 under LPR, 245-340 under IAVB."""
    if "IAVB" in findings:
        return between(patient.pr_u, 0.245, 0.340)
    if "LPR" in findings:
        return between(patient.pr_u, 0.212, 0.232)
    return between(patient.pr_u, 0.128, 0.188)


def qtc_s(findings: Collection[str], patient: Patient) -> float:
    """Corrected QT (Bazett: QT / sqrt(RR)) in s^(1/2); a wide QRS lengthens it, uncoded, as it should."""
    if "LQT" in findings:
        return between(patient.qtc_u, 0.480, 0.570)
    wide = 0.03 if {"RBBB", "LBBB", "NSIVCB", "PR"} & set(findings) else 0.0
    return between(patient.qtc_u, 0.380, 0.435) + wide


_SINUS_RATES = {
    "SNR": (61.0, 97.0),
    "SB": (40.0, 56.0),
    "STach": (104.0, 150.0),
    "SA": (64.0, 84.0),
    "SA+SB": (46.0, 53.0),
    "JE": (36.0, 54.0),
    "PR": (62.0, 85.0),
}


def _steady_rr(kind: str, pr: float, qtc: float, rng: Generator) -> float:
    """Mean RR in s of a regular rhythm: within its range, with room for T before the next P."""
    low, high = _SINUS_RATES[kind]
    rr = 60.0 / rng.uniform(low, high)
    needed = next(r for r in np.arange(0.36, 1.6, 0.01) if r >= 0.97 * (qtc * np.sqrt(r) + pr))
    return float(min(max(rr, needed), 60.0 / low))


def _sinus_rr(n: int, rr: float, swing: float, respiration_hz: float, rng: Generator) -> Floats:
    """RR intervals swinging with respiration by `swing` (peak, relative) around `rr`, with small jitter."""
    phase = 2 * np.pi * (respiration_hz * rr * np.arange(n) + rng.random())
    # A breath is never quite like the last one.
    phase += np.cumsum(rng.normal(0, 0.08, n))
    return np.asarray(rr * (1 + swing * np.sin(phase) + rng.normal(0, 0.006, n).clip(-0.018, 0.018)))


def _fibrillation_rr(n: int, duration_s: float, slow: bool, rng: Generator) -> Floats:
    """Independent intervals; those inside the record have the drawn mean, so that its rate is what it should be."""
    rr = 60.0 / (rng.uniform(38, 52) if slow else rng.uniform(66, 130))
    spread = rng.uniform(0.16, 0.28)
    intervals = np.exp(rng.normal(0, spread, n).clip(-2.2, 2.2) - spread**2 / 2)
    inside = max(4, int((duration_s + LEAD_IN_S) / rr))
    return np.asarray(np.maximum(rr * intervals / intervals[:inside].mean(), 0.29))


def _flutter_rr(n: int, slow: bool, rng: Generator) -> tuple[Floats, float]:
    """RR intervals that are whole numbers of F waves, and the F waves' rate in Hz."""
    if slow:
        ratio = int(rng.integers(5, 8))
        rate = rng.uniform(252, min(318, 55 * ratio))
        ratios = np.full(n, ratio)
    else:
        rate = rng.uniform(252, 318)
        ratios = np.full(n, int(rng.choice([2, 3, 4], p=[0.35, 0.2, 0.45])))
        if rng.random() < 0.3:
            ratios = rng.choice([2, 3, 4], n, p=[0.35, 0.2, 0.45])
    return ratios * (60.0 / rate), rate / 60.0


def _premature_beats(
    rr: Floats, duration_s: float, qt_s: float, kind: Origin, rng: Generator
) -> tuple[Floats, NDArray[np.int8]]:
    """Make some beats premature: at least one of them lies well inside the record.

    `rr[i]` is the interval before beat i. Two premature beats have at least two normal ones between them.
    """
    origin = np.zeros(rr.size, np.int8)
    if kind is Origin.NORMAL:
        return rr, origin
    rr = rr.copy()
    onset = np.cumsum(rr) - LEAD_IN_S
    # Where even the shortened interval leaves the premature beat and its P wave inside the record.
    inside = np.flatnonzero((onset > 0.6 + 0.55 * rr) & (onset < duration_s - 0.7))
    wanted = max(1, round(inside.size * rng.uniform(0.10, 0.28)))
    taken = np.zeros(rr.size + 3, bool)
    for beat in rng.permutation(inside):
        if wanted and not taken[max(beat - 2, 0) : beat + 3].any():
            taken[beat] = True
            origin[beat] = kind
            wanted -= 1
    early = np.flatnonzero(origin)
    after = early + 1
    low, high = (0.55, 0.74) if kind is Origin.ATRIAL_PREMATURE else (0.48, 0.68)
    coupling = rng.uniform(low, high, early.size)
    # Tissue is refractory until about the end of T.
    coupling = np.maximum(coupling, 0.97 * qt_s / rr[early]).clip(max=0.74)
    # A ventricular beat leaves the sinus node alone: the pause compensates. An atrial one resets it.
    rr[after] *= rng.uniform(1.0, 1.12, early.size) if kind is Origin.ATRIAL_PREMATURE else 2 - coupling
    rr[early] *= coupling
    return rr, origin


def plan_beats(findings: Collection[str], patient: Patient, duration_s: float, rng: Generator) -> Beats:
    """Beat times and origins of one record.

    Parameters
    ----------
    findings : abbreviations, consistent
    patient : whose PR and QT these are
    duration_s : float, s
    rng : numpy Generator
    """
    pr, qtc = pr_interval_s(findings, patient), qtc_s(findings, patient)
    respiration_hz = rng.uniform(0.19, 0.32)
    n = int((duration_s + 2 * LEAD_IN_S) / 0.25) + 4
    flutter_hz = 0.0
    if "AF" in findings:
        rr = _fibrillation_rr(n, duration_s, "Brady" in findings, rng)
    elif "AFL" in findings:
        rr, flutter_hz = _flutter_rr(n, "Brady" in findings, rng)
    elif "PR" in findings or "JE" in findings:
        kind = "PR" if "PR" in findings else "JE"
        rr = _steady_rr(kind, pr, qtc, rng) * (1 + rng.normal(0, 0.003, n))
    else:
        kind = "+".join(sorted({"SNR", "SB", "STach", "SA"} & set(findings)))
        swing = rng.uniform(0.105, 0.20) if "SA" in findings else rng.uniform(0.0, 0.025)
        rr = _sinus_rr(n, _steady_rr(kind, pr, qtc, rng), swing, respiration_hz, rng)
    mean_rr = float(np.median(rr[: max(4, int(duration_s / np.median(rr)))]))
    # The record may begin anywhere in the first interval; flutter keeps its waves locked to the beats.
    rr[0] *= rng.uniform(0.3, 1.0)
    qt = qtc * float(np.sqrt(mean_rr))
    kind_of = {"PAC": Origin.ATRIAL_PREMATURE, "PVC": Origin.VENTRICULAR_PREMATURE}
    origin = next((kind_of[name] for name in kind_of if name in findings), Origin.NORMAL)
    rr, origin_of = _premature_beats(rr, duration_s, qt, origin, rng)
    onset = np.cumsum(rr) - LEAD_IN_S
    keep = onset < duration_s + 0.7
    onset, origin_of = onset[keep], origin_of[keep]
    p_onset = onset - pr
    p_onset = np.where(origin_of == Origin.ATRIAL_PREMATURE, onset - rng.uniform(0.12, 0.15), p_onset)
    p_onset[origin_of == Origin.VENTRICULAR_PREMATURE] = np.nan
    if {"AF", "AFL", "JE"} & set(findings) or ("PR" in findings and rng.random() < 0.5):
        p_onset[:] = np.nan
    return Beats(
        onset_s=onset,
        p_onset_s=p_onset,
        origin=origin_of,
        qt_s=qt,
        respiration_hz=respiration_hz,
        flutter_hz=flutter_hz,
    )
