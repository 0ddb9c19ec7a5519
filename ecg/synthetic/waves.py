"""The heart vector of one beat: Gaussians in three dimensions, and their projection to the leads.

The model is that of McSharry et al. 2003 (IEEE Trans Biomed Eng 50:289) in the three-dimensional form of Sameni et
al. 2007 (EURASIP J Adv Signal Process, art. 43407): every wave is a Gaussian in time multiplied by a fixed
vector. Time is counted from the onset of its beat instead of an angle on a limit cycle, so the intervals that
a reader measures (PR, QRS, QT) are parameters and no differential equation is solved.

Axes: x to the patient's left, y to the feet, z to the back (mV). The eight independent leads come from the
transfer matrix of Dower, Machado and Osborne 1980 (Clin Cardiol 3:87); III, aVR, aVL and aVF follow from I and
II by Einthoven's and Goldberger's rules. Frontal angles are the clinical ones: 0 degrees along lead I, 90 along aVF.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.synthetic.anatomy import Patient, between

Floats = NDArray[np.float64]

# Rows I, II, V1..V6; columns x, y, z.
DOWER: Final[Floats] = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# The twelve leads, in the order of `ecg.signals.leads.LEADS`, from I, II, V1..V6.
# Rows I, II, III, aVR, aVL, aVF; columns I and II.
_LIMB_LEADS: Final[Floats] = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]])
# The twelve leads, in the order of `ecg.signals.leads.LEADS`, from I, II, V1..V6.
LEADS_FROM_EIGHT: Final[Floats] = np.vstack([np.pad(_LIMB_LEADS, ((0, 0), (0, 6))), np.eye(6, 8, k=2)])
_FRONTAL_INVERSE: Final[Floats] = np.asarray(np.linalg.inv(DOWER[:2, :2]), np.float64)


def frontal_vector(magnitude: float, angle_deg: float, z: float) -> Floats:
    """Heart vector (x, y, z) that leads I and II show as `magnitude` mV at `angle_deg`, with `z` mV backwards."""
    angle = np.deg2rad(angle_deg)
    limb = magnitude * np.array([np.cos(angle), np.cos(angle - np.pi / 3)])
    return np.append(_FRONTAL_INVERSE @ (limb - DOWER[:2, 2] * z), z)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """One Gaussian: peak `delay_s` after its anchor, widths before and after the peak, vector in mV."""

    delay_s: float
    rise_s: float
    fall_s: float
    vector: Floats


def _wave(delay_s: float, sigma_s: float, magnitude: float, angle_deg: float, z: float) -> Wave:
    vector = frontal_vector(magnitude, angle_deg, z)
    return Wave(delay_s=delay_s, rise_s=sigma_s, fall_s=sigma_s, vector=vector)


@dataclass(frozen=True, kw_only=True, slots=True)
class BeatShape:
    """Waves of one kind of beat: `p` counts from the P onset, `qrs` from the QRS onset, `t` from the T end."""

    p: tuple[Wave, ...]
    qrs: tuple[Wave, ...]
    t: tuple[Wave, ...]


Plan = tuple[list[Wave], int, float]
"""Waves of a QRS, the number of the main one among them, and the size in mV that its axis is given."""


def axis_deg(findings: Collection[str], patient: Patient) -> float:
    """Mean QRS axis in degrees; normal is -12 to 78, well inside the accepted -30 to 90."""
    if "RAD" in findings:
        return between(patient.axis_u, 104, 145)
    if "LAnFB" in findings:
        return between(patient.axis_u, -50, -78)
    if "LAD" in findings:
        return between(patient.axis_u, -42, -78) if "PR" in findings else between(patient.axis_u, -36, -44)
    return between(patient.axis_u, -12, 55 if {"LBBB", "PR"} & set(findings) else 78)


def _with_axis(waves: list[Wave], main: int, axis: float, magnitude: float) -> tuple[Wave, ...]:
    """Turn wave `main` so that the area of all waves lies at `axis` in the frontal plane.

    The mean electrical axis is that of the net areas, so it follows from the waves' vectors times their widths;
    the main wave takes what the others leave.
    """
    width = [w.rise_s + w.fall_s for w in waves]
    # Areas in leads I and II, of all waves but the main one.
    others = sum((DOWER[:2] @ w.vector * width[i] for i, w in enumerate(waves) if i != main), start=np.zeros(2))
    angle = np.deg2rad(axis)
    wanted = magnitude * width[main] * np.array([np.cos(angle), np.cos(angle - np.pi / 3)])
    limb = (wanted - others) / width[main]
    z = waves[main].vector[2]
    vector = np.append(_FRONTAL_INVERSE @ (limb - DOWER[:2, 2] * z), z)
    turned = Wave(delay_s=waves[main].delay_s, rise_s=waves[main].rise_s, fall_s=waves[main].fall_s, vector=vector)
    return (*waves[:main], turned, *waves[main + 1 :])


def _septal_deg(axis: float) -> float:
    """Direction of the first 20 ms: to the right, and down in a left axis, which spares II and aVF a Q wave."""
    return 130.0 if axis < 10 else 172.0


def _narrow_qrs(findings: Collection[str], patient: Patient, axis: float, size: float) -> Plan:
    d = between(patient.qrs_u, 0.082, 0.100)
    back = 0.24 * patient.depth * size
    end_z = 0.55 * patient.terminal * size
    if "LAnFB" in findings:
        d = between(patient.qrs_u, 0.092, 0.106)
        waves = [
            _wave(0.20 * d, 0.080 * d, 0.26 * size, 112, -0.22 * patient.septal * size),
            _wave(0.56 * d, 0.120 * d, size, axis, back),
            _wave(0.80 * d, 0.080 * d, 0.12 * size, -75, 0.9 * end_z),
        ]
        return waves, 1, 1.15 * size
    septal = _wave(0.22 * d, 0.085 * d, 0.10 * size, _septal_deg(axis), -0.28 * patient.septal * size)
    if "RAD" in findings:
        waves = [
            septal,
            _wave(0.42 * d, 0.095 * d, 0.65 * size, 62, 0.05),
            _wave(0.62 * d, 0.105 * d, size, axis, 0.45 * size + 0.5 * back),
            _wave(0.80 * d, 0.080 * d, 0.12 * size, -150, 0.6 * end_z),
        ]
        return waves, 2, 0.75 * size
    waves = [
        septal,
        _wave(0.48 * d, 0.115 * d, size, axis, back),
        _wave(0.77 * d, 0.085 * d, 0.16 * size, between(patient.form_u, -150, -95), end_z),
    ]
    return waves, 1, size


def _q_wave_qrs(patient: Patient, axis: float, size: float) -> Plan:
    """QRS after an infarct: it starts with 45 ms of activation away from the scar."""
    d = between(patient.qrs_u, 0.101, 0.110)
    depth = between(patient.size_u, 0.85, 1.25) * size
    site = int(patient.site_u * 3)
    if site == 0 and axis < 5:
        site = 1  # an inferior Q needs some R below it to be told from a left axis
    q = (
        _wave(0.25 * d, 0.108 * d, 0.52 * depth, -85, 0.0),
        _wave(0.25 * d, 0.108 * d, 0.08 * depth, 180, 0.62 * depth),
        _wave(0.25 * d, 0.108 * d, 0.36 * depth, 178, 0.05),
    )[site]
    waves = [
        q,
        _wave(0.60 * d, 0.095 * d, size, axis, 0.18 * patient.depth * size),
        _wave(0.82 * d, 0.072 * d, 0.10 * size, -120, 0.40 * patient.terminal * size),
    ]
    return waves, 1, size


def _right_block_qrs(findings: Collection[str], patient: Patient, axis: float, size: float) -> Plan:
    """The first part is normal; the right ventricle follows late, to the right and to the front."""
    complete = "RBBB" in findings
    d = between(patient.qrs_u, 0.128, 0.158) if complete else between(patient.qrs_u, 0.100, 0.110)
    first = 0.088 if complete else 0.080
    tall = between(patient.form_u, 0.85, 1.25)
    if complete:
        late = _wave(0.75 * d, 0.105 * d, 0.36 * tall * size, 176, -0.80 * tall * size)
    else:
        late = _wave(0.83 * d, 0.070 * d, 0.20 * tall * size, 176, -0.62 * tall * size)
    lafb = "LAnFB" in findings
    septal = (0.24 * size, 112.0) if lafb else (0.10 * size, _septal_deg(axis))
    waves = [
        _wave(0.22 * first, 0.085 * first, *septal, -0.26 * size),
        _wave((0.58 if lafb else 0.50) * first, 0.125 * first, size, axis, 0.26 * patient.depth * size),
        _wave(0.78 * first, 0.085 * first, 0.12 * size, -110, 0.30 * patient.terminal * size),
        late,
    ]
    return waves, 1, 0.9 * size


def _left_block_qrs(patient: Patient, axis: float, size: float, paced: bool) -> Plan:
    """One broad, notched vector to the left and back, without a septal start."""
    d = between(patient.qrs_u, 0.150, 0.185) if paced else between(patient.qrs_u, 0.134, 0.166)
    back = between(patient.form_u, 0.95, 1.25) * size
    waves = [
        _wave(0.10 * d, 0.045 * d, 0.06 * size, 20, -0.16 * patient.septal * size),
        _wave(0.34 * d, 0.125 * d, 0.50 * size, axis, 0.75 * back),
        _wave(0.66 * d, 0.125 * d, 0.75 * size, axis, back),
    ]
    return waves, 2, 1.3 * size


def _slow_qrs(patient: Patient, axis: float, size: float) -> Plan:
    """Everything takes longer and the middle is notched; start and end keep the normal directions."""
    d = between(patient.qrs_u, 0.128, 0.152)
    waves = [
        _wave(0.17 * d, 0.070 * d, 0.14 * size, _septal_deg(axis), -0.26 * patient.septal * size),
        _wave(0.38 * d, 0.085 * d, 0.90 * size, axis, 0.20 * patient.depth * size),
        _wave(0.62 * d, 0.080 * d, 0.45 * size, axis + between(patient.form_u, -25, 25), 0.25 * size),
        _wave(0.83 * d, 0.070 * d, 0.24 * size, -140, 0.50 * patient.terminal * size),
    ]
    return waves, 1, 1.2 * size


def lead_field(patient: Patient) -> Floats:
    """Dower's matrix for one patient, shape (8, 3): chest electrodes never sit where the atlas has them.

    The limb leads stay as they are, since limb electrodes are far away and the axis is measured with them.
    """
    rng = np.random.Generator(np.random.Philox(patient.variant + 1))
    size = np.linalg.norm(DOWER[2:], axis=1, keepdims=True)
    shift = rng.normal(0, 0.09, (6, 3)).clip(-0.18, 0.18) * size
    return DOWER + np.pad(shift, ((2, 0), (0, 0)))


def peak_to_peak(waves: tuple[Wave, ...], field: Floats) -> Floats:
    """Peak-to-peak voltage of a group of waves in each of the twelve leads, mV; `field` as in `lead_field`."""
    time = np.arange(-0.05, 0.25, 0.001)
    rows = np.array([_gauss(time - w.delay_s, w.rise_s, w.fall_s) for w in waves])
    leads = LEADS_FROM_EIGHT @ field @ np.array([w.vector for w in waves]).T @ rows
    return np.ptp(leads, axis=1)


def _gauss(time: Floats, rise_s: float, fall_s: float) -> Floats:
    return np.exp(-0.5 * np.square(time / np.where(time < 0, rise_s, fall_s)))


def scaled(waves: tuple[Wave, ...], factor: float) -> tuple[Wave, ...]:
    """The waves with all vectors multiplied."""
    return tuple(Wave(delay_s=w.delay_s, rise_s=w.rise_s, fall_s=w.fall_s, vector=w.vector * factor) for w in waves)


def _voltage_factor(findings: Collection[str], patient: Patient, qrs: tuple[Wave, ...]) -> float:
    """Factor that brings QRS below the limits of low voltage, or keeps it clear above them."""
    voltage = peak_to_peak(qrs, lead_field(patient))
    limb, chest = voltage[:6].max(), voltage[6:].max()
    if "LQRSV" in findings:
        return float(min(between(patient.voltage_u, 0.24, 0.42) / limb, between(patient.voltage_u, 0.5, 0.85) / chest))
    return float(max(1.0, 0.80 / limb, 1.5 / chest))


def _plan_qrs(findings: Collection[str], patient: Patient, axis: float) -> Plan:
    size = patient.amplitude
    if {"LBBB", "PR"} & set(findings):
        return _left_block_qrs(patient, axis, size, "PR" in findings)
    if {"RBBB", "IRBBB"} & set(findings):
        return _right_block_qrs(findings, patient, axis, size)
    if "NSIVCB" in findings:
        return _slow_qrs(patient, axis, size)
    if "QAb" in findings:
        return _q_wave_qrs(patient, axis, size)
    return _narrow_qrs(findings, patient, axis, size)


def _varied(waves: list[Wave], variant: int) -> list[Wave]:
    """No two hearts are alike: each wave a little wider or narrower, earlier or later, turned in depth."""
    rng = np.random.Generator(np.random.Philox(variant))
    varied = []
    for w in waves:
        rise, fall = np.array([w.rise_s, w.fall_s]) * np.exp(rng.normal(0, 0.08, 2).clip(-0.14, 0.14))
        shift = rng.normal(0, 0.10) * w.rise_s
        vector = w.vector * np.append(np.full(2, 1 + rng.normal(0, 0.12)), 1 + rng.normal(0, 0.15))
        varied.append(Wave(delay_s=w.delay_s + shift, rise_s=rise, fall_s=fall, vector=vector))
    return varied


def qrs_waves(findings: Collection[str], patient: Patient) -> tuple[Wave, ...]:
    """QRS of the conducted (or paced) beat, from its onset, mV."""
    axis = axis_deg(findings, patient)
    planned, main, magnitude = _plan_qrs(findings, patient, axis)
    waves = _with_axis(_varied(planned, patient.variant), main, axis, magnitude)
    return scaled(waves, _voltage_factor(findings, patient, waves))
